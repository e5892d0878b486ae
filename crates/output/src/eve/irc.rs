//! `irc`: a message.

use ::proto::Irc;

use crate::json::{Object, Value};

pub(super) fn body(irc: &Irc) -> Value {
    let mut out = Object::new();
    if let Some(prefix) = &irc.prefix {
        out.insert("prefix".into(), prefix.clone().into());
    }
    out.insert("command".into(), irc.command.clone().into());
    out.insert("parameters".into(), irc.parameters.as_slice().into());
    out.into()
}
