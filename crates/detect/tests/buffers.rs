//! Every buffer and field can be asked of every transaction, whatever peers say.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod support;

use std::path::{Path, PathBuf};

use detect::rules::Instances;
use detect::rules::buffers::{dce_interface, dce_little_endian, instances, numbers};
use flow::FlowTuple;
use proptest::prelude::*;
use proto::{AppLayer, AppProto, Chunk, Transaction};
use rules::{Buffer, Field};
use support::{KEPT, Shown, captures, replay};
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

/// Instances that the largest transaction has of one buffer.
const MANY: usize = 1 << 16;

/// Asks everything; how many answers there were.
fn ask(tx: &Transaction, arena: &mut Vec<u8>) -> usize {
    let mut answers = 0;
    for direction in [Direction::ToServer, Direction::ToClient] {
        for info in Buffer::TABLE {
            let mut found = Instances::new(std::mem::take(arena));
            instances(tx, direction, info.buffer, &mut found);
            assert!(found.len() <= MANY, "{:?}", info.buffer);
            for at in 0..found.len() {
                answers += usize::from(found.get(at).len() <= 4 * KEPT);
            }
            *arena = found.into_arena();
        }
        for info in Field::TABLE {
            numbers(tx, direction, info.field, &mut |_| answers += 1);
        }
        answers += usize::from(dce_little_endian(tx, direction).is_some());
    }
    answers += usize::from(dce_interface(tx, &[0; 16], None));
    answers
}

fn tuple(proto: IpProto, port: u16) -> FlowTuple {
    let end = |last, port| Endpoint { ip: [10, 0, 0, last].into(), port };
    let (client, server) = (end(1, 40_000), end(2, port));
    FlowTuple { id: 1, client, server, proto, vlans: Vlans::default(), start: Nanos(0) }
}

/// Says something on a flow of a protocol that was announced, or that has to be found.
fn say(app: Option<AppProto>, proto: IpProto, turns: &[(Direction, &[u8])]) -> usize {
    let tuple = tuple(proto, 443);
    let mut layer = AppLayer::new(&tuple);
    let (mut answers, mut arena) = (0, Vec::new());
    let mut sink = Shown(|tx: &Transaction, _| answers += ask(tx, &mut arena));
    if let Some(app) = app {
        layer.announced(&tuple, app, None);
    }
    for &(direction, bytes) in turns {
        let chunk = Chunk { direction, bytes, time: Nanos(0) };
        if bytes.is_empty() {
        } else if proto == IpProto::UDP {
            layer.datagram(&tuple, chunk, &mut sink);
        } else {
            layer.data(&tuple, chunk, &mut sink);
        }
    }
    layer.close(&mut sink);
    answers
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn whatever_the_fuzzers_found_can_be_asked() {
    let mut corpus = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus"), &mut corpus);
    assert!(!corpus.is_empty());
    let mut answers = 0;
    for path in corpus {
        let bytes = std::fs::read(path).unwrap();
        // Targets put choices before what is said.
        for skip in [0, 1, 2, 3] {
            let said = bytes.get(skip..).unwrap_or_default();
            let (one, other) = said.split_at(said.len() / 2);
            let turns =
                [(Direction::ToServer, one), (Direction::ToClient, other), (Direction::ToClient, said)];
            for proto in [IpProto::TCP, IpProto::UDP] {
                answers += say(None, proto, &turns);
                answers += AppProto::ALL.iter().map(|&app| say(Some(app), proto, &turns)).sum::<usize>();
            }
        }
    }
    assert!(answers > 1000, "{answers}");
}

#[test]
fn whatever_captures_hold_can_be_asked() {
    let Some(data) = std::env::var_os("RINGWARD_DATA").map(PathBuf::from) else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let mut found = Vec::new();
    captures(&data.join("pcap/suricata-verify"), &mut found);
    assert!(!found.is_empty());
    let (mut answers, mut arena) = (0, Vec::new());
    for path in found {
        replay(&path, |_, tx, _| answers += ask(tx, &mut arena));
    }
    assert!(answers > 10_000, "{answers}");
}

proptest! {
    #[test]
    fn any_bytes_can_be_asked(
        app in 0..AppProto::ALL.len(),
        udp in any::<bool>(),
        turns in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 1..200)), 0..6),
    ) {
        let turns: Vec<(Direction, &[u8])> = turns
            .iter()
            .map(|(up, bytes)| (if *up { Direction::ToServer } else { Direction::ToClient }, &bytes[..]))
            .collect();
        say(AppProto::ALL.get(app).copied(), if udp { IpProto::UDP } else { IpProto::TCP }, &turns);
    }
}
