//! `ssh`: the beginning of a connection.

use ::proto::Ssh;
use ::proto::ssh::SshSide;

use super::tls::{fingerprint, put};

use crate::json::{Object, Value};

pub(super) fn body(ssh: &Ssh) -> Value {
    let mut out = Object::new();
    put(&mut out, "client", ssh.client.as_ref().map(side));
    put(&mut out, "server", ssh.server.as_ref().map(side));
    out.into()
}

fn side(side: &SshSide) -> Value {
    let mut out = Object::new();
    out.insert("proto_version".into(), side.proto_version.clone().into());
    out.insert("software_version".into(), side.software_version.clone().into());
    put(&mut out, "hassh", side.hassh.as_ref().map(fingerprint));
    out.into()
}
