//! What lines have only if it is asked for, and what our own schema says of all of them.

use std::sync::Arc;

use serde_json::{Value, json};
use wire::{LinkType, Nanos, Scope};

use super::tests::{FORMS, events, lines, stamp};
use super::*;
use crate::content::{AlertOptions, Content, Ether, Macs, Payload};
use crate::event::*;

/// The alert on an HTTP exchange, with content.
fn alert(options: AlertOptions, content: Content) -> Value {
    let mut alerts = events().into_iter().filter_map(|event| match event {
        Event::Alert(alert) if alert.transaction.is_some() => Some(alert),
        _ => None,
    });
    let event = AlertEvent { content: content.boxed(), ..*alerts.next().unwrap() };
    lines(&stamp(), &Event::Alert(Box::new(event)), Forms { alert: options, ..FORMS }).remove(0)
}

fn content() -> Content {
    Content {
        payload: Some(Payload { bytes: b"GET /\r\n\x00\t\xff".to_vec(), length: 5000, stream: true }),
        packet: Some((LinkType::LinuxCooked, vec![0, 1, 2, 3])),
        bodies: [b"a=\x01".to_vec(), Vec::new()],
    }
}

#[test]
fn alerts_show_what_is_asked_for_and_nothing_else() {
    let names = ["payload", "payload_printable", "payload_length", "stream", "packet", "packet_info"];
    let none = AlertOptions::DEFAULT;
    let line = alert(none, Content::default());
    assert!(names.iter().all(|name| line[name].is_null()), "{line}");
    assert!(line["http"]["http_request_body"].is_null() && line["flow"].is_object(), "{line}");
    let all = AlertOptions {
        payload: true,
        payload_printable: true,
        payload_length: true,
        packet: true,
        http_body: true,
        http_body_printable: true,
        ..none
    };
    let line = alert(all, content());
    assert_eq!(line["payload"], "R0VUIC8NCgAJ/w==");
    assert_eq!(line["payload_printable"], "GET /\r\n...");
    assert_eq!((&line["payload_length"], &line["stream"]), (&json!(5000), &json!(1)));
    assert_eq!(line["packet"], "AAECAw==");
    assert_eq!(line["packet_info"], json!({"linktype": 113, "linktype_name": "LINUX_SLL"}));
    assert_eq!(line["http"]["http_request_body"], "YT0B");
    assert_eq!(line["http"]["http_request_body_printable"], "a=.");
    assert!(line["http"].get("http_response_body").is_none(), "{line}");
    let line = alert(AlertOptions { payload_length: true, ..none }, content());
    assert!(line["payload"].is_null() && line["packet"].is_null() && line["stream"] == 1, "{line}");
    let line = alert(AlertOptions { metadata: false, ..all }, content());
    assert!(line["http"].is_null() && line["flow"].is_null() && line["payload"].is_string(), "{line}");
    assert!(line["alert"]["metadata"]["ioc_value"].is_array(), "what Ringward found stays: {line}");
}

