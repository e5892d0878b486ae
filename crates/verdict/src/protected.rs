//! Who is never isolated.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use wire::Target;

use crate::nets::Nets;

/// Networks that no single host is in: nobody is isolated by such an address, and no network that has some of them.
const NOBODY: [(&str, &str); 7] = [
    ("0.0.0.0/32", "the unspecified address"),
    ("127.0.0.0/8", "loopback addresses"),
    ("224.0.0.0/4", "multicast addresses"),
    ("255.255.255.255/32", "the broadcast address"),
    ("::/128", "the unspecified address"),
    ("::1/128", "the loopback address"),
    ("ff00::/8", "multicast addresses"),
];

/// Protected hosts, networks and stations, each with the reason that is shown when it spares somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protected {
    nets: Nets<&'static str>,
    stations: BTreeMap<[u8; 6], &'static str>,
}

impl Protected {
    /// Protects a network or, as a network of one, a host.
    pub fn add(&mut self, net: IpNet, why: &'static str) {
        self.nets.add(net, why);
    }

    /// Protects a station by its MAC address.
    pub fn add_station(&mut self, mac: [u8; 6], why: &'static str) {
        self.stations.entry(mac).or_insert(why);
    }

    /// Protects what an isolation could be of; a host in a VLAN in all of them.
    pub fn add_target(&mut self, target: Target, why: &'static str) {
        match target {
            Target::Host { host, .. } => self.add(host.ip().into(), why),
            Target::Network(net) => self.add(net, why),
            Target::Mac(mac) => self.add_station(mac, why),
        }
    }

    /// Why `target` must not be isolated, if it must not: it is protected, it is a network with somebody in it who
    /// is, or it is no single host (multicast, broadcast, unspecified, loopback).
    #[must_use]
    pub fn why(&self, target: &Target) -> Option<String> {
        match *target {
            Target::Host { host, .. } => self.why_host(host.ip()),
            Target::Network(net) => self.why_network(net),
            Target::Mac(mac) => {
                // IEEE 802: the lowest bit of the first octet says that an address is of a group.
                if mac[0] & 1 == 1 || mac == [0; 6] {
                    return Some(format!("{target} is not a single station"));
                }
                Some(format!("protected: {}", self.stations.get(&mac)?))
            }
        }
    }

    fn why_host(&self, host: IpAddr) -> Option<String> {
        let host = host.to_canonical();
        let what = match host {
            host if host.is_loopback() => Some("a loopback address"),
            host if host.is_unspecified() => Some("the unspecified address"),
            host if host.is_multicast() => Some("a multicast address"),
            IpAddr::V4(v4) if v4.is_broadcast() => Some("the broadcast address"),
            _ => None,
        };
        if let Some(what) = what {
            return Some(format!("{host} is {what}, not a host"));
        }
        let (net, why) = self.nets.get(host)?;
        Some(if net.prefix_len() == net.max_prefix_len() {
            format!("protected: {why}")
        } else {
            format!("protected: {why} ({net})")
        })
    }

    fn why_network(&self, net: IpNet) -> Option<String> {
        if let Some((_, what)) = nobody().overlapping(net) {
            return Some(format!("{net} has {what} in it"));
        }
        let (inside, why) = self.nets.overlapping(net)?;
        Some(format!("{net} has {inside} in it, which is protected: {why}"))
    }

    /// Everybody, as text, with the reason.
    pub fn iter(&self) -> impl Iterator<Item = (String, &'static str)> {
        let nets = self.nets.iter().map(|&(net, why)| {
            let one = net.prefix_len() == net.max_prefix_len();
            (if one { net.addr().to_string() } else { net.to_string() }, why)
        });
        nets.chain(self.stations.iter().map(|(&mac, &why)| (Target::Mac(mac).to_string(), why)))
    }
}

fn nobody() -> Nets<&'static str> {
    let mut nets = Nets::default();
    for (net, what) in NOBODY {
        if let Ok(net) = net.parse() {
            nets.add(net, what);
        }
    }
    nets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(protected: &Protected, target: &str) -> String {
        protected.why(&target.parse().unwrap()).unwrap_or_default()
    }

    #[test]
    fn nobody_isolates_a_group() {
        let none = Protected::default();
        for (nobody, what) in [
            ("224.0.0.1", "224.0.0.1 is a multicast address, not a host"),
            ("255.255.255.255", "255.255.255.255 is the broadcast address, not a host"),
            ("0.0.0.0", "0.0.0.0 is the unspecified address, not a host"),
            ("127.0.0.1", "127.0.0.1 is a loopback address, not a host"),
            ("ff02::1", "ff02::1 is a multicast address, not a host"),
            ("::", ":: is the unspecified address, not a host"),
            ("::1", "::1 is a loopback address, not a host"),
            ("224.0.0.1@7", "224.0.0.1 is a multicast address, not a host"),
        ] {
            assert_eq!(why(&none, nobody), what);
        }
        for mac in ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01", "00:00:00:00:00:00"] {
            assert!(why(&none, mac).ends_with("is not a single station"), "{mac}");
        }
        for (net, what) in [
            ("0.0.0.0/0", "the unspecified address"),
            ("239.0.0.0/8", "multicast"),
            ("::/0", "address"),
            ("::ffff:0:0/96", "address"),
            ("255.255.255.0/24", "broadcast"),
            ("ff00::/16", "multicast"),
            ("126.0.0.0/7", "loopback"),
        ] {
            assert!(why(&none, net).contains(what), "{net}: {}", why(&none, net));
        }
        for single in ["10.0.0.5", "2001:db8::5", "10.0.0.0/8", "2001:db8::/32", "02:00:00:00:00:01"] {
            assert_eq!(why(&none, single), "", "{single}");
        }
    }

    #[test]
    fn networks_with_a_protected_host_in_them_are_spared() {
        let mut protected = Protected::default();
        protected.add("10.0.0.1/32".parse().unwrap(), "a gateway");
        protected.add("10.7.0.0/16".parse().unwrap(), "configured");
        protected.add_target("02:00:00:00:00:01".parse().unwrap(), "the sensor's own address");
        protected.add_target("10.9.9.9@5".parse().unwrap(), "configured");
        for (target, said) in [
            ("10.0.0.1", "protected: a gateway"),
            ("10.0.0.1@100", "protected: a gateway"),
            ("10.0.0.0/24", "10.0.0.0/24 has 10.0.0.1/32 in it, which is protected: a gateway"),
            ("10.7.3.0/24", "10.7.3.0/24 has 10.7.0.0/16 in it, which is protected: configured"),
            ("10.7.3.1", "protected: configured (10.7.0.0/16)"),
            ("10.9.9.9", "protected: configured"),
            ("02:00:00:00:00:01", "protected: the sensor's own address"),
            ("10.0.1.0/24", ""),
            ("02:00:00:00:00:02", ""),
        ] {
            assert_eq!(why(&protected, target), said, "{target}");
        }
        assert_eq!(protected.iter().count(), 4);
    }
}
