//! A set of networks, IPv4 and IPv6 in one space, each with something to say.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

/// Networks by their first address and prefix length; IPv4 is v4-mapped (RFC 4291 section 2.5.5.2), as in the
/// isolation map, so that an IPv6 network that has all of IPv4 in it is seen to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nets<V> {
    nets: BTreeMap<(u128, u8), (IpNet, V)>,
    /// Prefix lengths that are in use.
    lengths: BTreeSet<u8>,
}

impl<V> Default for Nets<V> {
    fn default() -> Self {
        Nets { nets: BTreeMap::new(), lengths: BTreeSet::new() }
    }
}

impl<V> Nets<V> {
    /// Adds a network; of one that is there already the first word counts.
    pub(crate) fn add(&mut self, net: IpNet, value: V) {
        let (first, length) = mapped(net);
        self.lengths.insert(length);
        self.nets.entry((first, length)).or_insert((net.trunc(), value));
    }

    /// The smallest network that `ip` is in.
    pub(crate) fn get(&self, ip: IpAddr) -> Option<&(IpNet, V)> {
        self.around(number(ip), 128)
    }

    /// A network that has addresses in common with `net`.
    pub(crate) fn overlapping(&self, net: IpNet) -> Option<&(IpNet, V)> {
        let (first, length) = mapped(net);
        let last = first | !mask(length);
        let inside = self.nets.range((first, 0)..=(last, u8::MAX)).next().map(|(_, found)| found);
        inside.or_else(|| self.around(first, length))
    }

    /// The smallest network, of at most this prefix length, around an address.
    fn around(&self, address: u128, longest: u8) -> Option<&(IpNet, V)> {
        let lengths = self.lengths.range(..=longest).rev();
        lengths.filter_map(|&length| self.nets.get(&(address & mask(length), length))).next()
    }

    /// All of them, in order of addresses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(IpNet, V)> {
        self.nets.values()
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn mapped(net: IpNet) -> (u128, u8) {
    let length = match net {
        IpNet::V4(v4) => v4.prefix_len() + 96,
        IpNet::V6(v6) => v6.prefix_len(),
    };
    (number(net.network()), length)
}

fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nets(texts: &[&str]) -> Nets<usize> {
        let mut nets = Nets::default();
        for (i, text) in texts.iter().enumerate() {
            nets.add(text.parse().unwrap(), i);
        }
        nets
    }

    #[test]
    fn the_smallest_network_answers() {
        let nets = nets(&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "2001:db8::/32", "10.0.0.0/8"]);
        let of = |ip: &str| nets.get(ip.parse().unwrap()).map(|(_, i)| *i);
        assert_eq!([of("10.9.0.1"), of("10.1.9.9"), of("10.1.2.3")], [Some(0), Some(1), Some(2)]);
        assert_eq!([of("::ffff:10.1.2.3"), of("2001:db8::1"), of("11.0.0.0")], [Some(2), Some(3), None]);
    }

    #[test]
    fn all_of_ipv6_has_ipv4_in_it() {
        let nets = nets(&["10.1.2.3/32"]);
        for (net, meets) in [
            ("::/0", true),
            ("::ffff:0:0/96", true),
            ("0.0.0.0/0", true),
            ("10.1.2.0/24", true),
            ("10.1.3.0/24", false),
            ("2001:db8::/32", false),
        ] {
            assert_eq!(nets.overlapping(net.parse().unwrap()).is_some(), meets, "{net}");
        }
    }

    fn any_net() -> impl Strategy<Value = IpNet> {
        // Few addresses, so that networks meet.
        let v4 = (0_u32..16, 24_u8..=32)
            .prop_map(|(host, len)| IpNet::new(IpAddr::from((host << 4).to_be_bytes()), len).unwrap());
        let v6 = (0_u128..16, 120_u8..=128)
            .prop_map(|(host, len)| IpNet::new(IpAddr::from((host << 4).to_be_bytes()), len).unwrap());
        prop_oneof![v4, v6]
    }

    proptest! {
        #[test]
        fn look_ups_are_what_comparing_all_gives(
            listed in prop::collection::vec(any_net(), 0..20), asked in any_net()
        ) {
            let mut nets = Nets::default();
            listed.iter().for_each(|&net| nets.add(net, ()));
            let overlap = listed.iter().any(|net| net.contains(&asked) || asked.contains(net));
            prop_assert_eq!(nets.overlapping(asked).is_some(), overlap);
            let ip = asked.network();
            let smallest = listed.iter().filter(|net| net.contains(&ip)).map(IpNet::prefix_len).max();
            prop_assert_eq!(nets.get(ip).map(|(net, ())| net.prefix_len()), smallest);
        }
    }
}
