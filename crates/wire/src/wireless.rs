//! IEEE 802.11 data frames, unencrypted ones only, and what capture programs put before them (radiotap, PPI).

use crate::decode::Vlans;
use crate::link::{self, LLC_SNAP, LinkType, Stripped};
use crate::malformed::Malformed;

/// The EtherType that stands for management, control and encrypted frames: none.
const NO_TYPE: u16 = 0;
const DATA: u8 = 2;
const RADIOTAP_FLAGS: u32 = 1 << 1;
const RADIOTAP_TIMESTAMP: u32 = 1;
const RADIOTAP_MORE: u32 = 1 << 31;
const FLAG_PADDED: u8 = 0x20;
/// Words of presence bits in a radiotap header that are walked.
const MAX_PRESENCE_WORDS: usize = 16;

/// A radiotap header (radiotap.org), then the frame. Its length comes in the third and fourth byte.
pub(crate) fn radiotap(bytes: &[u8]) -> Stripped<'_> {
    let cut = Malformed::RadiotapTruncated;
    let head: &[u8; 8] = bytes.first_chunk().ok_or(cut)?;
    let len = usize::from(u16::from_le_bytes([head[2], head[3]])).max(8);
    let frame = bytes.get(len..).ok_or(cut)?;
    ieee80211(frame, is_padded(&bytes[..len]))
}

/// Whether the header was padded to four bytes before the payload: a flag in the second field.
fn is_padded(radiotap: &[u8]) -> bool {
    let word = |n: usize| {
        let at = 4 + n * 4;
        radiotap.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let Some(present) = word(0).filter(|present| present & RADIOTAP_FLAGS != 0) else { return false };
    let more = |n: &usize| word(*n).is_some_and(|bits| bits & RADIOTAP_MORE != 0);
    let words = (0..MAX_PRESENCE_WORDS).take_while(more).count() + 1;
    let mut at = 4 + words * 4;
    if present & RADIOTAP_TIMESTAMP != 0 {
        at = at.next_multiple_of(8) + 8;
    }
    radiotap.get(at).is_some_and(|flags| flags & FLAG_PADDED != 0)
}

/// Per-packet information (CACE PPI): length in the third and fourth byte, then the link type of what follows.
pub(crate) fn ppi(bytes: &[u8]) -> Result<(u16, Vlans, &[u8]), Malformed> {
    let cut = Malformed::RadiotapTruncated;
    let head: &[u8; 8] = bytes.first_chunk().ok_or(cut)?;
    let len = usize::from(u16::from_le_bytes([head[2], head[3]])).max(8);
    let frame = bytes.get(len..).ok_or(cut)?;
    match LinkType::from_pcap(i32::from_le_bytes([head[4], head[5], head[6], head[7]])) {
        // A header in a header in a header is nobody's capture.
        None | Some(LinkType::Ppi) => Ok((NO_TYPE, Vlans::default(), frame)),
        Some(inner) => link::strip(inner, frame),
    }
}

/// A frame of 802.11. `padded`: the header is filled up to a multiple of four.
pub(crate) fn ieee80211(bytes: &[u8], padded: bool) -> Stripped<'_> {
    let cut = Malformed::WirelessTruncated;
    let &[control, flags, ..] = bytes else { return Err(cut) };
    let (kind, subtype) = (control >> 2 & 3, control >> 4);
    let encrypted = flags & 0x40 != 0;
    let without_data = subtype & 4 != 0;
    if control & 3 != 0 || kind != DATA || encrypted || without_data {
        return Ok((NO_TYPE, bytes));
    }
    let four_addresses = flags & 3 == 3;
    let mut len = if four_addresses { 30 } else { 24 };
    let quality_of_service = subtype & 8 != 0;
    let mut aggregated = false;
    if quality_of_service {
        aggregated = bytes.get(len).ok_or(cut)? & 0x80 != 0;
        // High throughput control follows if the frame says so.
        len += if flags & 0x80 != 0 { 6 } else { 2 };
    }
    if padded {
        len = len.next_multiple_of(4);
    }
    let body = bytes.get(len..).ok_or(cut)?;
    // A later fragment, or several frames in one, does not begin with a header of its own.
    let fragment = bytes.get(22).is_some_and(|sequence| sequence & 0x0f != 0);
    if aggregated || fragment || !body.starts_with(&LLC_SNAP) {
        return Ok((NO_TYPE, body));
    }
    link::split_type(body, 6).ok_or(cut)
}
