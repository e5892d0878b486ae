//! HTTP/1 requests and responses (RFC 9110, RFC 9112).
//!
//! The heads are read by our own lenient reader and not by a library for clients and servers: those
//! refuse what implants send (raw spaces in the target, bare line feeds, broken header lines), and a
//! sensor must see it. Bodies are counted, never copied.

mod body;
mod head;

use std::collections::VecDeque;

use memchr::memchr;
use wire::{Direction, IpProto};

use self::body::Body;
use self::head::Head;
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// Bytes of a head; what is longer is read as far as this.
pub const MAX_HEAD: usize = 16 * 1024;
/// Headers kept of one request.
pub const MAX_HEADERS: usize = 64;
/// Requests that may wait for their response; the oldest is logged without.
pub const MAX_PENDING: usize = 64;

/// Characters of a method.
const MAX_METHOD: usize = 32;

const METHODS: [&[u8]; 16] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"SEARCH ",
    b"REPORT ",
];
const RESPONSE: &[u8] = b"HTTP/1.";

/// An HTTP request with its response, if one came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Request method; empty if only the response was seen.
    pub method: String,
    /// Request target as sent.
    pub uri: String,
    /// "HTTP/1.1" or "HTTP/1.0".
    pub version: String,
    /// The host asked for: from the target or the Host header, lower case, without port.
    pub host: Option<String>,
    /// The port in the target or the Host header.
    pub port: Option<u16>,
    /// User-Agent header.
    pub user_agent: Option<String>,
    /// Referer header.
    pub referer: Option<String>,
    /// Content-Type of the response, without parameters.
    pub content_type: Option<String>,
    /// Status code of the response.
    pub status: Option<u16>,
    /// Location header of the response.
    pub location: Option<String>,
    /// Bytes of the response's body that were seen or are known to have passed.
    pub response_length: u64,
    /// Request headers in order.
    pub request_headers: Vec<(String, String)>,
}

/// A request line or a status line.
fn guess(seen: &[u8]) -> Guess {
    let start = seen.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(seen.len());
    let seen = &seen[start..];
    let mut verdict = Guess::No;
    for known in METHODS.iter().copied().chain([RESPONSE]) {
        if seen.starts_with(known) {
            return Guess::Yes;
        }
        if known.starts_with(seen) {
            verdict = Guess::More;
        }
    }
    verdict
}

/// HTTP/1, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Http,
    transport: IpProto::TCP,
    ports: &[80, 8000, 8080, 8888, 3128],
    probe,
    open: Some(|_| Box::<HttpParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    match (guess(seen), seen.strip_prefix(b"OPTIONS ")) {
        // RTSP asks alike; what it asks for tells it from HTTP.
        (Guess::Yes, Some(target)) if target.starts_with(b"rtsp:") => Guess::No,
        (Guess::Yes, Some(target)) if b"rtsp:".starts_with(target) => Guess::More,
        (guess, _) => guess,
    }
}

/// Where in its stream a side is, outside of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between two messages: anything that may be a head is one.
    #[default]
    Between,
    /// In a head.
    Head,
    /// Behind lost bytes or at the beginning of a line of nonsense: what is surely a head is one.
    LineStart,
    /// In nonsense: no head before the next line.
    MidLine,
}

#[derive(Debug, Default)]
struct Side {
    /// A head that did not come in one piece, or its first bytes.
    head: Vec<u8>,
    body: Body,
    place: Place,
}

impl Side {
    /// Forgets the message at hand.
    fn lose(&mut self, place: Place) {
        self.head = Vec::new();
        self.body = Body::None;
        self.place = place;
    }

    /// Whether these bytes begin a head.
    fn guess(&self, seen: &[u8]) -> Guess {
        match guess(seen) {
            Guess::No if self.place == Place::Between => any_method(seen),
            other => other,
        }
    }

    /// Looks for the next head; the bytes from it on, without those that `head` has already.
    fn search<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.place == Place::MidLine {
                let Some(feed) = memchr(b'\n', bytes) else { return &[] };
                bytes = &bytes[feed + 1..];
                self.place = Place::LineStart;
            } else if self.head.is_empty() {
                if matches!(byte, b'\r' | b'\n') {
                    bytes = rest;
                    continue;
                }
                match self.guess(bytes) {
                    Guess::Yes => {
                        self.place = Place::Head;
                        return bytes;
                    }
                    Guess::More => {
                        self.head.extend_from_slice(bytes);
                        return &[];
                    }
                    Guess::No => self.place = Place::MidLine,
                }
            } else {
                self.head.push(byte);
                bytes = rest;
                match self.guess(&self.head) {
                    Guess::Yes => {
                        self.place = Place::Head;
                        return bytes;
                    }
                    Guess::More => {}
                    Guess::No => self.lose(if byte == b'\n' { Place::LineStart } else { Place::MidLine }),
                }
            }
        }
        bytes
    }
}

