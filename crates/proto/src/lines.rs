//! Lines of text protocols: read in place where a chunk holds the whole line, kept only where it does not.

use std::borrow::Cow;

use memchr::memchr;

/// A line without its end.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Its first bytes, at most as many as were asked for.
    pub text: Cow<'a, [u8]>,
    /// It was longer.
    pub cut: bool,
}

impl<'a> Line<'a> {
    fn new(raw: Cow<'a, [u8]>, max: usize) -> Self {
        // What is longer than this is cut, whether its last byte is a carriage return or not.
        let whole = raw.len() <= max + 1;
        let len = if whole { raw.strip_suffix(b"\r").unwrap_or(&raw).len() } else { raw.len() };
        let text = match raw {
            Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..len.min(max)]),
            Cow::Owned(mut bytes) => {
                bytes.truncate(len.min(max));
                Cow::Owned(bytes)
            }
        };
        Line { text, cut: len > max }
    }
}

/// Finds the lines of one direction. They end with a line feed, with or without a carriage return before it.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    /// Behind lost bytes: nothing counts up to the next line.
    lost: bool,
}

impl Lines {
    /// The next line, taken off the front of `bytes`; its text has at most `max` bytes. `None` if it has not ended.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8], max: usize) -> Option<Line<'a>> {
        loop {
            let feed = memchr(b'\n', bytes);
            let (part, rest) = match feed {
                Some(at) => (&bytes[..at], &bytes[at + 1..]),
                None => (*bytes, &bytes[bytes.len()..]),
            };
            *bytes = rest;
            if self.lost {
                feed?;
                self.lost = false;
                continue;
            }
            if feed.is_some() && self.kept.is_empty() {
                return Some(Line::new(Cow::Borrowed(part), max));
            }
            let fits = part.len().min((max + 2).saturating_sub(self.kept.len()));
            self.kept.extend_from_slice(&part[..fits]);
            feed?;
            return Some(Line::new(Cow::Owned(std::mem::take(&mut self.kept)), max));
        }
    }

    /// Bytes were lost: the line at hand is forgotten, and the next one is found behind its end.
    pub fn lose(&mut self) {
        self.kept = Vec::new();
        self.lost = true;
    }
}

/// Part of a line, its end included.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    /// Its bytes.
    pub bytes: Cow<'a, [u8]>,
    /// It begins a line.
    pub starts: bool,
}

/// Bytes of a line that are handed on at once; what is longer comes in several pieces.
pub(crate) const MAX_PIECE: usize = 8 * 1024;

/// Cuts contents into lines, and lines that are too long into pieces. Nothing is left out.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    kept: Vec<u8>,
    inside: bool,
}

impl Pieces {
    /// The next piece, taken off the front of `bytes`. `None` if it is not complete.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Piece<'a>> {
        if bytes.is_empty() {
            return None;
        }
        let room = MAX_PIECE - self.kept.len();
        let window = &bytes[..bytes.len().min(room)];
        let end = memchr(b'\n', window).map(|at| at + 1);
        let take = end.unwrap_or(window.len());
        let (part, rest) = bytes.split_at(take);
        *bytes = rest;
        if end.is_none() && self.kept.len() + take < MAX_PIECE {
            self.kept.extend_from_slice(part);
            return None;
        }
        let whole = if self.kept.is_empty() {
            Cow::Borrowed(part)
        } else {
            self.kept.extend_from_slice(part);
            Cow::Owned(std::mem::take(&mut self.kept))
        };
        let starts = !std::mem::replace(&mut self.inside, end.is_none());
        Some(Piece { bytes: whole, starts })
    }

    /// What has not ended yet, if there is anything.
    pub fn rest(&mut self) -> Option<Piece<'static>> {
        if self.kept.is_empty() {
            return None;
        }
        let starts = !std::mem::replace(&mut self.inside, true);
        Some(Piece { bytes: Cow::Owned(std::mem::take(&mut self.kept)), starts })
    }

    /// Bytes were lost: what follows is the inside of a line.
    pub fn lose(&mut self) -> Option<Piece<'static>> {
        let rest = self.rest();
        self.inside = true;
        rest
    }
}

/// Text as Suricata writes it: UTF-8 as it is, of anything else the bytes that are not ASCII as `\xNN`.
pub(crate) fn text(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// The first word, and what is behind the spaces that follow it.
pub(crate) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    (&line[..end], line[end..].trim_ascii())
}

/// Whether it begins with this, in letters of any case.
pub(crate) fn begins(bytes: &[u8], with: &[u8]) -> bool {
    bytes.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
}

/// Whether it could come to begin with this when more bytes follow, in letters of any case.
pub(crate) fn may_begin(bytes: &[u8], with: &[u8]) -> bool {
    bytes.len() < with.len() && with[..bytes.len()].eq_ignore_ascii_case(bytes)
}

/// Where it stands in the bytes, in letters of any case.
pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what))
}

/// A server's greeting in numbers as FTP and SMTP have it, 220 with all its lines. `None` if it is not complete.
pub(crate) fn greeting(server: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while let Some(feed) = memchr(b'\n', &server[at..]) {
        let last = server[at..].starts_with(b"220 ");
        at += feed + 1;
        if last {
            return Some(&server[..at]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8], step: usize, max: usize) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for mut chunk in bytes.chunks(step) {
            while let Some(line) = lines.next(&mut chunk, max) {
                out.push((line.text.into_owned(), line.cut));
            }
        }
        out
    }

    fn pieces(bytes: &[u8], step: usize) -> Vec<(Vec<u8>, bool)> {
        let mut pieces = Pieces::default();
        let mut out = Vec::new();
        for mut chunk in bytes.chunks(step) {
            while !chunk.is_empty() {
                out.extend(pieces.next(&mut chunk).map(|p| (p.bytes.into_owned(), p.starts)));
            }
        }
        out.extend(pieces.rest().map(|p| (p.bytes.into_owned(), p.starts)));
        out
    }

    #[test]
    fn a_line_of_the_longest_length_is_whole_and_one_byte_more_is_not() {
        let got = lines(b"1234\r\n12345\r\n1234\n12345\n", 100, 4);
        let want = [(4, false), (4, true), (4, false), (4, true)];
        assert_eq!(got.iter().map(|(text, cut)| (text.len(), *cut)).collect::<Vec<_>>(), want);
    }

    #[test]
    fn behind_lost_bytes_the_next_line_is_read() {
        let mut lines = Lines::default();
        assert!(lines.next(&mut &b"begin"[..], 10).is_none());
        lines.lose();
        let mut bytes = &b"end\nnext\n"[..];
        assert_eq!(&*lines.next(&mut bytes, 10).unwrap().text, b"next");
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_none_of_it_is_left_out() {
        let bytes = [vec![b'x'; MAX_PIECE * 2 + 5], b"\nend".to_vec()].concat();
        let got = pieces(&bytes, 1000);
        assert_eq!(got.iter().map(|(_, starts)| *starts).collect::<Vec<_>>(), [true, false, false, true]);
        assert_eq!(got.concat_bytes(), bytes);
    }

    trait Concat {
        fn concat_bytes(&self) -> Vec<u8>;
    }

    impl Concat for Vec<(Vec<u8>, bool)> {
        fn concat_bytes(&self) -> Vec<u8> {
            self.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect()
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
                                          step in 1usize..20, max in 0usize..12) {
            prop_assert_eq!(lines(&bytes, step, max), lines(&bytes, 1000, max));
            prop_assert_eq!(pieces(&bytes, step), pieces(&bytes, 1000));
        }
    }
}
