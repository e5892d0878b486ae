//! Writing, opening again, rotating.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use ledger::{Filter, Harm, Ledger, LedgerError, MAX_REASON, Record, verify};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{SECOND, files, host, isolated, open, options, read, step};
use wire::{Nanos, Scope};

#[test]
fn what_was_written_is_read_and_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let (mut ledger, recovered) = open(dir.path());
    assert!(recovered.open.is_empty() && recovered.damaged.is_empty());
    let withheld =
        Record { enforced: false, not_enforced_because: Some("protected".into()), ..step(4, "isolate", 3) };
    let peers = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let steps = [
        step(1, "isolate", 1),
        Record { scope: Scope::Peers(peers), who: Some("uid 0".into()), ..step(2, "isolate", 2) },
        withheld,
        Record { until: Some(Nanos(7)), dropped_packets: 3, ..step(1, "extend", 4) },
        step(2, "release", 5),
        step(3, "isolate", 6),
        step(3, "first_drop", 7),
        step(5, "from a later version", 8),
    ];
    for step in &steps {
        ledger.append(step).unwrap();
    }
    ledger.sync().unwrap();
    drop(ledger);
    let (ledger, recovered) = open(dir.path());
    assert_eq!(isolated(&recovered), [(host(1), false), (host(3), false)]);
    // The first decision, with what later ones changed of it.
    let first = Record { action: "isolate".into(), ..steps[3].clone() };
    assert_eq!(recovered.open[0].record, first);
    assert_eq!(recovered.ended, [steps[4].clone()]);
    assert_eq!(recovered.last_verdict, 5);
    let (entries, damage) = read(dir.path(), Filter::default());
    assert_eq!(
        (entries.iter().map(|e| e.record.clone()).collect::<Vec<_>>(), damage),
        (steps.to_vec(), vec![])
    );
    let one = Filter { target: Some(host(1)), since: Some(step(1, "", 4).time) };
    assert_eq!(read(dir.path(), one).0.len(), 1);
    drop(ledger);
}

#[test]
fn one_writer_at_a_time_and_one_map() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = open(dir.path()).0;
    assert!(matches!(Ledger::open(options(dir.path())), Err(LedgerError::InUse(_))));
    drop(ledger);
    let other = ledger::Options { of: "others".into(), ..options(dir.path()) };
    let refused = Ledger::open(other).unwrap_err().to_string();
    assert!(refused.contains("isolations in pins, not of those in others"), "{refused}");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(dir.path().join("ledger")), mode(files(dir.path())[0].clone())), (0o750, 0o640));
}

#[test]
fn files_are_bounded_and_the_newest_speaks_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let small = ledger::Options { max_bytes: 4096, ..options(dir.path()) };
    let (mut ledger, _) = Ledger::open(small.clone()).unwrap();
    for n in 0..20 {
        ledger.append(&step(n, "isolate", n.into())).unwrap();
    }
    for n in 20..400 {
        ledger.append(&step(n, "isolate", n.into())).unwrap();
        ledger.append(&step(n, "release", n.into())).unwrap();
    }
    assert!(ledger.take_trouble().is_none());
    drop(ledger);
    let kept = files(dir.path());
    assert_eq!(kept.len(), 4);
    // Those that are carried over, and what one file may hold of its own.
    assert!(kept.iter().all(|file| fs::metadata(file).unwrap().len() < 21 * 600 + 4096 + 600));
    let report = verify(&dir.path().join("ledger")).unwrap();
    assert_eq!((report.files, report.damage.len()), (4, 0));
    let (entries, _) = read(dir.path(), Filter::default());
    let carried = entries.iter().filter(|e| e.record.target <= host(19)).count();
    assert_eq!(carried, 20, "shown once, however often they were carried over");
    for older in &kept[..3] {
        fs::remove_file(older).unwrap();
    }
    let (mut ledger, recovered) = Ledger::open(small).unwrap();
    assert_eq!(isolated(&recovered), (0..20).map(|n| (host(n), false)).collect::<Vec<_>>());
    ledger.append(&step(0, "release", 500)).unwrap();
    assert_eq!(verify(&dir.path().join("ledger")).unwrap().damage, []);
}

