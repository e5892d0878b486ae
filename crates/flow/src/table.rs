//! The flow table of one worker: fixed capacity, seeded hash, one or two cache lines to a flow.
//!
//! `table/README.md` tells how it is built and what it costs. In short: an [`index`] of one-line buckets
//! leads from a key's hash to a slot of the [`slab`]; the timer [`wheel`] says which flows to look at for
//! timeouts, and which a full table can best do without. What a packet belongs to never depends on when
//! the table was swept: a packet that comes after its flow's timeout opens a new one.

mod entry;
mod huge;
mod index;
mod key;
mod orientation;
mod prefetch;
mod slab;
mod wheel;

use std::time::Duration;

use alert::Orientation;
use wire::{Direction, Nanos, Packet, TcpFlags, Transport};

pub use entry::Flow;
pub use index::KeyHash;

use crate::record::{EndReason, FlowRecord, FlowTuple};
use crate::tcp::TcpConnection;
use crate::timeouts::{Pressure, Timeouts};
use index::Index;
use key::Seed;
use slab::{NONE, Slab};
use wheel::{Class, Wheels};

/// Flows of the front that are looked at for one that was not heard of since it was put there.
const EVICTION_LOOKS: usize = 8;
/// Flows that one step of [`FlowTable::expire`] looks at.
const SWEEP_STEP: usize = 4096;

/// A flow that has left the table.
#[derive(Debug)]
pub struct Ended<A> {
    /// What is written down.
    pub record: FlowRecord,
    /// How certain it is that the client called.
    pub orientation: Orientation,
    /// The connection, for payload that still waits ([`TcpConnection::flush`]).
    pub tcp: TcpConnection,
    /// What the upper rooms knew.
    pub app: A,
}

/// Where a packet belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The flow, valid until the next call that takes the table mutably.
    pub slot: u32,
    /// Which way the packet goes.
    pub direction: Direction,
    /// The packet opened the flow.
    pub is_new: bool,
    /// An interim record is due ([`Flow::record`] with [`EndReason::Active`]).
    pub interim: bool,
}

/// What the table counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Flows opened.
    pub created: u64,
    /// Flows ended by timeout.
    pub expired: u64,
    /// Flows ended before their timeout because the table was nearly full.
    pub pressed: u64,
    /// Flows that had to go because the table was full: unanswered, closed, established.
    pub evicted: [u64; 3],
    /// How often the table came under pressure.
    pub pressures: u64,
    /// Flows live now.
    pub active: u64,
}

/// See the module's text.
#[derive(Debug)]
pub struct FlowTable<A> {
    index: Index,
    slab: Slab<Flow<A>>,
    wheels: Wheels,
    seed: Seed,
    timeouts: Timeouts,
    pressure: Pressure,
    /// Live flows at which pressure begins.
    high_water: u32,
    /// Live flows at which it ends.
    low_water: u32,
    under_pressure: bool,
    interim: Option<Duration>,
    counters: FlowCounters,
}

impl<A> FlowTable<A> {
    /// Bytes that a tracked flow takes, all in, when the table is full.
    pub const BYTES_PER_FLOW: usize = Index::BYTES_PER_ENTRY + Slab::<Flow<A>>::BYTES_PER_SLOT;

    /// A table for `capacity` flows. Its memory is reserved at once and used as flows come.
    #[must_use]
    pub fn new(capacity: u32, timeouts: Timeouts) -> Self {
        let capacity = capacity.clamp(1, NONE - 1);
        let table = FlowTable {
            index: Index::new(capacity),
            slab: Slab::new(capacity),
            wheels: Wheels::new(),
            seed: Seed::default(),
            timeouts,
            pressure: Pressure::default(),
            high_water: 0,
            low_water: 0,
            under_pressure: false,
            interim: None,
            counters: FlowCounters::default(),
        };
        table.with_pressure(Pressure::default())
    }

    /// When the table is under pressure, and what it does then.
    #[must_use]
    pub fn with_pressure(mut self, pressure: Pressure) -> Self {
        let percent = |p: u64| ((u64::from(self.slab.capacity()) * p).div_ceil(100)) as u32;
        let high = u64::from(pressure.percent.min(100));
        self.high_water = percent(high).max(1);
        // A twentieth lower, so that it does not come and go with every flow.
        self.low_water = percent(high.saturating_sub(5)).min(self.high_water - 1);
        self.pressure = pressure;
        self
    }

    /// Long flows get a record at this interval. Zero: only at their end.
    #[must_use]
    pub fn with_interim(mut self, interval: Duration) -> Self {
        self.interim = (!interval.is_zero()).then_some(interval);
        self
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> FlowCounters {
        FlowCounters { active: u64::from(self.slab.len()), ..self.counters }
    }

    /// The flow in a slot that [`FlowTable::track`] has just returned.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Flow<A>> {
        self.slab.get_mut(slot)
    }

    /// The hash of a packet's key, for the calls below. The same in both directions, another in every table.
    #[must_use]
    #[inline]
    pub fn hash(&self, packet: &Packet<'_>) -> KeyHash {
        self.seed.of_packet(packet)
    }

