//! What encapsulated messages carry: identities, services, CIP.

use super::{Cip, EnipIdentity, EnipService};
use crate::cursor::Cursor;

/// Segments of a path that are kept.
const MAX_SEGMENTS: usize = 16;
/// Bytes of a service's name (CIP volume 2, 2-4.6).
const SERVICE_NAME: usize = 16;

/// A service that a device has (CIP volume 2, 2-4.6).
pub(super) fn service(mut at: Cursor<'_>) -> Option<EnipService> {
    at.u16_le()?;
    at.u16_le().filter(|kind| *kind == 0x100)?;
    at.u16_le()?;
    let (protocol_version, capabilities) = (at.u16_le()?, at.u16_le()?);
    let name = at.take(at.0.len().min(SERVICE_NAME))?.split(|&byte| byte == 0).next().unwrap_or_default();
    Some(EnipService { protocol_version, capabilities, name: String::from_utf8_lossy(name).into_owned() })
}

/// What a device says of itself (CIP volume 2, 2-4.2).
pub(super) fn identity(mut at: Cursor<'_>) -> Option<EnipIdentity> {
    at.u16_le()?;
    at.u16_le().filter(|kind| *kind == 0x0c)?;
    // Its length; behind the version a socket address.
    at.take(2)?;
    let protocol_version = at.u16_le()?;
    at.take(16)?;
    let (vendor, device_type, product_code) = (at.u16_le()?, at.u16_le()?, at.u16_le()?);
    let (revision, status, serial) = ((at.u8()?, at.u8()?), at.u16_le()?, at.u32_le()?);
    let name = String::from_utf8_lossy(at.prefixed8()?).into_owned();
    let state = at.u8()?;
    Some(EnipIdentity {
        protocol_version,
        vendor,
        device_type,
        product_code,
        revision,
        status,
        serial,
        name,
        state,
    })
}

/// A CIP request or response.
pub(super) fn cip(mut at: Cursor<'_>) -> Option<Cip> {
    let service = at.u8()?;
    if service & 0x80 != 0 {
        at.u8()?;
        let status = at.u8();
        let extended_status = at.u8().filter(|&words| words > 0).and_then(|_| at.u16_le());
        return Some(Cip { service: service & 0x7f, path: Vec::new(), status, extended_status });
    }
    let words = at.u8()?;
    let mut path = Cursor(at.take(2 * usize::from(words))?);
    let mut out = Cip { service, ..Cip::default() };
    while let Some(kind) = path.u8().filter(|_| out.path.len() < MAX_SEGMENTS) {
        // A logical segment: what kind of number, and how wide.
        let name = match kind & 0xfc {
            0x20 => "class_id",
            0x24 => "instance_id",
            0x28 => "member_id",
            0x2c => "connection_point",
            0x30 => "attribute_id",
            _ => break,
        };
        let value = match kind & 3 {
            0 => path.u8().map(u32::from),
            1 => path.u8().and_then(|_| path.u16_le()).map(u32::from),
            2 => path.u8().and_then(|_| path.u32_le()),
            _ => None,
        };
        let Some(value) = value else { break };
        out.path.push((name, value));
    }
    Some(out)
}
