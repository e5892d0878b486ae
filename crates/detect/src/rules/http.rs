//! Buffers of HTTP, byte for byte as Suricata builds them.
//!
//! What is sent in HTTP/1 comes from the raw head, not from the event: events are text, rules look at bytes.

mod body;
mod headers;
mod host;
mod line;
mod numbers;
mod uri;

use proto::{HttpView, MessageView};
use rules::Buffer;
use wire::Direction;

pub use self::numbers::numbers;
use super::view::Instances;

/// One side of an exchange.
#[derive(Clone, Copy, Debug)]
struct Side<'a> {
    message: MessageView<'a>,
    headers: &'a proto::http::Headers,
    direction: Direction,
    http2: bool,
}

impl<'a> Side<'a> {
    fn of(view: &HttpView<'a>, direction: Direction) -> Self {
        let http = view.http;
        let (message, headers) = match direction {
            Direction::ToServer => (view.request, &http.request_headers),
            Direction::ToClient => (view.response, &http.response_headers),
        };
        Side { message, headers, direction, http2: http.is_http2() }
    }

    /// Whether there is anything of it.
    fn is_there(&self) -> bool {
        !self.message.head.is_empty() || !self.headers.is_empty() || !self.message.body.is_empty()
    }
}

/// Appends the instances of a buffer that this side of the exchange has; none if the other side has it.
pub fn instances<'a>(view: &HttpView<'a>, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    let side = Side::of(view, direction);
    if !side.is_there() {
        return;
    }
    let request = direction == Direction::ToServer;
    let value = |name: &str, out: &mut Instances<'a>| headers::value(side.headers, name, out);
    match buffer {
        Buffer::HttpUri if request => uri::normalized(view, out),
        Buffer::HttpRawUri if request => out.borrow(line::target(view)),
        Buffer::HttpMethod if request => out.borrow(line::method(view)),
        Buffer::HttpRequestLine if request => line::first(view, &side, out),
        Buffer::HttpResponseLine if !request => line::first(view, &side, out),
        Buffer::HttpProtocol => line::protocol(view, &side, out),
        Buffer::HttpStatCode if !request => line::status(view, &side, out),
        Buffer::HttpStatMsg if !request => line::status_message(&side, out),
        Buffer::HttpHeader => headers::all(&side, out),
        Buffer::HttpRawHeader => headers::raw(&side, out),
        Buffer::HttpRequestHeader if request => headers::each(&side, out),
        Buffer::HttpResponseHeader if !request => headers::each(&side, out),
        Buffer::HttpHeaderNames => headers::names(&side, out),
        Buffer::Http2HeaderName if side.http2 => side.headers.iter().for_each(|(name, _)| out.borrow(name)),
        Buffer::HttpStart => headers::start(view, &side, out),
        Buffer::HttpHost if request => host::normalized(view, out),
        Buffer::HttpRawHost if request => host::raw(view, out),
        Buffer::HttpUserAgent if request => value("user-agent", out),
        Buffer::HttpReferer if request => value("referer", out),
        Buffer::HttpAccept if request => value("accept", out),
        Buffer::HttpAcceptLang if request => value("accept-language", out),
        Buffer::HttpAcceptEnc if request => value("accept-encoding", out),
        Buffer::HttpConnection => value("connection", out),
        Buffer::HttpContentLen => value("content-length", out),
        Buffer::HttpContentType => value("content-type", out),
        Buffer::HttpCookie => value(headers::cookie(direction), out),
        Buffer::HttpLocation if !request => value("location", out),
        Buffer::HttpServer if !request => value("server", out),
        Buffer::HttpRequestBody if request => body::whole(&side, out),
        Buffer::HttpResponseBody if !request => body::whole(&side, out),
        Buffer::FileData => body::files(&side, out),
        Buffer::FileName => body::file_names(view, &side, out),
        Buffer::FileMagic => body::file_magic(&side, out),
        _ => {}
    }
}

#[cfg(test)]
#[path = "http/tests.rs"]
mod tests;
