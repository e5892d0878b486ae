//! One TCP connection: its state, and its payload put in order (RFC 9293).
//!
//! Bytes that come in order are handed on where they lie, without a copy. Bytes behind a hole wait in
//! a bounded buffer until the hole is filled, until the receiver acknowledges what we never saw (the
//! sensor lost it), or until the buffer is full; then the hole is told to the consumer as a gap. The
//! first copy of a byte wins.

use wire::{Direction, TcpFlags, TcpHeader};

use crate::record::{FlowState, TcpRecord};

/// Bytes that may wait behind a hole, per direction.
pub const MAX_WAITING_BYTES: usize = 256 * 1024;
/// Segments that may wait behind a hole, per direction.
pub const MAX_WAITING_SEGMENTS: usize = 256;
/// A segment this far from the expected one belongs to no sane window.
const MAX_DISTANCE: i64 = 1 << 30;

/// What reassembly hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// The next bytes of the stream.
    Data(Direction, &'a [u8]),
    /// This many bytes were never captured; what follows comes behind them.
    Gap(Direction, u64),
}

/// One direction of the connection.
#[derive(Debug, Default)]
struct Half {
    /// Sequence number of the next byte in order, once known.
    next: Option<u32>,
    /// Segments behind a hole, in order, not overlapping.
    waiting: Vec<(u32, Box<[u8]>)>,
    waiting_bytes: usize,
    flags: u8,
    fin: bool,
    /// Data was seen.
    spoken: bool,
    gap_bytes: u64,
}

/// How far `seq` lies behind `base`; negative if before.
fn distance(seq: u32, base: u32) -> i64 {
    i64::from(seq.wrapping_sub(base).cast_signed())
}

/// A tracked TCP connection.
#[derive(Debug, Default)]
pub struct TcpConnection {
    halves: [Half; 2],
    reset: bool,
    handshake: Handshake,
    /// Nobody wants the payload any more.
    ignore_payload: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Handshake {
    /// Picked up midstream, or nothing seen yet.
    #[default]
    None,
    SynSent,
    SynReceived,
    Done,
}

impl TcpConnection {
    /// The payload is of no interest any more: it is neither kept nor handed on.
    pub fn ignore_payload(&mut self) {
        self.ignore_payload = true;
        for half in &mut self.halves {
            half.waiting = Vec::new();
            half.waiting_bytes = 0;
        }
    }

    /// Segments pass unseen from now on, so that no sequence number is implausible any more.
    pub fn lose_track(&mut self) {
        self.ignore_payload();
        for half in &mut self.halves {
            half.next = None;
        }
    }

    /// Takes in one segment and hands on what has become contiguous. `missing`
    /// bytes of the payload were cut off by the capture.
    pub fn segment(
        &mut self,
        header: &TcpHeader,
        direction: Direction,
        payload: &[u8],
        missing: u32,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        self.shake_hands(header, direction, payload);
        let half = &mut self.halves[direction.index()];
        half.flags |= header.flags.0;
        let mut seq = header.seq;
        if header.flags.any(TcpFlags::SYN) {
            seq = seq.wrapping_add(1);
            half.next.get_or_insert(seq);
        }
        if !self.ignore_payload {
            if !payload.is_empty() {
                half.spoken = true;
                half.accept(seq, payload, direction, sink);
            }
            if missing > 0 {
                half.lose(seq.wrapping_add(payload.len() as u32), missing, direction, sink);
            }
            if header.flags.any(TcpFlags::ACK) && !header.flags.any(TcpFlags::RST) {
                let other = direction.reverse();
                self.halves[other.index()].acknowledged(header.ack, other, sink);
            }
        } else if !payload.is_empty() {
            half.spoken = true;
            // A reset is judged by where the stream is.
            half.next = half.next.map(|_| seq.wrapping_add(payload.len() as u32));
        }
        let half = &mut self.halves[direction.index()];
        half.fin |= header.flags.any(TcpFlags::FIN);
        self.reset |= header.flags.any(TcpFlags::RST) && half.plausible_reset(header.seq);
    }

    /// Hands on what still waits behind holes: the flow has ended.
    pub fn flush(&mut self, sink: &mut impl FnMut(StreamEvent<'_>)) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let half = &mut self.halves[direction.index()];
            while half.skip_hole(direction, sink) {}
        }
    }

    fn shake_hands(&mut self, header: &TcpHeader, direction: Direction, payload: &[u8]) {
        let syn = header.flags.any(TcpFlags::SYN);
        let ack = header.flags.any(TcpFlags::ACK);
        self.handshake = match self.handshake {
            Handshake::None if syn && ack => Handshake::SynReceived,
            Handshake::None if syn => Handshake::SynSent,
            Handshake::SynSent if syn && ack => Handshake::SynReceived,
            Handshake::SynReceived if ack && !syn && direction == Direction::ToServer => Handshake::Done,
            // Picked up midstream: both sides have been heard.
            Handshake::None if !payload.is_empty() && self.halves[direction.reverse().index()].flags != 0 => {
                Handshake::Done
            }
            same => same,
        };
    }

    /// How far the connection got.
    #[must_use]
    pub fn state(&self) -> FlowState {
        if self.reset || (self.halves[0].fin && self.halves[1].fin) {
            FlowState::Closed
        } else if self.handshake == Handshake::Done {
            FlowState::Established
        } else {
            FlowState::New
        }
    }

