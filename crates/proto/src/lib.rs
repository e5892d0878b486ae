//! Streams to transactions.
//!
//! In: in-order bytes of a TCP stream or a UDP payload, per direction. Out: transactions (a DNS
//! message, an HTTP exchange, a TLS hello) handed to a [`Sink`]. One file per application protocol, all
//! alike: a transaction type, a parser that implements [`Parser`], its limits, its tests. Parsers are
//! total over any bytes, incremental over any split, and bounded in memory.
#![forbid(unsafe_code)]

mod app;
pub mod dns;
pub mod http1;
pub mod tls;

use wire::{Direction, Nanos};

pub use app::{AppLayer, AppProto};
pub use dns::Dns;
pub use http1::Http;
pub use tls::Tls;

/// One exchange of an application protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// A DNS query or response message.
    Dns(Dns),
    /// An HTTP/1 request with its response, if one came.
    Http(Http),
    /// A TLS handshake.
    Tls(Tls),
}

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

/// Where a parser's transactions go.
pub trait Sink {
    /// Called exactly once per transaction, as soon as the part that detectors match on is known (an
    /// HTTP request's headers, a TLS ClientHello, a whole DNS message): before the answer has come.
    fn inspect(&mut self, transaction: &Transaction);

    /// Called exactly once per transaction, when it is complete or will not get more complete (the
    /// flow ended, data was lost), never before `inspect`.
    fn log(&mut self, transaction: Transaction);
}

/// What every protocol file implements.
pub trait Parser {
    /// The next bytes of one direction.
    fn data<S: Sink>(&mut self, chunk: Chunk<'_>, sink: &mut S);

    /// `missing` bytes of one direction were never captured; the next `data` of that direction begins
    /// behind them.
    fn gap<S: Sink>(&mut self, direction: Direction, missing: u64, sink: &mut S);

    /// The flow is over: log what is open.
    fn close<S: Sink>(&mut self, sink: &mut S);
}
