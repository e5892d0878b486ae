//! What NFS procedures say: version 2 (RFC 1094), 3 (RFC 1813), 4 (RFC 7530, RFC 8881).

use super::message::{RpcCall, opaque, text};
use crate::cursor::Cursor;

/// Operations of a compound that are looked at.
const MAX_OPERATIONS: usize = 64;
/// The longest file handle (RFC 7530).
const MAX_HANDLE: usize = 128;
const HANDLE_V2: usize = 32;
const ATTRIBUTES_V2: usize = 68;
const ATTRIBUTES_V3: usize = 84;

/// A piece of a file that was read or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NfsChunk {
    /// Whether it is the file's beginning.
    pub first: bool,
    /// Whether it is the file's end.
    pub last: bool,
}

/// An NFS call with its reply, if one came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nfs {
    /// The remote procedure call that carries it.
    pub call: RpcCall,
    /// The how manieth call on the flow, from 0.
    pub id: u64,
    /// The file's name within its folder; empty if the call has none and none was learned.
    pub name: String,
    /// The new name, where the procedure gives one.
    pub new_name: Option<String>,
    /// The handle that the call is about, as CRC-32 (as EVE writes handles).
    pub handle_hash: Option<u32>,
    /// The server's answer, 0 if all went well.
    pub status: Option<u32>,
    /// The piece that a READ brought.
    pub read: Option<NfsChunk>,
    /// The piece that a WRITE brought.
    pub write: Option<NfsChunk>,
    /// The main operation of a compound (version 4).
    pub operation: Option<u32>,
}

const V2: [&str; 18] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "ROOT",
    "LOOKUP",
    "READLINK",
    "READ",
    "WRITECACHE",
    "WRITE",
    "CREATE",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "MKDIR",
    "RMDIR",
    "READDIR",
    "STATFS",
];
const V3: [&str; 22] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYMLINK",
    "MKNOD",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHCONF",
    "COMMIT",
];
/// From operation 3 on.
const V4: [&str; 40] = [
    "ACCESS",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DELEGPURGE",
    "DELEGRETURN",
    "GETATTR",
    "GETFH",
    "LINK",
    "LOCK",
    "LOCKT",
    "LOCKU",
    "LOOKUP",
    "LOOKUPP",
    "NVERIFY",
    "OPEN",
    "OPENATTR",
    "OPEN_CONFIRM",
    "OPEN_DOWNGRADE",
    "PUTFH",
    "PUTPUBFH",
    "PUTROOTFH",
    "READ",
    "READDIR",
    "READLINK",
    "REMOVE",
    "RENAME",
    "RENEW",
    "RESTOREFH",
    "SAVEFH",
    "SECINFO",
    "SETATTR",
    "SETCLIENTID",
    "SETCLIENTID_CONFIRM",
    "VERIFY",
    "WRITE",
    "RELEASE_LOCKOWNER",
    "BACKCHANNEL_CTL",
    "BIND_CONN_TO_SESSION",
    "EXCHANGE_ID",
];

impl Nfs {
    /// The procedure, or a compound's main operation.
    #[must_use]
    pub fn procedure_name(&self) -> String {
        let number = self.operation.unwrap_or(self.call.procedure);
        let known = match (self.call.version, self.operation) {
            (2, _) => V2.get(number as usize),
            (3, _) => V3.get(number as usize),
            (_, Some(operation)) => (operation as usize).checked_sub(3).and_then(|n| V4.get(n)),
            (_, None) => ["NULL", "COMPOUND"].get(number as usize),
        };
        known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
    }

    /// The server's answer as EVE writes it.
    #[must_use]
    pub fn status_name(&self) -> Option<String> {
        let status = self.status?;
        Some(match status {
            0 => "OK".to_owned(),
            1 => "ERR_PERM".to_owned(),
            2 => "ERR_NOENT".to_owned(),
            5 => "ERR_IO".to_owned(),
            6 => "ERR_NXIO".to_owned(),
            13 => "ERR_ACCESS".to_owned(),
            17 => "ERR_EXIST".to_owned(),
            18 => "ERR_XDEV".to_owned(),
            19 => "ERR_NODEV".to_owned(),
            20 => "ERR_NOTDIR".to_owned(),
            21 => "ERR_ISDIR".to_owned(),
            22 => "ERR_INVAL".to_owned(),
            27 => "ERR_FBIG".to_owned(),
            28 => "ERR_NOSPC".to_owned(),
            30 => "ERR_ROFS".to_owned(),
            63 => "ERR_NAMETOOLONG".to_owned(),
            66 => "ERR_NOTEMPTY".to_owned(),
            69 => "ERR_DQUOT".to_owned(),
            70 => "ERR_STALE".to_owned(),
            other => other.to_string(),
        })
    }