#[test]
fn a_torn_end_is_set_aside_and_the_ledger_goes_on() {
    for torn in [&b"{\"seq\":3,\"prev\":\"0"[..], &[0; 9000], b"\n\n", &[0xff; 300_000]] {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path()).0;
        ledger.append(&step(1, "isolate", 1)).unwrap();
        drop(ledger);
        let file = files(dir.path())[0].clone();
        let whole = fs::read(&file).unwrap();
        fs::write(&file, [&whole[..], torn].concat()).unwrap();
        let (mut ledger, recovered) = open(dir.path());
        assert_eq!(
            isolated(&recovered),
            [(host(1), false)],
            "an end that is torn casts no doubt on what was before"
        );
        assert_eq!(recovered.damaged[0].harm, Harm::Unreadable(torn.len() as u64));
        assert_eq!(recovered.damaged[0].offset, whole.len() as u64);
        let aside = recovered.aside.unwrap();
        assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("ledger.damaged-"));
        assert_eq!(fs::read(&aside).unwrap(), torn);
        ledger.append(&step(2, "isolate", 2)).unwrap();
        drop(ledger);
        assert_eq!(verify(&dir.path().join("ledger")).unwrap().damage, []);
        assert_eq!(isolated(&open(dir.path()).1).len(), 2);
    }
}

#[test]
fn a_last_line_without_its_end_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path()).0;
    ledger.append(&step(1, "isolate", 1)).unwrap();
    drop(ledger);
    let file = files(dir.path())[0].clone();
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let (mut ledger, recovered) = open(dir.path());
    assert_eq!((isolated(&recovered).len(), recovered.damaged.len()), (1, 0));
    ledger.append(&step(2, "isolate", 2)).unwrap();
    assert_eq!(verify(&dir.path().join("ledger")).unwrap().damage, []);
}

#[test]
fn tampering_in_the_middle_is_seen_and_casts_doubt() {
    let write = |dir: &std::path::Path| {
        let mut ledger = open(dir).0;
        for n in 1..=5 {
            ledger.append(&step(n, "isolate", n.into())).unwrap();
        }
        files(dir)[0].clone()
    };
    let all =
        |doubted: &[u32], of: &[u32]| of.iter().map(|n| (host(*n), doubted.contains(n))).collect::<Vec<_>>();
    // Changed: the line itself says so, and the one behind it.
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path());
    let text = fs::read_to_string(&file).unwrap().replace("10.0.0.3", "10.0.0.9");
    fs::write(&file, &text).unwrap();
    let report = verify(&dir.path().join("ledger")).unwrap();
    let at = text.find("{\"seq\":4").unwrap() as u64;
    assert!(matches!(report.damage[0].harm, Harm::Unreadable(_)) && report.damage[0].offset == at);
    assert_eq!(report.damage[1].harm, Harm::Broken { after: 3, seq: 5 });
    let (mut ledger, recovered) = open(dir.path());
    assert_eq!(isolated(&recovered), all(&[1, 2], &[1, 2, 4, 5]), "4 and 5 are behind it");
    // A step makes sure again.
    ledger.append(&step(1, "adopt", 9)).unwrap();
    drop(ledger);
    assert_eq!(isolated(&open(dir.path()).1), all(&[2], &[1, 2, 4, 5]));
    // Taken out.
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path());
    let text = fs::read_to_string(&file).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.contains("10.0.0.3")).collect();
    fs::write(&file, without.join("\n") + "\n").unwrap();
    let report = verify(&dir.path().join("ledger")).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert!(
        report.damage[0].to_string().ends_with("1 lines are missing between 3 and 5"),
        "{}",
        report.damage[0]
    );
}

#[test]
fn a_line_that_is_played_again_brings_nobody_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path()).0;
    ledger.append(&step(1, "isolate", 1)).unwrap();
    ledger.append(&step(1, "release", 2)).unwrap();
    drop(ledger);
    let file = files(dir.path())[0].clone();
    let text = fs::read_to_string(&file).unwrap();
    let again = text.lines().nth(1).unwrap();
    fs::write(&file, format!("{text}{again}\n")).unwrap();
    assert_eq!(verify(&dir.path().join("ledger")).unwrap().damage[0].harm, Harm::Repeated { seq: 2 });
    let (mut ledger, recovered) = open(dir.path());
    assert_eq!((isolated(&recovered), recovered.aside.is_some()), (vec![], true));
    ledger.append(&step(2, "isolate", 3)).unwrap();
    assert_eq!(verify(&dir.path().join("ledger")).unwrap().damage, []);
}

