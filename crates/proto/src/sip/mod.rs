//! Session Initiation Protocol over UDP and TCP (RFC 3261), with the session descriptions in its bodies. The media
//! they agree on are announced.

mod sdp;

use wire::{Direction, IpProto};

pub use sdp::{MediaDescription, Sdp, TimeDescription};

use crate::dns::text;
use crate::parser::{Chunk, Expectation, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

const PORTS: &[u16] = &[5060, 5061];
/// Bytes of a message's head; a stream whose head is longer is followed no more.
const MAX_HEAD: usize = 16 << 10;
/// Headers that are kept.
const MAX_HEADERS: usize = 128;
/// Bytes of a body that are read; what is beyond them is passed over.
const MAX_BODY: usize = 16 << 10;
/// Bytes of the longest end of a head: two line ends.
const MAX_END: usize = 4;
/// Bytes of the first line within which the version must stand, for a stream to be waited for.
const MAX_FIRST_LINE: usize = 1024;
const VERSION: &[u8] = b"SIP/2.0";

/// The first line of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Of a request.
    Request {
        /// "INVITE" ...
        method: String,
        /// To whom.
        uri: String,
    },
    /// Of a response.
    Response {
        /// "200" ...
        code: String,
        /// "OK" ...
        reason: String,
    },
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Which way it went.
    pub direction: Direction,
    /// What its first line says.
    pub start: Start,
    /// The first line itself.
    pub line: String,
    /// "SIP/2.0".
    pub version: String,
    /// The session that its body describes.
    pub sdp: Option<Sdp>,
    /// Headers that rules ask for, in their order, as far as the sink wants payloads kept.
    pub headers: Vec<(SipHeader, String)>,
}

/// A header that rules ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SipHeader {
    /// Who calls.
    From,
    /// Who is called.
    To,
    /// Which way the message took.
    Via,
    /// What the caller's device calls itself.
    UserAgent,
    /// What the body is.
    ContentType,
    /// How long the body is.
    ContentLength,
}

impl SipHeader {
    /// By its name or its compact form (RFC 3261 section 7.3.3), whatever the case.
    fn of_name(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], &[u8], SipHeader); 6] = [
            (b"from", b"f", SipHeader::From),
            (b"to", b"t", SipHeader::To),
            (b"via", b"v", SipHeader::Via),
            (b"user-agent", b"", SipHeader::UserAgent),
            (b"content-type", b"c", SipHeader::ContentType),
            (b"content-length", b"l", SipHeader::ContentLength),
        ];
        let is = |known: &[u8]| !known.is_empty() && name.eq_ignore_ascii_case(known);
        NAMES.iter().find(|(long, short, _)| is(long) || is(short)).map(|(.., header)| *header)
    }
}

pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Sip,
    transport: IpProto::UDP,
    ports: PORTS,
    probe: |opening| if start(opening.fresh()).is_some() { Guess::Yes } else { Guess::No },
    open: Some(|_| Box::<Datagrams>::default()),
};

pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Sip,
    transport: IpProto::TCP,
    ports: PORTS,
    probe: probe_stream,
    open: Some(|_| Box::<Stream>::default()),
};

fn probe_stream(opening: &Opening<'_>) -> Guess {
    let bytes = opening.fresh();
    match memchr::memchr(b'\n', bytes) {
        Some(_) if start(bytes).is_some() => Guess::Yes,
        Some(_) => Guess::No,
        // A method and the beginning of a URI, or of the version.
        None if VERSION.starts_with(&bytes[..bytes.len().min(VERSION.len())]) => Guess::More,
        None if bytes.len() > MAX_FIRST_LINE => Guess::No,
        None => {
            let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
            let uri = bytes.get(method + 1..).unwrap_or_default();
            let scheme = uri.len().min(3);
            let like = method <= 12 && (bytes.len() == method || bytes[method] == b' ');
            let likely = like && (b"sip".starts_with(&uri[..scheme]) || b"tel".starts_with(&uri[..scheme]));
            if likely { Guess::More } else { Guess::No }
        }
    }
}

