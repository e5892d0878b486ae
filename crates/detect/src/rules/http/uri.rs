//! The target of a request as a server would understand it.
//!
//! Of an absolute target only path, query and fragment count. Both path and query are percent-decoded, once, `%uXXXX`
//! included; what is no valid encoding stays as it is, and so does `+`. In a path backslashes are slashes, several
//! slashes are one, and `.` and `..` are resolved.

use proto::HttpView;

use super::line;
use crate::rules::view::Instances;

/// Parts of a target (RFC 3986 section 3), as they were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Host and port, with what stands before the `@`.
    pub(super) authority: Option<&'a [u8]>,
    pub(super) path: &'a [u8],
    pub(super) query: Option<&'a [u8]>,
    pub(super) fragment: Option<&'a [u8]>,
}

/// At the first of `marks`: before it, and from it on.
fn split_at_any<'a>(bytes: &'a [u8], marks: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = bytes.iter().position(|b| marks.contains(b)).unwrap_or(bytes.len());
    bytes.split_at(at)
}

impl<'a> Target<'a> {
    /// Takes a target apart. Everything up to the first colon is a scheme if there is no slash at the beginning, and
    /// only behind a scheme there is an authority.
    pub(super) fn split(target: &'a [u8]) -> Self {
        let mut parts = Target::default();
        let mut rest = target;
        if !target.starts_with(b"/")
            && let Some(colon) = memchr::memchr(b':', target)
        {
            rest = target.get(colon + 1..).unwrap_or_default();
            if let Some(behind) = rest.strip_prefix(b"//").filter(|b| !b.starts_with(b"/")) {
                let (authority, behind) = split_at_any(behind, b"/?#");
                parts.authority = Some(authority);
                rest = behind;
            }
        }
        let (path, behind) = split_at_any(rest, b"?#");
        parts.path = path;
        rest = behind;
        if let Some(behind) = rest.strip_prefix(b"?") {
            let (query, behind) = split_at_any(behind, b"#");
            parts.query = Some(query);
            rest = behind;
        }
        parts.fragment = rest.strip_prefix(b"#");
        parts
    }
}

/// Whether nothing in a target would be changed.
fn is_normal(target: &[u8]) -> bool {
    target.starts_with(b"/")
        && memchr::memchr2(b'%', b'\\', target).is_none()
        && !target.windows(2).any(|pair| pair == b"//" || pair == b"/.")
}

/// The normalised target.
pub(super) fn normalized<'a>(view: &HttpView<'a>, out: &mut Instances<'a>) {
    let target = line::target(view);
    if view.http.is_http2() || is_normal(target) {
        return out.borrow(target);
    }
    out.build(|to| write_normalized(target, line::method(view) == b"CONNECT", to));
}

/// Appends the normalised target. That of CONNECT is an authority: nothing is left of it.
pub(super) fn write_normalized(target: &[u8], connect: bool, to: &mut Vec<u8>) {
    if connect {
        return;
    }
    let parts = Target::split(target);
    write_path(parts.path, to);
    if let Some(query) = parts.query {
        to.push(b'?');
        decode(query, to);
    }
    if let Some(fragment) = parts.fragment {
        to.push(b'#');
        to.extend_from_slice(fragment);
    }
}

fn hex(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |all, &b| Some(all << 4 | char::from(b).to_digit(16)?))
}

/// The first byte of an encoded text and how many bytes it was encoded in.
fn decode_one(bytes: &[u8]) -> Option<(u8, usize)> {
    let &first = bytes.first()?;
    if first != b'%' {
        return Some((first, 1));
    }
    if matches!(bytes.get(1), Some(b'u' | b'U')) {
        return Some(match bytes.get(2..6).and_then(hex) {
            Some(code) => (fit(code), 6),
            None => (first, 1),
        });
    }
    Some(match bytes.get(1..3).and_then(hex) {
        Some(code) => (code as u8, 3),
        None => (first, 1),
    })
}

/// The byte that comes nearest to a character of `%uXXXX`.
fn fit(code: u32) -> u8 {
    match code {
        0..=0xff => code as u8,
        // Full-width forms of ASCII.
        0xff01..=0xff5e => (code - 0xff00 + 0x20) as u8,
        _ => b'?',
    }
}

/// Appends what a text decodes to.
fn decode(mut bytes: &[u8], to: &mut Vec<u8>) {
    while let Some((byte, used)) = decode_one(bytes) {
        to.push(byte);
        bytes = bytes.get(used..).unwrap_or_default();
    }
}

/// Appends a path, decoded and without detours.
fn write_path(mut path: &[u8], to: &mut Vec<u8>) {
    let start = to.len();
    while let Some((byte, used)) = decode_one(path) {
        path = path.get(used..).unwrap_or_default();
        let byte = if byte == b'\\' { b'/' } else { byte };
        if byte != b'/' || to.len() == start || to.last() != Some(&b'/') {
            to.push(byte);
        }
    }
    remove_dots(to, start);
}

/// Resolves "." and ".." in a path that begins at `start` and whose slashes are single (RFC 3986 section 5.2.4).
fn remove_dots(bytes: &mut Vec<u8>, start: usize) {
    let has_dots = |path: &[u8]| path.split(|&b| b == b'/').any(|segment| matches!(segment, b"." | b".."));
    let path = bytes.get(start..).unwrap_or_default();
    if !has_dots(path) {
        return;
    }
    let path = path.to_vec();
    bytes.truncate(start);
    let absolute = path.starts_with(b"/");
    let mut kept = 0;
    let mut segments = path.split(|&b| b == b'/').skip(usize::from(absolute)).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." && kept > 0 {
                    kept -= 1;
                    let at = bytes.get(start..).and_then(|path| memchr::memrchr(b'/', path)).unwrap_or(0);
                    bytes.truncate(start + at);
                }
                if last && (absolute || kept > 0) {
                    bytes.push(b'/');
                }
            }
            _ => {
                if absolute || kept > 0 {
                    bytes.push(b'/');
                }
                bytes.extend_from_slice(segment);
                kept += 1;
            }
        }
    }
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
