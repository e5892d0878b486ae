use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::IpProto;

use super::*;
use crate::rules::buffers::testing::{Turns, counted, found, transactions};

const UUID: [u8; 16] = [0x12, 0x34, 0x57, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6];
const ON_WIRE: [u8; 16] = [0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0, 1, 2, 3, 4, 5, 6];

fn pdu(kind: u8, flags: u8, call: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    out.extend((16 + body.len() as u16).to_le_bytes());
    out.extend([0, 0, call, 0, 0, 0]);
    out.extend_from_slice(body);
    out
}

fn bind(call: u8) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([1, 0, 0, 0, 0, 0, 1, 0]);
    body.extend(ON_WIRE);
    body.extend([3, 0, 0, 0]);
    body.extend([7; 20]);
    pdu(11, 3, call, &body)
}

fn bind_ack(call: u8, result: u8) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([0, 0, 0, 0, 1, 0, 0, 0, result, 0, 0, 0]);
    body.extend([7; 20]);
    pdu(12, 3, call, &body)
}

fn request(flags: u8, call: u8, stub: &[u8]) -> Vec<u8> {
    pdu(0, flags, call, &[&[0, 0, 0, 0, 0, 0, 9, 0], stub].concat())
}

fn response(call: u8, stub: &[u8]) -> Vec<u8> {
    pdu(2, 3, call, &[&[0; 8], stub].concat())
}

fn calls(result: u8) -> Turns {
    vec![
        (ToServer, bind(1)),
        (ToClient, bind_ack(1, result)),
        (ToServer, [request(1, 2, b"one "), request(2, 2, b"two")].concat()),
        (ToClient, response(2, b"three")),
    ]
}

#[test]
fn a_call_has_its_body_whole_and_its_interface() {
    let all = transactions(AppProto::Dcerpc, IpProto::TCP, 135, &calls(0));
    assert_eq!(found(&all, ToServer, Buffer::DceStubData), ["one two"]);
    assert_eq!(found(&all, ToClient, Buffer::DceStubData), ["three"]);
    assert_eq!(counted(&all, ToServer, Field::DcerpcOpnum), [9]);
    assert_eq!(counted(&all, ToClient, Field::DcerpcOpnum), [9]);
    let asked = |version: Option<NumberTest>| -> Vec<bool> {
        all.iter().map(|tx| dce_interface(tx, &UUID, version.as_ref())).collect()
    };
    assert_eq!(asked(None), [false, true], "the bind is no request");
    assert_eq!(asked(Some(NumberTest::Equal(3, false))), [false, true]);
    assert_eq!(asked(Some(NumberTest::Greater(3))), [false, false]);
    assert!(!dce_interface(&all[1], &ON_WIRE, None));
    assert_eq!(dce_little_endian(&all[1], ToServer), Some(true));
}

#[test]
fn an_interface_that_was_refused_is_none() {
    let all = transactions(AppProto::Dcerpc, IpProto::TCP, 135, &calls(2));
    assert!(!all.iter().any(|tx| dce_interface(tx, &UUID, None)));
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// An SMB2 message behind its session header.
fn two(command: u8, response: bool, id: u8, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB\x40\0\0\0\0\0\0\0".to_vec();
    out.extend([command, 0, 1, 0, response.into(), 0, 0, 0, 0, 0, 0, 0, id]);
    out.resize(36, 0);
    out.extend([5, 0, 0, 0, 0x77]);
    out.resize(64, 0);
    out.extend_from_slice(body);
    [&[0, 0][..], &(out.len() as u16).to_be_bytes(), &out].concat()
}

fn connect(id: u8, path: &str, kind: u8) -> Turns {
    let name = utf16(path);
    let ask = [&[9, 0, 0, 0, 72, 0, name.len() as u8, 0][..], &name].concat();
    let answer = [&[16, 0, kind, 0][..], &[0; 12]].concat();
    vec![(ToServer, two(3, false, id, &ask)), (ToClient, two(3, true, id, &answer))]
}

fn ntlm() -> Vec<u8> {
    let (user, domain) = (utf16("eve"), utf16("CORP"));
    let mut token = b"NTLMSSP\0\x03\0\0\0".to_vec();
    token.extend([0; 16]);
    for (len, at) in [(domain.len(), 64), (user.len(), 64 + domain.len()), (0, 64)] {
        token.extend([len as u8, 0, len as u8, 0, at as u8, 0, 0, 0]);
    }
    token.resize(60, 0);
    token.extend([1, 0, 0, 0]);
    token.extend([domain, user].concat());
    let mut body = vec![25, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 88, 0, token.len() as u8, 0];
    body.resize(24, 0);
    body.extend(token);
    two(1, false, 4, &body)
}

#[test]
fn trees_are_pipes_or_shares_and_somebody_logs_in() {
    let mut turns = connect(2, r"\\srv\IPC$", 2);
    turns.extend(connect(3, r"\\srv\data", 1));
    turns.push((ToServer, ntlm()));
    let all = transactions(AppProto::Smb, IpProto::TCP, 445, &turns);
    assert_eq!(found(&all, ToServer, Buffer::SmbNamedPipe), [r"\\\\srv\\IPC$"]);
    assert_eq!(found(&all, ToServer, Buffer::SmbShare), [r"\\\\srv\\data"]);
    assert_eq!(found(&all, ToClient, Buffer::SmbShare), [""; 0]);
    assert_eq!(found(&all, ToServer, Buffer::SmbNtlmsspUser), ["eve"]);
    assert_eq!(found(&all, ToServer, Buffer::SmbNtlmsspDomain), ["CORP"]);
    assert_eq!(counted(&all, ToServer, Field::SmbVersion), [2, 2, 2]);
}

#[test]
fn a_call_in_a_pipe_is_like_any_other() {
    let mut turns = connect(2, r"\\srv\IPC$", 2);
    let write = |data: &[u8]| {
        let mut body = vec![49, 0, 112, 0, data.len() as u8];
        body.resize(16, 0);
        body.extend([5; 16]);
        body.resize(48, 0);
        body.extend_from_slice(data);
        body
    };
    let answer = |data: &[u8]| {
        let mut body = vec![17, 0, 80, 0, data.len() as u8];
        body.resize(16, 0);
        body.extend_from_slice(data);
        body
    };
    let mut read = vec![49, 0, 0, 0, 0, 4];
    read.resize(16, 0);
    read.extend([5; 16]);
    read.resize(49, 0);
    turns.extend([
        (ToServer, two(9, false, 3, &write(&bind(1)))),
        (ToClient, two(9, true, 3, &[17, 0, 0, 0])),
        (ToServer, two(8, false, 4, &read)),
        (ToClient, two(8, true, 4, &answer(&bind_ack(1, 0)))),
        (ToServer, two(9, false, 5, &write(&request(3, 2, b"stub")))),
        (ToClient, two(9, true, 5, &[17, 0, 0, 0])),
        (ToServer, two(8, false, 6, &read)),
        (ToClient, two(8, true, 6, &answer(&response(2, b"back")))),
    ]);
    let all = transactions(AppProto::Smb, IpProto::TCP, 445, &turns);
    assert_eq!(found(&all, ToServer, Buffer::DceStubData), ["stub"]);
    assert_eq!(found(&all, ToClient, Buffer::DceStubData), ["back"]);
    assert_eq!(counted(&all, ToServer, Field::DcerpcOpnum), [9]);
    assert!(all.iter().any(|tx| dce_interface(tx, &UUID, None)));
}
