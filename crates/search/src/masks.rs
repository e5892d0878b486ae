//! A look at 32 positions at once (AVX2), for passes of few grams: the first bytes of each, by halves, in eight buckets.
//!
//! For each of the first two or three bytes of a gram two tables of 16 say, by the lower and the upper half of a byte, in
//! which buckets there is a gram with such a half there. A position at which some bucket is in all tables may have a gram:
//! the filter is asked. This is how Hyperscan's Teddy works. Of letters whose case does
//! not count both are entered.
//!
//! The only `unsafe` code of this crate: the call of a function that needs AVX2, and what it loads.
#![allow(unsafe_code)]

use crate::gram::FOLD;

/// Bytes of a gram that are looked at, at most.
pub(crate) const MOST: usize = 3;
/// Fewer tell too little.
const LEAST: usize = 2;
const BUCKETS: usize = 8;
/// More of what is common in traffic, or of random bytes, must not come by: asking the filter costs more than a position.
const MOST_SHARE: f64 = 0.03;
/// Positions that are looked at together.
#[cfg(target_arch = "x86_64")]
const SPAN: usize = 32;

/// Which buckets have a byte with this lower half, or this upper half.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(16))]
struct Halves {
    lower: [u8; 16],
    upper: [u8; 16],
}

impl Halves {
    fn add(&mut self, byte: u8, nocase: bool, bucket: u8) {
        let other = if nocase && byte.is_ascii_alphabetic() { byte ^ FOLD } else { byte };
        for byte in [byte, other] {
            self.lower[usize::from(byte & 15)] |= bucket;
            self.upper[usize::from(byte >> 4)] |= bucket;
        }
    }

    /// The buckets that a byte may be of.
    fn of(&self, byte: u8) -> u8 {
        self.lower[usize::from(byte & 15)] & self.upper[usize::from(byte >> 4)]
    }
}

/// See the module's text. Made only where there is AVX2.
#[derive(Debug)]
pub(crate) struct Masks {
    halves: [Halves; MOST],
}

