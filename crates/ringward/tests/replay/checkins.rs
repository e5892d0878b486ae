//! Check-ins that are not in a URI: over plain TCP, in bodies and cookies, in other encodings than UTF-8.

use serde_json::{Value, json};

use crate::support::{Capture, Desk, at, of_type};

const LISTED: &str = "203.0.113.66\n";
const VICTIM: &str = "10.0.0.5:50000";
const C2: &str = "203.0.113.66:5552";

fn alerts(events: &[Value]) -> Vec<(u64, Value)> {
    let of = |alert: &&Value| {
        (alert["alert"]["signature_id"].as_u64().unwrap(), alert["alert"]["metadata"].clone())
    };
    of_type(events, "alert").iter().map(of).collect()
}

/// The alerts of a connection to the listed address on which the client says this in segments of that size.
fn over_tcp(up: &[u8], down: &[u8], segment: usize) -> Vec<(u64, Value)> {
    let mut capture = Capture::default();
    capture.connection(at(VICTIM), at(C2), up, down, segment);
    alerts(&Desk::new(LISTED).replay(&capture, &[]))
}

/// GBK: "财务部-PC01", "测试员".
const HOST: &[u8] = b"\xb2\xc6\xce\xf1\xb2\xbf-PC01";
const USER: &[u8] = b"\xb2\xe2\xca\xd4\xd4\xb1";

#[test]
fn a_check_in_over_tcp_is_told_whole_however_it_is_cut() {
    let message = [b"ping|7F2A|", HOST, b"|", USER, b"|Windows 7 Ultimate|1.0"].concat();
    for segment in [1400, 20, 3, 1] {
        for down in [&b"pong"[..], b""] {
            let found = over_tcp(&message, down, segment);
            assert_eq!(found.iter().map(|(sid, _)| *sid).collect::<Vec<_>>(), [1004, 1020], "{segment}");
            let metadata = &found[1].1;
            assert_eq!(metadata["c2_host_name"], json!(["财务部-PC01"]), "{segment}");
            assert_eq!(metadata["c2_user_name"], json!(["测试员"]));
            assert_eq!(metadata["c2_operating_system"], json!(["Windows 7 Ultimate"]));
            assert_eq!(
                (&metadata["victim"], &metadata["ioc_value"]),
                (&json!(["10.0.0.5"]), &json!(["203.0.113.66"]))
            );
        }
    }
}

#[test]
fn the_incident_has_what_was_told_over_tcp() {
    let mut capture = Capture::default();
    capture.connection(at(VICTIM), at(C2), b"online*FIN-WS-042*jdoe*Windows 10 x64*1.2", b"ok", 1400);
    let desk = Desk::new(LISTED);
    desk.replay(&capture, &[]);
    let report = &desk.list("out/incidents")[1];
    let incident: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let told = incident["disclosed"][0]["told"].as_array().unwrap();
    let values: Vec<&str> = told.iter().map(|t| t["value"].as_str().unwrap()).collect();
    assert_eq!(values, ["FIN-WS-042", "jdoe", "Windows 10 x64"]);
    assert_eq!(told[0]["found_in"], "TCP payload, field 2");
}

#[test]
fn where_nothing_is_listed_nothing_is_told() {
    let mut capture = Capture::default();
    capture.connection(
        at(VICTIM),
        at("203.0.113.67:5552"),
        b"ping|7F2A|USER-PC|admin|Windows 7",
        b"pong",
        1400,
    );
    assert!(alerts(&Desk::new(LISTED).replay(&capture, &[])).is_empty());
    // A listed address that is told nothing, or something in a known protocol.
    for up in [&b"a|b|c|d"[..], b"\x00\x01\x02\x03", b"SSH-2.0-OpenSSH_9.6\r\n"] {
        let sids: Vec<u64> = over_tcp(up, b"ok", 1400).iter().map(|(sid, _)| *sid).collect();
        assert_eq!(sids, [1004], "{up:?}");
    }
}

#[test]
fn the_second_message_may_be_the_check_in() {
    let mut capture = Capture::default();
    let (client, server) = (at(VICTIM), at(C2));
    capture.tcp(client, server, 1000, 0, "S", b"");
    capture.tcp(server, client, 5000, 1001, "SA", b"");
    capture.tcp(client, server, 1001, 5001, "A", b"");
    capture.tcp(server, client, 5001, 1001, "PA", b"info?");
    capture.tcp(client, server, 1001, 5006, "PA", b"hello");
    capture.tcp(server, client, 5006, 1006, "PA", b"info?");
    capture.tcp(client, server, 1006, 5011, "PA", b"USER-PC|admin|Wind");
    capture.tcp(client, server, 1024, 5011, "PA", b"ows 7");
    capture.pause(2);
    capture.tcp(client, server, 1029, 5011, "PA", b"tick");
    let found = alerts(&Desk::new(LISTED).replay(&capture, &[]));
    assert_eq!(found.iter().map(|(sid, _)| *sid).collect::<Vec<_>>(), [1004, 1020]);
    assert_eq!(found[1].1["c2_user_name"], json!(["admin"]));
    assert_eq!(found[1].1["c2_operating_system"], json!(["Windows 7"]));
}

#[test]
fn a_rules_alert_on_the_flow_carries_the_check_in() {
    let desk = Desk::new("");
    let rule = "alert tcp any any -> any 5552 (msg:\"RAT\"; flow:to_server; content:\"ping|7c|\"; sid:1;)\n";
    std::fs::write(desk.path("rat.rules"), rule).unwrap();
    let mut capture = Capture::default();
    capture.connection(at(VICTIM), at(C2), b"ping|7F2A|USER-PC|admin|Windows 7", b"pong", 1400);
    let found = alerts(&desk.replay(&capture, &["--rules", "rat.rules"]));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1["c2_host_name"], json!(["USER-PC"]));
}

#[test]
fn bodies_and_cookies_tell_too() {
    let post = |headers: &str, body: &[u8]| {
        let head = format!(
            "POST /gate HTTP/1.1\r\nHost: c2.bad.example\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut capture = Capture::default();
        let up = [head.as_bytes(), body].concat();
        let down = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        capture.connection(at(VICTIM), at("198.51.100.9:80"), &up, down, 700);
        alerts(&Desk::new("bad.example\n").replay(&capture, &[]))
    };
    let form = [b"host=", HOST, b"&user=", USER].concat();
    let json = r#"{"data":{"hostname":"财务部-PC01","username":"测试员"}}"#.as_bytes();
    let part = |name: &str, value: &[u8]| {
        [format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(), value, b"\r\n"]
            .concat()
    };
    let multipart = [part("host", HOST), part("user", USER), b"--x--\r\n".to_vec()].concat();
    for body in [&form[..], json, &multipart] {
        let found = post("", body);
        assert_eq!(found.iter().map(|(sid, _)| *sid).collect::<Vec<_>>(), [1002, 1021]);
        assert!(found[0].1["c2_host_name"].is_null());
        assert_eq!(found[1].1["c2_host_name"], json!(["财务部-PC01"]));
        assert_eq!(found[1].1["c2_user_name"], json!(["测试员"]));
    }
    let found = post("Cookie: host=%B2%C6%CE%F1%B2%BF-PC01; user=%B2%E2%CA%D4%D4%B1\r\n", b"x");
    assert_eq!(found.iter().map(|(sid, _)| *sid).collect::<Vec<_>>(), [1002]);
    assert_eq!(found[0].1["c2_host_name"], json!(["财务部-PC01"]));
    // A body that says nothing is not told of.
    assert_eq!(post("", b"a=1&b=2").len(), 1);
}
