//! The binary protocol: a header of 24 bytes, extras, a key and a value.

use std::collections::VecDeque;

use wire::Direction;

use super::{MAX_KEY, MAX_PENDING, Memcached};
use crate::buffer::Buffer;
use crate::lines::text;
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::transaction::Transaction;

const NAMES: [&str; 26] = [
    "get",
    "set",
    "add",
    "replace",
    "delete",
    "incr",
    "decr",
    "quit",
    "flush_all",
    "getq",
    "noop",
    "version",
    "getk",
    "getkq",
    "append",
    "prepend",
    "stat",
    "setq",
    "addq",
    "replaceq",
    "deleteq",
    "incrq",
    "decrq",
    "quitq",
    "flushq",
    "appendq",
];
/// Opcodes beyond these are not used.
const MAX_OPCODE: u8 = 0x4a;
/// Extras and key of a request that are waited for.
const MAX_HEAD: usize = 20 + MAX_KEY;

/// A header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    magic: u8,
    pub opcode: u8,
    key_length: usize,
    extras_length: usize,
    data_type: u8,
    /// Status of a response.
    status: u16,
    body: usize,
}

impl Head {
    pub fn parse(head: &[u8; 24]) -> Self {
        Head {
            magic: head[0],
            opcode: head[1],
            key_length: usize::from(u16::from_be_bytes([head[2], head[3]])),
            extras_length: head[4].into(),
            data_type: head[5],
            status: u16::from_be_bytes([head[6], head[7]]),
            body: usize::try_from(u32::from_be_bytes([head[8], head[9], head[10], head[11]]))
                .unwrap_or(usize::MAX),
        }
    }

    pub fn is_request(&self) -> bool {
        self.magic == 0x80
    }

    pub fn is_plausible(&self) -> bool {
        self.opcode <= MAX_OPCODE
            && self.data_type == 0
            && self.extras_length <= 20
            && self.key_length <= MAX_KEY
            && self.key_length + self.extras_length <= self.body
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub(super) struct BinaryParser {
    sides: [Buffer; 2],
    /// Bytes of the body at hand that are of no interest.
    skip: [usize; 2],
    pending: VecDeque<(u8, Memcached)>,
    limits_hit: u32,
}

impl BinaryParser {
    /// The next message; whether there was one. An error if it cannot be one.
    fn message(&mut self, direction: Direction, sink: &mut dyn Sink) -> Result<bool, ()> {
        let side = direction.index();
        let Some(head) = self.sides[side].bytes().first_chunk::<24>() else { return Ok(false) };
        let head = Head::parse(head);
        let response = direction == Direction::ToClient;
        if !head.is_plausible() || head.is_request() == response {
            return Err(());
        }
        let wanted = if response { 0 } else { (head.extras_length + head.key_length).min(MAX_HEAD) };
        let Some(bytes) = self.sides[side].take(24 + wanted) else { return Ok(false) };
        self.skip[side] = head.body - wanted;
        if response {
            self.response(head, sink);
        } else {
            self.request(head, &bytes[24 + head.extras_length..], sink);
        }
        Ok(true)
    }

    fn request(&mut self, head: Head, key: &[u8], sink: &mut dyn Sink) {
        let name = NAMES.get(usize::from(head.opcode));
        let value = head.body - head.key_length - head.extras_length;
        let memcached = Memcached {
            binary: true,
            command: name.map_or_else(|| head.opcode.to_string(), |&name| name.to_owned()),
            key: (!key.is_empty()).then(|| text(key)),
            value_length: (value > 0).then_some(value as u64),
            status: None,
        };
        let transaction = Transaction::from(memcached);
        sink.inspect(&transaction);
        if let Transaction::Memcached(memcached) = transaction {
            self.pending.push_back((head.opcode, *memcached));
        }
        if self.pending.len() > MAX_PENDING {
            self.limits_hit += 1;
            if let Some((_, oldest)) = self.pending.pop_front() {
                sink.log(oldest.into());
            }
        }
    }

    /// Quiet commands are only answered if something is wrong: those before the one that is answered were good.
    fn response(&mut self, head: Head, sink: &mut dyn Sink) {
        let Some(at) = self.pending.iter().position(|(opcode, _)| *opcode == head.opcode) else { return };
        for (index, (_, mut memcached)) in self.pending.drain(..=at).enumerate() {
            memcached.status = (index == at).then(|| head.status.to_string());
            sink.log(memcached.into());
        }
    }
}

impl Parser for BinaryParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        loop {
            // What is to be passed over lies in the buffer first.
            let buffered = self.skip[side].min(self.sides[side].bytes().len());
            self.sides[side].take(buffered);
            self.skip[side] -= buffered;
            let take = self.skip[side].min(bytes.len());
            bytes = &bytes[take..];
            self.skip[side] -= take;
            let lost = self.sides[side].push(bytes);
            bytes = &bytes[bytes.len() - lost..];
            match self.message(chunk.direction, sink) {
                Ok(true) => {}
                Ok(false) => return Step::More,
                Err(()) => return Step::Finished,
            }
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        let skip = &mut self.skip[direction.index()];
        match usize::try_from(missing) {
            Ok(missing) if missing <= *skip => {
                *skip -= missing;
                Step::More
            }
            _ => Step::Finished,
        }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for (_, memcached) in self.pending.drain(..) {
            sink.log(memcached.into());
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}
