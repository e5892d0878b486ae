//! Sequence numbers: 32 bits on a circle (RFC 9293, section 3.4).

/// How far `seq` lies behind `base`; negative if before.
pub(super) fn distance(seq: u32, base: u32) -> i64 {
    i64::from(seq.wrapping_sub(base).cast_signed())
}

/// The later of two numbers on the circle.
pub(super) fn later(a: u32, b: u32) -> u32 {
    if distance(a, b) > 0 { a } else { b }
}

/// `distance` as a length: zero if `seq` lies before `base`.
pub(super) fn length(seq: u32, base: u32) -> usize {
    usize::try_from(distance(seq, base)).unwrap_or(0)
}
