use Direction::{ToClient, ToServer};

use super::*;
use crate::testing::{Log, Turns, datagrams, in_any_pieces, survives, tlv};
use crate::transaction::Transaction;

fn field(number: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0xa0 | number, body)
}

fn number(n: u8) -> Vec<u8> {
    tlv(2, [n])
}

fn string(text: &str) -> Vec<u8> {
    tlv(0x1b, text)
}

fn principal(parts: &[&str]) -> Vec<u8> {
    let parts: Vec<u8> = parts.iter().flat_map(|p| string(p)).collect();
    tlv(0x30, [field(0, number(1)), field(1, tlv(0x30, parts))].concat())
}

fn request(kind: u8) -> Vec<u8> {
    let body = [
        field(0, tlv(3, [0, 0x40, 0, 0, 0])),
        field(1, principal(&["alice"])),
        field(2, string("EXAMPLE.COM")),
        field(3, principal(&["krbtgt", "EXAMPLE.COM"])),
        field(8, tlv(0x30, [number(18), number(23)].concat())),
    ];
    let fields = [field(1, number(5)), field(2, number(kind)), field(4, tlv(0x30, body.concat()))];
    tlv(0x60 | kind, tlv(0x30, fields.concat()))
}

fn encrypted(kind: u8) -> Vec<u8> {
    tlv(0x30, [field(0, number(kind)), field(2, tlv(4, [1; 40]))].concat())
}

fn ticket() -> Vec<u8> {
    let fields = [
        field(0, number(5)),
        field(1, string("EXAMPLE.COM")),
        field(2, principal(&["cifs", "fs.example.com"])),
        field(3, encrypted(18)),
    ];
    tlv(0x61, tlv(0x30, fields.concat()))
}

fn reply() -> Vec<u8> {
    let fields = [
        field(0, number(5)),
        field(1, number(13)),
        field(3, string("EXAMPLE.COM")),
        field(4, principal(&["alice"])),
        field(5, ticket()),
        field(6, encrypted(23)),
    ];
    tlv(0x6d, tlv(0x30, fields.concat()))
}

fn error() -> Vec<u8> {
    let fields = [
        field(0, number(5)),
        field(1, number(30)),
        field(6, number(25)),
        field(10, principal(&["krbtgt", "X"])),
    ];
    tlv(0x7e, tlv(0x30, fields.concat()))
}

fn record(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

fn conversation() -> Turns {
    vec![
        (ToServer, record(&request(10))),
        (ToClient, record(&error())),
        (ToServer, record(&request(12))),
        (ToClient, record(&reply())),
    ]
}

fn check(log: &Log) {
    let messages: Vec<&Krb5> = log
        .logged
        .iter()
        .filter_map(|t| if let Transaction::Krb5(k) = t { Some(&**k) } else { None })
        .collect();
    let [ask, error, again, reply] = messages[..] else { panic!("{log:?}") };
    assert_eq!((ask.cname.as_deref(), ask.sname.as_deref()), (Some("alice"), Some("krbtgt/EXAMPLE.COM")));
    assert_eq!((ask.realm.as_deref(), &ask.offered[..]), (Some("EXAMPLE.COM"), &[18, 23][..]));
    assert_eq!(
        (error.error_code.map(error_name).as_deref(), error.failed_request),
        (Some("KDC_ERR_PREAUTH_REQUIRED"), Some(10))
    );
    assert_eq!(again.msg_type, 12);
    assert_eq!(reply.sname.as_deref(), Some("cifs/fs.example.com"));
    assert_eq!((reply.encryption, reply.ticket_encryption), (Some(23), Some(18)));
    assert_eq!(log.anomalies, ["weak_encryption"]);
}

#[test]
fn messages_are_read_in_any_pieces() {
    in_any_pieces(AppProto::Krb5, &conversation(), check);
}

#[test]
fn messages_are_read_in_datagrams() {
    let turns =
        conversation().into_iter().map(|(direction, record)| (direction, record[4..].to_vec())).collect();
    let (log, found) = datagrams(&turns);
    assert_eq!(found, Some(AppProto::Krb5));
    check(&log);
}

#[test]
fn a_ticket_in_a_token_names_its_service() {
    let fields = [field(0, number(5)), field(1, number(14)), field(2, tlv(3, [0; 5])), field(3, ticket())];
    let request = tlv(0x6e, tlv(0x30, fields.concat()));
    let token = [b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00", &request[..]].concat();
    let found = service_ticket(&tlv(0x60, token));
    assert_eq!(found, Some(("EXAMPLE.COM".into(), vec!["cifs".into(), "fs.example.com".into()])));
}

#[test]
fn damage_is_survived() {
    survives(AppProto::Krb5, &conversation());
}
