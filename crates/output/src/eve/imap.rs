//! `imap`: a command with how it ended.

use ::proto::Imap;

use crate::json::{Object, Value};

pub(super) fn body(imap: &Imap) -> Value {
    let mut out = Object::new();
    out.insert("tag".into(), imap.tag.clone().into());
    out.insert("command".into(), imap.command.clone().into());
    if !imap.arguments.is_empty() {
        out.insert("arguments".into(), imap.arguments.clone().into());
    }
    if let Some(status) = imap.status {
        out.insert("status".into(), status.into());
    }
    if let Some(text) = &imap.text {
        out.insert("text".into(), text.clone().into());
    }
    out.into()
}
