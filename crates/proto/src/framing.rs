//! PDUs that say how long they are, out of a stream in pieces of any size. What lies in one piece is read in place;
//! only a PDU that is not complete yet is kept.

use std::fmt;

/// What the first bytes of a PDU tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// So many bytes from its first on are needed to tell.
    More(usize),
    /// It is so long, header and all. Never 0.
    Pdu(usize),
    /// This is no PDU.
    Broken,
}

/// What came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'a> {
    /// A PDU; of one that is longer than what is kept, its first bytes.
    Pdu {
        /// Its bytes.
        bytes: &'a [u8],
        /// How long it is as a whole.
        len: usize,
    },
    /// More of a PDU that was longer than what is kept.
    Rest(&'a [u8]),
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// With the next PDU.
    Go,
    /// No further PDU is wanted.
    Stop,
}

/// Where [`Framer::feed`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All bytes were taken.
    Taken,
    /// It was told to stop; so many bytes are left behind the PDU.
    Stopped(usize),
    /// No PDU begins where the last one ended; so many bytes were not taken.
    Broken(usize),
}

/// One direction.
#[derive(Default)]
pub(crate) struct Framer {
    kept: Vec<u8>,
    /// Bytes to come of a PDU whose beginning was handed on.
    rest: usize,
}

impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Framer({} kept, {} to come)", self.kept.len(), self.rest)
    }
}

impl Framer {
    /// Takes the next bytes and hands on what is complete. Of a PDU no more than `max` bytes are kept.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        max: usize,
        measure: &dyn Fn(&[u8]) -> Frame,
        each: &mut dyn FnMut(Piece<'_>) -> Next,
    ) -> End {
        let mut rest = bytes;
        loop {
            if self.rest > 0 {
                if rest.is_empty() {
                    return End::Taken;
                }
                let (head, tail) = rest.split_at(self.rest.min(rest.len()));
                (self.rest, rest) = (self.rest - head.len(), tail);
                if each(Piece::Rest(head)) == Next::Stop {
                    return End::Stopped(rest.len());
                }
                continue;
            }
            let in_place = self.kept.is_empty();
            let have = if in_place { rest } else { self.kept.as_slice() };
            if have.is_empty() {
                return End::Taken;
            }
            let (want, whole) = match measure(have) {
                Frame::More(len) => (len.max(have.len() + 1).min(max.max(1)), None),
                Frame::Pdu(len) if len > 0 => (len.min(max), Some(len)),
                Frame::Pdu(_) | Frame::Broken => return End::Broken(rest.len()),
            };
            match whole {
                Some(len) if have.len() >= want => {
                    self.rest = len - want;
                    let next = if in_place {
                        let (head, tail) = rest.split_at(want);
                        rest = tail;
                        each(Piece::Pdu { bytes: head, len })
                    } else {
                        let kept = std::mem::take(&mut self.kept);
                        each(Piece::Pdu { bytes: &kept, len })
                    };
                    if next == Next::Stop {
                        return End::Stopped(rest.len());
                    }
                }
                // A header that does not end.
                None if have.len() >= want => return End::Broken(rest.len()),
                _ if rest.is_empty() => return End::Taken,
                _ if in_place => {
                    self.kept.extend_from_slice(rest);
                    return End::Taken;
                }
                _ => {
                    let (head, tail) = rest.split_at((want - self.kept.len()).min(rest.len()));
                    self.kept.extend_from_slice(head);
                    rest = tail;
                }
            }
        }
    }

    /// Looks for the next PDU, byte by byte, where it is lost: for `width` bytes that `begins` takes for a beginning,
    /// no fewer than measuring needs and no more than the shortest PDU has. What is left is to be fed next.
    pub fn hunt<'a>(
        &mut self,
        bytes: &'a [u8],
        width: usize,
        begins: &dyn Fn(&[u8]) -> bool,
    ) -> Option<&'a [u8]> {
        let mut window = std::mem::take(&mut self.kept);
        for (index, byte) in bytes.iter().enumerate() {
            if window.len() >= width {
                window.drain(..=window.len() - width);
            }
            window.push(*byte);
            if window.len() == width && begins(&window) {
                self.kept = window;
                return Some(&bytes[index + 1..]);
            }
        }
        self.kept = window;
        None
    }

    /// Bytes were never captured. Whether it is known where the next PDU begins; if not, what was kept is let go.
    pub fn gap(&mut self, missing: u64) -> bool {
        match usize::try_from(missing) {
            Ok(missing) if self.kept.is_empty() && missing <= self.rest => {
                self.rest -= missing;
                true
            }
            _ => {
                *self = Framer::default();
                false
            }
        }
    }
}

