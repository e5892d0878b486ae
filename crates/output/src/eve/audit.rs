//! `audit`: what operators do, and what they are refused.

use super::head;
use crate::event::{AuditEvent, Stamp};
use crate::json::{Object, Value};

pub(super) fn line(stamp: &Stamp, event: &AuditEvent) -> Value {
    let mut line = head(stamp, "audit");
    let mut body = Object::default();
    body.insert("action".into(), event.action.name().into());
    body.insert("outcome".into(), if event.refused.is_none() { "done" } else { "refused" }.into());
    body.insert("by".into(), event.by.to_string().into());
    for (name, value) in [("who", &event.who), ("from", &event.from)] {
        if let Some(value) = value {
            body.insert(name.into(), value.to_string().into());
        }
    }
    if let Some(target) = event.target {
        body.insert("target".into(), target.to_string().into());
    }
    if !event.detail.is_empty() {
        body.insert("detail".into(), event.detail.clone().into());
    }
    if let Some(why) = &event.refused {
        body.insert("reason".into(), why.clone().into());
    }
    body.insert("count".into(), event.count.into());
    line.insert("audit".into(), body.into());
    line.into()
}
