//! Indicator, alert, verdict, evidence, decoded check-in, report: over families, encodings, protocols.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{Capture, Desk, at, of_type, ringward, stderr};

const V4: (&str, &str) = ("10.9.8.7:40000", "198.51.100.9:80");
const V6: (&str, &str) = ("[fd00:5::7]:40000", "[2001:db8:66::9]:80");

fn alert(events: &[Value]) -> &Value {
    let alerts = of_type(events, "alert");
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    alerts[0]
}

fn told(metadata: &Value, what: &str) -> Vec<String> {
    let list = metadata[what].as_array().cloned().unwrap_or_default();
    list.iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

fn check_in(uri: &str, (client, server): (&str, &str), vlan: Option<u16>) -> Value {
    let desk = Desk::new("bad.example,Test RAT\n");
    let mut capture = Capture { vlan, ..Capture::default() };
    capture.http(at(client), at(server), "c2.deep.bad.example", uri);
    let events = desk.replay(&capture, &[]);
    alert(&events)["alert"]["metadata"].clone()
}

#[test]
fn a_check_in_is_decoded_however_it_is_encoded() {
    let plain = "host=WIN-7Q2&user=bob&os=Windows 11 Pro";
    let json = r#"{"hostname":"WIN-7Q2","username":"bob","os":"Windows 11 Pro"}"#;
    let uris = [
        "/a?host=WIN-7Q2&user=bob&os=Windows+11+Pro".to_owned(),
        "/a?computer=WIN%2D7Q2&u%73er=b%6fb&os=Windows%2011%20Pro".to_owned(),
        format!("/a?x=1&d={}", STANDARD.encode(plain).replace('+', "%2B").replace('=', "%3D")),
        format!("/a?d={}", URL_SAFE_NO_PAD.encode(plain)),
        format!("/gate/{}", URL_SAFE_NO_PAD.encode(plain)),
        format!("/gate/{}/x.php", STANDARD_NO_PAD.encode(json)),
        format!("/a?q={}", STANDARD.encode(json)),
        format!(
            "/a?host={}&user={}&os={}",
            STANDARD.encode("WIN-7Q2"),
            STANDARD.encode("bob"),
            STANDARD.encode("Windows 11 Pro")
        ),
    ];
    for uri in uris {
        for (ends, vlan) in [(V4, None), (V6, None), (V4, Some(100)), (V6, Some(7))] {
            let metadata = check_in(&uri, ends, vlan);
            assert_eq!(told(&metadata, "c2_host_name"), ["WIN-7Q2"], "{uri}");
            assert_eq!(told(&metadata, "c2_user_name"), ["bob"], "{uri}");
            assert_eq!(told(&metadata, "c2_operating_system"), ["Windows 11 Pro"], "{uri}");
            let victim = at(ends.0).ip().to_string();
            assert_eq!(told(&metadata, "victim"), [victim]);
        }
    }
}

#[test]
fn an_ordinary_request_gives_nothing_away() {
    let metadata = check_in("/index.html?page=2&lang=en&q=aGVsbG8gd29ybGQ", V4, None);
    for what in ["c2_host_name", "c2_user_name", "c2_operating_system"] {
        assert!(metadata[what].is_null(), "{metadata}");
    }
}

#[test]
fn the_whole_story_is_told() {
    let desk = Desk::new("indicator,description\nbad.example,Test RAT\n");
    let mut capture = Capture::default();
    // An innocent exchange first, on the same hosts.
    capture.http(at("10.9.8.7:39999"), at("198.51.100.8:80"), "good.example", "/");
    capture.http(at(V4.0), at(V4.1), "c2.bad.example", "/in?host=WIN-7Q2&user=bob&os=Windows+11");
    let events = desk.replay(&capture, &[]);
    let alert = alert(&events);
    assert_eq!((&alert["alert"]["gid"], &alert["alert"]["signature_id"]), (&json!(7737), &json!(1002)));
    assert_eq!(alert["http"]["hostname"], "c2.bad.example");
    let metadata = &alert["alert"]["metadata"];
    assert_eq!(told(metadata, "ioc_value"), ["bad.example"]);
    assert_eq!(told(metadata, "ioc_description"), ["Test RAT"]);
    assert!(told(metadata, "mitre_technique_id").contains(&"T1071.001".to_owned()));

    let isolation = of_type(&events, "isolation")[0];
    assert_eq!(isolation["isolation"]["host"], "10.9.8.7");
    assert_eq!(isolation["isolation"]["not_enforced_because"], "replay");

    // The evidence is the alerted connection, whole, from its handshake on, and nothing else.
    let evidence = desk.list("out/evidence");
    assert_eq!(evidence.len(), 1);
    let packets = crate::support::tshark(&evidence[0], "", &["tcp.srcport", "tcp.flags.str", "http.host"]);
    assert_eq!(packets.len(), 8);
    assert!(packets[0][1].contains('S') && !packets[0][1].contains('A'), "{packets:?}");
    assert_eq!(packets[3][2], "c2.bad.example");
    assert!(packets.iter().all(|p| p[0] == "40000" || p[0] == "80"));

    let reports = desk.list("out/incidents");
    assert_eq!(reports.len(), 2, "one incident as HTML and JSON: {reports:?}");
    let html = std::fs::read_to_string(&reports[0]).unwrap();
    let incident: Value = serde_json::from_slice(&std::fs::read(&reports[1]).unwrap()).unwrap();
    for part in ["WIN-7Q2", "bob", "Windows 11", "c2.bad.example", "Test RAT", "T1071.001", "10.9.8.7"] {
        assert!(html.contains(part), "{part} is not in the report");
    }
    // Self-contained: nothing is fetched.
    for tie in ["src=\"http", "href=\"http", "<script src", "@import", "url("] {
        assert!(!html.contains(tie), "{tie}");
    }
    assert_eq!(incident["victim"], "10.9.8.7");
    assert_eq!(incident["evidence"][0]["packets"], 8);
    assert_eq!(incident["verdict"]["enforced"], false);
    let times: Vec<u64> =
        incident["timeline"].as_array().unwrap().iter().map(|s| s["time_ns"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());

    // The page can be made anew, by id and as the latest.
    let id = incident["id"].as_str().unwrap();
    for args in [vec!["report", id], vec!["report", "--latest"]] {
        let output = ringward(
            desk.dir.path(),
            args.into_iter().chain(["--dir", "out", "--out", "out/incidents/again.html"]),
        );
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(std::fs::read_to_string(desk.path("out/incidents/again.html")).unwrap(), html);
    }
}

#[test]
fn every_kind_of_indicator_matches_where_it_should() {
    let list = "bad.example\n198.51.100.66\n2001:db8:bad::1\nhttp://shop.example/evil/path\n";
    let desk = Desk::new(list);
    let mut capture = Capture::default();
    let resolver = at("192.0.2.53:53");
    capture.dns(at("10.0.0.1:5001"), resolver, "WWW.Bad.Example");
    capture.dns(at("10.0.0.2:5002"), resolver, "notbad.example");
    capture.tls(at("10.0.0.3:5003"), at("198.51.100.1:8443"), "bad.example");
    capture.tls(at("10.0.0.4:5004"), at("198.51.100.1:443"), "bad.example.org");
    capture.connection(at("10.0.0.5:5005"), at("198.51.100.66:9999"), b"\x00binary", b"", 100);
    capture.udp(at("[fd00::6]:5006"), at("[2001:db8:bad::1]:1234"), b"beacon");
    capture.udp(at("[2001:db8:bad::1]:1234"), at("[fd00::6]:5006"), b"ok");
    capture.http(at("10.0.0.7:5007"), at("198.51.100.2:8080"), "shop.example", "/evil/path");
    capture.http(at("10.0.0.8:5008"), at("198.51.100.2:80"), "shop.example", "/other");
    // From a listed address: worth an alert, not an isolation.
    capture.udp(at("198.51.100.66:4444"), at("10.0.0.9:5009"), b"scan");
    let events = desk.replay(&capture, &[]);
    let mut seen: Vec<(u64, String)> = of_type(&events, "alert")
        .iter()
        .map(|e| {
            let victim = e["alert"]["metadata"]["victim"][0].as_str().unwrap_or("-").to_owned();
            (e["alert"]["signature_id"].as_u64().unwrap(), victim)
        })
        .collect();
    seen.sort();
    let want = [
        (1001, "10.0.0.1"),
        (1003, "10.0.0.3"),
        (1004, "10.0.0.5"),
        (1004, "fd00::6"),
        (1005, "-"), // nobody is a victim of being scanned
        (1006, "10.0.0.7"),
    ];
    assert_eq!(seen, want.map(|(sid, host)| (sid, host.to_owned())));
    let isolated: Vec<&str> =
        of_type(&events, "isolation").iter().map(|e| e["isolation"]["host"].as_str().unwrap()).collect();
    assert_eq!(isolated, ["10.0.0.1", "10.0.0.3", "10.0.0.5", "fd00::6", "10.0.0.7"]);
}

#[test]
fn segments_in_any_order_are_put_right() {
    let desk = Desk::new("bad.example\n");
    let request = b"GET /in?host=WIN-7Q2&user=bob HTTP/1.1\r\nHost: bad.example\r\n\r\n";
    let mut capture = Capture::default();
    capture.connection(at(V4.0), at(V4.1), request, b"", 7);
    let last = 3 + request.len().div_ceil(7);
    // The data segments the other way round, behind the handshake.
    capture.reorder(|i| if (3..last).contains(&i) { last + 2 - i } else { i });
    let events = desk.replay(&capture, &[]);
    assert_eq!(told(&alert(&events)["alert"]["metadata"], "c2_host_name"), ["WIN-7Q2"]);
}

#[test]
fn protected_hosts_are_never_isolated() {
    let desk = Desk::new("bad.example\n");
    let toml = "[policy]\nprotected = [\"10.9.8.0/24\", \"fd00:5::7\"]\n";
    std::fs::write(desk.path("ringward.toml"), toml).unwrap();
    for (client, server) in [V4, V6] {
        let mut capture = Capture::default();
        capture.http(at(client), at(server), "bad.example", "/");
        let events = desk.replay(&capture, &["-c", "ringward.toml"]);
        let step = &of_type(&events, "isolation")[0]["isolation"];
        assert_eq!(step["action"], "withhold");
        assert!(step["not_enforced_because"].as_str().unwrap().contains("protected"), "{step}");
    }
}

#[test]
fn flows_are_counted_exactly() {
    let desk = Desk::new("");
    let mut capture = Capture::default();
    capture.http(at(V4.0), at(V4.1), "a.example", "/");
    capture.http(at(V6.0), at(V6.1), "a.example", "/");
    capture.pause(3600);
    capture.dns(at("10.0.0.1:5001"), at("192.0.2.53:53"), "a.example");
    let events = desk.replay(&capture, &[]);
    let flows = of_type(&events, "flow");
    let counted: u64 = flows
        .iter()
        .map(|f| f["flow"]["pkts_toserver"].as_u64().unwrap() + f["flow"]["pkts_toclient"].as_u64().unwrap())
        .sum();
    assert_eq!((flows.len(), counted), (3, capture.len() as u64));
    assert_eq!(flows[0]["flow"]["state"], "closed");
    assert_eq!(flows[0]["app_proto"], "http");
}
