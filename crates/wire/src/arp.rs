//! ARP (RFC 826) for IPv4 on Ethernet.

use core::net::Ipv4Addr;

use crate::decode::Decoded;
use crate::link;
use crate::malformed::Malformed;

const ETHERNET: u16 = 1;

/// An ARP packet for IPv4 on Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply; others see IANA "ARP Parameters".
    pub operation: u16,
    /// The sender's hardware address.
    pub sender_mac: [u8; 6],
    /// The sender's IPv4 address.
    pub sender_ip: Ipv4Addr,
    /// The target's hardware address; not yet known in requests.
    pub target_mac: [u8; 6],
    /// The target's IPv4 address.
    pub target_ip: Ipv4Addr,
}

/// An ARP packet; of other hardware or protocols no more is said than that it is ARP.
pub(crate) fn parse(bytes: &[u8]) -> Result<Decoded<'_>, Malformed> {
    let (&[h0, h1, p0, p1, mac_len, ip_len, o0, o1], rest) =
        bytes.split_first_chunk::<8>().ok_or(Malformed::ArpTruncated)?;
    if u16::from_be_bytes([h0, h1]) != ETHERNET || u16::from_be_bytes([p0, p1]) != link::IPV4 {
        return Ok(Decoded::NonIp(link::ARP));
    }
    if mac_len != 6 {
        return Err(Malformed::ArpHardwareSize);
    }
    if ip_len != 4 {
        return Err(Malformed::ArpProtocolSize);
    }
    let body: &[u8; 20] = rest.first_chunk().ok_or(Malformed::ArpTruncated)?;
    let mac = |at: usize| core::array::from_fn(|i| body[at + i]);
    let ip = |at: usize| Ipv4Addr::new(body[at], body[at + 1], body[at + 2], body[at + 3]);
    Ok(Decoded::Arp(Arp {
        operation: u16::from_be_bytes([o0, o1]),
        sender_mac: mac(0),
        sender_ip: ip(6),
        target_mac: mac(10),
        target_ip: ip(16),
    }))
}
