//! Frames of Initial packets (RFC 9000 19), and the CRYPTO stream that they carry in any order.

use std::ops::Range;

use super::header::varint;
use crate::cursor::Cursor;

/// Bytes of a hello that are put together; with post-quantum keys it has some 1,800.
const MAX_CRYPTO: usize = 16 * 1024;
/// Holes between the pieces that are here; each piece may be of one byte.
const MAX_HOLES: usize = 2048;

/// The CRYPTO stream of one direction.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    /// Zero where a piece is missing.
    bytes: Vec<u8>,
    /// What is here, in order; none touches the next.
    have: Vec<Range<usize>>,
    pub limits_hit: u32,
}

impl CryptoStream {
    /// Puts a piece where it belongs; what is there already stays.
    fn insert(&mut self, offset: u64, piece: &[u8]) {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let Some(end) = start.checked_add(piece.len()).filter(|&end| end <= MAX_CRYPTO) else {
            self.limits_hit += 1;
            return;
        };
        let first = self.have.partition_point(|range| range.end < start);
        let last = self.have.partition_point(|range| range.start <= end);
        let touched = self.have.get(first..last).unwrap_or_default();
        if piece.is_empty() || touched.is_empty() && self.have.len() > MAX_HOLES {
            self.limits_hit += u32::from(!piece.is_empty());
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut at = start;
        for hole in touched.iter().cloned().chain(std::iter::once(end..end)) {
            let until = hole.start.min(end);
            if at < until {
                self.bytes[at..until].copy_from_slice(&piece[at - start..until - start]);
            }
            at = at.max(hole.end);
        }
        let begin = touched.first().map_or(start, |range| range.start.min(start));
        let end = touched.last().map_or(end, |range| range.end.max(end));
        self.have.splice(first..last, std::iter::once(begin..end));
    }

    /// The first bytes of the stream, up to the first hole.
    pub fn bytes(&self) -> &[u8] {
        let end = self.have.first().filter(|range| range.start == 0).map_or(0, |range| range.end);
        self.bytes.get(..end).unwrap_or_default()
    }

    /// Forgets everything: a Retry or another connection begins anew.
    pub fn clear(&mut self) {
        (self.bytes, self.have) = (Vec::new(), Vec::new());
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
