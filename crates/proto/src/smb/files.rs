//! Files that are open on a flow, and their contents on the way.

use std::collections::VecDeque;

use wire::Direction;

use super::transaction::{FileId, Share, Smb, Status};
use crate::parser::{FileEvent, Sink};
use crate::transaction::{Transaction, opened};

/// Files that are followed at once; the one opened first is let go.
const MAX_FILES: usize = 64;

/// Contents that go one way.
#[derive(Debug)]
struct Transfer {
    handle: u64,
    /// Offset in the file of the next byte expected.
    next: u64,
    /// The transaction that stands for the whole transfer.
    of: Box<Smb>,
}

#[derive(Debug)]
struct File {
    id: FileId,
    name: String,
    size: Option<u64>,
    /// `[written, read]`.
    transfers: [Option<Transfer>; 2],
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: VecDeque<File>,
    handles: u64,
    pub limits_hit: u32,
}

impl Files {
    fn find(&mut self, id: FileId) -> Option<&mut File> {
        self.open.iter_mut().rev().find(|file| file.id == id)
    }

    /// A file was opened.
    pub fn opened(&mut self, id: FileId, name: String, size: Option<u64>, sink: &mut dyn Sink) {
        self.close(id, true, sink);
        if self.open.len() >= MAX_FILES
            && let Some(oldest) = self.open.pop_front()
        {
            self.limits_hit += 1;
            close(oldest, true, sink);
        }
        self.open.push_back(File { id, name, size, transfers: [None, None] });
    }

    /// The name that it was opened with.
    pub fn name(&mut self, id: FileId) -> Option<&str> {
        self.find(id).map(|file| file.name.as_str())
    }

    /// Bytes of a file from this offset on. `transfer` makes the transaction that stands for all of it, if these are the
    /// first. Returns how many of the bytes were there before.
    pub fn at(
        &mut self,
        id: FileId,
        direction: Direction,
        offset: u64,
        transfer: impl FnOnce() -> Smb,
        sink: &mut dyn Sink,
    ) -> u64 {
        if self.find(id).is_none() {
            self.opened(id, String::new(), None, sink);
        }
        let handle = self.handles;
        let mut handles = 0;
        let Some(file) = self.find(id) else { return 0 };
        let slot = &mut file.transfers[direction.index()];
        if slot.is_none() {
            let (name, size) = (file.name.clone(), file.size);
            handles = 1;
            let named = (!name.is_empty()).then_some(name.as_str());
            let size = size.filter(|_| direction == Direction::ToClient);
            sink.file(FileEvent::Open { handle, direction, name: named, size, in_body: false });
            let of = Smb { filename: Some(name), ..transfer() };
            let Transaction::Smb(of) = opened(of, sink) else { return 0 };
            *slot = Some(Transfer { handle, next: 0, of });
        }
        let mut known = 0;
        if let Some(transfer) = slot {
            if offset > transfer.next {
                let missing = offset - transfer.next;
                sink.file(FileEvent::Gap { handle: transfer.handle, missing });
                transfer.next = offset;
            }
            known = transfer.next - offset;
        }
        self.handles += handles;
        known
    }

    /// Its next bytes.
    pub fn data(&mut self, id: FileId, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        if let Some(File { transfers, .. }) = self.find(id)
            && let Some(transfer) = &mut transfers[direction.index()]
            && !bytes.is_empty()
        {
            transfer.next = transfer.next.saturating_add(bytes.len() as u64);
            sink.file(FileEvent::Data { handle: transfer.handle, bytes });
        }
    }

    /// So many of its next bytes were not captured.
    pub fn gap(&mut self, id: FileId, direction: Direction, missing: u64, sink: &mut dyn Sink) {
        if let Some(File { transfers, .. }) = self.find(id)
            && let Some(transfer) = &mut transfers[direction.index()]
        {
            transfer.next = transfer.next.saturating_add(missing);
            sink.file(FileEvent::Gap { handle: transfer.handle, missing });
        }
    }

    /// It is closed.
    pub fn close(&mut self, id: FileId, truncated: bool, sink: &mut dyn Sink) {
        if let Some(at) = self.open.iter().rposition(|file| file.id == id)
            && let Some(file) = self.open.remove(at)
        {
            close(file, truncated, sink);
        }
    }

    /// The flow is over.
    pub fn close_all(&mut self, sink: &mut dyn Sink) {
        for file in self.open.drain(..) {
            close(file, true, sink);
        }
    }
}

fn close(file: File, truncated: bool, sink: &mut dyn Sink) {
    for mut transfer in file.transfers.into_iter().flatten() {
        if !truncated && transfer.of.version == 2 {
            transfer.of.status = Some(Status::Nt(0));
        }
        let carrier = Transaction::Smb(transfer.of);
        sink.file(FileEvent::Close { handle: transfer.handle, truncated, carrier: Some(&carrier) });
        sink.log(carrier);
    }
}

/// Trees that are connected.
#[derive(Debug, Default)]
pub(super) struct Trees(VecDeque<(u32, Share)>);

impl Trees {
    /// Trees that are remembered; the one connected first is forgotten.
    const MAX: usize = 64;

    pub fn connected(&mut self, tree: u32, share: Share) {
        self.0.retain(|(id, _)| *id != tree);
        if self.0.len() >= Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back((tree, share));
    }

    pub fn get(&self, tree: u32) -> Option<&Share> {
        self.0.iter().rev().find(|(id, _)| *id == tree).map(|(_, share)| share)
    }
}
