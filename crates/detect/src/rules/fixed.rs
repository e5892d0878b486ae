//! Rules that are found by a few bytes at a fixed place: a look at that place instead of a search.

/// Bytes at the place that are compared at once.
const WORD: usize = 4;

/// A place and what has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    /// Bytes before it.
    pub(crate) offset: u16,
    /// What is there: 1 to 4 bytes, the first of a longer literal.
    pub(crate) bytes: Vec<u8>,
    /// Whatever the case of ASCII letters.
    pub(crate) nocase: bool,
}

impl Fixed {
    /// Of a literal at a place.
    pub(crate) fn new(offset: u16, literal: &[u8], nocase: bool) -> Self {
        Fixed { offset, bytes: literal.iter().copied().take(WORD).collect(), nocase }
    }

    /// The bytes with the bits that are compared, as little-endian words.
    fn word(&self) -> (u32, u32) {
        let (mut value, mut mask) = ([0; WORD], [0; WORD]);
        for ((value, mask), byte) in value.iter_mut().zip(&mut mask).zip(&self.bytes) {
            *mask = if self.nocase && byte.is_ascii_alphabetic() { !0x20 } else { 0xff };
            *value = byte & *mask;
        }
        (u32::from_le_bytes(value), u32::from_le_bytes(mask))
    }
}

/// One rule at a place.
#[derive(Clone, Copy, Debug)]
struct Entry {
    value: u32,
    mask: u32,
    length: u8,
    rule: u32,
}

/// The rules of one place, by its first byte.
#[derive(Debug)]
struct Place {
    offset: usize,
    /// Where the entries of each byte begin; one more at the end.
    starts: Box<[u16; 257]>,
    entries: Box<[Entry]>,
}

impl Place {
    fn new(offset: u16, rules: &[(Fixed, u32)]) -> Self {
        let mut entries = Vec::new();
        let mut starts = Box::new([0; 257]);
        for first in 0..=u8::MAX {
            for (fixed, rule) in rules.iter().filter(|(fixed, _)| fixed.offset == offset) {
                let same = match fixed.bytes.first() {
                    Some(byte) if fixed.nocase => byte.eq_ignore_ascii_case(&first),
                    byte => byte == Some(&first),
                };
                if same {
                    let (value, mask) = fixed.word();
                    entries.push(Entry { value, mask, length: fixed.bytes.len() as u8, rule: *rule });
                }
            }
            starts[usize::from(first) + 1] = u16::try_from(entries.len()).unwrap_or(u16::MAX);
        }
        Place { offset: offset.into(), starts, entries: entries.into() }
    }

    #[inline]
    fn find(&self, bytes: &[u8], out: &mut Vec<u32>) {
        let Some(here) = bytes.get(self.offset..) else { return };
        let Some(&first) = here.first() else { return };
        let (start, end) = (self.starts[usize::from(first)], self.starts[usize::from(first) + 1]);
        if start == end {
            return;
        }
        let mut word = [0; WORD];
        let have = here.len().min(WORD);
        word[..have].copy_from_slice(&here[..have]);
        let word = u32::from_le_bytes(word);
        for entry in self.entries.get(usize::from(start)..usize::from(end)).unwrap_or_default() {
            if word & entry.mask == entry.value && have >= usize::from(entry.length) {
                out.push(entry.rule);
            }
        }
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct FixedIndex(Box<[Place]>);

impl FixedIndex {
    pub(crate) fn new(rules: &[(Fixed, u32)]) -> Self {
        let mut offsets: Vec<u16> = rules.iter().map(|(fixed, _)| fixed.offset).collect();
        offsets.sort_unstable();
        offsets.dedup();
        FixedIndex(offsets.into_iter().map(|offset| Place::new(offset, rules)).collect())
    }

    /// Appends the rules whose bytes are in their place, if these end behind the first `from` bytes.
    #[inline]
    pub(crate) fn candidates(&self, bytes: &[u8], from: usize, out: &mut Vec<u32>) {
        for place in self.0.iter().filter(|place| place.offset + WORD > from) {
            place.find(bytes, out);
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.iter().map(|place| size_of::<[u16; 257]>() + place.entries.len() * size_of::<Entry>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_in_their_place_only() {
        let rules = [
            (Fixed::new(0, b"\x16\x03", false), 1),
            (Fixed::new(0, b"GET /x", true), 2),
            (Fixed::new(1, b"\x03", false), 3),
            (Fixed::new(5, b"ab", false), 4),
        ];
        let index = FixedIndex::new(&rules);
        let of = |bytes: &[u8], from| {
            let mut out = Vec::new();
            index.candidates(bytes, from, &mut out);
            out
        };
        assert_eq!(of(b"\x16\x03\x01\0\0ab", 0), [1, 3, 4]);
        assert_eq!(of(b"get /", 0), [2]);
        assert_eq!(of(b"get", 0), [0; 0]);
        assert_eq!(of(b"\x16\x03\x01\0\0ab", 6), [4], "what was there before was looked at before");
        assert_eq!(of(b"", 0), [0; 0]);
    }
}
