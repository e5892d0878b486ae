//! The search for one content.
//!
//! Rules have some 160,000 contents, so that each has to be small: no tables, but the two bytes of the pattern that are
//! rarest in traffic. The rarest is looked for with vector instructions, the other one tells most false finds from true
//! ones before the whole pattern is compared. Where the rarest byte is everywhere, a search whose time does not grow
//! with the pattern takes over.

use memchr::arch::all::packedpair::Pair;
use memchr::{memchr, memchr2, memmem};

/// False finds after which the careful search takes over, and one more for every so many bytes searched.
const FALSE_FINDS: usize = 8;
/// See [`FALSE_FINDS`].
const BYTES_PER_FALSE_FIND: usize = 32;

/// One pattern and how it is looked for.
#[derive(Clone, Debug)]
pub(super) struct Needle {
    /// In lower case if `nocase`.
    pattern: Box<[u8]>,
    /// Where its rarest byte is.
    rare: u8,
    /// Where its second rarest byte is.
    second: u8,
    nocase: bool,
}

impl Needle {
    /// For a pattern that is not empty.
    pub(super) fn new(pattern: &[u8], nocase: bool) -> Result<Self, String> {
        if pattern.is_empty() {
            return Err("an empty content".into());
        }
        let pattern: Box<[u8]> =
            if nocase { pattern.to_ascii_lowercase().into() } else { pattern.to_vec().into() };
        // A pattern of one byte has no pair.
        let (rare, second) = Pair::new(&pattern).map_or((0, 0), |pair| (pair.index1(), pair.index2()));
        Ok(Needle { pattern, rare, second, nocase })
    }

    /// Its length, in bytes; never 0.
    pub(super) fn len(&self) -> usize {
        self.pattern.len()
    }

    /// Heap memory, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.pattern.len()
    }

    /// Whether these bytes are the pattern.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        if self.nocase { bytes.eq_ignore_ascii_case(&self.pattern) } else { *bytes == *self.pattern }
    }

    /// Where it begins first.
    pub(super) fn find(&self, haystack: &[u8]) -> Option<usize> {
        let spare = haystack.len().checked_sub(self.len())?;
        let rare = usize::from(self.rare);
        // The rarest byte of a find lies in here.
        let field = haystack.get(rare..=rare.checked_add(spare)?)?;
        let wanted = *self.pattern.get(rare)?;
        let second = *self.pattern.get(usize::from(self.second))?;
        let (lower, upper) = (wanted, wanted.to_ascii_uppercase());
        let mut at = 0;
        let mut false_finds = 0;
        loop {
            let rest = field.get(at..)?;
            let next = if self.nocase { memchr2(lower, upper, rest)? } else { memchr(wanted, rest)? };
            let start = at.checked_add(next)?;
            let candidate = haystack.get(start..start.checked_add(self.len())?)?;
            let fits = candidate
                .get(usize::from(self.second))
                .is_some_and(|&byte| byte == second || (self.nocase && byte.to_ascii_lowercase() == second));
            if fits && self.is(candidate) {
                return Some(start);
            }
            at = start.checked_add(1)?;
            false_finds += 1;
            if !self.nocase && false_finds > FALSE_FINDS + at / BYTES_PER_FALSE_FIND {
                return Some(at + memmem::find(haystack.get(at..)?, &self.pattern)?);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(haystack: &[u8], pattern: &[u8], nocase: bool) -> Option<usize> {
        haystack
            .windows(pattern.len())
            .position(|window| if nocase { window.eq_ignore_ascii_case(pattern) } else { window == pattern })
    }

    #[test]
    fn patterns_are_found_where_they_begin_first() {
        for (haystack, pattern, nocase, expected) in [
            (&b""[..], &b"a"[..], false, None),
            (b"a", b"a", false, Some(0)),
            (b"xxabc", b"abc", false, Some(2)),
            (b"xxABc", b"abc", false, None),
            (b"xxABc", b"aBC", true, Some(2)),
            (b"abab", b"ba", false, Some(1)),
            (b"\xc4\xe4", b"\xe4", true, Some(1)),
            (b"ab", b"abc", false, None),
        ] {
            assert_eq!(Needle::new(pattern, nocase).unwrap().find(haystack), expected, "{pattern:?}");
        }
        assert!(Needle::new(b"", false).is_err());
    }

    #[test]
    fn the_careful_search_takes_over_where_the_rare_byte_is_everywhere() {
        let mut haystack = vec![b'z'; 10_000];
        haystack.extend_from_slice(b"zzq");
        assert_eq!(Needle::new(b"zzq", false).unwrap().find(&haystack), Some(10_000));
        assert_eq!(Needle::new(&[b'z'; 200], false).unwrap().find(&haystack), Some(0));
        let mut pattern = vec![b'z'; 200];
        pattern.insert(0, b'y');
        assert_eq!(Needle::new(&pattern, false).unwrap().find(&haystack), None);
    }

    proptest! {
        #[test]
        fn it_finds_what_a_naive_search_finds(
            haystack in "[abAB]{0,80}", pattern in "[abAB]{1,5}", nocase: bool,
        ) {
            let needle = Needle::new(pattern.as_bytes(), nocase).unwrap();
            prop_assert_eq!(
                needle.find(haystack.as_bytes()),
                naive(haystack.as_bytes(), pattern.as_bytes(), nocase)
            );
        }
    }
}
