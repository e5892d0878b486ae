//! Payload in order: what is handed on, what waits, what is given up.

use wire::{Direction, Nanos, TcpFlags};

use super::half::Fact;
use super::queue::Queue;
use super::seq::{distance, later};
use super::streams::Streams;
use super::{
    HOLE_TIMEOUT, MAX_DISTANCE, MAX_WAITING_BYTES, MAX_WAITING_SEGMENTS, Segment, StreamAnomaly, StreamEvent,
    TcpConnection, WINDOW_SLACK,
};

/// Of a connection that had holes.
#[derive(Debug)]
pub(super) struct Holes {
    pub(super) queues: [Queue; 2],
    /// Since when something has been waiting.
    since: [Nanos; 2],
    pub(super) gap_bytes: [u64; 2],
}

impl Holes {
    fn new(streams: &Streams) -> Self {
        let queue = || Queue::new(streams.budget());
        Holes { queues: [queue(), queue()], since: [Nanos(0); 2], gap_bytes: [0; 2] }
    }
}

impl TcpConnection {
    /// What a segment carries, data and FIN; it begins at `seq`.
    pub(super) fn take(
        &mut self,
        streams: &Streams,
        seq: u32,
        segment: &Segment<'_>,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let Segment { header, direction, payload, missing, .. } = *segment;
        let wanted = !self.ignore_payload && !self.halves[direction.index()].is(Fact::Deep);
        let behind = seq.wrapping_add(payload.len() as u32);
        if !payload.is_empty() || missing > 0 {
            let end = behind.wrapping_add(missing);
            let half = &mut self.halves[direction.index()];
            if !half.is(Fact::Placed) {
                half.place(seq);
            }
            half.set(Fact::Spoken);
            let ahead = distance(seq, half.next);
            if ahead.abs() > MAX_DISTANCE
                || half.is(Fact::Limited)
                    && !half.is(Fact::Fin)
                    && distance(end, later(half.limit, half.next)) > WINDOW_SLACK + i64::from(missing)
            {
                return self.tell(direction, StreamAnomaly::PacketOutOfWindow, sink);
            }
            let beyond = if half.is(Fact::Fin) { distance(end, half.limit) } else { 0 };
            if beyond > 0 {
                self.tell(direction, StreamAnomaly::DataBeyondFin, sink);
            }
            let half = &mut self.halves[direction.index()];
            let keep = payload.len().saturating_sub(usize::try_from(beyond.max(0)).unwrap_or(usize::MAX));
            let payload = &payload[..keep];
            let before = half.next;
            if wanted {
                self.accept(streams, seq, payload, segment, sink);
                if missing > 0 && beyond <= 0 {
                    self.lose(streams, behind, missing, direction, sink);
                }
            } else if ahead <= 0 || self.ignore_payload {
                // A reset is judged by where the stream is.
                half.next = later(half.next, seq.wrapping_add(payload.len() as u32));
            }
            self.notice_life_after_reset(before, direction, sink);
        }
        if header.flags.any(TcpFlags::FIN) {
            self.finish(behind.wrapping_add(missing), direction, sink);
        }
    }

    /// Who goes on sending behind its own reset did not send it.
    fn notice_life_after_reset(
        &mut self,
        before: u32,
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let half = &mut self.halves[direction.index()];
        if half.is(Fact::Reset) && half.next != before {
            half.clear(Fact::Reset);
            self.tell(direction, StreamAnomaly::SuspectedResetInjection, sink);
        }
    }

    /// The sender says that its stream ends at `place`.
    fn finish(&mut self, place: u32, direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) {
        let other_first = self.halves[direction.reverse().index()].is(Fact::Fin);
        let last = self.holes.as_ref().and_then(|holes| holes.queues[direction.index()].last_end());
        let half = &mut self.halves[direction.index()];
        if !half.is(Fact::Placed) {
            half.place(place);
        }
        let ahead = distance(place, half.next);
        let known_elsewhere = half.is(Fact::Fin) && half.limit != place;
        let outside = half.is(Fact::Limited)
            && !half.is(Fact::Fin)
            && distance(place, later(half.limit, half.next)) > WINDOW_SLACK;
        let before_data = ahead < 0 || last.is_some_and(|last| distance(last, place) > 0);
        if known_elsewhere || outside || before_data || ahead > MAX_DISTANCE {
            if !half.is(Fact::Fin) || half.limit != place {
                self.tell(direction, StreamAnomaly::FinOutOfWindow, sink);
            }
            return;
        }
        half.set(Fact::Fin);
        half.set(Fact::Limited);
        half.limit = place;
        if !other_first {
            half.set(Fact::FinFirst);
        }
    }

