//! Link layers: what lies before the IP header.

use crate::decode::Vlans;
use crate::malformed::Malformed;
use crate::serial;
use crate::wireless;

macro_rules! link_types {
    ($($variant:ident = $number:literal $(| $alias:literal)*, $doc:literal;)*) => {
        /// How frames of a capture source begin (the LINKTYPE_ values of the pcap format).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum LinkType { $(#[doc = $doc] $variant,)* }

        impl LinkType {
            /// Every link type that is decoded.
            pub const ALL: &'static [LinkType] = &[$(LinkType::$variant,)*];

            /// From a pcap LINKTYPE_ number; `None` if this sensor does not decode it.
            #[must_use]
            pub fn from_pcap(number: i32) -> Option<Self> {
                Some(match number {
                    $($number $(| $alias)* => LinkType::$variant,)*
                    _ => return None,
                })
            }

            /// The LINKTYPE_ number that says the same in a capture file.
            #[must_use]
            pub fn to_pcap(self) -> u16 {
                match self { $(LinkType::$variant => $number,)* }
            }
        }
    };
}

link_types! {
    Ethernet = 1, "Ethernet II / IEEE 802.3.";
    RawIp = 101 | 12 | 14 | 228 | 229, "No link header: IPv4 or IPv6 by the first nibble.";
    LinuxCooked = 113, "Linux \"any\" device, version 1.";
    LinuxCooked2 = 276, "Linux \"any\" device, version 2.";
    Null = 0 | 108, "BSD loopback: four bytes of address family.";
    Slip = 8, "SLIP.";
    Ppp = 9, "PPP, with or without HDLC's address and control field.";
    Fddi = 10, "FDDI.";
    PppHdlc = 50, "PPP or Cisco HDLC on a serial line.";
    CiscoHdlc = 104, "Cisco HDLC.";
    Ieee80211 = 105, "IEEE 802.11.";
    FrameRelay = 107, "Frame Relay.";
    Radiotap = 127, "IEEE 802.11 behind a radiotap header.";
    Ppi = 192, "Another link type behind per-packet information.";
    Nflog = 239, "Packets that netfilter logged.";
}

const VLAN_TPIDS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
pub(crate) const LLC_SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00];
const MPLS: [u16; 2] = [0x8847, 0x8848];
pub(crate) const PPPOE_SESSION: u16 = 0x8864;
/// MPLS labels that are skipped before a frame counts as malformed.
pub const MAX_MPLS_LABELS: usize = 4;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;
/// Frame control, destination, source.
const FDDI_HEADER: usize = 13;
/// Attributes of a netfilter log record that are walked before the packet.
const MAX_NFLOG_ATTRIBUTES: usize = 32;
const NFLOG_PAYLOAD: u16 = 9;

/// An EtherType and what follows it.
pub(crate) type Stripped<'a> = Result<(u16, &'a [u8]), Malformed>;

/// Strips the link header and VLAN tags: the EtherType that remains, the tags, the rest.
#[inline]
pub(crate) fn strip(link: LinkType, frame: &[u8]) -> Result<(u16, Vlans, &[u8]), Malformed> {
    match link {
        LinkType::Ethernet => {
            let (kind, rest) = split_type(frame, 12).ok_or(Malformed::EthernetTruncated)?;
            strip_vlans(kind, rest)
        }
        other => strip_other(other, frame),
    }
}

/// What no live port has.
#[cold]
#[inline(never)]
fn strip_other(link: LinkType, frame: &[u8]) -> Result<(u16, Vlans, &[u8]), Malformed> {
    let (kind, rest) = match link {
        LinkType::Ethernet => return strip(link, frame),
        LinkType::LinuxCooked => {
            let (kind, rest) = split_type(frame, 14).ok_or(Malformed::CookedTruncated)?;
            return strip_vlans(kind, rest);
        }
        LinkType::LinuxCooked2 => {
            // Protocol first; the rest of the header says which device and which way.
            let rest = frame.get(20..).ok_or(Malformed::Cooked2Truncated)?;
            return strip_vlans(u16::from_be_bytes([frame[0], frame[1]]), rest);
        }
        LinkType::Ppi => return wireless::ppi(frame),
        LinkType::RawIp => match by_nibble(frame).ok_or(Malformed::RawEmpty)? {
            0 => return Err(Malformed::RawVersion),
            kind => (kind, frame),
        },
        LinkType::Null => {
            let rest = frame.get(4..).ok_or(Malformed::NullTruncated)?;
            (by_nibble(rest).unwrap_or(0), rest)
        }
        LinkType::Slip => serial::slip(frame)?,
        LinkType::Ppp => serial::ppp(frame)?,
        LinkType::PppHdlc => serial::ppp_or_cisco(frame)?,
        LinkType::CiscoHdlc => serial::cisco_hdlc(frame)?,
        LinkType::FrameRelay => serial::frame_relay(frame)?,
        LinkType::Ieee80211 => wireless::ieee80211(frame, false)?,
        LinkType::Radiotap => wireless::radiotap(frame)?,
        LinkType::Fddi => {
            let rest = frame.get(FDDI_HEADER..).ok_or(Malformed::FddiTruncated)?;
            if !rest.starts_with(&LLC_SNAP) {
                return Ok((0, Vlans::default(), rest));
            }
            split_type(rest, 6).ok_or(Malformed::FddiTruncated)?
        }
        LinkType::Nflog => nflog(frame)?,
    };
    match kind {
        kind if MPLS.contains(&kind) || VLAN_TPIDS.contains(&kind) => strip_vlans(kind, rest),
        kind => Ok((kind, Vlans::default(), rest)),
    }
}

