//! Bad input gives one clear line and the right exit code.

use std::process::Output;

use crate::support::{Capture, Desk, at, events, of_type, ringward, stderr};

fn case() -> Capture {
    let mut capture = Capture::default();
    capture.http(at("10.0.0.1:4000"), at("198.51.100.1:80"), "bad.example", "/");
    capture
}

fn run(desk: &Desk, args: &[&str]) -> (i32, String) {
    let output: Output = ringward(desk.dir.path(), args);
    (output.status.code().unwrap(), stderr(&output))
}

#[test]
fn bad_usage_is_2() {
    let desk = Desk::new("");
    for args in [
        &["frobnicate"][..],
        &["replay"],
        &["replay", "--workers", "0", "x.pcap"],
        &["isolate", "add", "not-an-address"],
        &["isolate", "add", "10.0.0.1", "--ttl", "soon"],
        &["report", "--out", "x.html"],
    ] {
        assert_eq!(run(&desk, args).0, 2, "{args:?}");
    }
    assert_eq!(run(&desk, &["--help"]).0, 0);
    assert_eq!(run(&desk, &["--version"]).0, 0);
}

#[test]
fn a_bad_configuration_names_file_line_and_key() {
    let desk = Desk::new("");
    case().write(&desk.path("case.pcap"));
    for (toml, want) in [
        ("[workers]\nconut = 2\n", "bad.toml:2: unknown field `conut`, expected one of `count`"),
        ("[policy]\n\nlifetime = \"soon\"\n", "bad.toml:3: policy.lifetime: invalid duration \"soon\""),
        ("[workers]\ncount = 0\n", "bad.toml:2: workers.count: "),
        ("[workers]\ncount = \"two\"\n", "bad.toml:2: invalid type"),
        ("nonsense\n", "bad.toml:1: "),
    ] {
        std::fs::write(desk.path("bad.toml"), toml).unwrap();
        for args in [&["run", "-c", "bad.toml"][..], &["replay", "-c", "bad.toml", "case.pcap"]] {
            let (code, text) = run(&desk, args);
            assert_eq!(code, 2, "{text}");
            assert!(text.starts_with(&format!("ringward: {want}")), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
    let (code, text) = run(&desk, &["run", "-c", "absent.toml"]);
    assert_eq!((code, text.lines().count()), (2, 1), "{text}");
    assert!(text.contains("absent.toml: cannot be read"), "{text}");
}

#[test]
fn a_run_without_ports_is_refused() {
    let desk = Desk::new("");
    std::fs::write(desk.path("empty.toml"), "").unwrap();
    let (code, text) = run(&desk, &["run", "-c", "empty.toml"]);
    assert_eq!(code, 2);
    assert!(text.contains("no port is configured"), "{text}");
}

#[test]
fn a_truncated_capture_is_read_as_far_as_it_goes() {
    let desk = Desk::new("bad.example\n");
    let bytes = case().bytes();
    std::fs::write(desk.path("cut.pcap"), &bytes[..bytes.len() - 10]).unwrap();
    let (code, text) = run(&desk, &["replay", "--iocs", "iocs.csv", "cut.pcap"]);
    assert_eq!(code, 1);
    assert!(text.contains("cut.pcap: the file is truncated after packet 7"), "{text}");
    let events = events(&desk.path("out/eve.json"));
    assert_eq!(of_type(&events, "alert").len(), 1);
    assert_eq!(of_type(&events, "flow")[0]["flow"]["pkts_toserver"], 4);
}

#[test]
fn an_unreadable_capture_does_not_keep_the_others_from_being_read() {
    let desk = Desk::new("bad.example\n");
    case().write(&desk.path("good.pcap"));
    std::fs::write(desk.path("text.pcap"), "no capture at all, just text\n").unwrap();
    std::fs::write(desk.path("empty.pcap"), "").unwrap();
    let args = ["replay", "--iocs", "iocs.csv", "absent.pcap", "text.pcap", "empty.pcap", "good.pcap"];
    let (code, text) = run(&desk, &args);
    assert_eq!(code, 1);
    for want in ["absent.pcap: No such file", "text.pcap: not a pcap", "empty.pcap: the file is empty"] {
        assert!(text.contains(want), "{want}: {text}");
    }
    assert_eq!(of_type(&events(&desk.path("out/eve.json")), "alert").len(), 1);
}

#[test]
fn a_bad_indicator_line_is_named_skipped_and_counted() {
    let desk = Desk::new("# a comment\nbad.example\nnot a domain!\n10.0.0.0/7\ncom\n\nother.example\n");
    case().write(&desk.path("case.pcap"));
    let (code, text) = run(&desk, &["replay", "--iocs", "iocs.csv", "case.pcap"]);
    assert_eq!(code, 0, "{text}");
    for line in [3, 4, 5] {
        assert!(text.contains(&format!("iocs.csv:{line}: ")), "{line}: {text}");
    }
    assert!(text.contains("3 indicator lines skipped"), "{text}");
    assert_eq!(of_type(&events(&desk.path("out/eve.json")), "alert").len(), 1);
    let (code, text) = run(&desk, &["replay", "--strict", "--iocs", "iocs.csv", "case.pcap"]);
    assert_eq!(code, 2);
    assert!(text.contains("3 indicator lines cannot be read (--strict)"), "{text}");
    let (code, text) = run(&desk, &["replay", "--iocs", "absent.csv", "case.pcap"]);
    assert_eq!(code, 2);
    assert!(text.contains("absent.csv"), "{text}");
}

#[test]
fn nobody_listens() {
    let desk = Desk::new("");
    for args in [&["stats"][..], &["reload"], &["isolate", "add", "10.0.0.1"]] {
        let (code, text) = run(&desk, &[args, &["--socket", "absent.sock"]].concat());
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("no sensor listens on absent.sock"), "{text}");
    }
}

#[test]
fn limits_keep_a_flood_of_alerts_off_the_disk() {
    let desk = Desk::new("bad.example\n");
    let mut flood = Capture::default();
    for i in 0..40 {
        flood.http(at(&format!("10.0.0.{i}:4000")), at("198.51.100.1:80"), "bad.example", "/");
    }
    flood.write(&desk.path("flood.pcap"));
    let toml = "[output]\nmax_reports = 5\n[evidence]\nmax_total_mib = 0\n[policy]\nmax_per_minute = 40\nproven_reserve = 0\n";
    std::fs::write(desk.path("limits.toml"), toml).unwrap();
    let (code, text) = run(&desk, &["replay", "-c", "limits.toml", "--iocs", "iocs.csv", "flood.pcap"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("320 evidence packets and 35 reports are over their limits"), "{text}");
    assert_eq!((desk.list("out/evidence").len(), desk.list("out/incidents").len()), (0, 10));
    // Nothing of it is missing in eve.json.
    let events = events(&desk.path("out/eve.json"));
    assert_eq!((of_type(&events, "alert").len(), of_type(&events, "isolation").len()), (40, 40));
}
