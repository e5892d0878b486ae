//! Buffers that are parts of the packet at hand.

use core::net::IpAddr;

use rules::Buffer;
use wire::{IpHeader, IpProto, Packet, Transport};

use super::super::{Instances, PacketContext};
use super::is_igmp;

/// Puts the instances of a packet's buffer into `out`: one, or none if the packet has no such part. None of any other
/// buffer. Addresses are 4 or 16 bytes in network order. A fragment has an IP header
/// only: its bytes are looked at when the datagram is whole.
pub fn instances<'a>(cx: &PacketContext<'a>, buffer: Buffer, out: &mut Instances<'a>) {
    match buffer {
        Buffer::IpSource => address(cx.source().ip, out),
        Buffer::IpDestination => address(cx.destination().ip, out),
        _ => {
            if let Some(part) = cx.packet.and_then(|packet| part(packet, buffer)) {
                out.borrow(part);
            }
        }
    }
}

fn address(ip: IpAddr, out: &mut Instances<'_>) {
    out.build(|bytes| match ip {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    });
}

fn part<'a>(packet: &Packet<'a>, buffer: Buffer) -> Option<&'a [u8]> {
    match (buffer, packet.transport) {
        (Buffer::IpV4Header, _) => matches!(packet.ip_header()?, IpHeader::V4(..)).then_some(packet.network),
        (Buffer::IpV6Header, _) => matches!(packet.ip_header()?, IpHeader::V6(..)).then_some(packet.network),
        _ if packet.fragment => None,
        (Buffer::Payload, _) => Some(packet.payload),
        (Buffer::TcpHeader, Transport::Tcp(_)) | (Buffer::UdpHeader, Transport::Udp { .. }) => {
            Some(packet.header)
        }
        (Buffer::IcmpV4Header, Transport::Icmp { .. }) => {
            (packet.proto == IpProto::ICMP).then_some(packet.header)
        }
        (Buffer::IcmpV6Header, Transport::Icmp { .. }) => {
            (packet.proto == IpProto::ICMPV6).then_some(packet.header)
        }
        (Buffer::IgmpHeader, _) => is_igmp(packet).then_some(packet.payload),
        _ => None,
    }
}