/// A record of netfilter's log: family, version, resource, then attributes of length and type in host byte order
/// (little-endian machines only), padded to four bytes. One of them is the packet.
fn nflog(frame: &[u8]) -> Stripped<'_> {
    let cut = Malformed::NflogTruncated;
    let mut rest = frame.get(4..).ok_or(cut)?;
    for _ in 0..MAX_NFLOG_ATTRIBUTES {
        let &[a, b, c, d, ..] = rest else { return Err(cut) };
        let len = usize::from(u16::from_le_bytes([a, b]));
        let body = rest.get(4..len).ok_or(cut)?;
        if u16::from_le_bytes([c, d]) == NFLOG_PAYLOAD {
            return Ok((by_nibble(body).unwrap_or(0), body));
        }
        rest = rest.get(len.next_multiple_of(4)..).ok_or(cut)?;
    }
    Err(Malformed::TooManyNflogAttributes)
}

/// IPv4 or IPv6 by the first nibble, 0 if it is neither; `None` if there is no byte.
pub(crate) fn by_nibble(bytes: &[u8]) -> Option<u16> {
    bytes.first().map(|b| match b >> 4 {
        4 => IPV4,
        6 => IPV6,
        _ => 0,
    })
}

pub(crate) fn split_type(bytes: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let kind = bytes.get(at..at + 2)?;
    Some((u16::from_be_bytes([kind[0], kind[1]]), &bytes[at + 2..]))
}

#[inline(always)]
fn strip_vlans(mut kind: u16, mut rest: &[u8]) -> Result<(u16, Vlans, &[u8]), Malformed> {
    let mut vlans = Vlans::default();
    while VLAN_TPIDS.contains(&kind) {
        let tci = rest.get(..2).ok_or(Malformed::VlanTruncated)?;
        let id = u16::from_be_bytes([tci[0], tci[1]]) & 0x0fff;
        // Identifier 0 gives a priority and is no VLAN (IEEE 802.1Q 6.9): one side may have it and the other not.
        if id != 0 && !vlans.push(id) {
            return Err(Malformed::TooManyVlans);
        }
        (kind, rest) = split_type(rest, 2).ok_or(Malformed::VlanTruncated)?;
    }
    match kind {
        IPV4 | IPV6 => return Ok((kind, vlans, rest)),
        PPPOE_SESSION => (kind, rest) = strip_pppoe(rest)?,
        kind if MPLS.contains(&kind) => return strip_mpls(rest).map(|(kind, rest)| (kind, vlans, rest)),
        _ => {}
    }
    // IEEE 802.3 length instead of a type: IP may follow behind LLC/SNAP (RFC 1042).
    if kind < 0x0600 && rest.starts_with(&LLC_SNAP) {
        (kind, rest) = split_type(rest, 6).ok_or(Malformed::EthernetTruncated)?;
    }
    Ok((kind, vlans, rest))
}

/// A PPPoE session's header (RFC 2516) and the PPP protocol: the EtherType that says the same. Other protocols of PPP
/// (link control ...) are no IP: the session's own EtherType stands for them.
fn strip_pppoe(bytes: &[u8]) -> Stripped<'_> {
    // Always two bytes of protocol here, and no framing (RFC 2516 section 7); the XDP program relies on it, too.
    let (protocol, rest) = split_type(bytes, 6).ok_or(Malformed::PppoeTruncated)?;
    Ok((serial::ethertype_of(protocol), rest))
}

/// MPLS labels (RFC 3032) up to the bottom of the stack. What follows does not say what it is; IP is known by its
/// first nibble, anything else (a pseudowire) is left alone.
pub(crate) fn strip_mpls(mut rest: &[u8]) -> Stripped<'_> {
    for _ in 0..MAX_MPLS_LABELS {
        let (label, after) = rest.split_first_chunk::<4>().ok_or(Malformed::MplsTruncated)?;
        rest = after;
        if label[2] & 1 != 0 {
            let kind = by_nibble(rest).unwrap_or(0);
            return Ok((if kind == 0 { MPLS[0] } else { kind }, rest));
        }
    }
    Err(Malformed::TooManyLabels)
}
