//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::key::IpProto;
use crate::malformed::Malformed;

/// How many IPv6 extension headers are walked before a packet counts as malformed.
pub const MAX_EXTENSION_HEADERS: usize = 8;

/// What an IP header said, and the bytes behind it.
pub(crate) struct Network<'a> {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub proto: IpProto,
    /// The header itself: IPv4's with options, IPv6's with the extension headers that were walked.
    pub header: &'a [u8],
    /// Transport header and payload, without link padding.
    pub body: &'a [u8],
    /// Bytes by which the packet says it is longer than what was captured.
    pub missing: usize,
    /// Part of a fragmented datagram.
    pub fragment: bool,
    /// Not the first fragment: `body` does not begin with a transport header.
    pub later_fragment: bool,
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
pub(crate) fn ipv4(bytes: &[u8]) -> Result<Network<'_>, Malformed> {
    let fixed: &[u8; 20] = bytes.first_chunk().ok_or(Malformed::Ipv4Truncated)?;
    if fixed[0] >> 4 != 4 {
        return Err(Malformed::Ipv4Version);
    }
    let header_len = usize::from(fixed[0] & 0x0f) * 4;
    if header_len < 20 {
        return Err(Malformed::Ipv4HeaderLength);
    }
    let total = match be16(fixed, 2) {
        0 => bytes.len(), // segmentation offload hands frames up with the length left open
        n => usize::from(n),
    };
    if total < header_len {
        return Err(Malformed::Ipv4TotalLength);
    }
    let end = total.min(bytes.len());
    let (header, body) =
        bytes.get(..end).and_then(|all| all.split_at_checked(header_len)).ok_or(Malformed::Ipv4Cut)?;
    let fragment_field = be16(fixed, 6);
    let offset = fragment_field & 0x1fff;
    Ok(Network {
        src: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into(),
        dst: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into(),
        proto: IpProto(fixed[9]),
        header,
        body,
        missing: total.saturating_sub(bytes.len()),
        fragment: offset != 0 || fragment_field & 0x2000 != 0,
        later_fragment: offset != 0,
    })
}

#[inline]
pub(crate) fn ipv6(bytes: &[u8]) -> Result<Network<'_>, Malformed> {
    let fixed: &[u8; 40] = bytes.first_chunk().ok_or(Malformed::Ipv6Truncated)?;
    if fixed[0] >> 4 != 6 {
        return Err(Malformed::Ipv6Version);
    }
    let address = |at: usize| -> IpAddr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&fixed[at..at + 16]);
        Ipv6Addr::from(octets).into()
    };
    let after = &bytes[40..];
    let claimed = match be16(fixed, 4) {
        0 => after.len(), // jumbogram or offload: take what is there
        n => usize::from(n),
    };
    let mut network = Network {
        src: address(8),
        dst: address(24),
        proto: IpProto(fixed[6]),
        header: fixed,
        body: &after[..claimed.min(after.len())],
        missing: claimed.saturating_sub(after.len()),
        fragment: false,
        later_fragment: false,
    };
    let behind = network.body.len();
    walk_extensions(&mut network)?;
    let walked = behind.saturating_sub(network.body.len());
    network.header = &bytes[..40 + walked];
    Ok(network)
}

fn walk_extensions(network: &mut Network<'_>) -> Result<(), Malformed> {
    for _ in 0..MAX_EXTENSION_HEADERS {
        let len = match network.proto.0 {
            // hop-by-hop, routing, destination options, mobility, HIP, shim6: length in units of 8, less one
            0 | 43 | 60 | 135 | 139 | 140 => {
                let &len = network.body.get(1).ok_or(Malformed::Ipv6ExtensionTruncated)?;
                (usize::from(len) + 1) * 8
            }
            // authentication header (RFC 4302): units of 4, less two
            51 => {
                let &len = network.body.get(1).ok_or(Malformed::Ipv6ExtensionTruncated)?;
                (usize::from(len) + 2) * 4
            }
            44 => {
                let head = network.body.get(..8).ok_or(Malformed::Ipv6ExtensionTruncated)?;
                let field = be16(head, 2);
                network.later_fragment = field >> 3 != 0;
                // A fragment that is the whole datagram (atomic, RFC 6946) is none.
                network.fragment = network.later_fragment || field & 1 != 0;
                8
            }
            _ => return Ok(()),
        };
        network.proto = IpProto(network.body[0]);
        network.body = network.body.get(len..).ok_or(Malformed::Ipv6ExtensionTruncated)?;
        // What is behind the header of a fragment, even the first, is known when the datagram is whole.
        if network.fragment {
            return Ok(());
        }
    }
    Err(Malformed::TooManyIpv6Extensions)
}
