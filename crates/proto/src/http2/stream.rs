//! Streams under way: two sides of headers and bodies, put together to a transaction.

use std::collections::BTreeMap;

use wire::Direction;

use super::frame::{CONTINUATION, DATA};
use crate::http::body::{Body, Room};
use crate::http::headers::{Headers, text};
use crate::http::{Http, Http2Stream, credentials, uri};
use crate::http1::Exchange;
use crate::parser::Sink;
use crate::registry::AppProto;
use crate::transaction::Transaction;

/// Streams that may be open at once; the oldest is logged as it is.
pub const MAX_STREAMS: usize = 256;

/// Bytes of headers that open streams may keep; beyond them the oldest is logged as it is.
pub const MAX_KEPT: usize = 512 * 1024;
/// Layers of codings that are undone at once on a connection; one of brotli counts four times. Beyond them the oldest
/// body is not decoded any further.
pub const MAX_DECODING: usize = 16;

/// Bytes of bodies that are kept for detectors on a connection; beyond them no more is kept of a body.
pub const MAX_KEPT_BODIES: usize = 2 * 1024 * 1024;

#[derive(Debug)]
struct Stream {
    exchange: Exchange,
    bodies: [Option<Body>; 2],
    /// Headers were seen of this side.
    spoke: [bool; 2],
    ended: [bool; 2],
    inspected: bool,
    /// Bytes of its headers.
    size: usize,
}

/// All open streams of a connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<u32, Stream>,
    handles: u64,
    held: usize,
    /// Bytes of headers of all that are open.
    kept: usize,
    /// Bytes of bodies that are kept of all that are open.
    kept_bodies: usize,
    pub(super) limits_hit: u32,
}

impl Stream {
    fn new(id: u32) -> Self {
        let stream = Box::new(Http2Stream { id, ..Http2Stream::default() });
        let http = Box::new(Http { stream: Some(stream), ..Http::default() });
        Stream {
            exchange: Exchange { number: id.into(), http, ..Exchange::default() },
            bodies: [None, None],
            spoke: [false; 2],
            ended: [false; 2],
            inspected: false,
            size: 0,
        }
    }

    fn side(&mut self, direction: Direction) -> Option<&mut crate::http::Http2Side> {
        self.exchange.http.stream.as_mut().map(|stream| &mut stream.sides[direction.index()])
    }

    /// One side will say no more, or is given up.
    fn finish(
        &mut self,
        direction: Direction,
        held: &mut usize,
        kept_bodies: &mut usize,
        room: &mut Room<'_>,
    ) {
        let at = direction.index();
        let mut kept = None;
        if let Some(mut body) = self.bodies[at].take() {
            let had = body.kept().bytes.len();
            if let Some(form) = body.finish(!self.ended[at], room) {
                let login = credentials::of_form(AppProto::Http2, &form);
                self.exchange.login = self.exchange.login.take().or(login);
            }
            self.exchange.hold(body.ended(), held, room.sink);
            *kept_bodies = kept_bodies.saturating_sub(had);
            kept = Some(body.take_kept());
        }
        self.exchange.done(direction, kept.as_ref(), room.sink);
    }

    fn inspect(&mut self, sink: &mut dyn Sink) {
        if !std::mem::replace(&mut self.inspected, true) {
            let transaction = Transaction::Http(std::mem::take(&mut self.exchange.http));
            sink.inspect(&transaction);
            if let Transaction::Http(http) = transaction {
                self.exchange.http = http;
            }
        }
    }
}

impl Streams {
    fn stream(&mut self, id: u32, sink: &mut dyn Sink) -> &mut Stream {
        if self.open.len() >= MAX_STREAMS && !self.open.contains_key(&id) {
            self.limits_hit += 1;
            sink.anomaly("too_many_streams");
            if let Some((_, stream)) = self.open.pop_first() {
                self.log(stream, sink);
            }
        }
        self.open.entry(id).or_insert_with(|| Stream::new(id))
    }

    /// A frame of the connection itself.
    pub(super) fn connection(
        &mut self,
        direction: Direction,
        fill: impl FnOnce(&mut crate::http::Http2Side),
        sink: &mut dyn Sink,
    ) {
        let mut stream = Stream::new(0);
        if let Some(side) = stream.side(direction) {
            fill(side);
        }
        self.log(stream, sink);
    }

