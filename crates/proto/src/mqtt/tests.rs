use proptest::prelude::*;

use super::*;
use crate::text_testing::{ToClient, ToServer, talk};

const CONNECT: &[u8] = b"\x10\x1a\0\x04MQTT\x04\xc2\0\x3c\0\x02me\0\x04user\0\x04pass";
const REFUSED: &[u8] = b"\x20\x02\0\x05";
const WELCOME: &[u8] = b"\x20\x02\0\0";

fn names(logged: &[Transaction]) -> Vec<Vec<&'static str>> {
    let mqtt = logged.iter().filter_map(|t| if let Transaction::Mqtt(m) = t { Some(m) } else { None });
    mqtt.map(|m| m.packets.iter().map(Packet::name).collect()).collect()
}

#[test]
fn a_login_is_told_with_its_outcome() {
    for (answer, outcome) in [(WELCOME, Outcome::Accepted), (REFUSED, Outcome::Refused)] {
        for step in [1, 2, 7, 100] {
            let (log, layer) = talk(9999, step, &[(ToServer, CONNECT), (ToClient, answer)]);
            assert_eq!(layer.protocol(), Some(AppProto::Mqtt));
            let login = log.logins().next().unwrap();
            assert_eq!((login.user.as_deref(), login.outcome), (Some("user"), outcome));
            assert_eq!(login.secret.as_ref().unwrap().reveal(), "pass");
            assert_eq!(names(&log.logged), [["connect", "connack"]]);
        }
    }
}

#[test]
fn packets_of_an_exchange_are_joined() {
    let publish = b"\x34\x09\0\x03a/b\0\x07hi";
    let turns: &[(Direction, &[u8])] = &[
        (ToServer, CONNECT),
        (ToClient, WELCOME),
        (ToServer, publish),
        (ToServer, b"\xc0\0"),
        (ToClient, b"\xd0\0\x50\x02\0\x07"),
        (ToServer, b"\x62\x02\0\x07"),
        (ToClient, b"\x70\x02\0\x07"),
        (ToServer, b"\x82\x06\0\x01\0\x01x\x01"),
        (ToClient, b"\x90\x03\0\x01\x01"),
    ];
    for step in [1, 3, 100] {
        let (log, _) = talk(1883, step, turns);
        assert_eq!(
            names(&log.logged)[1..],
            [
                vec!["pingreq"],
                vec!["pingresp"],
                vec!["publish", "pubrec", "pubrel", "pubcomp"],
                vec!["subscribe", "suback"]
            ]
        );
        assert!(log.anomalies.is_empty(), "{:?}", log.anomalies);
    }
}

#[test]
fn rules_that_are_broken_are_told() {
    let (log, _) = talk(1883, 100, &[(ToClient, WELCOME), (ToClient, b"\x40\x02\0\x09")]);
    assert_eq!(log.anomalies, ["missing_connect", "missing_publish"]);
    let (log, _) = talk(1883, 100, &[(ToServer, CONNECT), (ToServer, b"\x30\x03\0\x01x")]);
    assert_eq!(log.anomalies, ["unintroduced_message"]);
}

#[test]
fn what_is_too_long_is_cut_and_counted() {
    let mut publish = b"\x30\xc3\x9a\x0c\0\x01x".to_vec();
    publish.resize(4 + 200_003, b'a');
    let (log, layer) = talk(
        1883,
        1000,
        &[(ToServer, CONNECT), (ToClient, WELCOME), (ToServer, &publish), (ToServer, b"\xc0\0")],
    );
    assert_eq!(names(&log.logged)[1..], [["publish"], ["pingreq"]]);
    assert_eq!(layer.limits_hit(), 1);
}

proptest! {
    #[test]
    fn any_bytes_are_survived_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1usize..50) {
        let up = [CONNECT, &bytes].concat();
        let whole = talk(1883, usize::MAX, &[(ToServer, &up), (ToClient, &bytes)]).0;
        let pieces = talk(1883, step, &[(ToServer, &up), (ToClient, &bytes)]).0;
        prop_assert_eq!(whole.inspected.len(), whole.logged.len());
        prop_assert_eq!(whole.logged, pieces.logged);
    }
}
