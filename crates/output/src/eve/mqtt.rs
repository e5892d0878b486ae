//! `mqtt`: control packets that belong together, each under its name.

use ::proto::Mqtt;
use ::proto::mqtt::{Body, Connect, Packet, Properties, PropertyValue};

use crate::json::{Object, Value, json};

/// With the password itself only where `clear` says so.
pub(super) fn body(mqtt: &Mqtt, clear: bool) -> Value {
    let mut out = Object::new();
    // Suricata has no place for AUTH.
    for packet in mqtt.packets.iter().filter(|p| p.kind != 15) {
        out.insert(packet.name().into(), one(packet, clear));
    }
    out.into()
}

fn one(packet: &Packet, clear: bool) -> Value {
    let mut out = Object::new();
    out.insert("qos".into(), packet.qos.into());
    out.insert("retain".into(), packet.retain.into());
    out.insert("dup".into(), packet.dup.into());
    match &packet.body {
        Body::Empty | Body::Skipped(_) => {}
        Body::Connect(connect) => self::connect(&mut out, connect, clear),
        Body::ConnAck { session_present, code, properties } => {
            out.insert("session_present".into(), (*session_present).into());
            out.insert("return_code".into(), (*code).into());
            put_properties(&mut out, properties);
        }
        Body::Publish { topic, id, payload, skipped, properties } => {
            out.insert("topic".into(), topic.clone().into());
            if let Some(id) = id {
                out.insert("message_id".into(), (*id).into());
            }
            out.insert("message".into(), text(payload).into());
            if *skipped > 0 {
                out.insert("truncated".into(), true.into());
                out.insert("skipped_length".into(), (*skipped).into());
            }
            put_properties(&mut out, properties);
        }
        Body::Ack { id, reason } => {
            out.insert("message_id".into(), (*id).into());
            if let Some(reason) = reason {
                out.insert("reason_code".into(), (*reason).into());
            }
        }
        Body::Subscribe { id, topics } => {
            out.insert("message_id".into(), (*id).into());
            let topics: Vec<Value> =
                topics.iter().map(|(topic, qos)| json!({"topic": topic, "qos": qos})).collect();
            out.insert("topics".into(), topics.into());
        }
        Body::Unsubscribe { id, topics } => {
            out.insert("message_id".into(), (*id).into());
            out.insert("topics".into(), topics.clone().into());
        }
        Body::Codes { id, codes } => {
            out.insert("message_id".into(), (*id).into());
            let name = if packet.kind == 9 { "qos_granted" } else { "reason_codes" };
            if packet.kind == 9 || !codes.is_empty() {
                out.insert(name.into(), codes.clone().into());
            }
        }
        Body::Reason { reason, properties } => {
            out.insert("reason_code".into(), (*reason).into());
            put_properties(&mut out, properties);
        }
    }
    out.into()
}

fn connect(out: &mut Object, connect: &Connect, clear: bool) {
    let flag = |bit: u8| connect.flags & bit != 0;
    out.insert("protocol_string".into(), connect.protocol.clone().into());
    out.insert("protocol_version".into(), connect.version.into());
    out.insert("client_id".into(), connect.client_id.clone().into());
    let flags = json!({
        "username": flag(0x80),
        "password": flag(0x40),
        "will_retain": flag(0x20),
        "will": flag(0x04),
        "clean_session": flag(0x02),
    });
    out.insert("flags".into(), flags);
    if let Some(user) = &connect.user {
        out.insert("username".into(), user.clone().into());
    }
    if let Some(password) = &connect.password {
        out.insert("password".into(), super::secret(password, clear));
    }
    if let Some((topic, message, properties)) = &connect.will {
        let mut will = Object::new();
        will.insert("topic".into(), topic.clone().into());
        will.insert("message".into(), text(message).into());
        put_properties(&mut will, properties);
        out.insert("will".into(), will.into());
    }
    put_properties(out, &connect.properties);
}

fn put_properties(out: &mut Object, properties: &Properties) {
    if properties.is_empty() {
        return;
    }
    let mut body = Object::new();
    for (name, value) in properties {
        let value = match value {
            PropertyValue::Number(number) => (*number).into(),
            PropertyValue::Text(text) => text.clone().into(),
        };
        body.insert(name.clone().into(), value);
    }
    out.insert("properties".into(), body.into());
}

/// UTF-8 as it is; other bytes as Suricata writes them.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(
        |_| {
            let byte = |b: &u8| if b.is_ascii() { char::from(*b).to_string() } else { format!("\\x{b:02x}") };
            bytes.iter().map(byte).collect()
        },
        str::to_owned,
    )
}
