//! Headers of rules made ready: sets of addresses that are looked up by halving.

use std::net::IpAddr;

use rules::{Address, AddressSet, Header, HeaderProto, PortSet};
use wire::Endpoint;

/// Ranges of addresses, sorted and joined.
#[derive(Debug, Default)]
struct Ranges {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Ranges {
    fn new(ranges: &[Address]) -> Self {
        let mut of = Ranges::default();
        for range in ranges {
            match (range.first, range.last) {
                (IpAddr::V4(first), IpAddr::V4(last)) => of.v4.push((first.into(), last.into())),
                (IpAddr::V6(first), IpAddr::V6(last)) => of.v6.push((first.into(), last.into())),
                // The loader makes no range between families.
                _ => {}
            }
        }
        join(&mut of.v4);
        join(&mut of.v6);
        of
    }

    fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    fn are_within(&self, others: &Ranges) -> bool {
        all_within(&self.v4, &others.v4) && all_within(&self.v6, &others.v6)
    }

    fn meet(&self, others: &Ranges) -> bool {
        any_meets(&self.v4, &others.v4) || any_meets(&self.v6, &others.v6)
    }

    fn contain(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(v4) => within(&self.v4, v4.into()),
            IpAddr::V6(v6) => within(&self.v6, v6.into()),
        }
    }
}

/// Whether each of some ranges lies in one of others; both joined.
fn all_within<T: Ord + Copy>(ranges: &[(T, T)], others: &[(T, T)]) -> bool {
    ranges.iter().all(|&(first, last)| {
        let behind = others.partition_point(|other| other.0 <= first);
        behind.checked_sub(1).and_then(|at| others.get(at)).is_some_and(|other| last <= other.1)
    })
}

/// Whether some ranges have anything in common with others; both joined.
fn any_meets<T: Ord + Copy>(ranges: &[(T, T)], others: &[(T, T)]) -> bool {
    ranges.iter().any(|&(first, last)| {
        let at = others.partition_point(|other| other.1 < first);
        others.get(at).is_some_and(|other| other.0 <= last)
    })
}

fn join<T: Ord + Copy>(ranges: &mut Vec<(T, T)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, before| {
        let overlap = next.0 <= before.1;
        if overlap {
            before.1 = before.1.max(next.1);
        }
        overlap
    });
    ranges.shrink_to_fit();
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let behind = ranges.partition_point(|range| range.0 <= address);
    behind.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|range| address <= range.1)
}

/// A set of addresses.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    any_of: Ranges,
    none_of: Ranges,
}

impl Addresses {
    pub(super) fn new(set: &AddressSet) -> Self {
        Addresses { any_of: Ranges::new(&set.any_of), none_of: Ranges::new(&set.none_of) }
    }

    /// Whether all that these take is in another set that leaves nothing out.
    pub(super) fn are_within(&self, other: &Addresses) -> bool {
        !self.any_of.is_empty() && self.any_of.are_within(&other.any_of)
    }

    /// Whether these leave out all of another set, which leaves nothing out.
    pub(super) fn leave_out(&self, other: &Addresses) -> bool {
        !other.any_of.is_empty()
            && (other.any_of.are_within(&self.none_of)
                || !self.any_of.is_empty() && !self.any_of.meet(&other.any_of))
    }

    pub(super) fn is_any(&self) -> bool {
        self.any_of.is_empty() && self.none_of.is_empty()
    }

    pub(super) fn contain(&self, ip: IpAddr) -> bool {
        (self.any_of.is_empty() || self.any_of.contain(ip))
            && (self.none_of.is_empty() || !self.none_of.contain(ip))
    }
}

/// A header made ready.
#[derive(Debug)]
pub(crate) struct Ends {
    /// The protocol.
    pub(crate) proto: HeaderProto,
    src: Addresses,
    dst: Addresses,
    src_ports: PortSet,
    dst_ports: PortSet,
    both_ways: bool,
}

impl Ends {
    pub(crate) fn new(header: &Header) -> Self {
        Ends {
            proto: header.proto,
            src: Addresses::new(&header.src),
            dst: Addresses::new(&header.dst),
            src_ports: header.src_ports.clone(),
            dst_ports: header.dst_ports.clone(),
            both_ways: header.both_ways,
        }
    }

    /// Whether it takes everything: what cannot be decoded has no ends.
    pub(crate) fn is_any(&self) -> bool {
        self.src.is_any() && self.dst.is_any() && self.src_ports.is_any() && self.dst_ports.is_any()
    }

    /// Whether it takes what goes from one end to the other; `ports`: whether the protocol has them.
    pub(crate) fn take(&self, from: Endpoint, to: Endpoint, ports: bool) -> bool {
        self.one_way(from, to, ports) || (self.both_ways && self.one_way(to, from, ports))
    }

    /// Whether a packet that it takes goes against its arrow.
    pub(super) fn is_turned(&self, from: Endpoint, to: Endpoint, ports: bool) -> bool {
        self.both_ways && !self.one_way(from, to, ports)
    }

    fn one_way(&self, from: Endpoint, to: Endpoint, ports: bool) -> bool {
        (!ports || (self.dst_ports.contains(to.port) && self.src_ports.contains(from.port)))
            && self.dst.contain(to.ip)
            && self.src.contain(from.ip)
    }

    /// The ports of the flow's server that it can take, if the client (or else the server) sends.
    pub(crate) fn server_ports(header: &Header, to_server: bool) -> Vec<PortSet> {
        let (here, there) = if to_server {
            (&header.dst_ports, &header.src_ports)
        } else {
            (&header.src_ports, &header.dst_ports)
        };
        if header.both_ways { vec![here.clone(), there.clone()] } else { vec![here.clone()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_and_searched() {
        let range =
            |first: &str, last: &str| Address { first: first.parse().unwrap(), last: last.parse().unwrap() };
        let set = AddressSet {
            any_of: [
                range("10.0.0.9", "10.0.0.20"),
                range("10.0.0.1", "10.0.0.10"),
                range("2001:db8::", "2001:db8::f"),
            ]
            .into(),
            none_of: [range("10.0.0.5", "10.0.0.5")].into(),
        };
        let addresses = Addresses::new(&set);
        for (ip, expected) in [
            ("10.0.0.0", false),
            ("10.0.0.1", true),
            ("10.0.0.5", false),
            ("10.0.0.15", true),
            ("10.0.0.21", false),
            ("2001:db8::3", true),
            ("2001:db8::10", false),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!((addresses.contain(ip), set.contains(ip)), (expected, expected), "{ip}");
        }
        assert!(Addresses::new(&AddressSet::default()).contain("192.0.2.1".parse().unwrap()));
    }
}
