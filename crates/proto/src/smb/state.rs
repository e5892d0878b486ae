//! What is known of an SMB connection: requests without answers, trees, files, pipes.

use std::collections::VecDeque;

use wire::Direction;

use super::files::{Files, Trees};
use super::pipes::Pipes;
use super::transaction::{FileId, Smb, Status};
use crate::parser::{Sink, complete};
use crate::transaction::{Transaction, opened};

/// Requests that may wait for their response; the oldest is logged without.
const MAX_PENDING: usize = 128;
/// Reads that may wait for their data; the oldest is forgotten.
const MAX_READS: usize = 128;

/// What ties a response to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub version: u8,
    pub command: u8,
    /// SMB2's message identifier; SMB1's multiplex and process identifiers.
    pub message: u64,
}

/// Contents of a file that go on behind the bytes that were at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bulk {
    pub id: FileId,
    pub left: usize,
    /// Bytes of it that were transferred before.
    pub known: u64,
}

/// A read that waits for its data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    pub key: Key,
    pub id: FileId,
    pub offset: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    pub dialect: String,
    pub dialects1: Vec<String>,
    pub files: Files,
    pub trees: Trees,
    pub pipes: Pipes,
    pending: VecDeque<(Key, Box<Smb>)>,
    reads: VecDeque<Read>,
    /// In a compound: the file that an earlier message of it opened or was about.
    pub related: Option<FileId>,
    count: u64,
    limits_hit: u32,
}

impl State {
    /// Numbers a transaction.
    fn number(&mut self, smb: &mut Smb) {
        self.count += 1;
        smb.id = self.count;
        smb.dialect.clone_from(&self.dialect);
    }

    /// A request that waits for its response.
    pub fn wait(&mut self, key: Key, mut smb: Smb, sink: &mut dyn Sink) {
        self.number(&mut smb);
        if self.pending.len() >= MAX_PENDING
            && let Some((_, oldest)) = self.pending.pop_front()
        {
            self.limits_hit += 1;
            self.log(oldest, sink);
        }
        if let Transaction::Smb(smb) = opened(smb, sink) {
            self.pending.push_back((key, smb));
        }
    }

    /// A request that gets no response.
    pub fn alone(&mut self, mut smb: Smb, sink: &mut dyn Sink) {
        self.number(&mut smb);
        complete(smb.into(), sink);
    }

    /// The request with this key.
    pub fn pending(&mut self, key: Key) -> Option<&mut Smb> {
        self.pending.iter_mut().find(|(of, _)| *of == key).map(|(_, smb)| &mut **smb)
    }

    /// Takes the request with this key out.
    pub fn answered(&mut self, key: Key) -> Option<Box<Smb>> {
        let at = self.pending.iter().position(|(of, _)| *of == key)?;
        self.pending.remove(at).map(|(_, smb)| smb)
    }

    /// Takes the oldest request of this version and command out.
    pub fn answered_any(&mut self, version: u8, command: u8) -> Option<Box<Smb>> {
        let is = |(of, _): &(Key, Box<Smb>)| (of.version, of.command) == (version, command);
        let at = self.pending.iter().position(is)?;
        self.pending.remove(at).map(|(_, smb)| smb)
    }

    /// An exchange is over.
    pub fn log(&mut self, mut smb: Box<Smb>, sink: &mut dyn Sink) {
        smb.dialect.clone_from(&self.dialect);
        sink.log(Transaction::Smb(smb));
    }

    /// A read was asked for.
    pub fn reading(&mut self, read: Read) {
        if self.reads.len() >= MAX_READS {
            self.reads.pop_front();
            self.limits_hit += 1;
        }
        self.reads.push_back(read);
    }

    /// What was asked for with this key.
    pub fn read(&mut self, key: Key) -> Option<Read> {
        let at = self.reads.iter().position(|read| read.key == key)?;
        self.reads.remove(at)
    }

    /// What was asked for with this key, without taking it.
    pub fn peek_read(&self, key: Key) -> Option<Read> {
        self.reads.iter().find(|read| read.key == key).copied()
    }

    /// Whether a file or tree is one of pipes.
    pub fn is_pipe(&mut self, id: FileId, tree: u32) -> bool {
        let kind = self.trees.get(tree).map(|share| share.kind);
        self.pipes.knows(id) || kind == Some(super::transaction::ShareKind::Pipe)
    }

    /// The contents of a file, or their beginning: `data` of `length` bytes in all.
    #[allow(clippy::too_many_arguments, reason = "where, what, whose")]
    pub fn contents(
        &mut self,
        id: FileId,
        direction: Direction,
        offset: u64,
        data: &[u8],
        length: usize,
        of: Smb,
        sink: &mut dyn Sink,
    ) -> Option<Bulk> {
        let (count, dialect, trees) = (&mut self.count, &self.dialect, &self.trees);
        let make = || {
            *count += 1;
            let share = trees.get(of.tree_id).cloned();
            Smb { id: *count, dialect: dialect.clone(), share, file_id: Some(id), ..of }
        };
        let mut known = self.files.at(id, direction, offset, make, sink);
        let data = &data[..data.len().min(length)];
        let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(data.len());
        known -= skipped as u64;
        self.files.data(id, direction, &data[skipped..], sink);
        let left = length - data.len();
        (left > 0).then_some(Bulk { id, left, known })
    }

    /// Written to a pipe; false if it is no DCE/RPC.
    pub fn piped(&mut self, id: FileId, key: Key, data: &[u8], of: &Smb, sink: &mut dyn Sink) -> bool {
        let (count, dialect) = (&mut self.count, &self.dialect);
        let make = || {
            *count += 1;
            Smb { id: *count, dialect: dialect.clone(), function: None, ..of.clone() }
        };
        self.pipes.written(id, key, data, make, sink)
    }

    /// The server answered a message that may have written to a pipe.
    pub fn pipe_answered(
        &mut self,
        key: Key,
        status: Status,
        more_to_come: bool,
        sink: &mut dyn Sink,
    ) -> bool {
        self.pipes.answered(key, status, !more_to_come, sink)
    }

    /// The client is done with a file or pipe.
    pub fn close_file(&mut self, id: FileId, sink: &mut dyn Sink) {
        self.pipes.close(id, sink);
        self.files.close(id, false, sink);
    }

    /// The flow is over.
    pub fn close(&mut self, sink: &mut dyn Sink) {
        self.pipes.close_all(sink);
        self.files.close_all(sink);
        while let Some((_, smb)) = self.pending.pop_front() {
            self.log(smb, sink);
        }
    }

    pub fn limits_hit(&self) -> u32 {
        self.limits_hit + self.files.limits_hit + self.pipes.limits_hit
    }
}
