//! Packets inside of packets: IP-in-IP (RFC 2003), 6in4 (RFC 4213), GRE (RFC 2784, 2890), PPTP's enhanced GRE
//! (RFC 2637), ERSPAN (draft-foschiano-erspan), VXLAN (RFC 7348), GENEVE (RFC 8926), GTP-U (3GPP TS 29.281), Teredo
//! (RFC 4380). Twin of bpf/tunnel.h for those that [`TunnelKind::opened_by_xdp`] names.

use core::net::{IpAddr, Ipv4Addr};

use crate::decode::{Decoded, Packet, Vlans, decode_network};
use crate::key::{Endpoint, IpProto};
use crate::link::{IPV4, IPV6, by_nibble};
use crate::malformed::Malformed;
use crate::serial;
use crate::transport::Transport;

/// Tunnels within tunnels that are opened.
pub const MAX_TUNNELS: usize = 2;

const TEREDO_PORT: u16 = 3544;
const VXLAN_PORT: u16 = 4789;
const GENEVE_PORT: u16 = 6081;
const GTP_U_PORT: u16 = 2152;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const ERSPAN_I_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
const PPP_IN_GRE: u16 = 0x880b;
const GTP_G_PDU: u8 = 255;
/// GTP-U extension headers that are walked.
const MAX_GTP_EXTENSIONS: usize = 2;

/// What carries a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// IPv4 or IPv6 directly in IP.
    IpInIp,
    /// GRE, version 0.
    Gre,
    /// PPP in GRE, version 1.
    Pptp,
    /// Mirrored Ethernet frames in GRE, types I to III.
    Erspan,
    /// VXLAN.
    Vxlan,
    /// GENEVE.
    Geneve,
    /// GTP-U.
    GtpU,
    /// IPv6 in UDP through NAT.
    Teredo,
}

impl TunnelKind {
    /// Whether the XDP program (bpf/tunnel.h) opens it, too. A packet in any other is steered by the tunnel's own
    /// addresses and ports: all of such a tunnel's flows are at one worker.
    #[must_use]
    pub fn opened_by_xdp(self) -> bool {
        !matches!(self, TunnelKind::Pptp | TunnelKind::Erspan | TunnelKind::Teredo)
    }
}

/// The way of a packet through tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel<'a> {
    /// From the outermost IP header on.
    pub(crate) outer: &'a [u8],
    /// What carries the packet directly.
    pub kind: TunnelKind,
    /// Through how many tunnels it came, 1 to [`MAX_TUNNELS`].
    pub depth: u8,
    /// The steering hash, if the XDP program does not see into one of the tunnels.
    pub(crate) steered: Option<u32>,
}

/// The outermost packet of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Its source; port 0 where the protocol has none.
    pub source: Endpoint,
    /// Its destination.
    pub destination: Endpoint,
    /// Its protocol above IP.
    pub proto: IpProto,
    /// What carries the innermost packet directly.
    pub kind: TunnelKind,
    /// Tunnels within each other.
    pub depth: u8,
}

impl Tunnel<'_> {
    /// The outermost packet. It is decoded for this: to be called once a flow.
    #[must_use]
    pub fn outermost(&self) -> Outer {
        let kind = by_nibble(self.outer).unwrap_or(0);
        let packet = match decode_network(kind, Vlans::default(), self.outer) {
            Ok(Decoded::Ip(packet)) => packet,
            // Cannot be: it was decoded before.
            _ => Packet { src: IpAddr::V4(Ipv4Addr::UNSPECIFIED), ..Packet::default() },
        };
        let (src, dst) = packet.transport.ports();
        Outer {
            source: Endpoint { ip: packet.src, port: src },
            destination: Endpoint { ip: packet.dst, port: dst },
            proto: packet.proto,
            kind: self.kind,
            depth: self.depth,
        }
    }
}

/// What lies inside of a tunnel.
pub(crate) enum Inner<'a> {
    /// An Ethernet frame.
    Ethernet(&'a [u8]),
    /// A packet of this EtherType.
    Packet(u16, &'a [u8]),
}

type Found<'a> = Result<Option<(TunnelKind, Inner<'a>)>, Malformed>;

/// What a packet carries, if it is a tunnel's.
///
/// # Errors
/// The tunnel's own header is cut off.
pub(crate) fn inner<'a>(packet: &Packet<'a>) -> Found<'a> {
    let payload = packet.payload;
    match (packet.proto.0, packet.transport) {
        (4, _) => Ok(Some((TunnelKind::IpInIp, Inner::Packet(IPV4, payload)))),
        (41, _) => Ok(Some((TunnelKind::IpInIp, Inner::Packet(IPV6, payload)))),
        (47, _) => gre(payload),
        (_, Transport::Udp { dst_port: VXLAN_PORT, .. }) => {
            let frame = payload.get(8..).ok_or(Malformed::VxlanTruncated)?;
            Ok(Some((TunnelKind::Vxlan, Inner::Ethernet(frame))))
        }
        (_, Transport::Udp { dst_port: GENEVE_PORT, .. }) => {
            let inner = geneve(payload).ok_or(Malformed::GeneveTruncated)?;
            Ok(Some((TunnelKind::Geneve, inner)))
        }
        (_, Transport::Udp { dst_port: GTP_U_PORT, .. }) => gtp(payload),
        (_, Transport::Udp { src_port, dst_port }) if src_port == TEREDO_PORT || dst_port == TEREDO_PORT => {
            Ok(teredo(payload).map(|inner| (TunnelKind::Teredo, inner)))
        }
        _ => Ok(None),
    }
}

