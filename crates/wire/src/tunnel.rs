//! Packets inside of packets: IP-in-IP (RFC 2003), 6in4 (RFC 4213), GRE (RFC 2784, 2890), VXLAN (RFC 7348),
//! GENEVE (RFC 8926), GTP-U (3GPP TS 29.281). Twin of bpf/tunnel.h.

use crate::decode::Malformed;
use crate::key::IpProto;
use crate::link::{IPV4, IPV6, by_nibble};
use crate::transport::Transport;

/// Tunnels within tunnels that are opened.
pub const MAX_TUNNELS: usize = 2;

const VXLAN_PORT: u16 = 4789;
const GENEVE_PORT: u16 = 6081;
const GTP_U_PORT: u16 = 2152;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const GTP_G_PDU: u8 = 255;
/// GTP-U extension headers that are walked.
const MAX_GTP_EXTENSIONS: usize = 2;

/// What lies inside of a tunnel.
pub(crate) enum Inner<'a> {
    /// An Ethernet frame.
    Ethernet(&'a [u8]),
    /// A packet of this EtherType.
    Packet(u16, &'a [u8]),
}

/// What a packet with this protocol, transport header and payload carries, if it is a tunnel's.
///
/// # Errors
/// The tunnel's own header is cut off.
pub(crate) fn inner<'a>(
    proto: IpProto,
    transport: &Transport,
    payload: &'a [u8],
) -> Result<Option<Inner<'a>>, Malformed> {
    let cut = Malformed::TunnelTruncated;
    match (proto.0, transport) {
        (4, _) => Ok(Some(Inner::Packet(IPV4, payload))),
        (41, _) => Ok(Some(Inner::Packet(IPV6, payload))),
        (47, _) => gre(payload),
        (_, Transport::Udp { dst_port: VXLAN_PORT, .. }) => {
            payload.get(8..).map(|frame| Some(Inner::Ethernet(frame))).ok_or(cut)
        }
        (_, Transport::Udp { dst_port: GENEVE_PORT, .. }) => geneve(payload).map(Some).ok_or(cut),
        (_, Transport::Udp { dst_port: GTP_U_PORT, .. }) => gtp(payload),
        _ => Ok(None),
    }
}

fn of_type(kind: u16, bytes: &[u8]) -> Inner<'_> {
    if kind == TRANSPARENT_ETHERNET { Inner::Ethernet(bytes) } else { Inner::Packet(kind, bytes) }
}

fn gre(bytes: &[u8]) -> Result<Option<Inner<'_>>, Malformed> {
    let cut = Malformed::TunnelTruncated;
    let (&[flags, version, kind @ ..], rest) = bytes.split_first_chunk::<4>().ok_or(cut)?;
    if version & 7 != 0 {
        return Ok(None);
    }
    // Checksum, key, sequence number.
    let options = [0x80, 0x20, 0x10].iter().filter(|&&bit| flags & bit != 0).count();
    Ok(Some(of_type(u16::from_be_bytes(kind), rest.get(4 * options..).ok_or(cut)?)))
}

fn geneve(bytes: &[u8]) -> Option<Inner<'_>> {
    let (&[options, _, a, b, ..], rest) = bytes.split_first_chunk::<8>()?;
    Some(of_type(u16::from_be_bytes([a, b]), rest.get(usize::from(options & 0x3f) * 4..)?))
}

fn gtp(bytes: &[u8]) -> Result<Option<Inner<'_>>, Malformed> {
    let cut = Malformed::TunnelTruncated;
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
    Ok(Some(Inner::Packet(by_nibble(rest)?, rest)))
}
