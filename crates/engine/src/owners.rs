//! Which worker saw a flow: the check that steering is exact, whoever steers.

use std::sync::atomic::{AtomicU64, Ordering};

/// Flows that are remembered; more of them overwrite each other and are not compared.
const ENTRIES: usize = 1 << 16;

/// Shared by all workers; each flow's hash and its worker. Asked once a flow.
#[derive(Debug)]
pub(crate) struct Owners(Box<[AtomicU64]>);

impl Default for Owners {
    fn default() -> Self {
        Owners((0..ENTRIES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Owners {
    /// A worker has opened the flow with this steering hash. False if another worker has it.
    pub(crate) fn claim(&self, hash: u32, worker: u32) -> bool {
        let own = u64::from(hash) << 32 | u64::from(worker + 1);
        let before = self.0[hash as usize % ENTRIES].swap(own, Ordering::Relaxed);
        before == 0 || before >> 32 != u64::from(hash) || before == own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_at_two_workers_is_seen() {
        let owners = Owners::default();
        assert!(owners.claim(7, 0) && owners.claim(7, 0) && owners.claim(8, 1));
        assert!(!owners.claim(7, 1));
        // Another flow in the same place says nothing.
        assert!(owners.claim(7 + ENTRIES as u32, 2) && owners.claim(7, 3));
    }
}
