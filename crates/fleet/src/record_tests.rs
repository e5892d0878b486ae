use proptest::prelude::*;

use super::*;

pub(crate) fn any_target() -> impl Strategy<Value = Target> {
    prop_oneof![
        any::<IpAddr>().prop_map(Target::host),
        (any::<IpAddr>(), 0..=4094_u16).prop_map(|(ip, vlan)| format!("{ip}@{vlan}").parse().unwrap()),
        (any::<std::net::Ipv4Addr>(), 0..32_u8).prop_map(|(ip, n)| format!("{ip}/{n}").parse().unwrap()),
        any::<[u8; 6]>().prop_map(Target::Mac),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    let scope = prop_oneof![
        Just(Scope::Both),
        Just(Scope::Outbound),
        proptest::collection::vec(any::<IpAddr>(), 1..5).prop_map(Scope::Peers),
    ];
    let state = prop_oneof![Just(State::Isolated), Just(State::Released)];
    (any_target(), state, scope, any::<(u64, u64, u64)>(), ".{0,70}", ".{0,400}").prop_map(
        |(target, state, scope, (verdict, at, until), by, reason)| Record {
            site: "berlin".into(),
            decision: Decision {
                target,
                state,
                scope,
                verdict,
                by,
                reason,
                at: Nanos(at),
                until: Nanos(until),
            }
            .cut(),
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in any_record()) {
        prop_assert_eq!(Record::from_json(&record.to_json()).unwrap(), record);
    }

    #[test]
    fn any_bytes_are_a_record_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Record::from_json(&bytes);
    }

    #[test]
    fn damaged_records_are_read_or_refused(record in any_record(), at in any::<usize>(), byte in any::<u8>()) {
        let mut json = record.to_json();
        let at = at % json.len();
        json[at] = byte;
        let _ = Record::from_json(&json);
    }

    #[test]
    fn keys_are_what_the_server_takes_and_all_different(a in any_target(), b in any_target()) {
        let (key, other) = (Record::key(&a), Record::key(&b));
        prop_assert!(key.bytes().all(|c| c.is_ascii_alphanumeric() || b"-/_=.".contains(&c)), "{}", key);
        prop_assert!(!key.ends_with('.') && !key.contains(".."));
        prop_assert_eq!(a == b, key == other);
    }

    #[test]
    fn one_of_two_records_holds(a in any_record(), b in any_record()) {
        prop_assert_eq!(a.beats(&b), !b.beats(&a) && a != b);
    }
}

#[test]
fn the_format_is_the_documented_one() {
    let record = Record {
        site: "berlin".into(),
        decision: Decision {
            target: "10.0.0.5".parse().unwrap(),
            state: State::Isolated,
            scope: Scope::Both,
            verdict: 7,
            by: "indicator".into(),
            reason: "Test RAT".into(),
            at: Nanos(1_700_000_000_123_456_789),
            until: Nanos(1_700_003_600_000_000_000),
        },
    };
    assert_eq!(
        String::from_utf8(record.to_json()).unwrap(),
        r#"{"v":1,"verdict":7,"site":"berlin","target":"10.0.0.5","state":"isolated","scope":"both","by":"indicator","reason":"Test RAT","decided_at":"2023-11-14T22:13:20.123456789Z","until":"2023-11-14T23:13:20Z"}"#
    );
}

#[test]
fn what_is_no_record_is_refused_by_name() {
    let good = String::from_utf8(
        Record {
            site: "berlin".into(),
            decision: Decision {
                target: "10.0.0.5".parse().unwrap(),
                state: State::Released,
                scope: Scope::Both,
                verdict: 7,
                by: "operator".into(),
                reason: String::new(),
                at: Nanos(1),
                until: Nanos(2),
            },
        }
        .to_json(),
    )
    .unwrap();
    let refused = |from: &str, to: &str| {
        assert!(good.contains(from), "{good}");
        Record::from_json(good.replace(from, to).as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(refused("\"v\":1", "\"v\":2"), "format version 2 is not known here");
    assert_eq!(refused("berlin", "ber.lin"), "site: is no name of a site");
    assert!(refused("10.0.0.5", "10.0.0").starts_with("target: "));
    assert_eq!(refused("both", "peers"), "peers: are missing");
    assert_eq!(refused("both", "some"), "scope: is none that is known here");
    assert_eq!(refused("00.000000002Z", "00"), "until: is no time");
    assert!(refused("released", "gone").contains("unknown variant"));
    assert_eq!(Record::from_json(&vec![b' '; MAX_VALUE + 1]).unwrap_err(), BadRecord::TooLong(MAX_VALUE + 1));
    let more = good.replace("\"v\":1", "\"v\":1,\"colour\":\"red\"");
    assert!(Record::from_json(more.as_bytes()).is_ok(), "fields that are added later are passed over");
}
