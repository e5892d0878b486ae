//! SMB 2 and 3 (MS-SMB2 section 2.2).

use wire::Direction;

use super::names;
use super::state::{Bulk, Key, Read, State};
use super::transaction::{Create, FileId, Negotiate, Share, ShareKind, Smb, Status, Times, seconds};
use super::{MAX_NAME, security};
use crate::bytes::{self, le16, le32, le64, part};
use crate::parser::Sink;

/// Bytes of a header.
pub(super) const HEADER: usize = 64;
/// Messages read of one compound.
const MAX_COMPOUND: usize = 64;
/// Dialects read.
const MAX_DIALECTS: usize = 16;

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const TREE_CONNECT: u16 = 3;
const CREATE: u16 = 5;
const CLOSE: u16 = 6;
const READ: u16 = 8;
const WRITE: u16 = 9;
const IOCTL: u16 = 11;
const CANCEL: u16 = 12;
const GET_INFO: u16 = 16;
const SET_INFO: u16 = 17;

const FLAG_RESPONSE: u32 = 1;
const FLAG_ASYNC: u32 = 2;
const FLAG_RELATED: u32 = 4;

const STATUS_PENDING: u32 = 0x0000_0103;
const STATUS_BUFFER_OVERFLOW: u32 = 0x8000_0005;
const DELETE_ON_CLOSE: u32 = 0x0000_1000;
/// Information classes of SET_INFO (MS-FSCC section 2.4).
const RENAME: u8 = 10;
const DISPOSITION: u8 = 13;
const DISPOSITION_EX: u8 = 64;
/// FSCTL_PIPE_TRANSCEIVE.
const PIPE_TRANSCEIVE: u32 = 0x0011_c017;

#[derive(Clone, Copy, Debug)]
struct Header {
    command: u16,
    status: u32,
    flags: u32,
    next: usize,
    message: u64,
    tree: u32,
    session: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(b"\xfeSMB") || bytes.len() < HEADER {
            return None;
        }
        let flags = le32(bytes, 16)?;
        // An asynchronous message has an identifier of its own in the tree's place.
        let tree = if flags & FLAG_ASYNC == 0 { le32(bytes, 36)? } else { 0 };
        Some(Header {
            command: le16(bytes, 12)?,
            status: le32(bytes, 8)?,
            flags,
            next: le32(bytes, 20)? as usize,
            message: le64(bytes, 24)?,
            tree,
            session: le64(bytes, 40)?,
        })
    }

    fn key(&self) -> Key {
        Key { version: 2, command: self.command as u8, message: self.message }
    }

    fn smb(&self) -> Smb {
        let (tree_id, session_id) = (self.tree, self.session);
        Smb { version: 2, command: self.command as u8, tree_id, session_id, ..Smb::default() }
    }

    fn is_response(&self) -> bool {
        self.flags & FLAG_RESPONSE != 0
    }
}

/// Whether the message that begins so carries contents of a file that need not be held together.
pub(super) fn is_bulk(state: &mut State, bytes: &[u8]) -> bool {
    let Some(header) = Header::parse(bytes).filter(|h| h.next == 0 && bytes.len() >= HEADER + 48) else {
        return false;
    };
    let (id, at) = match (header.command, header.is_response()) {
        (WRITE, false) => (file_id(bytes, HEADER + 16), le16(bytes, HEADER + 2).map(usize::from)),
        (READ, true) => (
            state.peek_read(header.key()).map(|read| read.id),
            bytes.get(HEADER + 2).copied().map(usize::from),
        ),
        _ => return false,
    };
    let (Some(id), Some(at)) = (id, at.filter(|&at| at <= bytes.len())) else { return false };
    let call = header.command == WRITE && super::is_call(bytes, at);
    !state.is_pipe(id, header.tree) && (!call || state.files.name(id).is_some())
}

/// Reads the messages of a frame. If the last is cut short in the contents of a file, says what is to come.
pub(super) fn messages(state: &mut State, mut bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
    state.related = None;
    for _ in 0..MAX_COMPOUND {
        let header = Header::parse(bytes)?;
        let whole = header.next < HEADER || header.next > bytes.len();
        let end = if whole { bytes.len() } else { header.next };
        if header.flags & FLAG_RELATED == 0 {
            state.related = None;
        }
        let bulk = if header.is_response() {
            response(state, &header, &bytes[..end], sink)
        } else {
            request(state, &header, &bytes[..end], sink)
        };
        if whole {
            return bulk;
        }
        bytes = &bytes[end..];
    }
    None
}

/// The identifier of a file; in a compound, of the file that the message before was about.
fn file_id(bytes: &[u8], at: usize) -> Option<FileId> {
    Some(FileId::Two(*bytes.get(at..)?.first_chunk()?))
}