    /// Whether it only asks for attributes or whether the server is there: heard with every other call, worth no event.
    #[must_use]
    pub fn is_routine(&self) -> bool {
        match self.call.version {
            2 | 3 => self.call.procedure <= 1,
            // A compound without an operation that names a file or moves its bytes.
            _ => self.call.procedure == 0 || self.operation.is_none_or(|op| op == 9 || op == 53),
        }
    }
}

/// Where a call's or a reply's file contents lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents<'a> {
    pub offset: u64,
    /// Those bytes that are at hand.
    pub bytes: &'a [u8],
    /// How many there are in all.
    pub len: u32,
    /// They end the file.
    pub eof: bool,
}

/// A call's arguments.
#[derive(Debug, Default)]
pub(crate) struct Arguments<'a> {
    pub handle: Option<&'a [u8]>,
    pub name: Option<String>,
    pub new_name: Option<String>,
    pub operation: Option<u32>,
    pub write: Option<Contents<'a>>,
    /// Where a READ begins.
    pub offset: u64,
    /// The client lets go of the file.
    pub closes: bool,
}

/// A reply's results.
#[derive(Debug, Default)]
pub(crate) struct Results<'a> {
    pub status: Option<u32>,
    /// The handle of what was looked up or made.
    pub handle: Option<&'a [u8]>,
    pub read: Option<Contents<'a>>,
}

fn handle<'a>(at: &mut Cursor<'a>, version: u32) -> Option<&'a [u8]> {
    let handle = if version == 2 { at.take(HANDLE_V2)? } else { opaque(at)? };
    (handle.len() <= MAX_HANDLE).then_some(handle)
}

/// An opaque field of which not all bytes need to be at hand.
fn contents<'a>(at: &mut Cursor<'a>, offset: u64, eof: bool) -> Option<Contents<'a>> {
    let len = at.u32()?;
    let here = at.0.len().min(len as usize);
    let bytes = at.take(here)?;
    at.take((len.wrapping_neg() as usize & 3).min(at.0.len()))?;
    Some(Contents { offset, bytes, len, eof })
}

/// What a call asks. Reads as far as the arguments make sense.
pub(crate) fn arguments<'a>(call: &RpcCall, at: Cursor<'a>) -> Arguments<'a> {
    let mut out = Arguments::default();
    let _ = match call.version {
        2 | 3 => fill(call, at, &mut out),
        4 if call.procedure == 1 => compound(at, &mut out),
        _ => None,
    };
    out
}

fn fill<'a>(call: &RpcCall, mut at: Cursor<'a>, out: &mut Arguments<'a>) -> Option<()> {
    let (at, version) = (&mut at, call.version);
    let named: &[u32] =
        if version == 2 { &[4, 9, 10, 11, 13, 14, 15] } else { &[3, 8, 9, 10, 11, 12, 13, 14] };
    let (rename, link) = if version == 2 { (11, 12) } else { (14, 15) };
    if call.procedure == 0 {
        return None;
    }
    out.handle = Some(handle(at, version)?);
    if named.contains(&call.procedure) {
        out.name = Some(text(at)?);
    }
    if call.procedure == rename || call.procedure == link {
        handle(at, version)?;
        out.new_name = Some(text(at)?);
    }
    match (version, call.procedure) {
        (2, 6) => out.offset = at.u32()?.into(),
        (3, 6) => out.offset = at.u64()?,
        (2, 8) => {
            at.u32()?;
            let offset = at.u32()?.into();
            at.u32()?;
            out.write = contents(at, offset, false);
        }
        (3, 7) => {
            let offset = at.u64()?;
            at.take(8)?;
            out.write = contents(at, offset, false);
        }
        (3, 21) => out.closes = true,
        _ => {}
    }
    Some(())
}

fn bitmap(at: &mut Cursor<'_>) -> Option<()> {
    let words = at.u32()? as usize;
    at.take(words.checked_mul(4)?).map(|_| ())
}