/// What the PDUs of a protocol look like whose next one can be found again where it was lost.
pub(crate) struct Shape {
    /// Bytes that are kept of one.
    pub max: usize,
    /// See [`Framer::feed`].
    pub measure: fn(&[u8]) -> Frame,
    /// See [`Framer::hunt`].
    pub width: usize,
    /// See [`Framer::hunt`].
    pub begins: fn(&[u8]) -> bool,
}

/// What a [`Finder`] hands on.
pub(crate) enum Found<'a> {
    /// What came.
    Piece(Piece<'a>),
    /// No PDU begins where the last one ended: the next one is looked for.
    Lost,
}

/// One direction of such a protocol.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    framer: Framer,
    lost: bool,
}

impl Finder {
    /// Takes the next bytes and hands on what is complete.
    pub fn feed(&mut self, mut bytes: &[u8], shape: &Shape, each: &mut dyn FnMut(Found<'_>)) {
        loop {
            if self.lost {
                let Some(rest) = self.framer.hunt(bytes, shape.width, &shape.begins) else { return };
                (bytes, self.lost) = (rest, false);
            }
            let end = self.framer.feed(bytes, shape.max, &shape.measure, &mut |piece| {
                each(Found::Piece(piece));
                Next::Go
            });
            let End::Broken(rest) = end else { return };
            each(Found::Lost);
            self.lost = true;
            bytes = &bytes[bytes.len() - rest..];
        }
    }

    /// Bytes were never captured. Whether it is known where the next PDU begins.
    pub fn gap(&mut self, missing: u64) -> bool {
        let known = self.framer.gap(missing);
        self.lost |= !known;
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length in the first byte, at least 2.
    fn measure(bytes: &[u8]) -> Frame {
        match bytes {
            [] | [_] => Frame::More(2),
            [0 | 1, ..] => Frame::Broken,
            [len, ..] => Frame::Pdu((*len).into()),
        }
    }

    fn run(bytes: &[u8], step: usize) -> (Vec<Vec<u8>>, End) {
        let (mut framer, mut pdus) = (Framer::default(), Vec::<Vec<u8>>::new());
        let mut end = End::Taken;
        for piece in bytes.chunks(step) {
            end = framer.feed(piece, 4, &measure, &mut |piece| {
                match piece {
                    Piece::Pdu { bytes, .. } => pdus.push(bytes.to_vec()),
                    Piece::Rest(bytes) => pdus.last_mut().unwrap().extend_from_slice(bytes),
                }
                Next::Go
            });
            if end != End::Taken {
                break;
            }
        }
        (pdus, end)
    }

    #[test]
    fn pdus_come_whole_in_any_pieces() {
        let bytes = [2, 9, 7, 1, 2, 3, 4, 5, 6, 3, 8, 8, 1, 1];
        for step in 1..=bytes.len() {
            let (pdus, end) = run(&bytes, step);
            assert_eq!(pdus, [&[2, 9][..], &[7, 1, 2, 3, 4, 5, 6], &[3, 8, 8]], "pieces of {step}");
            assert!(matches!(end, End::Broken(_)));
        }
    }

    #[test]
    fn a_gap_within_a_long_pdu_does_no_harm() {
        let mut framer = Framer::default();
        let mut count = 0;
        framer.feed(&[9, 1, 2, 3, 4], 4, &measure, &mut |_| {
            count += 1;
            Next::Go
        });
        assert_eq!(count, 2);
        assert!(framer.gap(4));
        assert!(!framer.gap(1));
    }

    #[test]
    fn a_lost_pdu_is_found_in_any_pieces() {
        let bytes = [0, 1, 2, 9, 9, 3, 7, 7];
        for step in 1..=bytes.len() {
            let mut framer = Framer::default();
            let mut pdus = Vec::new();
            let mut found = false;
            for piece in bytes.chunks(step) {
                let rest =
                    if found { Some(piece) } else { framer.hunt(piece, 2, &|w| w == [9, 3] || w == [3, 7]) };
                let Some(rest) = rest else { continue };
                found = true;
                framer.feed(
                    rest,
                    16,
                    &|b| if b.len() < 2 { Frame::More(2) } else { Frame::Pdu(3) },
                    &mut |piece| {
                        if let Piece::Pdu { bytes, .. } = piece {
                            pdus.push(bytes.to_vec());
                        }
                        Next::Go
                    },
                );
            }
            assert_eq!(pdus, [[9, 3, 7]], "pieces of {step}");
        }
    }
}
