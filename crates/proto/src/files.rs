//! A file that was transferred, whatever protocol carried it.
//!
//! Parsers only tell [`crate::FileEvent`]s; whoever implements [`crate::Sink::file`] makes this of them.

use wire::Direction;

use crate::registry::AppProto;
use crate::transaction::Transaction;

/// Bytes of a file's name that are kept.
pub const MAX_FILE_NAME: usize = 2048;

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Whole: every byte up to its end was seen.
    Closed,
    /// Its end or bytes within it were not seen.
    Truncated,
}

impl FileState {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FileState::Closed => "CLOSED",
            FileState::Truncated => "TRUNCATED",
        }
    }
}

/// A file whose transfer is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Which way its bytes went.
    pub direction: Direction,
    /// Its name as the protocol gave it, cut at [`MAX_FILE_NAME`] bytes.
    pub name: Option<String>,
    /// Bytes that passed, those that were not captured included.
    pub size: u64,
    /// How it ended.
    pub state: FileState,
    /// Whether bytes within it were not captured.
    pub gaps: bool,
    /// MIME type by its first bytes, if asked for and known.
    pub magic: Option<&'static str>,
    /// MD5 of a whole file, if asked for.
    pub md5: Option<[u8; 16]>,
    /// SHA-1 of a whole file, if asked for.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256 of a whole file, if asked for.
    pub sha256: Option<[u8; 32]>,
    /// Whether all of it was handed over to be stored.
    pub stored: bool,
    /// Ordinal within the flow of the transaction that carried it.
    pub tx_id: u64,
    /// What the flow spoke.
    pub app: Option<AppProto>,
    /// The exchange that carried it.
    pub carrier: Option<Transaction>,
}

/// The part of a name that is kept: [`MAX_FILE_NAME`] bytes, whole characters.
#[must_use]
pub fn bounded_name(name: &str) -> &str {
    let mut end = name.len().min(MAX_FILE_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
