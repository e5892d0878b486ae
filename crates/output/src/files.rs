//! files/AB/ABCD…: files that were transferred, under the SHA-256 of their contents.
//!
//! Their bytes come in pieces. Until the last one has come they are in files/unfinished; a file that lacks a piece is
//! thrown away. No file is kept open: descriptors are few, and pieces are large.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::flow::FlowTuple;

use crate::access::Access;
use crate::error::OutputError;

/// Files that may be unfinished at once.
const MAX_UNFINISHED: usize = 16_384;
/// Files that are named in what a run has written; more are only counted.
const MAX_NAMED: usize = 10_000;

/// Bytes of files that wait to be written, of all workers together: shared, so that no mix of flows and no slow disk
/// makes them more.
#[derive(Debug)]
pub struct FileBudget {
    waiting: AtomicU64,
    limit: u64,
}

impl FileBudget {
    /// At most so many bytes wait.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(FileBudget { waiting: AtomicU64::new(0), limit })
    }

    /// Room for a piece of `capacity` bytes, unless there is none. It is given back when the piece is dropped.
    #[must_use]
    pub fn piece(self: &Arc<Self>, capacity: usize) -> Option<PieceBytes> {
        let reserved = capacity as u64;
        if self.waiting.fetch_add(reserved, Ordering::Relaxed) + reserved > self.limit {
            self.waiting.fetch_sub(reserved, Ordering::Relaxed);
            return None;
        }
        Some(PieceBytes { bytes: Vec::with_capacity(capacity), reserved, budget: self.clone() })
    }
}

/// Bytes of a file on their way to the disk, counted in a [`FileBudget`].
#[derive(Debug)]
pub struct PieceBytes {
    bytes: Vec<u8>,
    reserved: u64,
    budget: Arc<FileBudget>,
}

impl PieceBytes {
    /// Appends as many bytes as fit; how many.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let take = bytes.len().min(self.bytes.capacity() - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..take]);
        take
    }

    /// Whether nothing more fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes.len() == self.bytes.capacity()
    }

    /// The bytes so far.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PieceBytes {
    fn drop(&mut self) {
        self.budget.waiting.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

/// What becomes of a file after a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceEnd {
    /// More pieces come.
    More,
    /// It is whole; this is its SHA-256.
    Keep([u8; 32]),
    /// It is not wanted any more.
    Discard,
}

/// The next bytes of a file that is to be stored.
#[derive(Clone, Debug)]
pub struct PieceEvent {
    /// The flow that carries it.
    pub flow: FlowTuple,
    /// Which file of the flow, from 0.
    pub file: u64,
    /// Where in the file they belong.
    pub offset: u64,
    /// The bytes; none if the piece only tells the end.
    pub bytes: Option<Arc<PieceBytes>>,
    /// What comes then.
    pub end: PieceEnd,
}

impl PartialEq for PieceEvent {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |e: &Self| e.bytes.as_ref().map(|b| b.bytes.clone());
        (self.flow, self.file, self.offset, self.end) == (other.flow, other.file, other.offset, other.end)
            && bytes(self) == bytes(other)
    }
}

impl Eq for PieceEvent {}

/// What limits and lost pieces have kept from being stored, and what was stored.
#[derive(Debug, Default)]
pub(crate) struct FileCounts {
    pub(crate) stored: u64,
    pub(crate) refused: u64,
}

/// The stored files of a run.
#[derive(Debug)]
pub(crate) struct FileStore {
    /// Bytes that may still be written.
    left: u64,
    /// Flow and number of files that are begun, with the bytes so far.
    unfinished: HashMap<(u64, u64), u64>,
    written: Vec<PathBuf>,
    counts: FileCounts,
    access: Access,
}

impl FileStore {
    /// A store that writes so many bytes. What an earlier run left unfinished is thrown away.
    pub(crate) fn new(dir: &Path, limit: u64, access: Access) -> Self {
        // It is not there in most runs.
        let _ = fs::remove_dir_all(unfinished_folder(dir));
        FileStore {
            left: limit,
            unfinished: HashMap::new(),
            written: Vec::new(),
            counts: FileCounts::default(),
            access,
        }
    }

    pub(crate) fn counts(&self) -> &FileCounts {
        &self.counts
    }

    /// Every file stored in this run, relative to the output directory; the first [`MAX_NAMED`].
    pub(crate) fn written(&self) -> &[PathBuf] {
        &self.written
    }

    /// Takes a piece.
    pub(crate) fn take(&mut self, dir: &Path, piece: &PieceEvent) -> Result<(), OutputError> {
        let key = (piece.flow.id, piece.file);
        let path = unfinished_folder(dir).join(format!("{:x}-{}", key.0, key.1));
        let done = self.append(&path, key, piece).and_then(|whole| match piece.end {
            PieceEnd::More => Ok(()),
            PieceEnd::Keep(sha256) if whole => self.keep(dir, &path, sha256),
            PieceEnd::Keep(_) | PieceEnd::Discard => remove(&path),
        });
        if piece.end != PieceEnd::More || done.is_err() {
            self.unfinished.remove(&key);
        }
        if done.is_err() {
            self.counts.refused += 1;
            let _ = remove(&path);
        }
        done.map_err(OutputError::at(&path))
    }

    /// Writes the bytes of a piece; whether all of the file up to its end is there.
    fn append(&mut self, path: &Path, key: (u64, u64), piece: &PieceEvent) -> io::Result<bool> {
        let so_far = self.unfinished.get(&key).copied();
        let bytes = piece.bytes.as_ref().map_or(&[][..], |b| b.as_slice());
        let begins = so_far.is_none() && piece.offset == 0 && piece.end != PieceEnd::Discard;
        let room =
            bytes.len() as u64 <= self.left && (so_far.is_some() || self.unfinished.len() < MAX_UNFINISHED);
        if !(begins || so_far == Some(piece.offset)) || !room {
            if !room && self.left > 0 && bytes.len() as u64 > self.left {
                tracing::error!("stored files have reached their limit (files.max_total_mib)");
                self.left = 0;
            }
            // Counted once: the pieces that follow find no beginning.
            let known = self.unfinished.remove(&key).is_some();
            if known || begins {
                self.counts.refused += 1;
                remove(path)?;
            }
            return Ok(false);
        }
        self.left -= bytes.len() as u64;
        self.unfinished.insert(key, piece.offset + bytes.len() as u64);
        if begins {
            self.access.create(path)?.write_all(bytes)?;
        } else if !bytes.is_empty() {
            OpenOptions::new().append(true).open(path)?.write_all(bytes)?;
        }
        Ok(true)
    }

    /// Moves a whole file to its place.
    fn keep(&mut self, dir: &Path, path: &Path, sha256: [u8; 32]) -> io::Result<()> {
        let name = crate::text::hex(&sha256);
        let place = Path::new("files").join(&name[..2]).join(&name);
        let target = dir.join(&place);
        if target.exists() {
            self.counts.stored += 1;
            return remove(path);
        }
        if let Some(folder) = target.parent() {
            self.access.folder(folder)?;
        }
        fs::rename(path, &target)?;
        self.counts.stored += 1;
        if self.written.len() < MAX_NAMED {
            self.written.push(place);
        }
        Ok(())
    }
}

fn unfinished_folder(dir: &Path) -> PathBuf {
    dir.join("files").join("unfinished")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
