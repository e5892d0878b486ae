//! ICMP (RFC 792, RFC 950, RFC 4884) and ICMPv6 (RFC 4443): identifiers, and what errors quote.

use core::net::IpAddr;

use crate::decode::Packet;
use crate::key::{Endpoint, IpProto};
use crate::network::{self, Network};
use crate::transport::Transport;

/// An ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpMessage<'a> {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Identifier of a query or reply (echo, timestamp ...).
    pub id: Option<u16>,
    /// The beginning of the packet that an error is about.
    pub quote: Option<Quote<'a>>,
}

/// The packet that an ICMP error is about, as far as it is quoted. It went the other way: its source is who the error
/// was sent to, unless the error is forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// Source address of the packet quoted.
    pub src: IpAddr,
    /// Its destination address.
    pub dst: IpAddr,
    /// Its protocol above IP.
    pub proto: IpProto,
    /// Its ports, if it has some and they are quoted (host byte order).
    pub ports: Option<(u16, u16)>,
    /// What is quoted behind its IP header.
    pub body: &'a [u8],
}

impl Quote<'_> {
    /// Source and destination of the packet quoted, if its flow can be told.
    #[must_use]
    pub fn endpoints(&self) -> Option<(Endpoint, Endpoint)> {
        let (src, dst) = self.ports?;
        Some((Endpoint { ip: self.src, port: src }, Endpoint { ip: self.dst, port: dst }))
    }
}

/// The type of the query that a message of this type is or answers, and whether it answers; `None` of others.
fn query(proto: IpProto, kind: u8) -> Option<(u8, bool)> {
    match (proto, kind) {
        (IpProto::ICMP, 0) => Some((8, true)),
        (IpProto::ICMP, 8 | 13 | 15 | 17) | (IpProto::ICMPV6, 128) => Some((kind, false)),
        (IpProto::ICMP, 14 | 16 | 18) | (IpProto::ICMPV6, 129) => Some((kind - 1, true)),
        _ => None,
    }
}

fn is_error(proto: IpProto, kind: u8) -> bool {
    match proto {
        // Unreachable, source quench, redirect, time exceeded, parameter problem.
        IpProto::ICMP => matches!(kind, 3 | 4 | 5 | 11 | 12),
        _ => kind < 128,
    }
}

fn id(header: &[u8]) -> u16 {
    header.get(4..6).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]))
}

/// What stands in a flow's key where others have ports. The asker's is the identifier, the other's the type of the
/// question. Messages that nothing answers have type and code on the sender's side.
pub(crate) fn key_ports(packet: &Packet<'_>) -> (u16, u16) {
    let Transport::Icmp { kind, code } = packet.transport else { return (0, 0) };
    match query(packet.proto, kind) {
        Some((asked, false)) => (id(packet.header), asked.into()),
        Some((asked, true)) => (asked.into(), id(packet.header)),
        None => (u16::from_be_bytes([kind, code]), 0),
    }
}

pub(crate) fn message<'a>(packet: &Packet<'a>) -> Option<IcmpMessage<'a>> {
    let Transport::Icmp { kind, code } = packet.transport else { return None };
    Some(IcmpMessage {
        kind,
        code,
        id: query(packet.proto, kind).map(|_| id(packet.header)),
        quote: if is_error(packet.proto, kind) { quote(packet) } else { None },
    })
}

fn quote<'a>(packet: &Packet<'a>) -> Option<Quote<'a>> {
    let network = match packet.proto {
        IpProto::ICMP => network::ipv4(packet.payload),
        _ => network::ipv6(packet.payload),
    };
    let Network { src, dst, proto, body, later_fragment, .. } = network.ok()?;
    let has_ports = matches!(proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP) && !later_fragment;
    let ports = match *body {
        [a, b, c, d, ..] if has_ports => Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
        _ => None,
    };
    Some(Quote { src, dst, proto, ports, body })
}
