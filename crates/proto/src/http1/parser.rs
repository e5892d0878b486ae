//! Both directions of a connection: heads and bodies put together to exchanges.

use std::collections::VecDeque;

use wire::Direction;

use super::bodies::Flowing;
use super::framing::Framing;
use super::head::{self, Request, Response};
use super::side::{Found, Place, Role, Side};
use super::{Exchange, MAX_HEAD, MAX_PENDING};
use crate::http::body::Room;
use crate::http::{Http, credentials, uri};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess};
use crate::transaction::Transaction;

/// First bytes of a connection that tell who asks.
const MAX_BEGINNING: usize = 64;

/// Who asks and who answers shows in the first bytes of whoever speaks first.
#[derive(Debug, Default)]
enum Beginning {
    #[default]
    Silent,
    /// This side spoke; its bytes do not tell yet.
    Unclear(usize, Vec<u8>),
    Clear,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct HttpParser {
    pub(super) sides: [Side; 2],
    pub(super) bodies: [Option<Box<Flowing>>; 2],
    /// Requests without their response.
    pub(super) pending: VecDeque<Exchange>,
    /// Requests behind these that were logged without waiting for their responses.
    pub(super) unkept: u64,
    /// The exchange whose response is being received.
    pub(super) current: Option<Exchange>,
    /// Whether the flow's client is the one that answers: its beginning was not seen.
    pub(super) turned: bool,
    beginning: Beginning,
    pub(super) numbers: u64,
    pub(super) handles: u64,
    pub(super) held: usize,
    /// Behind an upgrade another protocol begins.
    switch: Option<Option<AppProto>>,
    pub(super) limits_hit: u32,
}

impl HttpParser {
    /// What the bytes of this side are.
    pub(super) fn role(&self, side: usize) -> Role {
        if (side == 1) == self.turned { Role::Requests } else { Role::Responses }
    }

    pub(super) fn exchange(&mut self, number: u64) -> Option<&mut Exchange> {
        let current = self.current.as_mut().filter(|e| e.number == number);
        current.or_else(|| self.pending.iter_mut().rev().find(|e| e.number == number))
    }

    fn on_request(&mut self, side: usize, head: &[u8], request: Request, sink: &mut dyn Sink) {
        let Request { http, framing } = request;
        self.numbers += 1;
        let number = self.numbers;
        let transaction = Transaction::from(http);
        sink.inspect(&transaction);
        let Transaction::Http(http) = transaction else { return };
        self.sides[side].framing = framing;
        if framing != Framing::None {
            let name = uri::path(&http.uri);
            self.begin_body(side, number, &http.request_headers, Some(name), sink);
        }
        let login = credentials::of_headers(AppProto::Http, &http.request_headers, sink);
        let mut exchange = Exchange { number, http, login, ..Exchange::default() };
        exchange.head(Direction::ToServer, head, sink);
        if framing == Framing::None {
            exchange.done(Direction::ToServer, None, sink);
        }
        if self.pending.len() >= MAX_PENDING || self.unkept > 0 {
            self.limits_hit += 1;
            self.unkept += 1;
            exchange.log(&mut self.held, sink);
        } else {
            self.pending.push_back(exchange);
        }
    }

    /// A response begins: the exchange that it belongs to becomes the current one; false if that is logged already.
    pub(super) fn answer(&mut self, sink: &mut dyn Sink) -> bool {
        self.end_response(false, sink);
        if let Some(exchange) = self.pending.pop_front() {
            self.current = Some(exchange);
        } else if self.unkept > 0 {
            self.unkept -= 1;
            return false;
        } else {
            sink.anomaly("UNABLE_TO_MATCH_RESPONSE_TO_REQUEST");
            let transaction = Transaction::from(Http::default());
            sink.inspect(&transaction);
            let Transaction::Http(http) = transaction else { return false };
            self.numbers += 1;
            self.current = Some(Exchange { number: self.numbers, http, ..Exchange::default() });
        }
        true
    }

