//! Serial lines: PPP (RFC 1661, RFC 1662), Cisco HDLC, Frame Relay (RFC 2427), SLIP (RFC 1055).

use crate::link::{self, IPV4, IPV6, by_nibble};
use crate::malformed::Malformed;

/// An EtherType and what follows it.
type Stripped<'a> = Result<(u16, &'a [u8]), Malformed>;

const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
const PPP_MPLS: [u16; 2] = [0x0281, 0x0283];
/// HDLC's all-stations address and "unnumbered information" in front of PPP.
const PPP_FRAMING: [u8; 2] = [0xff, 0x03];
/// Addresses in Cisco's HDLC: unicast, broadcast.
const CISCO_ADDRESSES: [u8; 2] = [0x0f, 0x8f];
const UNNUMBERED_INFORMATION: u8 = 0x03;
/// Network layer protocol identifiers (ISO 9577).
const NLPID_IPV4: u8 = 0xcc;
const NLPID_IPV6: u8 = 0x8e;
/// SNAP with an organization code that says "EtherType".
const NLPID_SNAP_ETHERTYPE: [u8; 4] = [0x80, 0, 0, 0];
/// Direction, then the beginning of the first packet header in place of compression.
const SLIP_HEADER: usize = 16;

/// A PPP frame, with or without address and control field and with a protocol field of one or two bytes. Other
/// protocols than IP (link control ...) have the EtherType of a PPPoE session.
pub(crate) fn ppp(bytes: &[u8]) -> Stripped<'_> {
    let cut = Malformed::PppTruncated;
    let rest = bytes.strip_prefix(&PPP_FRAMING).unwrap_or(bytes);
    let (protocol, rest) = match *rest {
        // The second byte of the protocol is odd, the first is even: an odd first one stands alone.
        [low, ref rest @ ..] if low & 1 != 0 => (u16::from(low), rest),
        [high, low, ref rest @ ..] => (u16::from_be_bytes([high, low]), rest),
        _ => return Err(cut),
    };
    if PPP_MPLS.contains(&protocol) {
        return link::strip_mpls(rest);
    }
    Ok((ethertype_of(protocol), rest))
}

/// The EtherType that says the same as a protocol of PPP (RFC 1332, RFC 5072).
pub(crate) fn ethertype_of(protocol: u16) -> u16 {
    match protocol {
        PPP_IPV4 => IPV4,
        PPP_IPV6 => IPV6,
        _ => link::PPPOE_SESSION,
    }
}

/// PPP on a serial line: Cisco's HDLC may run there as well and has an address of its own.
pub(crate) fn ppp_or_cisco(bytes: &[u8]) -> Stripped<'_> {
    match bytes.first() {
        Some(address) if CISCO_ADDRESSES.contains(address) => cisco_hdlc(bytes),
        _ => ppp(bytes),
    }
}

/// Cisco HDLC: address, control, EtherType.
pub(crate) fn cisco_hdlc(bytes: &[u8]) -> Stripped<'_> {
    link::split_type(bytes, 2).ok_or(Malformed::HdlcTruncated)
}

/// Frame Relay: an address of two to four bytes, control, protocol identifier.
pub(crate) fn frame_relay(bytes: &[u8]) -> Stripped<'_> {
    let cut = Malformed::FrameRelayTruncated;
    // The last byte of the address has its lowest bit set.
    let last = bytes.iter().take(4).position(|byte| byte & 1 != 0).ok_or(cut)?;
    let rest = &bytes[last + 1..];
    // Cisco's own encapsulation has an EtherType there.
    if rest.first().is_some_and(|&control| control != UNNUMBERED_INFORMATION) {
        return link::split_type(rest, 0).ok_or(cut);
    }
    let mut rest = rest.get(1..).ok_or(cut)?;
    if let [0, after @ ..] = rest {
        rest = after; // padding that aligns what follows
    }
    match *rest {
        [NLPID_IPV4, ref ip @ ..] => Ok((IPV4, ip)),
        [NLPID_IPV6, ref ip @ ..] => Ok((IPV6, ip)),
        [] => Err(cut),
        _ if rest.starts_with(&NLPID_SNAP_ETHERTYPE) => link::split_type(rest, 4).ok_or(cut),
        _ => Ok((0, rest)),
    }
}

/// SLIP as libpcap writes it: headers that were compressed are whole again.
pub(crate) fn slip(bytes: &[u8]) -> Stripped<'_> {
    let rest = bytes.get(SLIP_HEADER..).ok_or(Malformed::SlipTruncated)?;
    Ok((by_nibble(rest).ok_or(Malformed::SlipTruncated)?, rest))
}
