//! The flow table of one worker: fixed capacity, seeded hash, expiry in order.
//!
//! Flows lie in a slab that is never grown; an index maps the hash of their key to their slot. Every
//! flow is in one list per timeout class, ordered by its last packet, so the head of each list is the
//! next to expire and expiry costs nothing for the flows that stay. When the table is full the flow
//! that was silent longest goes, never-answered ones first, then closed, then established ones.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use wire::{Direction, FlowKey, Nanos, Packet, TcpFlags, Transport};

use crate::record::{EndReason, FlowRecord, FlowState, FlowTuple};
use crate::tcp::TcpConnection;
use crate::timeouts::{Class, Timeouts};

/// Ports below this belong to servers if the packet itself does not say who called whom.
const WELL_KNOWN_PORTS: u16 = 1024;
const NONE: u32 = u32::MAX;

/// A live flow with what the upper rooms keep on it.
#[derive(Debug)]
pub struct Flow<A> {
    /// Name and orientation.
    pub tuple: FlowTuple,
    /// Packets so far, `[to server, to client]`.
    pub packets: [u64; 2],
    /// Bytes on the wire so far, `[to server, to client]`.
    pub bytes: [u64; 2],
    /// The connection, if it is TCP.
    pub tcp: TcpConnection,
    /// What the upper rooms know of it.
    pub app: A,
    key: FlowKey,
    hash: u64,
    last: Nanos,
    state: FlowState,
    icmp: Option<(u8, u8)>,
    class: Class,
    newer: u32,
    older: u32,
}

/// A flow that has left the table.
#[derive(Debug)]
pub struct Ended<A> {
    /// What is written down.
    pub record: FlowRecord,
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
}

/// What the table counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Flows opened.
    pub created: u64,
    /// Flows ended by timeout.
    pub expired: u64,
    /// Flows that had to go because the table was full.
    pub evicted: u64,
    /// Flows live now.
    pub active: u64,
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

/// See the module's text.
#[derive(Debug)]
pub struct FlowTable<A> {
    slots: Vec<Option<Flow<A>>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    lists: [List; Class::COUNT],
    hasher: RandomState,
    timeouts: Timeouts,
    counters: FlowCounters,
}

