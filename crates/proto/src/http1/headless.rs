//! Messages without a head: HTTP/0.9 and its likes, and what is no message at all.

use wire::Direction;

use super::framing::Framing;
use super::parser::HttpParser;
use super::side::{Place, Role};
use crate::http::{Headers, uri};
use crate::parser::Sink;

impl HttpParser {
    /// A request line without a version is the whole request (HTTP/0.9) if an answer comes behind it.
    pub(super) fn end_simple_request(&mut self, sink: &mut dyn Sink) {
        for side in 0..2 {
            let head = &self.sides[side].head;
            if self.role(side) == Role::Requests
                && self.sides[side].place == Place::Head
                && !head.strip_suffix(b"\n").unwrap_or(head).contains(&b'\n')
                && memchr::memmem::find(head, b" HTTP/").is_none()
            {
                let head = std::mem::take(&mut self.sides[side].head);
                self.on_head(side, &head, false, sink);
            }
        }
    }

    /// No head where one is due.
    pub(super) fn nonsense(&mut self, side: usize, sink: &mut dyn Sink) {
        let answers = self.role(side) == Role::Responses;
        if answers && (!self.pending.is_empty() || self.unkept > 0) {
            // A server that answers without a head (HTTP/0.9): all that it says is the body.
            let kept = self.answer(sink);
            if let Some(exchange) = self.current.as_mut().filter(|_| kept) {
                exchange.head(Direction::ToClient, &[], sink);
            }
            self.sides[side].framing = Framing::UntilClose;
            self.sides[side].place = Place::Between;
            let (number, name) = match &self.current {
                Some(exchange) if kept => (exchange.number, uri::path(&exchange.http.uri)),
                _ => (0, String::new()),
            };
            self.begin_body(side, number, &Headers::default(), Some(name), sink);
            let held = std::mem::take(&mut self.sides[side].head);
            self.body(side, &held, sink);
        } else {
            if self.numbers > 0 {
                sink.anomaly(match (answers, self.sides[side].measured) {
                    (true, true) => "CONTENT_LENGTH_EXTRA_DATA_END",
                    (true, false) => "RESPONSE_BODY_UNEXPECTED",
                    (false, _) => "REQUEST_BODY_UNEXPECTED",
                });
            }
            self.sides[side].lose(Place::MidLine);
        }
    }
}
