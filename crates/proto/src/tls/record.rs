//! TLS over a stream: records, and the handshake messages in them.

use wire::{Direction, IpProto};

use super::fingerprint::Carrier;
use super::{Handshake, TlsEvent};
use crate::cursor::Cursor;
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of a handshake message that are assembled per direction; larger ones are given up.
const MAX_HANDSHAKE: usize = 64 * 1024;
/// Handshake messages of a flow that are looked at: a peer that never comes to an end is let go.
const MAX_MESSAGES: u32 = 256;
/// Records of a client's data while nothing is heard of the server: more than 0-RTT data have.
const MAX_UNANSWERED: u32 = 64;
/// Bytes of an SSLv2 hello that are assembled.
const MAX_SSL2: usize = 16 * 1024;
/// The largest record that any version allows (RFC 5246 6.2.3).
const MAX_RECORD: usize = (1 << 14) + 2048;
const RECORD_HEADER: usize = 5;
/// The least that a record of data has: a byte of type and the tag of an AEAD cipher, or a MAC.
const MIN_PROTECTED: usize = 17;
/// Of a handshake message: type and length.
const MESSAGE_HEADER: usize = 4;

/// Content types (RFC 8446 5.1, RFC 6520).
mod content {
    pub const CHANGE_CIPHER_SPEC: u8 = 20;
    pub const ALERT: u8 = 21;
    pub const HANDSHAKE: u8 = 22;
    pub const APPLICATION_DATA: u8 = 23;
    pub const HEARTBEAT: u8 = 24;
}

/// Level of an alert after which the connection is over.
const FATAL: u8 = 2;

/// TLS, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Tls,
    transport: IpProto::TCP,
    ports: &[443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 8443],
    probe,
    open: Some(|_| Box::<TlsParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    match guess(seen) {
        Guess::No => {}
        other => return other,
    }
    match guess_midway(seen, opening.on_port(PROTOCOL.ports)) {
        Guess::No => guess_ssl2(seen),
        other => other,
    }
}

fn fits(seen: &[u8], at: usize, ok: impl Fn(u8) -> bool) -> bool {
    seen.get(at).copied().is_none_or(ok)
}

/// A handshake record that begins with a ClientHello or ServerHello, or an alert instead of one.
fn guess(seen: &[u8]) -> Guess {
    let record = fits(seen, 1, |b| b == 3) && fits(seen, 2, |b| b <= 4);
    let hello = fits(seen, 0, |b| b == content::HANDSHAKE)
        && fits(seen, 3, |b| b <= 0x48)
        && fits(seen, 5, |b| b == 1 || b == 2);
    let alert = fits(seen, 0, |b| b == content::ALERT)
        && fits(seen, 3, |b| b == 0)
        && fits(seen, 4, |b| b == 2)
        && fits(seen, 5, |b| b == 1 || b == FATAL);
    match (record && (hello || alert), seen.len() > RECORD_HEADER) {
        (true, true) => Guess::Yes,
        (true, false) => Guess::More,
        (false, _) => Guess::No,
    }
}

/// Data of a connection whose handshake was not seen: one record where TLS is usual, elsewhere another behind it.
fn guess_midway(seen: &[u8], usual: bool) -> Guess {
    let head = |at: usize| {
        fits(seen, at, |b| b == content::APPLICATION_DATA)
            && fits(seen, at + 1, |b| b == 3)
            && fits(seen, at + 2, |b| (1..=3).contains(&b))
            && fits(seen, at + 3, |b| usize::from(b) << 8 <= MAX_RECORD)
    };
    let [_, _, _, high, low] = match seen.first_chunk::<RECORD_HEADER>() {
        Some(first) if head(0) => *first,
        None if head(0) => return Guess::More,
        _ => return Guess::No,
    };
    let len = usize::from(high) << 8 | usize::from(low);
    if !(MIN_PROTECTED..=MAX_RECORD).contains(&len) {
        return Guess::No;
    }
    let next = RECORD_HEADER + len;
    match (usual, head(next)) {
        (true, _) => Guess::Yes,
        (false, true) if seen.len() >= next + RECORD_HEADER => Guess::Yes,
        (false, true) => Guess::More,
        (false, false) => Guess::No,
    }
}

