//! What reassembly needs to know of a fragment, and the frame of the whole datagram.
//!
//! Looked up only in packets that [`decode`](crate::decode) found to be fragments: others pay nothing for it.

use core::net::IpAddr;

use crate::decode::{Decoded, Layers, Vlans, decode_network, open_tunnels};
use crate::key::IpProto;
use crate::link::{self, IPV4, LinkType, by_nibble};
use crate::network::{MAX_EXTENSION_HEADERS, be16};
use crate::tunnel::MAX_TUNNELS;

/// The largest IPv4 packet, and the largest that an IPv6 header can have behind it.
pub const MAX_DATAGRAM: usize = 65_535;

const ETHERNET_HEADER: usize = 14;
/// "More fragments", and where in the datagram this one belongs.
const MORE_AND_OFFSET: u16 = 0x3fff;
const IPV6_HEADER: usize = 40;
const FRAGMENT_HEADER: usize = 8;
const UDP_HEADER: usize = 8;
const IPV6_FRAGMENT: u8 = 44;
const DONT_FRAGMENT: u8 = 0x40;

/// Whether a look at three fields shows that [`decode_innermost`](crate::decode_innermost) finds no fragment in this
/// frame: untagged Ethernet, IPv4 not fragmented, and TCP, which no tunnel begins with. `false` says nothing.
#[must_use]
#[inline]
pub fn cannot_be_fragment(link: LinkType, frame: &[u8]) -> bool {
    let Some(head) = frame.first_chunk::<{ ETHERNET_HEADER + 10 }>() else { return false };
    let [kind, flags] = [12, ETHERNET_HEADER + 6].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
    let proto = IpProto(head[ETHERNET_HEADER + 9]);
    link == LinkType::Ethernet && kind == IPV4 && flags & MORE_AND_OFFSET == 0 && proto == IpProto::TCP
}

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
    kind: u16,
    nflog: bool,
    /// What lies before the IP header: the link header, and tunnels.
    before: &'a [u8],
    /// Where in the frame the headers are that tell the lengths of the tunnels.
    outer: [Option<OuterAt>; MAX_TUNNELS],
    /// The IP header with what precedes a fragment header.
    network_header: &'a [u8],
    /// Where in `network_header` the protocol of what follows stands.
    next_at: usize,
}

/// The fragment in a frame that decodes to one. `innermost`: as in [`decode_innermost`](crate::decode_innermost).
#[must_use]
pub fn fragment(link: LinkType, frame: &[u8], innermost: bool) -> Option<Fragment<'_>> {
    let (kind, vlans, network) = link::strip(link, frame).ok()?;
    let Decoded::Ip(mut packet) = decode_network(kind, vlans, network).ok()? else { return None };
    let mut layers = Layers { outer: [None; MAX_TUNNELS], network };
    if innermost {
        open_tunnels(&mut packet, &mut layers);
    }
    if !packet.fragment {
        return None;
    }
    let network = layers.network;
    let kind = by_nibble(network)?;
    let (id, offset, more, header_len, next_at, proto, next) = if kind == IPV4 {
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
    let (from, claimed) = if kind == IPV4 {
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
        kind,
        nflog: link == LinkType::Nflog,
        before: frame.get(..place(frame, network))?,
        outer: layers.outer.map(|outer| {
            let (network, transport) = outer?;
            Some(OuterAt {
                network: place(frame, network),
                udp: (transport.len() == UDP_HEADER).then(|| place(frame, transport)),
            })
        }),
        network_header: network.get(..header_len)?,
        next_at,
    })
}

/// Where in a frame a part of it begins.
fn place(frame: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(frame.as_ptr().addr())
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
    /// Bytes of all headers up to the payload.
    #[must_use]
    pub fn head_len(&self) -> usize {
        self.before.len() + self.network_header.len()
    }

    /// The longest payload that can stand behind this fragment's headers.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        let fixed = if self.kind == IPV4 { 0 } else { IPV6_HEADER };
        MAX_DATAGRAM - self.network_header.len().saturating_sub(fixed)
    }

    /// Writes what stands before the payload of the whole datagram to `out`: everything up to the IP header of this
    /// fragment, tunnels included, and the IP header as if it had never been fragmented. What is told closes the frame
    /// once the payload is behind it.
    pub fn write_head(&self, out: &mut Vec<u8>) -> Head {
        let begin = out.len();
        out.extend_from_slice(self.before);
        let network = out.len();
        out.extend_from_slice(self.network_header);
        let header = &mut out[network..];
        if self.kind == IPV4 {
            header[6] &= DONT_FRAGMENT;
            header[7] = 0;
        } else {
            header[self.next_at] = self.next.0;
        }
        Head { begin, nflog: self.nflog, network, outer: self.outer }
    }
}

/// Where a tunnel's packet tells its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OuterAt {
    network: usize,
    udp: Option<usize>,
}

/// Where a frame tells its length: to be set once all of it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Where the frame begins.
    begin: usize,
    /// The frame ends with an attribute of netfilter's log, whose length stands in front of the outermost packet.
    nflog: bool,
    network: usize,
    outer: [Option<OuterAt>; MAX_TUNNELS],
}

impl Head {
    /// Sets the lengths of the IP packet, and of the tunnels that it is in, so that they go to the end of `frame`, and
    /// the checksums of IPv4 headers. Tunnels' UDP goes without checksum: what it says of was never sent. A tunnel
    /// that has got too long for its length says nothing (zero).
    pub fn close(&self, frame: &mut [u8]) {
        let Some(frame) = frame.get_mut(self.begin..) else { return };
        let network = self.network.saturating_sub(self.begin);
        if self.nflog {
            let outermost = self.outer[0].map_or(network, |outer| outer.network);
            close_attribute(frame, outermost);
        }
        for outer in self.outer.iter().flatten() {
            close_packet(frame, outer.network);
            if let Some(udp) =
                outer.udp.and_then(|at| frame.get_mut(at..)).filter(|udp| udp.len() >= UDP_HEADER)
            {
                let len = u16::try_from(udp.len()).unwrap_or(0);
                udp[4..6].copy_from_slice(&len.to_be_bytes());
                udp[6..8].fill(0);
            }
        }
        close_packet(frame, network);
    }
}

/// Sets the length of the attribute whose data begins at `at`.
fn close_attribute(frame: &mut [u8], at: usize) {
    let len = u16::try_from(frame.len().saturating_sub(at) + 4).unwrap_or(u16::MAX);
    if let Some(field) = at.checked_sub(4).and_then(|from| frame.get_mut(from..from + 2)) {
        field.copy_from_slice(&len.to_le_bytes());
    }
}

/// Sets the length of the IP packet that begins at `at` and goes to the end of `frame`, and an IPv4 header's checksum.
fn close_packet(frame: &mut [u8], at: usize) {
    let Some(packet) = frame.get_mut(at..) else { return };
    let v4 = packet.first().is_some_and(|first| first >> 4 == 4);
    let fixed = if v4 { 20 } else { IPV6_HEADER };
    if packet.len() < fixed {
        return;
    }
    let counted = if v4 { packet.len() } else { packet.len() - IPV6_HEADER };
    let len = u16::try_from(counted).unwrap_or(0).to_be_bytes();
    if !v4 {
        packet[4..6].copy_from_slice(&len);
        return;
    }
    packet[2..4].copy_from_slice(&len);
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