impl<A> FlowTable<A> {
    /// A table for `capacity` flows; its slab grows up to that and no further.
    #[must_use]
    pub fn new(capacity: u32, timeouts: Timeouts) -> Self {
        let capacity = capacity.clamp(1, NONE - 1);
        FlowTable {
            slots: Vec::new(),
            free: (0..capacity).rev().collect(),
            index: HashTable::new(),
            lists: [List { oldest: NONE, newest: NONE }; Class::COUNT],
            hasher: RandomState::default(),
            timeouts,
            counters: FlowCounters::default(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> FlowCounters {
        FlowCounters { active: self.index.len() as u64, ..self.counters }
    }

    /// The flow in a slot that [`FlowTable::track`] has just returned.
    #[must_use]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Flow<A>> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Finds or opens the flow of a packet and counts the packet on it. Flows that end on the way (an
    /// old connection on the same ports, a silent one, an eviction) are handed to `ended`.
    pub fn track(
        &mut self,
        packet: &Packet<'_>,
        time: Nanos,
        wire_len: u32,
        open: impl FnOnce(&FlowTuple) -> A,
        ended: &mut impl FnMut(Ended<A>),
    ) -> Tracked {
        let (key, swapped) = packet.flow_key();
        let hash = self.hash(&key);
        let found = self.index.find(hash, |&slot| self.holds(slot, hash, &key)).copied();
        let (slot, is_new) = match found {
            Some(slot) => match self.over(slot, packet, time) {
                None => (slot, false),
                Some(reason) => {
                    self.end(slot, reason, ended);
                    (self.open(key, hash, packet, time, open, ended), true)
                }
            },
            None => (self.open(key, hash, packet, time, open, ended), true),
        };
        let direction = self.count(slot, packet, swapped, time, wire_len);
        Tracked { slot, direction, is_new }
    }

    /// Puts a flow into the class of its present state, at the end of its list. To be called once a
    /// packet has been worked on, because its segment may have changed the state.
    pub fn touch(&mut self, slot: u32) {
        let Some(flow) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        if matches!(flow.tuple.proto, wire::IpProto::TCP) {
            flow.state = flow.tcp.state();
        } else if flow.packets[0] > 0 && flow.packets[1] > 0 {
            flow.state = FlowState::Established;
        }
        let class = Class::of(flow.tuple.proto, flow.state);
        let newest_already = flow.class == class && flow.newer == NONE;
        if !newest_already {
            self.unlink(slot);
            self.link(slot, class);
        }
    }

    /// A packet of the flow was seen elsewhere at `time`. False if the slot holds another flow by now.
    pub fn seen(&mut self, slot: u32, id: u64, time: Nanos) -> bool {
        let Some(flow) = self.get_mut(slot).filter(|flow| flow.tuple.id == id) else { return false };
        if time > flow.last {
            flow.last = time;
            let class = flow.class;
            self.unlink(slot);
            self.link(slot, class);
        }
        true
    }

    /// Ends every flow whose timeout is over at `now`.
    pub fn expire(&mut self, now: Nanos, ended: &mut impl FnMut(Ended<A>)) {
        for class in 0..Class::COUNT {
            while let Some(flow) = self.flow(self.lists[class].oldest) {
                if !self.silent_too_long(flow, now) {
                    break;
                }
                self.end(self.lists[class].oldest, EndReason::Timeout, ended);
            }
        }
    }

    /// Ends every flow, oldest first within its class.
    pub fn drain(&mut self, ended: &mut impl FnMut(Ended<A>)) {
        for class in 0..Class::COUNT {
            while self.lists[class].oldest != NONE {
                self.end(self.lists[class].oldest, EndReason::Shutdown, ended);
            }
        }
    }

    fn hash(&self, key: &FlowKey) -> u64 {
        let mut state = self.hasher.build_hasher();
        key.hash(&mut state);
        std::hash::Hasher::finish(&state)
    }

    fn flow(&self, slot: u32) -> Option<&Flow<A>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    fn holds(&self, slot: u32, hash: u64, key: &FlowKey) -> bool {
        self.flow(slot).is_some_and(|f| f.hash == hash && f.key == *key)
    }

    fn silent_too_long(&self, flow: &Flow<A>, now: Nanos) -> bool {
        now.since(flow.last) > self.timeouts.of(flow.tuple.proto, flow.state)
    }

    /// Why this packet cannot belong to the flow of its key, if it cannot.
    fn over(&self, slot: u32, packet: &Packet<'_>, time: Nanos) -> Option<EndReason> {
        let flow = self.flow(slot)?;
        match packet.transport {
            Transport::Tcp(header) if flow.tcp.is_reuse(&header) => Some(EndReason::Reuse),
            // The trailing ACK of a closed connection still belongs to it, so that what it counts does
            // not depend on when the table was swept: expiry is judged by the packet's own time.
            _ if self.silent_too_long(flow, time) => Some(EndReason::Timeout),
            _ => None,
        }
    }

    fn open(
        &mut self,
        key: FlowKey,
        hash: u64,
        packet: &Packet<'_>,
        time: Nanos,
        app: impl FnOnce(&FlowTuple) -> A,
        ended: &mut impl FnMut(Ended<A>),
    ) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => self.evict(ended),
        };
        let tuple = orient(&key, packet, time);
        let class = Class::of(packet.proto, FlowState::New);
        let icmp = match packet.transport {
            Transport::Icmp { kind, code } => Some((kind, code)),
            _ => None,
        };
        let flow = Flow {
            app: app(&tuple),
            tuple,
            packets: [0; 2],
            bytes: [0; 2],
            tcp: TcpConnection::default(),
            key,
            hash,
            last: time,
            state: FlowState::New,
            icmp,
            class,
            newer: NONE,
            older: NONE,
        };
        if self.slots.len() <= slot as usize {
            self.slots.resize_with(slot as usize + 1, || None);
        }
        self.slots[slot as usize] = Some(flow);
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |&s| slots[s as usize].as_ref().map_or(0, |f| f.hash));
        self.link(slot, class);
        self.counters.created += 1;
        slot
    }

