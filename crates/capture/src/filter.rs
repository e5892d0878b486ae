//! The filter before the isolation map: one bit a host (bpf/isolation.h).

use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use libbpf_rs::MapHandle;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use wire::HostKey;

use crate::error::CaptureError;
use crate::layout::{FILTER_BITS, FILTER_WORDS};

const BYTES: usize = FILTER_WORDS * size_of::<u64>();

/// The filter's bits, shared with the kernel.
#[derive(Debug)]
pub(crate) struct Filter {
    map: MapHandle,
    words: NonNull<AtomicU64>,
}

// SAFETY: the words are shared memory of atomics; the map is a descriptor.
unsafe impl Send for Filter {}
// SAFETY: as above.
unsafe impl Sync for Filter {}

impl Filter {
    /// Maps the bits of `map`, which has this version's layout.
    pub(crate) fn new(map: MapHandle) -> Result<Self, CaptureError> {
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let words = unsafe {
            mmap(
                std::ptr::null_mut(),
                BYTES,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map.as_fd(),
                0,
            )
        };
        let fail = |err: std::io::Error| CaptureError::Map { map: "isolation_filter", source: err.into() };
        let words = words.map_err(|err| fail(err.into()))?;
        let words =
            NonNull::new(words.cast()).ok_or_else(|| fail(std::io::Error::other("mapped at zero")))?;
        Ok(Filter { map, words })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }

    pub(crate) fn map_mut(&mut self) -> &mut MapHandle {
        &mut self.map
    }

    /// Sets the host's bit.
    pub(crate) fn set(&self, host: HostKey) {
        let bit = bit(host);
        // SAFETY: a bit's number has FILTER_BITS bits, so its word lies in the mapping.
        let word = unsafe { self.words.add(bit / 64).as_ref() };
        word.fetch_or(1 << (bit % 64), Ordering::Relaxed);
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: this mapping was made in `new`, and every reference into it borrows `self`.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), BYTES) };
    }
}

/// Twin of `filter_bit`.
fn bit(host: HostKey) -> usize {
    let octets = host.octets();
    let half = |from: usize| octets[from..from + 8].try_into().map_or(0, u64::from_ne_bytes);
    let hash = (half(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ half(8)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> (u64::BITS - FILTER_BITS)) as usize
}
