//! The output directory: who may read it, what is destroyed and what is not, a disk that is full.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Capture, Desk, RINGWARD, at, events, of_type, ringward, stderr};

fn case() -> Capture {
    let mut capture = Capture::default();
    for i in 1..=20 {
        capture.http(at(&format!("10.0.0.{i}:4000")), at("198.51.100.1:80"), "bad.example", "/");
    }
    capture
}

/// Every file and folder below, with its mode.
fn modes(folder: &Path, found: &mut Vec<(String, bool, u32)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::metadata(&path).unwrap();
        found.push((path.display().to_string(), kind.is_dir(), kind.permissions().mode() & 0o7777));
        if kind.is_dir() {
            modes(&path, found);
        }
    }
}

#[test]
fn nobody_else_reads_what_a_replay_writes() {
    for umask in ["000", "022", "077"] {
        let desk = Desk::new("bad.example\n");
        case().write(&desk.path("case.pcap"));
        fs::write(desk.path("r.toml"), "[files]\nstore = true\n").unwrap();
        let line = format!(
            "umask {umask}; exec {RINGWARD} replay -c r.toml --profile-rules --iocs iocs.csv --out new/out case.pcap"
        );
        let done = Command::new("sh").args(["-c", &line]).current_dir(desk.dir.path()).output().unwrap();
        assert!(done.status.success(), "{}", stderr(&done));
        let mut found = Vec::new();
        modes(&desk.path("new"), &mut found);
        for end in ["eve.json", ".pcapng", ".html", "rules-profile.json"] {
            assert!(found.iter().any(|(path, ..)| path.ends_with(end)), "{end}: {found:?}");
        }
        for (path, is_folder, mode) in found {
            assert_eq!(mode, if is_folder { 0o750 } else { 0o640 }, "{path} with umask {umask}");
        }
    }
}

#[test]
fn earlier_results_are_replaced_or_added_to_only_when_that_is_asked_for() {
    let desk = Desk::new("bad.example\n");
    case().write(&desk.path("case.pcap"));
    let run = |more: &[&str]| {
        let args = [&["replay", "--iocs", "iocs.csv"], more].concat();
        let done = ringward(desk.dir.path(), args);
        (done.status.code().unwrap(), stderr(&done))
    };
    assert_eq!(run(&["case.pcap"]).0, 0);
    let first = fs::read(desk.path("out/eve.json")).unwrap();
    let (code, text) = run(&["case.pcap"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("out: it holds results of an earlier run; --force replaces them all"), "{text}");
    // Inputs that cannot be opened destroy nothing.
    for (wanted, args) in [
        (1, &["--force", "absent.pcap"][..]),
        (1, &["--force", "case.pcap", "absent.pcap"]),
        (2, &["--force", "--rules", "absent.rules", "case.pcap"]),
        (2, &["--force", "--iocs", "absent.csv", "case.pcap"]),
    ] {
        assert_eq!(run(args).0, wanted, "{args:?}");
        assert!(fs::read(desk.path("out/eve.json")).unwrap() == first, "{args:?}");
    }
    assert_eq!(run(&["--append", "case.pcap"]).0, 0);
    assert!(events(&desk.path("out/eve.json")).len() > first.iter().filter(|&&b| b == b'\n').count());
    fs::write(desk.path("out/mine.txt"), "mine").unwrap();
    fs::write(desk.path("out/incidents/INC-19700101T000000Z-10.9.9.9.html"), "old").unwrap();
    assert_eq!(run(&["--force", "case.pcap"]).0, 0);
    assert!(fs::read(desk.path("out/eve.json")).unwrap() == first);
    assert!(desk.path("out/mine.txt").exists());
    assert!(!desk.path("out/incidents/INC-19700101T000000Z-10.9.9.9.html").exists());
    assert_eq!(run(&["--force", "--append", "case.pcap"]).0, 2);
}

/// A limit on the size of files stands for a full disk: what is written is whole.
#[test]
fn a_replay_onto_a_full_disk_fails_and_tears_no_line() {
    let desk = Desk::new("bad.example\n");
    case().write(&desk.path("case.pcap"));
    let line =
        format!("trap '' XFSZ; ulimit -f 16; exec {RINGWARD} replay --iocs iocs.csv --out out case.pcap");
    let done = Command::new("bash").args(["-c", &line]).current_dir(desk.dir.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", stderr(&done));
    assert!(stderr(&done).contains("eve.json: File too large"), "{}", stderr(&done));
    let text = fs::read_to_string(desk.path("out/eve.json")).unwrap();
    assert!(text.ends_with('\n'));
    assert!(!of_type(&events(&desk.path("out/eve.json")), "http").is_empty());
}