    fn on_response(&mut self, side: usize, head: &[u8], response: Response, sink: &mut dyn Sink) {
        let Response { status, status_text, headers, framing } = response;
        // Informational, unless it has a body that it should not have.
        if status.is_some_and(|s| (100..200).contains(&s) && s != 101) && framing == Framing::UntilClose {
            return;
        }
        let kept = self.answer(sink);
        let mut lone = Http::default();
        let (http, number) = match &mut self.current {
            Some(exchange) if kept => (exchange.http.as_mut(), exchange.number),
            _ => (&mut lone, 0),
        };
        http.status = status;
        http.status_text = status_text;
        http.take_response_headers(headers);
        if http.content_range.as_ref().is_some_and(|range| !range.is_valid()) {
            sink.anomaly("RANGE_INVALID");
        }
        if let Some(exchange) = self.current.as_mut().filter(|_| kept) {
            exchange.head(Direction::ToClient, head, sink);
        }
        let http = self.current.as_ref().filter(|_| kept).map_or(&lone, |exchange| &exchange.http);
        // Behind a 204 there is no body whatever its fields say (RFC 9112 6.3), but clients take one that is there.
        self.sides[side].disputed = status == Some(204) && framing != Framing::UntilClose;
        let empty = status == Some(304) || (status == Some(204) && framing == Framing::UntilClose);
        let bodiless = http.method == "HEAD" || empty;
        let connected = http.method == "CONNECT" && status.is_some_and(|s| (200..300).contains(&s));
        let framing = if bodiless { Framing::None } else { framing };
        if status == Some(101) || connected {
            let upgrade = http.response_headers.get("upgrade").or(http.request_headers.get("upgrade"));
            self.switch = Some(upgrade.filter(|_| !connected).and_then(upgraded));
            if framing != Framing::None && framing != Framing::UntilClose && !connected {
                sink.anomaly("SWITCHING_PROTO_WITH_CONTENT_LENGTH");
            }
            self.end_response(false, sink);
            return;
        }
        self.sides[side].framing = framing;
        self.sides[side].measured = matches!(framing, Framing::Length(_));
        if framing == Framing::None {
            self.end_response(false, sink);
        } else {
            let name = uri::path(&http.uri);
            let headers = http.response_headers.clone();
            self.begin_body(side, number, &headers, Some(name), sink);
        }
    }

    /// The response at hand is over, whatever is missing of it.
    pub(super) fn end_response(&mut self, truncated: bool, sink: &mut dyn Sink) {
        for side in 0..2 {
            if self.role(side) == Role::Responses {
                self.end_body(side, truncated, sink);
            }
        }
        self.judge_unfinished(sink);
        if let Some(exchange) = self.current.take() {
            exchange.log(&mut self.held, sink);
        }
    }

    pub(super) fn on_head(&mut self, side: usize, head: &[u8], cut: bool, sink: &mut dyn Sink) {
        let role = self.role(side);
        self.sides[side].place = if cut { Place::MidLine } else { Place::Between };
        match role {
            Role::Requests => match head::request(head, sink) {
                Some(request) => self.on_request(side, head, request, sink),
                None => self.sides[side].lose(if cut { Place::MidLine } else { Place::LineStart }),
            },
            Role::Responses => {
                let response = head::response(head, sink);
                self.on_response(side, head, response, sink);
            }
        }
        if cut {
            sink.anomaly(match role {
                Role::Requests => "REQUEST_FIELD_TOO_LONG",
                Role::Responses => "RESPONSE_FIELD_TOO_LONG",
            });
        }
    }

    /// Takes the bytes of a head; what is behind it, or `None` if it is not complete.
    fn head<'a>(&mut self, side: usize, bytes: &'a [u8], sink: &mut dyn Sink) -> Option<&'a [u8]> {
        if self.sides[side].head.is_empty()
            && let Some(end) = head::end(bytes, 0).filter(|&end| end <= MAX_HEAD)
        {
            self.on_head(side, &bytes[..end], false, sink);
            return Some(&bytes[end..]);
        }
        let kept = &mut self.sides[side].head;
        let had = kept.len();
        let take = bytes.len().min(MAX_HEAD - had);
        kept.extend_from_slice(&bytes[..take]);
        // What was looked at before has no end in it.
        let from = had.saturating_sub(head::MAX_END);
        let found = head::end(kept, from);
        let full = kept.len() >= MAX_HEAD;
        if found.is_none() && !full {
            return None;
        }
        let head = std::mem::take(kept);
        let end = found.unwrap_or(head.len());
        self.limits_hit += u32::from(found.is_none());
        self.on_head(side, &head[..end], found.is_none(), sink);
        Some(&bytes[end.saturating_sub(had).min(bytes.len())..])
    }

    fn step(&self, rest: usize) -> Step {
        match self.switch {
            Some(to) => Step::Switch { rest, to },
            None => Step::More,
        }
    }
}

/// The protocol that an Upgrade header names.
fn upgraded(value: &[u8]) -> Option<AppProto> {
    let first = value.split(|&b| b == b',').next()?.trim_ascii();
    if first.eq_ignore_ascii_case(b"websocket") {
        Some(AppProto::WebSocket)
    } else if first.eq_ignore_ascii_case(b"h2c") {
        Some(AppProto::Http2)
    } else {
        None
    }
}

