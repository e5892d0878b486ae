//! One frame, decoded: the gate for untrusted bytes.

use core::net::{IpAddr, Ipv4Addr};

use crate::arp::{self, Arp};
use crate::icmp::{self, IcmpMessage};
use crate::key::{Endpoint, FlowKey, IpProto};
use crate::link::{self, LinkType};
use crate::malformed::Malformed;
use crate::network;
use crate::options::TcpOptions;
use crate::steering;
use crate::transport::{self, Parsed, Transport};
use crate::tunnel::{self, Inner, Tunnel, TunnelKind};

/// VLAN tags that are kept; a frame with more counts as malformed.
pub const MAX_VLANS: usize = 3;

/// Up to [`MAX_VLANS`] VLAN identifiers, outermost first (IEEE 802.1Q, 802.1ad).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vlans {
    /// [`TAG`] and the identifier; zero if there is no such tag. Six bytes, because every flow has them.
    tags: [u16; MAX_VLANS],
}

/// Says that there is a tag, above the twelve bits of its identifier.
const TAG: u16 = 0x1000;

impl Vlans {
    /// The identifiers, outermost first.
    pub fn ids(&self) -> impl Iterator<Item = u16> {
        self.tags.into_iter().filter(|&tag| tag != 0).map(|tag| tag & (TAG - 1))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tags.iter().filter(|&&tag| tag != 0).count()
    }

    /// All of them in one number, different for different tags.
    #[inline]
    #[must_use]
    pub fn word(&self) -> u64 {
        self.tags.into_iter().fold(0, |word, tag| word << 16 | u64::from(tag))
    }

    /// Adds an inner tag; false if there is no room. Of `id` the lower twelve bits count.
    pub fn push(&mut self, id: u16) -> bool {
        let Some(slot) = self.tags.iter_mut().find(|tag| **tag == 0) else { return false };
        *slot = TAG | (id & (TAG - 1));
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
    /// The bytes of the IP header: IPv4's with its options, IPv6's with its extension headers up to the transport.
    pub network: &'a [u8],
    /// The transport header.
    pub transport: Transport,
    /// The bytes of the transport header, TCP's options included; empty if there is none.
    pub header: &'a [u8],
    /// What follows the transport header, without link padding.
    pub payload: &'a [u8],
    /// Payload bytes that the headers promise and the frame does not have (a short snap length).
    pub missing: u32,
    /// Part of a fragmented datagram; the payload is not the whole datagram's.
    pub fragment: bool,
    /// The tunnels that it came through, if any.
    pub tunnel: Option<Tunnel<'a>>,
    /// Why what this packet carries as a tunnel could not be decoded, if so.
    pub inner_error: Option<Malformed>,
}

impl Default for Packet<'_> {
    /// An empty packet from nowhere to nowhere: what tests change a few fields of.
    fn default() -> Self {
        Packet {
            src: Ipv4Addr::UNSPECIFIED.into(),
            dst: Ipv4Addr::UNSPECIFIED.into(),
            vlans: Vlans::default(),
            proto: IpProto(0),
            network: &[],
            transport: Transport::Other,
            header: &[],
            payload: &[],
            missing: 0,
            fragment: false,
            tunnel: None,
            inner_error: None,
        }
    }
}

impl<'a> Packet<'a> {
    /// Source endpoint. Where others have ports, ICMP has the message's type.
    #[must_use]
    pub fn source(&self) -> Endpoint {
        Endpoint { ip: self.src, port: self.named_ports().0 }
    }

    /// Destination endpoint. Where others have ports, ICMP has the message's code.
    #[must_use]
    pub fn destination(&self) -> Endpoint {
        Endpoint { ip: self.dst, port: self.named_ports().1 }
    }

    fn named_ports(&self) -> (u16, u16) {
        match self.transport {
            Transport::Icmp { kind, code } => (kind.into(), code.into()),
            other => other.ports(),
        }
    }

    /// The options of a TCP segment; none of anything else.
    #[must_use]
    pub fn tcp_options(&self) -> TcpOptions<'a> {
        match self.transport {
            Transport::Tcp(_) => TcpOptions::new(self.header.get(20..).unwrap_or_default()),
            _ => TcpOptions::new(&[]),
        }
    }

    /// The ICMP message, with what an error quotes; `None` of anything else.
    #[must_use]
    pub fn icmp(&self) -> Option<IcmpMessage<'a>> {
        icmp::message(self)
    }

    /// The hash by which the XDP program steers this packet to its worker: the same for both directions, of the
    /// addresses alone for fragments, so that all of a datagram agree. Of a packet in a tunnel that the program does not
    /// open it is the tunnel's. Twin of `symmetric_hash` in bpf/flow.h.
    #[must_use]
    pub fn steering_hash(&self) -> u32 {
        if let Some(outer) = self.tunnel.and_then(|tunnel| tunnel.steered) {
            return outer;
        }
        let (ports, proto) =
            if self.fragment { ((0, 0), 0) } else { (self.transport.ports(), u64::from(self.proto.0)) };
        let hash = steering::endpoint(self.src.into(), ports.0)
            .wrapping_add(steering::endpoint(self.dst.into(), ports.1))
            .wrapping_add(proto);
        steering::finish(hash)
    }

    /// The flow this packet belongs to, and whether the key has its endpoints swapped. Queries and replies of ICMP
    /// are one flow by their identifier; other messages are one by type and code, one way.
    #[must_use]
    pub fn flow_key(&self) -> (FlowKey, bool) {
        let (src, dst) = match self.transport {
            Transport::Icmp { .. } => icmp::key_ports(self),
            other => other.ports(),
        };
        let (src, dst) = (Endpoint { ip: self.src, port: src }, Endpoint { ip: self.dst, port: dst });
        FlowKey::new(src, dst, self.proto, self.vlans)
    }
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// IPv4 or IPv6.
    Ip(Packet<'a>),
    /// Address resolution for IPv4 on Ethernet.
    Arp(Arp),
    /// Something else that is well formed as far as this sensor looks (LLDP, spanning tree ...): its EtherType.
    NonIp(u16),
}