    fn accept(
        &mut self,
        streams: &Streams,
        seq: u32,
        payload: &[u8],
        segment: &Segment<'_>,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let direction = segment.direction;
        let next = self.halves[direction.index()].next;
        let ahead = distance(seq, next);
        if payload.is_empty() {
            return;
        }
        if ahead > 0 {
            return self.wait(streams, seq, payload, segment, sink);
        }
        let old = usize::try_from(-ahead).unwrap_or(usize::MAX);
        // One byte in front of what is expected is a keep-alive; its value means nothing (RFC 9293, 3.8.4).
        let keep_alive = old == 1 && payload.len() == 1;
        if old > 0 && !keep_alive && self.differs_from_delivered(streams, seq, payload, direction) {
            self.tell(direction, StreamAnomaly::OverlapDifferentData, sink);
        }
        let Some(fresh) = payload.get(old..).filter(|fresh| !fresh.is_empty()) else { return };
        let end = next.wrapping_add(fresh.len() as u32);
        let waiting = self.queue(direction).and_then(|queue| queue.first_seq());
        match waiting {
            None => self.deliver(streams, fresh, direction, sink),
            Some(first) if distance(first, end) >= 0 => {
                self.deliver(streams, fresh, direction, sink);
                self.drain(streams, direction, sink);
            }
            // It fills the hole and overlaps what waits behind.
            Some(_) => {
                self.insert(next, fresh, streams, segment, sink);
                self.drain(streams, direction, sink);
            }
        }
    }

    fn queue(&mut self, direction: Direction) -> Option<&mut Queue> {
        self.holes
            .as_mut()
            .map(|holes| &mut holes.queues[direction.index()])
            .filter(|queue| !queue.is_empty())
    }

    /// Keeps a segment behind a hole, as far as there is room.
    fn wait(
        &mut self,
        streams: &Streams,
        seq: u32,
        payload: &[u8],
        segment: &Segment<'_>,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let direction = segment.direction;
        let holes = self.holes.get_or_insert_with(|| Box::new(Holes::new(streams)));
        if holes.queues[direction.index()].is_empty() {
            holes.since[direction.index()] = segment.time;
        }
        while !self.holes.as_ref().is_some_and(|holes| holes.queues[direction.index()].affords(payload.len()))
        {
            if !self.skip_hole(streams, direction, sink) {
                // Other streams hold everything. The hole is given up, but not what is at hand.
                streams.budget().refuse();
                self.skip_to(streams, seq, direction, sink);
                return self.accept(streams, seq, payload, segment, sink);
            }
            if distance(seq, self.halves[direction.index()].next) <= 0 {
                return self.accept(streams, seq, payload, segment, sink);
            }
        }
        self.insert(seq, payload, streams, segment, sink);
        while self
            .queue(direction)
            .is_some_and(|queue| queue.bytes() > MAX_WAITING_BYTES || queue.len() > MAX_WAITING_SEGMENTS)
        {
            self.skip_hole(streams, direction, sink);
        }
    }

    fn insert(
        &mut self,
        seq: u32,
        payload: &[u8],
        streams: &Streams,
        segment: &Segment<'_>,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let Some(holes) = &mut self.holes else { return };
        let queue = &mut holes.queues[segment.direction.index()];
        if queue.insert(seq, payload, || streams.options.policies.of(segment.receiver)) {
            self.tell(segment.direction, StreamAnomaly::OverlapDifferentData, sink);
        }
    }

    /// Whether a segment that covers all of the last one handed on has other bytes in its place.
    fn differs_from_delivered(
        &self,
        streams: &Streams,
        seq: u32,
        payload: &[u8],
        direction: Direction,
    ) -> bool {
        let half = &self.halves[direction.index()];
        let len = usize::from(half.last_len);
        let Ok(from) = usize::try_from(distance(half.next.wrapping_sub(len as u32), seq)) else {
            return false;
        };
        len > 0
            && payload.get(from..from + len).is_some_and(|same| streams.fingerprint(same) != half.fingerprint)
    }

    /// `missing` bytes from `seq` on were cut off by the snap length: if they are due, nothing will
    /// bring them.
    fn lose(
        &mut self,
        streams: &Streams,
        seq: u32,
        missing: u32,
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        if self.halves[direction.index()].next == seq {
            let end = seq.wrapping_add(missing);
            let first = self.queue(direction).and_then(|queue| queue.first_seq());
            self.skip_to(
                streams,
                first.filter(|&first| distance(first, end) < 0).unwrap_or(end),
                direction,
                sink,
            );
            self.drain(streams, direction, sink);
        }
    }

