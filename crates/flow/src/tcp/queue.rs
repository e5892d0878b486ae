//! Bytes that wait behind a hole, in order and without overlap.

use std::collections::VecDeque;
use std::mem::size_of;

use super::budget::StreamBudget;
use super::policy::OverlapPolicy;
use super::seq::{distance, later, length};

/// A piece of a segment that waits.
#[derive(Debug)]
struct Piece {
    seq: u32,
    /// Where the segment that brought it began and ended, before anything was cut off.
    whole: (u32, u32),
    bytes: Box<[u8]>,
}

impl Piece {
    fn end(&self) -> u32 {
        self.seq.wrapping_add(self.bytes.len() as u32)
    }
}

/// What a piece costs beside its bytes.
const OVERHEAD: usize = size_of::<Piece>();

/// The waiting pieces of one direction.
#[derive(Debug)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    bytes: usize,
    budget: StreamBudget,
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Queue {
    pub(super) fn new(budget: &StreamBudget) -> Self {
        Queue { pieces: VecDeque::new(), bytes: 0, budget: budget.clone() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Behind the last waiting byte.
    pub(super) fn last_end(&self) -> Option<u32> {
        self.pieces.back().map(Piece::end)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the first waiting byte belongs.
    pub(super) fn first_seq(&self) -> Option<u32> {
        self.pieces.front().map(|piece| piece.seq)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.budget.give_back(self.bytes + self.pieces.len() * OVERHEAD);
        self.bytes = 0;
        self.pieces = VecDeque::new();
    }

    /// The first piece, if it begins at `next` or before.
    pub(super) fn pop_due(&mut self, next: u32) -> Option<(u32, Box<[u8]>)> {
        if distance(self.first_seq()?, next) > 0 {
            return None;
        }
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes.len();
        self.budget.give_back(piece.bytes.len() + OVERHEAD);
        Some((piece.seq, piece.bytes))
    }

    /// Whether there is room for a segment of `len` bytes in the budget.
    pub(super) fn affords(&self, len: usize) -> bool {
        let most = len + OVERHEAD * 2;
        let fits = self.budget.take(most);
        if fits {
            self.budget.give_back(most);
        }
        fits
    }

    /// Copies the bytes of a segment, except where what waits already wins by the policy (asked only if
    /// they overlap). True if bytes of the overlap differ.
    pub(super) fn insert(&mut self, seq: u32, bytes: &[u8], policy: impl FnOnce() -> OverlapPolicy) -> bool {
        let new = (seq, seq.wrapping_add(bytes.len() as u32));
        let first = self.pieces.partition_point(|piece| distance(piece.end(), new.0) <= 0);
        let overlapping =
            self.pieces.range(first..).take_while(|piece| distance(piece.seq, new.1) < 0).count();
        if overlapping == 0 {
            self.put(first, seq, bytes, new);
            return false;
        }
        let policy = policy();
        let mut different = false;
        // What is left of the new segment begins here.
        let mut from = new.0;
        let mut at = first;
        for _ in 0..overlapping {
            let Some(old) = self.pieces.get(at) else { break };
            let (start, end) = (old.seq, old.end());
            let (low, high) = (later(start, new.0), if distance(end, new.1) < 0 { end } else { new.1 });
            let here = &bytes[length(low, new.0)..length(high, new.0)];
            different |= here != &old.bytes[length(low, start)..length(high, start)];
            let old_range = if policy.compares_whole_segments() { old.whole } else { (start, end) };
            if policy.new_wins(old_range, new) {
                at = self.cut(at, low, high);
            } else {
                if distance(low, from) > 0 {
                    self.put(at, from, &bytes[length(from, new.0)..length(low, new.0)], new);
                    at += 1;
                }
                from = high;
                at += 1;
            }
        }
        // Pieces of the old that the new has cut off lie behind it: its place is before the first of them.
        if distance(new.1, from) > 0 {
            let at = self.pieces.partition_point(|piece| distance(piece.seq, from) < 0);
            self.put(at, from, &bytes[length(from, new.0)..], new);
        }
        different
    }

    /// Takes `low..high` out of a piece. The place of the piece behind what is left of it.
    fn cut(&mut self, at: usize, low: u32, high: u32) -> usize {
        let Some(old) = self.pieces.remove(at) else { return at };
        self.bytes -= old.bytes.len();
        self.budget.give_back(old.bytes.len() + OVERHEAD);
        let mut next = at;
        if distance(low, old.seq) > 0 {
            self.put(next, old.seq, &old.bytes[..length(low, old.seq)], old.whole);
            next += 1;
        }
        if distance(old.end(), high) > 0 {
            self.put(next, high, &old.bytes[length(high, old.seq)..], old.whole);
            next += 1;
        }
        next
    }

    fn put(&mut self, at: usize, seq: u32, bytes: &[u8], whole: (u32, u32)) {
        if bytes.is_empty() {
            return;
        }
        // Room was asked for before; pieces that come of cutting are few and small against it.
        if self.budget.take(bytes.len() + OVERHEAD) {
            self.bytes += bytes.len();
            self.pieces.insert(at, Piece { seq, whole, bytes: bytes.into() });
        } else {
            self.budget.refuse();
        }
    }
}
