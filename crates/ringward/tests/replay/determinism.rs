//! The same packets give the same events, byte for byte, however many workers there are.

use std::path::Path;

use crate::oracles::captures;
use crate::support::{Capture, Desk, at, dns_exchange, ringward, shared_data, stderr};

/// Enough flows to fill several batches, with alerts, timeouts and flows that never end.
fn busy() -> Capture {
    let mut capture = Capture::default();
    for i in 0..400_u16 {
        let client = format!("10.1.{}.{}:{}", i / 200, i % 200 + 1, 20_000 + i);
        let name = if i % 40 == 7 { "x.bad.example" } else { "fine.example" };
        match i % 3 {
            0 => capture.dns(at(&client), at("192.0.2.53:53"), name),
            1 => capture.http(at(&client), at("198.51.100.1:80"), name, "/in?host=PC-77&user=eve"),
            _ => capture.tls(at(&client), at("198.51.100.1:443"), name),
        }
        if i % 9 == 1 {
            // The answer in fragments, so that workers other than those of their flows may meet them.
            let (_, answer) = dns_exchange("x.bad.example");
            let text = [&answer[..], &[0; 3000]].concat();
            capture.fragmented_udp(at("192.0.2.53:53"), at(&client), &text, 1000);
        }
        if i % 50 == 0 {
            capture.pause(40);
        }
    }
    capture
}

fn replay(desk: &Desk, out: &str, more: &[&str], inputs: &[&str]) -> Vec<(String, Vec<u8>)> {
    let args = [&["replay", "--force", "--iocs", "iocs.csv", "--out", out], more, inputs].concat();
    let output = ringward(desk.dir.path(), args);
    assert!(output.status.success(), "{}", stderr(&output));
    files(&desk.path(out))
}

/// Everything below a folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Names and contents that differ, without printing megabytes.
fn assert_same(a: &[(String, Vec<u8>)], b: &[(String, Vec<u8>)], what: &str) {
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
    assert_eq!(names(a), names(b), "{what}");
    for ((name, x), (_, y)) in a.iter().zip(b) {
        let (x, y) = (String::from_utf8_lossy(x), String::from_utf8_lossy(y));
        if let Some((l, r)) = x.lines().zip(y.lines()).find(|(l, r)| l != r) {
            panic!("{what}: {name} differs:\n{l}\n{r}");
        }
        assert_eq!(x.len(), y.len(), "{what}: {name}");
    }
}

#[test]
fn runs_and_worker_counts_do_not_show() {
    let desk = Desk::new("bad.example,Test RAT\n");
    let capture = busy();
    assert!(capture.len() > 2048, "several batches");
    capture.write(&desk.path("case.pcap"));
    let first = replay(&desk, "a", &[], &["case.pcap"]);
    assert!(first.iter().any(|(name, _)| name.ends_with(".pcapng")));
    assert_same(&first, &replay(&desk, "b", &[], &["case.pcap"]), "a second run");
    for workers in ["1", "2", "3", "8"] {
        let other = replay(&desk, workers, &["--workers", workers], &["case.pcap"]);
        assert_same(&first, &other, &format!("{workers} workers"));
    }
}

#[test]
fn each_capture_can_begin_with_empty_state() {
    let desk = Desk::new("bad.example\n");
    // One connection, cut in two: its end is in the second file.
    let mut whole = Capture::default();
    whole.http(at("10.0.0.1:4000"), at("198.51.100.1:80"), "bad.example", "/");
    whole.write(&desk.path("one.pcap"));
    let mut second = whole.clone();
    second.pause(1);
    second.write(&desk.path("two.pcap"));
    let lines = |files: Vec<(String, Vec<u8>)>, kind: &str| {
        let eve = &files.iter().find(|(name, _)| name == "eve.json").unwrap().1;
        let text = String::from_utf8(eve.clone()).unwrap();
        text.lines().filter(|l| l.contains(&format!("\"event_type\":\"{kind}\""))).count()
    };
    let inputs = ["one.pcap", "two.pcap"];
    // With state kept, the host is isolated once; anew with every capture, twice.
    assert_eq!(lines(replay(&desk, "kept", &[], &inputs), "isolation"), 1);
    assert_eq!(lines(replay(&desk, "reset", &["--reset"], &inputs), "isolation"), 2);
    let reset = replay(&desk, "reset", &["--reset"], &inputs);
    let eve = String::from_utf8(reset.iter().find(|(n, _)| n == "eve.json").unwrap().1.clone()).unwrap();
    for name in inputs {
        assert!(eve.contains(&format!("\"pcap_filename\":\"{name}\"")), "{name}");
    }
}