    /// A frame of that type was seen on a stream that is open.
    pub(super) fn frame(&mut self, direction: Direction, id: u32, kind: u8) {
        if let Some(side) = self.open.get_mut(&id).and_then(|stream| stream.side(direction)) {
            side.frames |= frame_bit(kind);
        }
    }

    /// A block of headers of an open stream has set the size of the table of headers.
    pub(super) fn table_size(&mut self, direction: Direction, id: u32, size: u32) {
        if let Some(side) = self.open.get_mut(&id).and_then(|stream| stream.side(direction)) {
            side.table_size = Some(size);
        }
    }

    /// A frame that is nothing to be logged: only rules that ask for frames look at it, whatever has become of its stream.
    pub(super) fn alone(
        &mut self,
        direction: Direction,
        id: u32,
        kind: u8,
        window: Option<u32>,
        sink: &mut dyn Sink,
    ) {
        if !sink.keep().frames {
            return;
        }
        let mut stream = Stream::new(id);
        if let Some(side) = stream.side(direction) {
            side.frames = frame_bit(kind);
            side.window = window;
        }
        stream.exchange.head(direction, &[], sink);
        stream.exchange.done(direction, None, sink);
    }

    pub(super) fn priority(&mut self, direction: Direction, id: u32, weight: u8, sink: &mut dyn Sink) {
        if let Some(side) = self.stream(id, sink).side(direction) {
            side.priority = Some(weight);
        }
    }

    /// The stream is given up.
    pub(super) fn reset(&mut self, direction: Direction, id: u32, code: u32, sink: &mut dyn Sink) {
        // One that is over already is not opened anew for it.
        if let Some(mut stream) = self.open.remove(&id) {
            if let Some(side) = stream.side(direction) {
                side.error = Some(code);
            }
            self.log(stream, sink);
        }
    }

    /// A block of headers, or of trailers.
    pub(super) fn headers(&mut self, direction: Direction, id: u32, headers: Headers, sink: &mut dyn Sink) {
        let at = direction.index();
        let informational = headers.get(":status").is_some_and(|s| s.starts_with(b"1"));
        let stream = self.stream(id, sink);
        if informational || std::mem::replace(&mut stream.spoke[at], true) {
            return;
        }
        let size = headers.size();
        stream.size += size;
        match direction {
            Direction::ToServer => request(stream, headers, sink),
            Direction::ToClient => response(stream, headers, sink),
        }
        stream.exchange.head(direction, &[], sink);
        self.kept += size;
        while self.kept > MAX_KEPT
            && let Some((_, oldest)) = self.open.pop_first()
        {
            self.limits_hit += 1;
            sink.anomaly("too_many_streams");
            self.log(oldest, sink);
        }
    }

    /// Content of a DATA frame.
    pub(super) fn data(&mut self, direction: Direction, id: u32, bytes: &[u8], sink: &mut dyn Sink) {
        self.content(direction, id, bytes.len() as u64, sink, |body, room| body.feed(bytes, room));
    }

    /// Content that was lost.
    pub(super) fn gap(&mut self, direction: Direction, id: u32, missing: u64, sink: &mut dyn Sink) {
        self.content(direction, id, missing, sink, |body, room| body.gap(missing, room));
    }

