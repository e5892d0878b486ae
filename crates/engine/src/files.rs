//! Files that are transferred on a flow: followed while they stream by, told of when they end.
//!
//! A file costs nothing but its entry unless hashes, magic or its storing are asked for. Bytes that are to be stored
//! travel to the recorder in pieces; what waits there is bounded over all workers together.

use std::sync::Arc;

use flow::FlowTuple;
use md5::Md5;
use output::{FileBudget, PieceBytes, PieceEnd, PieceEvent};
use proto::{FileEvent, FileInfo, FileState, bounded_name};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use wire::Direction;

use crate::counters::WorkerCounters;

/// Files that may be open on a flow at once.
const MAX_OPEN_FILES: usize = 64;
/// First bytes of a file that its magic is looked for in.
const MAGIC_BYTES: usize = 4096;
/// Bytes of a file that travel to the recorder at once.
const PIECE: usize = 32 * 1024;

/// Bytes kept for detectors of all files that are open on a worker, unless it is told otherwise.
const INSPECTED_TOTAL: u64 = 64 << 20;

/// What is done with files.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Compute the MD5.
    pub md5: bool,
    /// Compute the SHA-1.
    pub sha1: bool,
    /// Compute the SHA-256; done for stored files in any case.
    pub sha256: bool,
    /// Tell the MIME type by the first bytes.
    pub magic: bool,
    /// Store contents.
    pub store: bool,
    /// Larger files are neither hashed nor stored.
    pub max_size: u64,
    /// Bytes that wait to be stored, shared by all workers.
    pub budget: Arc<FileBudget>,
    /// First bytes of each file that detectors want to see when it is over; 0: they want none. Not of bodies of HTTP:
    /// those they are shown by their parser.
    pub inspected: usize,
    /// Bytes kept for that of all files that are open, for each worker.
    pub inspected_total: u64,
}

impl Default for FileOptions {
    /// Files are told of, nothing more.
    fn default() -> Self {
        FileOptions {
            md5: false,
            sha1: false,
            sha256: false,
            magic: false,
            store: false,
            max_size: u64::MAX,
            budget: FileBudget::new(0),
            inspected: 0,
            inspected_total: INSPECTED_TOTAL,
        }
    }
}

#[derive(Debug, Default)]
struct Digests {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
}

#[derive(Debug)]
struct Storing {
    number: u64,
    /// Where the piece at hand begins.
    offset: u64,
    piece: Option<PieceBytes>,
}

/// A file under way.
#[derive(Debug)]
struct OpenFile {
    handle: u64,
    direction: Direction,
    name: Option<Box<str>>,
    size: u64,
    gaps: bool,
    /// Both are given up when bytes are missing or it grows too large.
    digests: Option<Box<Digests>>,
    storing: Option<Storing>,
    /// First bytes, until the magic is known.
    head: Option<Vec<u8>>,
    magic: Option<&'static str>,
    /// Detectors want more of its first bytes.
    wanted: bool,
    content: Vec<u8>,
}

/// A file that is over.
#[derive(Debug)]
pub(crate) struct OverFile {
    /// Its event, without the number of its transaction.
    pub(crate) info: FileInfo,
    /// Its first bytes, as far as detectors want them.
    pub(crate) content: Vec<u8>,
}

/// The open files of a flow.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    open: Vec<OpenFile>,
    /// Files that were ever to be stored.
    begun: u64,
}

/// Where the files of one flow are followed.
pub(crate) struct Follower<'a> {
    pub(crate) options: &'a FileOptions,
    pub(crate) counters: &'a WorkerCounters,
    pub(crate) tuple: &'a FlowTuple,
    /// For the recorder.
    pub(crate) pieces: &'a mut Vec<PieceEvent>,
}

