use Direction::{ToClient, ToServer};

use super::*;
use crate::testing::{Turns, datagrams, in_any_pieces, survives, talk};

const SAMR: [u8; 16] =
    [0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0, 1, 0x23, 0x45, 0x67, 0x89, 0xac];

pub(crate) fn pdu(kind: u8, flags: u8, call: u32, body: &[u8]) -> Vec<u8> {
    let mut out = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    out.extend((16 + body.len() as u16).to_le_bytes());
    out.extend([0, 0]);
    out.extend(call.to_le_bytes());
    out.extend_from_slice(body);
    out
}

pub(crate) fn bind(call: u32) -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 2, 0, 0, 0];
    for (context, minor) in [(0_u16, 0_u16), (1, 1)] {
        body.extend(context.to_le_bytes());
        body.extend([1, 0]);
        body.extend(SAMR);
        body.extend([1, 0]);
        body.extend(minor.to_le_bytes());
        body.extend([7; 20]);
    }
    pdu(11, 3, call, &body)
}

pub(crate) fn bind_ack(call: u32) -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0, 4, 0];
    body.extend(b"135\0\0\0");
    body.extend([2, 0, 0, 0]);
    for result in [0_u16, 2] {
        body.extend(result.to_le_bytes());
        body.extend([1, 0]);
        body.extend([7; 20]);
    }
    pdu(12, 3, call, &body)
}

pub(crate) fn request(call: u32, flags: u8, opnum: u16, stub: usize) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0, 0, 0];
    body.extend(opnum.to_le_bytes());
    body.extend(vec![9; stub]);
    pdu(0, flags, call, &body)
}

pub(crate) fn response(call: u32, flags: u8, stub: usize) -> Vec<u8> {
    pdu(2, flags, call, &vec![0; 8 + stub])
}

fn conversation() -> Turns {
    vec![
        (ToServer, bind(1)),
        (ToClient, bind_ack(1)),
        (ToServer, [request(2, 1, 15, 100), request(2, 2, 15, 30)].concat()),
        (ToClient, [response(2, 1, 40), response(2, 0, 40), response(2, 2, 5)].concat()),
        (ToServer, request(3, 3, 7, 1)),
        (ToClient, pdu(3, 3, 3, &[0; 16])),
        (ToServer, request(4, 3, 8, 0)),
    ]
}

fn calls(log: &crate::testing::Log) -> Vec<&Dcerpc> {
    let call = |t: &'_ Transaction| matches!(t, Transaction::Dcerpc(_));
    assert!(log.logged.iter().all(call));
    log.logged
        .iter()
        .filter_map(|t| if let Transaction::Dcerpc(call) = t { Some(&**call) } else { None })
        .collect()
}

#[test]
fn calls_are_matched_with_their_answers_and_fragments_are_counted() {
    in_any_pieces(AppProto::Dcerpc, &conversation(), |log| {
        let [bind, call, fault, open] = calls(log)[..] else { panic!("{log:?}") };
        assert_eq!((bind.request, bind.response), (Some(11), Some(12)));
        assert_eq!(uuid_text(&bind.interfaces[0].uuid), "12345778-1234-abcd-ef00-0123456789ac");
        let acks: Vec<_> = bind.interfaces.iter().map(|i| (i.version, i.ack)).collect();
        assert_eq!(acks, [((1, 0), Some((0, 1))), ((1, 1), Some((2, 1)))]);
        assert_eq!(call.req, Some(Stub { opnum: 15, fragments: 2, length: 130 }));
        assert_eq!(call.res, Some(Stub { opnum: 0, fragments: 3, length: 85 }));
        assert_eq!(call.interfaces, bind.interfaces[..1]);
        assert_eq!((fault.response, open.response), (Some(3), None));
    });
}

#[test]
fn behind_a_hole_the_next_call_is_read() {
    let tuple = crate::testing::tuple(IpProto::TCP, 135);
    let mut layer = crate::AppLayer::new(&tuple);
    let mut log = crate::testing::Log::default();
    let mut say = |layer: &mut crate::AppLayer, direction, bytes: &[u8]| {
        layer.data(&tuple, Chunk { direction, bytes, time: wire::Nanos(0) }, &mut log);
    };
    say(&mut layer, ToServer, &request(1, 3, 1, 10)[..20]);
    layer.gap(&tuple, ToServer, 99, &mut crate::testing::Log::default());
    say(&mut layer, ToServer, b"the rest of something");
    say(&mut layer, ToServer, &request(2, 3, 2, 10));
    say(&mut layer, ToClient, &response(2, 3, 10));
    assert_eq!(calls(&log).iter().map(|c| c.call_id).collect::<Vec<_>>(), [2]);
}

#[test]
fn requests_that_nobody_answers_are_bounded() {
    let many = (0..10_000).flat_map(|call| request(call, 3, 1, 0)).collect();
    let (log, _) = talk(&vec![(ToServer, many)], usize::MAX);
    assert_eq!(log.logged.len(), 10_000);
}

#[test]
fn who_authenticates_in_the_third_message_is_told() {
    let token = crate::ntlm::tests::authenticate("D", "eve", "H");
    let mut auth3 = pdu(16, 3, 1, &[&[0; 12][..], &token].concat());
    auth3[10..12].copy_from_slice(&(token.len() as u16).to_le_bytes());
    let (log, _) = talk(&vec![(ToServer, [bind(1), auth3].concat())], 5);
    let users: Vec<_> = log
        .logged
        .iter()
        .filter_map(|t| if let Transaction::Ntlm(n) = t { Some(&*n.user) } else { None })
        .collect();
    assert_eq!(users, ["eve"]);
}

fn datagram(kind: u8, fragment: u16, body: &[u8]) -> Vec<u8> {
    let mut out = vec![4, kind, 0, 0, 0x10, 0, 0, 0];
    out.extend([0; 16]);
    out.extend(SAMR);
    out.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    out.extend([0, 0, 0, 0, 3, 0, 1, 0, 9, 0, 0, 0, 4, 0, 0xff, 0xff, 0xff, 0xff]);
    out.extend((body.len() as u16).to_le_bytes());
    out.extend(fragment.to_le_bytes());
    out.extend([0, 0]);
    out.extend_from_slice(body);
    out
}

#[test]
fn datagrams_are_matched_by_activity_and_sequence_number() {
    let turns = vec![
        (ToServer, datagram(0, 0, &[0; 30])),
        (ToServer, datagram(0, 1, &[0; 12])),
        (ToClient, datagram(2, 0, &[0; 8])),
    ];
    let (log, found) = datagrams(&turns);
    assert_eq!(found, Some(AppProto::Dcerpc));
    let [call] = calls(&log)[..] else { panic!("{log:?}") };
    assert_eq!(call.req, Some(Stub { opnum: 4, fragments: 2, length: 42 }));
    assert_eq!(call.res.map(|r| r.length), Some(8));
    let (activity, seqnum) = call.activity.unwrap();
    assert_eq!((uuid_text(&activity).as_str(), seqnum), ("04030201-0605-0807-090a-0b0c0d0e0f10", 9));
    assert_eq!(call.interfaces[0].version, (3, 1));
}

#[test]
fn damage_is_survived() {
    survives(AppProto::Dcerpc, &conversation());
}
