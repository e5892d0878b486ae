//! What a rule's buffers are taken from, and the bytes that were taken.

use proto::{FileInfo, HttpView, Transaction};
use smallvec::SmallVec;

/// A file that was transferred, with as much of its content as was kept.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    /// Its event.
    pub info: &'a FileInfo,
    /// Its first bytes.
    pub content: &'a [u8],
    /// The exchange that carried it.
    pub carrier: Option<&'a Transaction>,
}

/// A transaction as detectors see it.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// An HTTP exchange that may still be under way.
    Http(HttpView<'a>),
    /// A file of a protocol other than HTTP.
    File(FileView<'a>),
    /// Any other transaction.
    Other(&'a Transaction),
}

/// Bytes of one instance of a buffer.
#[derive(Clone, Copy, Debug)]
enum Instance<'a> {
    Borrowed(&'a [u8]),
    /// From here to there in the arena.
    Built(u32, u32),
}

/// Instances of buffers: those that lie in a transaction as they are, and those that had to be built.
#[derive(Debug, Default)]
pub struct Instances<'a> {
    arena: Vec<u8>,
    list: SmallVec<[Instance<'a>; 16]>,
}

impl<'a> Instances<'a> {
    /// None yet; `arena` is used again.
    #[must_use]
    pub fn new(mut arena: Vec<u8>) -> Self {
        arena.clear();
        Instances { arena, list: SmallVec::new() }
    }

    /// The arena, for the next time.
    #[must_use]
    pub fn into_arena(self) -> Vec<u8> {
        self.arena
    }

    /// An instance that lies there as it is.
    pub fn borrow(&mut self, bytes: &'a [u8]) {
        self.list.push(Instance::Borrowed(bytes));
    }

    /// An instance that `write` appends to what it is given.
    pub fn build(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        let end = self.arena.len().max(start);
        self.list.push(Instance::Built(start as u32, end as u32));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The bytes of one.
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        match self.list.get(index) {
            Some(Instance::Borrowed(bytes)) => bytes,
            Some(&Instance::Built(start, end)) => {
                self.arena.get(start as usize..end as usize).unwrap_or_default()
            }
            None => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_borrowed_or_built() {
        let mut instances = Instances::new(b"old".to_vec());
        instances.borrow(b"one");
        instances.build(|out| out.extend_from_slice(b"two"));
        instances.build(|_| {});
        let all: Vec<&[u8]> = (0..4).map(|i| instances.get(i)).collect();
        assert_eq!((instances.len(), all), (3, vec![&b"one"[..], b"two", b"", b""]));
    }
}
