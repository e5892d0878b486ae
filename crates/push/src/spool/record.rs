//! Records of a segment: length (u32) and CRC-32 (u32) of what follows; time (u64), length of the id (u16), id, body.
//! Numbers are little-endian.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Length and checksum.
const HEAD: u64 = 8;
/// Time and length of the id.
const FIXED: usize = 10;
/// Bytes of an id at most.
const MAX_ID: usize = 64;
/// Bytes of a record's payload at most: what claims to be more is damaged.
const MAX_PAYLOAD: usize = 1 << 20;

/// What is kept of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it was put in, in nanoseconds since 1970.
    pub(crate) time_ns: u64,
    pub(crate) id: String,
    pub(crate) body: String,
}

pub(super) fn encode(entry: &Entry) -> io::Result<Vec<u8>> {
    let len = FIXED + entry.id.len() + entry.body.len();
    if entry.id.len() > MAX_ID || len > MAX_PAYLOAD {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "event too large for the queue"));
    }
    let mut out = Vec::with_capacity(HEAD as usize + len);
    out.extend((len as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(entry.time_ns.to_le_bytes());
    out.extend((entry.id.len() as u16).to_le_bytes());
    out.extend(entry.id.as_bytes());
    out.extend(entry.body.as_bytes());
    let sum = crc32fast::hash(&out[HEAD as usize..]);
    out[4..8].copy_from_slice(&sum.to_le_bytes());
    Ok(out)
}

/// The whole and undamaged record that begins there and ends before `end`, and its length.
pub(super) fn read_at(file: &File, offset: u64, end: u64) -> Option<(Entry, u64)> {
    let mut head = [0; HEAD as usize];
    file.read_exact_at(&mut head, offset).ok()?;
    let (len, sum) = (u32_at(&head, 0)?, u32_at(&head, 4)?);
    let len = len as usize;
    let room = end.checked_sub(offset)?.checked_sub(HEAD)?;
    if !(FIXED..=MAX_PAYLOAD).contains(&len) || len as u64 > room {
        return None;
    }
    let mut payload = vec![0; len];
    file.read_exact_at(&mut payload, offset + HEAD).ok()?;
    if crc32fast::hash(&payload) != sum {
        return None;
    }
    Some((decode(&payload)?, HEAD + len as u64))
}

fn decode(payload: &[u8]) -> Option<Entry> {
    let (time, rest) = payload.split_first_chunk::<8>()?;
    let (id_len, rest) = rest.split_first_chunk::<2>()?;
    let (id, body) = rest.split_at_checked(u16::from_le_bytes(*id_len).into())?;
    Some(Entry {
        time_ns: u64::from_le_bytes(*time),
        id: String::from_utf8(id.to_vec()).ok()?,
        body: String::from_utf8(body.to_vec()).ok()?,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
