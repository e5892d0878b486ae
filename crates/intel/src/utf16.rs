//! Lists in UTF-16, as spreadsheets save them, read as UTF-8.

use std::io::{self, Read};

use encoding_rs::{Decoder, Encoding, UTF_16BE, UTF_16LE};

/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;

/// Which UTF-16 a text is in, told by its byte order mark or by the zero in each of its first two characters.
pub(crate) fn encoding(head: &[u8]) -> Option<&'static Encoding> {
    match head {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some(UTF_16LE),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// Hands out UTF-8; what is no UTF-16 becomes U+FFFD.
pub(crate) struct Utf8<R> {
    input: R,
    decoder: Decoder,
    text: String,
    given: usize,
    over: bool,
}

impl<R: Read> Utf8<R> {
    pub fn new(input: R, encoding: &'static Encoding) -> Self {
        Utf8 { input, decoder: encoding.new_decoder(), text: String::new(), given: 0, over: false }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.over {
            let mut raw = [0; CHUNK];
            let read = self.input.read(&mut raw)?;
            self.over = read == 0;
            (self.given, self.text) = (0, String::with_capacity(3 * CHUNK));
            let raw = raw.get(..read).unwrap_or_default();
            // There is room for all: three bytes for each code unit, and the rest of a pair from before.
            let _ = self.decoder.decode_to_string(raw, &mut self.text, self.over);
        }
        let rest = self.text.as_bytes().get(self.given..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        self.given += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        Utf8::new(bytes, encoding(bytes).unwrap()).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn either_byte_order_is_read_with_and_without_a_mark() {
        let text = format!("evil.example,\u{e9}\u{1f608}\r\n{}", "a.example\n".repeat(3000));
        for mark in ["", "\u{feff}"] {
            let units: Vec<u16> = format!("{mark}{text}").encode_utf16().collect();
            let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            assert!(read(&little) == text && read(&big) == text, "{mark:?}");
        }
        assert!(read(b"\xff\xfea\0\x00\xd8").starts_with("a\u{fffd}"), "half a pair");
        assert!(encoding(b"evil.example").is_none());
    }
}
