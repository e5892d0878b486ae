//! `entropy`: Shannon's measure of how evenly bytes are spread.

/// Bits per byte times 1000, rounded down: 0 for one value again and again, 8000 for all 256 equally often.
pub(super) fn milli_bits(bytes: &[u8]) -> u64 {
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
    use super::milli_bits;

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
