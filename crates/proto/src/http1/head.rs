//! Reading a head: request line or status line, and headers (RFC 9112 sections 2 to 6).
//!
//! Lenient: whatever a server or an implant could make sense of is read, and what is wrong with it is told.

use memchr::memchr;

use super::framing::{Chunked, Framing};
use crate::http::body::joined;
use crate::http::headers::{Headers, text};
use crate::http::{Http, uri};
use crate::parser::Sink;

/// Spaces and carriage returns that an empty line may have.
const MAX_BLANKS: usize = 3;
/// The longest end of a head.
pub(super) const MAX_END: usize = MAX_BLANKS + 4;

/// A request's head.
pub(super) struct Request {
    pub(super) http: Http,
    pub(super) framing: Framing,
}

/// A response's head.
pub(super) struct Response {
    pub(super) status: Option<u16>,
    pub(super) status_text: Option<String>,
    pub(super) headers: Headers,
    pub(super) framing: Framing,
}

/// Where the head ends: behind the empty line, with or without carriage returns. No line before `from` does.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(feed) = memchr(b'\n', &bytes[at..]) {
        at += feed + 1;
        let blanks =
            bytes[at..].iter().take(MAX_BLANKS).take_while(|b| matches!(b, b'\r' | b' ' | b'\t')).count();
        let (blank, behind) = bytes[at..].split_at(blanks);
        // What has blanks is an empty line only behind one that ends without a carriage return.
        let empty = matches!(blank, [] | [b'\r']) || !bytes[..at].ends_with(b"\r\n");
        if empty && behind.first() == Some(&b'\n') {
            return Some(at + blanks + 1);
        }
    }
    None
}

/// Anomalies of the two kinds of heads.
struct Names {
    missing_colon: &'static str,
    not_token: &'static str,
    space_after_name: &'static str,
    repetition: &'static str,
    bad_length: &'static str,
    two_lengths: &'static str,
    coding: &'static str,
    too_many: &'static str,
    folding: &'static str,
}

const REQUEST: Names = Names {
    missing_colon: "REQUEST_FIELD_MISSING_COLON",
    not_token: "REQUEST_HEADER_NAME_NOT_TOKEN",
    space_after_name: "REQUEST_INVALID_LWS_AFTER_NAME",
    repetition: "REQUEST_HEADER_REPETITION",
    bad_length: "INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST",
    two_lengths: "DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST",
    coding: "INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST",
    too_many: "REQUEST_TOO_MANY_HEADERS",
    folding: "INVALID_REQUEST_FIELD_FOLDING",
};
const RESPONSE: Names = Names {
    missing_colon: "RESPONSE_FIELD_MISSING_COLON",
    not_token: "RESPONSE_HEADER_NAME_NOT_TOKEN",
    space_after_name: "RESPONSE_INVALID_LWS_AFTER_NAME",
    repetition: "RESPONSE_HEADER_REPETITION",
    bad_length: "INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE",
    two_lengths: "DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE",
    coding: "RESPONSE_ABNORMAL_TRANSFER_ENCODING",
    too_many: "RESPONSE_TOO_MANY_HEADERS",
    folding: "INVALID_RESPONSE_FIELD_FOLDING",
};

/// Lines of a head: without their ends, those that go on on the next line joined.
fn headers(lines: &[u8], names: &Names, sink: &mut dyn Sink) -> Headers {
    let mut headers = Headers::default();
    let mut folded: Vec<u8> = Vec::new();
    let mut rest = lines;
    let mut full = false;
    while !rest.is_empty() {
        let (mut line, mut behind) = line(rest);
        if let Some(bare) = memchr(b'\r', line)
            && is_header(&line[bare + 1..])
        {
            // Some take a carriage return alone for the end of a line.
            sink.anomaly("DEFORMED_EOL");
            (line, behind) = (&line[..bare], &rest[bare + 1..]);
        }
        rest = behind;
        let goes_on = matches!(rest.first(), Some(b' ' | b'\t' | 0)) && {
            // Servers and clients disagree on what looks like a header of its own: it is taken for one.
            let header = is_header(self::line(rest).0);
            if header {
                sink.anomaly(names.folding);
            }
            !header
        };
        if goes_on || !folded.is_empty() {
            if !folded.is_empty() {
                folded.push(b' ');
            }
            folded.extend_from_slice(line.trim_ascii());
            if goes_on {
                continue;
            }
        }
        let line = if folded.is_empty() { line } else { folded.as_slice() };
        if line.is_empty() {
            continue;
        }
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], line[colon + 1..].trim_ascii()),
            None => {
                sink.anomaly(names.missing_colon);
                (&[][..], line.trim_ascii())
            }
        };
        let bare = trim(name);
        if bare.len() < name.len() {
            sink.anomaly(names.space_after_name);
        }
        if !name.iter().all(|&b| is_token(b) || matches!(b, b' ' | b'\t')) {
            sink.anomaly(names.not_token);
        }
        full |= !match (bare.contains(&0), value.contains(&0)) {
            (false, false) => headers.push(bare, value),
            _ => headers.push(&without_zeros(bare), &without_zeros(value)),
        };
        folded.clear();
    }
    if full {
        sink.anomaly(names.too_many);
    }
    let all: Vec<&[u8]> = headers.iter().map(|(name, _)| name).collect();
    let repeated = |(at, name): (usize, &&[u8])| {
        !name.is_empty() && all[..at].iter().any(|earlier| earlier.eq_ignore_ascii_case(name))
    };
    if all.iter().enumerate().any(repeated) {
        sink.anomaly(names.repetition);
    }
    headers
}