    /// Whether `header` opens a new connection on the ports of this one, which is over.
    #[must_use]
    pub fn is_reuse(&self, header: &TcpHeader) -> bool {
        self.state() == FlowState::Closed
            && header.flags.any(TcpFlags::SYN)
            && !header.flags.any(TcpFlags::ACK)
    }

    /// Bytes that wait behind holes.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.halves.iter().map(|h| h.waiting_bytes).sum()
    }

    pub(crate) fn record(&self) -> TcpRecord {
        let state = match (self.state(), self.handshake) {
            (FlowState::Closed, _) => "closed",
            (_, Handshake::None) => "none",
            (_, Handshake::SynSent) => "syn_sent",
            (_, Handshake::SynReceived) => "syn_recv",
            (_, Handshake::Done) if self.halves.iter().any(|h| h.fin) => "fin_wait1",
            (_, Handshake::Done) => "established",
        };
        TcpRecord {
            flags: [TcpFlags(self.halves[0].flags), TcpFlags(self.halves[1].flags)],
            state,
            gap_bytes: [self.halves[0].gap_bytes, self.halves[1].gap_bytes],
        }
    }
}

impl Half {
    fn accept(
        &mut self,
        seq: u32,
        payload: &[u8],
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let next = *self.next.get_or_insert(seq);
        let ahead = distance(seq, next);
        if ahead.abs() > MAX_DISTANCE {
            return;
        }
        if ahead <= 0 {
            let Some(fresh) = usize::try_from(-ahead).ok().and_then(|old| payload.get(old..)) else { return };
            if !fresh.is_empty() {
                self.advance(fresh, direction, sink);
                self.drain(direction, sink);
            }
            return;
        }
        self.keep(seq, payload);
        while self.waiting_bytes > MAX_WAITING_BYTES || self.waiting.len() > MAX_WAITING_SEGMENTS {
            if !self.skip_hole(direction, sink) {
                return;
            }
        }
    }

    /// `missing` bytes from `seq` on were cut off by the snap length: if they are due, nothing will
    /// bring them.
    fn lose(&mut self, seq: u32, missing: u32, direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.next == Some(seq) {
            self.next = Some(seq.wrapping_add(missing));
            self.gap_bytes += u64::from(missing);
            sink(StreamEvent::Gap(direction, u64::from(missing)));
            self.drain(direction, sink);
        }
    }

    /// Hands on bytes that begin at `next`.
    fn advance(&mut self, bytes: &[u8], direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) {
        self.next = self.next.map(|next| next.wrapping_add(bytes.len() as u32));
        sink(StreamEvent::Data(direction, bytes));
    }

    /// Hands on what waited for the bytes just seen.
    fn drain(&mut self, direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let mut done = 0;
        let waiting = std::mem::take(&mut self.waiting);
        for (seq, bytes) in &waiting {
            let Some(next) = self.next else { break };
            let ahead = distance(*seq, next);
            if ahead > 0 {
                break;
            }
            done += 1;
            self.waiting_bytes -= bytes.len();
            let old = usize::try_from(-ahead).unwrap_or(usize::MAX);
            if let Some(fresh) = bytes.get(old..).filter(|f| !f.is_empty()) {
                self.advance(fresh, direction, sink);
            }
        }
        self.waiting = waiting;
        self.waiting.drain(..done);
    }

    /// Copies those bytes of a segment that no waiting segment has yet.
    fn keep(&mut self, mut seq: u32, mut payload: &[u8]) {
        let mut at = 0;
        while let Some((start, bytes)) = self.waiting.get(at) {
            let gap = distance(*start, seq);
            let (start, len) = (*start, bytes.len());
            if gap > 0 {
                // Room before this one: as much as fits.
                let room = usize::try_from(gap).unwrap_or(usize::MAX).min(payload.len());
                let (head, rest) = payload.split_at(room);
                self.insert(at, seq, head);
                at += 1;
                payload = rest;
            }
            // Whatever overlaps the waiting segment came second.
            let skip = usize::try_from(distance(start, seq) + len as i64).unwrap_or(0);
            let consumed = usize::try_from(gap.max(0)).unwrap_or(usize::MAX);
            let skip = skip.saturating_sub(consumed);
            let Some(rest) = payload.get(skip..) else { return };
            seq = if gap > 0 { start.wrapping_add(skip as u32) } else { seq.wrapping_add(skip as u32) };
            payload = rest;
            at += 1;
        }
        self.insert(at, seq, payload);
    }

    fn insert(&mut self, at: usize, seq: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.waiting_bytes += bytes.len();
            self.waiting.insert(at, (seq, bytes.into()));
        }
    }

    /// The receiver has bytes that we wait for: the sensor lost them.
    fn acknowledged(&mut self, ack: u32, direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) {
        while let Some((seq, _)) = self.waiting.first() {
            if distance(ack, *seq) <= 0 {
                return;
            }
            self.skip_hole(direction, sink);
        }
    }

    /// Gives the first hole up. False if nothing waits.
    fn skip_hole(&mut self, direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) -> bool {
        let (Some(next), Some((seq, _))) = (self.next, self.waiting.first()) else { return false };
        let missing = u64::try_from(distance(*seq, next)).unwrap_or(0);
        self.next = Some(*seq);
        self.gap_bytes += missing;
        if missing > 0 {
            sink(StreamEvent::Gap(direction, missing));
        }
        self.drain(direction, sink);
        true
    }

    /// A reset counts only near the bytes that were seen; others are blind shots (RFC 5961).
    fn plausible_reset(&self, seq: u32) -> bool {
        self.next.is_none_or(|next| distance(seq, next).abs() < 1 << 20)
    }
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