    fn content(
        &mut self,
        direction: Direction,
        id: u32,
        length: u64,
        sink: &mut dyn Sink,
        work: impl FnOnce(&mut Body, &mut Room<'_>),
    ) {
        let begins = self.open.get(&id).is_some_and(|stream| stream.bodies[direction.index()].is_none());
        if begins {
            self.make_room(sink);
        }
        let Streams { open, handles, held, limits_hit, kept_bodies, .. } = self;
        let at = direction.index();
        // What comes behind the end of a side is no part of it.
        let Some(stream) = open.get_mut(&id).filter(|stream| !stream.ended[at]) else { return };
        let http = &mut stream.exchange.http;
        if direction == Direction::ToClient {
            http.response_length += length;
        }
        if let Some(side) = http.stream.as_mut().map(|stream| &mut stream.sides[at]) {
            side.frames |= frame_bit(DATA);
        }
        let mut room = Room { sink, handles, limits_hit };
        let headers = match direction {
            Direction::ToServer => &http.request_headers,
            Direction::ToClient => &http.response_headers,
        };
        let body = stream.bodies[at].get_or_insert_with(|| Body::new(direction, headers, None, &mut room));
        let had = body.kept().bytes.len();
        body.keep_at_most(MAX_KEPT_BODIES.saturating_sub(*kept_bodies));
        work(body, &mut room);
        stream.exchange.hold(body.ended(), held, sink);
        *kept_bodies += body.kept().bytes.len().saturating_sub(had);
        if body.kept().cut {
            // As much of it as is kept was seen: detectors do not wait for its end.
            *limits_hit += u32::from(body.lacks_room());
            let kept = body.take_kept();
            *kept_bodies = kept_bodies.saturating_sub(kept.bytes.len());
            stream.exchange.done(direction, Some(&kept), sink);
        }
    }

    /// Before another body begins.
    fn make_room(&mut self, sink: &mut dyn Sink) {
        let mut bodies: Vec<&mut Body> =
            self.open.values_mut().flat_map(|stream| stream.bodies.iter_mut().flatten()).collect();
        let mut weight: usize = bodies.iter().map(|body| body.weight()).sum();
        for body in &mut bodies {
            if weight < MAX_DECODING {
                break;
            }
            let held = body.weight();
            if held > 0 {
                body.give_up();
                self.limits_hit += 1;
                sink.anomaly("too_many_decoders");
            }
            weight -= held;
        }
    }

    /// One side will say no more on this stream.
    pub(super) fn end(&mut self, direction: Direction, id: u32, sink: &mut dyn Sink) {
        let Streams { open, handles, held, limits_hit, kept_bodies, .. } = self;
        let Some(stream) = open.get_mut(&id) else { return };
        stream.ended[direction.index()] = true;
        stream.finish(direction, held, kept_bodies, &mut Room { sink, handles, limits_hit });
        if stream.ended == [true; 2]
            && let Some(stream) = self.open.remove(&id)
        {
            self.log(stream, sink);
        }
    }

    /// The connection is over.
    pub(super) fn close(&mut self, sink: &mut dyn Sink) {
        while let Some((_, stream)) = self.open.pop_first() {
            self.log(stream, sink);
        }
    }

    fn log(&mut self, mut stream: Stream, sink: &mut dyn Sink) {
        self.kept -= stream.size;
        stream.inspect(sink);
        let Streams { handles, held, limits_hit, kept_bodies, .. } = self;
        for direction in [Direction::ToServer, Direction::ToClient] {
            // Frames that are no headers are something to look at too.
            if stream.side(direction).is_some_and(|side| *side != crate::http::Http2Side::default()) {
                stream.exchange.head(direction, &[], sink);
            }
            stream.finish(direction, held, kept_bodies, &mut Room { sink, handles, limits_hit });
        }
        stream.exchange.log(held, sink);
    }
}

/// The bit of a type of frames; none of those that RFC 9113 does not name.
fn frame_bit(kind: u8) -> u16 {
    if kind <= CONTINUATION { 1 << kind } else { 0 }
}

fn request(stream: &mut Stream, headers: Headers, sink: &mut dyn Sink) {
    let http = &mut stream.exchange.http;
    let pseudo = |name| headers.get(name).map(text);
    http.method = pseudo(":method").unwrap_or_default();
    http.uri = pseudo(":path").unwrap_or_default();
    let authority = pseudo(":authority");
    if let (Some(authority), Some(host)) = (&authority, headers.get("host"))
        && !authority.as_bytes().eq_ignore_ascii_case(host)
    {
        sink.anomaly("authority_host_mismatch");
    }
    if let Some(authority) = authority {
        if authority.contains('@') {
            sink.anomaly("user_info_in_uri");
        }
        (http.host, http.port) = uri::host_port(authority.rsplit('@').next().unwrap_or(&authority));
    }
    stream.exchange.login = credentials::of_headers(AppProto::Http2, &headers, sink);
    http.take_request_headers(headers);
    stream.inspect(sink);
}

fn response(stream: &mut Stream, headers: Headers, sink: &mut dyn Sink) {
    // Detectors see a request before its response, or a response that has none.
    stream.inspect(sink);
    let http = &mut stream.exchange.http;
    let status = headers.get(":status").map(text).unwrap_or_default();
    http.status = status.parse().ok();
    if http.status.is_none() && !status.is_empty() {
        http.status_text = Some(status);
    }
    http.take_response_headers(headers);
    if http.content_range.as_ref().is_some_and(|range| !range.is_valid()) {
        sink.anomaly("invalid_range");
    }
}
