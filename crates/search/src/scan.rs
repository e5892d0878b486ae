//! The filter, and the loop that goes over a haystack asking it: where nearly all the time is spent.

use crate::gram::{Hash, LONGEST, word};
use crate::masks::Masks;

/// Places of a filter, in bytes. Each size has a loop of its own, in which shifts are constant and no index needs a check.
const SIZES: [usize; 7] = [1 << 10, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17];
/// Bytes of the word at a place: words overlap, so a filter has some more bytes than places.
const WORD: usize = 4;
/// The most bits a filter has.
pub(crate) const MOST_BITS: usize = 8 << 17;

/// Bits for each gram (many share one), set if some pattern has it.
#[derive(Debug)]
pub(crate) struct Filter {
    /// The gram's hash tells the place of a word, the low bits of its first byte, which know no case, the bit in it.
    bytes: Box<[u8]>,
    /// What is asked if that bit is set: a bit by the hash hashed again.
    second: Box<[u8]>,
    /// A hash moved down by so many bits is a place.
    shift: u32,
    /// What is asked before it, for many positions at once.
    masks: Option<Masks>,
}

impl Filter {
    /// Of at least so many bits, within the limits.
    pub(crate) fn new(bits: usize) -> Self {
        let size = SIZES.into_iter().find(|&size| 8 * size >= bits).unwrap_or(MOST_BITS / 8);
        let shift = 64 - size.trailing_zeros();
        Self { bytes: vec![0; size + WORD].into(), second: vec![0; size].into(), shift, masks: None }
    }

    pub(crate) fn add(&mut self, hash: Hash, gram: u64) {
        let hash = hash.of(gram);
        let bit = gram & 31;
        if let Some(byte) = self.bytes.get_mut((hash >> self.shift) as usize + bit as usize / 8) {
            *byte |= 1 << (bit & 7);
        }
        let (place, bit) = again(hash, self.shift);
        if let Some(byte) = self.second.get_mut(place) {
            *byte |= 1 << bit;
        }
    }

    /// Whether the gram comes through the first filter.
    pub(crate) fn has(&self, hash: Hash, gram: u64) -> bool {
        let bit = gram & 31;
        let byte = self.bytes.get((hash.of(gram) >> self.shift) as usize + bit as usize / 8);
        byte.is_some_and(|byte| byte >> (bit & 7) & 1 == 1)
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        self.bytes.fill(0);
        self.second.fill(0);
    }

    /// Has every position looked at by these first: they let by all grams that it has.
    pub(crate) fn set_masks(&mut self, masks: Option<Masks>) {
        self.masks = masks;
    }

    /// Whether the gram comes through both filters.
    fn has_surely(&self, hash: Hash, gram: u64) -> bool {
        self.has(hash, gram) && lets_by_again(&self.second, hash.of(gram))
    }

    /// The first of the positions `at`, `at + stride` and so on at which there are `least` bytes and a gram that the filter
    /// lets by, and the bytes there (zeros behind the end).
    #[inline]
    pub(crate) fn next(
        &self,
        stride: usize,
        hash: Hash,
        haystack: &[u8],
        at: usize,
        least: usize,
    ) -> Option<(usize, u64)> {
        let mut at = at;
        if let Some(masks) = &self.masks {
            let mut found = None;
            at = masks.find(haystack, at, &mut |at, gram| {
                let has = self.has_surely(hash, gram);
                found = has.then_some((at, gram));
                has
            });
            if found.is_some() {
                return found;
            }
        }
        match stride {
            1 => self.next_of::<1>(hash, haystack, at, least),
            2 => self.next_of::<2>(hash, haystack, at, least),
            4 => self.next_of::<4>(hash, haystack, at, least),
            _ => self.next_of::<8>(hash, haystack, at, least),
        }
    }

    #[inline]
    fn next_of<const STRIDE: usize>(
        &self,
        hash: Hash,
        haystack: &[u8],
        at: usize,
        least: usize,
    ) -> Option<(usize, u64)> {
        macro_rules! of_size {
            ($($index:literal)*) => {
                $(if let Ok(bytes) = (&*self.bytes).try_into() {
                    return scan::<STRIDE, { SIZES[$index] + WORD }>(bytes, &self.second, hash, haystack, at, least);
                })*
            };
        }
        of_size!(0 1 2 3 4 5 6);
        None
    }

    /// Heap bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.len() + self.second.len()
    }
}

/// Positions that are looked at without asking how long the haystack is; the gram at the last may have 8 bytes.
const SPAN: usize = 8;
/// What is read for that.
const BLOCK: usize = SPAN + LONGEST;

/// Place and bit in the second filter.
#[inline(always)]
fn again(hash: u64, shift: u32) -> (usize, u32) {
    let hash = (hash ^ hash >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((hash >> shift) as usize, (hash >> 32) as u32 & 7)
}

#[inline(always)]
fn lets_by<const BYTES: usize>(filter: &[u8; BYTES], hash: Hash, gram: u64) -> bool {
    let place = (hash.of(gram) >> (64 - (BYTES - WORD).trailing_zeros())) as usize;
    let word = filter.get(place..).and_then(<[u8]>::first_chunk::<WORD>);
    word.is_some_and(|word| u32::from_le_bytes(*word) >> (gram & 31) & 1 == 1)
}

#[cold]
#[inline(never)]
fn lets_by_again(second: &[u8], hash: u64) -> bool {
    let (place, bit) = again(hash, 64 - second.len().trailing_zeros());
    second.get(place).is_some_and(|byte| byte >> bit & 1 == 1)
}

#[inline(never)]
fn scan<const STRIDE: usize, const BYTES: usize>(
    filter: &[u8; BYTES],
    second: &[u8],
    hash: Hash,
    haystack: &[u8],
    mut at: usize,
    least: usize,
) -> Option<(usize, u64)> {
    while let Some(block) = haystack.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        for i in (0..SPAN).step_by(STRIDE) {
            if let Some(bytes) = block.get(i..).and_then(<[u8]>::first_chunk) {
                let gram = u64::from_le_bytes(*bytes);
                if lets_by(filter, hash, gram) && lets_by_again(second, hash.of(gram)) {
                    return Some((at + i, gram));
                }
            }
        }
        at += SPAN;
    }
    // Fewer than 16 bytes are left: all at once, with zeros behind them.
    let rest = rest(haystack, at);
    for i in (0..BLOCK).step_by(STRIDE) {
        let gram = (rest >> (8 * i)) as u64;
        if lets_by(filter, hash, gram)
            && lets_by_again(second, hash.of(gram))
            && at.saturating_add(i + least) <= haystack.len()
        {
            return Some((at + i, gram));
        }
    }
    None
}

/// The bytes from `at` on, of which there are fewer than 16; the first is the lowest.
#[inline(always)]
fn rest(haystack: &[u8], at: usize) -> u128 {
    let Some(left) = haystack.len().checked_sub(at) else { return 0 };
    match haystack.last_chunk::<LONGEST>() {
        Some(last) => {
            let last = u128::from(u64::from_le_bytes(*last));
            match haystack.get(at..).and_then(<[u8]>::first_chunk) {
                // The last 8 bytes overlap the next 8: both have the same where they do.
                Some(next) => {
                    u128::from(u64::from_le_bytes(*next)) | last << (8 * (left - LONGEST).min(LONGEST))
                }
                None => last >> (8 * (LONGEST - left)),
            }
        }
        None => u128::from(word(haystack.get(at..).unwrap_or_default())),
    }
}
