//! SYN, SYN/ACK and what answers them: where the two streams begin.

use wire::{Direction, TcpFlags};

use super::half::Fact;
use super::seq::distance;
use super::state::Handshake;
use super::{Segment, StreamAnomaly, StreamEvent, TcpConnection};

/// Bytes that the data of a SYN/ACK's ACK may lie ahead of the SYN's number.
const MAX_HANDSHAKE_DISTANCE: i64 = 1 << 16;

impl TcpConnection {
    /// A SYN of either kind. False if it is not believed, and what it carries neither.
    pub(super) fn synchronise(
        &mut self,
        segment: &Segment<'_>,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) -> bool {
        let Segment { header, direction, .. } = *segment;
        if header.flags.any(TcpFlags::FIN) {
            self.tell(direction, StreamAnomaly::FinSyn, sink);
        }
        let answer = header.flags.any(TcpFlags::ACK);
        let start = header.seq.wrapping_add(1);
        let half = self.halves[direction.index()];
        let other = self.halves[direction.reverse().index()];
        let same = half.is(Fact::Placed) && half.start == start;
        if self.handshake == Handshake::Done || half.is(Fact::Spoken) && !same {
            let anomaly = match (answer, direction, same) {
                (true, _, true) => return true,
                (true, _, false) => StreamAnomaly::EstablishedSynAckResendDifferentSeq,
                (false, Direction::ToClient, _) => StreamAnomaly::EstablishedSynToClient,
                (false, Direction::ToServer, true) => StreamAnomaly::EstablishedSynResend,
                (false, Direction::ToServer, false) => StreamAnomaly::EstablishedSynResendDifferentSeq,
            };
            if half.is(Fact::Placed) {
                self.tell(direction, anomaly, sink);
                return same;
            }
        }
        if answer {
            if half.is(Fact::Syn) && !other.is(Fact::Syn) && self.handshake == Handshake::SynSent {
                self.tell(direction, StreamAnomaly::SynAckInWrongDirection, sink);
                return false;
            }
            if other.is(Fact::Syn) {
                let taken = distance(header.ack, other.start);
                if taken < 0 || distance(header.ack, other.next) > 0 {
                    self.tell(direction, StreamAnomaly::SynAckWrongAck, sink);
                    return false;
                }
                if taken == 0 && other.is(Fact::Spoken) {
                    self.tell(direction, StreamAnomaly::SynAckFastOpenIgnored, sink);
                }
            }
            if half.is(Fact::Syn) && !same {
                // Which of them counts, the client's ACK will say.
                self.tell(direction, StreamAnomaly::SynAckResendDifferentSeq, sink);
                return false;
            }
        } else if half.is(Fact::Syn) && !same && self.handshake == Handshake::SynReceived {
            self.tell(direction, StreamAnomaly::SynResendDifferentSeq, sink);
            return false;
        } else if direction == Direction::ToClient && self.handshake == Handshake::SynReceived {
            self.tell(direction, StreamAnomaly::SynToClient, sink);
            return false;
        }
        let half = &mut self.halves[direction.index()];
        if !same {
            // Also a second attempt of a client that was not answered.
            half.place(start);
        }
        half.set(Fact::Syn);
        if let Some(scale) = segment.window_scale {
            half.scale = scale;
        }
        true
    }

    /// Follows the three-way handshake, a simultaneous opening, and a connection met midstream.
    pub(super) fn shake_hands(&mut self, segment: &Segment<'_>, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let Segment { header, direction, payload, .. } = *segment;
        let syn = header.flags.any(TcpFlags::SYN);
        let ack = header.flags.any(TcpFlags::ACK);
        let other = direction.reverse().index();
        let answered = self.handshake == Handshake::SynReceived && ack && !syn && self.answers(segment, sink);
        self.handshake = match self.handshake {
            Handshake::None | Handshake::SynSent if syn && ack => Handshake::SynReceived,
            Handshake::None if syn => Handshake::SynSent,
            // Both have called at once.
            Handshake::SynSent if syn && self.halves[other].is(Fact::Syn) => Handshake::SynReceived,
            // Only the caller is heard: it would not go on without an answer.
            Handshake::SynSent if ack && self.halves[direction.index()].is(Fact::Syn) => Handshake::Done,
            Handshake::SynReceived if answered => Handshake::Done,
            // Picked up midstream: both sides have been heard.
            Handshake::None if !payload.is_empty() && self.halves[other].flags != 0 => Handshake::Done,
            same => same,
        };
    }

    /// Whether a segment acknowledges the other side's SYN.
    fn answers(&mut self, segment: &Segment<'_>, sink: &mut impl FnMut(StreamEvent<'_>)) -> bool {
        let Segment { header, direction, .. } = *segment;
        let other = self.halves[direction.reverse().index()];
        if !other.is(Fact::Syn) {
            // One side is not heard; the other would not go on without an answer.
            return true;
        }
        if self.told.has(StreamAnomaly::SynAckResendDifferentSeq)
            && !other.is(Fact::Spoken)
            && header.ack != other.start
        {
            // The client says which of several SYN/ACKs it took.
            self.halves[direction.reverse().index()].place(header.ack);
            return true;
        }
        let ahead = distance(header.ack, other.start);
        if ahead < 0 || distance(header.ack, other.next) > MAX_HANDSHAKE_DISTANCE {
            self.tell(direction, StreamAnomaly::HandshakeWrongAck, sink);
            return false;
        }
        true
    }
}