    /// Hands on bytes that begin at `next`, down to the depth.
    fn deliver(
        &mut self,
        streams: &Streams,
        bytes: &[u8],
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let half = &mut self.halves[direction.index()];
        let position = half.next.wrapping_sub(half.start);
        half.next = half.next.wrapping_add(bytes.len() as u32);
        if half.is(Fact::Deep) {
            return;
        }
        let depth = streams.options.depth;
        let room = if depth == 0 { usize::MAX } else { depth.saturating_sub(position) as usize };
        half.last_len = u16::try_from(bytes.len()).unwrap_or(0);
        half.fingerprint = streams.fingerprint(bytes);
        let shown = &bytes[..bytes.len().min(room)];
        if !shown.is_empty() {
            sink(StreamEvent::Data(direction, shown));
        }
        if bytes.len() > room {
            half.set(Fact::Deep);
            half.last_len = 0;
            if let Some(queue) = self.queue(direction) {
                queue.clear();
            }
            sink(StreamEvent::Depth(direction));
        }
    }

    /// Hands on what waited for the bytes just seen.
    fn drain(&mut self, streams: &Streams, direction: Direction, sink: &mut impl FnMut(StreamEvent<'_>)) {
        loop {
            let next = self.halves[direction.index()].next;
            let Some((seq, bytes)) = self.queue(direction).and_then(|queue| queue.pop_due(next)) else {
                return;
            };
            let old = usize::try_from(distance(next, seq)).unwrap_or(usize::MAX);
            if let Some(fresh) = bytes.get(old..).filter(|fresh| !fresh.is_empty()) {
                self.deliver(streams, fresh, direction, sink);
            }
        }
    }

    /// Everything before `seq` is given up.
    fn skip_to(
        &mut self,
        streams: &Streams,
        seq: u32,
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let half = &mut self.halves[direction.index()];
        let Some(missing) = u64::try_from(distance(seq, half.next)).ok().filter(|&n| n > 0) else { return };
        half.next = seq;
        half.last_len = 0;
        if half.is(Fact::Deep) {
            return;
        }
        let holes = self.holes.get_or_insert_with(|| Box::new(Holes::new(streams)));
        holes.gap_bytes[direction.index()] += missing;
        sink(StreamEvent::Gap(direction, missing));
        self.tell(direction, StreamAnomaly::SequenceGap, sink);
    }

    /// Gives the first hole up. False if nothing waits.
    pub(super) fn skip_hole(
        &mut self,
        streams: &Streams,
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) -> bool {
        let Some(seq) = self.queue(direction).and_then(|queue| queue.first_seq()) else { return false };
        self.skip_to(streams, seq, direction, sink);
        self.drain(streams, direction, sink);
        true
    }

    /// The receiver has bytes that we wait for: the sensor lost them.
    pub(super) fn give_up_acknowledged(
        &mut self,
        streams: &Streams,
        ack: u32,
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        while let Some(seq) = self.queue(direction).and_then(|queue| queue.first_seq()) {
            if distance(ack, seq) <= 0 {
                return;
            }
            self.skip_hole(streams, direction, sink);
        }
    }

    /// What has waited for too long waits no more.
    pub(super) fn give_up_old_holes(
        &mut self,
        streams: &Streams,
        now: Nanos,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let Some(since) = self.holes.as_ref().map(|holes| holes.since[direction.index()]) else { return };
            if now.since(since) > HOLE_TIMEOUT && self.skip_hole(streams, direction, sink) {
                // The next hole has its own time.
                if let Some(holes) = &mut self.holes {
                    holes.since[direction.index()] = now;
                }
            }
        }
    }

    /// At the flow's end: bytes before the FIN, or acknowledged by the receiver, that never came.
    pub(super) fn tell_missing_end(
        &mut self,
        streams: &Streams,
        direction: Direction,
        sink: &mut impl FnMut(StreamEvent<'_>),
    ) {
        let half = self.halves[direction.index()];
        if self.ignore_payload || !half.is(Fact::Placed) {
            return;
        }
        if half.is(Fact::Fin) {
            self.skip_to(streams, half.limit, direction, sink);
        } else if half.is(Fact::Acked) {
            self.skip_to(streams, half.acked, direction, sink);
        }
    }
}
