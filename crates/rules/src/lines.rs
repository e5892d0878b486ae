//! Rule files as logical lines: continuation lines joined, ends of lines of any kind, bytes of any encoding.

use std::borrow::Cow;

/// Bytes of one rule, continuation lines included; a longer one is refused.
pub const MAX_RULE: usize = 64 << 10;

/// A logical line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    /// Its first line in the file, from 1.
    pub number: u32,
    /// Its text; every byte is one character if the file is not UTF-8 here.
    pub text: Cow<'a, str>,
    /// Whether the characters stand for single bytes.
    pub latin1: bool,
    /// It is longer than [`MAX_RULE`]; the text is only its beginning.
    pub too_long: bool,
}

/// Reads a file's bytes line by line.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
    number: u32,
}

impl<'a> Lines<'a> {
    /// From the beginning of a file.
    pub fn new(bytes: &'a [u8]) -> Self {
        Lines { rest: bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), number: 0 }
    }

    fn physical(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        self.number = self.number.saturating_add(1);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// The line without the backslash that says that it goes on.
fn goes_on(line: &[u8]) -> Option<&[u8]> {
    line.trim_ascii_end().strip_suffix(b"\\")
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let first = self.physical()?;
        let number = self.number;
        // A comment that ends in a backslash does not swallow the rule below it.
        let comment = first.trim_ascii_start().starts_with(b"#");
        let mut too_long = first.len() > MAX_RULE;
        let Some(begin) = goes_on(first).filter(|_| !comment) else {
            let shown = first.get(..MAX_RULE).unwrap_or(first);
            let (text, latin1) = decode(shown);
            return Some(Line { number, text, latin1, too_long });
        };
        let mut joined = begin.get(..MAX_RULE).unwrap_or(begin).to_vec();
        while let Some(line) = self.physical() {
            let (part, more) = goes_on(line).map_or((line, false), |part| (part, true));
            if joined.len() + part.len() > MAX_RULE {
                too_long = true;
            } else {
                joined.extend_from_slice(part);
            }
            if !more {
                break;
            }
        }
        let (text, latin1) = decode(&joined);
        Some(Line { number, text: Cow::Owned(text.into_owned()), latin1, too_long })
    }
}

fn decode(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), false),
        Err(_) => (Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u32, String)> {
        Lines::new(bytes).map(|l| (l.number, l.text.into_owned())).collect()
    }

    #[test]
    fn lines_are_joined_and_counted() {
        let text = b"\xef\xbb\xbfone\r\ntwo \\\r\n  more\\\nend\n# c \\\nfour\n";
        let expected =
            [(1, "one"), (2, "two   moreend"), (5, "# c \\"), (6, "four")].map(|(n, t)| (n, t.to_owned()));
        assert_eq!(all(text), expected);
        assert_eq!(all(b"a\\"), [(1, "a".to_owned())]);
    }

    #[test]
    fn other_encodings_are_bytes() {
        let line = Lines::new(b"caf\xe9").next().unwrap();
        assert!(line.latin1);
        assert_eq!(line.text, "caf\u{e9}");
    }

    #[test]
    fn long_rules_are_cut() {
        let mut bytes = vec![b'a'; MAX_RULE];
        bytes.extend_from_slice(b"\\\nb\nc\n");
        let lines: Vec<_> = Lines::new(&bytes).collect();
        assert!(lines[0].too_long);
        assert_eq!((lines.len(), lines[1].number), (2, 3));
    }
}
