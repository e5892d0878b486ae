//! The hash of keys. It reads a key from its end, sixteen bytes at a time, so that the hash of a name's last two labels
//! falls out of the name's last bytes: in a few instructions, without taking it apart first.

use std::hash::BuildHasher;
use std::sync::OnceLock;

use crate::kind::Kind;

/// Bytes of a step.
const STEP: usize = 16;
const HALF: usize = STEP / 2;

/// Numbers that nobody else knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHasher {
    seeds: [u64; 3],
}

impl Default for KeyHasher {
    /// The same for the whole process. Whoever can put names into a feed must not know which of them collide.
    fn default() -> Self {
        static SEEDS: OnceLock<[u64; 3]> = OnceLock::new();
        let random = || std::hash::RandomState::new().hash_one(0);
        KeyHasher { seeds: *SEEDS.get_or_init(|| [random(), random(), random()]) }
    }
}

impl KeyHasher {
    #[inline]
    pub fn hash(&self, kind: Kind, key: &[u8]) -> u64 {
        let mut hash = self.begin(kind);
        let mut rest = key;
        while let Some((before, chunk)) = rest.split_last_chunk::<STEP>() {
            let (a, b) = halves(u128::from_le_bytes(*chunk), STEP);
            hash = self.step(hash, a, b);
            rest = before;
        }
        if !rest.is_empty() {
            let mut chunk = [0; STEP];
            if let Some(end) = chunk.get_mut(STEP - rest.len()..) {
                end.copy_from_slice(rest);
            }
            let (a, b) = halves(u128::from_le_bytes(chunk), rest.len());
            hash = self.step(hash, a, b);
        }
        self.end(hash, key.len())
    }

    /// The hash that the last two labels of a name have as a domain, in lower case; none if they are longer than a step,
    /// or the name is very short, or has but one label.
    #[inline]
    pub fn last_two_labels(&self, name: &[u8]) -> Option<u64> {
        let word = last_bytes(name)?;
        let dots = bytes_equal(word, b'.');
        // The place behind the last dot's highest bit is eight times the number of bytes up to it.
        let last = 128 - dots.leading_zeros();
        let before = dots & !(0x80_u128.checked_shl(last.checked_sub(8)?)?);
        let start = match 128 - before.leading_zeros() {
            // The first label is the whole rest of the name.
            0 if name.len() <= STEP => STEP - name.len(),
            0 => return None,
            dot => dot as usize / 8,
        };
        let len = STEP - start;
        let (a, b) = halves(to_lower(word), len);
        Some(self.end(self.step(self.begin(Kind::Domain), a, b), len))
    }

    #[inline]
    fn begin(&self, kind: Kind) -> u64 {
        self.seeds[0] ^ u64::from(kind as u8)
    }

    #[inline]
    fn step(&self, hash: u64, a: u64, b: u64) -> u64 {
        fold(a ^ hash, b ^ self.seeds[1])
    }

    #[inline]
    fn end(&self, hash: u64, len: usize) -> u64 {
        fold(hash ^ len as u64, self.seeds[2] | 1)
    }
}

/// Both halves of the product: each bit of the result depends on all bits of the factors.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The last `len` bytes of sixteen, at most: those before the last eight, and these.
#[inline]
fn halves(word: u128, len: usize) -> (u64, u64) {
    let bits = 8 * len.clamp(1, STEP) as u32;
    let own = word >> (128 - bits);
    let behind = bits.saturating_sub(64);
    (if behind == 0 { 0 } else { own as u64 & (u64::MAX >> (64 - behind)) }, (own >> behind) as u64)
}

/// The last sixteen bytes, or as many as there are with zeros before; none of fewer than eight.
#[inline]
fn last_bytes(name: &[u8]) -> Option<u128> {
    if let Some(chunk) = name.last_chunk::<STEP>() {
        return Some(u128::from_le_bytes(*chunk));
    }
    let (first, last) = (name.first_chunk::<HALF>()?, name.last_chunk::<HALF>()?);
    // Bytes that are in both are the same in both.
    let first = u128::from(u64::from_le_bytes(*first)) << (8 * (STEP - name.len()));
    Some(first | u128::from(u64::from_le_bytes(*last)) << 64)
}

const ONES: u128 = u128::MAX / 255;
const HIGH: u128 = ONES * 0x80;
const LOW: u128 = ONES * 0x7f;

/// The highest bit of each byte that is `byte`.
#[inline]
fn bytes_equal(word: u128, byte: u8) -> u128 {
    let differs = word ^ (ONES * u128::from(byte));
    !(((differs & LOW) + LOW) | differs) & HIGH
}

/// ASCII letters in lower case, sixteen at a time.
#[inline]
fn to_lower(word: u128) -> u128 {
    let low = word & LOW;
    let from_a = low + ONES * u128::from(0x80 - b'A');
    let beyond_z = low + ONES * u128::from(0x7f - b'Z');
    let upper = (from_a ^ beyond_z) & !word & HIGH;
    word | (upper >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(name: &str) -> Option<String> {
        let lower = name.to_ascii_lowercase();
        let (before, top) = lower.rsplit_once('.')?;
        let label = before.rsplit('.').next().unwrap_or(before);
        Some(format!("{label}.{top}"))
    }

    #[test]
    fn common_names_take_the_short_way() {
        for name in
            ["www.example.com", "example.com", "a.b.example.net", "WWW.Ab.De", "a-long-name.example.org"]
        {
            let hash = KeyHasher::default().last_two_labels(name.as_bytes());
            let domain = expected(name).expect("two labels");
            assert_eq!(hash, Some(KeyHasher::default().hash(Kind::Domain, domain.as_bytes())), "{name}");
        }
        for name in ["", "com", "localhost", "abcdefghijklmnop", "a-very-long-second-label.example"] {
            assert_eq!(KeyHasher::default().last_two_labels(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn a_byte_more_or_elsewhere_is_another_hash() {
        let hasher = KeyHasher::default();
        let mut seen = std::collections::HashSet::new();
        for len in 0..70 {
            for at in 0..len.max(1) {
                let mut key = vec![0; len];
                if let Some(byte) = key.get_mut(at) {
                    *byte = 1;
                }
                for kind in [Kind::Domain, Kind::Url] {
                    assert!(seen.insert(hasher.hash(kind, &key)), "{len} {at}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_ends_where_the_long_one_does(name in "([A-Za-z0-9\u{80}-\u{ff}_-]{0,9}\\.){0,4}[a-zA-Z@\\[`{]{0,9}") {
            if let Some(hash) = KeyHasher::default().last_two_labels(name.as_bytes()) {
                let domain = expected(&name).expect("two labels");
                assert_eq!(hash, KeyHasher::default().hash(Kind::Domain, domain.as_bytes()));
            }
        }

        #[test]
        fn letters_become_lower_case(bytes: [u8; 16]) {
            let mut lower = bytes;
            lower.make_ascii_lowercase();
            assert_eq!(to_lower(u128::from_le_bytes(bytes)).to_le_bytes(), lower);
        }
    }
}