/// An SSLv2 ClientHello: its lengths must add up, for there is little else to tell it by.
fn guess_ssl2(seen: &[u8]) -> Guess {
    let possible = fits(seen, 0, |b| b & 0x80 != 0)
        && fits(seen, 2, |b| b == 1)
        && fits(seen, 3, |b| b == 0 || b == 3)
        && match seen.get(3) {
            Some(0) => fits(seen, 4, |b| b == 2),
            _ => fits(seen, 4, |b| b <= 3),
        };
    if !possible {
        return Guess::No;
    }
    let Some(head) = seen.first_chunk::<11>() else { return Guess::More };
    let number = |at: usize| usize::from(head[at]) << 8 | usize::from(head[at + 1]);
    let (ciphers, session, challenge) = (number(5), number(7), number(9));
    let adds_up = number(0) & 0x7fff == 9 + ciphers + session + challenge;
    let sound = adds_up && ciphers > 0 && ciphers.is_multiple_of(3) && matches!(session, 0 | 16 | 32);
    if sound && (16..=32).contains(&challenge) { Guess::Yes } else { Guess::No }
}

/// What one direction's bytes are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// The head of a record.
    Header,
    /// In a record of that type with so many bytes left.
    Record(u8, usize),
    /// In an SSLv2 message of that length.
    Ssl2(usize),
    /// Behind everything that can be read.
    Done,
}

/// One direction: what is incomplete of a head or a message.
#[derive(Debug)]
struct Side {
    at: At,
    header: Vec<u8>,
    message: Vec<u8>,
    encrypted: bool,
    fresh: bool,
}

impl Default for Side {
    fn default() -> Self {
        Side { at: At::Header, header: Vec::new(), message: Vec::new(), encrypted: false, fresh: true }
    }
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub(super) struct TlsParser {
    sides: [Side; 2],
    handshake: Handshake,
    from: Option<&'static str>,
    messages: u32,
    unanswered: u32,
    limits_hit: u32,
}

impl Default for TlsParser {
    fn default() -> Self {
        TlsParser {
            sides: <[Side; 2]>::default(),
            handshake: Handshake::new(Carrier::Tcp),
            from: None,
            messages: 0,
            unanswered: 0,
            limits_hit: 0,
        }
    }
}

impl TlsParser {
    fn log(&mut self, sink: &mut dyn Sink) {
        if let Some(from) = self.from {
            self.handshake.follows(from);
        }
        self.handshake.log(sink);
    }

    fn broken(&mut self, side: usize, event: TlsEvent, sink: &mut dyn Sink) {
        sink.anomaly(event.name());
        self.sides[side].at = At::Done;
        self.log(sink);
    }

    /// The head of a record or of an SSLv2 message, whole.
    fn header(&mut self, direction: Direction, head: [u8; RECORD_HEADER], sink: &mut dyn Sink) {
        let side = direction.index();
        let s = &mut self.sides[side];
        let first = std::mem::take(&mut s.fresh);
        let [kind, major, _, high, low] = head;
        if first && kind & 0x80 != 0 && matches!(head[2], 1 | 4) {
            let len = usize::from(kind & 0x7f) << 8 | usize::from(major);
            if !(3..=MAX_SSL2).contains(&len) {
                return self.broken(side, TlsEvent::InvalidSslV2Header, sink);
            }
            s.message.extend_from_slice(&head[2..]);
            s.at = At::Ssl2(len);
            return;
        }
        let len = usize::from(high) << 8 | usize::from(low);
        if !(content::CHANGE_CIPHER_SPEC..=content::HEARTBEAT).contains(&kind) {
            return self.broken(side, TlsEvent::InvalidRecordType, sink);
        }
        if major != 3 && major != 0x7f {
            return self.broken(side, TlsEvent::InvalidRecordVersion, sink);
        }
        if len > MAX_RECORD || (len == 0 && kind != content::APPLICATION_DATA) {
            return self.broken(side, TlsEvent::InvalidRecordLength, sink);
        }
        s.at = At::Record(kind, len);
        match kind {
            content::CHANGE_CIPHER_SPEC if !s.encrypted && !self.handshake.retried() => {
                s.encrypted = true;
                if direction == Direction::ToClient {
                    self.handshake.server_encrypts();
                }
                if self.sides.iter().all(|s| s.encrypted) {
                    self.log(sink);
                }
            }
            content::APPLICATION_DATA => {
                s.encrypted = true;
                // 0-RTT data come before the ServerHello; in TLS 1.3 all that follows it is encrypted.
                self.unanswered += 1;
                let answered = direction == Direction::ToClient || self.sides.iter().all(|s| s.encrypted);
                if answered || self.unanswered > MAX_UNANSWERED {
                    self.log(sink);
                }
            }
            _ => {}
        }
    }

