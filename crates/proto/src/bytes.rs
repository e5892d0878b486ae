//! Numbers and texts in the forms that Microsoft's protocols share, and streams cut into units.

use crate::registry::Guess;

/// Two bytes, the low one first.
pub(crate) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes, the low one first.
pub(crate) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Eight bytes, the low one first.
pub(crate) fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// `len` bytes from `at` on.
pub(crate) fn part(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

/// A text of at most `max` characters: UTF-16 with the low byte first, or one byte a character.
pub(crate) fn text(bytes: &[u8], unicode: bool, max: usize) -> String {
    if unicode {
        let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
        return text.take(max).collect();
    }
    String::from_utf8_lossy(&bytes[..bytes.len().min(max)]).into_owned()
}

/// Takes a text that ends with a zero (or the bytes) off `bytes`.
pub(crate) fn take_text(bytes: &mut &[u8], unicode: bool, max: usize) -> String {
    let width = if unicode { 2 } else { 1 };
    let end = bytes.chunks_exact(width).position(|unit| unit.iter().all(|&b| b == 0));
    let end = end.map_or(bytes.len(), |units| units * width);
    let found = text(&bytes[..end], unicode, max);
    *bytes = &bytes[(end + width).min(bytes.len())..];
    found
}

/// Looks for the next beginning of a unit, byte by byte, so that it is found however the stream is cut. `held` keeps
/// what may be one. Returns what is behind `held` once it surely is.
pub(crate) fn seek<'a>(
    held: &mut Vec<u8>,
    mut bytes: &'a [u8],
    guess: impl Fn(&[u8]) -> Guess,
) -> Option<&'a [u8]> {
    loop {
        if held.is_empty() {
            match guess(bytes) {
                Guess::Yes => return Some(bytes),
                Guess::More => {
                    held.extend_from_slice(bytes);
                    return None;
                }
                Guess::No => bytes = bytes.get(1..)?,
            }
        } else {
            match guess(held) {
                Guess::Yes => return Some(bytes),
                Guess::No => {
                    held.remove(0);
                }
                Guess::More => {
                    let (&next, rest) = bytes.split_first()?;
                    held.push(next);
                    bytes = rest;
                }
            }
        }
    }
}

/// Cuts a direction's stream into units that begin with their length; holds only a unit that is incomplete.
#[derive(Debug, Default)]
pub(crate) struct Units {
    held: Vec<u8>,
    /// Bytes that are thrown away.
    skip: usize,
    /// Where in a unit the stream is, is not known.
    lost: bool,
}

/// What the first bytes of a unit say of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Too few to tell.
    More,
    /// So many bytes are a unit.
    Unit(usize),
    /// So many bytes are of no interest.
    Skip(usize),
    /// This is no beginning of a unit: the stream is not understood from here on.
    Bad,
}

impl Units {
    /// Hands every complete unit to `each`, with the number of bytes behind it that are at hand. `each` says whether to
    /// go on. What is no unit is searched for what `guess` says begins one. False if the stream was not understood, or
    /// `each` wanted no more.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        cut: impl Fn(&[u8]) -> Cut,
        guess: impl Fn(&[u8]) -> Guess,
        mut each: impl FnMut(&[u8], usize) -> bool,
    ) -> bool {
        let mut understood = true;
        loop {
            if self.lost {
                let Some(rest) = seek(&mut self.held, bytes, &guess) else { return understood };
                self.lost = false;
                bytes = rest;
            }
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() && self.held.is_empty() {
                return understood;
            }
            if self.held.is_empty() {
                match cut(bytes) {
                    Cut::Unit(len) if len > 0 && len <= bytes.len() => {
                        let (unit, rest) = bytes.split_at(len);
                        bytes = rest;
                        if !each(unit, rest.len()) {
                            return false;
                        }
                    }
                    Cut::Skip(len) if len > 0 => self.skip = len,
                    Cut::Bad | Cut::Unit(0) | Cut::Skip(_) => {
                        (self.lost, understood) = (true, false);
                        bytes = &bytes[1..];
                    }
                    Cut::More | Cut::Unit(_) => {
                        self.held.extend_from_slice(bytes);
                        return understood;
                    }
                }
                continue;
            }
            let wanted = match cut(&self.held) {
                Cut::More => self.held.len() + 1,
                Cut::Unit(len) if len > 0 => len,
                Cut::Skip(len) if len >= self.held.len() => {
                    self.skip = len - self.held.len();
                    self.held.clear();
                    continue;
                }
                Cut::Skip(_) | Cut::Unit(_) | Cut::Bad => {
                    (self.lost, understood) = (true, false);
                    self.held.remove(0);
                    continue;
                }
            };
            let more = wanted.saturating_sub(self.held.len()).min(bytes.len());
            self.held.extend_from_slice(&bytes[..more]);
            bytes = &bytes[more..];
            if self.complete(&cut) {
                // What was kept for one unit is not kept for a flow's life.
                let unit = std::mem::take(&mut self.held);
                if !each(&unit, bytes.len()) {
                    return false;
                }
            } else if bytes.is_empty() && !matches!(cut(&self.held), Cut::Bad | Cut::Skip(_)) {
                return understood;
            }
        }
    }

    /// Whether what is held is a unit. It is never more: no unit is shorter than what tells its beginning.
    fn complete(&self, cut: &impl Fn(&[u8]) -> Cut) -> bool {
        matches!(cut(&self.held), Cut::Unit(len) if len <= self.held.len())
    }

    /// Bytes that are held.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Bytes were lost: the unit at hand is incomplete for good.
    pub(crate) fn lose(&mut self) {
        *self = Units { lost: true, ..Units::default() };
    }
}