/// A first line: what it says, and its length without the line's end.
fn start(bytes: &[u8]) -> Option<(Start, usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let space = memchr::memchr(b' ', line)?;
    let (first, rest) = (&line[..space], &line[space + 1..]);
    if first == VERSION {
        let (code, reason) = rest.split_at_checked(3)?;
        if !code.iter().all(u8::is_ascii_digit) || !matches!(reason, [] | [b' ', ..]) {
            return None;
        }
        let reason = reason.strip_prefix(b" ").unwrap_or(reason);
        return Some((Start::Response { code: text(code), reason: text(reason) }, line.len()));
    }
    let uri = rest.strip_suffix(VERSION)?.strip_suffix(b" ").filter(|uri| !uri.is_empty())?;
    let named = !first.is_empty()
        && first.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte));
    named.then(|| (Start::Request { method: text(first), uri: text(uri) }, line.len()))
}

/// Where a head ends, its empty line included.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes.get(from..)?).map(|at| from + at).find_map(|at| {
        match bytes.get(at + 1..)? {
            [b'\n', ..] => Some(at + 2),
            [b'\r', b'\n', ..] => Some(at + 3),
            _ => None,
        }
    })
}

/// The length of the body that a head announces.
fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let name = line[..colon].trim_ascii();
        let wanted = name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l");
        wanted.then(|| std::str::from_utf8(line[colon + 1..].trim_ascii()).ok()?.parse().ok()).flatten()
    })
}

/// Headers that rules ask for, of at most `limit` bytes together. Lines that go on with a blank are joined with one.
fn headers(head: &[u8], limit: usize) -> Vec<(SipHeader, String)> {
    let mut found: Vec<(SipHeader, String)> = Vec::new();
    let mut kept = 0_usize;
    let mut last = None;
    for line in head.split(|&byte| byte == b'\n').skip(1) {
        let goes_on = matches!(line.first(), Some(b' ' | b'\t'));
        if !goes_on {
            last = memchr::memchr(b':', line).and_then(|colon| {
                let (name, value) = line.split_at(colon);
                Some((SipHeader::of_name(name.trim_ascii())?, value.get(1..)?))
            });
        }
        let Some((header, value)) = last else { continue };
        let value = if goes_on { line } else { value }.trim_ascii();
        kept = kept.saturating_add(value.len());
        if kept > limit || found.len() >= MAX_HEADERS {
            break;
        }
        match found.last_mut().filter(|_| goes_on) {
            Some((_, joined)) => {
                joined.push(' ');
                joined.push_str(&text(value));
            }
            None => found.push((header, text(value))),
        }
    }
    found
}

/// A message in one piece: head with its empty line, and body.
fn take(head: &[u8], body: &[u8], direction: Direction, limits: &mut u32, sink: &mut dyn Sink) -> bool {
    let Some((start, line)) = start(head) else {
        sink.anomaly("invalid_data");
        return false;
    };
    let sdp = if body.starts_with(b"v=") { sdp::parse(body, limits) } else { None };
    if let Some(sdp) = &sdp {
        for end in sdp.media_ends() {
            let expect =
                |endpoint| Expectation { endpoint, transport: IpProto::UDP, app: AppProto::Rtp, note: None };
            sink.expect(expect(end));
            // RTCP goes to the next port.
            sink.expect(expect(wire::Endpoint { port: end.port.saturating_add(1), ..end }));
        }
    }
    let limit = sink.keep().payloads;
    let headers = if limit > 0 { headers(head, limit) } else { Vec::new() };
    let sip = Sip { direction, start, line: text(&head[..line]), version: text(VERSION), sdp, headers };
    complete(sip.into(), sink);
    true
}

/// Every datagram is a message; what keeps a mapping open is passed over.
#[derive(Debug, Default)]
struct Datagrams {
    limits_hit: u32,
}

