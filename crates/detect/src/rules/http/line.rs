//! First lines: the request line and the status line, and their words.

use proto::HttpView;
use wire::Direction;

use super::Side;
use crate::rules::view::Instances;

/// What stands for the version of HTTP/2.
const HTTP2: &[u8] = b"HTTP/2";

/// The first line of a head without its end; what follows it.
pub(super) fn split_first(head: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr::memchr(b'\n', head) {
        Some(feed) => head.split_at(feed + 1),
        None => (head, &[][..]),
    };
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Method, target and version of a request line. The version is the last word if it looks like one, whatever spaces
/// the target has.
fn request_words(line: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let line = line.trim_ascii();
    let end = line.iter().position(|&b| is_space(b)).unwrap_or(line.len());
    let (method, rest) = line.split_at(end);
    let rest = rest.trim_ascii();
    let last = rest.iter().rposition(|&b| is_space(b)).map_or(0, |at| at + 1);
    let (target, version) = rest.split_at(last);
    let is_version = version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"HTTP"));
    if is_version && last > 0 { (method, target.trim_ascii_end(), version) } else { (method, rest, b"") }
}

/// Version, status and message of a status line.
fn status_words(line: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let word = |bytes: &'_ [u8]| bytes.iter().position(|&b| is_space(b)).unwrap_or(bytes.len());
    let line = line.trim_ascii();
    let (version, rest) = line.split_at(word(line));
    let rest = rest.trim_ascii_start();
    let (status, message) = rest.split_at(word(rest));
    (version, status, message.trim_ascii_start())
}

/// The request's method.
pub(super) fn method<'a>(view: &HttpView<'a>) -> &'a [u8] {
    match view.request.head {
        [] => view.http.method.as_bytes(),
        head => request_words(split_first(head).0).0,
    }
}

/// The request's target as it was sent.
pub(super) fn target<'a>(view: &HttpView<'a>) -> &'a [u8] {
    match view.request.head {
        [] => view.http.request_headers.get(":path").unwrap_or(view.http.uri.as_bytes()),
        head => request_words(split_first(head).0).1,
    }
}

/// The version of either side.
pub(super) fn protocol<'a>(view: &HttpView<'a>, side: &Side<'a>, out: &mut Instances<'a>) {
    let version = match (side.message.head, side.direction) {
        _ if side.http2 => HTTP2,
        ([], Direction::ToServer) => view.http.version.as_bytes(),
        ([], Direction::ToClient) => return,
        (head, Direction::ToServer) => request_words(split_first(head).0).2,
        (head, Direction::ToClient) => status_words(split_first(head).0).0,
    };
    if !version.is_empty() {
        out.borrow(version);
    }
}

/// The status code as it was sent.
pub(super) fn status<'a>(view: &HttpView<'a>, side: &Side<'a>, out: &mut Instances<'a>) {
    match side.message.head {
        [] if side.http2 => {
            if let Some(status) = view.http.response_headers.get(":status") {
                out.borrow(status);
            }
        }
        [] => {}
        head => out.borrow(status_words(split_first(head).0).1),
    }
}

/// What follows the status code; HTTP/2 has none.
pub(super) fn status_message<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    let message = status_words(split_first(side.message.head).0).2;
    if !message.is_empty() {
        out.borrow(message);
    }
}

/// The first line without its end. One is made up for HTTP/2.
pub(super) fn first<'a>(view: &HttpView<'a>, side: &Side<'a>, out: &mut Instances<'a>) {
    if side.http2 {
        out.build(|to| {
            write_first(view, side, to);
            to.extend_from_slice(b"\r\n");
        });
    } else if !side.message.head.is_empty() {
        out.borrow(split_first(side.message.head).0);
    }
}

/// Appends the first line without its end.
pub(super) fn write_first(view: &HttpView<'_>, side: &Side<'_>, to: &mut Vec<u8>) {
    match (side.http2, side.direction) {
        (false, _) => to.extend_from_slice(split_first(side.message.head).0),
        (true, Direction::ToServer) => {
            for part in [method(view), b" ", target(view), b" ", HTTP2] {
                to.extend_from_slice(part);
            }
        }
        (true, Direction::ToClient) => {
            to.extend_from_slice(HTTP2);
            to.push(b' ');
            to.extend_from_slice(view.http.response_headers.get(":status").unwrap_or_default());
        }
    }
}