fn resolved(state: &State, id: FileId) -> FileId {
    if id == FileId::RELATED { state.related.unwrap_or(id) } else { id }
}

fn text(bytes: &[u8], offset: Option<u16>, length: Option<u16>) -> Option<String> {
    let raw = part(bytes, usize::from(offset?), usize::from(length?))?;
    Some(bytes::text(raw, true, MAX_NAME))
}

fn request(state: &mut State, header: &Header, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
    let key = header.key();
    let mut smb = header.smb();
    let body = HEADER;
    match header.command {
        NEGOTIATE => {
            let count = usize::from(le16(bytes, body + 2).unwrap_or(0)).min(MAX_DIALECTS);
            let dialects = (0..count).map_while(|n| le16(bytes, body + 36 + 2 * n)).map(names::dialect2);
            let client_guid = bytes.get(body + 12..).and_then(<[u8]>::first_chunk).copied();
            smb.negotiate =
                Some(Negotiate { dialects: dialects.collect(), client_guid, ..Negotiate::default() });
        }
        SESSION_SETUP => {
            let (at, len) = (le16(bytes, body + 12)?, le16(bytes, body + 14)?);
            security(part(bytes, at.into(), len.into()).unwrap_or_default(), &mut smb);
        }
        TREE_CONNECT => {
            let name = text(bytes, le16(bytes, body + 4), le16(bytes, body + 6)).unwrap_or_default();
            smb.share = Some(Share { name, kind: ShareKind::Unknown, service: None });
        }
        CREATE => {
            smb.filename =
                Some(text(bytes, le16(bytes, body + 44), le16(bytes, body + 46)).unwrap_or_default());
            smb.create = Some(Create {
                disposition: le32(bytes, body + 36)?,
                delete_on_close: le32(bytes, body + 40)? & DELETE_ON_CLOSE != 0,
                ..Create::default()
            });
        }
        CLOSE => {
            if let Some(id) = file_id(bytes, body + 8).filter(|&id| id != FileId::RELATED) {
                state.close_file(id, sink);
            } else {
                smb.file_id = Some(FileId::RELATED);
            }
        }
        READ => {
            let (id, offset) = (file_id(bytes, body + 16)?, le64(bytes, body + 8)?);
            state.reading(Read { key, id, offset });
            return None;
        }
        WRITE => return write(state, header, bytes, sink),
        IOCTL => {
            let id = file_id(bytes, body + 8)?;
            smb.function = le32(bytes, body + 4);
            let data = part(bytes, le32(bytes, body + 24)? as usize, le32(bytes, body + 28)? as usize);
            if smb.function == Some(PIPE_TRANSCEIVE)
                && state.piped(id, key, data.unwrap_or_default(), &smb, sink)
            {
                state.reading(Read { key, id, offset: 0 });
                return None;
            }
        }
        SET_INFO => return set_info(state, header, bytes, sink),
        GET_INFO => return None,
        CANCEL => {
            state.alone(smb, sink);
            return None;
        }
        _ => {}
    }
    state.wait(key, smb, sink);
    None
}

fn write(state: &mut State, header: &Header, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
    let body = HEADER;
    let (at, length) = (usize::from(le16(bytes, body + 2)?), le32(bytes, body + 4)? as usize);
    let (offset, id) = (le64(bytes, body + 8)?, file_id(bytes, body + 16)?);
    let data = bytes.get(at..).unwrap_or_default();
    let smb = header.smb();
    let whole = &data[..data.len().min(length)];
    let call = super::is_call(bytes, at) && state.files.name(id).is_none();
    if (call || state.is_pipe(id, header.tree)) && state.piped(id, header.key(), whole, &smb, sink) {
        return None;
    }
    // A compound that opens a file and writes to it: which, only the answer says.
    if id == FileId::RELATED || state.is_pipe(id, header.tree) {
        return None;
    }
    state.contents(id, Direction::ToServer, offset, data, length, smb, sink)
}

/// A file is renamed or marked for deletion; nothing else is told of.
fn set_info(state: &mut State, header: &Header, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
    let body = HEADER;
    let (kind, class) = (*bytes.get(body + 2)?, *bytes.get(body + 3)?);
    let (length, at) = (le32(bytes, body + 4)? as usize, usize::from(le16(bytes, body + 8)?));
    let id = resolved(state, file_id(bytes, body + 16)?);
    let info = part(bytes, at, length)?;
    let mut smb = Smb { file_id: Some(id), ..header.smb() };
    match (kind, class) {
        (1, RENAME) => {
            let name = bytes::text(part(info, 20, le32(info, 16)? as usize)?, true, MAX_NAME);
            smb.rename = Some((state.files.name(id).unwrap_or_default().to_owned(), name));
        }
        (1, DISPOSITION | DISPOSITION_EX) => {
            smb.delete = info.first()? & 1 != 0;
            smb.filename = Some(state.files.name(id).unwrap_or_default().to_owned());
        }
        _ => return None,
    }
    state.wait(header.key(), smb, sink);
    None
}

