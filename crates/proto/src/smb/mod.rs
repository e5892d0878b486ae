//! Server Message Block 1 to 3 over TCP, with or without NetBIOS's session requests (MS-CIFS, MS-SMB2, RFC 1002
//! section 4.3).
//!
//! A frame is held only until it is complete; contents of files are not held at all, they go on to the sink as they
//! come. What is encrypted is counted and passed over.

mod files;
mod names;
mod pipes;
mod smb1;
mod smb2;
mod state;
mod transaction;

use wire::{Direction, IpProto};

use self::state::{Bulk, State};
pub use self::transaction::{Create, FileId, Negotiate, Share, ShareKind, Smb, Status, Times, guid_text};
use crate::bytes::{le64, seek};
use crate::dcerpc;
use crate::krb5;
use crate::ntlm;
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of a frame that is held together; of larger ones only the contents of files are seen.
const MAX_FRAME: usize = 256 * 1024;
/// Bytes of a frame that tell whether it carries the contents of a file.
const HEAD: usize = 128;
/// Characters kept of a name.
const MAX_NAME: usize = 1024;
/// Bytes of NetBIOS's session header.
const NBSS: usize = 4;
/// First byte of an encrypted frame (MS-SMB2 section 2.2.41) and of a compressed one (section 2.2.42).
const SEALED: u8 = 0xfd;
const COMPRESSED: u8 = 0xfc;
/// NetBIOS session packets: a message, and the last of those that open and keep a session.
const MESSAGE: u8 = 0;
const SESSION_REQUEST: u8 = 0x81;
const KEEP_ALIVE: u8 = 0x85;

/// SMB, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Smb,
    transport: IpProto::TCP,
    ports: &[445, 139],
    probe: |opening: &Opening<'_>| guess(opening.fresh()),
    open: Some(|_| Box::<SmbParser>::default()),
};

/// SMB's signature behind a session header, or a session request.
fn guess(seen: &[u8]) -> Guess {
    match seen {
        [] => Guess::More,
        [MESSAGE, _, _, _, rest @ ..] => match rest {
            [0xfc..=0xff, b'S', b'M', b'B', ..] => Guess::Yes,
            [0xfc..=0xff, short @ ..] if b"SMB".starts_with(short) => Guess::More,
            [] => Guess::More,
            _ => Guess::No,
        },
        [MESSAGE, ..] => Guess::More,
        // Two names in NetBIOS's encoding, 34 bytes each, without scopes.
        [SESSION_REQUEST, 0, 0, 0x44, 0x20, ..] => Guess::Yes,
        [SESSION_REQUEST, rest @ ..] if [0, 0, 0x44, 0x20].starts_with(rest) => Guess::More,
        // One positive answer; of more of them in a row nobody's guess would end.
        [0x82, 0, 0, 0, rest @ ..] if rest.first() != Some(&0x82) => guess(rest),
        [0x82, rest @ ..] if [0, 0, 0].starts_with(rest) => Guess::More,
        _ => Guess::No,
    }
}

/// Who logs in, from a session setup's security token.
fn security(token: &[u8], smb: &mut Smb) {
    smb.ntlm = ntlm::find(token).filter(|n| n.step == ntlm::Step::Authenticate);
    if smb.ntlm.is_none() {
        smb.kerberos = krb5::service_ticket(token);
    }
}

/// Whether data that is written to a file nobody saw opened begins a PDU of DCE/RPC: the file is a named pipe then. Only
/// the first bytes of a message are asked, which are at hand however it is cut.
fn is_call(message: &[u8], data_at: usize) -> bool {
    dcerpc::is_pdu(message.get(data_at..message.len().min(HEAD)).unwrap_or_default())
}

/// One direction, cut into frames.
#[derive(Debug, Default)]
struct Side {
    /// A session header or a frame that is incomplete.
    held: Vec<u8>,
    /// Bytes of the frame at hand that did not come yet.
    left: usize,
    /// The frame at hand is passed over.
    skip: bool,
    /// It carries these contents next.
    bulk: Option<Bulk>,
    /// Where in a frame the stream is, is not known.
    lost: bool,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct SmbParser {
    sides: [Side; 2],
    state: State,
    told_sealed: bool,
    limits_hit: u32,
}

impl SmbParser {
    /// A frame, or its beginning if the contents of a file go on behind it.
    fn frame(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
        match bytes.first() {
            Some(0xff) => smb1::message(&mut self.state, bytes, sink),
            Some(0xfe) => smb2::messages(&mut self.state, bytes, sink),
            Some(&SEALED) => self.sealed(bytes, sink),
            Some(&COMPRESSED) => None,
            _ => {
                sink.anomaly("malformed_data");
                None
            }
        }
    }

