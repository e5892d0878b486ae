//! The key by which a host is isolated.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address as 16 bytes in network order; IPv4 is stored v4-mapped (`::ffff:a.b.c.d`,
/// RFC 4291 section 2.5.5.2). This is the key of the isolation map in `bpf/contract.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey([u8; 16]);

impl HostKey {
    /// The 16 bytes as the BPF map has them.
    #[must_use]
    pub fn octets(self) -> [u8; 16] {
        self.0
    }

    /// From the 16 bytes of a map key.
    #[must_use]
    pub fn from_octets(octets: [u8; 16]) -> Self {
        HostKey(octets)
    }

    /// The address, IPv4 if it is v4-mapped.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }
}

impl From<Ipv4Addr> for HostKey {
    fn from(ip: Ipv4Addr) -> Self {
        HostKey(ip.to_ipv6_mapped().octets())
    }
}

impl From<IpAddr> for HostKey {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => HostKey(v6.octets()),
        }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}
