//! DTLS (RFC 6347, RFC 9147): the handshake of TLS in datagrams, its messages in fragments.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::tls::fingerprint::Carrier;
use crate::tls::{Handshake, TlsEvent};

/// Bytes of a message that are assembled; larger ones are passed over.
const MAX_MESSAGE: usize = 64 * 1024;
/// Messages of a direction that are assembled at once.
const MAX_OPEN: usize = 8;
/// Pieces of a message that may wait for others.
const MAX_PIECES: usize = 64;
/// Datagrams that are looked at.
const MAX_DATAGRAMS: u32 = 256;
const RECORD_HEADER: usize = 13;
/// The version before the standard, which some VPNs still speak.
const OLD_VERSION: u16 = 0x0100;

mod content {
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    pub const ALERT: u8 = 21;
    pub const HANDSHAKE: u8 = 22;
}

/// DTLS, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Dtls,
    transport: IpProto::UDP,
    ports: &[5684],
    probe,
    open: Some(|_| Box::<DtlsParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    if is_hello(opening.fresh()) { Guess::Yes } else { Guess::No }
}

/// Whether a datagram is a handshake record in the clear that begins with a hello.
pub(crate) fn is_hello(seen: &[u8]) -> bool {
    matches!(seen, [content::HANDSHAKE, 0xfe, 0xfc..=0xff, 0, 0, ..] | [content::HANDSHAKE, 1, 0, 0, 0, ..])
        && seen.len() > RECORD_HEADER + 12
        && matches!(seen[RECORD_HEADER], 1..=3)
        && usize::from(u16::from_be_bytes([seen[11], seen[12]])) <= seen.len() - RECORD_HEADER
}

/// A message whose fragments come in any order.
#[derive(Debug)]
struct Message {
    number: u16,
    kind: u8,
    bytes: Vec<u8>,
    /// Which of them are there: ranges, sorted, apart from each other.
    there: Vec<(usize, usize)>,
}

impl Message {
    /// Puts a fragment in; whether the message is whole now.
    fn put(&mut self, offset: usize, fragment: &[u8]) -> bool {
        let end = offset + fragment.len();
        self.bytes[offset..end].copy_from_slice(fragment);
        let (mut from, mut to) = (offset, end);
        self.there.retain(|&(a, b)| {
            let apart = b < from || a > to;
            if !apart {
                (from, to) = (from.min(a), to.max(b));
            }
            apart
        });
        self.there.push((from, to));
        self.there == [(0, self.bytes.len())]
    }
}

#[derive(Debug, Default)]
struct Side {
    open: Vec<Message>,
    /// One more than the highest message number that is done: what comes again is passed over.
    done: u64,
    encrypted: bool,
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub struct DtlsParser {
    sides: [Side; 2],
    handshake: Handshake,
    datagrams: u32,
    limits_hit: u32,
}

impl Default for DtlsParser {
    fn default() -> Self {
        DtlsParser {
            sides: <[Side; 2]>::default(),
            handshake: Handshake::new(Carrier::Dtls),
            datagrams: 0,
            limits_hit: 0,
        }
    }
}

impl DtlsParser {
    fn fragments(&mut self, direction: Direction, record: &[u8], sink: &mut dyn Sink) {
        let mut at = Cursor(record);
        while !at.is_empty() && !self.handshake.logged() {
            let head = (|| Some((at.u8()?, at.u24()?, at.u16()?, at.u24()?, at.prefixed24()?)))();
            let Some((kind, len, number, offset, fragment)) = head.filter(|h| h.3 + h.4.len() <= h.1) else {
                return sink.anomaly(TlsEvent::HandshakeInvalidLength.name());
            };
            self.fragment(direction, (kind, len, number), offset, fragment, sink);
        }
    }

    fn fragment(
        &mut self,
        direction: Direction,
        (kind, len, number): (u8, usize, u16),
        offset: usize,
        fragment: &[u8],
        sink: &mut dyn Sink,
    ) {
        let side = &mut self.sides[direction.index()];
        let bit = 1_u64 << (number & 63);
        if side.done & bit != 0 {
            return;
        }
        if fragment.len() == len {
            side.done |= bit;
            return self.message(direction, kind, fragment, sink);
        }
        let at = match side.open.iter().position(|m| m.number == number && m.bytes.len() == len) {
            Some(at) => at,
            None if len > MAX_MESSAGE || side.open.len() >= MAX_OPEN => {
                self.limits_hit += 1;
                return;
            }
            None => {
                side.open.push(Message { number, kind, bytes: vec![0; len], there: Vec::new() });
                side.open.len() - 1
            }
        };
        if side.open[at].there.len() >= MAX_PIECES {
            self.limits_hit += 1;
            side.open.swap_remove(at);
            return;
        }
        if side.open[at].put(offset, fragment) {
            let message = side.open.swap_remove(at);
            side.done |= bit;
            self.message(direction, message.kind, &message.bytes, sink);
        }
    }

    fn message(&mut self, direction: Direction, kind: u8, body: &[u8], sink: &mut dyn Sink) {
        self.handshake.message(direction, kind, body, sink);
        if direction == Direction::ToClient && self.handshake.is_1_3() {
            self.handshake.log(sink);
        }
    }
}

impl Parser for DtlsParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        self.datagrams += 1;
        if self.datagrams > MAX_DATAGRAMS {
            self.limits_hit += 1;
            self.handshake.log(sink);
        }
        self.handshake.time = chunk.time;
        let side = chunk.direction.index();
        let mut at = Cursor(chunk.bytes);
        while !self.handshake.logged() {
            let head = (|| Some((at.u8()?, at.u16()?, at.u16()?, at.take(6)?, at.prefixed16()?)))();
            // What is no record: DTLS 1.3 encrypts with a head of its own, and others share the port (RFC 7983).
            let Some((kind, _, epoch, _, record)) = head.filter(|h| h.1 >> 8 == 0xfe || h.1 == OLD_VERSION)
            else {
                break;
            };
            if epoch > 0 {
                self.sides[side].encrypted = true;
            }
            match kind {
                _ if epoch > 0 => {}
                content::CHANGE_CIPHER_SPEC => {
                    self.sides[side].encrypted = true;
                    if chunk.direction == Direction::ToClient {
                        self.handshake.server_encrypts();
                    }
                }
                content::HANDSHAKE => self.fragments(chunk.direction, record, sink),
                content::ALERT if record.first() == Some(&2) => self.handshake.log(sink),
                _ => {}
            }
            if self.sides.iter().all(|s| s.encrypted) {
                self.handshake.log(sink);
            }
        }
        if self.handshake.logged() { Step::Finished } else { Step::More }
    }

    fn gap(&mut self, _direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.handshake.log(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
#[path = "dtls_tests.rs"]
mod tests;
