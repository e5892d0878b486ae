//! Policies of hosts: a default, and networks that differ. Which policies there are is told where they are used: see
//! [`OverlapPolicy`](crate::OverlapPolicy) of segments, [`Policy`](crate::defrag::Policy) of fragments.

use std::net::IpAddr;

use ipnet::IpNet;

/// The policy of every host: a default, and networks that differ.
#[derive(Clone, Debug, Default)]
pub struct HostPolicies<P> {
    default: P,
    /// The longest prefix first.
    networks: Vec<(IpNet, P)>,
}

impl<P: Copy> HostPolicies<P> {
    /// Hosts in none of `networks` follow `default`; of several networks the smallest counts.
    #[must_use]
    pub fn new(default: P, networks: impl IntoIterator<Item = (IpNet, P)>) -> Self {
        let mut networks: Vec<_> = networks.into_iter().collect();
        networks.sort_by_key(|(net, _)| std::cmp::Reverse(net.prefix_len()));
        HostPolicies { default, networks }
    }

    /// The policy of a host. To be asked where bytes overlap, not for every packet.
    #[must_use]
    pub fn of(&self, host: IpAddr) -> P {
        self.networks.iter().find(|(net, _)| net.contains(&host)).map_or(self.default, |&(_, policy)| policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OverlapPolicy;

    #[test]
    fn the_smallest_network_says_the_policy() {
        let nets = [("10.0.0.0/8", OverlapPolicy::Windows), ("10.1.0.0/16", OverlapPolicy::Solaris)];
        let hosts =
            HostPolicies::new(OverlapPolicy::First, nets.map(|(net, policy)| (net.parse().unwrap(), policy)));
        assert_eq!(hosts.of([10, 1, 2, 3].into()), OverlapPolicy::Solaris);
        assert_eq!(hosts.of([10, 2, 2, 3].into()), OverlapPolicy::Windows);
        assert_eq!(hosts.of([11, 2, 2, 3].into()), OverlapPolicy::First);
        assert_eq!(hosts.of("::1".parse().unwrap()), OverlapPolicy::First);
    }
}
