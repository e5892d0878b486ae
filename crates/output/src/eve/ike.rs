//! `ike`: a message.

use crate::json::{Object, Value};
use crate::text::hex;
use ::proto::Ike;
use ::proto::ike::{Attributes, IkeBody, IkeV1, IkeV2, KeyMaterial};

use super::tls::put;

pub(super) fn body(ike: &Ike) -> Value {
    let mut out = Object::new();
    out.insert("version_major".into(), ike.version.0.into());
    out.insert("version_minor".into(), ike.version.1.into());
    out.insert("init_spi".into(), hex(&ike.init_spi).into());
    out.insert("resp_spi".into(), hex(&ike.resp_spi).into());
    out.insert("message_id".into(), ike.message_id.into());
    out.insert("exchange_type".into(), ike.exchange_type.into());
    if !ike.payloads.is_empty() {
        out.insert("payload".into(), ike.payloads.clone().into());
    }
    match &ike.body {
        IkeBody::V1(v1) => version_1(&mut out, v1),
        IkeBody::V2(v2) => version_2(&mut out, v2),
    }
    out.into()
}

fn version_1(out: &mut Object, v1: &IkeV1) {
    put_attributes(out, &v1.chosen);
    let mut inner = Object::new();
    put(&mut inner, "doi", v1.doi);
    inner.insert("encrypted_payloads".into(), v1.encrypted.into());
    if !v1.encrypted {
        let [mut client, server] = [&v1.keys[0], &v1.keys[1]].map(keys);
        if !v1.proposals.is_empty() {
            let list: Vec<Value> = v1
                .proposals
                .iter()
                .map(|proposal| {
                    let mut out = Object::new();
                    put_attributes(&mut out, proposal);
                    out.into()
                })
                .collect();
            client.insert("proposals".into(), list.into());
        }
        inner.insert("client".into(), client.into());
        inner.insert("server".into(), server.into());
    }
    if !v1.vendor_ids.is_empty() {
        inner.insert("vendor_ids".into(), v1.vendor_ids.iter().map(|id| hex(id)).collect());
    }
    out.insert("ikev1".into(), inner.into());
}

fn put_attributes(out: &mut Object, attributes: &Attributes) {
    for (name, value, raw) in attributes.named() {
        out.insert(name.into(), value.into());
        out.insert(format!("{name}_raw").into(), raw.into());
    }
}

fn keys(of: &KeyMaterial) -> Object {
    let mut out = Object::new();
    for (name, value) in [("key_exchange_payload", &of.key_exchange), ("nonce_payload", &of.nonce)] {
        if let Some(value) = value {
            out.insert(name.into(), hex(value).into());
            out.insert(format!("{name}_length").into(), value.len().into());
        }
    }
    out
}

fn version_2(out: &mut Object, v2: &IkeV2) {
    out.insert("role".into(), if v2.initiator { "initiator" } else { "responder" }.into());
    for (name, chosen) in ["alg_enc", "alg_auth", "alg_dh"].into_iter().zip(v2.chosen) {
        put(out, name, chosen.filter(|_| !v2.initiator));
    }
    let mut inner = Object::new();
    inner.insert("errors".into(), v2.errors.into());
    if !v2.notify.is_empty() {
        inner.insert("notify".into(), v2.notify.clone().into());
    }
    out.insert("ikev2".into(), inner.into());
}
