//! Lines on their way to a file that may refuse them.
//!
//! A write that fails is taken back to the last whole line, so that no torn line is ever glued to the next. Alerts and
//! isolations that do not fit wait in memory; what else does not fit is lost, and counted by its type.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::state::OutputState;

/// Types whose lines wait for room.
const KEPT: [&str; 2] = ["alert", "isolation"];

/// Where lines go.
pub(crate) trait Medium {
    /// Bytes so far.
    fn size(&self) -> io::Result<u64>;
    /// Appends some of the bytes; how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Takes everything from there on back.
    fn cut(&mut self, size: u64) -> io::Result<()>;
}

impl Medium for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn cut(&mut self, size: u64) -> io::Result<()> {
        // Devices and pipes have no end to go back to.
        if self.metadata()?.is_file() { self.set_len(size) } else { Ok(()) }
    }
}

/// A line that ends there in the buffer.
#[derive(Debug)]
struct Mark {
    end: usize,
    kind: String,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Lines {
    waiting: Vec<u8>,
    marks: Vec<Mark>,
    kept: VecDeque<(String, Box<[u8]>)>,
    kept_bytes: usize,
    /// Bytes that [`Lines::kept`] may have.
    limit: usize,
    /// A line is torn there and could not be taken back yet.
    torn: Option<u64>,
    state: Arc<OutputState>,
}

impl Lines {
    /// Lines of which `limit` bytes may wait for room.
    pub(crate) fn new(limit: usize, state: Arc<OutputState>) -> Self {
        Lines {
            waiting: Vec::new(),
            marks: Vec::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            limit,
            torn: None,
            state,
        }
    }

    /// Takes a line: `write` appends it without its end.
    pub(crate) fn push(&mut self, kind: &str, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.waiting);
        self.waiting.push(b'\n');
        let end = self.waiting.len();
        // Most lines are of the type of the line before; their names are short.
        self.marks.push(Mark { end, kind: kind.to_owned() });
    }

    /// Bytes that are not written, without those that wait for room.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing is to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.kept.is_empty()
    }

    /// Another file is written from now on.
    pub(crate) fn moved(&mut self) {
        self.torn = None;
    }

    /// Writes what there is, the oldest first. What the medium refuses is kept or lost; the buffer is empty then.
    pub(crate) fn flush(&mut self, medium: &mut impl Medium) -> io::Result<()> {
        let written = self.flush_kept(medium).and_then(|()| self.flush_waiting(medium));
        if written.is_err() {
            self.spill();
        }
        self.waiting.clear();
        self.marks.clear();
        self.state.waiting.store(self.kept.len() as u64, Ordering::Relaxed);
        written
    }

    /// Nothing will be written any more: what waits is lost.
    pub(crate) fn give_up(&mut self) {
        for (kind, _) in self.kept.drain(..) {
            self.state.lose(&kind);
        }
        self.kept_bytes = 0;
        self.state.waiting.store(0, Ordering::Relaxed);
    }

    fn flush_kept(&mut self, medium: &mut impl Medium) -> io::Result<()> {
        while let Some((_, line)) = self.kept.front() {
            let (_, outcome) = append(medium, &mut self.torn, line, &[line.len()]);
            outcome?;
            self.kept_bytes -= line.len();
            self.kept.pop_front();
        }
        Ok(())
    }

    fn flush_waiting(&mut self, medium: &mut impl Medium) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let ends: Vec<usize> = self.marks.iter().map(|mark| mark.end).collect();
        let (whole, outcome) = append(medium, &mut self.torn, &self.waiting, &ends);
        if outcome.is_err() {
            // Those are on disk.
            let from = whole.checked_sub(1).map_or(0, |last| ends[last]);
            self.waiting.drain(..from);
            self.marks.drain(..whole);
            self.marks.iter_mut().for_each(|mark| mark.end -= from);
        }
        outcome
    }

    /// Keeps what matters most, as far as there is room: what was spilled first is dropped last.
    fn spill(&mut self) {
        let mut start = 0;
        for Mark { end, kind } in self.marks.drain(..) {
            let line = &self.waiting[start..end];
            start = end;
            if KEPT.contains(&kind.as_str()) && self.kept_bytes + line.len() <= self.limit {
                self.kept_bytes += line.len();
                self.kept.push_back((kind, line.into()));
            } else {
                self.state.lose(&kind);
            }
        }
    }
}

/// Appends bytes whose lines end at `ends`; how many lines are there now, whole.
fn append(
    medium: &mut impl Medium,
    torn: &mut Option<u64>,
    bytes: &[u8],
    ends: &[usize],
) -> (usize, io::Result<()>) {
    let begin = || -> io::Result<u64> {
        if let Some(at) = *torn {
            // Somebody else may have cut the file meanwhile.
            if medium.size()? > at {
                medium.cut(at)?;
            }
        }
        medium.size()
    };
    let mut begin = begin;
    let start = match begin() {
        Ok(start) => start,
        Err(err) => return (0, Err(err)),
    };
    *torn = None;
    let mut written = 0;
    let failed = loop {
        match medium.append(&bytes[written..]) {
            Ok(0) => break io::ErrorKind::WriteZero.into(),
            Ok(n) => written += n,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => break err,
        }
        if written == bytes.len() {
            return (ends.len(), Ok(()));
        }
    };
    let whole = ends.partition_point(|&end| end <= written);
    let keep = whole.checked_sub(1).map_or(0, |last| ends[last]);
    if keep < written {
        let at = start + keep as u64;
        if medium.cut(at).is_err() {
            *torn = Some(at);
        }
    }
    (whole, Err(failed))
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
