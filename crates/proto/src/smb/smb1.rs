//! SMB 1 (MS-CIFS section 2.2, MS-SMB section 2.2).

use wire::Direction;

use super::state::{Bulk, Key, Read, State};
use super::transaction::{Create, FileId, Negotiate, Share, ShareKind, Smb, Status, Times, seconds};
use super::{MAX_NAME, security};
use crate::bytes::{self, le16, le32, le64, part};
use crate::parser::Sink;

/// Bytes of a header.
const HEADER: usize = 32;
/// Dialects read.
const MAX_DIALECTS: usize = 32;
/// Commands read of one chain.
const MAX_CHAINED: usize = 32;

pub(super) const NEGOTIATE: u8 = 0x72;
const CLOSE: u8 = 0x04;
const DELETE: u8 = 0x06;
const RENAME: u8 = 0x07;
const TRANS: u8 = 0x25;
const OPEN_ANDX: u8 = 0x2d;
const READ_ANDX: u8 = 0x2e;
const WRITE_ANDX: u8 = 0x2f;
const TRANS2: u8 = 0x32;
const SESSION_SETUP: u8 = 0x73;
const TREE_CONNECT: u8 = 0x75;
const NT_CREATE: u8 = 0xa2;
const NT_CANCEL: u8 = 0xa4;

const FLAG_RESPONSE: u8 = 0x80;
const FLAG2_NT_STATUS: u16 = 0x4000;
const FLAG2_UNICODE: u16 = 0x8000;
const DELETE_ON_CLOSE: u32 = 0x0000_1000;
const STATUS_BUFFER_OVERFLOW: u32 = 0x8000_0005;
/// TransactNmPipe (MS-CIFS section 2.2.5.6).
const TRANSACT_NAMED_PIPE: u16 = 0x26;
/// TRANS2_SET_PATH_INFORMATION and TRANS2_SET_FILE_INFORMATION.
const SET_PATH_INFO: u16 = 6;
const SET_FILE_INFO: u16 = 8;
/// Their levels for renaming and deleting.
const LEVEL_DISPOSITION: u16 = 0x0102;
const LEVEL_DISPOSITION_PASSED: u16 = 1013;
const LEVEL_RENAME_PASSED: u16 = 1010;

#[derive(Clone, Copy, Debug)]
struct Message<'a> {
    bytes: &'a [u8],
    command: u8,
    flags: u8,
    flags2: u16,
    tree: u16,
    user: u16,
    key: Key,
    /// Parameter words.
    words: &'a [u8],
    /// Data bytes; whatever is there, if the frame was cut short.
    data: &'a [u8],
    /// Where the data begins.
    data_at: usize,
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(b"\xffSMB") {
            return None;
        }
        Self::block(bytes, *bytes.get(4)?, HEADER)
    }

    /// The words and data at `at`, which belong to this command.
    fn block(bytes: &'a [u8], command: u8, at: usize) -> Option<Self> {
        let count = usize::from(*bytes.get(at)?) * 2;
        let words = part(bytes, at + 1, count)?;
        let data_at = at + 1 + count + 2;
        let length = usize::from(le16(bytes, data_at - 2)?);
        let data = bytes.get(data_at..).unwrap_or_default();
        let message = u64::from(le16(bytes, 30)?) << 32 | u64::from(le32(bytes, 24)?) >> 16;
        Some(Message {
            bytes,
            command,
            flags: *bytes.get(9)?,
            flags2: le16(bytes, 10)?,
            tree: le16(bytes, 24)?,
            user: le16(bytes, 28)?,
            key: Key { version: 1, command, message },
            words,
            data: &data[..data.len().min(length)],
            data_at,
        })
    }

    /// The command that is chained behind this one. The chain only ever leads forward.
    fn next(&self) -> Option<Self> {
        const LAST: u8 = 0xff;
        let chains =
            matches!(self.command, 0x24 | OPEN_ANDX..=WRITE_ANDX | SESSION_SETUP..=TREE_CONNECT | NT_CREATE);
        let command = *self.words.first().filter(|&&next| chains && next != LAST)?;
        let at = usize::from(self.word(1)?);
        if at < self.data_at { None } else { Self::block(self.bytes, command, at) }
    }

    fn unicode(&self) -> bool {
        self.flags2 & FLAG2_UNICODE != 0
    }

    fn word(&self, number: usize) -> Option<u16> {
        le16(self.words, number * 2)
    }

    fn smb(&self) -> Smb {
        Smb {
            version: 1,
            command: self.command,
            tree_id: self.tree.into(),
            session_id: self.user.into(),
            ..Smb::default()
        }
    }

    fn status(&self) -> Status {
        if self.flags2 & FLAG2_NT_STATUS != 0 {
            return Status::Nt(le32(self.bytes, 5).unwrap_or(0));
        }
        Status::Dos(self.bytes[5], le16(self.bytes, 7).unwrap_or(0))
    }

    /// The data from `at` on, without the byte that aligns UTF-16 in the message.
    fn aligned(&self, at: usize) -> &'a [u8] {
        let pad = usize::from(self.unicode() && (self.data_at + at) % 2 == 1);
        self.data.get(at + pad..).unwrap_or_default()
    }

    fn text(&self, mut raw: &[u8]) -> String {
        bytes::take_text(&mut raw, self.unicode(), MAX_NAME)
    }

    /// Part of the message that words tell by length and offset.
    fn pointed(&self, length: Option<u16>, offset: Option<u16>) -> Option<&'a [u8]> {
        part(self.bytes, offset?.into(), length?.into())
    }

    /// Contents of a file: where the message says they are, how long they are in all.
    fn contents(&self, low: usize, high: usize, offset: usize) -> Option<(&'a [u8], usize)> {
        let high = self.word(high).unwrap_or(0);
        let length = usize::from(self.word(low)?) | usize::from(high) << 16;
        Some((self.bytes.get(usize::from(self.word(offset)?)..).unwrap_or_default(), length))
    }
}

