//! A datagram's bytes, with holes: what came is kept, and what did not takes no room.

use std::ops::Range;

use super::memory::{growth, make_room};

/// Bytes `start..end` of the datagram, at `at` in the buffer.
#[derive(Clone, Debug)]
struct Extent {
    start: u32,
    end: u32,
    at: u32,
}

/// See the module's text. Of every byte there is one, so that a datagram never takes more than its size.
#[derive(Debug, Default)]
pub(super) struct Store {
    bytes: Vec<u8>,
    /// In order and disjoint.
    extents: Vec<Extent>,
}

impl Store {
    fn overlapped(&self, range: &Range<u32>) -> Range<usize> {
        let from = self.extents.partition_point(|e| e.end <= range.start);
        let to = self.extents.partition_point(|e| e.start < range.end);
        from..to.max(from)
    }

    /// Number of bytes that are there.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that [`Store::write`] may allocate for parts of `range`.
    pub(super) fn growth(&self, range: &Range<u32>) -> usize {
        growth(&self.bytes, range.len()) + growth(&self.extents, self.overlapped(range).len() + 1)
    }

    /// Writes `data` at `start`, over what is there.
    pub(super) fn write(&mut self, start: u32, data: &[u8]) {
        let range = start..start + data.len() as u32;
        let overlapped = self.overlapped(&range);
        make_room(&mut self.bytes, data.len());
        make_room(&mut self.extents, overlapped.len() + 1);
        let part = |from: u32, to: u32| &data[(from - start) as usize..(to - start) as usize];
        let (mut at, mut next) = (start, overlapped.start);
        while at < range.end {
            match self.extents.get(next).cloned() {
                Some(extent) if extent.start <= at => {
                    let to = extent.end.min(range.end);
                    let place = (extent.at + at - extent.start) as usize;
                    self.bytes[place..place + (to - at) as usize].copy_from_slice(part(at, to));
                    (at, next) = (to, next + 1);
                }
                following => {
                    let to = following.map_or(range.end, |extent| extent.start.min(range.end));
                    next += usize::from(self.append(next, at, part(at, to)));
                    at = to;
                }
            }
        }
    }

    /// Adds bytes where there are none, before the extent `next`. Whether it became an extent of its own.
    fn append(&mut self, next: usize, start: u32, data: &[u8]) -> bool {
        let (at, end) = (self.bytes.len() as u32, start + data.len() as u32);
        self.bytes.extend_from_slice(data);
        if let Some(before) = next.checked_sub(1).and_then(|i| self.extents.get_mut(i))
            && before.end == start
            && before.at + (before.end - before.start) == at
        {
            before.end = end;
            return false;
        }
        self.extents.insert(next, Extent { start, end, at });
        true
    }

    /// Whether the bytes at `start` are exactly these.
    pub(super) fn holds(&self, start: u32, data: &[u8]) -> bool {
        let mut rest = (start, data);
        for extent in &self.extents[self.overlapped(&(start..start + data.len() as u32))] {
            let (at, data) = rest;
            if extent.start > at {
                return false;
            }
            let len = data.len().min((extent.end - at) as usize);
            let place = (extent.at + at - extent.start) as usize;
            if self.bytes[place..place + len] != data[..len] {
                return false;
            }
            rest = (at + len as u32, &data[len..]);
        }
        rest.1.is_empty()
    }

    /// Appends all bytes to `out`, in order.
    pub(super) fn read(&self, out: &mut Vec<u8>) {
        for extent in &self.extents {
            let at = extent.at as usize;
            out.extend_from_slice(&self.bytes[at..at + (extent.end - extent.start) as usize]);
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.extents.clear();
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        *self = Store::default();
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.extents.capacity() * size_of::<Extent>()
    }
}
