//! Bodies of a connection while they pass: cut out of the stream, given to the exchange that they belong to.

use wire::Direction;

use super::framing::{Event, Framing};
use super::parser::HttpParser;
use super::side::Role;
use crate::http::body::{Body, Room};
use crate::http::{Headers, credentials};
use crate::parser::{FileEvent, Sink};
use crate::registry::AppProto;

/// A body, and the number of the exchange that it belongs to.
#[derive(Debug)]
pub(super) struct Flowing {
    pub(super) body: Body,
    pub(super) exchange: u64,
}

impl HttpParser {
    /// Begins a body; `side` is where it flows.
    pub(super) fn begin_body(
        &mut self,
        side: usize,
        exchange: u64,
        headers: &Headers,
        name: Option<String>,
        sink: &mut dyn Sink,
    ) {
        let direction = if side == 0 { Direction::ToServer } else { Direction::ToClient };
        let mut room = Room { sink, handles: &mut self.handles, limits_hit: &mut self.limits_hit };
        let body = Body::new(direction, headers, name, &mut room);
        self.bodies[side] = Some(Box::new(Flowing { body, exchange }));
    }

    /// A body is over, or as much of it as will be seen.
    pub(super) fn end_body(&mut self, side: usize, truncated: bool, sink: &mut dyn Sink) {
        let Some(mut flowing) = self.bodies[side].take() else { return };
        let mut room = Room { sink, handles: &mut self.handles, limits_hit: &mut self.limits_hit };
        let form = flowing.body.finish(truncated, &mut room);
        let login = form.and_then(|form| credentials::of_form(AppProto::Http, &form));
        self.keep_ended(&mut flowing, sink);
        let side = self.role(side).direction();
        if let Some(exchange) = self.exchange(flowing.exchange) {
            exchange.done(side, Some(flowing.body.kept()), sink);
            if let Some(login) = login {
                exchange.login.get_or_insert(login);
            }
        }
    }

    /// Files of a body that are over wait for their exchange, if it is not over itself.
    pub(super) fn keep_ended(&mut self, flowing: &mut Flowing, sink: &mut dyn Sink) {
        let mut held = self.held;
        match self.exchange(flowing.exchange) {
            Some(exchange) => exchange.hold(flowing.body.ended(), &mut held, sink),
            None => {
                for (handle, truncated) in flowing.body.ended() {
                    sink.file(FileEvent::Close { handle, truncated, carrier: None });
                }
            }
        }
        self.held = held;
    }

    /// As much of a body as is kept was seen: detectors do not wait for its end.
    fn judge_kept(&mut self, side: usize, flowing: &mut Flowing, sink: &mut dyn Sink) {
        if flowing.body.kept().cut {
            let kept = flowing.body.take_kept();
            let side = self.role(side).direction();
            if let Some(exchange) = self.exchange(flowing.exchange) {
                exchange.done(side, Some(&kept), sink);
            }
        }
    }

    /// A response is over before the request's body is: what is kept of that is told with it.
    pub(super) fn judge_unfinished(&mut self, sink: &mut dyn Sink) {
        let Some(exchange) = &mut self.current else { return };
        let request = usize::from(self.turned);
        if let Some(flowing) = &mut self.bodies[request]
            && flowing.exchange == exchange.number
        {
            exchange.done(Direction::ToServer, Some(&flowing.body.take_kept()), sink);
        }
    }

    /// Takes bytes of a body; how many.
    pub(super) fn body(&mut self, side: usize, bytes: &[u8], sink: &mut dyn Sink) -> usize {
        let answers = self.role(side) == Role::Responses;
        let mut content = 0;
        let mut flowing = self.bodies[side].take();
        let mut framing = self.sides[side].framing;
        let (handles, limits_hit) = (&mut self.handles, &mut self.limits_hit);
        let used = framing.consume(bytes, &mut |event| match event {
            Event::Content(piece) => {
                content += piece.len() as u64;
                if let Some(flowing) = &mut flowing {
                    flowing.body.feed(piece, &mut Room { sink, handles, limits_hit });
                }
            }
            Event::Extension => {
                sink.anomaly(if answers { "RESPONSE_CHUNK_EXTENSION" } else { "REQUEST_CHUNK_EXTENSION" });
            }
            Event::BadLength => {
                sink.anomaly(if answers {
                    "INVALID_RESPONSE_CHUNK_LEN"
                } else {
                    "INVALID_REQUEST_CHUNK_LEN"
                });
            }
        });
        self.sides[side].framing = framing;
        if answers && let Some(exchange) = &mut self.current {
            exchange.http.response_length += content;
        }
        if let Some(flowing) = &mut flowing {
            self.keep_ended(flowing, sink);
            self.judge_kept(side, flowing, sink);
        }
        self.bodies[side] = flowing;
        if framing == Framing::None {
            if answers { self.end_response(false, sink) } else { self.end_body(side, false, sink) }
        }
        used
    }
}
