//! What names a flow: both endpoints, the protocol and the VLAN, the same for either direction.

use core::fmt;
use core::net::IpAddr;

use crate::{HostKey, Vlans};

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpProto(pub u8);

impl IpProto {
    /// ICMP for IPv4.
    pub const ICMP: IpProto = IpProto(1);
    /// Transmission Control Protocol.
    pub const TCP: IpProto = IpProto(6);
    /// User Datagram Protocol.
    pub const UDP: IpProto = IpProto(17);
    /// ICMP for IPv6.
    pub const ICMPV6: IpProto = IpProto(58);
    /// Stream Control Transmission Protocol.
    pub const SCTP: IpProto = IpProto(132);
}

impl fmt::Display for IpProto {
    /// The name as EVE writes it in `proto`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "ICMP",
            2 => "IGMP",
            4 => "IP-in-IP",
            6 => "TCP",
            17 => "UDP",
            41 => "IPv6-in-IP",
            47 => "GRE",
            50 => "ESP",
            51 => "AH",
            58 => "IPv6-ICMP",
            89 => "OSPFIGP",
            132 => "SCTP",
            n => return write!(f, "{n:03}"),
        })
    }
}

/// An address and, where the transport has one, a port (host byte order; 0 otherwise).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP or UDP port, host byte order.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

/// Which way a packet of a flow goes; the client is the flow's initiator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    #[default]
    ToServer,
    /// From the server to the client.
    ToClient,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }

    /// 0 towards the server, 1 towards the client: index into pairs kept per direction.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        }
    }
}

/// The 5-tuple and VLAN with its endpoints in a fixed order, so that both directions have one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    low: HostKey,
    high: HostKey,
    low_port: u16,
    high_port: u16,
    /// The protocol above IP.
    pub proto: IpProto,
    /// VLAN tags, outermost first.
    pub vlans: Vlans,
}

impl FlowKey {
    /// The key of packets between `src` and `dst`, and whether the two were swapped to make it.
    #[must_use]
    pub fn new(src: Endpoint, dst: Endpoint, proto: IpProto, vlans: Vlans) -> (Self, bool) {
        let (a, b) = (HostKey::from(src.ip), HostKey::from(dst.ip));
        let swapped = (b, dst.port) < (a, src.port);
        let (low, high, low_port, high_port) =
            if swapped { (b, a, dst.port, src.port) } else { (a, b, src.port, dst.port) };
        (FlowKey { low, high, low_port, high_port, proto, vlans }, swapped)
    }

    /// Both endpoints in the key's own order.
    #[must_use]
    pub fn endpoints(&self) -> (Endpoint, Endpoint) {
        (
            Endpoint { ip: self.low.ip(), port: self.low_port },
            Endpoint { ip: self.high.ip(), port: self.high_port },
        )
    }

    /// A hash of addresses, ports and protocol that is equal for both directions and stable over
    /// runs. It names flows in events; it is not the flow table's hash (that one is seeded, because attackers may
    /// choose keys).
    #[must_use]
    pub fn stable_hash(&self) -> u64 {
        let ports = u64::from(self.low_port) << 24 | u64::from(self.high_port) << 8 | u64::from(self.proto.0);
        let vlans = self.vlans.ids().fold(0, |acc, id| acc << 16 | u64::from(id));
        mix(mix(self.hosts_hash(), ports), vlans)
    }

    /// The same of the addresses alone: all flows between two hosts have one.
    #[must_use]
    pub fn hosts_hash(&self) -> u64 {
        let halves = [self.low, self.high].map(|host| {
            let word = |half: &[u8]| half.iter().fold(0, |acc, &b| acc << 8 | u64::from(b));
            let octets = host.octets();
            [word(&octets[..8]), word(&octets[8..])]
        });
        halves.into_iter().flatten().fold(0xcbf2_9ce4_8422_2325, mix)
    }
}

/// A step of [`FlowKey::stable_hash`].
fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 32)
}
