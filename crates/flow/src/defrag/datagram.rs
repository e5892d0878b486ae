//! One datagram under way.

use std::ops::Range;

use wire::{Fragment, FragmentKey, Head, Nanos};

use super::anomaly::{self, Pair};
use super::memory::{growth, make_room};
use super::options::MAX_FRAGMENTS;
use super::policy::Policy;
use super::spans::Spans;
use super::store::Store;

/// RFC 1858: a first fragment shorter than this hides TCP flags from filters.
const TINY: u32 = 16;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) key: FragmentKey,
    pub(super) hash: u64,
    /// When its first fragment came.
    pub(super) start: Nanos,
    /// Fragments so far, whatever was made of them.
    pub(super) packets: u32,
    pub(super) wire_bytes: u64,
    /// It is dropped, and so is what still comes of it.
    pub(super) discarded: bool,
    /// Place in the order of arrival.
    pub(super) older: u32,
    pub(super) newer: u32,
    pub(super) number: u64,
    policy: Policy,
    /// Fragments whose data was kept.
    kept: usize,
    /// Length of the payload, once the last fragment has told it.
    end: Option<u32>,
    spans: Spans,
    store: Store,
    head: Vec<u8>,
    lengths: Head,
    max_payload: usize,
}

/// What is to be done with a fragment.
pub(super) enum Verdict {
    /// Its data goes there: `data` bytes from the range's start.
    Keep(Range<u32>),
    /// It says nothing new.
    Nothing,
    /// The datagram is to be dropped.
    Discard,
}

impl Datagram {
    pub(super) fn new(key: FragmentKey) -> Self {
        Datagram {
            key,
            hash: 0,
            start: Nanos(0),
            packets: 0,
            wire_bytes: 0,
            discarded: false,
            older: 0,
            newer: 0,
            number: 0,
            policy: Policy::First,
            kept: 0,
            end: None,
            spans: Spans::default(),
            store: Store::default(),
            head: Vec::new(),
            lengths: Head::default(),
            max_payload: 0,
        }
    }

    /// Makes it another datagram, its buffers empty.
    pub(super) fn reset(&mut self, key: FragmentKey, hash: u64, start: Nanos, policy: Policy, number: u64) {
        (self.key, self.hash, self.start, self.policy, self.number) = (key, hash, start, policy, number);
        (self.packets, self.wire_bytes, self.discarded, self.kept, self.end) = (0, 0, false, 0, None);
        self.spans.clear();
        self.store.clear();
        self.head.clear();
    }

    /// What a fragment is to this datagram. What is wrong with it goes to `note`.
    pub(super) fn judge(&self, fragment: &Fragment<'_>, note: &mut impl FnMut(Pair)) -> Verdict {
        let v6 = fragment.key.src.is_ipv6();
        // What the header claims, not what was captured of it, says where the datagram ends.
        let mut len = fragment.data.len().saturating_add(fragment.missing as usize);
        if fragment.more && !len.is_multiple_of(8) {
            note(anomaly::LENGTH);
            if v6 {
                return self.contradicted(); // RFC 8200 section 4.5: an error, not a fragment
            }
            len &= !7; // as hosts do
        }
        if len == 0 {
            note(anomaly::EMPTY);
            return Verdict::Nothing;
        }
        if fragment.offset + len > fragment.max_payload() {
            note(anomaly::TOO_LARGE);
            return self.contradicted();
        }
        let range = fragment.offset as u32..(fragment.offset + len) as u32;
        if fragment.more && range.start == 0 && range.end < TINY {
            note(anomaly::TINY);
        }
        let conflict = match self.end {
            Some(end) => range.end > end || (!fragment.more && range.end != end),
            None => !fragment.more && range.end < self.spans.end(),
        };
        if conflict {
            note(anomaly::END);
            return self.contradicted();
        }
        let range = range.start..range.end.min(range.start + fragment.data.len() as u32);
        if self.spans.overlaps(&range) {
            if self.spans.has(&range) && self.store.holds(range.start, &fragment.data[..range.len()]) {
                return Verdict::Nothing;
            }
            note(anomaly::OVERLAP);
            if self.policy == Policy::Discard {
                return Verdict::Discard;
            }
        }
        if self.kept >= MAX_FRAGMENTS {
            note(anomaly::IGNORED);
            return Verdict::Nothing;
        }
        Verdict::Keep(range)
    }

    /// A fragment that cannot be right: where overlaps drop the datagram, so does this.
    fn contradicted(&self) -> Verdict {
        if self.policy == Policy::Discard { Verdict::Discard } else { Verdict::Nothing }
    }

    /// Bytes that [`Datagram::keep`] may allocate.
    pub(super) fn growth(&self, fragment: &Fragment<'_>, range: &Range<u32>) -> usize {
        let head = if range.start == 0 { growth(&self.head, fragment.head_len()) } else { 0 };
        head + self.spans.growth(range) + self.store.growth(range)
    }

    /// Keeps a fragment's data where it counts. `won` is scratch.
    pub(super) fn keep(&mut self, fragment: &Fragment<'_>, range: &Range<u32>, won: &mut Vec<Range<u32>>) {
        self.kept += 1;
        if !fragment.more {
            self.end = Some(range.end + fragment.missing);
        }
        if range.start == 0 && self.head.is_empty() {
            make_room(&mut self.head, fragment.head_len());
            self.lengths = fragment.write_head(&mut self.head);
            self.max_payload = fragment.max_payload();
        }
        self.spans.insert(self.policy, range, won);
        for run in won.iter() {
            let from = (run.start - range.start) as usize;
            self.store.write(run.start, &fragment.data[from..from + run.len()]);
        }
    }

    /// Whether every byte is there.
    pub(super) fn is_whole(&self) -> bool {
        self.end.is_some_and(|end| end as usize == self.store.len())
    }

    /// Whether it fits into a packet with the options of its first fragment.
    pub(super) fn fits(&self) -> bool {
        self.store.len() <= self.max_payload
    }

    /// Writes the frame of the whole datagram.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.head);
        self.store.read(out);
        self.lengths.close(out);
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        self.spans.release();
        self.store.release();
        self.head = Vec::new();
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.head.capacity() + self.spans.memory() + self.store.memory()
    }
}