    /// Bytes of a record that are in the clear.
    fn content(&mut self, direction: Direction, kind: u8, bytes: &[u8], sink: &mut dyn Sink) {
        let side = direction.index();
        if self.sides[side].encrypted {
            return;
        }
        match kind {
            content::HANDSHAKE => self.handshake_bytes(direction, bytes, sink),
            content::ALERT => {
                // Level and description; the level may come alone.
                self.sides[side].message.extend_from_slice(&bytes[..bytes.len().min(2)]);
                if let [level, _, ..] = self.sides[side].message[..] {
                    self.sides[side].message.clear();
                    if level == FATAL {
                        self.log(sink);
                    }
                }
            }
            _ => {}
        }
    }

    /// Handshake messages, taken where they lie if they are whole.
    fn handshake_bytes(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let side = direction.index();
        let mut waiting = std::mem::take(&mut self.sides[side].message);
        let mut rest = bytes;
        if !waiting.is_empty() {
            // First what a waiting message lacks, and no more, so that those behind it need no copy.
            while let Some(lacking) = lacking(&waiting).filter(|&n| n > 0 && !rest.is_empty()) {
                let (take, behind) = rest.split_at(lacking.min(rest.len()));
                waiting.extend_from_slice(take);
                rest = behind;
            }
            match lacking(&waiting) {
                Some(0) => {
                    self.message(direction, &waiting, sink);
                    waiting.clear();
                }
                Some(_) => {
                    self.sides[side].message = waiting;
                    return;
                }
                None => return self.too_long(side, sink),
            }
        }
        while !rest.is_empty() && !self.handshake.logged() {
            match lacking(rest) {
                Some(0) => {
                    let len = MESSAGE_HEADER + message_len(rest).unwrap_or(0);
                    self.message(direction, &rest[..len], sink);
                    rest = &rest[len..];
                }
                Some(_) => {
                    waiting.extend_from_slice(rest);
                    break;
                }
                None => return self.too_long(side, sink),
            }
        }
        self.sides[side].message = waiting;
    }

    fn too_long(&mut self, side: usize, sink: &mut dyn Sink) {
        self.limits_hit += 1;
        self.sides[side].at = At::Done;
        self.log(sink);
    }

    fn message(&mut self, direction: Direction, message: &[u8], sink: &mut dyn Sink) {
        self.messages += 1;
        if self.messages > MAX_MESSAGES {
            self.limits_hit += 1;
            return self.log(sink);
        }
        let Some((head, body)) = message.split_first_chunk::<MESSAGE_HEADER>() else { return };
        self.handshake.message(direction, head[0], body, sink);
        if direction == Direction::ToClient && self.handshake.is_1_3() {
            self.log(sink);
        }
    }

