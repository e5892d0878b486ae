//! Indicators of every kind and format, from a list to an alert.

use serde_json::Value;

use crate::support::{Capture, Desk, at, events, of_type, ringward, stderr};

/// SHA-256 and MD5 of "ok\n", which every exchange over HTTP carries here.
const SHA256: &str = "dc51b8c96c2d745df3bd5590d990230a482fd247123599548e0632fdbf97fc22";
const MD5: &str = "eff5bc1ef8ec9d03e640fc4370f5eacd";

fn case() -> Capture {
    let mut capture = Capture::default();
    capture.http(at("10.0.0.1:4000"), at("198.51.100.1:80"), "www.example", "/dir/a.txt");
    capture.dns(at("10.0.0.2:4001"), at("10.0.0.53:53"), "c2.evil.example");
    capture.tls(at("10.0.0.3:4002"), at("198.51.100.3:443"), "fine.example");
    let mail = "EHLO x\r\nMAIL FROM:<phisher@evil.example>\r\nRCPT TO:<you@ours.example>\r\nDATA\r\nFrom: A <a@b.example>\r\n\r\nhi\r\n.\r\n";
    let answers = "220 mail ESMTP\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n";
    capture.connection(at("203.0.113.9:4003"), at("10.0.0.25:25"), mail.as_bytes(), answers.as_bytes(), 1400);
    capture
}

/// The alerts: sid, type, confidence, victim.
fn alerts(desk: &Desk, list: &str, text: &str, more: &[&str]) -> Vec<(u64, String, u64, String)> {
    std::fs::write(desk.path(list), text).unwrap();
    found(desk, &[&["--iocs", list], more].concat())
}

