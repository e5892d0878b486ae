//! Which fragment a datagram's bytes are of: the map on which overlaps are settled.

use std::ops::Range;

use super::memory::{growth, make_room};
use super::policy::Policy;

/// Disjoint parts of the datagram in order, each of one fragment: what others have left of it.
#[derive(Debug, Default)]
pub(super) struct Spans {
    list: Vec<Range<u32>>,
}

impl Spans {
    /// The spans that overlap `new`.
    fn overlapped(&self, new: &Range<u32>) -> Range<usize> {
        let from = self.list.partition_point(|span| span.end <= new.start);
        let to = self.list.partition_point(|span| span.start < new.end);
        from..to.max(from)
    }

    /// Whether any part of `new` is there already.
    pub(super) fn overlaps(&self, new: &Range<u32>) -> bool {
        !self.overlapped(new).is_empty()
    }

    /// Whether a fragment is exactly where `new` is.
    pub(super) fn has(&self, new: &Range<u32>) -> bool {
        self.list.get(self.overlapped(new).start) == Some(new)
    }

    /// Where the last span ends.
    pub(super) fn end(&self) -> u32 {
        self.list.last().map_or(0, |span| span.end)
    }

    /// Bytes that [`Spans::insert`] may allocate for `new`.
    pub(super) fn growth(&self, new: &Range<u32>) -> usize {
        growth(&self.list, self.overlapped(new).len() + 2)
    }

    /// Puts a fragment in; the parts of it that count are in `won` afterwards, in order.
    pub(super) fn insert(&mut self, policy: Policy, new: &Range<u32>, won: &mut Vec<Range<u32>>) {
        won.clear();
        let overlapped = self.overlapped(new);
        make_room(&mut self.list, overlapped.len() + 2);
        let mut win = |part: Range<u32>| match won.last_mut() {
            _ if part.is_empty() => {}
            Some(last) if last.end == part.start => last.end = part.end,
            _ => won.push(part),
        };
        let mut at = new.start;
        for old in &self.list[overlapped.clone()] {
            win(at..old.start.max(at));
            at = old.end.min(new.end);
            if policy.newer_wins(old, new) {
                win(old.start.max(new.start)..at);
            }
        }
        win(at..new.end);
        self.cut(won);
        for run in won.iter() {
            let place = self.list.partition_point(|span| span.start < run.start);
            self.list.insert(place, run.clone());
        }
    }

    /// Takes `runs` out of the spans.
    fn cut(&mut self, runs: &[Range<u32>]) {
        for run in runs {
            let touched = self.overlapped(run);
            let Some(first) = self.list.get(touched.start).filter(|_| !touched.is_empty()).cloned() else {
                continue;
            };
            let last = self.list[touched.end - 1].clone();
            let left = (first.start < run.start).then_some(first.start..run.start);
            let right = (last.end > run.end).then_some(run.end..last.end);
            self.list.splice(touched, left.into_iter().chain(right));
        }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        self.list = Vec::new();
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Range<u32>>()
    }
}
