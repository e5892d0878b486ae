//! One frame, decoded: the gate for untrusted bytes.

use core::fmt;
use core::net::IpAddr;

use crate::key::{Endpoint, FlowKey, IpProto};
use crate::link::{self, LinkType};
use crate::network;
use crate::steering;
use crate::transport::{self, Transport};
use crate::tunnel::{self, Inner};

/// Up to two VLAN identifiers, outermost first (IEEE 802.1Q, 802.1ad).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vlans {
    ids: [u16; 2],
    len: u8,
}

impl Vlans {
    /// The identifiers, outermost first.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        &self.ids[..usize::from(self.len)]
    }

    /// Adds an inner tag; false if there is no room.
    pub fn push(&mut self, id: u16) -> bool {
        let Some(slot) = self.ids.get_mut(usize::from(self.len)) else { return false };
        *slot = id;
        self.len += 1;
        true
    }
}

/// A decoded IP packet. All offsets were checked in [`decode`]; no accessor can panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// VLAN tags of the frame.
    pub vlans: Vlans,
    /// Protocol above IP, extension headers walked.
    pub proto: IpProto,
    /// The transport header.
    pub transport: Transport,
    /// What follows the transport header, without link padding.
    pub payload: &'a [u8],
    /// Payload bytes that the headers promise and the frame does not have (a short snap length).
    pub missing: u32,
    /// Part of a fragmented datagram; the payload is not the whole datagram's.
    pub fragment: bool,
}

impl Packet<'_> {
    /// Source endpoint.
    #[must_use]
    pub fn source(&self) -> Endpoint {
        Endpoint { ip: self.src, port: self.transport.ports().0 }
    }

    /// Destination endpoint.
    #[must_use]
    pub fn destination(&self) -> Endpoint {
        Endpoint { ip: self.dst, port: self.transport.ports().1 }
    }

    /// The hash by which the XDP program steers this packet to its worker: the same for both directions, of the
    /// addresses alone for fragments, so that all of a datagram agree. Twin of `symmetric_hash` in bpf/flow.h.
    #[must_use]
    pub fn steering_hash(&self) -> u32 {
        let (ports, proto) =
            if self.fragment { ((0, 0), 0) } else { (self.transport.ports(), u64::from(self.proto.0)) };
        let hash = steering::endpoint(self.src.into(), ports.0)
            .wrapping_add(steering::endpoint(self.dst.into(), ports.1))
            .wrapping_add(proto);
        steering::finish(hash)
    }

    /// The flow this packet belongs to, and whether the key has its endpoints swapped.
    #[must_use]
    pub fn flow_key(&self) -> (FlowKey, bool) {
        FlowKey::new(self.source(), self.destination(), self.proto, self.vlans)
    }
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// IPv4 or IPv6.
    Ip(Packet<'a>),
    /// Something else that is well formed as far as this sensor looks (ARP, LLDP ...): its EtherType.
    NonIp(u16),
}

macro_rules! malformed {
    ($($variant:ident => $name:literal, $doc:literal;)*) => {
        /// Why a frame could not be decoded. Each reason is a counter of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Malformed { $(#[doc = $doc] $variant,)* }

        impl Malformed {
            /// Every reason, in the order of their discriminants.
            pub const ALL: &'static [Malformed] = &[$(Malformed::$variant,)*];

            /// The reason's name in counters and events.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Malformed::$variant => $name,)* }
            }
        }
    };
}

