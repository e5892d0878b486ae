//! `stun`: an answer of a STUN or TURN server.

use ::proto::Stun;
use wire::Endpoint;

use super::tls::put;
use crate::json::{Object, Value, json};
use crate::text::eve_ip;

pub(super) fn body(stun: &Stun) -> Value {
    let mut out = Object::new();
    out.insert("method".into(), stun.method_name().into());
    out.insert("class".into(), stun.class.name().into());
    put(&mut out, "mapped_address", stun.mapped.map(endpoint));
    put(&mut out, "relayed_address", stun.relayed.map(endpoint));
    put(&mut out, "peer_address", stun.peer.map(endpoint));
    put(&mut out, "username", stun.username.clone());
    put(&mut out, "realm", stun.realm.clone());
    put(&mut out, "software", stun.software.clone());
    put(&mut out, "error_code", stun.error_code);
    out.into()
}

fn endpoint(end: Endpoint) -> Value {
    json!({"ip": eve_ip(end.ip), "port": end.port})
}
