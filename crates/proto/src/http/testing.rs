//! What tests of parsers share.

use wire::{Direction, Nanos};

use crate::http::{HttpView, MessageView};
use crate::parser::{Chunk, FileEvent, Keep, Parser, Progress, Sink, Step};
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

/// What was told of the progress of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenProgress {
    pub(crate) side: Direction,
    pub(crate) progress: Progress,
    pub(crate) method: String,
    pub(crate) status: Option<u16>,
    /// Head, body, and whether that was cut, of both sides.
    pub(crate) messages: [(Vec<u8>, Vec<u8>, bool); 2],
}

/// Everything that a parser tells, and whether it keeps the sink's rules.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) inspected: usize,
    pub(crate) logged: Vec<Transaction>,
    pub(crate) anomalies: Vec<&'static str>,
    pub(crate) files: Vec<SeenFile>,
    pub(crate) keep: Keep,
    pub(crate) progress: Vec<SeenProgress>,
}

impl Told {
    fn open(&mut self, handle: u64) -> &mut SeenFile {
        let file = self.files.iter_mut().rev().find(|f| f.handle == handle && f.closed.is_none());
        file.expect("a file that is open")
    }
}

impl Sink for Told {
    fn keep(&self) -> Keep {
        self.keep
    }

    fn progress(&mut self, view: HttpView<'_>, side: Direction, progress: Progress) {
        let message = |m: MessageView<'_>| (m.head.to_vec(), m.body.to_vec(), m.cut);
        self.progress.push(SeenProgress {
            side,
            progress,
            method: view.http.method.clone(),
            status: view.http.status,
            messages: [message(view.request), message(view.response)],
        });
    }

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
    tell_keeping(parser, said, step, Keep::default())
}

/// The same with a sink that wants this kept.
pub(crate) fn tell_keeping(
    parser: &mut dyn Parser,
    said: &[(Direction, &[u8])],
    step: usize,
    keep: Keep,
) -> (Told, Step) {
    let mut told = Told { keep, ..Told::default() };
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
    for side in [C, S] {
        // One more is open with every head, and none before.
        let open =
            told.progress.iter().filter(|p| p.side == side).try_fold(0u32, |open, p| match p.progress {
                Progress::Head => open.checked_add(1),
                Progress::Done => open.checked_sub(1),
            });
        assert_eq!(open, Some(0), "every head is told before its end, and every end once");
    }
    (told, last)
}
