//! Headers: names and values in one block, so that a hundred of them are two allocations.

use std::fmt;

/// Headers kept of one message.
pub const MAX_HEADERS: usize = 128;
/// Bytes kept of the headers of one message.
pub const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Names and values in the order in which they were sent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Where each name and each value ends; it begins where the one before ends.
    ends: Vec<(u32, u32)>,
}

impl Headers {
    /// Appends a header; false if there is no room for it.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> bool {
        if self.ends.len() >= MAX_HEADERS || self.bytes.len() + name.len() + value.len() > MAX_HEADER_BYTES {
            return false;
        }
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push((middle, self.bytes.len() as u32));
        true
    }

    /// Name and value of every header.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(middle, end)| {
            let (middle, end) = (middle as usize, end as usize);
            let from = std::mem::replace(&mut start, end);
            (&self.bytes[from..middle], &self.bytes[middle..end])
        })
    }

    /// The value of the first header of that name, in whichever case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all names and values.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(n, v)| (text(n), text(v)))).finish()
    }
}

/// Bytes as text: as they are if they are UTF-8, else each that is not printable as \xHH.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            use fmt::Write;
            let mut text = String::with_capacity(bytes.len() + 16);
            for &byte in bytes {
                if byte.is_ascii_graphic() || byte == b' ' {
                    text.push(char::from(byte));
                } else {
                    let _ = write!(text, "\\x{byte:02X}");
                }
            }
            text
        }
    }
}

/// The value of a parameter: `boundary` of "multipart/form-data; boundary=x". Quotes are taken off; what is escaped
/// within them loses its backslash.
pub(crate) fn parameter(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut rest = value;
    loop {
        let semicolon = semicolon_outside_quotes(rest)?;
        rest = rest[semicolon + 1..].trim_ascii_start();
        let Some(equals) = memchr::memchr(b'=', rest) else { continue };
        if !rest[..equals].trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()) {
            continue;
        }
        let value = rest[equals + 1..].trim_ascii_start();
        let Some(quoted) = value.strip_prefix(b"\"") else {
            let end = memchr::memchr(b';', value).unwrap_or(value.len());
            return Some(value[..end].trim_ascii_end().to_vec());
        };
        let (mut out, mut bytes) = (Vec::new(), quoted.iter());
        while let Some(&byte) = bytes.next().filter(|&&b| b != b'"') {
            // Browsers send the paths of Windows: only quotes and backslashes are escaped.
            match (byte, bytes.as_slice().first()) {
                (b'\\', Some(&next @ (b'"' | b'\\'))) => {
                    bytes.next();
                    out.push(next);
                }
                _ => out.push(byte),
            }
        }
        return Some(out);
    }
}

fn semicolon_outside_quotes(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    bytes.iter().position(|&b| {
        quoted ^= b == b'"';
        b == b';' && !quoted
    })
}

/// The file name of a Content-Disposition, without quotes.
pub(crate) fn disposition_name(value: &[u8]) -> Option<String> {
    if let Some(encoded) = parameter(value, "filename*") {
        // RFC 8187: charset'language'percent-encoded
        let mut parts = encoded.splitn(3, |&b| b == b'\'');
        if let (Some(_), Some(_), Some(name)) = (parts.next(), parts.next(), parts.next()) {
            let name: Vec<u8> = percent_encoding::percent_decode(name).collect();
            return Some(text(&name)).filter(|n| !n.is_empty());
        }
    }
    parameter(value, "filename").map(|n| text(&n)).filter(|n| !n.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_and_are_bounded() {
        let mut headers = Headers::default();
        assert!(headers.push(b"A", b"1"));
        assert!(headers.push(b"b", b""));
        assert_eq!(headers.iter().collect::<Vec<_>>(), [(&b"A"[..], &b"1"[..]), (b"b", b"")]);
        assert_eq!((headers.get("a"), headers.get("c")), (Some(&b"1"[..]), None));
        assert!(!headers.push(b"x", &vec![0; MAX_HEADER_BYTES]));
        let pushed = (0..1000).filter(|_| headers.push(b"x", b"y")).count();
        assert_eq!(pushed, MAX_HEADERS - 2);
    }

    #[test]
    fn parameters_are_found() {
        let of = |value: &str, name| parameter(value.as_bytes(), name).map(|v| text(&v));
        assert_eq!(of("a/b; boundary=x; c=d", "boundary").as_deref(), Some("x"));
        assert_eq!(of("a/b; c=\"x;y\\\"z\"; D = e", "c").as_deref(), Some("x;y\"z"));
        assert_eq!(of("a/b; c=\"x;d=1\"; D = e", "d").as_deref(), Some("e"));
        assert_eq!(of("a/b", "c"), None);
        let name = |v: &str| disposition_name(v.as_bytes());
        assert_eq!(name("attachment; filename=\"a b.exe\"").as_deref(), Some("a b.exe"));
        assert_eq!(name("attachment; filename*=UTF-8''%e2%82%ac.txt").as_deref(), Some("€.txt"));
        assert_eq!(name("inline"), None);
    }

    #[test]
    fn what_is_no_text_is_escaped() {
        assert_eq!(text("ä".as_bytes()), "ä");
        assert_eq!(text(b"a\xff\n"), "a\\xFF\\x0A");
    }
}
