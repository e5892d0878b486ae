//! Which hosts are ours: only they can be victims.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The home networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    nets: Vec<IpNet>,
}

impl Default for Home {
    /// The networks that nobody has on the Internet: private (RFC 1918, RFC 6598, RFC 4193), of a link, of a machine.
    fn default() -> Self {
        let v4 = |a, b, bits| IpNet::V4(Ipv4Net::new_assert([a, b, 0, 0].into(), bits));
        let v6 = |first, bits| IpNet::V6(Ipv6Net::new_assert([first, 0, 0, 0, 0, 0, 0, 0].into(), bits));
        let loopback = IpNet::V6(Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128));
        let nets = vec![
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v4(100, 64, 10),
            v4(169, 254, 16),
            v4(127, 0, 8),
            v6(0xfc00, 7),
            v6(0xfe80, 10),
            loopback,
        ];
        Home { nets }
    }
}

impl Home {
    /// These networks and no others.
    pub fn new(nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut nets: Vec<IpNet> = nets.into_iter().collect();
        nets.sort_unstable();
        nets.dedup();
        Home { nets }
    }

    /// With these networks, too.
    #[must_use]
    pub fn with(mut self, nets: impl IntoIterator<Item = IpNet>) -> Self {
        self.nets.extend(nets);
        Home::new(self.nets)
    }

    /// Whether a host is ours.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.nets.iter().any(|net| net.contains(&ip))
    }
}

#[cfg(test)]
mod tests {
    use wire::is_bogon;

    use super::*;

    #[test]
    fn addresses_of_the_internet_are_not_ours_unless_it_is_said() {
        for (ip, ours) in [
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("198.51.100.1", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            let ip = ip.parse().unwrap();
            assert_eq!((Home::default().has(ip), is_bogon(ip)), (ours, ours), "{ip}");
        }
        let campus = Home::new(["198.51.100.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        for (ip, ours) in [("198.51.100.9", true), ("2001:db8::1", true), ("10.1.2.3", false)] {
            assert_eq!(campus.has(ip.parse().unwrap()), ours, "{ip}");
        }
        assert!(
            Home::default().with(["198.51.100.0/24".parse().unwrap()]).has("198.51.100.1".parse().unwrap())
        );
        for bogon in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1", "::"] {
            assert!(is_bogon(bogon.parse().unwrap()), "{bogon}");
        }
    }
}
