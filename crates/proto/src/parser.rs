//! What every protocol file implements, and where its findings go.

use core::fmt;

use wire::{Direction, Endpoint, IpProto, Nanos};

use crate::http::HttpView;
use crate::registry::AppProto;
use crate::transaction::Transaction;

/// A run of stream bytes, or one datagram, with what the parser may know of its packet.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Which way the bytes went.
    pub direction: Direction,
    /// The bytes, in order. Never empty.
    pub bytes: &'a [u8],
    /// Capture time of the packet that made them available.
    pub time: Nanos,
}

/// What a parser says after it was given something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on.
    More,
    /// Nothing more can be learned from this flow: it needs no parser any more.
    Finished,
    /// Everything behind the bytes that were used belongs to another protocol (STARTTLS, CONNECT, an upgrade), in
    /// both directions. The parser is closed and let go.
    Switch {
        /// How many bytes at the end of the chunk at hand belong to the other protocol already.
        rest: usize,
        /// Which it is, if that is agreed on; else it is found by content.
        to: Option<AppProto>,
    },
}

/// A piece in the life of a file that is transferred. Several may be open on a flow at once.
#[derive(Clone, Copy, Debug)]
pub enum FileEvent<'a> {
    /// It begins. `handle` is the parser's own name for it, unique among the files open on the flow.
    Open {
        /// See above.
        handle: u64,
        /// Which way its bytes go.
        direction: Direction,
        /// Its name as the protocol gives it.
        name: Option<&'a str>,
        /// Its size if announced.
        size: Option<u64>,
        /// It is an HTTP body or part of one: detectors are shown its content by [`Sink::progress`].
        in_body: bool,
    },
    /// Its next bytes, decoded (chunks joined, content encoding undone).
    Data {
        /// Which file.
        handle: u64,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// So many of its bytes were never captured.
    Gap {
        /// Which file.
        handle: u64,
        /// How many.
        missing: u64,
    },
    /// It is over.
    Close {
        /// Which file.
        handle: u64,
        /// Its end was not seen.
        truncated: bool,
        /// The exchange that carried it; its event is written into the file's.
        carrier: Option<&'a Transaction>,
    },
}

/// Another flow that this one has announced (FTP data, RTP of a SIP call).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The end of the coming flow that is known; the address alone counts if `port` is 0.
    pub endpoint: Endpoint,
    /// Its transport.
    pub transport: IpProto,
    /// What it will speak.
    pub app: AppProto,
    /// What the protocol wants to know then: a file's name, a call's number.
    pub note: Option<Box<str>>,
}

/// How far one side of a transaction has come. In order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Its head is known.
    Head,
    /// It is complete, its body included, or will not get more complete.
    Done,
}

/// What detectors want kept of transactions beyond what their events need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Raw heads.
    pub heads: bool,
    /// Bytes of each body, decoded; 0: none.
    pub body: usize,
    /// Bytes of each payload that events do not show: certificates, stub data, messages; 0: none.
    pub payloads: usize,
    /// Frames of HTTP/2 that are part of no exchange.
    pub frames: bool,
}

/// Where a parser's findings go.
pub trait Sink {
    /// What the flow speaks, and what it spoke before that: told before its parser is given anything.
    fn spoken(&mut self, _app: Option<AppProto>, _original: Option<AppProto>) {}

    /// What it wants kept.
    fn keep(&self) -> Keep {
        Keep::default()
    }

    /// A side of an exchange has come to this: called once for each side and progress, `Head` before `Done`. Of
    /// transactions of other protocols `inspect` and `log` say as much.
    fn progress(&mut self, _view: HttpView<'_>, _direction: Direction, _progress: Progress) {}

    /// Called exactly once per transaction, as soon as the part that detectors match on is known (an
    /// HTTP request's headers, a TLS ClientHello, a whole DNS message): before the answer has come.
    fn inspect(&mut self, transaction: &Transaction);

    /// Called exactly once per transaction, when it is complete or will not get more complete (the
    /// flow ended, data was lost), never before `inspect`.
    fn log(&mut self, transaction: Transaction);

    /// A transaction that is complete and makes no event: for detectors only. Neither `inspect` nor `log` is called.
    fn pass(&mut self, _transaction: &Transaction) {}

    /// The peers break their protocol's rules: a name in Suricata's style, "invalid_record_type". A flow tells each
    /// once, whatever its parser says.
    fn anomaly(&mut self, _event: &'static str) {}

    /// A file is transferred.
    fn file(&mut self, _event: FileEvent<'_>) {}

    /// Another flow was announced.
    fn expect(&mut self, _expectation: Expectation) {}
}

/// Inspects and logs a transaction that is complete at once.
pub(crate) fn complete(transaction: Transaction, sink: &mut dyn Sink) {
    sink.inspect(&transaction);
    sink.log(transaction);
}

/// A protocol's parser on one flow. A stream is given in pieces of any size, in order; datagrams one by one.
pub trait Parser: fmt::Debug + Send {
    /// The next bytes of one direction, or a datagram.
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step;

    /// `missing` bytes of one direction were never captured; the next `data` of that direction begins
    /// behind them. Never called for datagrams.
    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step;

    /// The flow is over: log what is open.
    fn close(&mut self, sink: &mut dyn Sink);

    /// How often one of its limits was met.
    fn limits_hit(&self) -> u32 {
        0
    }

    /// The flow spoke this protocol before it changed over. Called before anything else.
    fn follows(&mut self, _app: AppProto) {}

    /// An earlier flow announced this one, with this note. Called before anything else.
    fn announced(&mut self, _note: Option<&str>) {}
}
