//! What can be set, with its default, and what cannot.

use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use super::policy::Policy;
use crate::policies::HostPolicies;

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
    pub policies: HostPolicies<Policy>,
}

impl DefragOptions {
    /// Hosts in none of `networks` follow the policy of their version of IP.
    #[must_use]
    pub fn policies(
        ipv4: Policy,
        ipv6: Policy,
        networks: impl IntoIterator<Item = (IpNet, Policy)>,
    ) -> HostPolicies<Policy> {
        let all_of_ipv6 = (IpNet::V6(Ipv6Net::default()), ipv6);
        HostPolicies::new(ipv4, networks.into_iter().chain([all_of_ipv6]))
    }
}

impl Default for DefragOptions {
    /// IPv6 as RFC 5722 has it and today's systems do. IPv4 as Windows: among today's systems the most frequent that
    /// still takes overlaps at all, and where Linux drops a datagram its content is still looked at.
    fn default() -> Self {
        DefragOptions {
            timeout_ipv4: Duration::from_secs(60),
            timeout_ipv6: Duration::from_secs(60),
            max_datagrams: 16_384,
            max_bytes: 32 << 20,
            policies: DefragOptions::policies(Policy::Windows, Policy::Discard, []),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_of_ip_has_a_default() {
        let nets = [("10.0.0.0/8", Policy::Last), ("fd00::/8", Policy::Bsd)];
        let nets = nets.map(|(net, policy)| (net.parse().unwrap(), policy));
        let policies = DefragOptions::policies(Policy::Windows, Policy::Discard, nets);
        let of = |ip: &str| policies.of(ip.parse().unwrap());
        assert_eq!((of("10.2.2.3"), of("192.0.2.1")), (Policy::Last, Policy::Windows));
        assert_eq!((of("fd00::1"), of("2001:db8::1")), (Policy::Bsd, Policy::Discard));
    }
}
