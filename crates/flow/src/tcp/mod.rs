//! One TCP connection: its state, and its payload put in order (RFC 9293).
//!
//! Bytes that come in order are handed on where they lie, without a copy, at once: detection does not wait
//! for the receiver's ACK. Bytes behind a hole wait in a bounded buffer until the hole is filled, until the
//! receiver acknowledges what we never saw (the sensor lost it), until they have waited for
//! [`HOLE_TIMEOUT`], or until there is no room; then the hole is told to the consumer as a gap. Where
//! segments overlap among what waits, the receiver's [`OverlapPolicy`] decides. What has been handed on
//! cannot be changed; see README.md beside this file for what that costs and what is noticed of it.

mod anomaly;
mod budget;
mod half;
mod handshake;
mod policy;
mod queue;
mod reassembly;
mod seq;
mod state;
mod streams;

use std::net::IpAddr;
use std::time::Duration;

use wire::{Direction, Nanos, Packet, TcpFlags, TcpHeader, TcpOption, Transport};

pub use self::anomaly::StreamAnomaly;
use self::anomaly::Told;
pub use self::budget::StreamBudget;
use self::half::{Fact, Half};
pub use self::policy::OverlapPolicy;
use self::reassembly::Holes;
use self::seq::{distance, later};
use self::state::Handshake;
pub use self::streams::{StreamOptions, Streams};
use crate::record::{FlowState, TcpRecord};

/// Bytes that may wait behind a hole, per direction.
pub const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// Segments that may wait behind a hole, per direction.
pub const MAX_WAITING_SEGMENTS: usize = 1024;
/// A hole older than this will not be filled: longer than the first retransmissions take.
pub const HOLE_TIMEOUT: Duration = Duration::from_secs(30);
/// A segment this far from the expected one belongs to no sane window (RFC 7323, section 2.3).
const MAX_DISTANCE: i64 = 1 << 30;
/// How far outside the window a segment is "clearly" outside: our place on the wire is not the receiver's.
const WINDOW_SLACK: i64 = 1 << 16;
/// How far from the expected number a reset is believed when no acknowledgement was seen.
const RESET_DISTANCE: i64 = 1 << 20;

/// What reassembly hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// The next bytes of the stream.
    Data(Direction, &'a [u8]),
    /// This many bytes were never captured; what follows comes behind them.
    Gap(Direction, u64),
    /// The depth was reached: no more of this direction will be handed on. Told once.
    Depth(Direction),
    /// The sender of this direction did something odd. Each kind is told once per connection.
    Anomaly(Direction, StreamAnomaly),
}

/// A segment as it came off the wire.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Its header.
    pub header: TcpHeader,
    /// The shift count of a SYN's window scale option, zero if the SYN has none; `None` of other segments
    /// (RFC 7323, section 2).
    pub window_scale: Option<u8>,
    /// Which way it goes.
    pub direction: Direction,
    /// Who receives it, whose policy counts.
    pub receiver: IpAddr,
    /// What it carries.
    pub payload: &'a [u8],
    /// Bytes of the payload that were cut off by the capture.
    pub missing: u32,
    /// When it came.
    pub time: Nanos,
}

impl<'a> Segment<'a> {
    /// A packet's segment, if it carries one.
    #[must_use]
    pub fn of(packet: &Packet<'a>, direction: Direction, time: Nanos) -> Option<Self> {
        let Transport::Tcp(header) = packet.transport else { return None };
        let (receiver, payload, missing) = (packet.dst, packet.payload, packet.missing);
        let window_scale = header.flags.any(TcpFlags::SYN).then(|| {
            let shift = |option| if let TcpOption::WindowScale(shift) = option { Some(shift) } else { None };
            packet.tcp_options().find_map(shift).unwrap_or(0)
        });
        Some(Segment { header, window_scale, direction, receiver, payload, missing, time })
    }
}

/// A tracked TCP connection.
#[derive(Debug, Default)]
pub struct TcpConnection {
    halves: [Half; 2],
    /// Only there once bytes were missing.
    holes: Option<Box<Holes>>,
    told: Told,
    handshake: Handshake,
    /// Nobody wants the payload any more.
    ignore_payload: bool,
    /// Segments pass unseen: where the streams are is not known any more.
    unseen: bool,
}

impl TcpConnection {
    /// The payload is of no interest any more: it is neither kept nor handed on.
    pub fn ignore_payload(&mut self) {
        self.ignore_payload = true;
        if let Some(holes) = &mut self.holes {
            holes.queues.iter_mut().for_each(queue::Queue::clear);
        }
    }

    /// Segments pass unseen from now on, so that no sequence number is implausible any more.
    pub fn lose_track(&mut self) {
        self.ignore_payload();
        self.unseen = true;
    }

    /// Takes in one segment and hands on what has become contiguous.
    pub fn segment(
        &mut self,
        streams: &Streams,
        segment: &Segment<'_>,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let Segment { header, direction, .. } = *segment;
        let flags = header.flags;
        self.halves[direction.index()].flags |= flags.0;
        if self.unseen {
            return self.follow_blindly(segment);
        }
        if self.holes.is_some() {
            self.give_up_old_holes(streams, segment.time, sink);
        }
        if flags.any(TcpFlags::RST) {
            // What a reset carries is no part of the stream (RFC 9293, section 3.5.3).
            return self.reset(&header, direction, sink);
        }
        if flags.any(TcpFlags::SYN) && !self.synchronise(segment, sink) {
            return;
        }
        self.shake_hands(segment, sink);
        let first = header.seq.wrapping_add(u32::from(flags.any(TcpFlags::SYN)));
        self.take(streams, first, segment, sink);
        if flags.any(TcpFlags::ACK) {
            self.acknowledge(streams, &header, direction, sink);
        }
    }

