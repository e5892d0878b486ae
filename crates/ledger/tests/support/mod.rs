//! Records to write, ledgers to write them into.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::fs;
use std::path::{Path, PathBuf};

use ledger::{Damage, Entry, Filter, Ledger, Options, Record, Recovered};
use wire::{Nanos, Scope, Target};

pub const SECOND: u64 = 1_000_000_000;

pub fn host(n: u32) -> Target {
    Target::host(std::net::Ipv4Addr::from(0x0a00_0000 + n).into())
}

/// A step that the kernel enforces, for an hour.
pub fn step(n: u32, action: &str, second: u64) -> Record {
    let time = Nanos(1_700_000_000 * SECOND + second * SECOND);
    Record {
        time,
        action: action.into(),
        verdict: u64::from(n),
        target: host(n),
        scope: Scope::Both,
        by: "indicator".into(),
        who: None,
        reason: "C2: evil.example (list \"x\":1)\n{\"seq\":9".into(),
        enforced: true,
        not_enforced_because: None,
        until: Some(Nanos(time.0 + 3600 * SECOND)),
        map: "boot-1".into(),
        peer: None,
        dropped_packets: 0,
        dropped_bytes: 0,
        audit: None,
    }
}

pub fn options(dir: &Path) -> Options {
    Options { dir: dir.join("ledger"), of: "pins".into(), max_bytes: 1 << 20, keep: 3 }
}

pub fn open(dir: &Path) -> (Ledger, Recovered) {
    Ledger::open(options(dir)).unwrap()
}

pub fn isolated(recovered: &Recovered) -> Vec<(Target, bool)> {
    recovered.open.iter().map(|one| (one.record.target, one.in_doubt)).collect()
}

pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("ledger")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    files.sort();
    files
}

pub fn read(dir: &Path, filter: Filter) -> (Vec<Entry>, Vec<Damage>) {
    let mut history = ledger::history(&dir.join("ledger"), filter).unwrap();
    let (mut entries, mut damage) = (Vec::new(), Vec::new());
    while let Some(found) = history.step().unwrap() {
        match found {
            Ok(entry) => entries.push(entry),
            Err(place) => damage.push(place),
        }
    }
    (entries, damage)
}
