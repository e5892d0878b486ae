//! One line: `{"seq":N,"prev":"SUM","record":{...},"sum":"SUM"}`, where `sum` is the SHA-256 of all that stands before
//! `,"sum":` in the line, and `prev` is the `sum` of the line before. So a line vouches for itself, and for all before it.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::record::Record;

/// Bytes of a line, its end included. What is longer is no record.
pub const MAX_LINE: usize = 64 * 1024;
/// What every line begins with. Within a record's texts a quotation mark is escaped, so it stands nowhere else.
pub(crate) const BEGIN: &[u8] = b"{\"seq\":";
const SUM: &[u8] = b",\"sum\":\"";
/// Hexadecimal digits of a checksum.
const DIGITS: usize = 64;
/// `,"sum":"..."}`
const SEAL: usize = SUM.len() + DIGITS + 2;

/// SHA-256 of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum([u8; DIGITS / 2]);

impl Checksum {
    fn of(bytes: &[u8]) -> Self {
        Checksum(Sha256::digest(bytes).into())
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut sum = [0; DIGITS / 2];
        if text.len() != DIGITS {
            return None;
        }
        for (byte, digits) in sum.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |c: u8| match c {
                b'0'..=b'9' => Some(c - b'0'),
                b'a'..=b'f' => Some(c - b'a' + 10),
                _ => None,
            };
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Some(Checksum(sum))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Of the format.
    pub(crate) version: u32,
    /// Which isolation map it tells of: where that is pinned.
    pub(crate) of: String,
    /// When the file was begun.
    pub(crate) time: String,
    /// Lines that follow with isolations from the file before.
    pub(crate) carried: u64,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Head(Head),
    /// A step.
    Record(Record),
    /// The last step so far of an isolation that runs on, from the file before. In doubt, if what came after that step
    /// was damaged.
    Carry {
        record: Record,
        in_doubt: bool,
    },
    /// So many records could not be written before this one.
    Lost(u64),
}

/// An intact line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) seq: u64,
    pub(crate) prev: Checksum,
    pub(crate) sum: Checksum,
    /// None if this version does not understand it.
    pub(crate) body: Option<Body>,
}

/// The bytes of a line with its end, and its checksum.
pub(crate) fn seal(seq: u64, prev: &Checksum, body: &Body) -> (Vec<u8>, Checksum) {
    let (name, json) = match body {
        Body::Head(head) => ("head", serde_json::to_string(head)),
        Body::Record(record) => ("record", serde_json::to_string(record)),
        Body::Carry { record, in_doubt: false } => ("carry", serde_json::to_string(record)),
        Body::Carry { record, in_doubt: true } => ("doubted", serde_json::to_string(record)),
        Body::Lost(records) => ("lost", Ok(records.to_string())),
    };
    // Structures of texts and numbers always have a form in JSON.
    let json = json.unwrap_or_else(|_| "null".into());
    let mut text = format!("{{\"seq\":{seq},\"prev\":\"{prev}\",\"{name}\":{json}");
    let sum = Checksum::of(text.as_bytes());
    let _ = writeln!(text, ",\"sum\":\"{sum}\"}}");
    (text.into_bytes(), sum)
}

/// The line, if it is whole and as it was written. Without its end.
pub(crate) fn open(bytes: &[u8]) -> Option<Line> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
        prev: String,
    }
    #[derive(Deserialize)]
    struct Said {
        head: Option<Head>,
        record: Option<Record>,
        carry: Option<Record>,
        doubted: Option<Record>,
        lost: Option<u64>,
    }
    if bytes.len() >= MAX_LINE || !bytes.starts_with(BEGIN) {
        return None;
    }
    let (said, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
    let sum = Checksum::parse(seal.strip_prefix(SUM)?.strip_suffix(b"\"}")?)?;
    if Checksum::of(said) != sum {
        return None;
    }
    let Numbered { seq, prev } = serde_json::from_slice(bytes).ok()?;
    let prev = Checksum::parse(prev.as_bytes())?;
    let body = match serde_json::from_slice(bytes) {
        Ok(Said { head: Some(head), .. }) => Some(Body::Head(head)),
        Ok(Said { record: Some(record), .. }) => Some(Body::Record(record)),
        Ok(Said { carry: Some(record), .. }) => Some(Body::Carry { record, in_doubt: false }),
        Ok(Said { doubted: Some(record), .. }) => Some(Body::Carry { record, in_doubt: true }),
        Ok(Said { lost: Some(lost), .. }) => Some(Body::Lost(lost)),
        _ => None,
    };
    Some(Line { seq, prev, sum, body })
}