/// Whether the message that begins so carries contents of a file that need not be held together.
pub(super) fn is_bulk(state: &mut State, bytes: &[u8]) -> bool {
    let Some(m) = Message::parse(bytes) else { return false };
    let (id, at) = match (m.command, m.flags & FLAG_RESPONSE != 0) {
        (WRITE_ANDX, false) => (m.word(2).map(FileId::One), m.word(11)),
        (READ_ANDX, true) => (state.peek_read(m.key).map(|read| read.id), m.word(6)),
        _ => return false,
    };
    let (Some(id), Some(at)) = (id, at.map(usize::from).filter(|&at| at <= bytes.len())) else {
        return false;
    };
    let call = m.command == WRITE_ANDX && super::is_call(bytes, at);
    !state.is_pipe(id, m.tree.into()) && (!call || state.files.name(id).is_some())
}

/// Reads a message. If it is cut short in the contents of a file, says what is to come.
pub(super) fn message(state: &mut State, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
    let mut message = Message::parse(bytes)?;
    for _ in 0..MAX_CHAINED {
        let bulk = if message.flags & FLAG_RESPONSE == 0 {
            request(state, &message, sink)
        } else {
            response(state, &message, sink)
        };
        if bulk.is_some() {
            return bulk;
        }
        message = message.next()?;
    }
    None
}