#[test]
fn every_line_names_the_sensor_that_has_a_name() {
    let named = Forms { sensor: Some(Arc::from("berlin \"1\"")), ..FORMS };
    for event in events() {
        for line in lines(&stamp(), &event, named.clone()) {
            assert_eq!(line["host"], "berlin \"1\"", "{line}");
        }
        for line in lines(&stamp(), &event, FORMS) {
            assert!(line["host"].is_null(), "{line}");
        }
    }
    let pushed = eve_lines(&stamp(), &events()[0], named.sensor.as_ref());
    assert!(pushed[0].ends_with(r#""host":"berlin \"1\""}"#), "{}", pushed[0]);
}

#[test]
fn a_sensor_without_a_capture_port_names_none() {
    let of = |name: &str| Stamp { source: Source::Interface(Arc::from(name)), ..stamp() };
    let line = |stamp| lines(&stamp, &events()[0], FORMS).remove(0);
    assert_eq!(line(of("eth0"))["in_iface"], "eth0");
    assert_eq!(line(of("")).get("in_iface"), None);
}

#[test]
fn hardware_addresses_go_the_way_of_the_line() {
    let ether = Some(Ether { ends: [[1; 6], [2; 6]] });
    let macs = Some(Box::new(Macs { ends: [vec![[1; 6], [3; 6]], vec![[2; 6]]] }));
    for event in events() {
        let event = match event {
            Event::Flow(e) => Event::Flow(Box::new(FlowEvent { macs: macs.clone(), ..*e })),
            Event::Transaction(e) => Event::Transaction(Box::new(TransactionEvent { ether, ..*e })),
            Event::Alert(e) => Event::Alert(Box::new(AlertEvent { ether, ..*e })),
            Event::Anomaly(e) => Event::Anomaly(Box::new(AnomalyEvent { ether, ..*e })),
            _ => continue,
        };
        for line in lines(&stamp(), &event, FORMS) {
            let from_client = !["192.0.2.1", "2001:0db8:0000:0000:0000:0000:0000:0001"]
                .contains(&line["src_ip"].as_str().unwrap_or_default());
            let (client, server) = ("01:01:01:01:01:01", "02:02:02:02:02:02");
            let (from, to) = if from_client { (client, server) } else { (server, client) };
            if matches!(event, Event::Flow(_)) {
                assert_eq!(line["ether"]["src_macs"][0], from, "{line}");
                assert_eq!(line["ether"]["dest_macs"][0], to, "{line}");
                let of_client = if from_client { "src_macs" } else { "dest_macs" };
                assert_eq!(line["ether"][of_client][1], "03:03:03:03:03:03", "{line}");
            } else {
                assert_eq!(line["ether"], json!({"src_mac": from, "dest_mac": to}), "{line}");
            }
        }
    }
}

#[test]
fn counters_are_objects_within_objects() {
    let counters = [("a.b.c", 1), ("a.d", 2), ("e", 3), ("a.b.f", 4), ("a.d.g", 5)];
    let counters = counters.map(|(name, value)| (name.to_owned(), value)).into();
    let event = Event::Stats(Box::new(StatsEvent { uptime: 1, counters }));
    let line = lines(&stamp(), &event, FORMS).pop().unwrap();
    // An absurd name must lose no counter.
    assert_eq!(line["counters"], json!({"a": {"b": {"c": 1, "f": 4}, "d": 2, "d.g": 5}, "e": 3}));
}

/// All forms that an isolation can have: captures show one.
#[test]
fn own_events_are_valid_by_our_schema() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/eve-ringward.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let types = schema["properties"]["event_type"]["enum"].as_array().unwrap();
    let steps = events().into_iter().find_map(|event| match event {
        Event::Isolation(step) => Some(step),
        _ => None,
    });
    let full = IsolationEvent {
        who: Some(Arc::from("uid 0")),
        scope: Scope::Peers(vec!["192.0.2.1".parse().unwrap()]),
        action: IsolationAction::Withhold,
        not_enforced_because: Some("replay".into()),
        peer: Some("2001:db8::1".parse().unwrap()),
        latency: Latency { alert_ns: Some(1), map_ns: Some(2), first_drop_ns: Some(3) },
        ..*steps.unwrap()
    };
    let bare = IsolationEvent {
        who: None,
        until: Some(Nanos(0)),
        relapse: 0,
        rule: None,
        latency: Latency::default(),
        flow: None,
        ..full.clone()
    };
    let more = [
        Event::Isolation(Box::new(full)),
        Event::Isolation(Box::new(bare)),
        Event::Brake(BrakeEvent { on: true, reason: "too many".into(), withheld: 0 }),
    ];
    let mut seen = 0;
    for event in events().into_iter().chain(more) {
        for line in lines(&stamp(), &event, FORMS) {
            if types.contains(&line["event_type"]) {
                seen += 1;
                if let Err(err) = validator.validate(&line) {
                    panic!("{err} at {}: {line}", err.instance_path());
                }
                let mut more = line.clone();
                more["surprise"] = 1.into();
                assert!(!validator.is_valid(&more), "nothing may be in it that is not described");
            }
        }
    }
    assert!(seen >= 5, "{seen}");
}
