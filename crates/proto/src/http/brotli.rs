//! Brotli streams (RFC 7932), decoded piece by piece.

use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

/// Largest window that is decoded, as a power of two: a stream may ask for so much memory with its first byte.
pub(super) const MAX_WINDOW_BITS: u8 = 22;

pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    begun: bool,
    done: bool,
}

impl fmt::Debug for Brotli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brotli").field("done", &self.done).finish_non_exhaustive()
    }
}

/// The window that a stream's first byte asks for, as a power of two (RFC 7932 section 9.1).
fn window_bits(first: u8) -> u8 {
    match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => u8::MAX,
        (_, 0, n) => 8 + n,
        (_, n, _) => 17 + n,
    }
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        let state = Box::new(BrotliState::new(alloc(), alloc(), alloc()));
        Brotli { state, begun: false, done: false }
    }

    /// Decodes as far as `out` allows: bytes taken from `input`, bytes put into `out`, and whether it is brotli so far.
    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> (usize, usize, bool) {
        if self.done {
            return (input.len(), 0, true);
        }
        if let (false, Some(&first)) = (self.begun, input.first()) {
            self.begun = true;
            if window_bits(first) > MAX_WINDOW_BITS {
                return (0, 0, false);
            }
        }
        let (mut available_in, mut taken, mut available_out, mut put) = (input.len(), 0, out.len(), 0);
        let mut total = 0;
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut taken,
            input,
            &mut available_out,
            &mut put,
            out,
            &mut total,
            &mut self.state,
        );
        self.done = matches!(result, BrotliResult::ResultSuccess);
        (taken, put, !matches!(result, BrotliResult::ResultFailure))
    }
}