    /// Of a connection whose segments pass unseen only the end is followed, and no number is implausible: what was seen
    /// last may lie megabytes behind.
    fn follow_blindly(&mut self, segment: &Segment<'_>) {
        let Segment { header, direction, payload, missing, .. } = *segment;
        let other = &mut self.halves[direction.reverse().index()];
        let other_first = other.is(Fact::Fin);
        if other_first && header.flags.any(TcpFlags::ACK) && header.ack == other.limit.wrapping_add(1) {
            other.set(Fact::FinAcked);
        }
        let half = &mut self.halves[direction.index()];
        if header.flags.any(TcpFlags::RST) {
            half.set(Fact::Reset);
        } else if header.flags.any(TcpFlags::FIN) {
            half.limit = header.seq.wrapping_add(payload.len() as u32).wrapping_add(missing);
            half.next = half.limit;
            half.set(Fact::Fin);
            if !other_first {
                half.set(Fact::FinFirst);
            }
        }
    }

    /// Hands on what still waits behind holes, and tells what is known to be missing at the end: the flow
    /// has ended.
    pub fn flush(&mut self, streams: &Streams, sink: &mut impl FnMut(StreamEvent<'_>)) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            while self.skip_hole(streams, direction, sink) {}
            self.tell_missing_end(streams, direction, sink);
        }
        if let Some(holes) = &mut self.holes {
            holes.queues.iter_mut().for_each(queue::Queue::clear);
        }
    }

    fn tell(&mut self, direction: Direction, anomaly: StreamAnomaly, sink: &mut impl FnMut(StreamEvent<'_>)) {
        if self.told.first(anomaly) {
            sink(StreamEvent::Anomaly(direction, anomaly));
        }
    }

    /// A reset ends the connection if the receiver would believe it: its number is between what the
    /// receiver has acknowledged and what its window allows (RFC 9293; RFC 5961 is stricter, but we do not
    /// see what the receiver expects, only what it last said).
    fn reset(&mut self, header: &TcpHeader, direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let half = &self.halves[direction.index()];
        let ahead = distance(header.seq, half.next);
        let believed = if !half.is(Fact::Placed) || ahead == 0 {
            true
        } else if half.is(Fact::Acked) {
            let limit = if half.is(Fact::Limited) { later(half.limit, half.next) } else { half.next };
            distance(header.seq, half.acked) >= 0
                && distance(header.seq, limit) <= WINDOW_SLACK
                && ahead.abs() < RESET_DISTANCE
        } else {
            ahead.abs() < RESET_DISTANCE
        };
        if believed {
            self.halves[direction.index()].set(Fact::Reset);
        } else {
            self.tell(direction, StreamAnomaly::ResetOutOfWindow, sink);
        }
    }

    /// The receiver of `direction.reverse()` says how far it got and how much more it takes.
    fn acknowledge(
        &mut self,
        streams: &Streams,
        header: &TcpHeader,
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let shift = if header.flags.any(TcpFlags::SYN) { 0 } else { self.halves[direction.index()].shift() };
        let to = direction.reverse();
        let half = &mut self.halves[to.index()];
        if !half.is(Fact::Placed) {
            return;
        }
        let ack = header.ack;
        // The FIN takes a number, too.
        let end = half.limit.wrapping_add(u32::from(half.is(Fact::Fin)));
        let beyond = distance(ack, end);
        if distance(ack, half.next).abs() > MAX_DISTANCE
            || (half.is(Fact::Limited) && !half.is(Fact::Fin) && beyond > WINDOW_SLACK)
        {
            self.tell(direction, StreamAnomaly::InvalidAck, sink);
            return;
        }
        if half.is(Fact::Fin) {
            if beyond > 0 {
                // The receiver took bytes behind it: it did not believe this FIN.
                half.clear(Fact::Fin);
                half.clear(Fact::FinFirst);
                half.clear(Fact::FinAcked);
                half.clear(Fact::Limited);
                self.tell(to, StreamAnomaly::FinOutOfWindow, sink);
            } else if beyond == 0 {
                half.set(Fact::FinAcked);
            }
        }
        let half = &mut self.halves[to.index()];
        half.acked = if half.is(Fact::Acked) { later(half.acked, ack) } else { ack };
        half.set(Fact::Acked);
        if !half.is(Fact::Fin) {
            let edge = ack.wrapping_add(u32::from(header.window) << shift);
            half.limit = if half.is(Fact::Limited) { later(half.limit, edge) } else { edge };
            half.set(Fact::Limited);
        }
        if self.holes.is_some() {
            self.give_up_acknowledged(streams, ack, to, sink);
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
        self.holes.as_ref().map_or(0, |holes| holes.queues.iter().map(queue::Queue::bytes).sum())
    }

    pub(crate) fn record(&self) -> TcpRecord {
        TcpRecord {
            flags: [TcpFlags(self.halves[0].flags), TcpFlags(self.halves[1].flags)],
            state: self.state_name(),
            gap_bytes: self.holes.as_ref().map_or([0; 2], |holes| holes.gap_bytes),
        }
    }
}

/// Ten million of them lie in a table.
const _: () = assert!(size_of::<TcpConnection>() <= 72);

#[cfg(test)]
mod tests;
