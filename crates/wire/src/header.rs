//! What an IP header says besides addresses and protocol, read only when somebody asks.

use crate::decode::Packet;
use crate::network::be16;

/// Bytes of an IPv4 header without options.
const IPV4_FIXED: usize = 20;
/// Bytes of an IPv6 header without extension headers.
const IPV6_FIXED: usize = 40;
/// Next header: a fragment header follows.
const IPV6_FRAGMENT: u8 = 44;
/// Next header: an authentication header follows.
const IPV6_AUTHENTICATION: u8 = 51;
/// The option that ends the list.
const END_OF_LIST: u8 = 0;
/// The option that only fills.
const NO_OPERATION: u8 = 1;

/// The IP header of a packet: [`Packet::network`] with its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpHeader<'a> {
    /// IPv4 (RFC 791): the fixed part, and the options.
    V4(&'a [u8; IPV4_FIXED], &'a [u8]),
    /// IPv6 (RFC 8200): the fixed part, and the extension headers.
    V6(&'a [u8; IPV6_FIXED], &'a [u8]),
}

impl<'a> Packet<'a> {
    /// The IP header; `None` of a packet that was made without one.
    #[must_use]
    pub fn ip_header(&self) -> Option<IpHeader<'a>> {
        match self.network.first()? >> 4 {
            4 => self.network.split_first_chunk().map(|(fixed, options)| IpHeader::V4(fixed, options)),
            6 => self.network.split_first_chunk().map(|(fixed, more)| IpHeader::V6(fixed, more)),
            _ => None,
        }
    }

    /// Time to live, or hop limit.
    #[must_use]
    pub fn ttl(&self) -> Option<u8> {
        Some(match self.ip_header()? {
            IpHeader::V4(fixed, _) => fixed[8],
            IpHeader::V6(fixed, _) => fixed[7],
        })
    }

    /// Type of service, or traffic class: DSCP and ECN (RFC 2474, RFC 3168).
    #[must_use]
    pub fn tos(&self) -> Option<u8> {
        Some(match self.ip_header()? {
            IpHeader::V4(fixed, _) => fixed[1],
            IpHeader::V6(fixed, _) => fixed[0] << 4 | fixed[1] >> 4,
        })
    }

    /// The identification field of IPv4, host byte order.
    #[must_use]
    pub fn identification(&self) -> Option<u16> {
        match self.ip_header()? {
            IpHeader::V4(fixed, _) => Some(be16(fixed, 4)),
            IpHeader::V6(..) => None,
        }
    }

    /// The three bits before the fragment offset of IPv4: 4 reserved, 2 don't fragment, 1 more fragments.
    #[must_use]
    pub fn fragment_bits(&self) -> Option<u8> {
        match self.ip_header()? {
            IpHeader::V4(fixed, _) => Some(fixed[6] >> 5),
            IpHeader::V6(..) => None,
        }
    }

    /// The fragment offset as it stands there: in units of eight bytes. `None` of IPv6 without a fragment header.
    #[must_use]
    pub fn fragment_offset(&self) -> Option<u16> {
        match self.ip_header()? {
            IpHeader::V4(fixed, _) => Some(be16(fixed, 6) & 0x1fff),
            IpHeader::V6(fixed, more) => ipv6_fragment_offset(fixed[6], more),
        }
    }

    /// The numbers of an IPv4 header's options, in order; the one that ends the list is told, what follows it is not.
    pub fn ip_options(&self) -> impl Iterator<Item = u8> + use<'a> {
        let mut rest = match self.ip_header() {
            Some(IpHeader::V4(_, options)) => options,
            _ => &[],
        };
        core::iter::from_fn(move || {
            let (&kind, after) = rest.split_first()?;
            rest = match kind {
                END_OF_LIST => &[],
                NO_OPERATION => after,
                // The length counts kind and length; one that cannot be ends the list.
                _ => {
                    let len = after.first().copied().map_or(0, usize::from);
                    let next = if len < 2 { None } else { rest.get(len..) };
                    let Some(next) = next else {
                        rest = &[];
                        return None;
                    };
                    next
                }
            };
            Some(kind)
        })
    }
}

