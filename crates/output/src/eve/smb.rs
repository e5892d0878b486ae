//! `smb`: a request with its response, or a file's transfer.

use ::proto::Smb;
use ::proto::smb::{Negotiate, Share, ShareKind, guid_text};

use super::{dcerpc, ntlm};

use crate::json::{Object, Value, json};

pub(super) fn body(smb: &Smb) -> Value {
    let mut out = Object::new();
    let mut put = |name: &'static str, value: Value| out.insert(name.into(), value);
    put("id", smb.id.into());
    put("dialect", if smb.dialect.is_empty() { "unknown".into() } else { (&smb.dialect).into() });
    put("command", smb.command_name().into());
    if let Some(status) = smb.status {
        put("status", status.name().into());
        put("status_code", status.code().into());
    }
    put("session_id", smb.session_id.into());
    put("tree_id", smb.tree_id.into());
    if let Some(ntlm) = &smb.ntlm {
        put("ntlmssp", ntlm::identity(ntlm).into());
    }
    if let Some((realm, names)) = &smb.kerberos {
        let mut kerberos = json!({"realm": realm});
        if !names.is_empty() {
            kerberos["snames"] = names.clone().into();
        }
        put("kerberos", kerberos);
    }
    for (side, native) in ["request", "response"].into_iter().zip(&smb.native) {
        if let Some((os, lm)) = native {
            put(side, json!({"native_os": os, "native_lm": lm}));
        }
    }
    if let Some(function) = smb.function_name() {
        put("function", function.into());
    }
    if let Some(call) = &smb.dcerpc {
        put("dcerpc", dcerpc::in_pipe(call));
    }
    if let Some(name) = &smb.filename {
        put("filename", file_name(smb, name).to_owned().into());
    }
    if let Some((from, to)) = &smb.rename {
        put("rename", json!({"from": from, "to": to}));
    }
    if let Some(negotiate) = &smb.negotiate {
        self::negotiate(negotiate, smb.version, &mut out);
    }
    if let Some(share) = &smb.share {
        self::share(share, smb, &mut out);
    }
    file(smb, &mut out);
    out.into()
}

/// The root of a share has no name, and a file that was opened unseen is not known by one.
fn file_name<'a>(smb: &Smb, name: &'a str) -> &'a str {
    match (smb.version, &smb.create) {
        (2, Some(_)) if name.is_empty() => "<share_root>",
        (2, None) if name.is_empty() => "<unknown>",
        _ => name,
    }
}

fn file(smb: &Smb, out: &mut Object) {
    let mut put = |name: &'static str, value: Value| out.insert(name.into(), value);
    if let Some(create) = &smb.create {
        put("disposition", create.disposition_name().into());
        put("access", if create.delete_on_close { "delete on close" } else { "normal" }.into());
        put("created", create.times.created.into());
        put("accessed", create.times.accessed.into());
        put("modified", create.times.modified.into());
        put("changed", create.times.changed.into());
        put("size", create.size.into());
    } else if smb.delete {
        put("access", "delete on close".into());
    }
    if smb.filename.is_some() {
        put("fuid", smb.file_id.map(|id| id.text()).unwrap_or_default().into());
    }
}

fn negotiate(negotiate: &Negotiate, version: u8, out: &mut Object) {
    let guid = |guid: &Option<[u8; 16]>| guid.as_ref().map(guid_text).unwrap_or_default();
    if !negotiate.dialects.is_empty() {
        out.insert("client_dialects".into(), negotiate.dialects.clone().into());
    }
    if version == 2 {
        out.insert("client_guid".into(), guid(&negotiate.client_guid).into());
    }
    out.insert("server_guid".into(), guid(&negotiate.server_guid).into());
    if let Some((read, write)) = negotiate.max_read_write {
        out.insert("max_read_size".into(), read.into());
        out.insert("max_write_size".into(), write.into());
    }
}

fn share(share: &Share, smb: &Smb, out: &mut Object) {
    // Suricata leaves out the first of the two backslashes that SMB1 sends.
    let name = match smb.version {
        1 if share.name.starts_with("\\\\") => &share.name[1..],
        _ => &share.name,
    };
    let pipe = share.kind == ShareKind::Pipe;
    out.insert(if pipe { "named_pipe" } else { "share" }.into(), name.to_owned().into());
    if smb.filename.is_some() {
        return;
    }
    match &share.service {
        Some((request, response)) => {
            let mut service = json!({"request": request});
            if let Some(response) = response {
                service["response"] = response.clone().into();
            }
            out.insert("service".into(), service);
        }
        None => {
            out.insert("share_type".into(), share.kind.name().into());
        }
    }
}
