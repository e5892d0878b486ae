//! Messages between programs: MQTT and WebSocket.

use proto::mqtt::{Body, Mqtt, Packet};
use proto::{Secret, WebSocket};
use rules::{Buffer, Field};

use super::text;
use crate::rules::view::Instances;

/// Bits of `websocket.flags`, as in the first byte of a frame.
const FIN: u64 = 0x80;
const COMPRESSED: u64 = 0x40;
/// Bits of `mqtt.flags`.
const DUP: u64 = 1;
const RETAIN: u64 = 2;

/// Buffers of packets that belong together.
pub(super) fn mqtt<'a>(mqtt: &'a Mqtt, buffer: Buffer, out: &mut Instances<'a>) {
    for packet in &mqtt.packets {
        match (&packet.body, buffer) {
            (Body::Connect(connect), _) => match buffer {
                Buffer::MqttConnectClientId => text(Some(&connect.client_id), out),
                Buffer::MqttConnectUsername => text(connect.user.as_ref(), out),
                Buffer::MqttConnectPassword => {
                    let secret = connect.password.as_ref().map(Secret::reveal);
                    secret.into_iter().for_each(|secret| out.borrow(secret.as_bytes()));
                }
                Buffer::MqttConnectProtocolString => text(Some(&connect.protocol), out),
                Buffer::MqttConnectWillTopic => text(connect.will.as_ref().map(|will| &will.0), out),
                Buffer::MqttConnectWillMessage => {
                    connect.will.iter().for_each(|(_, message, _)| out.borrow(message));
                }
                _ => {}
            },
            (Body::Publish { topic, .. }, Buffer::MqttPublishTopic) => text(Some(topic), out),
            (Body::Publish { payload, .. }, Buffer::MqttPublishMessage) => out.borrow(payload),
            (Body::Subscribe { topics, .. }, Buffer::MqttSubscribeTopic) => {
                topics.iter().for_each(|(topic, _)| text(Some(topic), out));
            }
            (Body::Unsubscribe { topics, .. }, Buffer::MqttUnsubscribeTopic) => {
                topics.iter().for_each(|topic| text(Some(topic), out));
            }
            _ => {}
        }
    }
}

/// Numbers of packets that belong together.
pub(super) fn mqtt_numbers(mqtt: &Mqtt, field: Field, each: &mut dyn FnMut(u64)) {
    if field == Field::MqttProtocolVersion {
        return each(mqtt.version.into());
    }
    for packet in &mqtt.packets {
        match field {
            Field::MqttType => each(packet.kind.into()),
            Field::MqttQos => each(packet.qos.into()),
            Field::MqttFlags => {
                each(u64::from(packet.dup) * DUP + u64::from(packet.retain) * RETAIN);
            }
            Field::MqttReasonCode => reasons(packet, each),
            Field::MqttConnectFlags => {
                if let Body::Connect(connect) = &packet.body {
                    each(connect.flags.into());
                }
            }
            Field::MqttConnackSessionPresent => {
                if let Body::ConnAck { session_present, .. } = packet.body {
                    each(session_present.into());
                }
            }
            _ => {}
        }
    }
}

fn reasons(packet: &Packet, each: &mut dyn FnMut(u64)) {
    match &packet.body {
        Body::ConnAck { code, .. } => each((*code).into()),
        Body::Ack { reason: Some(reason), .. } | Body::Reason { reason, .. } => each((*reason).into()),
        Body::Codes { codes, .. } => codes.iter().for_each(|&code| each(code.into())),
        _ => {}
    }
}

/// The payload of a frame: the whole message if it is a message's last.
pub(super) fn websocket<'a>(frame: &'a WebSocket, buffer: Buffer, out: &mut Instances<'a>) {
    if buffer == Buffer::WebSocketPayload {
        out.borrow(frame.message.as_ref().unwrap_or(&frame.payload));
    }
}

/// Numbers of a frame.
pub(super) fn websocket_numbers(frame: &WebSocket, field: Field, each: &mut dyn FnMut(u64)) {
    match field {
        Field::WebSocketOpcode => each(frame.opcode.into()),
        Field::WebSocketMask => frame.mask.into_iter().for_each(|mask| each(mask.into())),
        Field::WebSocketFlags => {
            each(u64::from(frame.fin) * FIN + u64::from(frame.compressed) * COMPRESSED);
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
