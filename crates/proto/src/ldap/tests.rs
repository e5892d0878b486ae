use Direction::{ToClient, ToServer};

use super::*;
use crate::testing::{Log, Turns, in_any_pieces, survives, talk, tlv};

fn message(id: u8, tag: u8, body: &[u8]) -> Vec<u8> {
    tlv(0x30, [tlv(2, [id]), tlv(tag, body)].concat())
}

fn bind(id: u8, password: &str) -> Vec<u8> {
    message(id, 0x60, &[tlv(2, [3]), tlv(4, "cn=admin"), tlv(0x80, password)].concat())
}

fn result(code: u8) -> Vec<u8> {
    [tlv(10, [code]), tlv(4, ""), tlv(4, "said")].concat()
}

fn search(id: u8) -> Vec<u8> {
    let attributes = tlv(0x30, [tlv(4, "cn"), tlv(4, "mail")].concat());
    let fields = [
        tlv(4, "dc=x"),
        tlv(10, [2]),
        tlv(10, [0]),
        tlv(2, [0]),
        tlv(2, [9]),
        tlv(1, [0]),
        tlv(0x87, "objectClass"),
    ];
    message(id, 0x63, &[fields.concat(), attributes].concat())
}

fn entry(id: u8) -> Vec<u8> {
    let attribute = tlv(0x30, [tlv(4, "cn"), tlv(0x31, tlv(4, "Alice"))].concat());
    message(id, 0x64, &[tlv(4, "cn=alice,dc=x"), tlv(0x30, attribute)].concat())
}

fn conversation() -> Turns {
    vec![
        (ToServer, bind(1, "wrong")),
        (ToClient, message(1, 0x61, &result(49))),
        (ToServer, bind(2, "right")),
        (ToClient, message(2, 0x61, &result(0))),
        (ToServer, [search(3), message(4, 0x4a, b"cn=bob")].concat()),
        (
            ToClient,
            [entry(3), message(4, 0x6b, &result(50)), entry(3), message(3, 0x65, &result(0))].concat(),
        ),
        (ToServer, message(5, 0x42, b"")),
    ]
}

fn logins(log: &Log) -> Vec<(&str, &str, Outcome)> {
    log.logged
        .iter()
        .filter_map(|t| if let Transaction::Login(l) = t { Some(l) } else { None })
        .map(|l| (l.user.as_deref().unwrap(), l.secret.as_ref().unwrap().reveal(), l.outcome))
        .collect()
}

#[test]
fn operations_have_their_responses_and_binds_are_logins() {
    in_any_pieces(AppProto::Ldap, &conversation(), |log| {
        assert_eq!(
            logins(log),
            [("cn=admin", "wrong", Outcome::Refused), ("cn=admin", "right", Outcome::Accepted)]
        );
        let done: Vec<(&str, Vec<&str>)> = log
            .logged
            .iter()
            .filter_map(|t| if let Transaction::Ldap(l) = t { Some(l) } else { None })
            .map(|l| {
                (
                    l.request.as_ref().unwrap().operation.name(),
                    l.responses.iter().map(LdapResponse::name).collect(),
                )
            })
            .collect();
        assert_eq!(
            done,
            [
                ("bind_request", vec!["bind_response"]),
                ("bind_request", vec!["bind_response"]),
                ("del_request", vec!["del_response"]),
                ("search_request", vec!["search_result_entry", "search_result_entry", "search_result_done"]),
                ("unbind_request", vec![]),
            ]
        );
    });
}

#[test]
fn start_tls_hands_the_connection_over() {
    let turns = vec![
        (ToServer, message(1, 0x77, &tlv(0x80, START_TLS))),
        (ToClient, message(1, 0x78, &result(0))),
        (ToServer, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00".to_vec()),
    ];
    for step in [1, 3, usize::MAX] {
        let (log, found) = talk(&turns, step);
        assert_eq!(found, Some(AppProto::Ldap));
        assert!(log.logged.iter().any(|t| matches!(t, Transaction::Tls(_))), "{log:?}");
    }
}

#[test]
fn an_endless_search_is_bounded() {
    let (log, _) = talk(&vec![(ToServer, search(3)), (ToClient, entry(3).repeat(5000))], usize::MAX);
    let [Transaction::Ldap(ldap)] = &log.logged[..] else { panic!("{:?}", log.logged.len()) };
    assert_eq!((ldap.responses.len(), ldap.more_responses), (MAX_RESPONSES, 5000 - MAX_RESPONSES as u32));
}

#[test]
fn large_answers_to_many_requests_are_bounded() {
    let value = "x".repeat(60_000);
    let attribute = tlv(0x30, [tlv(4, "cn"), tlv(0x31, tlv(4, &value))].concat());
    let large = message(3, 0x64, &[tlv(4, "cn=alice,dc=x"), tlv(0x30, attribute)].concat());
    let (log, _) = talk(&vec![(ToServer, search(3)), (ToClient, large.repeat(60))], usize::MAX);
    let [Transaction::Ldap(ldap)] = &log.logged[..] else { panic!("{:?}", log.logged.len()) };
    assert_eq!(ldap.responses.len() + ldap.more_responses as usize, 60);
    assert!(ldap.responses.len() * value.len() <= MAX_KEPT);
}

#[test]
fn a_filter_nested_without_end_is_passed_over() {
    let mut filter = tlv(0x87, "x");
    for _ in 0..5000 {
        filter = tlv(0xa2, filter);
    }
    let fields = [tlv(4, "dc=x"), tlv(10, [2]), tlv(10, [0]), tlv(2, [0]), tlv(2, [9]), tlv(1, [0]), filter];
    let (log, _) = talk(&vec![(ToServer, message(1, 0x63, &fields.concat()))], usize::MAX);
    assert_eq!(log.logged.len(), 1);
}

#[test]
fn damage_is_survived() {
    survives(AppProto::Ldap, &conversation());
}
