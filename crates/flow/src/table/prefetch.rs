//! A hint to the processor that memory will be needed soon.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the cache lines of the first `bytes` of `value`. Never faults, never changes a result.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "the instruction has no safe form")]
#[inline]
pub(crate) fn prefetch_head<T>(value: &T, bytes: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    let start = std::ptr::from_ref(value).cast::<i8>();
    let mut at = 0;
    while at < size_of::<T>().min(bytes) {
        // SAFETY: PREFETCHT0 is part of SSE, which every x86_64 has; it does not fault and reads nothing
        // into the program, and the address lies within a live reference besides.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at)) };
        at += LINE;
    }
}

/// No hint on other processors.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn prefetch_head<T>(_value: &T, _bytes: usize) {}
