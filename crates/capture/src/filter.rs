//! The filter before the isolation map: one bit a host (bpf/isolation.h).

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use libbpf_rs::MapHandle;
use wire::HostKey;

use crate::error::CaptureError;
use crate::layout::FILTER_BITS;
use crate::words::MappedWords;

/// The filter's bits, shared with the kernel.
#[derive(Debug)]
pub(crate) struct Filter(MappedWords);

impl Filter {
    /// Maps the bits of `map`, which has this version's layout.
    pub(crate) fn new(map: MapHandle) -> Result<Self, CaptureError> {
        MappedWords::new(map, "isolation_filter").map(Filter)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }

    pub(crate) fn map_mut(&mut self) -> &mut MapHandle {
        self.0.map_mut()
    }

    /// Sets the host's bit.
    pub(crate) fn set(&self, host: HostKey) {
        let bit = bit(host);
        self.0.word(bit / 64).fetch_or(1 << (bit % 64), Ordering::Relaxed);
    }
}

/// Twin of `filter_bit`.
fn bit(host: HostKey) -> usize {
    let octets = host.octets();
    let half = |from: usize| octets[from..from + 8].try_into().map_or(0, u64::from_ne_bytes);
    let hash = (half(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ half(8)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> (u64::BITS - FILTER_BITS)) as usize
}