impl HttpParser {
    /// Finds out who asks. Bytes that were kept for that are read when it is clear.
    fn begin(&mut self, side: usize, bytes: &[u8], sink: &mut dyn Sink) -> bool {
        let (first, mut kept) = match std::mem::replace(&mut self.beginning, Beginning::Clear) {
            Beginning::Clear => return true,
            Beginning::Silent => (side, Vec::new()),
            Beginning::Unclear(first, kept) => (first, kept),
        };
        let begun = kept.len();
        if first == side {
            kept.extend_from_slice(&bytes[..bytes.len().min(MAX_BEGINNING - begun)]);
        }
        let (response, request) = (super::guess_response(&kept), super::guess_request(&kept));
        let unclear = response != Guess::Yes
            && request != Guess::Yes
            && (response == Guess::More || request == Guess::More);
        if unclear && first == side && kept.len() < MAX_BEGINNING {
            self.beginning = Beginning::Unclear(first, kept);
            return false;
        }
        self.turned = (first == 0) == (response == Guess::Yes) && response != request;
        self.read(first, &kept[..if first == side { begun } else { kept.len() }], sink);
        true
    }

    /// Takes what may be a body that should not be there, or the next answer; what is left of these bytes.
    fn settle<'a>(&mut self, side: usize, bytes: &'a [u8], sink: &mut dyn Sink) -> &'a [u8] {
        const ANSWER: &[u8] = b"HTTP/1.";
        let begun = &mut self.sides[side].head;
        let (more, rest) = bytes.split_at(bytes.len().min(ANSWER.len() - begun.len().min(ANSWER.len())));
        begun.extend_from_slice(more);
        if begun.len() < ANSWER.len() && ANSWER.starts_with(begun) {
            return rest;
        }
        let begun = std::mem::take(begun);
        self.sides[side].disputed = false;
        if begun == ANSWER {
            self.sides[side].framing = Framing::None;
            self.end_response(false, sink);
        }
        self.read(side, &begun, sink);
        rest
    }

    /// Reads the next bytes of a side; what is left of them behind an upgrade.
    fn read<'a>(&mut self, side: usize, mut bytes: &'a [u8], sink: &mut dyn Sink) -> &'a [u8] {
        if bytes.is_empty() {
            return bytes;
        }
        if self.role(side) == Role::Responses {
            self.end_simple_request(sink);
        }
        while !bytes.is_empty() && self.switch.is_none() {
            if self.sides[side].disputed {
                bytes = self.settle(side, bytes, sink);
                continue;
            }
            if self.sides[side].framing != Framing::None {
                let used = self.body(side, bytes, sink);
                bytes = &bytes[used..];
                continue;
            }
            if self.sides[side].place != Place::Head {
                match self.sides[side].search(self.role(side), bytes) {
                    Found::Head(rest) => bytes = rest,
                    Found::Nothing => return &[],
                    Found::Nonsense(rest) => {
                        self.nonsense(side, sink);
                        bytes = rest;
                        continue;
                    }
                }
            }
            match self.head(side, bytes, sink) {
                Some(rest) => bytes = rest,
                None => return &[],
            }
        }
        bytes
    }
}

impl Parser for HttpParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        if !self.begin(side, chunk.bytes, sink) {
            return Step::More;
        }
        let rest = self.read(side, chunk.bytes, sink).len();
        self.step(rest)
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        let side = direction.index();
        // What was said before it tells as much as ever.
        self.begin(1 - side, &[], sink);
        self.begin(side, &[], sink);
        let answers = self.role(side) == Role::Responses;
        let left = self.sides[side].framing.left();
        if self.sides[side].framing.skip(missing) {
            if let Some(flowing) = &mut self.bodies[side] {
                let room = &mut Room { sink, handles: &mut self.handles, limits_hit: &mut self.limits_hit };
                flowing.body.gap(missing, room);
            }
            if let (true, Some(exchange)) = (answers, &mut self.current) {
                exchange.http.response_length += missing;
            }
        } else {
            if missing > 0 {
                sink.anomaly("INVALID_GAP");
            }
            if let (Some(flowing), Some(left)) = (&mut self.bodies[side], left) {
                let room = &mut Room { sink, handles: &mut self.handles, limits_hit: &mut self.limits_hit };
                flowing.body.gap(left.min(missing), room);
                if let (true, Some(exchange)) = (answers, &mut self.current) {
                    exchange.http.response_length += left.min(missing);
                }
            }
            self.sides[side].lose(Place::LineStart);
        }
        if self.sides[side].framing == Framing::None {
            if answers { self.end_response(true, sink) } else { self.end_body(side, true, sink) }
        }
        self.step(0)
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        if let Beginning::Unclear(first, kept) = std::mem::replace(&mut self.beginning, Beginning::Clear) {
            self.read(first, &kept, sink);
        }
        for side in [0, 1] {
            // A head that never got its empty line: read what is there.
            let head = std::mem::take(&mut self.sides[side].head);
            if head.contains(&b'\n') && self.switch.is_none() {
                self.on_head(side, &head, false, sink);
            }
        }
        for side in [0, 1] {
            let cut = !matches!(self.sides[side].framing, Framing::None | Framing::UntilClose);
            self.end_body(side, cut, sink);
            self.sides[side].framing = Framing::None;
        }
        self.end_response(false, sink);
        for exchange in std::mem::take(&mut self.pending) {
            exchange.log(&mut self.held, sink);
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}
