//! Reading a head: request line or status line, and headers.

use memchr::memchr;

use super::body::{Body, Chunked};
use super::{Http, MAX_HEADERS, RESPONSE};

/// A head that was read.
pub(super) enum Head {
    /// A request and the body that follows it.
    Request { http: Http, body: Body },
    /// A response and the body that follows it.
    Response {
        status: u16,
        version: String,
        content_type: Option<String>,
        location: Option<String>,
        body: Body,
    },
}

/// Where the head ends: behind the empty line, with or without carriage returns.
pub(super) fn end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(feed) = memchr(b'\n', &bytes[at..]) {
        at += feed + 1;
        match bytes.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
    None
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).into_owned()
}

pub(super) fn parse(head: &[u8]) -> Option<Head> {
    let mut lines = head.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let first = lines.next()?;
    let headers = lines
        .filter_map(|line| {
            let colon = memchr(b':', line)?;
            Some((line[..colon].trim_ascii(), &line[colon + 1..]))
        })
        .take(MAX_HEADERS);
    if first.starts_with(RESPONSE) { response(first, headers) } else { request(first, headers) }
}

fn request<'a>(first: &[u8], headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Head> {
    let space = memchr(b' ', first)?;
    let (method, rest) = (&first[..space], first[space + 1..].trim_ascii());
    if method.is_empty() || !method.iter().all(|b| b.is_ascii_alphabetic() || *b == b'-') {
        return None;
    }
    // The version is the last word, whatever spaces the target has; HTTP/0.9 has none.
    let (uri, version) = match rest.iter().rposition(|&b| b == b' ') {
        Some(at) if rest[at + 1..].starts_with(b"HTTP/") => (&rest[..at], text(&rest[at + 1..])),
        _ => (rest, String::new()),
    };
    let mut http = Http { method: text(method), uri: text(uri), version, ..Http::default() };
    let mut body = Body::None;
    for (name, value) in headers {
        let value = text(value);
        match name.to_ascii_lowercase().as_slice() {
            b"host" if http.host.is_none() => (http.host, http.port) = host_port(&value),
            b"user-agent" => http.user_agent = Some(value.clone()),
            b"referer" => http.referer = Some(value.clone()),
            b"content-length" if body == Body::None => body = length(&value),
            b"transfer-encoding" if is_chunked(&value) => body = Body::Chunked(Chunked::Size(0)),
            _ => {}
        }
        http.request_headers.push((text(name), value));
    }
    // The target's own host goes before the header's (RFC 9112 section 3.2.2).
    let absolute = http.uri.split_once("://").map(|(_, rest)| rest);
    if let Some(rest) = absolute.filter(|_| !http.uri.starts_with('/')) {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        (http.host, http.port) = host_port(authority);
    } else if http.method == "CONNECT" {
        (http.host, http.port) = host_port(&http.uri);
    }
    Some(Head::Request { http, body })
}

fn response<'a>(first: &[u8], headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<Head> {
    let mut words = first.split(|&b| b == b' ').filter(|w| !w.is_empty());
    let version = text(words.next()?);
    let status = text(words.next()?).parse().ok()?;
    let (mut content_type, mut location, mut body) = (None, None, Body::UntilClose);
    for (name, value) in headers {
        let value = text(value);
        match name.to_ascii_lowercase().as_slice() {
            b"content-type" => {
                content_type = value.split(';').next().map(|t| t.trim().to_owned());
            }
            b"location" => location = Some(value),
            b"content-length" if body == Body::UntilClose => body = length(&value),
            b"transfer-encoding" if is_chunked(&value) => body = Body::Chunked(Chunked::Size(0)),
            _ => {}
        }
    }
    Some(Head::Response { status, version, content_type, location, body })
}

fn is_chunked(value: &str) -> bool {
    value.to_ascii_lowercase().contains("chunked")
}

fn length(value: &str) -> Body {
    match value.parse() {
        Ok(0) | Err(_) => Body::None,
        Ok(n) => Body::Length(n),
    }
}

/// "host:port" taken apart; lower case, without brackets and final dot.
fn host_port(value: &str) -> (Option<String>, Option<u16>) {
    let (host, port) = match value.strip_prefix('[').and_then(|v| v.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match value.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (value, None),
        },
    };
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    ((!host.is_empty()).then_some(host), port.and_then(|p| p.trim().parse().ok()))
}
