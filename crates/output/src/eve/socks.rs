//! `socks`: a request to a proxy with its answer.

use ::proto::Socks;

use crate::json::{Object, Value};

pub(super) fn body(socks: &Socks) -> Value {
    let mut out = Object::new();
    out.insert("version".into(), socks.version.into());
    let command = match socks.command {
        1 => "connect".into(),
        2 => "bind".into(),
        3 => "udp_associate".into(),
        other => Value::from(other.to_string()),
    };
    out.insert("command".into(), command);
    out.insert("host".into(), socks.host.clone().into());
    out.insert("port".into(), socks.port.into());
    if let Some(user) = &socks.user {
        out.insert("user".into(), user.clone().into());
    }
    if let Some(method) = socks.method {
        out.insert("method".into(), method.into());
    }
    if let Some(reply) = socks.reply {
        out.insert("reply".into(), reply.into());
    }
    out.into()
}
