//! Memory for bytes that wait behind holes, all streams of a worker together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A cap that many streams share. Clones are handles to the same cap; what a stream took comes back when
/// it is dropped. Only touched when bytes wait, never for bytes in order.
#[derive(Clone, Debug)]
pub struct StreamBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: u64,
    used: AtomicU64,
    refused: AtomicU64,
}

impl StreamBudget {
    /// At most `limit` bytes, bookkeeping included.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        StreamBudget(Arc::new(Inner { limit, used: AtomicU64::new(0), refused: AtomicU64::new(0) }))
    }

    /// Bytes taken now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Segments that could not wait, so that their bytes became gaps or a hole was given up early.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(super) fn take(&self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let taken = self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|&sum| sum <= self.0.limit)
        });
        taken.is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn refuse(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }
}