impl Parser for Datagrams {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        if !chunk.bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b' ' | 0)) {
            let end = head_end(chunk.bytes, 0).unwrap_or(chunk.bytes.len());
            let (head, body) = chunk.bytes.split_at(end);
            take(head, body, chunk.direction, &mut self.limits_hit, sink);
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

/// One direction of a stream.
#[derive(Debug, Default)]
struct Side {
    /// A head, or a head and the beginning of its body.
    open: Vec<u8>,
    /// Where the head at the beginning of `open` ends, once it does.
    head: Option<(usize, usize)>,
    /// So many bytes of `open` have no end of a head in them.
    searched: usize,
    /// Bytes of a body beyond what is read that are still to come.
    skip: usize,
    lost: bool,
}

#[derive(Debug, Default)]
struct Stream {
    sides: [Side; 2],
    limits_hit: u32,
}

impl Side {
    fn lose(&mut self) {
        *self = Side { lost: true, ..Side::default() };
    }

    /// Takes messages off the beginning as long as there are whole ones.
    fn messages(&mut self, direction: Direction, limits: &mut u32, sink: &mut dyn Sink) {
        let mut from = 0;
        while !self.lost {
            if self.head.is_none() {
                // Line ends between messages keep a connection open (RFC 5626).
                let blank = self.open[from..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                from += blank;
                // What was looked at before has no end in it, but may have the beginning of one.
                let behind = from.max(self.searched.saturating_sub(MAX_END - 1));
                match head_end(&self.open, behind) {
                    Some(end) => self.head = Some((end, content_length(&self.open[from..end]).unwrap_or(0))),
                    None if self.open.len() - from > MAX_HEAD => {
                        *limits = limits.saturating_add(1);
                        return self.lose();
                    }
                    None => {
                        self.searched = self.open.len();
                        break;
                    }
                }
            }
            let Some((head, body)) = self.head else { break };
            let read = body.min(MAX_BODY);
            if self.open.len() < head + read {
                break;
            }
            if !take(&self.open[from..head], &self.open[head..head + read], direction, limits, sink) {
                return self.lose();
            }
            from = head + read;
            (self.head, self.searched) = (None, 0);
            if body > read {
                *limits = limits.saturating_add(1);
                let here = (body - read).min(self.open.len() - from);
                self.skip = body - read - here;
                from += here;
            }
        }
        self.open.drain(..from.min(self.open.len()));
        self.searched = self.searched.saturating_sub(from);
        if let Some((head, _)) = &mut self.head {
            *head -= from;
        }
    }
}

impl Parser for Stream {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = &mut self.sides[chunk.direction.index()];
        if !side.lost {
            let skipped = side.skip.min(chunk.bytes.len());
            side.skip -= skipped;
            side.open.extend_from_slice(&chunk.bytes[skipped..]);
            side.messages(chunk.direction, &mut self.limits_hit, sink);
        }
        if self.sides.iter().all(|side| side.lost) { Step::Finished } else { Step::More }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        let side = &mut self.sides[direction.index()];
        match usize::try_from(missing) {
            // A hole in what nobody reads.
            Ok(missing) if missing <= side.skip && missing > 0 => side.skip -= missing,
            _ => side.lose(),
        }
        if self.sides.iter().all(|side| side.lost) { Step::Finished } else { Step::More }
    }

    fn close(&mut self, _: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let request = start(b"INVITE sip:bob@example.com SIP/2.0\r\n").unwrap();
        assert_eq!(request.0, Start::Request { method: "INVITE".into(), uri: "sip:bob@example.com".into() });
        let response = start(b"SIP/2.0 180 Ringing now\n").unwrap();
        assert_eq!(response.0, Start::Response { code: "180".into(), reason: "Ringing now".into() });
        for other in
            ["GET / HTTP/1.1\r\n", "SIP/2.0 2x0 OK\r\n", "SIP/2.0 200OK\r\n", "OPTIONS SIP/2.0\r\n", "INVITE"]
        {
            assert_eq!(start(other.as_bytes()), None, "{other}");
        }
    }
}
