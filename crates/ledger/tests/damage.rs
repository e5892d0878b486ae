//! Whatever happens to the bytes: nothing panics, nothing is invented, and what is whole is read.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use ledger::{Ledger, Record, verify};
use proptest::prelude::*;
use support::{files, host, open, options, read, step};

/// What is done to a file.
#[derive(Clone, Debug)]
enum Blow {
    Cut(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    /// Over what is there.
    Overwrite(prop::sample::Index, Vec<u8>),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    /// A part of it, once more.
    Repeat(prop::sample::Index, prop::sample::Index, usize),
}

fn blow() -> impl Strategy<Value = Blow> {
    let garbage = || {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 1..600),
            (1_usize..9000).prop_map(|n| vec![0; n]),
            Just(b"\n{\"seq\":".to_vec()),
        ]
    };
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Blow::Cut),
        (any::<prop::sample::Index>(), 0_u8..8).prop_map(|(at, bit)| Blow::Flip(at, bit)),
        (any::<prop::sample::Index>(), garbage()).prop_map(|(at, with)| Blow::Overwrite(at, with)),
        (any::<prop::sample::Index>(), garbage()).prop_map(|(at, with)| Blow::Insert(at, with)),
        (any::<prop::sample::Index>(), 1_usize..2000).prop_map(|(at, n)| Blow::Remove(at, n)),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..2000)
            .prop_map(|(from, to, n)| Blow::Repeat(from, to, n)),
    ]
}

/// Strikes; the bytes that are as they were, as a range of the old file from its beginning.
fn strike(bytes: &mut Vec<u8>, blow: &Blow) -> usize {
    if bytes.is_empty() {
        return 0;
    }
    let len = bytes.len();
    match blow {
        Blow::Cut(at) => {
            bytes.truncate(at.index(len));
            bytes.len()
        }
        Blow::Flip(at, bit) => {
            bytes[at.index(len)] ^= 1 << bit;
            at.index(len)
        }
        Blow::Overwrite(at, with) => {
            let at = at.index(len);
            let end = (at + with.len()).min(len);
            bytes.splice(at..end, with.iter().copied());
            at
        }
        Blow::Insert(at, with) => {
            let at = at.index(len);
            bytes.splice(at..at, with.iter().copied());
            at
        }
        Blow::Remove(at, n) => {
            let at = at.index(len);
            bytes.drain(at..(at + n).min(len));
            at
        }
        Blow::Repeat(from, to, n) => {
            let (from, to) = (from.index(len), to.index(len));
            let part = bytes[from..(from + n).min(len)].to_vec();
            bytes.splice(to..to, part);
            to
        }
    }
}

