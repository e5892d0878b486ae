//! A list as text: unpacked if need be, bounded, and found out early if it is none.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read, Take};
use std::path::Path;

use crate::utf16::{self, Utf8};

/// Bytes of one list after decompression.
pub const MAX_FILE: u64 = 8 << 30;
/// Bytes of a JSON document, which must be in memory whole.
pub const MAX_DOCUMENT: u64 = 512 << 20;
/// Bytes of a line; longer ones are skipped and reported.
pub const MAX_LINE: usize = 64 * 1024;
/// Bytes that tell what a file is.
const HEAD: u64 = 64 * 1024;

/// What no list begins with.
const NOT_LISTS: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"BZh", "compressed with bzip2; unpack it first (gzip, zstd and xz are read as they are)"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"%PDF", "a PDF document"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture"),
];

/// What is left of a list: its beginning, which was looked at, then the rest.
type Rest<'a> = BufReader<Chain<Cursor<Vec<u8>>, Box<dyn Read + 'a>>>;

/// An open list.
pub(crate) struct Source<'a> {
    reader: Take<Rest<'a>>,
    /// Whether it is a JSON document.
    pub json: bool,
}

impl Source<'static> {
    pub fn open(path: &Path) -> io::Result<Result<Self, &'static str>> {
        Source::read(unpack::open(path)?)
    }
}

impl<'a> Source<'a> {
    pub fn text(text: &'a str) -> Result<Self, &'static str> {
        // Memory does not fail.
        Source::read(Box::new(text.as_bytes())).unwrap_or(Err("unreadable"))
    }

    /// The inner error tells why it is no list.
    fn read(mut reader: Box<dyn Read + 'a>) -> io::Result<Result<Self, &'static str>> {
        let mut head = Vec::new();
        reader.by_ref().take(HEAD).read_to_end(&mut head)?;
        // Spreadsheets save text so.
        if let Some(encoding) = utf16::encoding(&head) {
            let bytes: Box<dyn Read + 'a> = Box::new(Cursor::new(head).chain(reader));
            reader = Box::new(Utf8::new(bytes, encoding));
            head = Vec::new();
            reader.by_ref().take(HEAD).read_to_end(&mut head)?;
        }
        if let Some((_, what)) = NOT_LISTS.iter().find(|(magic, _)| head.starts_with(magic)) {
            return Ok(Err(what));
        }
        if head.starts_with("\u{feff}".as_bytes()) {
            head.drain(..3);
        }
        if head.is_empty() {
            return Ok(Err("the file is empty; a list without indicators has a comment at least"));
        }
        // Text has no control characters but white space, whatever its encoding.
        let control = |b: &&u8| **b < 0x20 && !b.is_ascii_whitespace();
        if head.contains(&0) || head.iter().filter(control).count() * 20 > head.len() {
            return Ok(Err("binary data, no list of indicators"));
        }
        let text = head.trim_ascii_start();
        if text.first() == Some(&b'<') {
            return Ok(Err("HTML or XML, no list of indicators"));
        }
        let inner = text.get(1..).unwrap_or_default().trim_ascii_start().first();
        let json = match text.first() {
            Some(b'{') => true,
            // "[2001:db8::1]:80" is none.
            Some(b'[') => matches!(inner, None | Some(b'{' | b'[' | b']' | b'"')),
            _ => false,
        };
        let reader = BufReader::new(Cursor::new(head).chain(reader)).take(MAX_FILE);
        Ok(Ok(Source { reader, json }))
    }

    /// All of it.
    pub fn document(mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.reader.by_ref().take(MAX_DOCUMENT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_DOCUMENT {
            return Err(io::Error::other(format!("a JSON document of more than {} MiB", MAX_DOCUMENT >> 20)));
        }
        String::from_utf8(bytes).map_err(|_| io::Error::other("not in UTF-8"))
    }

    pub fn lines(self) -> Lines<'a> {
        Lines { source: self, bytes: Vec::new(), number: 0 }
    }
}

/// Lines of a list, one at a time.
pub(crate) struct Lines<'a> {
    source: Source<'a>,
    bytes: Vec<u8>,
    /// Of the line at hand, from 1.
    pub number: u32,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Text(String),
    TooLong,
}

impl Lines<'_> {
    /// The next line, without what ends it.
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        self.bytes.clear();
        self.number = self.number.saturating_add(1);
        let reader = &mut self.source.reader;
        reader.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut self.bytes)?;
        if self.bytes.is_empty() {
            if reader.limit() == 0 {
                return Err(io::Error::other(format!("longer than {} GiB", MAX_FILE >> 30)));
            }
            return Ok(None);
        }
        if self.bytes.len() == MAX_LINE && !self.bytes.ends_with(b"\n") {
            reader.skip_until(b'\n')?;
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Text(String::from_utf8_lossy(self.bytes.trim_ascii()).into_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_bounded() {
        let long = "x".repeat(3 * MAX_LINE);
        let text = format!("\u{feff}one\r\n\n{long}\nfour");
        let mut lines = Source::text(&text).ok().unwrap().lines();
        let mut seen = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            seen.push((lines.number, line));
        }
        let text = |text: &str| Line::Text(text.into());
        assert_eq!(seen, [(1, text("one")), (2, text("")), (3, Line::TooLong), (4, text("four"))]);
    }

    #[test]
    fn what_is_no_list_is_told_by_its_beginning() {
        for (text, why) in [
            ("", "empty"),
            ("PK\u{3}\u{4}abc", "zip"),
            ("<!doctype html>", "HTML"),
            ("evil.example\n\0", "binary"),
            ("\u{1}\u{2}\u{3}abc", "binary"),
        ] {
            assert!(Source::text(text).err().is_some_and(|told| told.contains(why)), "{text:?}");
        }
        for (text, json) in
            [(" {", true), ("[ {", true), ("[]", true), ("[2001:db8::1]:80", false), ("a", false)]
        {
            assert_eq!(Source::text(text).ok().unwrap().json, json, "{text}");
        }
    }
}
