//! Uploads: parts of a multipart/form-data body that are files (RFC 7578).

use memchr::memmem;

use super::headers::{disposition_name, text};

/// Bytes of a boundary (RFC 2046 allows 70).
const MAX_BOUNDARY: usize = 256;
/// Bytes of the headers of a part.
const MAX_PART_HEAD: usize = 4096;
/// Files of one body; what comes behind them is not looked at.
pub(super) const MAX_PARTS: u32 = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a boundary, in something that is no file.
    Between,
    /// Behind a boundary, in its line.
    BoundaryLine,
    /// In the headers of a part.
    Head,
    /// In a file.
    File,
    /// Behind the last boundary.
    End,
}

/// What a body is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A file of that name begins.
    Begin(&'a str),
    /// Its bytes.
    Data(&'a [u8]),
    /// It is over.
    End,
}

/// Takes a body apart.
#[derive(Debug)]
pub(super) struct Multipart {
    /// Line feed, two dashes, the boundary.
    delimiter: Vec<u8>,
    state: State,
    /// Bytes that cannot be told from the beginning of a delimiter yet, or the headers of a part.
    held: Vec<u8>,
    files: u32,
    pub(super) limits_hit: u32,
}

impl Multipart {
    /// One for this boundary, if it is of any use.
    pub(super) fn new(boundary: &[u8]) -> Option<Self> {
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return None;
        }
        let delimiter = [b"\n--", boundary].concat();
        // The first boundary may stand at the very beginning.
        Some(Multipart { delimiter, state: State::Between, held: b"\r\n".to_vec(), files: 0, limits_hit: 0 })
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
        if self.held.is_empty() {
            self.run(bytes, out);
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(bytes);
            self.run(&joined, out);
        }
    }

    /// The body is over, or what follows was lost. What was held belongs to the file at hand.
    pub(super) fn finish(&mut self, out: &mut dyn FnMut(Part<'_>)) -> bool {
        let open = self.state == State::File;
        if open {
            out(Part::Data(&self.held));
        }
        self.state = State::End;
        self.held = Vec::new();
        open
    }

    fn run(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(Part<'_>)) {
        loop {
            match self.state {
                State::End => return,
                State::Between | State::File => {
                    let in_file = self.state == State::File;
                    if let Some(at) = memmem::find(bytes, &self.delimiter) {
                        if in_file {
                            let data = &bytes[..at];
                            out(Part::Data(data.strip_suffix(b"\r").unwrap_or(data)));
                            out(Part::End);
                        }
                        bytes = &bytes[at + self.delimiter.len()..];
                        self.state = State::BoundaryLine;
                        continue;
                    }
                    let keep = self.undecided(bytes);
                    if in_file && keep < bytes.len() {
                        out(Part::Data(&bytes[..bytes.len() - keep]));
                    }
                    self.held.extend_from_slice(&bytes[bytes.len() - keep..]);
                    return;
                }
                State::BoundaryLine => {
                    let Some(feed) = memchr::memchr(b'\n', bytes) else {
                        if bytes.starts_with(b"--") || bytes.len() > MAX_BOUNDARY {
                            self.state = State::End;
                        } else {
                            self.held.extend_from_slice(bytes);
                        }
                        return;
                    };
                    if bytes.starts_with(b"--") {
                        self.state = State::End;
                        return;
                    }
                    bytes = &bytes[feed + 1..];
                    self.state = State::Head;
                }
                State::Head => {
                    let Some((end, behind)) = head_end(bytes) else {
                        if bytes.len() > MAX_PART_HEAD {
                            self.limits_hit += 1;
                            self.state = State::Between;
                            continue;
                        }
                        self.held.extend_from_slice(bytes);
                        return;
                    };
                    let name = file_name(&bytes[..end.min(MAX_PART_HEAD)]);
                    // The empty line's feed may be the delimiter's own.
                    bytes = &bytes[behind..];
                    self.state = State::Between;
                    if let Some(name) = name {
                        if self.files >= MAX_PARTS {
                            self.limits_hit += 1;
                            self.state = State::End;
                            return;
                        }
                        self.files += 1;
                        self.state = State::File;
                        out(Part::Begin(&name));
                    }
                }
            }
        }
    }

    /// How many bytes at the end may belong to a delimiter.
    fn undecided(&self, bytes: &[u8]) -> usize {
        let most = bytes.len().min(self.delimiter.len() - 1);
        let tail = &bytes[bytes.len() - most..];
        let begun = (0..most).find(|&at| self.delimiter.starts_with(&tail[at..])).map_or(0, |at| most - at);
        let before = &bytes[..bytes.len() - begun];
        begun + usize::from(before.ends_with(b"\r"))
    }
}

/// Where the headers of a part end, and where its contents begin.
fn head_end(bytes: &[u8]) -> Option<(usize, usize)> {
    if bytes.starts_with(b"\n") {
        return Some((0, 1));
    }
    if bytes.starts_with(b"\r\n") {
        return Some((0, 2));
    }
    let mut at = 0;
    while let Some(feed) = memchr::memchr(b'\n', &bytes[at..]) {
        at += feed + 1;
        match bytes.get(at..) {
            Some([b'\n', ..]) => return Some((at, at + 1)),
            Some([b'\r', b'\n', ..]) => return Some((at, at + 2)),
            _ => {}
        }
    }
    None
}

/// The file name in the headers of a part.
fn file_name(head: &[u8]) -> Option<String> {
    head.split(|&b| b == b'\n').find_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if !name.eq_ignore_ascii_case(b"content-disposition") {
            return None;
        }
        disposition_name(value)
    })
}

/// The boundary of a Content-Type, if it is multipart.
pub(super) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let kind = content_type.trim_ascii_start();
    if !kind.get(..10).is_some_and(|k| k.eq_ignore_ascii_case(b"multipart/")) {
        return None;
    }
    super::headers::parameter(content_type, "boundary").filter(|b| !text(b).is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = b"preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"one.bin\"\r\nContent-Type: x/y\r\n\r\n\
        12\r\n--XY\r\r\n3\r\n--XX\r\nContent-Disposition: form-data; filename=two\r\n\r\n\r\n--XX--\r\nepilogue";

    fn files(pieces: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, bool) {
        let mut multipart = Multipart::new(b"XX").unwrap();
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        let mut take = |part: Part<'_>| match part {
            Part::Begin(name) => found.push((name.to_owned(), Vec::new())),
            Part::Data(bytes) => found.last_mut().unwrap().1.extend_from_slice(bytes),
            Part::End => {}
        };
        for piece in pieces {
            multipart.feed(piece, &mut take);
        }
        let open = multipart.finish(&mut take);
        (found, open)
    }

    #[test]
    fn files_are_found_however_the_body_is_split() {
        let (whole, open) = files(&[BODY]);
        assert_eq!(whole[0], ("one.bin".to_owned(), b"12\r\n--XY\r\r\n3".to_vec()));
        assert_eq!((whole[1].clone(), whole.len(), open), (("two".to_owned(), Vec::new()), 2, false));
        for step in 1..20 {
            assert_eq!(files(&BODY.chunks(step).collect::<Vec<_>>()).0, whole, "{step}");
        }
        let within = memmem::find(BODY, b"--XY").unwrap();
        let (cut, open) = files(&[&BODY[..within]]);
        assert!(open && cut.len() == 1);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(pieces: Vec<Vec<u8>>) {
            files(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