fn compound<'a>(mut at: Cursor<'a>, out: &mut Arguments<'a>) -> Option<()> {
    let at = &mut at;
    opaque(at)?;
    at.u32()?;
    let count = at.u32()? as usize;
    for _ in 0..count.min(MAX_OPERATIONS) {
        let operation = at.u32()?;
        // What says most about the call: the last operation that is no mere preparation.
        if !matches!(operation, 9 | 10 | 22 | 24 | 31 | 32 | 53) || out.operation.is_none() {
            out.operation = Some(operation);
        }
        match operation {
            3 => drop(at.u32()?),
            4 => {
                at.take(20)?;
                out.closes = true;
            }
            5 => drop(at.take(12)?),
            9 => bitmap(at)?,
            10 | 16 | 24 | 27 | 31 | 32 => {}
            15 | 28 => out.name = Some(text(at)?),
            18 => out.name = open(at)?,
            22 => out.handle = Some(handle(at, 4)?),
            25 => {
                at.take(16)?;
                out.offset = at.u64()?;
                at.u32()?;
            }
            26 => {
                at.take(24)?;
                bitmap(at)?;
            }
            29 => (out.name, out.new_name) = (Some(text(at)?), Some(text(at)?)),
            38 => {
                at.take(16)?;
                let offset = at.u64()?;
                at.u32()?;
                out.write = contents(at, offset, false);
                if out.write.is_some_and(|w| (w.bytes.len() as u64) < u64::from(w.len)) {
                    return None;
                }
            }
            53 => drop(at.take(32)?),
            _ => return None,
        }
    }
    Some(())
}

/// OPEN's arguments; the name if it opens by name.
fn open(at: &mut Cursor<'_>) -> Option<Option<String>> {
    at.take(20)?;
    opaque(at)?;
    if at.u32()? == 1 {
        let mode = at.u32()?;
        if mode >= 2 {
            at.take(8)?;
        }
        if mode != 2 {
            bitmap(at)?;
            opaque(at)?;
        }
    }
    match at.u32()? {
        0 => text(at).map(Some),
        _ => Some(None),
    }
}

/// What a reply says.
pub(crate) fn results<'a>(call: &RpcCall, offset: u64, at: Cursor<'a>) -> Results<'a> {
    let mut out = Results::default();
    let _ = match (call.version, call.procedure) {
        (_, 0) => None,
        (2, _) => results_v2(call, offset, at, &mut out),
        (3, _) => results_v3(call, offset, at, &mut out),
        (4, 1) => results_v4(offset, at, &mut out),
        _ => None,
    };
    out
}

fn results_v2<'a>(call: &RpcCall, offset: u64, mut at: Cursor<'a>, out: &mut Results<'a>) -> Option<()> {
    out.status = Some(at.u32()?);
    match (out.status, call.procedure) {
        (Some(0), 4 | 9 | 14) => out.handle = handle(&mut at, 2),
        (Some(0), 6) => {
            let mut attributes = Cursor(at.take(ATTRIBUTES_V2)?);
            attributes.take(20)?;
            let size = u64::from(attributes.u32()?);
            out.read = contents(&mut at, offset, false);
            if let Some(read) = &mut out.read {
                read.eof = offset + u64::from(read.len) >= size;
            }
        }
        _ => {}
    }
    Some(())
}

fn results_v3<'a>(call: &RpcCall, offset: u64, mut at: Cursor<'a>, out: &mut Results<'a>) -> Option<()> {
    out.status = Some(at.u32()?);
    match (out.status, call.procedure) {
        (Some(0), 3) => out.handle = handle(&mut at, 3),
        (Some(0), 8..=11) if at.u32()? == 1 => out.handle = handle(&mut at, 3),
        (Some(0), 6) => {
            if at.u32()? == 1 {
                at.take(ATTRIBUTES_V3)?;
            }
            at.u32()?;
            let eof = at.u32()? != 0;
            out.read = contents(&mut at, offset, eof);
        }
        _ => {}
    }
    Some(())
}

fn results_v4<'a>(offset: u64, mut at: Cursor<'a>, out: &mut Results<'a>) -> Option<()> {
    out.status = Some(at.u32()?);
    opaque(&mut at)?;
    let count = at.u32()? as usize;
    for _ in 0..count.min(MAX_OPERATIONS) {
        let (operation, status) = (at.u32()?, at.u32()?);
        match (operation, status) {
            (15 | 22 | 24 | 31 | 32, 0) => {}
            (10, 0) => out.handle = Some(handle(&mut at, 4)?),
            (53, 0) => drop(at.take(36)?),
            (25, 0) => {
                let eof = at.u32()? != 0;
                out.read = contents(&mut at, offset, eof);
                return Some(());
            }
            _ => return None,
        }
    }
    Some(())
}
