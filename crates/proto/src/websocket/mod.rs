//! WebSocket frames (RFC 6455), behind an HTTP/1 upgrade.
//!
//! A frame is a transaction. Of its payload the beginning is kept, unmasked, for whoever inspects it.

mod messages;

use wire::{Direction, IpProto};

use self::messages::Messages;

use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Protocol};

/// Bytes of a frame's payload that are kept.
pub const MAX_PAYLOAD: usize = 4096;
/// The longest header: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;
/// Longest payload of a control frame (RFC 6455 section 5.5).
const MAX_CONTROL: u64 = 125;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// Which way it went.
    pub direction: Direction,
    /// Whether it is the last of its message.
    pub fin: bool,
    /// Whether its message is compressed (permessage-deflate, RFC 7692).
    pub compressed: bool,
    /// What it is: 1 text, 2 binary, 8 close, 9 ping, 10 pong, 0 the continuation of a message.
    pub opcode: u8,
    /// The masking key, if it is masked; clients' frames must be.
    pub mask: Option<u32>,
    /// Length of the payload in bytes.
    pub length: u64,
    /// The first [`MAX_PAYLOAD`] bytes of the payload, unmasked.
    pub payload: Vec<u8>,
    /// Of the last frame of a message: all of it, joined and decompressed, as far as the sink wants payloads kept.
    pub message: Option<Vec<u8>>,
}

impl WebSocket {
    /// The name of the opcode, if it has one.
    #[must_use]
    pub fn opcode_name(&self) -> Option<&'static str> {
        Some(match self.opcode {
            0 => "continuation",
            1 => "text",
            2 => "binary",
            8 => "close",
            9 => "ping",
            10 => "pong",
            _ => return None,
        })
    }
}

/// Only what was upgraded is WebSocket: two bytes at a beginning tell nothing.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::WebSocket,
    transport: IpProto::TCP,
    ports: &[],
    probe: |_| Guess::No,
    open: Some(|_| Box::<WebSocketParser>::default()),
};

#[derive(Debug, Default)]
struct Side {
    header: [u8; MAX_HEADER],
    have: usize,
    /// The frame at hand, and how much of its payload was seen.
    frame: Option<(Box<WebSocket>, u64)>,
    lost: bool,
    messages: Messages,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct WebSocketParser {
    sides: [Side; 2],
    limits_hit: u32,
}

/// Reads a header if all of it is there.
fn header(direction: Direction, bytes: &[u8]) -> Option<WebSocket> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (length, rest) = match second & 0x7f {
        126 => rest.split_first_chunk::<2>().map(|(l, rest)| (u64::from(u16::from_be_bytes(*l)), rest))?,
        127 => rest.split_first_chunk::<8>().map(|(l, rest)| (u64::from_be_bytes(*l), rest))?,
        short => (u64::from(short), rest),
    };
    let mask = match second & 0x80 {
        0 => None,
        _ => Some(u32::from_be_bytes(*rest.first_chunk::<4>()?)),
    };
    Some(WebSocket {
        direction,
        fin: first & 0x80 != 0,
        compressed: first & 0x40 != 0,
        opcode: first & 0x0f,
        mask,
        length,
        payload: Vec::new(),
        message: None,
    })
}

impl Side {
    /// Takes bytes of a payload; how many.
    fn payload(&mut self, bytes: &[u8], keep: usize, limits_hit: &mut u32) -> usize {
        let Some((frame, seen)) = &mut self.frame else { return 0 };
        let take = bytes.len().min(usize::try_from(frame.length - *seen).unwrap_or(usize::MAX));
        let room = MAX_PAYLOAD - frame.payload.len();
        if frame.payload.len() as u64 == *seen {
            let key = frame.mask.unwrap_or(0).to_be_bytes();
            let unmasked =
                bytes[..take.min(room)].iter().zip(*seen..).map(|(b, at)| b ^ key[(at % 4) as usize]);
            frame.payload.extend(unmasked);
            *limits_hit += u32::from(take > room && room > 0);
        }
        if keep > 0 {
            self.messages.take(frame, *seen, &bytes[..take], keep);
        }
        *seen += take as u64;
        take
    }
}

impl Parser for WebSocketParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let WebSocketParser { sides, limits_hit } = self;
        let side = &mut sides[chunk.direction.index()];
        let mut bytes = chunk.bytes;
        while !side.lost {
            if side.frame.is_none() {
                let Some((&byte, rest)) = bytes.split_first() else { break };
                side.header[side.have] = byte;
                side.have += 1;
                bytes = rest;
                let Some(frame) = header(chunk.direction, &side.header[..side.have]) else { continue };
                side.have = 0;
                let control = frame.opcode >= 8;
                if frame.opcode_name().is_none() || (control && (frame.length > MAX_CONTROL || !frame.fin)) {
                    sink.anomaly("invalid_frame");
                }
                side.frame = Some((Box::new(frame), 0));
            }
            let keep = sink.keep().payloads;
            let used = side.payload(bytes, keep, limits_hit);
            bytes = &bytes[used..];
            match side.frame.take_if(|(frame, seen)| *seen == frame.length) {
                Some((mut frame, _)) => {
                    if keep > 0 {
                        side.messages.end(&mut frame, keep);
                    }
                    complete(crate::Transaction::WebSocket(frame), sink);
                }
                None => break,
            }
        }
        if sides.iter().all(|s| s.lost) { Step::Finished } else { Step::More }
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        let side = &mut self.sides[direction.index()];
        side.messages.lose();
        match &mut side.frame {
            Some((frame, seen)) if missing <= frame.length - *seen => *seen += missing,
            // Nothing in the stream says where a frame begins.
            _ => side.lost = true,
        }
        let over = |(frame, seen): &mut (Box<WebSocket>, u64)| side.lost || *seen == frame.length;
        if let Some((frame, _)) = side.frame.take_if(over) {
            complete(crate::Transaction::WebSocket(frame), sink);
        }
        if self.sides.iter().all(|s| s.lost) { Step::Finished } else { Step::More }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for side in &mut self.sides {
            if let Some((frame, _)) = side.frame.take() {
                complete(crate::Transaction::WebSocket(frame), sink);
            }
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests;
