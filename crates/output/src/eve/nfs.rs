//! `nfs`: a call with its reply; the `rpc` object beside it. `portmap`: a question to the port mapper.

use ::proto::{Nfs, NfsChunk, Portmap, RpcCall};

use crate::json::{Object, Value, json};

pub(super) fn body(nfs: &Nfs) -> Value {
    let mut out = Object::new();
    let (procedure, version) = (nfs.procedure_name(), nfs.call.version);
    // Suricata knows no names in version 2, and none of links: consumers compare these fields with its own. What it has
    // no place for is in `rename`.
    let named = version > 2 && !matches!(procedure.as_str(), "LINK" | "SYMLINK" | "MKNOD");
    // Of these, the handle only.
    let by_handle = matches!(procedure.as_str(), "ACCESS" | "READ" | "WRITE" | "COMMIT");
    let by_name =
        matches!(procedure.as_str(), "LOOKUP" | "CREATE" | "MKDIR" | "REMOVE" | "RMDIR" | "RENAME" | "OPEN");
    let name = if named && (by_handle || by_name) { nfs.name.as_str() } else { "" };
    out.insert("version".into(), version.into());
    out.insert("procedure".into(), procedure.into());
    out.insert("filename".into(), name.to_owned().into());
    if let Some(hash) = nfs.handle_hash.filter(|_| by_handle || by_name) {
        out.insert("hhash".into(), format!("{hash:x}").into());
    }
    out.insert("id".into(), nfs.id.into());
    out.insert("file_tx".into(), (nfs.read.is_some() || nfs.write.is_some()).into());
    out.insert("type".into(), if nfs.call.accepted.is_some() { "response" } else { "request" }.into());
    if let Some(status) = nfs.status_name() {
        out.insert("status".into(), status.into());
    }
    if let Some(to) = &nfs.new_name {
        out.insert("rename".into(), json!({"from": &nfs.name, "to": to}));
    }
    let chunk = |chunk: NfsChunk| json!({"first": chunk.first, "last": chunk.last, "last_xid": nfs.call.xid, "chunks": 1});
    if let Some(read) = nfs.read {
        out.insert("read".into(), chunk(read));
    }
    if let Some(write) = nfs.write {
        out.insert("write".into(), chunk(write));
    }
    out.into()
}

pub(super) fn rpc(call: &RpcCall) -> Value {
    let mut out = Object::new();
    out.insert("xid".into(), call.xid.into());
    if let Some(accepted) = call.accepted {
        out.insert("status".into(), if accepted { "ACCEPTED" } else { "DENIED" }.into());
    }
    let credentials = &call.credentials;
    out.insert("auth_type".into(), credentials.flavour_name().into());
    if let Some(machine) = &credentials.machine {
        let creds = json!({"machine_name": machine, "uid": credentials.uid, "gid": credentials.gid});
        out.insert("creds".into(), creds);
    }
    out.into()
}

pub(super) fn portmap(portmap: &Portmap) -> Value {
    let mut out = Object::new();
    out.insert("procedure".into(), portmap.procedure_name().into());
    out.insert("program".into(), portmap.program.into());
    out.insert("version".into(), portmap.version.into());
    out.insert("protocol".into(), portmap.protocol.into());
    if let Some(port) = portmap.port {
        out.insert("port".into(), port.into());
    }
    out.into()
}
