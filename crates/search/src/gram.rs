//! Grams: runs of up to 8 bytes, folded and hashed by one multiplication.

/// The bit that tells a lower-case letter from its capital. It is set in every byte before a gram is hashed: letters
/// then fold, and a few other bytes fall together, which only costs a comparison.
pub(crate) const FOLD: u8 = 0x20;
/// The longest gram: what one load brings.
pub(crate) const LONGEST: usize = 8;

/// 2^64 divided by the golden ratio: odd, its bits well mixed (Knuth, TAOCP 3, 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes grams of one length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    /// Of grams of `length` bytes, 1 to 8.
    pub(crate) fn new(length: usize) -> Self {
        Self::seeded(length, 0)
    }

    /// The same with other collisions for each seed.
    pub(crate) fn seeded(length: usize, seed: u64) -> Self {
        let unused = LONGEST.saturating_sub(length.max(1));
        let odd = MULTIPLIER.wrapping_mul(2 * seed + 1);
        // The multiplier is moved up, so bytes behind the gram are multiplied out of the word.
        Self(odd << (8 * unused))
    }

    /// The gram at the start of `word` (its first byte is the lowest). The high bits are the good ones; for grams of
    /// up to 4 bytes the upper half is different for different grams.
    #[inline(always)]
    pub(crate) fn of(self, word: u64) -> u64 {
        (word | u64::from_ne_bytes([FOLD; 8])).wrapping_mul(self.0)
    }
}

/// The first 8 bytes; zeros where there are fewer.
pub(crate) fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(word)
}
