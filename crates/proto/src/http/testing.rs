//! What tests of parsers share.

use wire::{Direction, Nanos};

use crate::parser::{Chunk, FileEvent, Parser, Sink, Step};
use crate::transaction::Transaction;

/// A file as a sink saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenFile {
    pub(crate) handle: u64,
    pub(crate) name: Option<String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) missing: u64,
    pub(crate) closed: Option<bool>,
    pub(crate) carried: bool,
}

/// Everything that a parser tells, and whether it keeps the sink's rules.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) inspected: usize,
    pub(crate) logged: Vec<Transaction>,
    pub(crate) anomalies: Vec<&'static str>,
    pub(crate) files: Vec<SeenFile>,
}

impl Told {
    fn open(&mut self, handle: u64) -> &mut SeenFile {
        let file = self.files.iter_mut().rev().find(|f| f.handle == handle && f.closed.is_none());
        file.expect("a file that is open")
    }
}

impl Sink for Told {
    fn inspect(&mut self, _: &Transaction) {
        self.inspected += 1;
    }

    fn log(&mut self, transaction: Transaction) {
        self.logged.push(transaction);
        assert!(self.logged.len() <= self.inspected, "logged before it was inspected");
    }

    fn anomaly(&mut self, event: &'static str) {
        if !self.anomalies.contains(&event) {
            self.anomalies.push(event);
        }
    }

    fn file(&mut self, event: FileEvent<'_>) {
        match event {
            FileEvent::Open { handle, name, .. } => {
                let open = self.files.iter().any(|f| f.handle == handle && f.closed.is_none());
                assert!(!open, "opened twice");
                let name = name.map(str::to_owned);
                self.files.push(SeenFile { handle, name, ..SeenFile::default() });
            }
            FileEvent::Data { handle, bytes } => self.open(handle).bytes.extend_from_slice(bytes),
            FileEvent::Gap { handle, missing } => self.open(handle).missing += missing,
            FileEvent::Close { handle, truncated, carrier } => {
                let file = self.open(handle);
                file.closed = Some(truncated);
                file.carried = carrier.is_some();
            }
        }
    }
}

pub(crate) const C: Direction = Direction::ToServer;
pub(crate) const S: Direction = Direction::ToClient;

/// What a parser makes of these bytes, cut into pieces of `step`; and its last step.
pub(crate) fn tell(parser: &mut dyn Parser, said: &[(Direction, &[u8])], step: usize) -> (Told, Step) {
    let mut told = Told::default();
    let mut last = Step::More;
    'all: for &(direction, bytes) in said {
        for piece in bytes.chunks(step.max(1)) {
            last = parser.data(Chunk { direction, bytes: piece, time: Nanos(0) }, &mut told);
            if last != Step::More {
                break 'all;
            }
        }
    }
    parser.close(&mut told);
    assert_eq!(told.inspected, told.logged.len(), "each transaction is inspected once and logged once");
    assert!(told.files.iter().all(|f| f.closed.is_some()), "every file is closed");
    (told, last)
}