/// A word that could be a method nobody has heard of, and a space.
fn any_method(seen: &[u8]) -> Guess {
    let word = seen.iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'-').count();
    match seen.get(word) {
        Some(b' ') if (1..=MAX_METHOD).contains(&word) => Guess::Yes,
        None if word <= MAX_METHOD => Guess::More,
        _ => Guess::No,
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct HttpParser {
    sides: [Side; 2],
    /// Requests without their response.
    pending: VecDeque<Http>,
    /// The exchange whose response is being received.
    current: Option<Http>,
    tunnel: bool,
    limits_hit: u32,
}

impl HttpParser {
    fn step(&self) -> Step {
        if self.tunnel { Step::Finished } else { Step::More }
    }

    fn on_head(&mut self, side: usize, head: &[u8], cut: bool, sink: &mut dyn Sink) {
        let Some(head) = head::parse(head) else {
            self.sides[side].lose(if cut { Place::MidLine } else { Place::LineStart });
            return;
        };
        self.sides[side].place = if cut { Place::MidLine } else { Place::Between };
        match head {
            Head::Request { http, body } => {
                self.sides[side].body = body;
                let transaction = Transaction::from(http);
                sink.inspect(&transaction);
                if let Transaction::Http(http) = transaction {
                    self.pending.push_back(*http);
                }
                if self.pending.len() > MAX_PENDING {
                    self.limits_hit += 1;
                    if let Some(http) = self.pending.pop_front() {
                        sink.log(http.into());
                    }
                }
            }
            Head::Response { status, .. } if (100..200).contains(&status) && status != 101 => {}
            Head::Response { status, version, content_type, location, body } => {
                self.end_response(sink);
                let mut http = self.pending.pop_front().unwrap_or_else(|| {
                    let lone = Http { version, ..Http::default() };
                    sink.inspect(&lone.clone().into());
                    lone
                });
                http.status = Some(status);
                http.content_type = content_type;
                http.location = location;
                let bodiless = http.method == "HEAD" || status == 204 || status == 304;
                let tunnel = status == 101 || (http.method == "CONNECT" && (200..300).contains(&status));
                self.sides[side].body = if bodiless { Body::None } else { body };
                self.current = Some(http);
                if tunnel {
                    self.tunnel = true;
                    self.log_all(sink);
                } else if self.sides[side].body == Body::None {
                    self.end_response(sink);
                }
            }
        }
    }

    fn end_response(&mut self, sink: &mut dyn Sink) {
        if let Some(http) = self.current.take() {
            sink.log(http.into());
        }
    }

    fn log_all(&mut self, sink: &mut dyn Sink) {
        self.end_response(sink);
        for http in self.pending.drain(..) {
            sink.log(http.into());
        }
    }

    /// Takes the bytes of a head; what is behind it, or `None` if it is not complete.
    fn head<'a>(&mut self, side: usize, bytes: &'a [u8], sink: &mut dyn Sink) -> Option<&'a [u8]> {
        if self.sides[side].head.is_empty()
            && let Some(end) = head::end(bytes).filter(|&end| end <= MAX_HEAD)
        {
            self.on_head(side, &bytes[..end], false, sink);
            return Some(&bytes[end..]);
        }
        let had = self.sides[side].head.len();
        let take = bytes.len().min(MAX_HEAD - had);
        self.sides[side].head.extend_from_slice(&bytes[..take]);
        let found = head::end(&self.sides[side].head);
        let full = self.sides[side].head.len() >= MAX_HEAD;
        if found.is_none() && !full {
            return None;
        }
        let head = std::mem::take(&mut self.sides[side].head);
        let end = found.unwrap_or(head.len());
        self.limits_hit += u32::from(found.is_none());
        self.on_head(side, &head[..end], found.is_none(), sink);
        Some(&bytes[end.saturating_sub(had).min(bytes.len())..])
    }
}

impl Parser for HttpParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        while !bytes.is_empty() && !self.tunnel {
            let s = &mut self.sides[side];
            if s.body == Body::None {
                if s.place != Place::Head {
                    bytes = s.search(bytes);
                    if s.place != Place::Head {
                        return Step::More;
                    }
                }
                match self.head(side, bytes, sink) {
                    Some(rest) => bytes = rest,
                    None => return Step::More,
                }
                continue;
            }
            let (used, counted) = s.body.consume(bytes);
            let ended = s.body == Body::None;
            bytes = &bytes[used..];
            if chunk.direction == Direction::ToClient {
                if let Some(http) = &mut self.current {
                    http.response_length += counted;
                }
                if ended {
                    self.end_response(sink);
                }
            }
        }
        self.step()
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        let side = &mut self.sides[direction.index()];
        if side.body.skip(missing) {
            if let (Direction::ToClient, Some(http)) = (direction, &mut self.current) {
                http.response_length += missing;
            }
        } else {
            side.lose(Place::LineStart);
        }
        if direction == Direction::ToClient && self.sides[1].body == Body::None {
            self.end_response(sink);
        }
        self.step()
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for side in 0..2 {
            // A head that never got its empty line: read what is there.
            let head = std::mem::take(&mut self.sides[side].head);
            if head.contains(&b'\n') && !self.tunnel {
                self.on_head(side, &head, true, sink);
            }
        }
        self.log_all(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}
