//! Reading: lines of files, one after the other, and what is between them that is none.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::line::{self, BEGIN, Checksum, Line, MAX_LINE};
use crate::record::Record;

/// A record with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: u64,
    /// Its checksum.
    pub sum: Checksum,
    /// What happened.
    pub record: Record,
}

/// A place where the ledger is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In this file.
    pub file: PathBuf,
    /// From this byte on.
    pub offset: u64,
    /// What is wrong.
    pub harm: Harm,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// So many bytes are no record.
    Unreadable(u64),
    /// A line that does not follow on the one before it: lines are missing, or one was changed.
    Broken {
        /// The number of the line before.
        after: u64,
        /// The number of this line.
        seq: u64,
    },
    /// A line that came before already, or should have: it counts for nothing here.
    Repeated {
        /// Its number.
        seq: u64,
    },
    /// A line that is whole, and makes no sense to this version.
    NotUnderstood {
        /// Its number.
        seq: u64,
    },
    /// So many records could not be written then: the disk was full, or slower than verdicts for long.
    Lost(u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: byte {}: ", self.file.display(), self.offset)?;
        match self.harm {
            Harm::Unreadable(bytes) => write!(f, "{bytes} bytes are no record"),
            Harm::Broken { after, seq } if seq > after.saturating_add(1) => {
                write!(f, "{} lines are missing between {after} and {seq}", seq - after - 1)
            }
            Harm::Broken { after, seq } => {
                write!(f, "line {seq} does not follow on {after}: something was changed")
            }
            Harm::Repeated { seq } => write!(f, "line {seq} stands behind a later one; it is not counted"),
            Harm::NotUnderstood { seq } => write!(f, "line {seq} is not understood by this version"),
            Harm::Lost(records) => write!(f, "{records} records could not be written when they were made"),
        }
    }
}

/// What stands at a place of a file.
#[derive(Debug)]
pub(crate) enum Found {
    Line(Box<Line>),
    /// So many bytes that are no line.
    Garbage(u64),
}

/// A place of a file.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    /// Where it ends.
    pub(crate) end: u64,
    /// Whether its last line has its end.
    pub(crate) ended: bool,
    pub(crate) found: Found,
}

/// The lines of one file, and what is between them.
#[derive(Debug)]
pub(crate) struct Scan {
    file: BufReader<File>,
    offset: u64,
    buffer: Vec<u8>,
    at_end: bool,
    /// Found already, to be told next.
    next: Option<Place>,
}

impl Scan {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Scan {
            file: BufReader::new(File::open(path)?),
            offset: 0,
            buffer: Vec::new(),
            at_end: false,
            next: None,
        })
    }

    /// Reads up to a line's end; its bytes. What is longer than a line may be leaves its last part in the buffer.
    fn read_line(&mut self) -> io::Result<(u64, bool)> {
        self.buffer.clear();
        let mut read = 0;
        loop {
            let chunk = self.file.fill_buf()?;
            if chunk.is_empty() {
                return Ok((read, false));
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(chunk.len(), |end| end + 1);
            self.buffer.extend_from_slice(&chunk[..end.unwrap_or(taken)]);
            if self.buffer.len() > 2 * MAX_LINE {
                self.buffer.drain(..self.buffer.len() - MAX_LINE);
            }
            self.file.consume(taken);
            read += taken as u64;
            if end.is_some() {
                return Ok((read, true));
            }
        }
    }

    fn read(&mut self) -> io::Result<Option<Place>> {
        let mut garbage: Option<Place> = None;
        loop {
            let (read, ended) = if self.at_end { (0, false) } else { self.read_line()? };
            if read == 0 {
                return Ok(garbage);
            }
            let (offset, end) = (self.offset, self.offset + read);
            self.offset = end;
            // A line without its end is the last, even if its writer goes on meanwhile.
            self.at_end = !ended;
            // A line may stand behind garbage that has swallowed the end of the line before.
            let begin = self.buffer.windows(BEGIN.len()).rposition(|window| window == BEGIN);
            let line = begin.and_then(|begin| line::open(&self.buffer[begin..]));
            let length = (self.buffer.len() - begin.unwrap_or(0)) as u64 + u64::from(ended);
            let from = if line.is_some() { end - length } else { end };
            if from > offset {
                let start = garbage.map_or(offset, |place| place.offset);
                garbage =
                    Some(Place { offset: start, end: from, ended, found: Found::Garbage(from - start) });
            }
            if let Some(line) = line {
                let place = Place { offset: from, end, ended, found: Found::Line(Box::new(line)) };
                return Ok(Some(match garbage {
                    Some(garbage) => {
                        self.next = Some(place);
                        garbage
                    }
                    None => place,
                }));
            }
        }
    }
}

impl Iterator for Scan {
    type Item = io::Result<Place>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next.take() {
            Some(place) => Some(Ok(place)),
            None => self.read().transpose(),
        }
    }
}
