//! What can be set, with its default, and what cannot.

use std::time::Duration;

use super::policy::HostPolicies;

/// Fragments of one datagram whose data is kept. Ethernet makes 46 of the largest, the smallest MTU that IPv4 knows
/// (68) makes 1,366.
pub const MAX_FRAGMENTS: usize = 1536;

/// Limits and policies of a [`Defragmenter`](super::Defragmenter).
#[derive(Clone, Debug)]
pub struct DefragOptions {
    /// How long an IPv4 datagram may take, from its first fragment.
    pub timeout_ipv4: Duration,
    /// How long an IPv6 datagram may take (RFC 8200: 60 seconds).
    pub timeout_ipv6: Duration,
    /// Datagrams that can be under way.
    pub max_datagrams: u32,
    /// Bytes that all of them together may take, their bookkeeping included.
    pub max_bytes: usize,
    /// Who settles overlaps how.
    pub policies: HostPolicies,
}

impl Default for DefragOptions {
    fn default() -> Self {
        DefragOptions {
            timeout_ipv4: Duration::from_secs(60),
            timeout_ipv6: Duration::from_secs(60),
            max_datagrams: 16_384,
            max_bytes: 32 << 20,
            policies: HostPolicies::default(),
        }
    }
}
