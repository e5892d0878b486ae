//! How far a connection got, by the names of EVE (RFC 9293, section 3.3.2, seen from the server).

use wire::TcpFlags;

use super::half::Fact;
use super::seq::distance;
use super::{Segment, TcpConnection};
use crate::record::FlowState;

/// The opening of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Handshake {
    /// Picked up midstream, or nothing seen yet.
    #[default]
    None,
    SynSent,
    SynReceived,
    Done,
}

impl TcpConnection {
    /// How far the connection got.
    #[must_use]
    pub fn state(&self) -> FlowState {
        if self.is_reset() || self.halves.iter().all(super::half::Half::is_over) {
            FlowState::Closed
        } else if self.was_heard() {
            // Of a connection that is heard from one side only nobody knows whether the other lives.
            FlowState::Established
        } else {
            FlowState::New
        }
    }

    /// Whether its handshake was seen, both sides of it, and is done.
    #[must_use]
    pub fn was_opened(&self) -> bool {
        self.handshake == Handshake::Done && self.halves.iter().all(|half| half.is(Fact::Syn))
    }

    /// Whether both sides were heard, be it in mid-connection, and one of them has spoken after the other.
    #[must_use]
    pub fn was_heard(&self) -> bool {
        self.handshake == Handshake::Done && self.halves.iter().all(|half| half.flags != 0)
    }

    /// Whether what this segment carries belongs to an opened connection: it was opened, or this segment opens it, or
    /// it comes with the SYN (TCP Fast Open, RFC 7413), which a server takes only from a client that it knows.
    #[must_use]
    pub fn carries_opened(&self, segment: &Segment<'_>) -> bool {
        let Segment { header, direction, payload, .. } = *segment;
        let (syn, ack) = (header.flags.any(TcpFlags::SYN), header.flags.any(TcpFlags::ACK));
        let other = &self.halves[direction.reverse().index()];
        let opens = || {
            let greeted = self.halves.iter().all(|half| half.is(Fact::Syn));
            greeted && !syn && ack && distance(header.ack, other.start) >= 0
        };
        self.was_opened()
            || (self.handshake == Handshake::SynReceived && !self.is_reset() && opens())
            || (self.handshake == Handshake::None && syn && !ack && !payload.is_empty())
    }

    /// Sequence numbers that a side has used so far: a byte of its stream is one, its SYN is one; modulo 2^32.
    #[must_use]
    pub fn stream_size(&self, direction: wire::Direction) -> u64 {
        let half = &self.halves[direction.index()];
        let used = half.next.wrapping_sub(half.start).wrapping_add(1);
        if half.is(Fact::Placed) { used.into() } else { 0 }
    }

    pub(super) fn is_reset(&self) -> bool {
        self.halves.iter().any(|half| half.is(Fact::Reset))
    }

    pub(super) fn state_name(&self) -> &'static str {
        let [client, server] = &self.halves;
        if self.is_reset() {
            return "closed";
        }
        let acked = [client.is(Fact::FinAcked), server.is(Fact::FinAcked)];
        match (client.is(Fact::Fin), server.is(Fact::Fin)) {
            (true, false) => "close_wait",
            (false, true) if acked[1] => "fin_wait2",
            (false, true) => "fin_wait1",
            (true, true) if client.is(Fact::FinFirst) => {
                if acked[1] {
                    "closed"
                } else {
                    "last_ack"
                }
            }
            (true, true) => match acked {
                [true, true] => "closed",
                [false, true] => "time_wait",
                [_, false] => "closing",
            },
            (false, false) => match self.handshake {
                Handshake::None => "none",
                Handshake::SynSent => "syn_sent",
                Handshake::SynReceived => "syn_recv",
                Handshake::Done => "established",
            },
        }
    }
}
