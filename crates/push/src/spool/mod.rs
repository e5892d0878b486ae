//! A bounded queue on disk.
//!
//! Events are appended to *segments*, files that are deleted when all their events were delivered. How far that has come
//! is in the file `head`. Everything is written with `pwrite` at a known place, and every record has a checksum: a
//! process that is killed leaves whole records and perhaps one that is not, which is recognised at the next start and cut
//! off. What was delivered and not yet noted down is delivered again. If the queue is full its oldest segment goes.
//! Every event that was put in or found at the start is delivered (or given up by whoever delivers), dropped, expired,
//! damaged or still there: each is counted once.

mod open;
mod record;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(crate) use record::Entry;

/// The first bytes of a segment; the last one is the version of the format.
const MAGIC: &[u8; 8] = b"RWPUSH\n\x01";
/// Where the first record of a segment begins.
const FIRST: u64 = MAGIC.len() as u64;
/// A full queue has about so many segments: what goes at once when it is full is that part of it.
const SEGMENTS: u64 = 16;
/// Who may read the queue: alerts tell much of a network.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of all segments.
    pub(crate) bytes: u64,
    /// Nanoseconds that an event may wait.
    pub(crate) age_ns: u64,
}

impl Limits {
    fn segment(&self) -> u64 {
        self.bytes / SEGMENTS
    }
}

/// What became of events that were not delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub(crate) dropped: u64,
    pub(crate) expired: u64,
    pub(crate) damaged: u64,
}

/// The oldest event, with its place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) place: u64,
    pub(crate) entry: Entry,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    /// Where the next record goes; what is behind is nothing.
    end: u64,
    /// Events in it that are not delivered.
    events: u64,
}

/// See the module's text. Not for several threads at once.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    limits: Limits,
    segments: VecDeque<Segment>,
    /// The last segment, if it may grow.
    write: Option<File>,
    /// The first segment.
    read: Option<File>,
    /// Where the oldest event begins, in the first segment.
    offset: u64,
    next_number: u64,
    head: File,
    /// Ordinal of the oldest event since the start.
    oldest: u64,
    /// The event that is being delivered.
    taken: Option<u64>,
    losses: Losses,
    /// Locked as long as this process uses the folder.
    _lock: File,
}

impl Spool {
    /// Appends an event. The oldest ones go if there is no room.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let record = record::encode(entry)?;
        let len = record.len() as u64;
        while !self.segments.is_empty() && self.file_bytes() + len > self.limits.bytes {
            self.drop_oldest();
        }
        if self.write.is_none() || self.segments.back().is_none_or(|s| s.end + len > self.limits.segment()) {
            self.roll()?;
        }
        if let (Some(file), Some(segment)) = (&self.write, self.segments.back_mut()) {
            file.write_all_at(&record, segment.end)?;
            segment.end += len;
            segment.events += 1;
        }
        Ok(())
    }

    /// The oldest event that is not too old; to be delivered, and then [`Spool::done`] or [`Spool::not_done`].
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<Item> {
        loop {
            let &Segment { number, events, .. } = self.segments.front()?;
            if events == 0 {
                // The last one goes on growing.
                if self.segments.len() == 1 {
                    return None;
                }
                self.remove_first();
                continue;
            }
            let Some((entry, _)) = self.read_oldest() else {
                tracing::error!("{}: damaged at byte {}", self.path(number).display(), self.offset);
                self.losses.damaged += events;
                self.oldest += events;
                self.remove_first();
                continue;
            };
            if entry.time_ns.saturating_add(self.limits.age_ns) < now_ns {
                self.losses.expired += 1;
                self.advance();
                continue;
            }
            self.taken = Some(self.oldest);
            return Some(Item { place: self.oldest, entry });
        }
    }

    /// The event was delivered, or given up.
    pub(crate) fn done(&mut self, place: u64) {
        self.taken = None;
        if place == self.oldest {
            self.advance();
        }
    }

    /// The event was not delivered. It is still there, unless it had to go meanwhile.
    pub(crate) fn not_done(&mut self, place: u64) {
        self.taken = None;
        self.losses.dropped += u64::from(place < self.oldest);
    }

    /// Events that wait, and their bytes.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let events = self.segments.iter().map(|s| s.events).sum();
        let bytes: u64 = self.segments.iter().map(|s| s.end - FIRST).sum();
        (events, bytes.saturating_sub(self.offset.saturating_sub(FIRST)))
    }

    pub(crate) fn losses(&self) -> Losses {
        self.losses
    }

    /// The file that was written to last, to be synced by somebody who has the time.
    pub(crate) fn last_file(&self) -> Option<File> {
        self.write.as_ref().and_then(|file| file.try_clone().ok())
    }

    fn path(&self, number: u64) -> PathBuf {
        segment_path(&self.dir, number)
    }

    fn file_bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.end).sum()
    }

    /// Begins a segment.
    fn roll(&mut self) -> io::Result<()> {
        if self.segments.back().is_some_and(|last| last.events == 0) && self.segments.len() == 1 {
            self.remove_first();
        }
        let number = self.next_number;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(self.path(number))?;
        file.write_all_at(MAGIC, 0)?;
        self.next_number += 1;
        self.segments.push_back(Segment { number, end: FIRST, events: 0 });
        self.write = Some(file);
        Ok(())
    }

    /// The oldest event and the length of its record.
    fn read_oldest(&mut self) -> Option<(Entry, u64)> {
        let segment = self.segments.front()?;
        if self.read.is_none() {
            self.read = File::open(segment_path(&self.dir, segment.number)).ok();
        }
        record::read_at(self.read.as_ref()?, self.offset, segment.end)
    }

    /// The oldest event has gone.
    fn advance(&mut self) {
        let Some((_, len)) = self.read_oldest() else { return };
        self.offset += len;
        self.oldest += 1;
        let mut finished = false;
        if let Some(segment) = self.segments.front_mut() {
            segment.events = segment.events.saturating_sub(1);
            finished = segment.events == 0;
        }
        if finished && self.segments.len() > 1 {
            self.remove_first();
        } else {
            self.note_head();
        }
    }

    /// All events of the first segment go; the one that is being delivered is not lost yet.
    fn drop_oldest(&mut self) {
        let events = self.segments.front().map_or(0, |s| s.events);
        let being_delivered = u64::from(events > 0 && self.taken == Some(self.oldest));
        self.losses.dropped += events - being_delivered;
        self.oldest += events;
        self.remove_first();
    }

    fn remove_first(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        if self.segments.is_empty() {
            self.write = None;
        }
        self.read = None;
        self.offset = FIRST;
        self.note_head();
        if let Err(err) = fs::remove_file(self.path(segment.number)) {
            tracing::warn!("{}: {err}", self.path(segment.number).display());
        }
    }

    /// Whoever cannot note this down delivers again after a restart; nothing is lost.
    fn note_head(&self) {
        let number = self.segments.front().map_or(self.next_number, |s| s.number);
        if let Err(err) = self.head.write_all_at(&open::head_bytes(number, self.offset), 0) {
            tracing::debug!("{}: {err}", self.dir.display());
        }
    }
}

fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.segment"))
}

#[cfg(test)]
#[path = "../spool_tests.rs"]
mod tests;