/// The offset in the fragment header, if there is one among the extension headers.
fn ipv6_fragment_offset(mut kind: u8, mut rest: &[u8]) -> Option<u16> {
    // Each header that is walked has eight bytes at least.
    while let &[next, len, high, low, ..] = rest {
        let units = usize::from(len);
        let len = match kind {
            IPV6_FRAGMENT => return Some(u16::from_be_bytes([high, low]) >> 3),
            IPV6_AUTHENTICATION => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        rest = rest.get(len..)?;
        kind = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::{Decoded, LinkType, decode, decode_innermost};
    use proptest::prelude::*;

    fn ipv4(options: &[u8], body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45 + (options.len() / 4) as u8, 0xb9, 0, 0, 0x12, 0x34, 0x40, 0, 7, 6, 0, 0];
        packet.extend_from_slice(&Ipv4Addr::new(10, 0, 0, 1).octets());
        packet.extend_from_slice(&Ipv4Addr::new(10, 0, 0, 2).octets());
        packet.extend_from_slice(options);
        packet.extend_from_slice(body);
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet
    }

    fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x6b, 0x90, 0, 0, 0, body.len() as u8, next, 9];
        packet.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        packet.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        packet.extend_from_slice(body);
        packet
    }

    fn decoded(frame: &[u8]) -> Packet<'_> {
        match decode(LinkType::RawIp, frame) {
            Ok(Decoded::Ip(packet)) => packet,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_ipv4_header_is_told() {
        let udp = [0, 1, 0, 2, 0, 9, 0, 0, 0xff];
        let frame = ipv4(&[7, 3, 4, 1, 0, 9, 9, 9], &udp);
        let mut frame_udp = frame.clone();
        frame_udp[9] = 17;
        let packet = decoded(&frame_udp);
        assert_eq!(packet.network, &frame_udp[..28]);
        assert_eq!((packet.ttl(), packet.tos()), (Some(7), Some(0xb9)));
        assert_eq!((packet.identification(), packet.fragment_bits()), (Some(0x1234), Some(2)));
        assert_eq!(packet.fragment_offset(), Some(0));
        assert_eq!(packet.ip_options().collect::<Vec<_>>(), [7, 1, 0]);
        assert_eq!((packet.header, packet.payload), (&udp[..8], &udp[8..]));
    }

    #[test]
    fn an_ipv6_header_reaches_to_the_transport() {
        let fragment = [17, 0, 0x01, 0x01, 0, 0, 0, 7];
        let mut body = vec![44, 0, 1, 2, 3, 4, 5, 6];
        body.extend_from_slice(&fragment);
        body.extend_from_slice(b"rest");
        let frame = ipv6(60, &body);
        let packet = decoded(&frame);
        assert_eq!(packet.network, &frame[..56]);
        assert_eq!((packet.ttl(), packet.tos()), (Some(9), Some(0xb9)));
        assert_eq!((packet.identification(), packet.fragment_bits()), (None, None));
        assert_eq!(packet.fragment_offset(), Some(32));
        assert_eq!(packet.payload, b"rest");
        let whole = ipv6(17, &[0, 1, 0, 2, 0, 8, 0, 0]);
        assert_eq!((decoded(&whole).network.len(), decoded(&whole).fragment_offset()), (40, None));
    }

    #[test]
    fn options_that_do_not_fit_end_the_list() {
        for (options, expected) in [
            (&[1, 1, 130, 9][..], &[1, 1][..]),
            (&[1, 7, 1, 1], &[1]),
            (&[1, 1, 1, 7], &[1, 1, 1]),
            (&[148, 4, 0, 0], &[148]),
        ] {
            let frame = ipv4(options, &[0; 20]);
            let mut other = frame.clone();
            other[9] = 99;
            assert_eq!(decoded(&other).ip_options().collect::<Vec<_>>(), expected, "{options:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_can_be_asked(
            link in prop::sample::select(LinkType::ALL),
            bytes in proptest::collection::vec(any::<u8>(), 0..120),
            version in prop::sample::select(&[0x45_u8, 0x46, 0x4f, 0x60][..]),
        ) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            for link in [link, LinkType::RawIp] {
                if let Ok(Decoded::Ip(packet)) = decode_innermost(link, &bytes) {
                    let least = if packet.src.is_ipv4() { 20 } else { 40 };
                    prop_assert!(packet.network.len() >= least);
                    prop_assert!(packet.ttl().is_some() && packet.tos().is_some());
                    prop_assert_eq!(packet.identification().is_some(), packet.src.is_ipv4());
                    prop_assert!(packet.ip_options().count() <= 40);
                    let _ = packet.fragment_offset();
                }
            }
        }
    }
}