/// Calls whose media flows between hosts of which one has no part in setting them up.
fn calls() -> Capture {
    let mut capture = Capture::default();
    for n in 0..60_u16 {
        let (caller, proxy) = (at(&format!("10.2.0.{}:5060", n + 1)), at("192.0.2.60:5060"));
        let media = at(&format!("10.3.{n}.9:{}", 20_000 + 2 * n));
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0\r\n",
            media.ip(),
            media.port()
        );
        let head = |start: &str| {
            format!(
                "{start}\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{n}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: {n}\r\n\
                 CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                sdp.len()
            )
        };
        let rtp = [&[0x80, 0, 0, 1, 0, 0, 0, 160, 0, 0, 0, 1][..], &[0xff; 160]].concat();
        if n % 2 == 0 {
            capture.udp(caller, proxy, head("INVITE sip:b@x SIP/2.0").as_bytes());
            capture.udp(at(&format!("192.0.2.60:{}", 30_000 + n)), media, &rtp);
        } else {
            capture.udp(proxy, caller, head("SIP/2.0 200 OK").as_bytes());
            capture.udp(proxy, caller, head("INVITE sip:b@x SIP/2.0").as_bytes());
            capture.udp(at(&format!("{}:{}", caller.ip(), 30_000 + n)), media, &rtp);
        }
    }
    capture
}

#[test]
fn what_workers_share_does_not_show() {
    let desk = Desk::new("bad.example\n");
    calls().write(&desk.path("calls.pcap"));
    busy().write(&desk.path("busy.pcap"));
    // Bits of hosts that are asked by flows with other hosts, and a set that grows.
    let rules = r#"
        alert tls any any -> any any (msg:"asked"; tls.sni; content:"fine"; xbits:set,asked,track ip_dst,expire 5; sid:1;)
        alert http any any -> any any (msg:"and came"; http.method; content:"GET"; xbits:isset,asked,track ip_dst; sid:2;)
        alert tcp any any -> any any (msg:"host"; hostbits:set,seen,dst; content:"GET"; sid:3;)
        alert tls any any -> any any (msg:"seen"; tls.sni; content:"fine"; hostbits:isset,seen,dst; sid:4;)
        alert dns any any -> any any (msg:"new"; dns.query; dataset:set,names,type string; sid:5;)
        alert tls any any -> any any (msg:"known"; tls.sni; dataset:isset,names,type string; sid:6;)
        alert http any any -> any any (msg:"known"; http.host; dataset:isset,names,type string; sid:7;)
        alert udp any any -> any any (msg:"often"; threshold:type both,track by_dst,count 5,seconds 60; sid:8;)
    "#;
    std::fs::write(desk.path("shared.rules"), rules).unwrap();
    let inputs = ["calls.pcap", "busy.pcap"];
    let first = replay(&desk, "1", &["--rules", "shared.rules", "--workers", "1"], &inputs);
    let eve = String::from_utf8(first.iter().find(|(n, _)| n == "eve.json").unwrap().1.clone()).unwrap();
    let rtp = eve.lines().filter(|line| line.contains("\"event_type\":\"rtp\"")).count();
    assert_eq!(rtp, 60, "each call has media");
    for sid in 1..=8 {
        assert!(eve.contains(&format!("\"signature_id\":{sid},")), "{sid}");
    }
    for workers in ["2", "3", "5", "8"] {
        for run in ["a", "b"] {
            let out = format!("{workers}{run}");
            let other = replay(&desk, &out, &["--rules", "shared.rules", "--workers", workers], &inputs);
            assert_same(&first, &other, &format!("{workers} workers"));
        }
    }
}

#[test]
fn no_shared_capture_shows_the_number_of_workers() {
    let Some(data) = shared_data() else { return };
    let desk = Desk::new("bad.example\n");
    let captures = captures(&data.join("pcap"));
    let inputs: Vec<&str> = captures.iter().map(|path| path.to_str().unwrap()).collect();
    let replay = |workers: &str| {
        let args = ["replay", "--force", "--reset", "--workers", workers, "--out", workers];
        // Some are damaged.
        let output = ringward(desk.dir.path(), args.iter().copied().chain(inputs.iter().copied()));
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", stderr(&output));
        files(&desk.path(workers))
    };
    let first = replay("1");
    for workers in ["2", "3", "5", "8"] {
        assert_same(&first, &replay(workers), &format!("{workers} workers"));
        std::fs::remove_dir_all(desk.path(workers)).unwrap();
    }
}
