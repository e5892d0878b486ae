//! What is remembered of one direction of a connection. It lies in every flow: every byte counts.

use super::seq::distance;

/// Window scale of a SYN that was not seen, or whose options were not read: as if it were the largest
/// (RFC 7323, section 2.3), so that no segment is called out of window wrongly.
const MAX_SCALE: u8 = 14;
const UNKNOWN_SCALE: u8 = u8::MAX;

/// One direction: the bytes of one sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    /// Sequence number of the stream's first byte.
    pub(super) start: u32,
    /// Sequence number of the next byte in order.
    pub(super) next: u32,
    /// The highest acknowledgement by the receiver.
    pub(super) acked: u32,
    /// Before the FIN: the right edge of the receiver's window. With it: the FIN's place.
    pub(super) limit: u32,
    /// Hash of the last segment handed on.
    pub(super) fingerprint: u32,
    /// Its length; zero: none.
    pub(super) last_len: u16,
    known: u16,
    /// All flags of the sender.
    pub(super) flags: u8,
    /// Of the sender's SYN.
    pub(super) scale: u8,
}

/// What is known of a direction, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Fact {
    /// `start` and `next` count.
    Placed = 1,
    /// `acked` counts.
    Acked = 1 << 1,
    /// `limit` counts.
    Limited = 1 << 2,
    /// The sender's SYN was seen.
    Syn = 1 << 3,
    /// Data was seen.
    Spoken = 1 << 4,
    /// The sender's FIN was seen; `limit` is its place.
    Fin = 1 << 5,
    /// It was the first of the two.
    FinFirst = 1 << 6,
    /// It was acknowledged.
    FinAcked = 1 << 7,
    /// A reset by the sender was believed.
    Reset = 1 << 8,
    /// The depth was reached.
    Deep = 1 << 9,
}

impl Default for Half {
    fn default() -> Self {
        Half {
            start: 0,
            next: 0,
            acked: 0,
            limit: 0,
            fingerprint: 0,
            last_len: 0,
            known: 0,
            flags: 0,
            scale: UNKNOWN_SCALE,
        }
    }
}

impl Half {
    pub(super) fn is(&self, fact: Fact) -> bool {
        self.known & fact as u16 != 0
    }

    pub(super) fn set(&mut self, fact: Fact) {
        self.known |= fact as u16;
    }

    pub(super) fn clear(&mut self, fact: Fact) {
        self.known &= !(fact as u16);
    }

    /// The stream begins at `seq`.
    pub(super) fn place(&mut self, seq: u32) {
        self.start = seq;
        self.next = seq;
        self.last_len = 0;
        self.set(Fact::Placed);
        self.clear(Fact::Acked);
        self.clear(Fact::Limited);
    }

    /// The window's shift count that the sender announced.
    pub(super) fn shift(&self) -> u8 {
        if self.scale == UNKNOWN_SCALE { MAX_SCALE } else { self.scale.min(MAX_SCALE) }
    }

    /// Everything up to the FIN has come, or the receiver has it.
    pub(super) fn is_over(&self) -> bool {
        self.is(Fact::Fin) && (self.is(Fact::FinAcked) || distance(self.limit, self.next) <= 0)
    }
}
