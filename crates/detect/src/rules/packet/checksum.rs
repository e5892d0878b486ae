//! Checksums of headers and segments (RFC 1071).

use core::net::IpAddr;

use rules::Layer;
use wire::{IpHeader, IpProto, Packet};

use super::is_igmp;

/// Where in the header the checksum stands.
const TCP_AT: usize = 16;
const UDP_AT: usize = 6;

/// Whether a layer's checksum is right; `None` if the packet does not have that layer, or not all of what was summed:
/// a fragment, a packet that was cut, a UDP datagram in IPv4 that goes without.
///
/// Packets of the machine's own come by before its NIC has put the checksum in. Such a packet has the sum of the pseudo
/// header there, or says no length (segmentation offload): the checksum will be right when it leaves.
pub(super) fn is_right(packet: &Packet<'_>, layer: Layer) -> Option<bool> {
    let v4 = packet.src.is_ipv4();
    if layer == Layer::IpV4 {
        return match packet.ip_header()? {
            IpHeader::V4(..) => Some(is_offloaded(packet) || folded(sum(packet.network)) == u16::MAX),
            IpHeader::V6(..) => None,
        };
    }
    if packet.fragment || packet.missing > 0 {
        return None;
    }
    let (proto, wants_v4) = match layer {
        Layer::IpV4 => return None,
        Layer::TcpV4 => (IpProto::TCP, true),
        Layer::TcpV6 => (IpProto::TCP, false),
        Layer::UdpV4 => (IpProto::UDP, true),
        Layer::UdpV6 => (IpProto::UDP, false),
        Layer::IcmpV4 => (IpProto::ICMP, true),
        Layer::IcmpV6 => (IpProto::ICMPV6, false),
        Layer::Igmp => {
            return is_igmp(packet).then(|| folded(sum(packet.payload)) == u16::MAX);
        }
    };
    if packet.proto != proto || v4 != wants_v4 {
        return None;
    }
    let all = sum(packet.header).checked_add(sum(packet.payload))?;
    if layer == Layer::IcmpV4 {
        return (!packet.header.is_empty()).then(|| folded(all) == u16::MAX);
    }
    let at = if proto == IpProto::TCP { TCP_AT } else { UDP_AT };
    let pseudo = pseudo_header(packet);
    if proto != IpProto::ICMPV6 {
        let field = u16::from_be_bytes(*packet.header.get(at..at + 2)?.first_chunk()?);
        if field == 0 && layer == Layer::UdpV4 {
            return None;
        }
        if is_offloaded(packet) || field == folded(pseudo) {
            return Some(true);
        }
    }
    // The header is of even length, so that both may be summed on their own.
    Some(folded(all.checked_add(pseudo)?) == u16::MAX)
}

/// Segmentation offload: the packet is not one that will be on the wire, and does not say how long it is.
fn is_offloaded(packet: &Packet<'_>) -> bool {
    match packet.ip_header() {
        Some(IpHeader::V4(fixed, _)) => fixed[2..4] == [0, 0],
        Some(IpHeader::V6(fixed, _)) => fixed[4..6] == [0, 0],
        None => false,
    }
}

/// Addresses, protocol and length (RFC 9293 section 3.1, RFC 8200 section 8.1).
fn pseudo_header(packet: &Packet<'_>) -> u64 {
    let address = |ip| match ip {
        IpAddr::V4(ip) => sum(&ip.octets()),
        IpAddr::V6(ip) => sum(&ip.octets()),
    };
    let len = (packet.header.len() + packet.payload.len()) as u64;
    address(packet.src) + address(packet.dst) + u64::from(packet.proto.0) + len
}

/// The sum of the words of `bytes`; a frame is too short for it to overflow.
fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(2);
    let whole: u64 =
        words.by_ref().map(|word| word.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))).sum();
    whole + words.remainder().first().map_or(0, |&last| u64::from(last) << 8)
}

/// The sum with its carries added in.
fn folded(mut sum: u64) -> u16 {
    while let carry @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + carry;
    }
    sum as u16
}