/// Decodes one frame. Total: any bytes give a value or a named reason.
///
/// # Errors
/// The first header that is cut off or contradicts itself, by name.
pub fn decode(link: LinkType, frame: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let (ethertype, vlans, rest) = link::strip(link, frame)?;
    decode_network(ethertype, vlans, rest)
}

/// Decodes the innermost packet of one frame: tunnels are opened, up to [`MAX_TUNNELS`](crate::MAX_TUNNELS) deep. The
/// VLAN tags are the outer frame's. What carries no IP is the tunnel's own packet, and so is what carries something
/// that cannot be decoded: [`Packet::inner_error`] says why.
///
/// # Errors
/// As [`decode`], of the outermost packet.
pub fn decode_innermost(link: LinkType, frame: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let (ethertype, vlans, rest) = link::strip(link, frame)?;
    let mut decoded = decode_network(ethertype, vlans, rest)?;
    let mut layers = Layers { outer: [None; tunnel::MAX_TUNNELS], network: rest };
    if let Decoded::Ip(packet) = &mut decoded {
        open_tunnels(packet, &mut layers);
    }
    Ok(decoded)
}

/// The packets around a packet.
pub(crate) struct Layers<'a> {
    /// Network header and transport header of each tunnel's packet, outermost first.
    pub outer: [Option<(&'a [u8], &'a [u8])>; tunnel::MAX_TUNNELS],
    /// From the innermost network header on.
    pub network: &'a [u8],
}

/// Makes a packet the innermost that it carries.
pub(crate) fn open_tunnels<'a>(packet: &mut Packet<'a>, layers: &mut Layers<'a>) {
    let outermost = layers.network;
    for depth in 0..tunnel::MAX_TUNNELS {
        if packet.fragment {
            return;
        }
        match open_tunnel(packet) {
            Ok(None) => return,
            Err(reason) => {
                packet.inner_error = Some(reason);
                return;
            }
            Ok(Some((kind, mut inner, network))) => {
                let steered = match packet.tunnel.and_then(|outer| outer.steered) {
                    None if !kind.opened_by_xdp() => Some(packet.steering_hash()),
                    so_far => so_far,
                };
                layers.outer[depth] = Some((layers.network, packet.header));
                layers.network = network;
                inner.tunnel = Some(Tunnel { outer: outermost, kind, depth: depth as u8 + 1, steered });
                *packet = inner;
            }
        }
    }
}

/// A tunnel, the packet in it, and the bytes from that one's network header on.
type Opened<'a> = (TunnelKind, Packet<'a>, &'a [u8]);

/// What a packet carries, if it is a tunnel's.
#[inline(always)]
fn open_tunnel<'a>(packet: &Packet<'a>) -> Result<Option<Opened<'a>>, Malformed> {
    let Some((tunnel, inner)) = tunnel::inner(packet)? else { return Ok(None) };
    let (kind, bytes) = match inner {
        Inner::Ethernet(frame) => {
            let (kind, _, bytes) = link::strip(LinkType::Ethernet, frame)?;
            (kind, bytes)
        }
        Inner::Packet(kind, bytes) => (kind, bytes),
    };
    Ok(match decode_network(kind, packet.vlans, bytes)? {
        Decoded::Ip(inner) => Some((tunnel, inner, bytes)),
        _ => None,
    })
}

/// What follows an EtherType.
#[inline(always)]
pub(crate) fn decode_network(ethertype: u16, vlans: Vlans, rest: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let network = match ethertype {
        link::IPV4 => network::ipv4(rest)?,
        link::IPV6 => network::ipv6(rest)?,
        link::ARP => return arp::parse(rest),
        other => return Ok(Decoded::NonIp(other)),
    };
    let other = Parsed { transport: Transport::Other, header: &[], payload: network.body, short: 0 };
    let parsed = if network.later_fragment {
        other
    } else {
        match transport::parse(network.proto, network.body, network.fragment) {
            // A tiny first fragment (RFC 1858) need not have all of the transport header.
            Err(_) if network.fragment => other,
            // The capture cut the header off, not the sender.
            Err(_) if network.missing > 0 && ethertype == link::IPV4 => return Err(Malformed::Ipv4Cut),
            Err(_) if network.missing > 0 => return Err(Malformed::Ipv6Cut),
            parsed => parsed?,
        }
    };
    Ok(Decoded::Ip(Packet {
        src: network.src,
        dst: network.dst,
        vlans,
        proto: network.proto,
        network: network.header,
        transport: parsed.transport,
        header: parsed.header,
        payload: parsed.payload,
        missing: u32::try_from(network.missing.max(parsed.short)).unwrap_or(u32::MAX),
        fragment: network.fragment,
        tunnel: None,
        inner_error: None,
    }))
}
