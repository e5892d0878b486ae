//! Files as NFS moves them: in pieces by handle and offset.

use wire::Direction;

use super::nfs::{Contents, NfsChunk};
use crate::parser::{FileEvent, Sink};

/// Files on their way at once; the oldest is given up for a new one.
const MAX_FILES: usize = 32;

/// Which way a piece goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub direction: Direction,
    pub write: bool,
}

#[derive(Debug)]
struct Open {
    number: u64,
    handle: Box<[u8]>,
    write: bool,
    /// The offset that comes next.
    next: u64,
}

/// All files on a flow.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: Vec<Open>,
    opened: u64,
    pub limits_hit: u32,
}

impl Files {
    /// A piece; the file's number and how many of its bytes follow behind what is at hand.
    pub fn take(
        &mut self,
        way: Way,
        handle: &[u8],
        name: Option<&str>,
        piece: Contents<'_>,
        sink: &mut dyn Sink,
    ) -> (NfsChunk, Option<(u64, usize)>) {
        let known = self.open.iter().position(|f| f.write == way.write && *f.handle == *handle);
        let index = known.unwrap_or_else(|| self.begin(way, handle, name, sink));
        let file = &mut self.open[index];
        let (number, end) = (file.number, piece.offset.saturating_add(piece.len.into()));
        let chunk = NfsChunk { first: piece.offset == 0, last: piece.eof };
        let mut follows = None;
        if piece.offset >= file.next {
            // A piece from before what came already was told of as missing, or is a repetition.
            if piece.offset > file.next {
                sink.file(FileEvent::Gap { handle: number, missing: piece.offset - file.next });
            }
            file.next = end;
            if !piece.bytes.is_empty() {
                sink.file(FileEvent::Data { handle: number, bytes: piece.bytes });
            }
            let left = piece.len as usize - piece.bytes.len();
            follows = (left > 0).then_some((number, left));
        }
        if piece.eof && follows.is_none() {
            self.close_one(index, false, sink);
        }
        (chunk, follows)
    }

    fn begin(&mut self, way: Way, handle: &[u8], name: Option<&str>, sink: &mut dyn Sink) -> usize {
        if self.open.len() >= MAX_FILES {
            self.limits_hit += 1;
            self.close_one(0, true, sink);
        }
        let number = self.opened;
        self.opened += 1;
        self.open.push(Open { number, handle: handle.into(), write: way.write, next: 0 });
        sink.file(FileEvent::Open {
            handle: number,
            direction: way.direction,
            name,
            size: None,
            in_body: false,
        });
        self.open.len() - 1
    }

    /// Bytes behind those of a piece.
    pub fn more(&mut self, number: u64, bytes: &[u8], sink: &mut dyn Sink) {
        if !bytes.is_empty() && self.open.iter().any(|f| f.number == number) {
            sink.file(FileEvent::Data { handle: number, bytes });
        }
    }

    /// Bytes of a piece were never captured.
    pub fn gap(&mut self, number: u64, missing: u64, sink: &mut dyn Sink) {
        if missing > 0 && self.open.iter().any(|f| f.number == number) {
            sink.file(FileEvent::Gap { handle: number, missing });
        }
    }

    /// The client has written all it wants.
    pub fn finish(&mut self, handle: &[u8], sink: &mut dyn Sink) {
        while let Some(index) = self.open.iter().position(|f| f.write && *f.handle == *handle) {
            self.close_one(index, false, sink);
        }
    }

    fn close_one(&mut self, index: usize, truncated: bool, sink: &mut dyn Sink) {
        let file = self.open.remove(index);
        sink.file(FileEvent::Close { handle: file.number, truncated, carrier: None });
    }

    /// The flow is over. What was written is as complete as it will be; of what was read the end is missing.
    pub fn close(&mut self, sink: &mut dyn Sink) {
        while let Some(file) = self.open.first() {
            let truncated = !file.write;
            self.close_one(0, truncated, sink);
        }
    }
}