    /// First step ahead of [`FlowTable::track_hashed`]: asks the memory for the key's bucket.
    #[inline]
    pub fn prefetch_bucket(&self, hash: KeyHash) {
        self.index.prefetch(hash);
    }

    /// Second step, once the bucket has come: asks for the flow.
    #[inline]
    pub fn prefetch_flow(&self, hash: KeyHash) {
        self.index.likely(hash).for_each(|slot| self.slab.prefetch(slot));
    }

    /// [`FlowTable::track_hashed`] for a packet that comes alone.
    pub fn track(
        &mut self,
        packet: &Packet<'_>,
        time: Nanos,
        wire_len: u32,
        open: impl FnOnce(&FlowTuple) -> A,
        ended: &mut impl FnMut(Ended<A>),
    ) -> Tracked {
        self.track_hashed(packet, self.hash(packet), time, wire_len, open, ended)
    }

    /// Finds or opens the flow of a packet and counts the packet on it. Flows that end on the way (an
    /// old connection on the same ports, a silent one, an eviction) are handed to `ended`.
    pub fn track_hashed(
        &mut self,
        packet: &Packet<'_>,
        hash: KeyHash,
        time: Nanos,
        wire_len: u32,
        open: impl FnOnce(&FlowTuple) -> A,
        ended: &mut impl FnMut(Ended<A>),
    ) -> Tracked {
        let slab = &self.slab;
        let found = self.index.find(hash, |slot| slab.get(slot).is_some_and(|flow| flow.is_of(packet)));
        let (slot, is_new) = match found.map(|slot| (slot, self.over(slot, packet, time))) {
            Some((slot, None)) => (slot, false),
            Some((slot, Some(reason))) => {
                self.end(slot, reason, ended);
                (self.open(packet, hash, time, open, ended), true)
            }
            None => (self.open(packet, hash, time, open, ended), true),
        };
        let Some(flow) = self.slab.get_mut(slot) else {
            // An opened flow is live; nothing else could be said of the packet.
            return Tracked { slot, direction: Direction::ToServer, is_new, interim: false };
        };
        let direction = flow.count(packet, time, wire_len);
        let interim = self.interim.is_some_and(|interval| flow.interim_due(interval));
        Tracked { slot, direction, is_new, interim }
    }

    /// Judges the flow's state anew. To be called once a packet has been worked on, because its segment
    /// may have changed the state.
    #[inline]
    pub fn touch(&mut self, slot: u32) {
        let Some(flow) = self.slab.get_mut(slot) else { return };
        let state = flow.judge();
        if state != flow.state {
            flow.state = state;
            self.wheels.unlink(&mut self.slab, slot);
            self.link(slot);
        }
    }

    /// A packet of the flow was seen elsewhere at `time`. False if the slot holds another flow by now.
    pub fn seen(&mut self, slot: u32, id: u64, time: Nanos) -> bool {
        let Some(flow) = self.get_mut(slot).filter(|flow| flow.tuple.id == id) else { return false };
        flow.last = flow.last.max(time);
        true
    }

    /// Ends every flow that was silent for too long when the second of `now` began (the wheel's tick, 1.07 s).
    pub fn expire(&mut self, now: Nanos, ended: &mut impl FnMut(Ended<A>)) {
        while self.sweep(now, SWEEP_STEP, ended) {}
    }

    /// [`FlowTable::expire`] in steps: looks at no more than `limit` flows. Whether there are more to look at.
    pub fn sweep(&mut self, now: Nanos, limit: usize, ended: &mut impl FnMut(Ended<A>)) -> bool {
        let mut looks = 0;
        for class in Class::ALL {
            if let Some((mut slot, last)) = self.wheels.set_back(class, now) {
                while slot != NONE {
                    let next = self.slab.get(slot).map_or(NONE, |flow| flow.links.newer());
                    self.wheels.unlink(&mut self.slab, slot);
                    self.link(slot);
                    slot = if slot == last { NONE } else { next };
                }
            }
            while let Some(slot) = self.wheels.due(class, now) {
                if looks == limit {
                    return true;
                }
                looks += 1;
                if self.is_silent(slot, now, 1) {
                    self.end(slot, EndReason::Timeout, ended);
                } else {
                    self.wheels.unlink(&mut self.slab, slot);
                    self.link(slot);
                }
            }
        }
        self.relieve(now, limit - looks, ended);
        false
    }

    /// Ends every flow, unanswered ones first.
    pub fn drain(&mut self, ended: &mut impl FnMut(Ended<A>)) {
        for class in Class::ALL {
            while let Some(slot) = self.wheels.front(class) {
                self.end(slot, EndReason::Shutdown, ended);
            }
        }
        self.wheels.rewind();
    }

    /// Whether a flow was silent for longer than its timeout divided by `divisor`.
    fn is_silent(&self, slot: u32, now: Nanos, divisor: u32) -> bool {
        self.slab.get(slot).is_some_and(|flow| {
            now.since(flow.last) > self.timeouts.of(flow.tuple.proto, flow.state) / divisor.max(1)
        })
    }