    /// Ends the flow that can best be spared and gives its slot.
    fn evict(&mut self, ended: &mut impl FnMut(Ended<A>)) -> u32 {
        let victim = self.lists.iter().map(|l| l.oldest).find(|&slot| slot != NONE).unwrap_or(0);
        self.end(victim, EndReason::Evicted, ended);
        self.free.pop().unwrap_or(0)
    }

    fn count(
        &mut self,
        slot: u32,
        packet: &Packet<'_>,
        swapped: bool,
        time: Nanos,
        wire_len: u32,
    ) -> Direction {
        let Some(flow) = self.get_mut(slot) else { return Direction::ToServer };
        // An endpoint talking to itself (same address and port) has only one direction.
        let from_client =
            packet.source() == flow.tuple.client || (flow.tuple.client == flow.tuple.server && !swapped);
        let direction = if from_client { Direction::ToServer } else { Direction::ToClient };
        flow.packets[direction.index()] += 1;
        flow.bytes[direction.index()] += u64::from(wire_len);
        flow.last = flow.last.max(time);
        direction
    }

    fn end(&mut self, slot: u32, reason: EndReason, ended: &mut impl FnMut(Ended<A>)) {
        self.unlink(slot);
        let Some(flow) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        if let Ok(entry) = self.index.find_entry(flow.hash, |&s| s == slot) {
            entry.remove();
        }
        self.free.push(slot);
        match reason {
            EndReason::Timeout => self.counters.expired += 1,
            EndReason::Evicted => self.counters.evicted += 1,
            EndReason::Reuse | EndReason::Shutdown => {}
        }
        let tcp = (flow.tuple.proto == wire::IpProto::TCP).then(|| flow.tcp.record());
        let record = FlowRecord {
            tuple: flow.tuple,
            end: flow.last,
            packets: flow.packets,
            bytes: flow.bytes,
            state: flow.state,
            reason,
            tcp,
            icmp: flow.icmp,
        };
        ended(Ended { record, tcp: flow.tcp, app: flow.app });
    }

    fn link(&mut self, slot: u32, class: Class) {
        let newest = self.lists[class.index()].newest;
        if let Some(flow) = self.get_mut(slot) {
            flow.class = class;
            flow.older = newest;
            flow.newer = NONE;
        }
        match self.get_mut(newest) {
            Some(flow) => flow.newer = slot,
            None => self.lists[class.index()].oldest = slot,
        }
        self.lists[class.index()].newest = slot;
    }

    fn unlink(&mut self, slot: u32) {
        let Some(flow) = self.get_mut(slot) else { return };
        let (older, newer, class) = (flow.older, flow.newer, flow.class.index());
        match self.get_mut(older) {
            Some(flow) => flow.newer = newer,
            None => self.lists[class].oldest = newer,
        }
        match self.get_mut(newer) {
            Some(flow) => flow.older = older,
            None => self.lists[class].newest = older,
        }
    }
}

/// Who called whom, as far as the first packet tells, and the flow's number.
fn orient(key: &FlowKey, packet: &Packet<'_>, start: Nanos) -> FlowTuple {
    let (src, dst) = (packet.source(), packet.destination());
    let from_server = match packet.transport {
        Transport::Tcp(h) if h.flags.any(TcpFlags::SYN) => h.flags.any(TcpFlags::ACK),
        _ => src.port != 0 && src.port < WELL_KNOWN_PORTS && dst.port >= WELL_KNOWN_PORTS,
    };
    let (client, server) = if from_server { (dst, src) } else { (src, dst) };
    let id = (key.stable_hash() ^ start.0.wrapping_mul(0xd6e8_feb8_6659_fd93)) >> 11;
    FlowTuple { id, client, server, proto: packet.proto, vlans: packet.vlans, start }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