fn of_type(kind: u16, bytes: &[u8]) -> Inner<'_> {
    if kind == TRANSPARENT_ETHERNET { Inner::Ethernet(bytes) } else { Inner::Packet(kind, bytes) }
}

fn gre(bytes: &[u8]) -> Found<'_> {
    let (&[flags, version, k0, k1], rest) = bytes.split_first_chunk::<4>().ok_or(Malformed::GreTruncated)?;
    let kind = u16::from_be_bytes([k0, k1]);
    // Checksum, key, sequence number: four bytes each.
    let optional = |bits: &[u8]| 4 * bits.iter().filter(|&&bit| flags & bit != 0).count();
    match version & 7 {
        0 => {
            let sequence = flags & 0x10 != 0;
            let rest = rest.get(optional(&[0x80, 0x20, 0x10])..).ok_or(Malformed::GreOptionsTruncated)?;
            match kind {
                ERSPAN_I_II | ERSPAN_III => {
                    let frame = erspan(kind, sequence, rest)?;
                    Ok(Some((TunnelKind::Erspan, Inner::Ethernet(frame))))
                }
                _ => Ok(Some((TunnelKind::Gre, of_type(kind, rest)))),
            }
        }
        1 if kind == PPP_IN_GRE => {
            let acknowledged = if version & 0x80 == 0 { 0 } else { 4 };
            let rest = rest.get(optional(&[0x20, 0x10]) + acknowledged..).ok_or(Malformed::PptpTruncated)?;
            // Without a sequence number it is an acknowledgement and carries nothing.
            if flags & 0x10 == 0 || rest.is_empty() {
                return Ok(None);
            }
            let (kind, rest) = serial::ppp(rest)?;
            Ok(Some((TunnelKind::Pptp, Inner::Packet(kind, rest))))
        }
        _ => Ok(None),
    }
}

/// The mirrored frame. Type I has no header, and no sequence number in GRE's.
fn erspan(kind: u16, sequence: bool, bytes: &[u8]) -> Result<&[u8], Malformed> {
    let cut = Malformed::ErspanTruncated;
    if kind == ERSPAN_I_II && !sequence {
        return Ok(bytes);
    }
    let version = bytes.first().ok_or(cut)? >> 4;
    match (kind, version) {
        (ERSPAN_I_II, 1) => bytes.get(8..).ok_or(cut),
        (ERSPAN_III, 2) => {
            let head: &[u8; 12] = bytes.first_chunk().ok_or(cut)?;
            // A platform specific subheader of eight bytes.
            bytes.get(12 + usize::from(head[11] & 1) * 8..).ok_or(cut)
        }
        _ => Err(Malformed::ErspanVersion),
    }
}

fn geneve(bytes: &[u8]) -> Option<Inner<'_>> {
    let (&[options, _, a, b, ..], rest) = bytes.split_first_chunk::<8>()?;
    Some(of_type(u16::from_be_bytes([a, b]), rest.get(usize::from(options & 0x3f) * 4..)?))
}

fn gtp(bytes: &[u8]) -> Found<'_> {
    let cut = Malformed::GtpTruncated;
    let (&[flags, kind, ..], mut rest) = bytes.split_first_chunk::<8>().ok_or(cut)?;
    if kind != GTP_G_PDU || flags & 0xf0 != 0x30 {
        return Ok(None);
    }
    let mut next = 0;
    if flags & 7 != 0 {
        let (options, after) = rest.split_first_chunk::<4>().ok_or(cut)?;
        next = if flags & 4 != 0 { options[3] } else { 0 };
        rest = after;
    }
    for _ in 0..MAX_GTP_EXTENSIONS {
        if next == 0 {
            break;
        }
        let len = usize::from(*rest.first().ok_or(cut)?) * 4;
        next = *rest.get(..len).and_then(<[u8]>::last).ok_or(cut)?;
        rest = &rest[len..];
    }
    if next != 0 {
        return Ok(None);
    }
    Ok(Some((TunnelKind::GtpU, Inner::Packet(by_nibble(rest).ok_or(cut)?, rest))))
}

/// The port alone does not make a datagram Teredo's: an IPv6 packet of just the right length does, behind an
/// authentication header (RFC 4380 section 5.1.1) and an origin indication.
fn teredo(bytes: &[u8]) -> Option<Inner<'_>> {
    let mut rest = bytes;
    if let [0, 1, id_len, auth_len, ..] = *rest {
        rest = rest.get(13 + usize::from(id_len) + usize::from(auth_len)..)?;
    }
    if rest.starts_with(&[0, 0]) {
        rest = rest.get(8..)?;
    }
    let head: &[u8; 40] = rest.first_chunk()?;
    let claimed = usize::from(u16::from_be_bytes([head[4], head[5]]));
    (head[0] >> 4 == 6 && claimed + 40 == rest.len()).then_some(Inner::Packet(IPV6, rest))
}
