//! Frames joined to messages, and what is compressed (RFC 7692) in the clear.

use flate2::{Decompress, FlushDecompress, Status};

use super::WebSocket;

/// What the sender of a compressed message leaves out at its end (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bytes that room is made for at a time.
const STEP: usize = 4096;
/// The first opcode of control frames, which may stand between those of a message.
const CONTROL: u8 = 8;

/// The message at hand of one side, of no more bytes than are wanted.
#[derive(Debug, Default)]
pub(super) struct Messages {
    open: Vec<u8>,
    compressed: bool,
    /// Not all of it is there.
    cut: bool,
    /// What messages before it said, which it may refer to.
    inflater: Option<Box<Decompress>>,
    /// And that is not known any more.
    forgotten: bool,
}

impl Messages {
    /// Bytes of a frame, behind the `at` first ones.
    pub fn take(&mut self, frame: &WebSocket, at: u64, bytes: &[u8], limit: usize) {
        if frame.opcode >= CONTROL {
            return;
        }
        if frame.opcode != 0 && at == 0 {
            self.open.clear();
            (self.compressed, self.cut) = (frame.compressed, false);
        }
        let room = limit.saturating_sub(self.open.len());
        self.cut |= bytes.len() > room;
        let [a, b, c, d] = frame.mask.unwrap_or(0).to_be_bytes();
        let key = [a, b, c, d].into_iter().cycle().skip((at % 4) as usize);
        self.open.extend(bytes.iter().take(room).zip(key).map(|(byte, key)| byte ^ key));
    }

    /// A hole: this message is not whole, and what is compressed behind it cannot be read.
    pub fn lose(&mut self) {
        self.cut = true;
        self.forgotten = true;
        self.inflater = None;
    }

    /// The frame is over: if it ends a message, that is put in.
    pub fn end(&mut self, frame: &mut WebSocket, limit: usize) {
        if frame.opcode >= CONTROL || !frame.fin {
            return;
        }
        if !self.compressed {
            frame.message = Some(std::mem::take(&mut self.open));
        } else if !self.forgotten {
            frame.message = Some(self.inflate(limit));
            if self.cut {
                self.lose();
            }
        }
        self.open = Vec::new();
    }

    fn inflate(&mut self, limit: usize) -> Vec<u8> {
        let inflater = self.inflater.get_or_insert_with(|| Box::new(Decompress::new(false)));
        let tail = if self.cut { &[] } else { &TAIL[..] };
        let mut out = Vec::new();
        for mut rest in [&self.open[..], tail] {
            loop {
                let (room, had) = (limit.saturating_sub(out.len()), out.len());
                if room == 0 {
                    self.cut = true;
                    return out;
                }
                out.reserve(room.min(STEP));
                let before = inflater.total_in();
                let status = inflater.decompress_vec(rest, &mut out, FlushDecompress::Sync);
                let used = usize::try_from(inflater.total_in() - before).unwrap_or(usize::MAX);
                rest = rest.get(used..).unwrap_or_default();
                match status {
                    // A last block: the next message begins anew.
                    Ok(Status::StreamEnd) => inflater.reset(false),
                    Ok(_) if used == 0 && out.len() == had => break,
                    Ok(_) => {}
                    Err(_) => {
                        self.cut = true;
                        return out;
                    }
                }
                if rest.is_empty() && out.len() < out.capacity() {
                    break;
                }
            }
        }
        out.truncate(limit);
        out
    }
}