malformed! {
    EthernetTruncated => "ethernet.truncated", "Fewer than 14 bytes.";
    LinkTruncated => "link.truncated", "Shorter than the link header of the capture.";
    MplsTruncated => "mpls.truncated", "An MPLS label is cut off.";
    TooManyLabels => "mpls.too_many", "More MPLS labels than are skipped.";
    PppoeTruncated => "pppoe.truncated", "The PPPoE or PPP header is cut off.";
    VlanTruncated => "vlan.truncated", "A VLAN tag is cut off.";
    TooManyVlans => "vlan.too_many", "More than two VLAN tags.";
    Ipv4Truncated => "ipv4.truncated", "The IPv4 header is cut off.";
    Ipv4Version => "ipv4.version", "EtherType IPv4, version field not 4.";
    Ipv4HeaderLength => "ipv4.header_length", "IPv4 header length below 20.";
    Ipv4TotalLength => "ipv4.total_length", "IPv4 total length below the header length.";
    Ipv6Truncated => "ipv6.truncated", "The IPv6 header is cut off.";
    Ipv6Version => "ipv6.version", "EtherType IPv6, version field not 6.";
    Ipv6ExtensionTruncated => "ipv6.extension_truncated", "An IPv6 extension header is cut off.";
    TooManyIpv6Extensions => "ipv6.too_many_extensions", "More extension headers than are walked.";
    TcpTruncated => "tcp.truncated", "The TCP header is cut off.";
    TcpHeaderLength => "tcp.header_length", "TCP data offset below 5.";
    UdpTruncated => "udp.truncated", "The UDP header is cut off.";
    UdpLength => "udp.length", "UDP length below 8.";
    SctpTruncated => "sctp.truncated", "The SCTP header is cut off.";
    TunnelTruncated => "tunnel.truncated", "The header of a tunnel is cut off.";
    IcmpTruncated => "icmp.truncated", "The ICMP header is cut off.";
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Malformed {}

/// Decodes one frame. Total: any bytes give a value or a named reason.
///
/// # Errors
/// The first header that is cut off or contradicts itself, by name.
pub fn decode(link: LinkType, frame: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let (ethertype, vlans, rest) = link::strip(link, frame)?;
    decode_network(ethertype, vlans, rest)
}

/// Decodes the innermost packet of one frame: tunnels are opened, up to [`MAX_TUNNELS`](crate::MAX_TUNNELS) deep. The
/// VLAN tags are the outer frame's. What carries no IP is the tunnel's own packet.
///
/// # Errors
/// As [`decode`], of any of the packets.
pub fn decode_innermost(link: LinkType, frame: &[u8]) -> Result<Decoded<'_>, Malformed> {
    walk(link, frame, true).map(|layer| layer.decoded)
}

/// A packet and the bytes it was decoded from.
pub(crate) struct Layer<'a> {
    pub decoded: Decoded<'a>,
    /// EtherType of `network`.
    pub kind: u16,
    /// From the network header on.
    pub network: &'a [u8],
}

/// Decodes the outermost or the innermost packet.
pub(crate) fn walk(link: LinkType, frame: &[u8], innermost: bool) -> Result<Layer<'_>, Malformed> {
    let (kind, vlans, network) = link::strip(link, frame)?;
    let mut layer = Layer { decoded: decode_network(kind, vlans, network)?, kind, network };
    for _ in 0..if innermost { tunnel::MAX_TUNNELS } else { 0 } {
        let Decoded::Ip(packet) = layer.decoded else { break };
        if packet.fragment {
            break;
        }
        let (kind, network) = match tunnel::inner(packet.proto, &packet.transport, packet.payload)? {
            Some(Inner::Ethernet(frame)) => {
                let (kind, _, rest) = link::strip(LinkType::Ethernet, frame)?;
                (kind, rest)
            }
            Some(Inner::Packet(kind, rest)) => (kind, rest),
            None => break,
        };
        match decode_network(kind, packet.vlans, network)? {
            Decoded::NonIp(_) => break,
            decoded => layer = Layer { decoded, kind, network },
        }
    }
    Ok(layer)
}

fn decode_network(ethertype: u16, vlans: Vlans, rest: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let network = match ethertype {
        link::IPV4 => network::ipv4(rest)?,
        link::IPV6 => network::ipv6(rest)?,
        other => return Ok(Decoded::NonIp(other)),
    };
    let other = (Transport::Other, network.body, 0);
    let (transport, payload, short) = if network.later_fragment {
        other
    } else {
        match transport::parse(network.proto, network.body, network.fragment) {
            // A tiny first fragment (RFC 1858) need not have all of the transport header.
            Err(_) if network.fragment => other,
            parsed => parsed?,
        }
    };
    Ok(Decoded::Ip(Packet {
        src: network.src,
        dst: network.dst,
        vlans,
        proto: network.proto,
        transport,
        payload,
        missing: u32::try_from(network.missing.max(short)).unwrap_or(u32::MAX),
        fragment: network.fragment,
    }))
}
