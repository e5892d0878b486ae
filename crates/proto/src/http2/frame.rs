//! Frames of one direction, cut out of the stream (RFC 9113 section 4).

use super::{FRAME_HEADER, PREFACE};

/// Bytes of a frame that is kept until it is whole; DATA is passed on as it comes.
pub(super) const MAX_FRAME: usize = 64 * 1024;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// No PING or WINDOW_UPDATE is longer.
const SHORT: u32 = 8;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const WITH_PRIORITY: u8 = 32;

/// A frame's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn read(bytes: [u8; FRAME_HEADER]) -> Self {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = bytes;
        Head {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }
}

/// What the cutter finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A whole frame that is no DATA.
    Frame(Head, &'a [u8]),
    /// Content of a DATA frame, without padding.
    Data(Head, &'a [u8]),
    /// A DATA frame is over.
    DataEnd(Head),
    /// A frame was too long to be kept.
    TooLong,
}

#[derive(Debug)]
enum State {
    /// The client's first bytes may be the preface: so many of it were seen.
    Preface(usize),
    Head([u8; FRAME_HEADER], usize),
    /// In a frame that is kept.
    Kept(Head, Vec<u8>),
    /// In a frame of which so many bytes are skipped.
    Skipped(u32),
    /// Before the length of the padding.
    Padding(Head),
    /// In content; then so much padding.
    Content(Head, u32, u32),
    Lost,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Cutter {
    state: State,
}

impl Cutter {
    pub(super) fn new(client: bool) -> Self {
        Cutter { state: if client { State::Preface(0) } else { State::Head([0; FRAME_HEADER], 0) } }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// `missing` bytes were lost: the stream whose content lacks them, if nothing worse happened.
    pub(super) fn gap(&mut self, missing: u64) -> Option<Head> {
        match &mut self.state {
            State::Content(head, left, _) if missing <= u64::from(*left) => {
                *left -= missing as u32;
                Some(*head)
            }
            State::Skipped(left) if missing <= u64::from(*left) => {
                *left -= missing as u32;
                None
            }
            _ => {
                // Nothing in the stream says where a frame begins.
                self.state = State::Lost;
                None
            }
        }
    }

    /// Takes bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], out: &mut dyn FnMut(Piece<'_>)) {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Lost) {
                State::Preface(seen) => {
                    let rest = &PREFACE[seen..];
                    let common = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                    if common == rest.len() {
                        bytes = &bytes[common..];
                        State::Head([0; FRAME_HEADER], 0)
                    } else if common == bytes.len() {
                        self.state = State::Preface(seen + common);
                        return;
                    } else if seen == 0 {
                        State::Head([0; FRAME_HEADER], 0)
                    } else {
                        return;
                    }
                }
                State::Head(mut head, mut have) => {
                    let take = bytes.len().min(FRAME_HEADER - have);
                    head[have..have + take].copy_from_slice(&bytes[..take]);
                    have += take;
                    bytes = &bytes[take..];
                    if have < FRAME_HEADER {
                        self.state = State::Head(head, have);
                        return;
                    }
                    begin(Head::read(head), out)
                }
                State::Kept(head, mut kept) => {
                    let take = bytes.len().min(head.length as usize - kept.len());
                    let (now, rest) = bytes.split_at(take);
                    bytes = rest;
                    if kept.is_empty() && now.len() == head.length as usize {
                        out(Piece::Frame(head, now));
                    } else {
                        kept.extend_from_slice(now);
                        if kept.len() < head.length as usize {
                            self.state = State::Kept(head, kept);
                            return;
                        }
                        out(Piece::Frame(head, &kept));
                    }
                    State::Head([0; FRAME_HEADER], 0)
                }
                State::Skipped(left) => {
                    let take = bytes.len().min(left as usize);
                    bytes = &bytes[take..];
                    let left = left - take as u32;
                    if left > 0 {
                        self.state = State::Skipped(left);
                        return;
                    }
                    State::Head([0; FRAME_HEADER], 0)
                }
                State::Padding(head) => {
                    let Some((&padding, rest)) = bytes.split_first() else {
                        self.state = State::Padding(head);
                        return;
                    };
                    bytes = rest;
                    let padding = u32::from(padding).min(head.length - 1);
                    State::Content(head, head.length - 1 - padding, padding)
                }
                State::Content(head, left, padding) => {
                    let take = bytes.len().min(left as usize);
                    if take > 0 {
                        out(Piece::Data(head, &bytes[..take]));
                    }
                    bytes = &bytes[take..];
                    let left = left - take as u32;
                    if left > 0 {
                        self.state = State::Content(head, left, padding);
                        return;
                    }
                    out(Piece::DataEnd(head));
                    State::Skipped(padding)
                }
                State::Lost => return,
            };
            let empty_next = match &self.state {
                State::Kept(head, _) => head.length == 0,
                State::Skipped(left) | State::Content(_, left, _) => *left == 0,
                _ => false,
            };
            if bytes.is_empty() && !empty_next {
                return;
            }
        }
    }
}

fn begin(head: Head, out: &mut dyn FnMut(Piece<'_>)) -> State {
    match head.kind {
        DATA if head.has(PADDED) && head.length > 0 => State::Padding(head),
        DATA => State::Content(head, head.length, 0),
        HEADERS | PRIORITY | RST_STREAM | SETTINGS | PUSH_PROMISE | GOAWAY | CONTINUATION => {
            if head.length as usize > MAX_FRAME {
                out(Piece::TooLong);
                return State::Skipped(head.length);
            }
            State::Kept(head, Vec::new())
        }
        PING | WINDOW_UPDATE if head.length <= SHORT => State::Kept(head, Vec::new()),
        // What is not known tells nothing.
        _ => State::Skipped(head.length),
    }
}
