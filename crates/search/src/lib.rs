//! Many literals at once: which of a set of patterns occur in these bytes.
//!
//! A [`Patterns`] is made once by a [`Builder`] and then asked by any number of threads. It is built for sets of one to
//! some ten thousand patterns of which hardly any occur: the haystack is looked at in runs of a few bytes
//! ("grams"), a filter of a few kilobytes that stays in the cache says whether any pattern has that gram, and only
//! what the filter lets by is looked up and compared. Each pattern is known by the rarest grams it has. Where patterns
//! are long enough only every 2nd, 4th or 8th position is looked at, and a pattern is known by as many of its grams
//! in a row, one of which must be met. Measured against other ways in docs/search.md.
//!
//! # Worst case
//! A haystack made for it lets every gram by, at every position. A position then costs as many comparisons as patterns
//! share that gram, each as long as the pattern agrees with the haystack: O(haystack × patterns of the gram × pattern
//! length). Grams are chosen so that few patterns share one; a haystack cannot change them.
#![deny(unsafe_code)]

mod anchored;
mod gram;
mod masks;
mod pass;
mod plan;
mod rarity;
mod scan;
mod store;
mod table;

use std::collections::HashMap;

use anchored::{Anchored, Side};
use pass::Pass;
use store::Store;

/// Where in a haystack a pattern counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Anchor {
    /// Anywhere.
    #[default]
    Anywhere,
    /// It must begin where the haystack begins.
    Start,
    /// It must end where the haystack ends.
    End,
}

/// Collects patterns.
#[derive(Debug, Default)]
pub struct Builder {
    ids: HashMap<(Box<[u8]>, bool, Anchor), u32, foldhash::fast::RandomState>,
    store: Store,
    anchors: Vec<Anchor>,
}

impl Builder {
    /// Without patterns.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern that counts anywhere; see [`Builder::add_at`].
    pub fn add(&mut self, pattern: &[u8], nocase: bool) -> u32 {
        self.add_at(pattern, nocase, Anchor::Anywhere)
    }

    /// Adds a pattern and tells its id. Ids count from 0 in the order of first use; the same bytes (in lower case, if
    /// `nocase`: only ASCII letters have two cases) with the same `nocase` and `anchor` have the same id. An empty pattern
    /// has an id but is found nowhere.
    pub fn add_at(&mut self, pattern: &[u8], nocase: bool, anchor: Anchor) -> u32 {
        let folded: Box<[u8]> = if nocase { pattern.to_ascii_lowercase().into() } else { pattern.into() };
        // No machine has memory for 2^32 patterns.
        let next = u32::try_from(self.store.len()).unwrap_or(u32::MAX);
        let id = *self.ids.entry((folded, nocase, anchor)).or_insert(next);
        if id == next {
            if nocase {
                self.store.push(&pattern.to_ascii_lowercase(), true);
            } else {
                self.store.push(pattern, false);
            }
            self.anchors.push(anchor);
        }
        id
    }

    /// Makes the set. The time is linear in the bytes of the patterns.
    #[must_use]
    pub fn build(self) -> Patterns {
        let mut store = self.store;
        store.shrink();
        let length = |id: u32| store.get(id).map_or(0, <[u8]>::len);
        let at = |wanted: Anchor| -> Vec<u32> {
            let ids = self.anchors.iter().zip(0_u32..);
            ids.filter(|&(anchor, id)| *anchor == wanted && length(id) > 0).map(|(_, id)| id).collect()
        };
        let planned = plan::plan(&at(Anchor::Anywhere), &store);
        let passes = planned.iter().map(|planned| Pass::new(planned.way, &planned.known, &store)).collect();
        let anchored = [(Anchor::Start, Side::Start), (Anchor::End, Side::End)]
            .into_iter()
            .map(|(anchor, side)| (side, at(anchor)))
            .filter(|(_, ids)| !ids.is_empty())
            .map(|(side, ids)| Anchored::new(side, &ids, &store))
            .collect();
        let longest = (0..self.anchors.len()).map(|id| length(id as u32)).max().unwrap_or(0);
        Patterns { passes, anchored, store, longest }
    }
}

/// A set of patterns, ready to be looked for.
#[derive(Debug, Default)]
pub struct Patterns {
    passes: Box<[Pass]>,
    anchored: Box<[Anchored]>,
    store: Store,
    longest: usize,
}

impl Patterns {
    /// Calls `hit(id, end)` for each occurrence that ends behind `from`: `end` is the offset of the first byte after it.
    /// Bytes before `from` have been searched before and are there so that what crosses the border is found; to find
    /// everything, [`Patterns::longest`] - 1 of them are enough. Exactly the occurrences are told, those that overlap
    /// too, in no order; one may be told more than once. Nothing is allocated.
    #[inline]
    pub fn find(&self, haystack: &[u8], from: usize, hit: &mut impl FnMut(u32, usize)) {
        if from >= haystack.len() {
            return;
        }
        for anchored in &self.anchored {
            anchored.find(&self.store, haystack, from, hit);
        }
        for pass in &self.passes {
            pass.find(&self.store, haystack, from, hit);
        }
    }

    /// Bytes of the longest pattern.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// How many patterns there are: ids are below this.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.store.memory()
            + size_of_val(&*self.passes)
            + self.passes.iter().map(Pass::memory).sum::<usize>()
            + size_of_val(&*self.anchored)
            + self.anchored.iter().map(Anchored::memory).sum::<usize>()
    }
}