#[test]
fn doubts_outlive_a_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let small = ledger::Options { max_bytes: 3000, ..options(dir.path()) };
    let mut ledger = Ledger::open(small.clone()).unwrap().0;
    ledger.append(&step(1, "isolate", 1)).unwrap();
    ledger.append_lost(7).unwrap();
    for n in 2..9 {
        ledger.append(&step(n, "withhold", 2)).unwrap();
    }
    drop(ledger);
    assert!(files(dir.path()).len() > 1);
    let recovered = Ledger::open(small).unwrap().1;
    assert_eq!((isolated(&recovered), recovered.damaged_places), (vec![(host(1), true)], 0));
    let report = verify(&dir.path().join("ledger")).unwrap();
    assert!(report.damage[0].to_string().contains("7 records could not be written"), "{}", report.damage[0]);
}

#[test]
fn a_full_disk_is_an_error_that_can_be_tried_again() {
    // A write past the limit of a file's size fails as one to a full disk does. In a process of its own.
    const MARK: &str = "LEDGER_TEST_FULL";
    let Ok(dir) = std::env::var(MARK) else {
        let dir = tempfile::tempdir().unwrap();
        let me = std::env::current_exe().unwrap();
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -S -f 8; exec \"$0\" --exact a_full_disk_is_an_error_that_can_be_tried_again"])
            .arg(me)
            .env(MARK, dir.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    };
    let dir = std::path::Path::new(&dir);
    let mut ledger = open(dir).0;
    let mut written = 0;
    let refused = loop {
        match ledger.append(&step(written, "isolate", written.into())) {
            Ok(_) => written += 1,
            Err(err) => break err,
        }
        assert!(written < 1000);
    };
    assert!(matches!(refused, LedgerError::Io { what: "write", .. }), "{refused}");
    assert!(ledger.append(&step(written, "isolate", 1)).is_err());
    // Not a half line is left.
    assert_eq!(verify(&dir.join("ledger")).unwrap().damage, []);
    assert_eq!(read(dir, Filter::default()).0.len(), written as usize);
    // There is room again.
    let limit = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
    ledger.append(&step(written, "isolate", 1)).unwrap();
    assert_eq!(verify(&dir.join("ledger")).unwrap().damage, []);
}

#[test]
fn texts_are_cut_where_they_must_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path()).0;
    let long =
        Record { reason: "é\"\u{1}".repeat(MAX_REASON), by: "x".repeat(9000), ..step(1, "isolate", 1) };
    ledger.append(&long).unwrap();
    let (entries, damage) = read(dir.path(), Filter::default());
    assert_eq!(damage, []);
    assert!(entries[0].record.reason.ends_with('…') && entries[0].record.reason.len() <= MAX_REASON);
    let peers = Scope::Peers(vec![std::net::Ipv6Addr::LOCALHOST.into(); 100_000]);
    let refused = ledger.append(&Record { scope: peers, ..step(2, "isolate", 2) });
    assert!(matches!(refused, Err(LedgerError::TooLong(_))));
    ledger.append(&step(3, "isolate", 3)).unwrap();
    assert_eq!(verify(&dir.path().join("ledger")).unwrap().damage, []);
}

#[test]
fn sha256sum_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = open(dir.path()).0;
    ledger.append(&step(1, "isolate", 1)).unwrap();
    let text = fs::read_to_string(&files(dir.path())[0]).unwrap();
    let line = text.lines().nth(1).unwrap();
    let (said, seal) = line.rsplit_once(",\"sum\":\"").unwrap();
    let sum = Command::new("sh").args(["-c", "printf %s \"$0\" | sha256sum", said]).output().unwrap();
    assert_eq!(String::from_utf8(sum.stdout).unwrap()[..64], seal[..64]);
    assert!(
        line.contains("\"host\":\"10.0.0.1\"")
            && line.contains("\"time\":\"2023-11-14T22:13:21.000000000Z\"")
    );
    assert_eq!(step(1, "", 1).time.0 % SECOND, 0);
}
