//! `entropy`: Shannon's measure of how evenly bytes are spread.

use rules::NumberTest;

/// `entropy` made ready.
#[derive(Debug)]
pub(super) struct EntropyCheck {
    pub(super) offset: u32,
    pub(super) bytes: Option<u32>,
    pub(super) test: NumberTest,
}

impl EntropyCheck {
    /// Whether the part of the buffer is there, and as it has to be.
    pub(super) fn holds(&self, buffer: &[u8]) -> bool {
        let part = buffer.get(self.offset as usize..);
        let part = part.and_then(|part| part.get(..self.bytes.map_or(part.len(), |bytes| bytes as usize)));
        part.is_some_and(|part| self.test.holds(milli_bits(part)))
    }
}

/// Bits per byte times 1000, rounded down: 0 for one value again and again, 8000 for all 256 equally often.
fn milli_bits(bytes: &[u8]) -> u64 {
    let mut counts = [0_u64; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|&count| {
            let share = count as f64 / total;
            -share * share.log2()
        })
        .sum();
    (bits * 1000.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_to_be_there() {
        let check = |offset, bytes| EntropyCheck { offset, bytes, test: NumberTest::Equal(1000, false) };
        for (offset, bytes, holds) in [
            (0, None, false),
            (2, None, true),
            (2, Some(4), true),
            (1, Some(2), false),
            (3, Some(2), true),
            (2, Some(5), false),
            (7, None, false),
        ] {
            assert_eq!(check(offset, bytes).holds(b"aaabab"), holds, "{offset} {bytes:?}");
        }
    }

    #[test]
    fn even_bytes_have_eight_bits() {
        let all: Vec<u8> = (0..=255).collect();
        for (bytes, expected) in
            [(&b""[..], 0), (b"aaaa", 0), (b"abab", 1000), (b"abcd", 2000), (b"aab", 918), (&all, 8000)]
        {
            assert_eq!(milli_bits(bytes), expected, "{bytes:?}");
        }
    }
}
