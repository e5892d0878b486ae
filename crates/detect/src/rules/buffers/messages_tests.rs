use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::{Direction, IpProto};

use super::*;
use crate::rules::buffers::testing::{Turns, counted, found, transactions};

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, body.len() as u8][..], body].concat()
}

fn mqtt_session() -> Turns {
    vec![
        (ToServer, packet(0x10, b"\0\x04MQTT\x04\xee\0\x3c\0\x02me\0\x01t\0\x03bye\0\x03joe\0\x02pw")),
        (ToClient, packet(0x20, &[1, 5])),
        (ToServer, packet(0x3b, b"\0\x01a\0\x07data")),
        (ToClient, packet(0x40, &[0, 7])),
        (ToServer, packet(0x82, b"\0\x08\0\x01b\0\0\x01c\x02")),
        (ToClient, packet(0x90, b"\0\x08\0\x80")),
        (ToServer, packet(0xa2, b"\0\x09\0\x01d")),
        (ToClient, packet(0xb0, b"\0\x09")),
        (ToClient, packet(0x30, b"\0\x01enews")),
    ]
}

#[test]
fn mqtt_packets_have_their_texts_and_numbers() {
    let all = transactions(AppProto::Mqtt, IpProto::TCP, 1883, &mqtt_session());
    for (direction, buffer, texts) in [
        (ToServer, Buffer::MqttConnectClientId, &["me"][..]),
        (ToServer, Buffer::MqttConnectUsername, &["joe"]),
        (ToServer, Buffer::MqttConnectPassword, &["pw"]),
        (ToServer, Buffer::MqttConnectWillTopic, &["t"]),
        (ToServer, Buffer::MqttConnectWillMessage, &["bye"]),
        (ToServer, Buffer::MqttConnectProtocolString, &["MQTT"]),
        (ToServer, Buffer::MqttPublishTopic, &["a"]),
        (ToServer, Buffer::MqttPublishMessage, &["data"]),
        (ToClient, Buffer::MqttPublishMessage, &["news"]),
        (ToServer, Buffer::MqttSubscribeTopic, &["b", "c"]),
        (ToServer, Buffer::MqttUnsubscribeTopic, &["d"]),
    ] {
        assert_eq!(found(&all, direction, buffer), texts, "{buffer:?}");
    }
    for (field, numbers) in [
        (Field::MqttType, &[1, 2, 3, 4, 8, 9, 10, 11][..]),
        (Field::MqttProtocolVersion, &[4; 4]),
        (Field::MqttFlags, &[0, 0, 3, 0, 0, 0, 0, 0]),
        (Field::MqttQos, &[0, 0, 1, 0, 1, 0, 1, 0]),
        (Field::MqttReasonCode, &[5, 0, 0x80]),
        (Field::MqttConnectFlags, &[0xee]),
        (Field::MqttConnackSessionPresent, &[1]),
    ] {
        assert_eq!(counted(&all, ToServer, field), numbers, "{field:?}");
    }
}

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let key = mask.unwrap_or_default();
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    let head = [&[first, bit | payload.len() as u8][..], mask.as_ref().map_or(&[], |mask| mask)].concat();
    head.into_iter().chain(masked).collect()
}

/// "Hello" twice, the second time by reference to the first (RFC 7692 section 7.2.3.2).
const COMPRESSED_ONE: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const COMPRESSED_TWO: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

#[test]
fn websocket_messages_are_joined_and_decompressed() {
    let mask = Some([1, 2, 3, 4]);
    let turns = vec![
        (ToServer, frame(0x01, mask, b"one ")),
        (ToServer, frame(0x89, mask, b"ping")),
        (ToServer, frame(0x80, mask, b"two")),
        (ToClient, frame(0xc1, None, COMPRESSED_ONE)),
        (ToClient, frame(0x41, None, &COMPRESSED_TWO[..2])),
        (ToClient, frame(0x80, None, &COMPRESSED_TWO[2..])),
    ];
    let all = transactions(AppProto::WebSocket, IpProto::TCP, 80, &turns);
    assert_eq!(found(&all, ToServer, Buffer::WebSocketPayload), ["one ", "ping", "one two"]);
    let down = found(&all, ToClient, Buffer::WebSocketPayload);
    assert_eq!((&*down[0], &*down[2]), ("Hello", "Hello"));
    assert_eq!(counted(&all, ToServer, Field::WebSocketOpcode), [1, 9, 0]);
    assert_eq!(counted(&all, ToServer, Field::WebSocketMask), [0x0102_0304; 3]);
    assert_eq!(counted(&all, ToServer, Field::WebSocketFlags), [0, 0x80, 0x80]);
    assert_eq!(counted(&all, ToClient, Field::WebSocketFlags), [0xc0, 0x40, 0x80]);
    assert_eq!(counted(&all, ToClient, Field::WebSocketMask), [0; 0]);
}

#[test]
fn a_message_that_unpacks_to_much_more_is_cut() {
    // 65,536 zeros, deflated in one block.
    let bomb = {
        let mut packed =
            vec![0xec, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x80, 0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a];
        packed.extend([0; 60]);
        packed
    };
    let turns = vec![(ToClient, frame(0xc2, None, &bomb)), (ToClient, frame(0xc1, None, COMPRESSED_TWO))];
    let all = transactions(AppProto::WebSocket, IpProto::TCP, 80, &turns);
    let mut found = Instances::new(Vec::new());
    for tx in &all {
        crate::rules::buffers::instances(tx, ToClient, Buffer::WebSocketPayload, &mut found);
    }
    assert!(found.get(0).len() <= 4096);
    assert_eq!(found.get(1), COMPRESSED_TWO, "what it refers to is not known");
}
