//! From the hash of a gram to the patterns that have it.

/// Bits of a tag. Tag and bucket together are the upper half of a hash if there are at least 2^8 buckets.
const TAG_BITS: u32 = 24;
/// Buckets, as a power of two: never fewer.
const FEWEST_BUCKETS: u32 = 8;

/// A pattern that has the gram.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Entry {
    pub(crate) pattern: u32,
    /// Bits 8..32 the tag, below them where in the pattern the gram begins.
    packed: u32,
}

impl Entry {
    pub(crate) fn offset(self) -> usize {
        (self.packed & 0xff) as usize
    }
}

fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32 & ((1 << TAG_BITS) - 1)
}

/// What is put into a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    pub(crate) hash: u64,
    pub(crate) pattern: u32,
    pub(crate) offset: u8,
}

/// Buckets by the high bits of the hash, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Table {
    shift: u32,
    /// Where the entries of each bucket begin; one more, for the end of the last.
    starts: Box<[u32]>,
    entries: Box<[Entry]>,
}

impl Table {
    pub(crate) fn new(items: &[Item]) -> Self {
        let log = items.len().next_power_of_two().trailing_zeros().clamp(FEWEST_BUCKETS, 31);
        let shift = 64 - log;
        let mut starts = vec![0_u32; (1 << log) + 1];
        for item in items {
            if let Some(count) = starts.get_mut((item.hash >> shift) as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut entries = vec![Entry::default(); items.len()];
        for item in items {
            if let Some(place) = next.get_mut((item.hash >> shift) as usize)
                && let Some(entry) = entries.get_mut(*place as usize)
            {
                *entry =
                    Entry { pattern: item.pattern, packed: tag(item.hash) << 8 | u32::from(item.offset) };
                *place += 1;
            }
        }
        Self { shift, starts: starts.into(), entries: entries.into() }
    }

    /// Patterns with this gram; very rarely one without it.
    #[inline]
    pub(crate) fn get(&self, hash: u64) -> impl Iterator<Item = Entry> {
        let bucket = (hash >> self.shift) as usize;
        let range = match self.starts.get(bucket..bucket + 2) {
            Some(&[start, end]) => start as usize..end as usize,
            _ => 0..0,
        };
        let tag = tag(hash);
        self.entries.get(range).unwrap_or_default().iter().copied().filter(move |e| e.packed >> 8 == tag)
    }

    /// Heap bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.entries)
    }
}
