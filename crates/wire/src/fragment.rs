//! What reassembly needs to know of a fragment, and the frame of the whole datagram.
//!
//! Looked up only in packets that [`decode`](crate::decode) found to be fragments: others pay nothing for it.

use core::net::IpAddr;

use crate::decode::{Decoded, Vlans, walk};
use crate::key::IpProto;
use crate::link::{self, IPV4, LinkType};
use crate::network::{MAX_EXTENSION_HEADERS, be16};

/// The largest IPv4 packet, and the largest that an IPv6 header can have behind it.
pub const MAX_DATAGRAM: usize = 65_535;

const IPV6_HEADER: usize = 40;
const FRAGMENT_HEADER: usize = 8;
const IPV6_FRAGMENT: u8 = 44;
const DONT_FRAGMENT: u8 = 0x40;

/// Fragments with the same key are parts of one datagram (RFC 791 section 2.3, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// The identification field, host byte order.
    pub id: u32,
    /// Protocol of an IPv4 datagram; 0 in IPv6, whose fragments need not agree about it.
    pub proto: IpProto,
    /// VLAN tags of the frame.
    pub vlans: Vlans,
}

/// A fragment in its frame.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Which datagram it is a part of.
    pub key: FragmentKey,
    /// Where in the datagram's payload its data belongs, in bytes.
    pub offset: usize,
    /// Whether this is not the last fragment.
    pub more: bool,
    /// Its part of the payload, as far as it was captured.
    pub data: &'a [u8],
    /// Bytes of `data` that were not captured.
    pub missing: u32,
    /// The transport protocol, or in IPv6 the header behind the fragment header.
    pub next: IpProto,
    link: LinkType,
    /// Outermost link header.
    link_header: &'a [u8],
    outer_kind: u16,
    kind: u16,
    /// The IP header with what precedes a fragment header.
    network_header: &'a [u8],
    /// Where in `network_header` the protocol of what follows stands.
    next_at: usize,
}

/// The fragment in a frame that decodes to one. `innermost`: as in [`decode_innermost`](crate::decode_innermost).
#[must_use]
pub fn fragment(link: LinkType, frame: &[u8], innermost: bool) -> Option<Fragment<'_>> {
    let layer = walk(link, frame, innermost).ok()?;
    let Decoded::Ip(packet) = layer.decoded else { return None };
    if !packet.fragment {
        return None;
    }
    let (outer_kind, _, outer) = link::strip(link, frame).ok()?;
    let network = layer.network;
    let (id, offset, more, header_len, next_at, proto, next) = if layer.kind == IPV4 {
        let field = be16(network.get(..20)?, 6);
        let header_len = usize::from(network[0] & 0x0f) * 4;
        let id = u32::from(be16(network, 4));
        let offset = usize::from(field & 0x1fff) * 8;
        (id, offset, field & 0x2000 != 0, header_len, 9, packet.proto, packet.proto)
    } else {
        let (next_at, at) = fragment_header(network)?;
        let header = network.get(at..at + FRAGMENT_HEADER)?;
        let field = be16(header, 2);
        let id = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        (id, usize::from(field & 0xfff8), field & 1 != 0, at, next_at, IpProto(0), IpProto(header[0]))
    };
    let (from, claimed) = if layer.kind == IPV4 {
        (header_len, usize::from(be16(network, 2)))
    } else {
        let claimed = usize::from(be16(network, 4));
        (header_len + FRAGMENT_HEADER, if claimed == 0 { 0 } else { IPV6_HEADER + claimed })
    };
    // Zero: the length was left open, see `network`.
    let end = if claimed == 0 { network.len() } else { claimed.min(network.len()) };
    Some(Fragment {
        key: FragmentKey { src: packet.src, dst: packet.dst, id, proto, vlans: packet.vlans },
        offset,
        more,
        data: network.get(from..end)?,
        missing: packet.missing,
        next,
        link,
        link_header: &frame[..frame.len() - outer.len()],
        outer_kind,
        kind: layer.kind,
        network_header: network.get(..header_len)?,
        next_at,
    })
}

/// Where an IPv6 packet says that a fragment header follows, and where that is: the first that is not atomic.
fn fragment_header(packet: &[u8]) -> Option<(usize, usize)> {
    let (mut next_at, mut at) = (6, IPV6_HEADER);
    for _ in 0..MAX_EXTENSION_HEADERS {
        let kind = *packet.get(next_at)?;
        let header = packet.get(at..at + 4)?;
        let len = match kind {
            IPV6_FRAGMENT if be16(header, 2) & 0xfff9 != 0 => return Some((next_at, at)),
            IPV6_FRAGMENT => FRAGMENT_HEADER,
            51 => (usize::from(header[1]) + 2) * 4,
            _ => (usize::from(header[1]) + 1) * 8,
        };
        (next_at, at) = (at, at + len);
    }
    None
}

impl Fragment<'_> {
    /// Bytes of link and network header.
    #[must_use]
    pub fn head_len(&self) -> usize {
        self.link_header.len() + self.network_header.len()
    }

    /// The longest payload that can stand behind this fragment's headers.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        let fixed = if self.kind == IPV4 { 0 } else { IPV6_HEADER };
        MAX_DATAGRAM - self.network_header.len().saturating_sub(fixed)
    }

    /// Writes what stands before the payload of the whole datagram to `out`: link header and IP header of this
    /// fragment, as if it had never been fragmented. A tunnel around the datagram is left out. Where the IP header
    /// begins, for [`close_datagram`].
    pub fn write_head(&self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(self.link_header);
        if self.kind != self.outer_kind {
            link::set_kind(self.link, self.kind, out);
        }
        let network_at = out.len();
        out.extend_from_slice(self.network_header);
        let header = &mut out[network_at..];
        if self.kind == IPV4 {
            header[6] &= DONT_FRAGMENT;
            header[7] = 0;
        } else {
            header[self.next_at] = self.next.0;
        }
        network_at
    }
}

/// Sets the length of the IP packet that begins at `network_at` and goes to the end of `frame`, and the checksum of
/// an IPv4 header. Nothing happens to what is no IP packet, or too long for one.
pub fn close_datagram(frame: &mut [u8], network_at: usize) {
    let Some(packet) = frame.get_mut(network_at..) else { return };
    let v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    let fixed = if v4 { 20 } else { IPV6_HEADER };
    let counted = if v4 { packet.len() } else { packet.len().saturating_sub(IPV6_HEADER) };
    let (Ok(len), true) = (u16::try_from(counted), packet.len() >= fixed) else { return };
    if !v4 {
        packet[4..6].copy_from_slice(&len.to_be_bytes());
        return;
    }
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet[10..12].fill(0);
    let header_len = (usize::from(packet[0] & 0x0f) * 4).min(packet.len());
    let mut sum: u32 = packet[..header_len].chunks_exact(2).map(|word| u32::from(be16(word, 0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

#[cfg(test)]
#[path = "fragment_tests.rs"]
mod tests;
