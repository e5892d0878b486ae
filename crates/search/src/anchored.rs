//! Patterns that must be at the start, or at the end, of the haystack: a few look-ups each time.

use crate::gram::{Hash, LONGEST, word};
use crate::store::Store;
use crate::table::{Item, Table};

/// Lengths of the heads (or tails) by which patterns are looked up. A pattern is looked up by the longest it has.
const LENGTHS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// Which end patterns of a set stand at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Start,
    End,
}

impl Side {
    /// So many bytes at this end.
    #[inline]
    fn part(self, bytes: &[u8], length: usize) -> Option<&[u8]> {
        match self {
            Self::Start => bytes.get(..length),
            Self::End => bytes.get(bytes.len().checked_sub(length)?..),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Anchored {
    side: Side,
    /// By length of the head, shortest first; lengths without patterns are left out.
    tables: Box<[(usize, Table)]>,
}

/// Folded, as grams are.
#[inline]
fn hash(part: &[u8]) -> u64 {
    let mut hash = 0_u64;
    for chunk in part.chunks(LONGEST) {
        hash = (hash.rotate_left(29) ^ Hash::new(chunk.len()).of(word(chunk)))
            .wrapping_mul(0xd6e8_feb8_6659_fd93);
        hash ^= hash >> 32;
    }
    // A table takes the high bits.
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Anchored {
    /// Of these patterns, none empty.
    pub(crate) fn new(side: Side, ids: &[u32], store: &Store) -> Self {
        let of = |id: u32| {
            let pattern = store.get(id)?;
            let length = LENGTHS.into_iter().rev().find(|&length| length <= pattern.len())?;
            Some((length, Item { hash: hash(side.part(pattern, length)?), pattern: id, offset: 0 }))
        };
        let table = |wanted: usize| {
            let items: Vec<Item> = ids
                .iter()
                .filter_map(|&id| of(id))
                .filter(|(length, _)| *length == wanted)
                .map(|(_, item)| item)
                .collect();
            (!items.is_empty()).then(|| (wanted, Table::new(&items)))
        };
        Self { side, tables: LENGTHS.into_iter().filter_map(table).collect() }
    }

    /// Calls `hit` for each pattern at its end of the haystack that ends behind `from`.
    #[inline]
    pub(crate) fn find(&self, store: &Store, haystack: &[u8], from: usize, hit: &mut impl FnMut(u32, usize)) {
        for (length, table) in &self.tables {
            let Some(part) = self.side.part(haystack, *length) else { break };
            for entry in table.get(hash(part)) {
                let start = match self.side {
                    Side::Start => Some(0),
                    Side::End => {
                        store.get(entry.pattern).and_then(|pattern| haystack.len().checked_sub(pattern.len()))
                    }
                };
                if let Some(end) = start.and_then(|start| store.ends(entry.pattern, haystack, start))
                    && end > from
                {
                    hit(entry.pattern, end);
                }
            }
        }
    }

    /// Heap bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.tables) + self.tables.iter().map(|(_, table)| table.memory()).sum::<usize>()
    }
}