    /// A whole SSLv2 message: a hello, or all that can be read is over.
    fn ssl2(&mut self, direction: Direction, sink: &mut dyn Sink) {
        let side = direction.index();
        let message = std::mem::take(&mut self.sides[side].message);
        let mut at = Cursor(&message);
        match at.u8() {
            Some(1) => {
                // Records follow if the server takes it for the TLS that it offers.
                self.sides[side].at = At::Header;
                match at.u16() {
                    Some(version) => self.handshake.ssl2_client(version, sink),
                    None => self.broken(side, TlsEvent::InvalidSslV2Header, sink),
                }
            }
            Some(4) => {
                let hello = at.take(2).and_then(|_| {
                    let (version, len) = (at.u16()?, at.u16()?);
                    at.take(4)?;
                    Some((version, at.take(len.into())?))
                });
                match hello {
                    Some((version, certificate)) => self.handshake.ssl2_server(certificate, version, sink),
                    None => sink.anomaly(TlsEvent::InvalidSslV2Header.name()),
                }
                self.sides[side].at = At::Done;
                self.log(sink);
            }
            _ => self.broken(side, TlsEvent::InvalidSslV2Header, sink),
        }
    }
}

fn message_len(message: &[u8]) -> Option<usize> {
    Cursor(message.get(1..)?).u24()
}

/// Bytes that a message lacks, of its head or in all; `None` if it is too long to wait for.
fn lacking(message: &[u8]) -> Option<usize> {
    match message_len(message) {
        None => Some(MESSAGE_HEADER - message.len().min(MESSAGE_HEADER)),
        Some(len) if len > MAX_HANDSHAKE => None,
        Some(len) => Some((MESSAGE_HEADER + len).saturating_sub(message.len())),
    }
}

impl Parser for TlsParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        self.handshake.time = chunk.time;
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        while !bytes.is_empty() && !self.handshake.logged() {
            let s = &mut self.sides[side];
            match s.at {
                At::Header => {
                    let (take, rest) = bytes.split_at((RECORD_HEADER - s.header.len()).min(bytes.len()));
                    s.header.extend_from_slice(take);
                    bytes = rest;
                    if let Ok(head) = <[u8; RECORD_HEADER]>::try_from(&s.header[..]) {
                        s.header.clear();
                        self.header(chunk.direction, head, sink);
                    }
                }
                At::Record(kind, left) => {
                    let (take, rest) = bytes.split_at(left.min(bytes.len()));
                    bytes = rest;
                    let left = left - take.len();
                    s.at = if left == 0 { At::Header } else { At::Record(kind, left) };
                    self.content(chunk.direction, kind, take, sink);
                }
                At::Ssl2(len) => {
                    let (take, rest) = bytes.split_at(len.saturating_sub(s.message.len()).min(bytes.len()));
                    s.message.extend_from_slice(take);
                    bytes = rest;
                    if s.message.len() >= len {
                        self.ssl2(chunk.direction, sink);
                    }
                }
                At::Done => break,
            }
        }
        if self.handshake.logged() { Step::Finished } else { Step::More }
    }

    /// Where records begin behind a hole is not known: that direction is over, the other one may still tell.
    fn gap(&mut self, direction: Direction, _missing: u64, sink: &mut dyn Sink) -> Step {
        self.sides[direction.index()].at = At::Done;
        if self.sides.iter().all(|s| s.at == At::Done) {
            self.log(sink);
            return Step::Finished;
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.log(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }

    fn follows(&mut self, app: AppProto) {
        self.from = Some(app.name());
    }
}

#[cfg(test)]
mod probe_tests {
    use super::*;

    fn data(len: u8) -> Vec<u8> {
        [vec![content::APPLICATION_DATA, 3, 3, 0, len], vec![0xaa; len.into()]].concat()
    }

    #[test]
    fn data_without_a_handshake_are_tls_where_it_is_usual_or_where_records_follow_each_other() {
        let one = data(40);
        assert_eq!(guess_midway(&one, true), Guess::Yes);
        let two = [one.clone(), data(60)].concat();
        // Whatever the pieces, nothing but `More` comes before the answer.
        let answer = one.len() + RECORD_HEADER;
        for end in 0..=two.len() {
            let want = if end < answer { Guess::More } else { Guess::Yes };
            assert_eq!(guess_midway(&two[..end], false), want, "{end}");
        }
        let odd = [one, b"GET /".to_vec()].concat();
        assert_eq!(guess_midway(&odd, false), Guess::No);
        for (at, byte) in [(0, 22), (1, 2), (2, 0), (3, 0x49), (4, 16)] {
            let mut other = two.clone();
            other[at] = byte;
            assert_eq!(guess_midway(&other, true), Guess::No, "{at}");
        }
    }
}
