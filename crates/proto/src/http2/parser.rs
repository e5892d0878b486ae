//! A connection: frames of both directions to streams.

use wire::Direction;

use super::frame::{
    ACK, CONTINUATION, Cutter, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Head, PADDED, PING, PRIORITY,
    PUSH_PROMISE, Piece, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY,
};
use super::hpack::{Flaw, Hpack};
use super::stream::Streams;
use crate::http::headers::Headers;
use crate::parser::{Chunk, Parser, Sink, Step};

/// Bytes of a block of headers with all its continuations.
const MAX_BLOCK: usize = 64 * 1024;
/// Settings kept of a frame.
const MAX_SETTINGS: usize = 32;

/// A block of headers that goes on in CONTINUATION frames.
#[derive(Debug)]
struct Block {
    stream: u32,
    end_stream: bool,
    bytes: Vec<u8>,
    /// It was longer than what is kept.
    cut: bool,
    /// There were CONTINUATION frames.
    continued: bool,
}

#[derive(Debug)]
struct Side {
    direction: Direction,
    cutter: Cutter,
    hpack: Hpack,
    block: Option<Block>,
    limits_hit: u32,
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub struct Http2Parser {
    sides: [Side; 2],
    streams: Streams,
}

impl Default for Http2Parser {
    fn default() -> Self {
        let side = |direction| Side {
            direction,
            cutter: Cutter::new(direction == Direction::ToServer),
            hpack: Hpack::default(),
            block: None,
            limits_hit: 0,
        };
        let sides = [side(Direction::ToServer), side(Direction::ToClient)];
        Http2Parser { sides, streams: Streams::default() }
    }
}

fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// What is read of one direction; the cutter is at work beside it.
struct Reader<'a> {
    direction: Direction,
    hpack: &'a mut Hpack,
    block: &'a mut Option<Block>,
    limits_hit: &'a mut u32,
    streams: &'a mut Streams,
}

