//! What HTTP/1 and HTTP/2 have in common: the exchange, its headers, its bodies (RFC 9110).

pub(crate) mod body;
mod brotli;
mod coding;
pub(crate) mod credentials;
pub mod headers;
mod multipart;
mod named;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod uri;
mod view;

pub use body::{MAX_HELD_FILES, MAX_HELD_OF_ONE};
pub use coding::{MAX_CODINGS, MAX_DECODED, MAX_RATIO};
pub use headers::{Headers, MAX_HEADERS};
pub use named::{body_name, upload_files};
pub use view::{HttpView, MessageView};

/// The part of a resource that a response carries: the Content-Range header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentRange {
    /// The header's value.
    pub raw: String,
    /// First byte.
    pub start: Option<u64>,
    /// Last byte.
    pub end: Option<u64>,
    /// Size of the whole resource.
    pub size: Option<u64>,
}

impl ContentRange {
    /// Reads "bytes 0-9/100", "bytes 0-9/*", "bytes */100"; `None` in place of what is not there.
    #[must_use]
    pub fn parse(raw: &str) -> Self {
        let rest = raw.trim().strip_prefix("bytes").unwrap_or(raw).trim_start();
        let (range, size) = rest.split_once('/').unwrap_or((rest, ""));
        let (start, end) = range.split_once('-').unwrap_or(("", ""));
        let number = |text: &str| text.trim().parse().ok();
        ContentRange { raw: raw.to_owned(), start: number(start), end: number(end), size: number(size) }
    }

    /// Whether it says what it should.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        match (self.start, self.end) {
            (Some(start), Some(end)) => start <= end && self.size.is_none_or(|size| end < size),
            (None, None) => self.size.is_some(),
            _ => false,
        }
    }
}

/// What only an HTTP/2 stream has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http2Stream {
    /// The stream; 0 is the connection itself.
    pub id: u32,
    /// The client's and the server's side.
    pub sides: [Http2Side; 2],
}

/// One side of an HTTP/2 stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http2Side {
    /// Settings in the order in which they were sent.
    pub settings: Vec<(u16, u32)>,
    /// Weight on the wire (0 to 255) of a PRIORITY frame or of prioritised HEADERS.
    pub priority: Option<u8>,
    /// Error code of GOAWAY or RST_STREAM.
    pub error: Option<u32>,
    /// Types of the frames that were seen, one bit each (those that RFC 9113 names).
    pub frames: u16,
    /// To what a block of headers set the size of the table of headers.
    pub table_size: Option<u32>,
    /// Increment of a WINDOW_UPDATE frame.
    pub window: Option<u32>,
}

/// An HTTP request with its response, if one came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Request method; empty if only the response was seen.
    pub method: String,
    /// Request target as sent.
    pub uri: String,
    /// The request's protocol, "HTTP/1.1"; empty for HTTP/0.9 and HTTP/2.
    pub version: String,
    /// The host asked for: from the target or the Host header, lower case, without port and brackets.
    pub host: Option<String>,
    /// The port in the target or the Host header.
    pub port: Option<u16>,
    /// User-Agent header.
    pub user_agent: Option<String>,
    /// Referer header.
    pub referer: Option<String>,
    /// X-Forwarded-For header.
    pub forwarded_for: Option<String>,
    /// Content-Type of the response, without parameters.
    pub content_type: Option<String>,
    /// Status code of the response.
    pub status: Option<u16>,
    /// What stands in place of a status code, if it is none.
    pub status_text: Option<String>,
    /// Location header of the response.
    pub location: Option<String>,
    /// Content-Range header of the response.
    pub content_range: Option<ContentRange>,
    /// Bytes of the response's body that were seen or are known to have passed, before content codings are undone.
    pub response_length: u64,
    /// Request headers in order.
    pub request_headers: Headers,
    /// Response headers in order.
    pub response_headers: Headers,
    /// HTTP/2 only.
    pub stream: Option<Box<Http2Stream>>,
}

impl Http {
    /// Whether it is an HTTP/2 stream.
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.stream.is_some()
    }

    /// The fields that request headers fill.
    pub(crate) fn take_request_headers(&mut self, headers: Headers) {
        for (name, value) in headers.iter() {
            if name.eq_ignore_ascii_case(b"host") {
                if self.host.is_none() {
                    (self.host, self.port) = uri::host_port(&headers::text(value));
                }
            } else if name.eq_ignore_ascii_case(b"user-agent") {
                self.user_agent = Some(headers::text(value));
            } else if name.eq_ignore_ascii_case(b"referer") {
                self.referer = Some(headers::text(value));
            } else if name.eq_ignore_ascii_case(b"x-forwarded-for") {
                self.forwarded_for = Some(headers::text(value));
            }
        }
        self.request_headers = headers;
    }

    /// The fields that response headers fill.
    pub(crate) fn take_response_headers(&mut self, headers: Headers) {
        for (name, value) in headers.iter() {
            if name.eq_ignore_ascii_case(b"content-type") {
                let value = headers::text(value);
                let bare = value.split(';').next().unwrap_or(&value).trim_end();
                self.content_type = Some(bare.to_owned());
            } else if name.eq_ignore_ascii_case(b"location") {
                self.location = Some(headers::text(value));
            } else if name.eq_ignore_ascii_case(b"content-range") {
                self.content_range = Some(ContentRange::parse(&headers::text(value)));
            }
        }
        self.response_headers = headers;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let of = |raw| {
            let r = ContentRange::parse(raw);
            (r.start, r.end, r.size, r.is_valid())
        };
        assert_eq!(of("bytes 0-9/100"), (Some(0), Some(9), Some(100), true));
        assert_eq!(of("bytes 5-9/*"), (Some(5), Some(9), None, true));
        assert_eq!(of("bytes */100"), (None, None, Some(100), true));
        assert_eq!(of("bytes 9-5/100"), (Some(9), Some(5), Some(100), false));
        assert_eq!(of("nonsense"), (None, None, None, false));
    }
}