fn request(state: &mut State, m: &Message<'_>, sink: &mut dyn Sink) -> Option<Bulk> {
    let mut smb = m.smb();
    match m.command {
        NEGOTIATE => {
            let mut rest = m.data;
            let mut dialects = Vec::new();
            while let Some((2, after)) =
                rest.split_first().map(|(b, r)| (*b, r)).filter(|_| dialects.len() < MAX_DIALECTS)
            {
                rest = after;
                dialects.push(bytes::take_text(&mut rest, false, MAX_NAME));
            }
            state.dialects1.clone_from(&dialects);
            smb.negotiate = Some(Negotiate { dialects, ..Negotiate::default() });
        }
        SESSION_SETUP => session_setup(m, &mut smb),
        TREE_CONNECT => {
            let password = usize::from(m.word(3).unwrap_or(0));
            let mut rest = m.aligned(password);
            let name = bytes::take_text(&mut rest, m.unicode(), MAX_NAME);
            let service = bytes::take_text(&mut rest, false, MAX_NAME);
            smb.share = Some(Share { name, kind: ShareKind::Unknown, service: Some((service, None)) });
        }
        NT_CREATE => {
            // Not all of its words stand on even places.
            let long = |at| le32(m.words, at).unwrap_or(0);
            smb.filename = Some(m.text(m.aligned(0)));
            let delete_on_close = long(39) & DELETE_ON_CLOSE != 0;
            smb.create = Some(Create { disposition: long(35), delete_on_close, ..Create::default() });
        }
        OPEN_ANDX => smb.filename = Some(m.text(m.aligned(0))),
        DELETE => {
            smb.filename = Some(m.text(m.aligned(1)));
            smb.delete = true;
        }
        RENAME => {
            let mut rest = m.aligned(1);
            let from = bytes::take_text(&mut rest, m.unicode(), MAX_NAME);
            // A format byte, and one that aligns.
            let skip = 1 + usize::from(m.unicode());
            smb.rename = Some((from, m.text(rest.get(skip..).unwrap_or_default())));
        }
        CLOSE => state.close_file(FileId::One(m.word(0)?), sink),
        READ_ANDX => {
            let offset = u64::from(le32(m.words, 6)?) | u64::from(le32(m.words, 20).unwrap_or(0)) << 32;
            state.reading(Read { key: m.key, id: FileId::One(m.word(2)?), offset });
            return None;
        }
        WRITE_ANDX => {
            let id = FileId::One(m.word(2)?);
            let offset = u64::from(le32(m.words, 6)?) | u64::from(le32(m.words, 24).unwrap_or(0)) << 32;
            let (data, length) = m.contents(10, 9, 11)?;
            let whole = &data[..data.len().min(length)];
            let call = super::is_call(m.bytes, m.word(11)?.into()) && state.files.name(id).is_none();
            let pipe = state.is_pipe(id, m.tree.into());
            let told = (call || pipe) && state.piped(id, m.key, whole, &smb, sink);
            if told || pipe {
                return None;
            }
            return state.contents(id, Direction::ToServer, offset, data, length, smb, sink);
        }
        TRANS => {
            if m.word(14) == Some(TRANSACT_NAMED_PIPE)
                && let Some(id) = m.word(15).map(FileId::One)
                && state.piped(id, m.key, m.pointed(m.word(11), m.word(12)).unwrap_or_default(), &smb, sink)
            {
                state.reading(Read { key: m.key, id, offset: 0 });
                return None;
            }
        }
        TRANS2 if !transaction2(state, m, &mut smb) => return None,
        NT_CANCEL => {
            state.alone(smb, sink);
            return None;
        }
        _ => {}
    }
    state.wait(m.key, smb, sink);
    None
}

fn session_setup(m: &Message<'_>, smb: &mut Smb) {
    let mut rest;
    if m.words.len() == 24 {
        let blob = usize::from(m.word(7).unwrap_or(0)).min(m.data.len());
        security(&m.data[..blob], smb);
        rest = m.aligned(blob);
    } else {
        // Two hashes of the password, then account and domain.
        let hashes = usize::from(m.word(7).unwrap_or(0)) + usize::from(m.word(8).unwrap_or(0));
        rest = m.aligned(hashes);
        for _ in 0..2 {
            bytes::take_text(&mut rest, m.unicode(), MAX_NAME);
        }
    }
    let os = bytes::take_text(&mut rest, m.unicode(), MAX_NAME);
    smb.native[0] = Some((os, bytes::take_text(&mut rest, m.unicode(), MAX_NAME)));
}

/// Whether it renames or deletes; nothing else is told of.
fn transaction2(state: &mut State, m: &Message<'_>, smb: &mut Smb) -> bool {
    let parameters = m.pointed(m.word(9), m.word(10)).unwrap_or_default();
    let data = m.pointed(m.word(11), m.word(12)).unwrap_or_default();
    let level = match m.word(14) {
        Some(SET_PATH_INFO) => {
            smb.filename = Some(m.text(parameters.get(6..).unwrap_or_default()));
            le16(parameters, 0)
        }
        Some(SET_FILE_INFO) => {
            let Some(id) = le16(parameters, 0).map(FileId::One) else { return false };
            smb.file_id = Some(id);
            smb.filename = Some(state.files.name(id).unwrap_or_default().to_owned());
            le16(parameters, 2)
        }
        _ => None,
    };
    match level {
        Some(LEVEL_DISPOSITION | LEVEL_DISPOSITION_PASSED) => {
            smb.delete = data.first().is_some_and(|&b| b != 0);
            true
        }
        Some(LEVEL_RENAME_PASSED) => {
            let name = le32(data, 8).and_then(|len| part(data, 12, len as usize)).unwrap_or_default();
            let from = smb.filename.take().unwrap_or_default();
            smb.rename = Some((from, bytes::text(name, true, MAX_NAME)));
            true
        }
        _ => false,
    }
}

