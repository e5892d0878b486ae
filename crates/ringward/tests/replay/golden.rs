//! Capture in, EVE out. `BLESS=1 cargo test -p ringward --test replay golden` writes the expectations anew;
//! read the difference before you commit it.

use std::path::Path;

use crate::support::{Capture, Desk, at};

fn check(name: &str, indicators: &str, capture: &Capture) {
    let desk = Desk::new(indicators);
    desk.replay(capture, &[]);
    let text = std::fs::read_to_string(desk.path("out/eve.json")).unwrap();
    // Every counter there is would stand in every golden file.
    let text: String = text
        .lines()
        .filter(|l| !l.contains("\"event_type\":\"counters\""))
        .map(|l| format!("{l}\n"))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/replay/golden/{name}.eve.json"));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    for (i, (got, want)) in text.lines().zip(want.lines()).enumerate() {
        assert_eq!(got, want, "{name}, line {}", i + 1);
    }
    assert_eq!(text.lines().count(), want.lines().count(), "{name}");
}

#[test]
fn check_in() {
    let mut capture = Capture::default();
    let (victim, c2) = (at("10.0.0.5:50000"), at("203.0.113.9:80"));
    capture.dns(at("10.0.0.5:40000"), at("10.0.0.1:53"), "c2.bad.example");
    let uri = "/gate.php?d=aG9zdD1MQVBUT1AtUTcmdXNlcj1jYXJvbCZvcz1XaW5kb3dzIDEx";
    capture.http(victim, c2, "c2.bad.example", uri);
    check("check_in", "indicator,description\nbad.example,Test RAT\n", &capture);
}

#[test]
fn ordinary() {
    let mut capture = Capture { vlan: Some(12), ..Capture::default() };
    capture.dns(at("[2001:db8::5]:40000"), at("[2001:db8::53]:53"), "www.example.org");
    capture.tls(at("[2001:db8::5]:40001"), at("[2001:db8:1::1]:443"), "www.example.org");
    capture.http(at("10.0.0.5:40002"), at("198.51.100.1:8080"), "www.example.org", "/a/b?c=d");
    capture.udp(at("10.0.0.5:123"), at("198.51.100.123:123"), &[0x23; 48]);
    check("ordinary", "bad.example\n", &capture);
}
