//! What was in the lists, and why a list cannot be used.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::kind::{KINDS, Kind};
use crate::malformed::Malformed;

/// Line errors that are kept word for word; all are counted.
pub const MAX_LINE_ERRORS: usize = 1000;

/// A list that cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no list, or no whole one.
    #[error("{file}:{line}: {why}")]
    Broken {
        /// The file.
        file: String,
        /// Where it was found out, from 1.
        line: u32,
        /// Why.
        why: String,
    },
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// Why.
    pub why: Malformed,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// What is odd about an indicator that is used all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// An address or network that nobody has on the Internet.
    Bogon(String),
    /// A network whose address has bits behind its prefix.
    HostBits(String),
    /// A domain below which a company lets others have names.
    Suffix(String),
}

/// An indicator that is used, and of which it is doubtful that it is what was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubtful {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is odd.
    pub doubt: Doubt,
}

impl fmt::Display for Doubtful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Doubtful { file, line, doubt } = self;
        match doubt {
            Doubt::Bogon(text) => write!(
                f,
                "{file}:{line}: {text} is no address of the Internet: contacts are told of and isolate nobody"
            ),
            Doubt::Suffix(text) => {
                write!(
                    f,
                    "{file}:{line}: {text} is a public suffix: the names of all who have one below it match"
                )
            }
            Doubt::HostBits(text) => write!(
                f,
                "{file}:{line}: {text} has bits behind its prefix: all of the network is matched, not the one address"
            ),
        }
    }
}

/// What was in the lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    pub(crate) counts: [u64; KINDS],
    /// Indicators that were there already; the first stays.
    pub duplicates: u64,
    /// Indicators that an allow-list takes off.
    pub allowed: u64,
    /// Entries that are not meant for detection: `to_ids` is false, `revoked`, of a type that is nothing on the wire, or
    /// without reputation.
    pub ignored: u64,
    /// Lines that could not be used.
    pub skipped: u64,
    /// The first [`MAX_LINE_ERRORS`] of them.
    pub errors: Vec<LineError>,
    /// Indicators that are used and doubtful: addresses that nobody has on the Internet, networks with host bits.
    pub doubts_found: u64,
    /// The first [`MAX_LINE_ERRORS`] of them.
    pub doubts: Vec<Doubtful>,
    /// Descriptions and tags that there was no room for.
    pub texts_dropped: u64,
}

impl LoadReport {
    /// Indicators of a kind that were loaded.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(kind as usize).copied().unwrap_or(0)
    }

    /// Indicators that were loaded.
    #[must_use]
    pub fn loaded(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn add(&mut self, kind: Kind) {
        if let Some(count) = self.counts.get_mut(kind as usize) {
            *count += 1;
        }
    }

    pub(crate) fn skip(&mut self, file: &str, line: u32, why: Malformed) {
        self.skipped += 1;
        if self.errors.len() < MAX_LINE_ERRORS {
            self.errors.push(LineError { file: file.to_owned(), line, why });
        }
    }

    pub(crate) fn doubt(&mut self, file: &str, line: u32, doubt: Doubt) {
        self.doubts_found += 1;
        if self.doubts.len() < MAX_LINE_ERRORS {
            self.doubts.push(Doubtful { file: file.to_owned(), line, doubt });
        }
    }

    /// Entries that were understood, whatever became of them.
    pub(crate) fn understood(&self) -> u64 {
        self.loaded() + self.duplicates + self.allowed + self.ignored
    }
}

/// "3 indicators: 2 domains, 1 addresses".
impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} indicators", self.loaded())?;
        let mut groups: Vec<(&str, u64)> = Vec::new();
        for kind in Kind::ALL {
            match groups.iter_mut().find(|(name, _)| *name == kind.plural()) {
                Some((_, sum)) => *sum += self.count(kind),
                None => groups.push((kind.plural(), self.count(kind))),
            }
        }
        let groups = groups.into_iter().filter(|&(_, sum)| sum > 0);
        for (place, (name, sum)) in groups.enumerate() {
            write!(f, "{} {sum} {name}", if place == 0 { ":" } else { "," })?;
        }
        for (count, what) in [
            (self.duplicates, "listed twice"),
            (self.allowed, "allowed"),
            (self.ignored, "not for detection"),
            (self.texts_dropped, "texts dropped"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}