    /// Under pressure, ends unanswered and closed flows before their time.
    fn relieve(&mut self, now: Nanos, limit: usize, ended: &mut impl FnMut(Ended<A>)) {
        let was = self.under_pressure;
        let water = if was { self.low_water } else { self.high_water };
        self.under_pressure = self.slab.len() >= water.max(1);
        self.counters.pressures += u64::from(self.under_pressure && !was);
        if !self.under_pressure {
            return;
        }
        let mut looks = 0;
        for class in [Class::New, Class::Closed] {
            while looks < limit
                && let Some(slot) = self.wheels.front(class)
                && self.slab.len() > self.low_water
            {
                looks += 1;
                if self.is_silent(slot, now, self.pressure.divisor) {
                    self.end(slot, EndReason::Pressure, ended);
                } else if !self.put_back(slot, class) {
                    break;
                }
            }
        }
    }

    /// Puts a flow that was heard of since where it belongs. False if it is there.
    fn put_back(&mut self, slot: u32, class: Class) -> bool {
        let Some(flow) = self.slab.get(slot) else { return false };
        let deadline = self.timeouts.deadline(flow.tuple.proto, flow.state, flow.last);
        let is_early = self.wheels.is_early(flow.list, class, deadline);
        if is_early {
            self.wheels.unlink(&mut self.slab, slot);
            self.link(slot);
        }
        is_early
    }

    /// Why this packet cannot belong to the flow of its key, if it cannot.
    #[inline]
    fn over(&self, slot: u32, packet: &Packet<'_>, time: Nanos) -> Option<EndReason> {
        let flow = self.slab.get(slot)?;
        match packet.transport {
            Transport::Tcp(header)
                if header.flags.any(TcpFlags::SYN)
                    && !header.flags.any(TcpFlags::ACK)
                    && (flow.tcp.is_reuse(&header) || flow.is_contradicted(packet)) =>
            {
                Some(EndReason::Reuse)
            }
            // The trailing ACK of a closed connection still belongs to it, so that what it counts does
            // not depend on when the table was swept: expiry is judged by the packet's own time.
            _ if self.is_silent(slot, time, 1) => Some(EndReason::Timeout),
            _ => None,
        }
    }

    fn open(
        &mut self,
        packet: &Packet<'_>,
        hash: KeyHash,
        time: Nanos,
        app: impl FnOnce(&FlowTuple) -> A,
        ended: &mut impl FnMut(Ended<A>),
    ) -> u32 {
        if self.slab.is_full() {
            self.evict(ended);
        }
        let Some(slot) = self.slab.insert(Flow::open(packet, time, app)) else { return NONE };
        while let Err(in_the_way) = self.index.insert(hash, slot) {
            self.end(in_the_way, EndReason::Evicted, ended);
        }
        self.link(slot);
        self.counters.created += 1;
        slot
    }

    /// Ends the flow that can best be spared: one that nobody answered if there is any, else a closed one,
    /// else an established one; the one that would be over first, as far as a few looks tell.
    fn evict(&mut self, ended: &mut impl FnMut(Ended<A>)) {
        for class in Class::ALL {
            let Some(mut victim) = self.wheels.front(class) else { continue };
            for _ in 1..EVICTION_LOOKS {
                if !self.put_back(victim, class) {
                    break;
                }
                victim = self.wheels.front(class).unwrap_or(victim);
            }
            let next = self.slab.get(victim).map_or(NONE, |flow| flow.links.newer());
            self.end(victim, EndReason::Evicted, ended);
            // Under a flood it is the next to go.
            self.slab.prefetch(next);
            return;
        }
    }

    fn end(&mut self, slot: u32, reason: EndReason, ended: &mut impl FnMut(Ended<A>)) {
        self.wheels.unlink(&mut self.slab, slot);
        let Some(flow) = self.slab.remove(slot) else { return };
        let tuple = &flow.tuple;
        self.index.remove(self.seed.of(&tuple.client, &tuple.server, tuple.proto, tuple.vlans), slot);
        match reason {
            EndReason::Timeout => self.counters.expired += 1,
            EndReason::Pressure => self.counters.pressed += 1,
            EndReason::Evicted => self.counters.evicted[Class::of(flow.state) as usize] += 1,
            EndReason::Reuse | EndReason::Shutdown | EndReason::Active => {}
        }
        let record = flow.record(reason);
        ended(Ended { record, orientation: flow.orientation, tcp: flow.tcp, app: flow.app });
    }

    /// Puts a flow that is in no list where it is looked at when its timeout is over.
    fn link(&mut self, slot: u32) {
        let Some(flow) = self.slab.get(slot) else { return };
        let deadline = self.timeouts.deadline(flow.tuple.proto, flow.state, flow.last);
        let class = Class::of(flow.state);
        self.wheels.link(&mut self.slab, slot, class, deadline);
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