impl Reader<'_> {
    fn piece(&mut self, piece: Piece<'_>, sink: &mut dyn Sink) {
        match piece {
            Piece::Data(head, bytes) => self.streams.data(self.direction, head.stream, bytes, sink),
            Piece::DataEnd(head) => {
                self.streams.frame(self.direction, head.stream, DATA);
                if head.has(END_STREAM) {
                    self.streams.end(self.direction, head.stream, sink);
                }
            }
            Piece::TooLong => {
                *self.limits_hit += 1;
                sink.anomaly("long_frame_data");
                // It may have been headers: what they would have put into the table is not there.
                self.hpack.forget();
                *self.block = None;
            }
            Piece::Frame(head, payload) => {
                if self.frame(head, payload, sink).is_none() {
                    sink.anomaly("invalid_frame_data");
                }
            }
        }
    }

    /// A whole frame; `None` if it is too short for what it should be.
    fn frame(&mut self, head: Head, payload: &[u8], sink: &mut dyn Sink) -> Option<()> {
        let direction = self.direction;
        match head.kind {
            PING | WINDOW_UPDATE => {
                let window = match head.kind {
                    WINDOW_UPDATE => Some(be32(payload)? & 0x7fff_ffff),
                    _ => None,
                };
                self.streams.alone(direction, head.stream, head.kind, window, sink);
                Some(())
            }
            SETTINGS if !head.has(ACK) => {
                let settings = payload.chunks_exact(6).take(MAX_SETTINGS).filter_map(|s| {
                    let id = s.first_chunk().map(|id| u16::from_be_bytes(*id))?;
                    Some((id, be32(&s[2..])?))
                });
                let settings: Vec<(u16, u32)> = settings.collect();
                if !settings.is_empty() {
                    self.streams.connection(direction, |side| side.settings = settings, sink);
                }
                payload.len().is_multiple_of(6).then_some(())
            }
            GOAWAY => {
                let code = be32(payload.get(4..)?)?;
                self.streams.connection(direction, |side| side.error = Some(code), sink);
                Some(())
            }
            RST_STREAM => {
                self.streams.reset(direction, head.stream, be32(payload)?, sink);
                Some(())
            }
            PRIORITY => {
                self.streams.priority(direction, head.stream, *payload.get(4)?, sink);
                Some(())
            }
            HEADERS => {
                let mut fragment = unpadded(head, payload)?;
                if head.has(WITH_PRIORITY) {
                    self.streams.priority(direction, head.stream, *fragment.get(4)?, sink);
                    fragment = &fragment[5..];
                }
                self.begin_block(head, head.stream, head.has(END_STREAM), fragment, sink);
                Some(())
            }
            PUSH_PROMISE => {
                // What the server promises is a request that it makes in the client's place.
                let fragment = unpadded(head, payload)?;
                let promised = be32(fragment)? & 0x7fff_ffff;
                self.streams.frame(direction, head.stream, PUSH_PROMISE);
                self.begin_block(head, promised, false, &fragment[4..], sink);
                Some(())
            }
            CONTINUATION => {
                let mut block = self.block.take()?;
                let room = MAX_BLOCK - block.bytes.len();
                block.cut |= payload.len() > room;
                block.bytes.extend_from_slice(&payload[..payload.len().min(room)]);
                block.continued = true;
                if head.has(END_HEADERS) {
                    let bytes = std::mem::take(&mut block.bytes);
                    self.end_block(&block, &bytes, sink);
                } else {
                    *self.block = Some(block);
                }
                Some(())
            }
            _ => Some(()),
        }
    }

    fn begin_block(&mut self, head: Head, stream: u32, end_stream: bool, bytes: &[u8], sink: &mut dyn Sink) {
        let mut block = Block { stream, end_stream, bytes: Vec::new(), cut: false, continued: false };
        if head.has(END_HEADERS) {
            self.end_block(&block, bytes, sink);
        } else {
            block.bytes.extend_from_slice(bytes);
            *self.block = Some(block);
        }
    }

    fn end_block(&mut self, block: &Block, bytes: &[u8], sink: &mut dyn Sink) {
        let mut headers = Headers::default();
        let mut full = block.cut;
        let outcome = self.hpack.decode(bytes, &mut |name, value| full |= !headers.push(name, value));
        if full {
            *self.limits_hit += 1;
            sink.anomaly("reassembly_limit_reached");
        }
        match outcome {
            Ok(()) => {}
            Err(Flaw::Overflow) => sink.anomaly("header_integer_overflow"),
            Err(Flaw::Malformed | Flaw::NoSuchIndex) => sink.anomaly("invalid_header"),
        }
        if outcome.is_err() || block.cut {
            self.hpack.forget();
        }
        // A promised request comes from the server.
        let request = headers.get(":method").is_some();
        let direction = if request { Direction::ToServer } else { self.direction };
        self.streams.headers(direction, block.stream, headers, sink);
        if block.continued {
            self.streams.frame(self.direction, block.stream, CONTINUATION);
        }
        if let Some(size) = self.hpack.table_size.take() {
            self.streams.table_size(self.direction, block.stream, size);
        }
        if direction != self.direction {
            self.streams.end(direction, block.stream, sink);
        }
        if block.end_stream {
            self.streams.end(self.direction, block.stream, sink);
        }
    }
}

/// A frame's payload without its padding.
fn unpadded(head: Head, payload: &[u8]) -> Option<&[u8]> {
    if !head.has(PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

impl Http2Parser {
    fn step(&self) -> Step {
        if self.sides.iter().all(|s| s.cutter.is_lost()) { Step::Finished } else { Step::More }
    }
}

impl Parser for Http2Parser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let Http2Parser { sides, streams } = self;
        let Side { direction, cutter, hpack, block, limits_hit } = &mut sides[chunk.direction.index()];
        let mut reader = Reader { direction: *direction, hpack, block, limits_hit, streams };
        cutter.feed(chunk.bytes, &mut |piece| reader.piece(piece, sink));
        self.step()
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        if let Some(head) = self.sides[direction.index()].cutter.gap(missing) {
            debug_assert_eq!(head.kind, DATA);
            self.streams.gap(direction, head.stream, missing, sink);
        }
        self.step()
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.streams.close(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.sides.iter().map(|s| s.limits_hit + s.hpack.limits_hit).sum::<u32>() + self.streams.limits_hit
    }
}
