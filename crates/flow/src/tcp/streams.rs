//! What all connections of a worker share.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::budget::StreamBudget;
use super::policy::OverlapPolicy;
use crate::policies::HostPolicies;

/// How streams are followed.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Which copy of a byte counts, by receiver.
    pub policies: HostPolicies<OverlapPolicy>,
    /// Bytes of each direction that are handed on, gaps counted; 0: all.
    pub depth: u32,
    /// Bytes that may wait behind holes, all streams together.
    pub memory: u64,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions { policies: HostPolicies::default(), depth: 1024 * 1024, memory: 256 * 1024 * 1024 }
    }
}

/// One per worker: see [`super::TcpConnection::segment`].
#[derive(Debug)]
pub struct Streams {
    pub(super) options: StreamOptions,
    budget: StreamBudget,
    /// Seeded, so that nobody can make two segments that look alike to us.
    hasher: RandomState,
}

impl Streams {
    /// With a budget of its own.
    #[must_use]
    pub fn new(options: StreamOptions) -> Self {
        Streams { budget: StreamBudget::new(options.memory), options, hasher: RandomState::default() }
    }

    /// What waits behind holes now, and what was refused.
    #[must_use]
    pub fn budget(&self) -> &StreamBudget {
        &self.budget
    }

    pub(super) fn fingerprint(&self, bytes: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as u32
    }
}
