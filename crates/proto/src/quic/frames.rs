//! Frames of Initial packets (RFC 9000 19), and the CRYPTO stream that they carry in any order.

use super::header::varint;
use crate::cursor::Cursor;

/// Bytes of a hello that are put together; with post-quantum keys it has some 1,800.
const MAX_CRYPTO: usize = 16 * 1024;
/// Pieces that wait for what comes before them.
const MAX_PIECES: usize = 64;

/// The CRYPTO stream of one direction.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    /// Without a hole from its beginning.
    data: Vec<u8>,
    /// Pieces behind a hole: offset, bytes.
    waiting: Vec<(usize, Vec<u8>)>,
    pub limits_hit: u32,
}

impl CryptoStream {
    /// Puts a piece where it belongs; what is there already stays.
    fn insert(&mut self, offset: u64, bytes: &[u8]) {
        let Some(offset) =
            usize::try_from(offset).ok().filter(|&o| o <= MAX_CRYPTO - bytes.len().min(MAX_CRYPTO))
        else {
            self.limits_hit += 1;
            return;
        };
        if offset > self.data.len() {
            // A repeated piece needs no second place.
            if self.waiting.iter().any(|(o, b)| *o == offset && b.len() >= bytes.len()) {
                return;
            }
            if self.waiting.len() < MAX_PIECES {
                self.waiting.push((offset, bytes.to_vec()));
            } else {
                self.limits_hit += 1;
            }
            return;
        }
        self.data.extend_from_slice(bytes.get(self.data.len() - offset..).unwrap_or_default());
        while let Some(at) = self.waiting.iter().position(|(offset, _)| *offset <= self.data.len()) {
            let (offset, bytes) = self.waiting.swap_remove(at);
            self.data.extend_from_slice(bytes.get(self.data.len() - offset..).unwrap_or_default());
        }
    }

    /// The first bytes of the stream.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Forgets everything: a Retry begins anew.
    pub fn clear(&mut self) {
        self.data = Vec::new();
        self.waiting = Vec::new();
    }
}

/// Takes the CRYPTO frames out of a packet's frames; whether all could be read. `google` says that CRYPTO frames have
/// the number that they had in Google's versions.
pub(super) fn read(frames: &[u8], google: bool, crypto: &mut CryptoStream) -> bool {
    let mut at = Cursor(frames);
    while let Some(kind) = at.u8() {
        let read = match kind {
            // PADDING, PING.
            0 | 1 => Some(()),
            2 | 3 => ack(&mut at, kind == 3),
            8 if google => take_crypto(&mut at, crypto),
            6 => take_crypto(&mut at, crypto),
            // CONNECTION_CLOSE ends it; a reason is no hello.
            0x1c | 0x1d => return true,
            _ => None,
        };
        if read.is_none() {
            return false;
        }
    }
    true
}

fn take_crypto(at: &mut Cursor<'_>, crypto: &mut CryptoStream) -> Option<()> {
    let offset = varint(at)?;
    let len = usize::try_from(varint(at)?).ok()?;
    crypto.insert(offset, at.take(len)?);
    Some(())
}

fn ack(at: &mut Cursor<'_>, ecn: bool) -> Option<()> {
    // Largest acknowledged, delay, number of ranges, first range; then two numbers a range.
    varint(at)?;
    varint(at)?;
    let ranges = varint(at)?;
    varint(at)?;
    // Each takes a byte at least, so this ends with the bytes.
    for _ in 0..ranges.checked_mul(2)? {
        varint(at)?;
    }
    for _ in 0..if ecn { 3 } else { 0 } {
        varint(at)?;
    }
    Some(())
}
