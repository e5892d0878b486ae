//! Who is a victim, and when it is isolated: only hosts of ours that have asked, and that really took part.

use std::path::Path;

use serde_json::Value;

use crate::support::{Capture, Desk, at, dns_exchange, events, of_type, ringward, shared_data, stderr};

const LIST: &str = "evil.example\n192.0.2.66\n2001:db8::66\n";

/// Sids with their victims, each once, in order.
fn alerts(events: &[Value]) -> Vec<(u64, Option<String>)> {
    let mut found: Vec<_> = of_type(events, "alert")
        .iter()
        .map(|e| {
            let victim = e["alert"]["metadata"]["victim"][0].as_str().map(str::to_owned);
            (e["alert"]["signature_id"].as_u64().unwrap(), victim)
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Whom verdicts are about, and what they do.
fn steps(events: &[Value]) -> Vec<(String, String)> {
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let isolations = of_type(events, "isolation");
    isolations.iter().map(|e| (text(&e["isolation"]["action"]), text(&e["isolation"]["host"]))).collect()
}

fn replay(capture: &Capture) -> Vec<Value> {
    let desk = Desk::new(LIST);
    let one = desk.replay(capture, &["--workers", "1"]);
    assert_eq!(one, desk.replay(capture, &["--workers", "4"]), "the number of workers shows");
    one
}

/// The cases that showed whom one packet could cut off.
#[test]
fn nobody_is_isolated_for_what_others_send() {
    let Some(data) = shared_data() else { return };
    for (case, sids) in [
        ("01-one-packet-from-listed-address", vec![1005]),
        ("02-ping-from-listed-address", vec![1005]),
        ("42-midstream-server-speaks-first", vec![1005]),
        ("05-bogon-list-isolates-the-lan", vec![1004, 1005]),
        ("04-outsiders-trip-the-brake", vec![1001, 1002, 1003, 1004, 1005, 1006]),
        ("12-roles-when-the-server-opens-the-data-flow", vec![1007, 1008]),
    ] {
        let folder = data.join("cases").join(case);
        for (capture, list) in variants(&folder) {
            let out = tempfile::tempdir().unwrap();
            let args = [
                "replay".as_ref(),
                "--iocs".as_ref(),
                list.as_os_str(),
                "--out".as_ref(),
                out.path().as_os_str(),
                capture.as_os_str(),
            ];
            let output = ringward(out.path(), args);
            assert!(output.status.success(), "{}: {}", capture.display(), stderr(&output));
            let events = events(&out.path().join("eve.json"));
            let found = alerts(&events);
            assert!(!found.is_empty(), "{}", capture.display());
            assert!(found.iter().all(|(sid, _)| sids.contains(sid)), "{}: {found:?}", capture.display());
            assert!(of_type(&events, "brake").is_empty(), "{}", capture.display());
            let is_quiet = !case.starts_with("04") && !case.starts_with("12");
            if is_quiet {
                assert!(found.iter().all(|(_, victim)| victim.is_none()), "{}: {found:?}", capture.display());
                assert_eq!(steps(&events), [], "{}", capture.display());
            }
        }
    }
}

fn variants(folder: &Path) -> Vec<(std::path::PathBuf, std::path::PathBuf)> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let captures = files.filter(|path| path.extension().is_some_and(|ext| ext == "pcap"));
    captures
        .map(|path| {
            let own = path.with_file_name(format!("{}-list.txt", path.file_stem().unwrap().display()));
            let list = if own.exists() { own } else { folder.join("list.txt") };
            (path, list)
        })
        .collect()
}

#[test]
fn a_packet_from_a_listed_address_is_contact_from_it() {
    for (ours, theirs) in [("10.0.0.5:50000", "192.0.2.66:443"), ("[fd00::5]:50000", "[2001:db8::66]:443")]
        .map(|(a, b)| (at(a), at(b)))
    {
        for flags in ["R", "SA", "A", "RA", "PA"] {
            let mut capture = Capture::default();
            capture.tcp(theirs, ours, 1, 1, flags, b"");
            let events = replay(&capture);
            assert_eq!(alerts(&events), [(1005, None)], "{flags}");
            assert_eq!(steps(&events), [], "{flags}");
        }
        let mut capture = Capture::default();
        capture.udp(theirs, ours, b"x");
        capture.udp(ours, theirs, b"y");
        let events = replay(&capture);
        assert_eq!((alerts(&events), steps(&events)), (vec![(1005, None)], vec![]));
    }
}

#[test]
fn one_forged_question_isolates_nobody_and_is_told_once() {
    let (ours, resolver) = (at("10.0.0.5:40000"), at("10.0.0.53:53"));
    let (query, answer) = dns_exchange("evil.example");
    let mut forged = Capture::default();
    for port in 0..50 {
        forged.udp(std::net::SocketAddr::new(ours.ip(), 40_000 + port), resolver, &query);
    }
    let events = replay(&forged);
    assert_eq!(steps(&events), [("withhold".to_owned(), "10.0.0.5".to_owned())]);
    let why = &of_type(&events, "isolation")[0]["isolation"]["not_enforced_because"];
    assert!(why.as_str().unwrap().starts_with("not proven that it took part"), "{why}");
    // The answer is the proof.
    let mut real = Capture::default();
    real.udp(ours, resolver, &query);
    real.udp(resolver, ours, &answer);
    let events = replay(&real);
    assert_eq!(of_type(&events, "alert").len(), 1);
    assert_eq!(steps(&events), [("isolate".to_owned(), "10.0.0.5".to_owned())]);
}

fn arp(mac: [u8; 6], ip: [u8; 4]) -> Vec<u8> {
    let head = [[0xff; 6], mac].concat();
    [&head, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2][..], &mac, &ip, &[0; 6], &ip].concat()
}

#[test]
fn an_answer_to_a_question_from_elsewhere_proves_nothing() {
    let (ours, resolver) = (at("10.0.0.5:40000"), at("10.0.0.53:53"));
    let (query, answer) = dns_exchange("evil.example");
    let mut capture = Capture::default();
    capture.frame(arp([2, 9, 9, 9, 9, 9], [10, 0, 0, 5]));
    capture.udp(ours, resolver, &query);
    capture.udp(resolver, ours, &answer);
    assert_eq!(steps(&replay(&capture)), [("withhold".to_owned(), "10.0.0.5".to_owned())]);
    // A completed handshake does.
    let mut capture = Capture::default();
    capture.frame(arp([2, 9, 9, 9, 9, 9], [10, 0, 0, 5]));
    capture.http(at("10.0.0.5:40000"), at("198.51.100.7:80"), "evil.example", "/");
    assert_eq!(steps(&replay(&capture)), [("isolate".to_owned(), "10.0.0.5".to_owned())]);
}

#[test]
fn outsiders_are_nobodys_victims_unless_it_is_said_that_they_are_ours() {
    let mut capture = Capture::default();
    for port in 0..40 {
        let client = at(&format!("198.51.100.{}:40000", port + 1));
        capture.http(client, at("10.0.0.80:80"), "evil.example", "/");
    }
    capture.http(at("10.0.0.5:40000"), at("198.51.100.200:80"), "evil.example", "/");
    let events = replay(&capture);
    assert_eq!(alerts(&events), [(1002, None), (1002, Some("10.0.0.5".into()))]);
    assert_eq!(steps(&events), [("isolate".to_owned(), "10.0.0.5".to_owned())]);
    assert!(of_type(&events, "brake").is_empty());
    let desk = Desk::new(LIST);
    std::fs::write(desk.path("c.toml"), "[home]\nnetworks = [\"198.51.100.0/30\"]\n").unwrap();
    let config = desk.path("c.toml");
    let events = desk.replay(&capture, &["-c", config.to_str().unwrap()]);
    let isolated: Vec<String> = steps(&events).into_iter().map(|(_, host)| host).collect();
    assert_eq!(isolated, ["198.51.100.1", "198.51.100.2", "198.51.100.3"]);
}

#[test]
fn listed_inside_addresses_isolate_nobody_and_are_told_at_load() {
    let desk = Desk::new("10.0.0.0/8\n127.0.0.0/8\n");
    let mut capture = Capture::default();
    capture.http(at("10.0.0.5:40000"), at("10.0.0.80:80"), "intranet.example", "/");
    let events = desk.replay(&capture, &[]);
    assert!(alerts(&events).iter().all(|(_, victim)| victim.is_none()));
    assert_eq!(steps(&events), []);
    let config = ["replay", "--iocs", "iocs.csv", "--out", "again", "case.pcap"];
    let told = stderr(&ringward(desk.dir.path(), config));
    assert!(told.contains("iocs.csv:1: 10.0.0.0/8 is no address of the Internet"), "{told}");
}
