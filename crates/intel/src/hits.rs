//! How often an indicator was hit and when last: both in one word, so that neither is ever seen without the other.

use std::sync::atomic::{AtomicU64, Ordering};

use wire::Nanos;

const NANOS: u64 = 1_000_000_000;

/// Of one indicator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Stays at its greatest value.
    pub count: u32,
    /// In seconds since 1970.
    pub last: u32,
}

impl Tally {
    fn unpack(word: u64) -> Self {
        Tally { count: (word >> 32) as u32, last: word as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.count) << 32 | u64::from(self.last)
    }

    pub fn read(cell: &AtomicU64) -> Self {
        Self::unpack(cell.load(Ordering::Relaxed))
    }

    /// One hit.
    pub fn at(now: Nanos) -> Self {
        Tally { count: 1, last: u32::try_from(now.0 / NANOS).unwrap_or(u32::MAX) }
    }

    /// Adds these hits to those in a cell.
    pub fn add_to(self, cell: &AtomicU64) {
        let sum = |word| {
            let old = Self::unpack(word);
            let count = old.count.saturating_add(self.count);
            Some(Tally { count, last: old.last.max(self.last) }.pack())
        };
        let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up_and_keep_the_latest() {
        let cell = AtomicU64::new(0);
        for second in [7, 9, 8] {
            Tally::at(Nanos(second * NANOS + 5)).add_to(&cell);
        }
        assert_eq!(Tally::read(&cell), Tally { count: 3, last: 9 });
        Tally { count: u32::MAX, last: 1 }.add_to(&cell);
        assert_eq!(Tally::read(&cell), Tally { count: u32::MAX, last: 9 });
    }
}
