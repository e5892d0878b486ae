//! Who called whom, as far as a flow's first packet tells, and how certain that is.
//!
//! A verdict may rest on it, so nothing that somebody else can bring about by sending us a packet is certain: an answer
//! that we asked for, or seem to have asked for, makes nobody a caller.

use alert::Orientation;
use wire::{Endpoint, IpProto, Nanos, Packet, TcpFlags, Transport};

use crate::record::FlowTuple;

/// Ports below this belong to servers if the packet itself does not say who called whom.
const WELL_KNOWN_PORTS: u16 = 1024;
/// Ports from here on are those that systems give to clients (Linux; RFC 6335, section 6, has fewer).
const EPHEMERAL_PORTS: u16 = 32_768;

const DNS: u16 = 53;
const BOOTP_SERVER: u16 = 67;
const NTP: u16 = 123;
const IKE: u16 = 500;

/// Whether a packet opens a TCP connection.
#[inline]
pub(super) fn is_call(packet: &Packet<'_>) -> bool {
    matches!(packet.transport, Transport::Tcp(h) if h.flags.any(TcpFlags::SYN) && !h.flags.any(TcpFlags::ACK))
}

/// The flow's name, with its number, and how certain its roles are.
pub(super) fn orient(packet: &Packet<'_>, start: Nanos) -> (FlowTuple, Orientation) {
    let (src, dst) = (packet.source(), packet.destination());
    let from_server = match packet.transport {
        Transport::Tcp(h) if h.flags.any(TcpFlags::SYN) => h.flags.any(TcpFlags::ACK),
        _ => src.port != 0 && src.port < WELL_KNOWN_PORTS && dst.port >= WELL_KNOWN_PORTS,
    };
    let orientation = if from_server { Orientation::Guessed } else { certainty(packet, src.port, dst.port) };
    let (client, server) = if from_server { (dst, src) } else { (src, dst) };
    (tuple(packet, client, server, start), orientation)
}

fn tuple(packet: &Packet<'_>, client: Endpoint, server: Endpoint, start: Nanos) -> FlowTuple {
    let stable = packet.flow_key().0.stable_hash();
    let id = (stable ^ start.0.wrapping_mul(0xd6e8_feb8_6659_fd93)) >> 11;
    FlowTuple { id, client, server, proto: packet.proto, vlans: packet.vlans, start }
}

/// How certain it is that the sender of a flow's first packet calls.
fn certainty(packet: &Packet<'_>, from: u16, to: u16) -> Orientation {
    let asks = match packet.transport {
        Transport::Tcp(_) if is_call(packet) => return Orientation::Handshake,
        Transport::Tcp(_) | Transport::Other => false,
        Transport::Icmp { kind, .. } => asks_by_icmp(packet.proto, kind),
        Transport::Udp { .. } => asks_by_datagram(packet.payload, from, to),
        // SCTP: its first chunk says it (RFC 9260, section 3.2).
        _ => packet.payload.first() == Some(&1),
    };
    if asks { Orientation::Answered } else { Orientation::Guessed }
}

/// Queries. Replies and errors answer what somebody else has sent.
fn asks_by_icmp(proto: IpProto, kind: u8) -> bool {
    match proto {
        IpProto::ICMP => matches!(kind, 8 | 10 | 13 | 15 | 17 | 42),
        IpProto::ICMPV6 => matches!(kind, 128 | 130 | 133 | 135 | 139 | 160),
        _ => false,
    }
}

/// Where the protocol says who asks, it does; else a datagram from a client's port to a lower one of no client does.
fn asks_by_datagram(payload: &[u8], from: u16, to: u16) -> bool {
    let byte = |at: usize| payload.get(at).copied();
    match (from, to) {
        (DNS, _) | (_, DNS) => byte(2).is_some_and(|flags| flags & 0x80 == 0),
        (BOOTP_SERVER, _) | (_, BOOTP_SERVER) => byte(0) == Some(1),
        (NTP, _) | (_, NTP) => byte(0).is_some_and(|first| match first & 7 {
            1 | 3 => true,
            6 => byte(1).is_some_and(|second| second & 0x80 == 0),
            7 => first & 0x80 == 0,
            _ => false,
        }),
        // The first message knows no cookie of the responder (RFC 7296, section 3.1).
        (IKE, IKE) => payload.get(8..16).is_some_and(|cookie| cookie.iter().all(|&b| b == 0)),
        _ => from > to && to < EPHEMERAL_PORTS,
    }
}

#[cfg(test)]
#[path = "orientation_tests.rs"]
mod tests;
