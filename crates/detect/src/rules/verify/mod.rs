//! Whether the tests of one part of a rule hold on one buffer, as Suricata's content inspection decides it.
//!
//! Tests are looked at in the order of the rule. Where one that matched at a place is followed by a test that counts
//! from there and fails, the search goes on at its next place; [`MAX_STEPS`] and [`MAX_SEARCHED`] bound that.

mod amount;
mod base64;
mod bytes;
mod checks;
mod content;
mod dataset;
mod entropy;
mod expression;
mod needle;
mod number;
mod run;
mod state;
#[cfg(test)]
mod testing;

pub use checks::Checks;
pub use dataset::DatasetStore;
pub use run::holds;
pub use state::{Captures, Counts, State};

/// Variables that the `byte_extract` and `byte_math` of one rule can set.
pub const MAX_VARIABLES: usize = 32;
/// Tests looked at in one part on one buffer, repetitions counted (Suricata's `detect.inspection-recursion-limit`).
pub const MAX_STEPS: u32 = 3_000;
/// Bytes that contents and expressions of one part may search in one buffer, repetitions counted: above what any rule
/// needs without going back, and some milliseconds at most.
pub const MAX_SEARCHED: u64 = 32 << 20;
/// Captured groups kept of one rule.
pub const MAX_CAPTURES: usize = 16;
/// Bytes of all captured groups of one rule.
pub const CAPTURED_BYTES: usize = 64 << 10;
/// Tests of one part at most.
pub const MAX_TESTS: usize = 1_000;

/// A buffer, or what is at hand of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Piece<'a> {
    /// What is at hand.
    pub bytes: &'a [u8],
    /// Where that begins, counted from the buffer's true beginning, from which `depth`, `offset`, `startswith` and
    /// `bsize` count.
    pub stream_offset: u64,
    /// Whether it ends where the buffer ends, so that what asks for the end can be decided.
    pub is_end: bool,
    /// Byte order of the DCE/RPC header that the buffer belongs to; none is network order.
    pub little_endian: Option<bool>,
}

impl<'a> Piece<'a> {
    /// A buffer that is whole.
    #[must_use]
    pub fn whole(bytes: &'a [u8]) -> Self {
        Piece { bytes, stream_offset: 0, is_end: true, little_endian: None }
    }
}
