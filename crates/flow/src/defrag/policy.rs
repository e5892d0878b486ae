//! Who wins where fragments overlap. Operating systems differ, and who attacks one hides behind that: the sensor
//! must see what the receiver sees (Novak, "Target-Based Fragmentation Reassembly", 2005; Shankar and Paxson, "Active
//! Mapping", 2003).

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;

/// How a receiver settles overlapping fragments. "Old" is what came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Old data stays.
    First,
    /// New data replaces old.
    Last,
    /// Old data stays unless the new fragment begins before it.
    Bsd,
    /// New data replaces old unless the new fragment begins before it.
    BsdRight,
    /// Old data stays if it begins before the new fragment (Linux before 4.18).
    Linux,
    /// Old data stays unless the new fragment reaches beyond it at both ends.
    Windows,
    /// Old data stays unless the new fragment begins before it and ends with or after it.
    Solaris,
    /// The whole datagram is dropped, with what may still come of it (IPv6 by RFC 5722; IPv4 in Linux since 4.18).
    /// Exact copies of a fragment are no overlap.
    Discard,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 8] = [
        Policy::First,
        Policy::Last,
        Policy::Bsd,
        Policy::BsdRight,
        Policy::Linux,
        Policy::Windows,
        Policy::Solaris,
        Policy::Discard,
    ];

    /// Whether the data of a `new` fragment replaces that of an `old` one where they overlap.
    pub(super) fn newer_wins(self, old: &Range<u32>, new: &Range<u32>) -> bool {
        match self {
            Policy::First | Policy::Discard => false,
            Policy::Last => true,
            Policy::Bsd => new.start < old.start,
            Policy::BsdRight => old.start <= new.start,
            Policy::Linux => new.start <= old.start,
            Policy::Windows => new.start < old.start && new.end > old.end,
            Policy::Solaris => new.start < old.start && new.end >= old.end,
        }
    }
}

/// Which policy holds for which receiver.
#[derive(Clone, Debug)]
pub struct HostPolicies {
    /// Of IPv4 hosts that are not named.
    pub ipv4: Policy,
    /// Of IPv6 hosts that are not named.
    pub ipv6: Policy,
    /// Of networks; the longest prefix counts.
    pub hosts: Vec<(IpNet, Policy)>,
}

impl Default for HostPolicies {
    /// IPv6 as RFC 5722 has it and today's systems do. IPv4 as Windows: among today's systems the most frequent that
    /// still takes overlaps at all, and where Linux drops a datagram its content is still looked at.
    fn default() -> Self {
        HostPolicies { ipv4: Policy::Windows, ipv6: Policy::Discard, hosts: Vec::new() }
    }
}

impl HostPolicies {
    /// The policy of the host that receives.
    #[must_use]
    pub fn of(&self, receiver: IpAddr) -> Policy {
        let named = self.hosts.iter().filter(|(net, _)| net.contains(&receiver));
        let longest = named.max_by_key(|(net, _)| net.prefix_len()).map(|&(_, policy)| policy);
        longest.unwrap_or(if receiver.is_ipv4() { self.ipv4 } else { self.ipv6 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_names_the_policy() {
        let net = |text: &str| text.parse().unwrap();
        let policies = HostPolicies {
            hosts: vec![
                (net("10.1.0.0/16"), Policy::Linux),
                (net("10.0.0.0/8"), Policy::Last),
                (net("fd00::/8"), Policy::Bsd),
            ],
            ..HostPolicies::default()
        };
        let of = |ip: &str| policies.of(ip.parse().unwrap());
        assert_eq!(of("10.1.2.3"), Policy::Linux);
        assert_eq!(of("10.2.2.3"), Policy::Last);
        assert_eq!(of("192.0.2.1"), Policy::Windows);
        assert_eq!(of("fd00::1"), Policy::Bsd);
        assert_eq!(of("2001:db8::1"), Policy::Discard);
    }
}
