//! A filter that says "surely not" or "perhaps": a Bloom filter whose bits of one key all lie in one cache line.

use memmap2::{Advice, MmapMut};

/// Bits per key. With four bits set for each, one look-up in about 130 says "perhaps" in vain.
const BITS_PER_KEY: usize = 12;
/// One key's four bits: one in each word.
const BLOCK_WORDS: usize = 4;
const BLOCK_BYTES: usize = BLOCK_WORDS * size_of::<u64>();
/// From this size on the filter is worth pages of two megabytes: with those of four kilobytes most look-ups would have
/// to find out first where the page is.
const HUGE: usize = 2 << 20;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Filter {
    memory: Memory,
    blocks: usize,
}

/// Words in the machine's order, as bytes.
#[derive(Debug)]
enum Memory {
    Heap(Box<[u8]>),
    Pages(MmapMut),
}

impl Default for Filter {
    /// Says "surely not" to everything.
    fn default() -> Self {
        Filter::for_keys(0)
    }
}

impl Filter {
    /// Room for so many keys.
    pub fn for_keys(keys: usize) -> Self {
        let blocks = keys.saturating_mul(BITS_PER_KEY) / (BLOCK_BYTES * 8) + 1;
        let bytes = blocks * BLOCK_BYTES;
        let pages = if bytes < HUGE { None } else { MmapMut::map_anon(bytes).ok() };
        let memory = match pages {
            Some(pages) => {
                // Without them it is slower, and right all the same.
                let _ = pages.advise(Advice::HugePage);
                Memory::Pages(pages)
            }
            None => Memory::Heap(vec![0; bytes].into_boxed_slice()),
        };
        Filter { memory, blocks }
    }

    #[inline]
    fn bytes_of(&self) -> &[u8] {
        match &self.memory {
            Memory::Heap(bytes) => bytes,
            Memory::Pages(pages) => pages,
        }
    }

    pub fn add(&mut self, hash: u64) {
        let at = scale(hash, self.blocks) * BLOCK_BYTES;
        let bytes: &mut [u8] = match &mut self.memory {
            Memory::Heap(bytes) => bytes,
            Memory::Pages(pages) => pages,
        };
        let block = bytes.get_mut(at..at + BLOCK_BYTES).unwrap_or_default();
        for (word, bit) in block.as_chunks_mut::<8>().0.iter_mut().zip(bits(hash)) {
            *word = (u64::from_ne_bytes(*word) | bit).to_ne_bytes();
        }
    }

    /// Whether a key with that hash may have been added.
    #[inline]
    pub fn may_hold(&self, hash: u64) -> bool {
        let at = scale(hash, self.blocks) * BLOCK_BYTES;
        let block = self.bytes_of().get(at..).and_then(|bytes| bytes.first_chunk::<BLOCK_BYTES>());
        let Some(block) = block else { return false };
        let words = block.as_chunks::<8>().0.iter().zip(bits(hash));
        // One branch, not four: it nearly always goes the same way.
        words.fold(true, |all, (word, bit)| all & (u64::from_ne_bytes(*word) & bit != 0))
    }

    /// Bytes.
    pub fn bytes(&self) -> usize {
        self.bytes_of().len()
    }
}

#[inline]
fn bits(hash: u64) -> [u64; BLOCK_WORDS] {
    [1 << (hash & 63), 1 << (hash >> 6 & 63), 1 << (hash >> 12 & 63), 1 << (hash >> 18 & 63)]
}

/// A hash scaled down to a place among `len`, by its upper bits: without a division, for any `len`.
#[inline]
pub(crate) fn scale(hash: u64, len: usize) -> usize {
    ((u128::from(hash) * len as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_never_denied_and_little_else_is_suspected() {
        let hash = |n: u64| {
            n.wrapping_add(1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
        };
        let mut filter = Filter::for_keys(100_000);
        (0..100_000).for_each(|n| filter.add(hash(n)));
        assert!((0..100_000).all(|n| filter.may_hold(hash(n))));
        let wrong = (100_000..200_000).filter(|&n| filter.may_hold(hash(n))).count();
        assert!(wrong < 2_000, "{wrong}");
        assert!(!Filter::default().may_hold(hash(1)));
    }
}
