//! A filter that says "surely not" or "perhaps": a Bloom filter whose bits of one key all lie in one cache line.

/// Bits per key. With four bits set for each, one look-up in about 130 says "perhaps" in vain.
const BITS_PER_KEY: usize = 12;
const BLOCK_BITS: usize = 256;

/// One key's four bits: one in each word.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Block([u64; 4]);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Filter {
    blocks: Box<[Block]>,
}

impl Default for Filter {
    /// Says "surely not" to everything.
    fn default() -> Self {
        Filter { blocks: Box::new([Block::default()]) }
    }
}

impl Filter {
    /// Room for so many keys.
    pub fn for_keys(keys: usize) -> Self {
        let blocks = keys.saturating_mul(BITS_PER_KEY) / BLOCK_BITS + 1;
        Filter { blocks: vec![Block::default(); blocks].into_boxed_slice() }
    }

    pub fn add(&mut self, hash: u64) {
        let at = scale(hash, self.blocks.len());
        if let Some(block) = self.blocks.get_mut(at) {
            for (word, bit) in block.0.iter_mut().zip(bits(hash)) {
                *word |= bit;
            }
        }
    }

    /// Whether a key with that hash may have been added.
    #[inline]
    pub fn may_hold(&self, hash: u64) -> bool {
        let Some(block) = self.blocks.get(scale(hash, self.blocks.len())) else { return false };
        let [a, b, c, d] = bits(hash);
        let [wa, wb, wc, wd] = block.0;
        // One branch, not four: it nearly always goes the same way.
        (wa & a != 0) & (wb & b != 0) & (wc & c != 0) & (wd & d != 0)
    }

    /// Bytes.
    pub fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.blocks)
    }
}

#[inline]
fn bits(hash: u64) -> [u64; 4] {
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