impl Follower<'_> {
    /// Takes what a parser told; a file that is over is returned.
    pub(crate) fn take(&mut self, files: &mut OpenFiles, event: FileEvent<'_>) -> Option<OverFile> {
        match event {
            FileEvent::Open { handle, direction, name, in_body, .. } => {
                self.open(files, handle, direction, name, self.options.inspected > 0 && !in_body);
                None
            }
            FileEvent::Data { handle, bytes } => {
                let file = files.open.iter_mut().find(|f| f.handle == handle)?;
                file.size = file.size.saturating_add(bytes.len() as u64);
                if file.size > self.options.max_size && (file.digests.is_some() || file.storing.is_some()) {
                    self.counters.files_too_large.add(1);
                    self.give_up(file);
                }
                self.data(file, bytes);
                None
            }
            FileEvent::Gap { handle, missing } => {
                let file = files.open.iter_mut().find(|f| f.handle == handle)?;
                file.size = file.size.saturating_add(missing);
                if missing > 0 {
                    file.gaps = true;
                    // What comes behind the hole is not what followed.
                    file.wanted = false;
                    self.give_up(file);
                    if let Some(head) = file.head.take() {
                        file.magic = magic(&head);
                    }
                }
                None
            }
            FileEvent::Close { handle, truncated, carrier } => {
                let at = files.open.iter().position(|f| f.handle == handle)?;
                let file = files.open.remove(at);
                let mut over = self.close(file, truncated);
                over.info.carrier = carrier.cloned();
                Some(over)
            }
        }
    }

    /// The flow is over: what its parser has left open.
    pub(crate) fn rest(&mut self, files: &mut OpenFiles) -> Vec<OverFile> {
        files.open.drain(..).map(|file| self.close(file, true)).collect()
    }

    fn open(
        &mut self,
        files: &mut OpenFiles,
        handle: u64,
        direction: Direction,
        name: Option<&str>,
        wanted: bool,
    ) {
        if files.open.len() >= MAX_OPEN_FILES {
            self.counters.files_refused.add(1);
            return;
        }
        let o = self.options;
        let digests = (o.md5 || o.sha1 || o.sha256 || o.store).then(|| {
            Box::new(Digests {
                md5: o.md5.then(Md5::new),
                sha1: o.sha1.then(Sha1::new),
                sha256: (o.sha256 || o.store).then(Sha256::new),
            })
        });
        let number = files.begun;
        files.begun += u64::from(o.store);
        files.open.push(OpenFile {
            handle,
            direction,
            name: name.map(|name| bounded_name(name).into()),
            size: 0,
            gaps: false,
            digests,
            storing: o.store.then_some(Storing { number, offset: 0, piece: None }),
            head: o.magic.then(Vec::new),
            magic: None,
            wanted,
            content: Vec::new(),
        });
    }

    /// Keeps bytes for detectors.
    fn keep(&mut self, file: &mut OpenFile, bytes: &[u8]) {
        let memory = &self.counters.file_memory;
        let lacks = self.options.inspected.saturating_sub(file.content.len()).min(bytes.len());
        let room = usize::try_from(self.options.inspected_total.saturating_sub(memory.get()));
        let fits = lacks.min(room.unwrap_or(usize::MAX));
        file.content.extend_from_slice(&bytes[..fits]);
        memory.add(fits as u64);
        if fits < lacks {
            self.counters.files_uninspected.add(1);
            file.wanted = false;
        }
    }

    fn data(&mut self, file: &mut OpenFile, mut bytes: &[u8]) {
        if file.wanted {
            self.keep(file, bytes);
        }
        if let Some(head) = &mut file.head {
            head.extend_from_slice(&bytes[..bytes.len().min(MAGIC_BYTES - head.len())]);
            if head.len() == MAGIC_BYTES {
                file.magic = magic(head);
                file.head = None;
            }
        }
        if let Some(digests) = &mut file.digests {
            if let Some(md5) = &mut digests.md5 {
                md5.update(bytes);
            }
            if let Some(sha1) = &mut digests.sha1 {
                sha1.update(bytes);
            }
            if let Some(sha256) = &mut digests.sha256 {
                sha256.update(bytes);
            }
        }
        while let (Some(storing), false) = (&mut file.storing, bytes.is_empty()) {
            if storing.piece.is_none() {
                storing.piece = self.options.budget.piece(PIECE);
            }
            let Some(piece) = &mut storing.piece else {
                // The disk is too slow: better one file less than memory without end.
                self.counters.files_lost.add(1);
                self.discard(file);
                return;
            };
            bytes = &bytes[piece.fill(bytes)..];
            if piece.is_full() {
                self.send(storing, PieceEnd::More);
            }
        }
    }

    fn send(&mut self, storing: &mut Storing, end: PieceEnd) {
        let bytes = storing.piece.take().map(Arc::new);
        let len = bytes.as_ref().map_or(0, |b| b.as_slice().len() as u64);
        let (flow, file, offset) = (*self.tuple, storing.number, storing.offset);
        self.pieces.push(PieceEvent { flow, file, offset, bytes, end });
        storing.offset += len;
    }

    fn discard(&mut self, file: &mut OpenFile) {
        if let Some(mut storing) = file.storing.take() {
            storing.piece = None;
            if storing.offset > 0 {
                self.send(&mut storing, PieceEnd::Discard);
            }
        }
    }

    fn give_up(&mut self, file: &mut OpenFile) {
        file.digests = None;
        self.discard(file);
    }

    fn close(&mut self, mut file: OpenFile, truncated: bool) -> OverFile {
        let content = std::mem::take(&mut file.content);
        let memory = &self.counters.file_memory;
        memory.set(memory.get().saturating_sub(content.len() as u64));
        let cut = truncated || file.gaps;
        if cut {
            self.give_up(&mut file);
        }
        if let Some(head) = file.head.take() {
            file.magic = magic(&head);
        }
        let Digests { md5, sha1, sha256 } = file.digests.take().map_or_else(Digests::default, |d| *d);
        let sha256: Option<[u8; 32]> = sha256.map(|d| d.finalize().into());
        let mut stored = false;
        if let (Some(mut storing), Some(sha256)) = (file.storing.take(), sha256)
            && file.size > 0
        {
            self.send(&mut storing, PieceEnd::Keep(sha256));
            stored = true;
        }
        self.counters.files.add(1);
        let info = FileInfo {
            direction: file.direction,
            name: file.name.map(String::from),
            size: file.size,
            state: if cut { FileState::Truncated } else { FileState::Closed },
            gaps: file.gaps,
            magic: file.magic,
            md5: md5.map(|d| d.finalize().into()),
            sha1: sha1.map(|d| d.finalize().into()),
            sha256: sha256.filter(|_| self.options.sha256 || stored),
            stored,
            tx_id: 0,
            app: None,
            carrier: None,
        };
        OverFile { info, content }
    }
}

/// The MIME type that these first bytes tell.
fn magic(head: &[u8]) -> Option<&'static str> {
    infer::get(head).map(|kind| kind.mime_type())
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
