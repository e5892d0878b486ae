//! What is found at the start.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::{FILE_MODE, FIRST, FOLDER_MODE, Limits, Losses, MAGIC, Segment, Spool, record, segment_path};
use crate::PushError;

/// Number of the first segment (u64), offset of the oldest event in it (u64), CRC-32 of both (u32), little-endian.
const HEAD_BYTES: usize = 20;

pub(super) fn head_bytes(number: u64, offset: u64) -> [u8; HEAD_BYTES] {
    let mut out = [0; HEAD_BYTES];
    out[..8].copy_from_slice(&number.to_le_bytes());
    out[8..16].copy_from_slice(&offset.to_le_bytes());
    let sum = crc32fast::hash(&out[..16]);
    out[16..].copy_from_slice(&sum.to_le_bytes());
    out
}

/// How far delivery had come; the very beginning if that is not known.
fn read_head(file: &File) -> (u64, u64) {
    let mut bytes = [0; HEAD_BYTES];
    if file.read_exact_at(&mut bytes, 0).is_err() {
        return (0, FIRST);
    }
    let u64_at =
        |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u64::from_le_bytes(*b));
    let (number, offset) = (u64_at(0), u64_at(8));
    if head_bytes(number, offset) == bytes { (number, offset) } else { (0, FIRST) }
}

impl Spool {
    /// Opens the queue in a folder, which is made if it is not there. What an earlier run left is in it.
    pub(crate) fn open(dir: &Path, limits: Limits) -> Result<Self, PushError> {
        let failed = |err: io::Error| PushError::file(dir, err);
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(dir).map_err(failed)?;
        let open = |name| {
            let path = dir.join(name);
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
            options.open(&path).map_err(|err| PushError::file(path, err))
        };
        let lock = open("lock")?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| PushError::file(dir, "another sensor uses this queue"))?;
        let head = open("head")?;
        let (first, offset) = read_head(&head);
        let mut spool = Spool {
            dir: dir.to_owned(),
            limits,
            segments: VecDeque::new(),
            write: None,
            read: None,
            offset: FIRST,
            next_number: first.saturating_add(1),
            head,
            oldest: 0,
            taken: None,
            losses: Losses::default(),
            _lock: lock,
        };
        for number in numbers(dir).map_err(failed)? {
            let from = if number == first { offset } else { FIRST };
            spool.find(number, number < first, from)?;
        }
        // Another limit than last time's.
        while spool.segments.len() > 1 && spool.file_bytes() > limits.bytes {
            spool.drop_oldest();
        }
        Ok(spool)
    }

    /// A segment of an earlier run: what is whole in it, from `from` on, waits again.
    fn find(&mut self, number: u64, delivered: bool, from: u64) -> Result<(), PushError> {
        self.next_number = self.next_number.max(number.saturating_add(1));
        let path = segment_path(&self.dir, number);
        let failed = |err: io::Error| PushError::file(&path, err);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut magic = [0; MAGIC.len()];
        // Made, and killed before the first bytes were in it.
        let begun = size >= FIRST;
        let known = begun && file.read_exact_at(&mut magic, 0).is_ok() && &magic == MAGIC;
        let (mut end, mut events) = (FIRST, 0);
        if known && !delivered {
            while let Some((_, len)) = record::read_at(&file, end, size) {
                events += u64::from(end >= from);
                end += len;
            }
        }
        if begun && !delivered && (!known || end < size) {
            self.losses.damaged += 1;
            tracing::warn!("{}: damaged at byte {end}; what was written before is kept", path.display());
        }
        if events == 0 {
            return fs::remove_file(&path).map_err(failed);
        }
        if end < size {
            file.set_len(end).map_err(failed)?;
        }
        if self.segments.is_empty() {
            self.offset = from;
        }
        self.segments.push_back(Segment { number, end, events });
        Ok(())
    }
}

/// The segments' numbers, in order.
fn numbers(dir: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".segment"));
        numbers.extend(stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
