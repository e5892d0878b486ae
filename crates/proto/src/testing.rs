//! What tests of parsers share: a sink that remembers, and conversations in pieces.

use flow::FlowTuple;
use proptest::prelude::*;
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

use crate::parser::{Chunk, FileEvent, Sink};
use crate::registry::AppProto;
use crate::transaction::Transaction;
use crate::{AppLayer, registry};

/// A file that was transferred.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub handle: u64,
    pub name: Option<String>,
    pub bytes: Vec<u8>,
    pub missing: u64,
    /// Whether its end was missing, once it is closed.
    pub truncated: Option<bool>,
}

/// Remembers everything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub inspected: usize,
    pub logged: Vec<Transaction>,
    pub anomalies: Vec<&'static str>,
    pub files: Vec<Received>,
}

impl Log {
    fn open_file(&mut self, handle: u64) -> &mut Received {
        let of = self.files.iter_mut().find(|f| f.handle == handle && f.truncated.is_none());
        of.expect("a file is opened before it is told of")
    }
}

impl Sink for Log {
    fn inspect(&mut self, _: &Transaction) {
        self.inspected += 1;
    }

    fn log(&mut self, transaction: Transaction) {
        self.logged.push(transaction);
        assert!(self.logged.len() <= self.inspected, "logged before it was inspected");
    }

    fn anomaly(&mut self, event: &'static str) {
        self.anomalies.push(event);
    }

    fn file(&mut self, event: FileEvent<'_>) {
        match event {
            FileEvent::Open { handle, name, .. } => {
                assert!(
                    self.files.iter().all(|f| f.handle != handle || f.truncated.is_some()),
                    "opened twice"
                );
                self.files.push(Received { handle, name: name.map(str::to_owned), ..Received::default() });
            }
            FileEvent::Data { handle, bytes } => self.open_file(handle).bytes.extend_from_slice(bytes),
            FileEvent::Gap { handle, missing } => self.open_file(handle).missing += missing,
            FileEvent::Close { handle, truncated, .. } => self.open_file(handle).truncated = Some(truncated),
        }
    }
}

pub(crate) fn tuple(proto: IpProto, server_port: u16) -> FlowTuple {
    let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    FlowTuple {
        id: 1,
        client: end("10.0.0.1", 40000),
        server: end("10.0.0.2", server_port),
        proto,
        vlans: Vlans::default(),
        start: Nanos(0),
    }
}

/// What is said, by turns.
pub(crate) type Turns = Vec<(Direction, Vec<u8>)>;

fn feed(layer: &mut AppLayer, tuple: &FlowTuple, turns: &Turns, step: usize, log: &mut Log) {
    for (direction, bytes) in turns {
        for bytes in bytes.chunks(step) {
            layer.data(tuple, Chunk { direction: *direction, bytes, time: Nanos(0) }, log);
        }
    }
    layer.close(log);
    assert_eq!(log.inspected, log.logged.len(), "every transaction is inspected once and logged once");
    assert!(log.files.iter().all(|f| f.truncated.is_some()), "every file is closed");
}

/// A TCP conversation on an unusual port in pieces of `step` bytes; what it was taken for.
pub(crate) fn talk(turns: &Turns, step: usize) -> (Log, Option<AppProto>) {
    let tuple = tuple(IpProto::TCP, 31337);
    let (mut layer, mut log) = (AppLayer::new(&tuple), Log::default());
    feed(&mut layer, &tuple, turns, step, &mut log);
    (log, layer.original().or(layer.protocol()))
}

/// A UDP conversation on an unusual port.
pub(crate) fn datagrams(turns: &Turns) -> (Log, Option<AppProto>) {
    let tuple = tuple(IpProto::UDP, 31337);
    let (mut layer, mut log) = (AppLayer::new(&tuple), Log::default());
    for (direction, bytes) in turns {
        layer.datagram(&tuple, Chunk { direction: *direction, bytes, time: Nanos(0) }, &mut log);
    }
    layer.close(&mut log);
    (log, layer.protocol())
}

/// The same in pieces of all sizes; `check` is shown each outcome. All are alike.
pub(crate) fn in_any_pieces(app: AppProto, turns: &Turns, check: impl Fn(&Log)) {
    let (whole, _) = talk(turns, usize::MAX);
    for step in [1, 2, 3, 7, 19, 127, usize::MAX] {
        let (log, found) = talk(turns, step);
        assert_eq!(found, Some(app), "pieces of {step}");
        check(&log);
        assert_eq!(log, whole, "pieces of {step}");
    }
}

/// Any bytes, and this conversation with flipped bytes, cut off, and with holes: nothing is broken, and pieces
/// do not matter.
pub(crate) fn survives(app: AppProto, turns: &Turns) {
    let tuple = tuple(IpProto::TCP, 31337);
    assert!(registry::find(app, IpProto::TCP).is_some());
    let damage = (0..turns.len(), 0..2000usize, any::<u8>(), 1..40usize, 0..3u8);
    let noise =
        proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 1..80)), 0..4);
    let mut runner = proptest::test_runner::TestRunner::default();
    let outcome = runner.run(&(damage, noise), |((turn, at, flip, step, kind), noise)| {
        let mut turns = turns.clone();
        let bytes = &mut turns[turn].1;
        let at = at % bytes.len();
        match kind {
            0 => bytes[at] ^= flip,
            1 => bytes.truncate(at.max(1)),
            _ => {}
        }
        for (up, bytes) in noise {
            turns.push((if up { Direction::ToServer } else { Direction::ToClient }, bytes));
        }
        let run = |step| {
            let (mut layer, mut log) = (AppLayer::new(&tuple), Log::default());
            layer.announced(&tuple, app, None);
            feed(&mut layer, &tuple, &turns, step, &mut log);
            log
        };
        let (one, other) = (run(step), run(usize::MAX));
        prop_assert_eq!(&one.logged, &other.logged);
        prop_assert_eq!(&one.files, &other.files);
        let (mut layer, mut log) = (AppLayer::new(&tuple), Log::default());
        layer.announced(&tuple, app, None);
        for (n, (direction, bytes)) in turns.iter().enumerate() {
            let (before, after) = bytes.split_at(at.min(bytes.len()));
            let hole = if n == turn { step.min(after.len()) } else { 0 };
            for bytes in [before, &after[hole..]] {
                if !bytes.is_empty() {
                    layer.data(&tuple, Chunk { direction: *direction, bytes, time: Nanos(0) }, &mut log);
                }
                if hole > 0 && bytes.len() == before.len() {
                    layer.gap(&tuple, *direction, hole as u64, &mut log);
                }
            }
        }
        layer.close(&mut log);
        prop_assert_eq!(log.inspected, log.logged.len());
        Ok(())
    });
    outcome.unwrap();
}

/// A BER element.
pub(crate) fn tlv(tag: u8, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out = vec![tag];
    match u8::try_from(body.len()) {
        Ok(len) if len < 0x80 => out.push(len),
        _ => out.extend([0x82, (body.len() >> 8) as u8, body.len() as u8]),
    }
    out.extend_from_slice(body);
    out
}
