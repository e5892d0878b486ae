//! Link layers: what lies before the IP header.

use crate::decode::{Malformed, Vlans};

/// How frames of a capture source begin (the LINKTYPE_ values of the pcap format).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet II / IEEE 802.3 (LINKTYPE 1).
    Ethernet,
    /// No link header: IPv4 or IPv6 by the first nibble (LINKTYPE 12, 14, 101, 228, 229).
    RawIp,
    /// Linux "any" device, version 1 (LINKTYPE 113).
    LinuxCooked,
    /// Linux "any" device, version 2 (LINKTYPE 276).
    LinuxCooked2,
    /// BSD loopback: four bytes of address family (LINKTYPE 0, 108).
    Null,
}

impl LinkType {
    /// From a pcap LINKTYPE_ number; `None` if this sensor does not decode it.
    #[must_use]
    pub fn from_pcap(number: i32) -> Option<Self> {
        Some(match number {
            1 => LinkType::Ethernet,
            12 | 14 | 101 | 228 | 229 => LinkType::RawIp,
            113 => LinkType::LinuxCooked,
            276 => LinkType::LinuxCooked2,
            0 | 108 => LinkType::Null,
            _ => return None,
        })
    }

    /// The LINKTYPE_ number that says the same in a capture file.
    #[must_use]
    pub fn to_pcap(self) -> u16 {
        match self {
            LinkType::Ethernet => 1,
            LinkType::RawIp => 101,
            LinkType::LinuxCooked => 113,
            LinkType::LinuxCooked2 => 276,
            LinkType::Null => 0,
        }
    }
}

const VLAN_TPIDS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
const LLC_SNAP: [u8; 6] = [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00];
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PPPOE_SESSION: u16 = 0x8864;
/// Protocols of PPP (RFC 1332, RFC 5072).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;
/// MPLS labels that are skipped before a frame counts as malformed.
pub const MAX_MPLS_LABELS: usize = 4;
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;

/// Strips the link header and VLAN tags: the EtherType that remains, the tags, the rest.
pub(crate) fn strip(link: LinkType, frame: &[u8]) -> Result<(u16, Vlans, &[u8]), Malformed> {
    match link {
        LinkType::Ethernet => {
            let (kind, rest) = split_type(frame, 12).ok_or(Malformed::EthernetTruncated)?;
            strip_vlans(kind, rest)
        }
        LinkType::LinuxCooked => {
            let (kind, rest) = split_type(frame, 14).ok_or(Malformed::LinkTruncated)?;
            strip_vlans(kind, rest)
        }
        LinkType::LinuxCooked2 => {
            // Protocol first; the rest of the header says which device and which way.
            let rest = frame.get(20..).ok_or(Malformed::LinkTruncated)?;
            strip_vlans(u16::from_be_bytes([frame[0], frame[1]]), rest)
        }
        LinkType::RawIp => Ok((by_nibble(frame)?, Vlans::default(), frame)),
        LinkType::Null => {
            let rest = frame.get(4..).ok_or(Malformed::LinkTruncated)?;
            Ok((by_nibble(rest)?, Vlans::default(), rest))
        }
    }
}

/// Makes a link header say that the other version of IP follows. Where the first nibble says it (raw IP, null, MPLS),
/// nothing needs be said.
pub(crate) fn set_kind(link: LinkType, kind: u16, header: &mut [u8]) {
    let at = match link {
        LinkType::RawIp | LinkType::Null => return,
        // With VLAN tags, the first of these types is the tag's.
        LinkType::LinuxCooked2 if header.len() == 20 => 0,
        _ => header.len().saturating_sub(2),
    };
    let Some(field) = header.get_mut(at..at + 2) else { return };
    let said = u16::from_be_bytes([field[0], field[1]]);
    let new = match (said, kind) {
        (IPV4 | IPV6, kind) => kind,
        (PPP_IPV4 | PPP_IPV6, IPV4) => PPP_IPV4,
        (PPP_IPV4 | PPP_IPV6, _) => PPP_IPV6,
        _ => return,
    };
    field.copy_from_slice(&new.to_be_bytes());
}

/// IPv4 or IPv6 by the first nibble, 0 if it is neither.
pub(crate) fn by_nibble(bytes: &[u8]) -> Result<u16, Malformed> {
    match bytes.first().map(|b| b >> 4) {
        Some(4) => Ok(IPV4),
        Some(6) => Ok(IPV6),
        Some(_) => Ok(0),
        None => Err(Malformed::LinkTruncated),
    }
}

fn split_type(bytes: &[u8], at: usize) -> Option<(u16, &[u8])> {
    let kind = bytes.get(at..at + 2)?;
    Some((u16::from_be_bytes([kind[0], kind[1]]), &bytes[at + 2..]))
}

fn strip_vlans(mut kind: u16, mut rest: &[u8]) -> Result<(u16, Vlans, &[u8]), Malformed> {
    let mut vlans = Vlans::default();
    while VLAN_TPIDS.contains(&kind) {
        let tci = rest.get(..2).ok_or(Malformed::VlanTruncated)?;
        if !vlans.push(u16::from_be_bytes([tci[0], tci[1]]) & 0x0fff) {
            return Err(Malformed::TooManyVlans);
        }
        (kind, rest) = split_type(rest, 2).ok_or(Malformed::VlanTruncated)?;
    }
    match kind {
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
fn strip_pppoe(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (kind, rest) = split_type(bytes, 6).ok_or(Malformed::PppoeTruncated)?;
    Ok(match kind {
        PPP_IPV4 => (IPV4, rest),
        PPP_IPV6 => (IPV6, rest),
        _ => (PPPOE_SESSION, rest),
    })
}

/// MPLS labels (RFC 3032) up to the bottom of the stack. What follows does not say what it is; IP is known by its
/// first nibble, anything else (a pseudowire) is left alone.
fn strip_mpls(mut rest: &[u8]) -> Result<(u16, &[u8]), Malformed> {
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