impl Masks {
    /// Of grams of at least `length` bytes, the first of them the lowest, each with whether case does not count in it;
    /// `common` are some that are met all the time.
    /// None if too much would come by, or if this processor cannot do it.
    pub(crate) fn new(
        grams: &[(u64, bool)],
        length: usize,
        common: impl Iterator<Item = u64>,
    ) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let able = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let able = false;
        if !able || length < LEAST || grams.is_empty() {
            return None;
        }
        let masks = Self::of(grams, length.min(MOST));
        let (mut all, mut met) = (0_u32, 0_u32);
        for gram in common {
            all += 1;
            met += u32::from(masks.lets_by(gram));
        }
        let common = f64::from(met) / f64::from(all.max(1));
        (masks.share() <= MOST_SHARE && common <= MOST_SHARE).then_some(masks)
    }

    fn of(grams: &[(u64, bool)], length: usize) -> Self {
        let mut sorted: Vec<([u8; MOST], bool)> = grams
            .iter()
            .map(|&(gram, nocase)| {
                let bytes = gram.to_le_bytes();
                (std::array::from_fn(|at| if at < length { bytes[at] } else { 0 }), nocase)
            })
            .collect();
        // What is alike goes together: then a bucket has few halves.
        sorted.sort_unstable_by_key(|&(bytes, nocase)| (bytes.map(|byte| byte >> 4), bytes, nocase));
        sorted.dedup();
        let mut halves = [Halves::default(); MOST];
        for unused in &mut halves[length..] {
            *unused = Halves { lower: [u8::MAX; 16], upper: [u8::MAX; 16] };
        }
        for (number, bucket) in sorted.chunks(sorted.len().div_ceil(BUCKETS).max(1)).enumerate() {
            for (bytes, nocase) in bucket {
                for (halves, &byte) in halves.iter_mut().zip(bytes).take(length) {
                    halves.add(byte, *nocase, 1 << number);
                }
            }
        }
        Self { halves }
    }

    /// The share of random positions that come by.
    fn share(&self) -> f64 {
        let of = |halves: &Halves, bucket: usize| {
            (0..=u8::MAX).filter(|&byte| halves.of(byte) >> bucket & 1 == 1).count() as f64 / 256.0
        };
        (0..BUCKETS).map(|bucket| self.halves.iter().map(|halves| of(halves, bucket)).product::<f64>()).sum()
    }

    fn lets_by(&self, gram: u64) -> bool {
        let bytes = gram.to_le_bytes();
        self.halves.iter().zip(bytes).fold(u8::MAX, |buckets, (halves, byte)| buckets & halves.of(byte)) != 0
    }

    /// Calls `at` for positions from `from` on that may have a gram, in order, until it returns true or fewer bytes are
    /// left than are looked at together; the position behind the last one that was looked at.
    #[inline]
    pub(crate) fn find(
        &self,
        haystack: &[u8],
        from: usize,
        at: &mut impl FnMut(usize, u64) -> bool,
    ) -> usize {
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: there are masks only where `new` has seen that there is AVX2.
            unsafe { self.find_avx2(haystack, from, at) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (haystack, at);
            from
        }
    }

    /// See [`Masks::find`].
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    #[inline]
    fn find_avx2(&self, haystack: &[u8], mut from: usize, at: &mut impl FnMut(usize, u64) -> bool) -> usize {
        use std::arch::x86_64::{
            _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
            _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_setzero_si256,
            _mm256_shuffle_epi8, _mm256_srli_epi16,
        };
        // SAFETY: 16 bytes are loaded from an array of 16.
        let table =
            |table: &[u8; 16]| unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast())) };
        let halves = self.halves.each_ref().map(|of| (table(&of.lower), table(&of.upper)));
        let low = _mm256_set1_epi8(15);
        // The last position of a span has a whole gram.
        while let Some(span) = haystack.get(from..).and_then(<[u8]>::first_chunk::<{ SPAN + 8 }>) {
            let mut buckets = _mm256_set1_epi8(-1);
            for (i, (lower, upper)) in halves.iter().enumerate() {
                // SAFETY: 32 bytes are loaded from the `i`th of 40 on, and `i` is less than MOST, 3.
                let bytes = unsafe { _mm256_loadu_si256(span.as_ptr().add(i).cast()) };
                let of_lower = _mm256_shuffle_epi8(*lower, _mm256_and_si256(bytes, low));
                let of_upper =
                    _mm256_shuffle_epi8(*upper, _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low));
                buckets = _mm256_and_si256(buckets, _mm256_and_si256(of_lower, of_upper));
            }
            let none = _mm256_cmpeq_epi8(buckets, _mm256_setzero_si256());
            let mut found = !(_mm256_movemask_epi8(none) as u32);
            while found != 0 {
                let place = found.trailing_zeros() as usize;
                found &= found - 1;
                if let Some(bytes) = span.get(place..).and_then(<[u8]>::first_chunk)
                    && at(from + place, u64::from_le_bytes(*bytes))
                {
                    return from + place + 1;
                }
            }
            from += SPAN;
        }
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::word;

    #[test]
    fn no_gram_is_passed_over_and_little_else_comes_by() {
        let grams =
            [(b"x\x9c".as_slice(), false), (b"gh0", true), (b"\x01\x02\x03", false), (b"!!\xff", true)];
        let grams = grams.map(|(gram, nocase)| (word(gram), nocase));
        let Some(masks) = Masks::new(&grams, 2, std::iter::empty()) else { return };
        let mut haystack: Vec<u8> =
            (0..4000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for (at, text) in [(0, b"x\x9c"), (31, b"Gh"), (40, b"\x01\x02"), (77, b"x\x9c"), (3900, b"!!")] {
            haystack[at..at + 2].copy_from_slice(text);
        }
        let mut found = Vec::new();
        let end = masks.find(&haystack, 0, &mut |at, _| {
            found.push(at);
            false
        });
        assert!(end + SPAN + 8 > haystack.len());
        let expected: Vec<usize> =
            (0..end).filter(|&at| masks.lets_by(word(&haystack[at..at + 2]))).collect();
        assert_eq!(found, expected);
        for at in [0, 31, 40, 77, 3900] {
            assert!(found.contains(&at) || at >= end, "{at}");
        }
        assert!(found.len() < 100, "{}", found.len());
        let stopped = masks.find(&haystack, 1, &mut |at, gram| {
            assert_eq!((at, gram), (31, word(&haystack[31..])));
            true
        });
        assert_eq!(stopped, 32);
    }

    #[test]
    fn what_lets_too_much_by_is_not_made() {
        let all: Vec<(u64, bool)> =
            (0..2000_u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15), false)).collect();
        assert!(Masks::new(&all, 2, std::iter::empty()).is_none());
        assert!(Masks::new(&[(word(b"abc"), false)], 1, std::iter::empty()).is_none());
        assert!(Masks::new(&[(word(b"abc"), false)], 3, std::iter::once(word(b"abcd"))).is_none());
    }
}
