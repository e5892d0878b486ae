//! What alerts show of what they were raised on, hardware addresses, and the sensor's name.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{Capture, Desk, at, of_type};

const CONFIG: &str = r#"
[output]
ethernet = true
netflow = true
sensor_name = "berlin"
[output.alert]
payload = true
payload_length = true
payload_printable = true
packet = true
http_body = true
http_body_printable = true
payload_buffer_size = 64
[rules]
files = ["x.rules"]
"#;
const RULES: &str = "\
alert tcp any any -> any any (msg:\"stream\"; flow:to_server,established; content:\"two segments\"; sid:1;)
alert udp any any -> any any (msg:\"packet\"; content:\"datagram\"; sid:2;)
alert http any any -> any any (msg:\"request\"; flow:to_server; http.request_body; content:\"secret\"; sid:3;)
alert http any any -> any any (msg:\"response\"; flow:to_client; http.response_body; content:\"stolen\"; sid:4;)
";
const BODY: &str = "it is a secret that lies across two segments";

fn capture() -> Capture {
    let mut capture = Capture::default();
    let up = format!("POST /x HTTP/1.1\r\nHost: h.example\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let down = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
    capture.connection(at("10.0.0.5:5000"), at("192.0.2.1:80"), up.as_bytes(), down.as_bytes(), 30);
    capture.udp(at("10.0.0.5:6000"), at("192.0.2.1:7000"), &[b"a datagram".as_slice(), &[7; 90]].concat());
    capture.dns(at("10.0.0.5:6001"), at("192.0.2.1:53"), "x.bad.example");
    // What servers send comes from their side.
    for (_, frame) in &mut capture.frames {
        if frame[26..30] == [192, 0, 2, 1] {
            frame[..12].rotate_left(6);
        }
    }
    capture
}

fn replay(config: &str, more: &[&str]) -> (Desk, Vec<Value>) {
    let desk = Desk::new("bad.example\n");
    std::fs::write(desk.path("ringward.toml"), config).unwrap();
    std::fs::write(desk.path("x.rules"), RULES).unwrap();
    let events = desk.replay(&capture(), &[&["-c", "ringward.toml"], more].concat());
    (desk, events)
}

fn of_base64(value: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn alerts_show_the_stream_the_packet_and_the_bodies() {
    let (_desk, events) = replay(CONFIG, &[]);
    let alerts = of_type(&events, "alert");
    let alert = |sid: u64| {
        let found = alerts.iter().find(|alert| alert["alert"]["signature_id"] == sid);
        *found.unwrap_or_else(|| panic!("{sid}: {alerts:?}"))
    };
    let stream = alert(1);
    let payload = of_base64(&stream["payload"]);
    assert!(payload.ends_with(b"two segments") && payload.len() == 64, "{stream}");
    assert_eq!(stream["payload_printable"].as_str().unwrap().as_bytes(), payload);
    assert_eq!((&stream["stream"], stream["payload_length"].as_u64().unwrap() > 64), (&1.into(), true));
    // The packet is the frame at hand, as it was captured.
    let frames = capture().frames;
    let number = stream["pcap_cnt"].as_u64().unwrap() as usize;
    assert_eq!(of_base64(&stream["packet"]), frames[number - 1].1);
    assert_eq!(stream["packet_info"], json!({"linktype": 1, "linktype_name": "EN10MB"}));
    let packet = alert(2);
    assert_eq!((&packet["stream"], &packet["payload_length"]), (&0.into(), &100.into()));
    assert_eq!(of_base64(&packet["payload"]), [b"a datagram".as_slice(), &[7; 54]].concat());
    assert!(packet["payload_printable"].as_str().unwrap().starts_with("a datagram....."), "{packet}");
    let http = &alert(3)["http"];
    assert_eq!(of_base64(&http["http_request_body"]), BODY.as_bytes());
    assert_eq!(http["http_request_body_printable"], BODY);
    assert_eq!(alert(4)["http"]["http_response_body_printable"], "stolen");
    // An indicator's alert is of the datagram that asks.
    let dns = alerts.iter().find(|alert| alert["alert"]["gid"] == 7737).unwrap();
    assert!(dns["payload_printable"].as_str().unwrap().contains(".x.bad.example."), "{dns}");
    assert_eq!(dns["stream"], 0);
}

#[test]
fn addresses_and_names_are_there_only_if_asked_for() {
    let (_desk, events) = replay(CONFIG, &[]);
    let (client, server) = ("02:00:00:00:00:01", "02:00:00:00:00:02");
    for event in &events {
        assert_eq!(event["host"], "berlin", "{event}");
        let (from, to) = if event["src_ip"] == "10.0.0.5" { (client, server) } else { (server, client) };
        match event["event_type"].as_str().unwrap() {
            "flow" | "netflow" => {
                assert_eq!(event["ether"], json!({"dest_macs": [to], "src_macs": [from]}), "{event}");
            }
            "alert" | "http" | "dns" | "fileinfo" => {
                assert_eq!(event["ether"], json!({"src_mac": from, "dest_mac": to}), "{event}");
            }
            _ => assert_eq!(event.get("ether"), None, "{event}"),
        }
    }
    assert!(of_type(&events, "netflow").len() > 3);
    let (_desk, events) = replay("[rules]\nfiles = [\"x.rules\"]\n", &[]);
    for event in &events {
        for name in ["host", "ether", "payload", "payload_printable", "payload_length", "stream", "packet"] {
            assert_eq!(event.get(name), None, "{event}");
        }
        assert_eq!(event["http"].get("http_request_body"), None, "{event}");
    }
    assert!(of_type(&events, "alert").len() >= 5);
}

#[test]
fn lines_with_everything_are_the_same_for_any_number_of_workers() {
    let read = |workers: &str| {
        let (desk, _) = replay(CONFIG, &["--workers", workers]);
        std::fs::read(desk.path("out/eve.json")).unwrap()
    };
    let one = read("1");
    for workers in ["2", "5"] {
        assert!(read(workers) == one, "{workers} workers");
    }
}
