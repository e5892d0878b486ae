//! `websocket`: a frame.

use ::proto::WebSocket;

use crate::json::{Object, Value};

pub(super) fn body(frame: &WebSocket) -> Value {
    let mut out = Object::new();
    out.insert("fin".into(), frame.fin.into());
    if let Some(mask) = frame.mask {
        out.insert("mask".into(), mask.into());
    }
    let opcode = frame.opcode_name().map_or_else(|| format!("unknown-{}", frame.opcode), str::to_owned);
    out.insert("opcode".into(), opcode.into());
    out.into()
}