fn response(state: &mut State, m: &Message<'_>, sink: &mut dyn Sink) -> Option<Bulk> {
    let status = m.status();
    let partial = status == Status::Nt(STATUS_BUFFER_OVERFLOW);
    match m.command {
        READ_ANDX => {
            let read = state.read(m.key)?;
            let (data, length) = m.contents(5, 7, 6)?;
            if !status.is_success() && !partial {
                return None;
            }
            if state.is_pipe(read.id, m.tree.into()) {
                state.pipes.read(read.id, &data[..data.len().min(length)], sink);
                return None;
            }
            let smb = Smb { command: READ_ANDX, version: 1, tree_id: m.tree.into(), ..Smb::default() };
            return state.contents(read.id, Direction::ToClient, read.offset, data, length, smb, sink);
        }
        WRITE_ANDX => {
            state.pipe_answered(m.key, status, status.is_success(), sink);
            return None;
        }
        TRANS if state.peek_read(m.key).is_some() => {
            let id = state.read(m.key)?.id;
            state.pipe_answered(m.key, status, status.is_success() || partial, sink);
            state.pipes.read(id, m.pointed(m.word(6), m.word(7))?, sink);
            return None;
        }
        _ => {}
    }
    let mut smb = state.answered(m.key)?;
    smb.status = Some(status);
    if smb.session_id == 0 || m.command == SESSION_SETUP {
        smb.session_id = m.user.into();
    }
    match m.command {
        NEGOTIATE => negotiated(state, &mut smb, m),
        SESSION_SETUP => {
            let blob = if m.words.len() == 8 { usize::from(m.word(3).unwrap_or(0)) } else { 0 };
            let mut rest = m.aligned(blob);
            let os = bytes::take_text(&mut rest, m.unicode(), MAX_NAME);
            smb.native[1] = Some((os, bytes::take_text(&mut rest, m.unicode(), MAX_NAME)));
        }
        TREE_CONNECT => {
            smb.tree_id = m.tree.into();
            if let Some(share) = smb.share.as_mut().filter(|_| status.is_success()) {
                let service = bytes::take_text(&mut &*m.data, false, MAX_NAME);
                share.kind = match service.as_str() {
                    "IPC" => ShareKind::Pipe,
                    "LPT1:" => ShareKind::Printer,
                    _ => ShareKind::Disk,
                };
                if let Some((_, answer)) = &mut share.service {
                    *answer = Some(service);
                }
                state.trees.connected(m.tree.into(), share.clone());
            }
        }
        NT_CREATE | OPEN_ANDX if status.is_success() => opened(state, &mut smb, m, sink),
        _ => {}
    }
    state.log(smb, sink);
    None
}

fn negotiated(state: &mut State, smb: &mut Smb, m: &Message<'_>) {
    let chosen = m.word(0).and_then(|index| state.dialects1.get(usize::from(index)));
    if let Some(dialect) = chosen {
        state.dialect.clone_from(dialect);
    }
    // With extended security the data begins with it; without, it is what stands there.
    let negotiate = smb.negotiate.get_or_insert_default();
    negotiate.server_guid = m.data.first_chunk().copied();
}

/// A file or pipe was opened.
fn opened(state: &mut State, smb: &mut Smb, m: &Message<'_>, sink: &mut dyn Sink) {
    let mut size = None;
    let id = if m.command == OPEN_ANDX {
        m.word(2)
    } else {
        let time = |at: usize| le64(m.words, at).map_or(0, seconds);
        size = le64(m.words, 55);
        if let Some(create) = &mut smb.create {
            create.times =
                Times { created: time(11), accessed: time(19), modified: time(27), changed: time(35) };
            create.size = size.unwrap_or(0);
        }
        le16(m.words, 5)
    };
    let Some(id) = id.map(FileId::One) else { return };
    smb.file_id = Some(id);
    let pipe = state.trees.get(m.tree.into()).is_some_and(|share| share.kind == ShareKind::Pipe);
    if !pipe {
        state.files.opened(id, smb.filename.clone().unwrap_or_default(), size, sink);
    }
}
