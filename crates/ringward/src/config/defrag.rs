//! What can be set of the reassembly of fragments, with its default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tables::HostOverlap;

/// Reassembly of fragmented IP datagrams, in each worker.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Defrag {
    /// How IPv4 hosts settle overlapping fragments: "first": what came first stays; "last": what came last; "bsd":
    /// first, unless the new fragment begins before the old one; "bsd-right": last, unless it does; "linux": first, if
    /// the old one begins before the new one (before Linux 4.18); "windows": first, unless the new one reaches beyond
    /// the old one at both ends; "solaris": first, unless it begins before it and ends with or after it; "discard": the
    /// whole datagram is dropped (Linux since 4.18; RFC 5722).
    pub policy: FragmentOverlap,
    /// How IPv6 hosts do.
    pub policy_ipv6: FragmentOverlap,
    /// Networks whose hosts, as receivers, do otherwise, as `[[defrag.hosts]]` tables with `net` (an address or a
    /// network) and `policy`. Of several networks the smallest counts.
    pub hosts: Vec<HostOverlap<FragmentOverlap>>,
    /// Seconds that an IPv4 datagram may take, from its first fragment.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout: u64,
    /// Seconds that an IPv6 datagram may take.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_ipv6: u64,
    /// Datagrams that can be under way in one worker. With one more, the oldest goes.
    #[schemars(range(min = 1, max = 1048576))]
    pub max_datagrams: u32,
    /// MiB that they may take in one worker.
    #[schemars(range(min = 1, max = 65536))]
    pub max_mib: u32,
}

impl Default for Defrag {
    fn default() -> Self {
        let options = flow::defrag::DefragOptions::default();
        Defrag {
            policy: FragmentOverlap::Windows,
            policy_ipv6: FragmentOverlap::Discard,
            hosts: Vec::new(),
            timeout: options.timeout_ipv4.as_secs(),
            timeout_ipv6: options.timeout_ipv6.as_secs(),
            max_datagrams: options.max_datagrams,
            max_mib: (options.max_bytes >> 20) as u32,
        }
    }
}

/// How overlapping fragments are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FragmentOverlap {
    /// What came first stays.
    First,
    /// What came last stays.
    Last,
    /// First, unless the new fragment begins before the old one.
    Bsd,
    /// Last, unless the new fragment begins before the old one.
    BsdRight,
    /// First, if the old fragment begins before the new one.
    Linux,
    /// First, unless the new fragment reaches beyond the old one at both ends.
    Windows,
    /// First, unless the new fragment begins before the old one and ends with or after it.
    Solaris,
    /// The whole datagram is dropped.
    Discard,
}
