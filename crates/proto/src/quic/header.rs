//! Packet headers: RFC 8999, RFC 9000, RFC 9369, drafts, and those of Google's QUIC before.

use crate::cursor::Cursor;

/// QUIC, RFC 9000.
pub(super) const V1: u32 = 1;
/// QUIC version 2, RFC 9369.
pub(super) const V2: u32 = 0x6b33_43cf;
/// The longest connection identifier of any version that is parsed.
const MAX_CID: usize = 20;

/// A packet's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
    VersionNegotiation,
    /// Google's QUIC, whose first packets are in the clear.
    Google,
}

/// A packet with a long header, or the rest of a datagram that cannot be taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub version: u32,
    pub kind: Kind,
    /// Destination connection identifier.
    pub dcid: &'a [u8],
    /// Source connection identifier; empty in Google's versions.
    pub scid: &'a [u8],
    /// Its bytes from the first one on.
    pub bytes: &'a [u8],
    /// How many bytes of it come before the packet number, or before the payload where that is not protected.
    pub head: usize,
}

/// A number of variable length (RFC 9000 16).
pub(super) fn varint(at: &mut Cursor<'_>) -> Option<u64> {
    let first = at.u8()?;
    let mut value = u64::from(first & 0x3f);
    for &byte in at.take((1 << (first >> 6)) - 1)? {
        value = value << 8 | u64::from(byte);
    }
    Some(value)
}

/// Whether this is the number of a version of Google's own, "Q043" or "T051".
fn is_google(version: u32) -> bool {
    let [letter, a, b, c] = version.to_be_bytes();
    matches!(letter, b'Q' | b'T') && a == b'0' && b.is_ascii_digit() && c.is_ascii_digit()
}

/// Q046 and before are not encrypted, and have headers of their own.
fn in_clear(version: u32) -> bool {
    is_google(version) && version.to_be_bytes()[0] == b'Q' && version < u32::from_be_bytes(*b"Q050")
}

/// Whether a version is one that is in use: its number tells QUIC from other protocols.
pub(super) fn is_known(version: u32) -> bool {
    match version {
        V1 | V2 => true,
        // Drafts; Facebook's; those reserved to keep negotiation alive (RFC 9000 15).
        0xff00_0001..=0xff00_0022 | 0xface_b000..=0xface_b013 => true,
        _ => version & 0x0f0f_0f0f == 0x0a0a_0a0a || is_google(version),
    }
}

/// The first packet in these bytes if it has a long header, and the bytes behind it.
pub(super) fn long_header(bytes: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let mut at = Cursor(bytes);
    let first = at.u8()?;
    if first & 0x80 == 0 {
        return google_public(bytes);
    }
    let version = at.u32()?;
    if in_clear(version) {
        return google_long(bytes, version);
    }
    // Drafts up to the 21st had both lengths in one byte.
    let (dcid, scid) = if matches!(version, 0xff00_0001..=0xff00_0015) {
        let lengths = at.u8()?;
        let len = |nibble: u8| if nibble == 0 { 0 } else { usize::from(nibble) + 3 };
        (at.take(len(lengths >> 4))?, at.take(len(lengths & 0x0f))?)
    } else {
        (at.prefixed8()?, at.prefixed8()?)
    };
    if version != 0 && (dcid.len() > MAX_CID || scid.len() > MAX_CID) {
        return None;
    }
    let kind = match (version, (first >> 4 & 3, version == V2)) {
        (0, _) => Kind::VersionNegotiation,
        (_, (0, false) | (1, true)) => Kind::Initial,
        (_, (1, false) | (2, true)) => Kind::ZeroRtt,
        (_, (2, false) | (3, true)) => Kind::Handshake,
        _ => Kind::Retry,
    };
    let whole = |head| Some((Packet { version, kind, dcid, scid, bytes, head }, &bytes[bytes.len()..]));
    if matches!(kind, Kind::VersionNegotiation | Kind::Retry) {
        return whole(bytes.len() - at.0.len());
    }
    if kind == Kind::Initial {
        let len = varint(&mut at)?;
        at.take(usize::try_from(len).ok()?)?;
    }
    let len = usize::try_from(varint(&mut at)?).ok()?;
    let head = bytes.len() - at.0.len();
    at.take(len)?;
    let (bytes, rest) = bytes.split_at(head + len);
    Some((Packet { version, kind, dcid, scid, bytes, head }, rest))
}

/// Q043 and before: flags, connection identifier, version, packet number, twelve bytes of hash.
fn google_public(bytes: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let mut at = Cursor(bytes);
    let flags = at.u8()?;
    // Version and connection identifier are there, no reset, no unknown flag.
    if flags & 0xcb != 0x09 {
        return None;
    }
    let dcid = at.take(8)?;
    let version = at.u32().filter(|&v| in_clear(v))?;
    at.take([1, 2, 4, 6][usize::from(flags >> 4 & 3)])?;
    at.take(12)?;
    let head = bytes.len() - at.0.len();
    Some((Packet { version, kind: Kind::Google, dcid, scid: &[], bytes, head }, &[]))
}

/// Q046: a long header with both lengths in one byte, a packet number in the clear, twelve bytes of hash.
fn google_long(bytes: &[u8], version: u32) -> Option<(Packet<'_>, &[u8])> {
    let mut at = Cursor(&bytes[5..]);
    let lengths = at.u8()?;
    let len = |nibble: u8| if nibble == 0 { 0 } else { usize::from(nibble) + 3 };
    let dcid = at.take(len(lengths >> 4))?;
    at.take(len(lengths & 0x0f))?;
    at.take(usize::from(bytes[0] & 3) + 1)?;
    at.take(12)?;
    let head = bytes.len() - at.0.len();
    Some((Packet { version, kind: Kind::Google, dcid, scid: &[], bytes, head }, &[]))
}

/// Whether a datagram's first bytes are a QUIC packet of a known version.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let Some((packet, _)) = long_header(bytes) else { return false };
    match packet.kind {
        // From the server: a list of whole versions, at least one of them known.
        Kind::VersionNegotiation => {
            let list = &packet.bytes[packet.head..];
            let known = |v: &[u8]| v.try_into().is_ok_and(|v| is_known(u32::from_be_bytes(v)));
            !list.is_empty() && list.len().is_multiple_of(4) && list.chunks_exact(4).any(known)
        }
        // A number is little to tell by where it is small or arbitrary: such a client must fill its datagram.
        _ if packet.version & 0x0f0f_0f0f == 0x0a0a_0a0a => bytes.len() >= 1200 && bytes[0] & 0x40 != 0,
        Kind::Google => true,
        _ => is_known(packet.version) && bytes[0] & 0x40 != 0 && packet.bytes.len() > packet.head + 4,
    }
}

/// A version as Suricata writes it.
pub(super) fn version_name(version: u32) -> String {
    let [_, a, b, c] = version.to_be_bytes();
    match version {
        V1 => "1".to_owned(),
        V2 => "v2".to_owned(),
        0x5130_3339 | 0x5130_3433 | 0x5130_3434 | 0x5130_3436 => {
            ['Q', char::from(a), char::from(b), char::from(c)].iter().collect()
        }
        other => format!("{other:x}"),
    }
}