fn found(desk: &Desk, args: &[&str]) -> Vec<(u64, String, u64, String)> {
    case().write(&desk.path("case.pcap"));
    let output = ringward(desk.dir.path(), [&["replay", "--force"], args, &["case.pcap"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let events = events(&desk.path("out/eve.json"));
    let text =
        |event: &Value, key: &str| event["alert"]["metadata"][key][0].as_str().unwrap_or("").to_owned();
    let row = |event: &&Value| {
        let sid = event["alert"]["signature_id"].as_u64().unwrap();
        let severity = event["alert"]["severity"].as_u64().unwrap();
        (sid, text(event, "ioc_type"), severity, text(event, "victim"))
    };
    of_type(&events, "alert").iter().map(row).collect()
}

fn row(sid: u64, kind: &str, severity: u64, victim: &str) -> (u64, String, u64, String) {
    (sid, kind.into(), severity, victim.into())
}

#[test]
fn every_kind_is_matched() {
    let desk = Desk::new("");
    for (text, expected) in [
        (SHA256, row(1007, "sha256", 1, "10.0.0.1")),
        (MD5, row(1007, "md5", 1, "10.0.0.1")),
        ("user-agent:MOZILLA/4.0", row(1016, "user_agent", 2, "10.0.0.1")),
        ("http://www.example/dir/a.txt", row(1006, "url", 1, "10.0.0.1")),
        ("evil.example", row(1001, "domain", 1, "10.0.0.2")),
        ("198.51.100.0/30", row(1004, "network", 1, "10.0.0.1")),
        ("phisher@evil.example", row(1017, "email", 2, "")),
        ("a@b.example", row(1017, "email", 2, "")),
    ] {
        let alerts = alerts(&desk, "list", &format!("{text}\n"), &[]);
        assert_eq!(alerts.first(), Some(&expected), "{text}");
    }
}

#[test]
fn fingerprints_are_those_that_events_show() {
    let desk = Desk::new("");
    case().write(&desk.path("case.pcap"));
    let output = ringward(desk.dir.path(), ["replay", "--force", "case.pcap"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let events = events(&desk.path("out/eve.json"));
    let tls = &of_type(&events, "tls")[0]["tls"];
    let ja3 = format!("ja3:{}\n", tls["ja3"]["hash"].as_str().unwrap());
    assert_eq!(alerts(&desk, "ja3", &ja3, &[]), [row(1012, "ja3", 2, "10.0.0.3")]);
    let ja4 = format!("{}\n", tls["ja4"].as_str().unwrap());
    assert_eq!(alerts(&desk, "ja4", &ja4, &[]), [row(1013, "ja4", 2, "10.0.0.3")]);
}

#[test]
fn every_format_is_told_by_its_contents() {
    let desk = Desk::new("");
    let event = r#"{"Event": {"info": "x", "Attribute": [{"type": "domain", "value": "evil.example", "to_ids": true}]}}"#;
    let bundle = r#"{"type": "bundle", "objects": [{"type": "indicator", "pattern_type": "stix", "pattern": "[domain-name:value = 'evil.example']"}]}"#;
    for text in [
        "0.0.0.0 evil.example\n",
        "ZXZpbC5leGFtcGxl\n",
        "# id,ioc_value,ioc_type\n\"1\", \"evil.example\", \"domain\"\n",
        event,
        bundle,
    ] {
        assert_eq!(alerts(&desk, "list", text, &[]), [row(1001, "domain", 1, "10.0.0.2")], "{text}");
    }
    std::fs::create_dir(desk.path("feed")).unwrap();
    std::fs::write(desk.path("feed/manifest.json"), "{\"5c-1\": {}}").unwrap();
    std::fs::write(desk.path("feed/5c-1.json"), event).unwrap();
    assert_eq!(found(&desk, &["--iocs", "feed"]), [row(1001, "domain", 1, "10.0.0.2")]);
}

#[test]
fn parts_of_a_pattern_count_together_on_one_flow() {
    let desk = Desk::new("");
    let pattern = |parts: &str| {
        format!(r#"{{"type": "bundle", "objects": [{{"type": "indicator", "pattern": "{parts}"}}]}}"#)
    };
    let both = pattern("[domain-name:value = 'www.example' AND ipv4-addr:value = '198.51.100.1']");
    assert_eq!(alerts(&desk, "list", &both, &[]), [row(1002, "pattern", 1, "10.0.0.1")]);
    let file =
        pattern(&format!("[url:value = 'http://www.example/dir/a.txt'] AND [file:hashes.MD5 = '{MD5}']"));
    assert_eq!(alerts(&desk, "list", &file, &[]), [row(1007, "pattern", 1, "10.0.0.1")]);
    let strangers = pattern("[domain-name:value = 'evil.example' AND ipv4-addr:value = '198.51.100.1']");
    assert!(alerts(&desk, "list", &strangers, &[]).is_empty());
}

#[test]
fn doubts_and_dates_and_what_is_allowed() {
    let desk = Desk::new("");
    let list = |rest: &str| format!("domain,confidence,expires\nevil.example,{rest}\n");
    assert_eq!(alerts(&desk, "list", &list("50,"), &[]), [row(1001, "domain", 2, "10.0.0.2")]);
    assert_eq!(alerts(&desk, "list", &list("10,"), &[]), [row(1001, "domain", 3, "10.0.0.2")]);
    // The capture is of November 2023.
    assert_eq!(alerts(&desk, "list", &list(",2024-01-01"), &[]).len(), 1);
    assert!(alerts(&desk, "list", &list(",2023-01-01"), &[]).is_empty());
    for allowed in ["evil.example", "c2.evil.example"] {
        std::fs::write(desk.path("allow"), format!("{allowed}\n")).unwrap();
        assert!(alerts(&desk, "list", &list(","), &["--allow", "allow"]).is_empty(), "{allowed}");
    }
}

#[test]
fn what_is_no_list_is_refused_by_file_and_line() {
    let desk = Desk::new("");
    case().write(&desk.path("case.pcap"));
    for (text, why) in [
        ("", "list:1: the file is empty"),
        ("<!DOCTYPE html><html></html>", "list:1: HTML or XML"),
        ("{\"type\": \"bundle\", \"objects\": [\n{\"type\": ", "list:2: not whole, or no JSON"),
        ("\0\0\0\0", "list:1: binary data"),
        ("To whom it may concern,\nnothing here\n", "list:1: none of 2 entries is an indicator"),
        ("a.example\nb.example\nc.example\n", "list:3: more than 2 indicators (intel.max_indicators)"),
    ] {
        std::fs::write(desk.path("list"), text).unwrap();
        std::fs::write(desk.path("r.toml"), "[intel]\nmax_indicators = 2\n").unwrap();
        let output =
            ringward(desk.dir.path(), ["replay", "--force", "-c", "r.toml", "--iocs", "list", "case.pcap"]);
        assert_eq!(output.status.code(), Some(2), "{text:?}");
        assert!(stderr(&output).starts_with(&format!("ringward: {why}")), "{text:?}: {}", stderr(&output));
    }
}
