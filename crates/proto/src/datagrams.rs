//! Protocols whose every datagram is a message for itself: reading is all that differs.

use wire::Direction;

use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::transaction::Transaction;

/// Reads a datagram. Counts what limits keep from being read. `None` if it breaks the protocol's rules.
pub(crate) type Read = fn(Chunk<'_>, &mut u32) -> Option<Transaction>;

/// Hands on what every datagram says; what cannot be read is passed over and told.
#[derive(Debug)]
pub(crate) struct Datagrams {
    read: Read,
    limits_hit: u32,
}

impl Datagrams {
    pub(crate) fn boxed(read: Read) -> Box<dyn Parser> {
        Box::new(Datagrams { read, limits_hit: 0 })
    }
}

impl Parser for Datagrams {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        match (self.read)(chunk, &mut self.limits_hit) {
            Some(transaction) => complete(transaction, sink),
            None => sink.anomaly("malformed_data"),
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}