fn response(state: &mut State, header: &Header, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
    let key = header.key();
    let status = Status::Nt(header.status);
    let body = HEADER;
    match header.command {
        READ => {
            let read = state.read(key)?;
            let id = resolved(state, read.id);
            let (at, length) = (usize::from(*bytes.get(body + 2)?), le32(bytes, body + 4)? as usize);
            let told = status.is_success() || header.status == STATUS_BUFFER_OVERFLOW;
            if !told || id == FileId::RELATED {
                return None;
            }
            let data = bytes.get(at..).unwrap_or_default();
            if state.is_pipe(id, header.tree) {
                state.pipes.read(id, &data[..data.len().min(length)], sink);
                return None;
            }
            return state.contents(id, Direction::ToClient, read.offset, data, length, header.smb(), sink);
        }
        WRITE => {
            state.pipe_answered(key, status, status.is_success() || header.status == STATUS_PENDING, sink);
            return None;
        }
        IOCTL if header.status != STATUS_PENDING && state.peek_read(key).is_some() => {
            let id = state.read(key)?.id;
            let more = status.is_success() || header.status == STATUS_BUFFER_OVERFLOW;
            state.pipe_answered(key, status, more, sink);
            let data = part(bytes, le32(bytes, body + 32)? as usize, le32(bytes, body + 36)? as usize)?;
            state.pipes.read(id, data, sink);
            return None;
        }
        NEGOTIATE => return negotiated(state, header, bytes, sink),
        _ => {}
    }
    if header.status == STATUS_PENDING {
        state.pending(key)?.status = Some(status);
        return None;
    }
    let mut smb = state.answered(key)?;
    smb.status = Some(status);
    if smb.session_id == 0 {
        smb.session_id = header.session;
    }
    match header.command {
        TREE_CONNECT => {
            smb.tree_id = header.tree;
            if let Some(share) = smb.share.as_mut().filter(|_| status.is_success()) {
                share.kind = match bytes.get(body + 2) {
                    Some(1) => ShareKind::Disk,
                    Some(2) => ShareKind::Pipe,
                    Some(3) => ShareKind::Printer,
                    _ => ShareKind::Unknown,
                };
                state.trees.connected(header.tree, share.clone());
            }
        }
        CREATE if status.is_success() => created(state, &mut smb, header, bytes, sink),
        CLOSE if smb.file_id == Some(FileId::RELATED) => {
            if let Some(id) = state.related {
                state.close_file(id, sink);
            }
            smb.file_id = None;
        }
        _ => {}
    }
    state.log(smb, sink);
    None
}

fn created(state: &mut State, smb: &mut Smb, header: &Header, bytes: &[u8], sink: &mut dyn Sink) {
    let body = HEADER;
    let Some(id) = file_id(bytes, body + 64) else { return };
    let time = |at: usize| le64(bytes, body + at).map_or(0, seconds);
    let size = le64(bytes, body + 48).unwrap_or(0);
    if let Some(create) = &mut smb.create {
        create.times = Times { created: time(8), accessed: time(16), modified: time(24), changed: time(32) };
        create.size = size;
    }
    smb.file_id = Some(id);
    state.related = Some(id);
    let pipe = state.trees.get(header.tree).is_some_and(|share| share.kind == ShareKind::Pipe);
    if !pipe {
        state.files.opened(id, smb.filename.clone().unwrap_or_default(), Some(size), sink);
    }
}

/// The server chose a dialect, of those offered in SMB2 or in SMB1.
fn negotiated(state: &mut State, header: &Header, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
    let body = HEADER;
    let mut smb = match state.answered(header.key()) {
        Some(smb) => smb,
        None => state.answered_any(1, super::smb1::NEGOTIATE)?,
    };
    smb.status = Some(Status::Nt(header.status));
    if header.status == 0 {
        if let Some(dialect) = le16(bytes, body + 4) {
            state.dialect = names::dialect2(dialect);
        }
        let negotiate = smb.negotiate.get_or_insert_default();
        negotiate.server_guid = bytes.get(body + 8..).and_then(<[u8]>::first_chunk).copied();
        negotiate.max_read_write = le32(bytes, body + 32).zip(le32(bytes, body + 36));
    }
    state.log(smb, sink);
    None
}
