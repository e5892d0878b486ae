//! `memcached`: a command with its reply.

use ::proto::Memcached;

use crate::json::{Object, Value};

pub(super) fn body(memcached: &Memcached) -> Value {
    let mut out = Object::new();
    out.insert("binary".into(), memcached.binary.into());
    out.insert("command".into(), memcached.command.clone().into());
    if let Some(key) = &memcached.key {
        out.insert("key".into(), key.clone().into());
    }
    if let Some(length) = memcached.value_length {
        out.insert("value_length".into(), length.into());
    }
    if let Some(status) = &memcached.status {
        out.insert("status".into(), status.clone().into());
    }
    out.into()
}