/// Steps of a few hosts, in an order that makes sense.
fn steps(choices: &[(u32, bool)]) -> Vec<Record> {
    let mut steps = Vec::new();
    for (second, &(n, _)) in (1..).zip(choices) {
        let isolated =
            steps.iter().rev().find(|s: &&Record| s.target == host(n)).is_some_and(|s| s.action != "release");
        let action = match (isolated, choices[second as usize - 1].1) {
            (false, _) => "isolate",
            (true, true) => "release",
            (true, false) => "extend",
        };
        steps.push(Record { verdict: second, ..step(n, action, second) });
    }
    steps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nothing_is_invented_and_what_is_whole_is_read(
        choices in prop::collection::vec((0_u32..6, any::<bool>()), 1..60),
        blows in prop::collection::vec((any::<prop::sample::Index>(), blow()), 1..4),
        small in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let max_bytes = if small { 6000 } else { 1 << 20 };
        let options = ledger::Options { max_bytes, keep: 100, ..options(dir.path()) };
        let mut ledger = Ledger::open(options.clone()).unwrap().0;
        let written = steps(&choices);
        for step in &written {
            ledger.append(step).unwrap();
        }
        drop(ledger);
        let paths = files(dir.path());
        let before: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
        let mut after = before.clone();
        let mut good: Vec<usize> = before.iter().map(Vec::len).collect();
        for (file, blow) in &blows {
            let file = file.index(paths.len());
            good[file] = good[file].min(strike(&mut after[file], blow));
        }
        for (path, bytes) in paths.iter().zip(&after) {
            fs::write(path, bytes).unwrap();
        }

        // All whole lines before the first damage of each file, and nothing that was not written.
        let (entries, _) = read(dir.path(), ledger::Filter::default());
        let said: Vec<&Record> = entries.iter().map(|entry| &entry.record).collect();
        for (bytes, good) in before.iter().zip(&good) {
            for line in bytes[..*good].split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                if let Some(record) = line.get("record") {
                    let record: Record = serde_json::from_value(record.clone()).unwrap();
                    prop_assert!(said.contains(&&record), "a whole record is not read: {record:?}");
                }
            }
        }
        for record in &said {
            prop_assert!(written.contains(record), "invented: {record:?}");
        }
        let changed = before != after;
        let report = verify(&dir.path().join("ledger")).unwrap();

        // Whoever is said to be isolated was; and if no doubt is cast on that, nothing that is whole says otherwise.
        let (ledger, recovered) = Ledger::open(options.clone()).unwrap();
        for one in &recovered.open {
            prop_assert!(written.contains(&one.record));
            let last = said.iter().rev().find(|s| s.target == one.record.target);
            prop_assert!(one.in_doubt || last.is_none_or(|s| s.verdict <= one.record.verdict), "{one:?} {last:?}");
        }
        if !changed {
            prop_assert!(report.damage.is_empty() && recovered.damaged.is_empty());
            let mut open = BTreeMap::new();
            for step in &written {
                open.insert(step.target, step);
            }
            open.retain(|_, step| step.action != "release");
            prop_assert_eq!(recovered.open.iter().map(|one| &one.record).collect::<Vec<_>>(), open.into_values().collect::<Vec<_>>());
        }
        drop(ledger);

        // It goes on, and opening it again tells the same.
        let (mut ledger, again) = Ledger::open(options.clone()).unwrap();
        prop_assert_eq!(&again.open, &recovered.open);
        ledger.append(&step(77, "isolate", 999)).unwrap();
        drop(ledger);
        let last = Ledger::open(options).unwrap().1;
        prop_assert!(last.open.iter().any(|one| one.record.target == host(77) && !one.in_doubt));
    }

    /// A power loss: the end is torn at any byte, with or without zeros in place of it.
    #[test]
    fn a_torn_end_loses_only_what_is_torn(
        choices in prop::collection::vec((0_u32..6, any::<bool>()), 1..30),
        at in any::<prop::sample::Index>(),
        zeros in 0_usize..5000,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = open(dir.path()).0;
        let written = steps(&choices);
        let mut ends = Vec::new();
        for step in &written {
            ledger.append(step).unwrap();
            ends.push(fs::metadata(&files(dir.path())[0]).unwrap().len() as usize);
        }
        drop(ledger);
        let file = files(dir.path())[0].clone();
        let bytes = fs::read(&file).unwrap();
        let at = at.index(bytes.len() + 1);
        fs::write(&file, [&bytes[..at], &vec![0; zeros]].concat()).unwrap();
        // A line that lacks nothing but its end is whole, if nothing else has come in its place.
        let whole = ends.iter().filter(|&&end| end <= at || (zeros == 0 && end - 1 == at)).count();
        let mut open_then = BTreeMap::new();
        for step in &written[..whole] {
            open_then.insert(step.target, step.clone());
        }
        open_then.retain(|_, step| step.action != "release");
        let (ledger, recovered) = open(dir.path());
        let recovered: Vec<_> = recovered.open.into_iter().map(|one| (one.record, one.in_doubt)).collect();
        prop_assert_eq!(recovered, open_then.into_values().map(|step| (step, false)).collect::<Vec<_>>());
        drop(ledger);
        prop_assert_eq!(verify(&dir.path().join("ledger")).unwrap().damage, vec![]);
    }
}
