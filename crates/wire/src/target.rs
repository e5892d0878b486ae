//! What an isolation is of, and how far it goes.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use ipnet::IpNet;

use crate::HostKey;

/// Greatest VLAN identifier (IEEE 802.1Q; 4095 is reserved).
const MAX_VLAN: u16 = 4094;

/// Whom an isolation is of. As text: `10.0.0.5`, `10.0.0.5@100` (in VLAN 100 only), `10.1.0.0/16`,
/// `02:00:00:00:00:01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One host.
    Host {
        /// Its address.
        host: HostKey,
        /// Only in this VLAN (the outermost tag); in all if `None`.
        vlan: Option<u16>,
    },
    /// Every host of a network.
    Network(IpNet),
    /// A station, whatever its addresses.
    Mac([u8; 6]),
}

impl Target {
    /// A host in every VLAN.
    #[must_use]
    pub fn host(ip: IpAddr) -> Self {
        Target::Host { host: HostKey::from(ip.to_canonical()), vlan: None }
    }

    /// The address, if it is of one host.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Target::Host { host, .. } => Some(host.ip()),
            Target::Network(_) | Target::Mac(_) => None,
        }
    }
}

impl From<HostKey> for Target {
    fn from(host: HostKey) -> Self {
        Target::Host { host, vlan: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Host { host, vlan: None } => host.fmt(f),
            Target::Host { host, vlan: Some(vlan) } => write!(f, "{host}@{vlan}"),
            Target::Network(net) => net.fmt(f),
            Target::Mac([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
        }
    }
}

/// A text that names no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTarget(String);

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is no host (10.0.0.5), host in a VLAN (10.0.0.5@100), network (10.0.0.0/24) or MAC address",
            self.0
        )
    }
}

impl core::error::Error for NoTarget {}

impl FromStr for Target {
    type Err = NoTarget;

    /// A network of one host is that host; bits behind a network's prefix are dropped.
    fn from_str(text: &str) -> Result<Self, NoTarget> {
        parse(text).ok_or_else(|| NoTarget(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<Target> {
    if let Some((host, vlan)) = text.split_once('@') {
        let vlan = vlan.parse().ok().filter(|&vlan| vlan <= MAX_VLAN)?;
        let host: IpAddr = host.parse().ok()?;
        return Some(Target::Host { host: HostKey::from(host.to_canonical()), vlan: Some(vlan) });
    }
    if let Ok(net) = text.parse::<IpNet>() {
        let one = net.prefix_len() == net.max_prefix_len();
        return Some(if one { Target::host(net.addr()) } else { Target::Network(net.trunc()) });
    }
    match text.parse::<IpAddr>() {
        Ok(host) => Some(Target::host(host)),
        Err(_) => mac(text).map(Target::Mac),
    }
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut octets = [0; 6];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

/// How far an isolation goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing from and nothing to the target.
    #[default]
    Both,
    /// Nothing from the target; what others send to it passes.
    Outbound,
    /// Nothing between the target and these hosts; everything else passes.
    Peers(Vec<IpAddr>),
}

impl Scope {
    /// The name in events and configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Scope::Both => "both",
            Scope::Outbound => "outbound",
            Scope::Peers(_) => "peers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_written() {
        for text in [
            "10.0.0.5",
            "2001:db8::5",
            "10.0.0.5@100",
            "fe80::1@4094",
            "10.1.0.0/16",
            "2001:db8::/32",
            "02:00:0a:ff:00:01",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        let same = |a: &str, b: &str| assert_eq!(a.parse::<Target>(), b.parse::<Target>());
        same("::ffff:10.0.0.5", "10.0.0.5");
        same("10.0.0.5/32", "10.0.0.5");
        same("10.1.2.3/16", "10.1.0.0/16");
        same("02-00-0A-FF-00-01", "02:00:0a:ff:00:01");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in [
            "",
            "host",
            "10.0.0",
            "10.0.0.5@",
            "10.0.0.5@4095",
            "10.0.0.0/33",
            "02:00:0a:ff:00",
            "é2:00:0a:ff:00:01",
            "+2:00:0a:ff:00:01",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