/// Some read over zeros, so others hide headers with them.
fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|&b| b != 0).collect()
}

/// Without white space around it, vertical tabs included.
fn trim(mut bytes: &[u8]) -> &[u8] {
    let space = |b: &u8| b.is_ascii_whitespace() || *b == 0x0b;
    while let Some((_, rest)) = bytes.split_first().filter(|(b, _)| space(b)) {
        bytes = rest;
    }
    while let Some((_, rest)) = bytes.split_last().filter(|(b, _)| space(b)) {
        bytes = rest;
    }
    bytes
}

/// Whether a line is a name and a colon.
fn is_header(line: &[u8]) -> bool {
    memchr(b':', line).is_some_and(|colon| {
        let name = trim(&line[..colon]);
        !name.is_empty() && name.iter().all(|&b| is_token(b))
    })
}

/// What stands in methods that servers were seen to answer: tokens, and more.
pub(super) fn in_method(byte: u8) -> bool {
    is_token(byte) || byte == b'/' || !byte.is_ascii()
}

/// A character of a token (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The first line without its end, and what follows it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr(b'\n', bytes) {
        Some(feed) => (&bytes[..feed], &bytes[feed + 1..]),
        None => (bytes, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Whether it is a method that RFC 9110 or an extension of it names.
fn is_known(method: &[u8]) -> bool {
    super::METHODS.iter().any(|known| known.strip_suffix(b" ") == Some(method))
}

/// Reads a request's head, if its first line is one.
pub(super) fn request(head: &[u8], sink: &mut dyn Sink) -> Option<Request> {
    let (first, rest) = line(head);
    let (method, target, version) = request_line(first, sink)?;
    let mut http = Http { method, uri: target, version, ..Http::default() };
    let headers = headers(rest, &REQUEST, sink);
    let framing = framing(&headers, &REQUEST, sink).unwrap_or(Framing::None);
    let named = headers.get("host").is_some();
    http.take_request_headers(headers);
    if !named && http.version == "HTTP/1.1" {
        sink.anomaly("MISSING_HOST_HEADER");
    }
    if http.host.as_deref().is_some_and(|host| !is_host(host)) {
        sink.anomaly("REQUEST_HEADER_HOST_INVALID");
    }
    // The target's own host goes before the header's (RFC 9112 section 3.2.2).
    let connect = http.method == "CONNECT";
    let authority = if connect { Some(http.uri.as_str()) } else { uri::authority(&http.uri) };
    if let Some((host, port)) = authority.map(uri::host_port) {
        if host.as_deref().is_some_and(|host| !is_host(host)) {
            sink.anomaly("REQUEST_URI_HOST_INVALID");
        }
        if http.host.is_some() && http.host != host {
            sink.anomaly("HOST_HEADER_AMBIGUOUS");
        }
        if host.as_deref().is_some_and(is_host) || http.host.is_none() {
            (http.host, http.port) = (host, port);
        }
    }
    Some(Request { http, framing })
}

/// Whether a host looks like one.
fn is_host(host: &str) -> bool {
    const MAX_NAME: usize = 255;
    const MAX_LABEL: usize = 63;
    host.contains(':')
        || (host.len() <= MAX_NAME
            && host.split('.').all(|l| !l.is_empty() && l.len() <= MAX_LABEL)
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')))
}

/// Method, target, version. The version is the last word, whatever spaces the target has; HTTP/0.9 has none.
fn request_line(first: &[u8], sink: &mut dyn Sink) -> Option<(String, String, String)> {
    let first = first.trim_ascii_end();
    let space = first.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(first.len());
    let (method, rest) = (&first[..space], first[space..].trim_ascii());
    if method.is_empty() || !method.iter().all(|&b| in_method(b)) {
        return None;
    }
    let (target, version) = match rest.iter().rposition(|b| matches!(b, b' ' | b'\t')) {
        Some(at) => (rest[..at].trim_ascii_end(), &rest[at + 1..]),
        None => (rest, &[][..]),
    };
    let is_version = |v: &[u8]| v.len() > 3 && v[..4].eq_ignore_ascii_case(b"HTTP") || v.starts_with(b"SIP/");
    let (target, version) = if is_version(version) { (target, version) } else { (rest, &[][..]) };
    if version.is_empty() {
        sink.anomaly("REQUEST_LINE_MISSING_PROTOCOL");
    }
    if !is_known(method) {
        sink.anomaly(match version {
            // One word alone may be anything.
            b"" if target.is_empty() => "REQUEST_LINE_UNKNOWN_METHOD",
            b"" => "REQUEST_LINE_UNKNOWN_METHOD_NO_PROTOCOL",
            b"HTTP/0.9" | b"HTTP/1.0" | b"HTTP/1.1" => "REQUEST_LINE_UNKNOWN_METHOD",
            _ => "REQUEST_LINE_UNKNOWN_METHOD_INVALID_PROTOCOL",
        });
    }
    Some((text(method), text(target), text(version)))
}

/// Whether bytes that begin like this are a response's head; `None` if it does not show yet.
pub(super) fn is_response(bytes: &[u8]) -> Option<bool> {
    let bytes = bytes.trim_ascii_start();
    let had = bytes.len().min(4);
    match bytes[..had].eq_ignore_ascii_case(&b"HTTP"[..had]) {
        true if had < 4 => None,
        same => Some(same),
    }
}

/// Reads a response's head.
pub(super) fn response(head: &[u8], sink: &mut dyn Sink) -> Response {
    let (mut first, mut rest) = line(head);
    if let Some(bare) = memchr(b'\r', first.trim_ascii()) {
        sink.anomaly("DEFORMED_EOL");
        (first, rest) = (&first[..bare], &head[bare + 1..]);
    }
    let first = first.trim_ascii();
    let (version, behind) = split_word(first);
    let (status, _) = split_word(behind);
    if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0" | b"HTTP/0.9") {
        sink.anomaly("RESPONSE_LINE_INVALID_PROTOCOL");
    }
    let digits = status.len() == 3 && status.iter().all(u8::is_ascii_digit);
    let code = text(status).parse().ok().filter(|&code| digits && code >= 100);
    let status_text = (code.is_none() && !status.is_empty()).then(|| text(status));
    if code.is_none() {
        sink.anomaly("RESPONSE_LINE_INVALID_RESPONSE_STATUS");
    }
    let headers = headers(rest, &RESPONSE, sink);
    let framing = framing(&headers, &RESPONSE, sink).unwrap_or(Framing::UntilClose);
    if matches!(framing, Framing::Chunked(_)) && version != b"HTTP/1.1" {
        sink.anomaly("RESPONSE_CHUNKED_OLD_PROTO");
    }
    Response { status: code, status_text, headers, framing }
}

/// The first word, and what follows its space.
fn split_word(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
    (&bytes[..end], bytes[end..].trim_ascii_start())
}

/// Where the body of a message with these headers ends, if they say it.
fn framing(headers: &Headers, names: &Names, sink: &mut dyn Sink) -> Option<Framing> {
    if let Some(coding) = joined(headers, "transfer-encoding") {
        let coding = coding.to_ascii_lowercase();
        if coding.trim_ascii() != b"chunked" {
            sink.anomaly(names.coding);
        }
        if memchr::memmem::find(&coding, b"chunked").is_some() {
            return Some(Framing::Chunked(Chunked::Start));
        }
    }
    let mut lengths = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
    let mut length = largest(lengths.next()?.1);
    for (_, another) in lengths {
        sink.anomaly(names.two_lengths);
        length = length.max(largest(another));
    }
    match length {
        Some(0) => Some(Framing::None),
        Some(n) => Some(Framing::Length(n)),
        None => {
            sink.anomaly(names.bad_length);
            None
        }
    }
}

/// The largest number in a length: of several the one that hides nothing.
fn largest(value: &[u8]) -> Option<u64> {
    let numbers = value.split(|b| !b.is_ascii_digit()).filter(|digits| !digits.is_empty());
    numbers.filter_map(|digits| text(digits).parse().ok()).max()
}
