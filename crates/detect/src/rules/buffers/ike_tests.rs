use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::{Direction, IpProto};

use super::*;
use crate::rules::buffers::testing::{counted, found, transactions};

fn message(version: u8, exchange: u8, flags: u8, responder: bool, payloads: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (at, (_, content)) in payloads.iter().enumerate() {
        let next = payloads.get(at + 1).map_or(0, |(kind, _)| *kind);
        body.extend([next, 0, 0, 4 + content.len() as u8]);
        body.extend_from_slice(content);
    }
    let mut out = vec![0x18; 8];
    out.extend([if responder { 0xa0 } else { 0 }; 8]);
    out.extend([payloads[0].0, version, exchange, flags, 0, 0, 0, 0, 0, 0, 0, 28 + body.len() as u8]);
    out.extend(body);
    out
}

/// A security association with one proposal of one transform.
fn association(transform: &[u8], doi: bool) -> Vec<u8> {
    let transform = [&[0, 0, 0, 4 + transform.len() as u8][..], transform].concat();
    let proposal = [&[0, 0, 0, 8 + transform.len() as u8, 1, 1, 0, 1][..], &transform].concat();
    [if doi { &[0, 0, 0, 1, 0, 0, 0, 1][..] } else { &[] }, &proposal].concat()
}

#[test]
fn version_1_tells_keys_vendors_and_the_choice() {
    let attributes =
        [0x80, 1, 0, 7, 0x80, 2, 0, 2, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0x80, 14, 1, 0, 0, 12, 0, 1, 9];
    let transform = [&[1, 1, 0, 0][..], &attributes].concat();
    let payloads = vec![
        (1, association(&transform, true)),
        (4, vec![0xaa; 3]),
        (10, vec![0xbb; 2]),
        (13, vec![0x4a, 0x13]),
        (13, vec![0xff]),
    ];
    let turns = vec![
        (ToServer, message(0x10, 4, 0, false, &payloads)),
        (ToClient, message(0x10, 4, 0, true, &payloads)),
    ];
    let all = transactions(AppProto::Ike, IpProto::UDP, 500, &turns);
    for direction in [ToServer, ToClient] {
        assert_eq!(found(&all, direction, Buffer::IkeInitSpi), ["1818181818181818"]);
        assert_eq!(found(&all, direction, Buffer::IkeVendor), ["4a13", "ff"]);
        assert_eq!(found(&all, direction, Buffer::IkeKeyExchange), [r"\xaa\xaa\xaa"]);
        assert_eq!(found(&all, direction, Buffer::IkeNonce), [r"\xbb\xbb"]);
        assert_eq!(counted(&all, direction, Field::IkeKeyExchangeLength), [3]);
        assert_eq!(counted(&all, direction, Field::IkeNonceLength), [2]);
        assert_eq!(counted(&all, direction, Field::IkeExchangeType), [4]);
    }
    assert_eq!(found(&all, ToClient, Buffer::IkeRespSpi), ["a0a0a0a0a0a0a0a0"]);
    for (field, number) in [
        (Field::IkeChosenEncryption, 7),
        (Field::IkeChosenHash, 2),
        (Field::IkeChosenAuth, 1),
        (Field::IkeChosenGroup, 14),
        (Field::IkeChosenKeyLength, 256),
        (Field::IkeChosenLifeDuration, 9),
    ] {
        assert_eq!(counted(&all, ToClient, field), [number], "{field:?}");
        assert_eq!(counted(&all, ToServer, field), [0; 0], "{field:?}");
    }
}

#[test]
fn version_2_tells_the_responders_choice_by_number() {
    let association = association(&[1, 0, 0, 12], false);
    let key = [&[0, 14, 0, 0][..], &[0xcc; 4]].concat();
    let payloads = vec![(33, association), (34, key), (40, vec![0xdd; 16])];
    let all = transactions(
        AppProto::Ike,
        IpProto::UDP,
        500,
        &vec![
            (ToServer, message(0x20, 34, 8, false, &payloads)),
            (ToClient, message(0x20, 34, 0x20, true, &payloads)),
        ],
    );
    assert_eq!(counted(&all, ToServer, Field::IkeChosenEncryption), [0; 0]);
    assert_eq!(counted(&all, ToClient, Field::IkeChosenEncryption), [12]);
    assert_eq!(counted(&all, ToClient, Field::IkeChosenGroup), [0; 0]);
    assert_eq!(counted(&all, ToClient, Field::IkeKeyExchangeLength), [4]);
    assert_eq!(counted(&all, ToServer, Field::IkeNonceLength), [16]);
}
