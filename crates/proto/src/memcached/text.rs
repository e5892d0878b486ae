//! The text protocol.

use std::collections::VecDeque;

use wire::Direction;

use super::{MAX_KEY, MAX_PENDING, Memcached, STORES};
use crate::lines::{Lines, begins, text, word};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::transaction::Transaction;

/// Bytes of a line.
const MAX_LINE: usize = 2048;

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub(super) struct TextParser {
    lines: [Lines; 2],
    /// Bytes of the value at hand, its end included.
    skip: [u64; 2],
    pending: VecDeque<Memcached>,
    limits_hit: u32,
}

impl TextParser {
    fn command(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let (command, rest) = word(line);
        if command.is_empty() {
            return;
        }
        let key = word(rest).0;
        let mut memcached = Memcached {
            command: text(&command[..command.len().min(MAX_KEY)]).to_ascii_lowercase(),
            key: (!key.is_empty()).then(|| text(&key[..key.len().min(MAX_KEY)])),
            ..Memcached::default()
        };
        if STORES.iter().any(|store| begins(line, store)) {
            // set key flags time length
            let length = rest.split(u8::is_ascii_whitespace).nth(3);
            let length = length.and_then(|l| std::str::from_utf8(l).ok()?.parse::<u32>().ok());
            memcached.value_length = length.map(u64::from);
            self.skip[0] = length.map_or(0, |length| u64::from(length) + 2);
        }
        let quiet = rest.ends_with(b"noreply") || memcached.command == "quit";
        let transaction = Transaction::from(memcached);
        sink.inspect(&transaction);
        if quiet {
            sink.log(transaction);
        } else if let Transaction::Memcached(memcached) = transaction {
            self.pending.push_back(*memcached);
        }
        if self.pending.len() > MAX_PENDING {
            self.limits_hit += 1;
            self.finish(None, sink);
        }
    }

    fn reply(&mut self, line: &[u8], sink: &mut dyn Sink) {
        let (first, rest) = word(line);
        match first {
            b"VALUE" => {
                let length = rest.split(u8::is_ascii_whitespace).nth(2);
                let length = length.and_then(|l| std::str::from_utf8(l).ok()?.parse::<u32>().ok());
                self.skip[1] = length.map_or(0, |length| u64::from(length) + 2);
            }
            b"STAT" | b"" => {}
            _ => self.finish(Some(text(&first[..first.len().min(MAX_KEY)])), sink),
        }
    }

    fn finish(&mut self, status: Option<String>, sink: &mut dyn Sink) {
        if let Some(mut memcached) = self.pending.pop_front() {
            memcached.status = status;
            sink.log(memcached.into());
        }
    }
}

impl Parser for TextParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        loop {
            let take = usize::try_from(self.skip[side]).unwrap_or(usize::MAX).min(bytes.len());
            bytes = &bytes[take..];
            self.skip[side] -= take as u64;
            if self.skip[side] > 0 {
                return Step::More;
            }
            let Some(line) = self.lines[side].next(&mut bytes, MAX_LINE) else { return Step::More };
            match chunk.direction {
                Direction::ToServer => self.command(&line.text, sink),
                Direction::ToClient => self.reply(&line.text, sink),
            }
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        let side = direction.index();
        if self.skip[side] > missing {
            self.skip[side] -= missing;
        } else {
            self.skip[side] = 0;
            self.lines[side].lose();
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        while !self.pending.is_empty() {
            self.finish(None, sink);
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

/// Text in datagrams, each a message of its own.
#[derive(Debug, Default)]
pub(super) struct Datagrams(TextParser);

impl Parser for Datagrams {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        self.0.skip[side] = 0;
        self.0.lines[side] = Lines::default();
        if let Some(bytes) = chunk.bytes.get(8..) {
            self.0.data(Chunk { bytes, ..chunk }, sink);
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.0.close(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.0.limits_hit
    }
}