    /// From here on the session is encrypted: told once, and passed over.
    fn sealed(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Option<Bulk> {
        if !self.told_sealed {
            self.told_sealed = true;
            let session_id = le64(bytes, 44).unwrap_or(0);
            self.state.alone(Smb { version: 2, command: SEALED, session_id, ..Smb::default() }, sink);
        }
        None
    }

    fn is_bulk(&mut self, bytes: &[u8]) -> bool {
        match bytes.first() {
            Some(0xff) => smb1::is_bulk(&mut self.state, bytes),
            Some(0xfe) => smb2::is_bulk(&mut self.state, bytes),
            _ => false,
        }
    }

    /// Takes bytes of the frame at hand; what is behind them.
    fn take<'a>(&mut self, direction: Direction, bytes: &'a [u8], sink: &mut dyn Sink) -> &'a [u8] {
        let side = direction.index();
        let s = &mut self.sides[side];
        let (now, rest) = bytes.split_at(s.left.min(bytes.len()));
        if let Some(bulk) = &mut s.bulk {
            let (contents, behind) = now.split_at(bulk.left.min(now.len()));
            bulk.left -= contents.len();
            s.left -= contents.len();
            let known = usize::try_from(bulk.known).unwrap_or(usize::MAX).min(contents.len());
            bulk.known -= known as u64;
            self.state.files.data(bulk.id, direction, &contents[known..], sink);
            if bulk.left == 0 || s.left == 0 {
                s.bulk = None;
                s.skip = true;
            }
            return if behind.is_empty() { rest } else { &bytes[contents.len()..] };
        }
        if s.skip {
            s.left -= now.len();
            return rest;
        }
        if s.held.is_empty() && now.len() == s.left {
            s.left = 0;
            if now.len() > MAX_FRAME && !matches!(now[0], SEALED | COMPRESSED) && !self.is_bulk(&now[..HEAD])
            {
                self.limits_hit += 1;
            } else {
                self.frame(now, sink);
            }
            return rest;
        }
        // Held up to where it can be told from contents, then whole.
        let wanted = if s.held.len() < HEAD { HEAD - s.held.len() } else { now.len() };
        let (now, _) = now.split_at(wanted.min(now.len()));
        s.held.extend_from_slice(now);
        s.left -= now.len();
        let (held, complete, total) = (s.held.len(), s.left == 0, s.held.len() + s.left);
        if complete {
            let frame = std::mem::take(&mut s.held);
            self.frame(&frame, sink);
        } else if held == HEAD {
            let mut head = std::mem::take(&mut self.sides[side].held);
            if self.is_bulk(&head) {
                let bulk = self.frame(&head, sink);
                head.clear();
                self.sides[side] =
                    Side { held: head, left: total - held, skip: bulk.is_none(), bulk, lost: false };
            } else if matches!(head[0], SEALED | COMPRESSED) || total > MAX_FRAME {
                match head[0] {
                    SEALED => {
                        self.sealed(&head, sink);
                    }
                    COMPRESSED => {}
                    _ => self.limits_hit += 1,
                }
                self.sides[side].skip = true;
            } else {
                self.sides[side].held = head;
            }
        }
        &bytes[now.len()..]
    }

    /// Takes bytes of a session header; what is behind them.
    fn header<'a>(&mut self, side: usize, bytes: &'a [u8], sink: &mut dyn Sink) -> &'a [u8] {
        let s = &mut self.sides[side];
        let take = (NBSS - s.held.len()).min(bytes.len());
        s.held.extend_from_slice(&bytes[..take]);
        if let [kind, a, b, c] = s.held[..] {
            if kind == MESSAGE || (SESSION_REQUEST..=KEEP_ALIVE).contains(&kind) {
                s.held.clear();
                s.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                s.skip = kind != MESSAGE;
            } else {
                sink.anomaly("malformed_data");
                s.lost = true;
                s.held.remove(0);
            }
        }
        &bytes[take..]
    }
}

impl Parser for SmbParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        loop {
            let s = &mut self.sides[side];
            if s.lost {
                let Some(rest) = seek(&mut s.held, bytes, guess) else { return Step::More };
                s.lost = false;
                bytes = rest;
                let start = std::mem::take(&mut s.held);
                if !start.is_empty() {
                    self.data(Chunk { bytes: &start, ..chunk }, sink);
                }
            } else if bytes.is_empty() {
                return Step::More;
            } else if s.left > 0 {
                bytes = self.take(chunk.direction, bytes, sink);
            } else {
                bytes = self.header(side, bytes, sink);
            }
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        let s = &mut self.sides[direction.index()];
        let lost = usize::try_from(missing).unwrap_or(usize::MAX);
        if let Some(bulk) = &mut s.bulk
            && lost <= bulk.left.min(s.left)
        {
            bulk.left -= lost;
            s.left -= lost;
            self.state.files.gap(bulk.id, direction, missing, sink);
            if bulk.left == 0 || s.left == 0 {
                s.bulk = None;
                s.skip = true;
            }
            return Step::More;
        }
        if lost <= s.left {
            // Within a frame: it is incomplete, the next one is not.
            *s = Side { left: s.left - lost, skip: true, ..Side::default() };
        } else {
            *s = Side { lost: true, ..Side::default() };
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.state.close(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit.saturating_add(self.state.limits_hit())
    }
}

#[cfg(test)]
mod tests;
