//! The datagrams under way of one worker: found by key, ended by time, bounded in number and bytes.

use std::hash::BuildHasher;
use std::ops::Range;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use wire::{Fragment, FragmentKey, Nanos};

use super::anomaly::{self, Anomaly, Pair};
use super::datagram::{Datagram, Verdict};
use super::memory::{growth, make_room};
use super::options::DefragOptions;

const NONE: u32 = u32::MAX;
/// Longest link header and IP header that buffers are made for at once: longer ones make them grow.
const USUAL_HEAD: usize = 256;

/// What came on the wire of a fragment (one frame, unless it lay in a tunnel whose packets were fragmented
/// themselves), or of a whole datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    /// How many frames, copies included.
    pub packets: u32,
    /// What they took on the wire.
    pub wire_bytes: u64,
    /// When the first of them came.
    pub start: Nanos,
}

impl Frames {
    /// A single frame.
    #[must_use]
    pub fn one(time: Nanos, wire_len: u32) -> Self {
        Frames { packets: 1, wire_bytes: u64::from(wire_len), start: time }
    }
}

/// What was counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefragCounters {
    /// Datagrams begun.
    pub datagrams: u64,
    /// Datagrams of these that became whole.
    pub reassembled: u64,
    /// Fragments taken.
    pub packets: u64,
    /// Fragments of datagrams that became whole.
    pub reassembled_packets: u64,
    /// Fragments of datagrams that did not become whole in time.
    pub timed_out_packets: u64,
    /// Fragments of datagrams that had to go for want of room.
    pub evicted_packets: u64,
    /// Fragments of datagrams dropped because of what overlapped or contradicted itself.
    pub discarded_packets: u64,
    /// Fragments of datagrams that were not whole when the packets ended.
    pub flushed_packets: u64,
    /// Anomalies, in the order of [`Anomaly::ALL`].
    pub anomalies: [u64; Anomaly::ALL.len()],
}

impl DefragCounters {
    /// Fragments of datagrams that are under way.
    #[must_use]
    pub fn held_packets(&self) -> u64 {
        let ended = self.reassembled_packets
            + self.timed_out_packets
            + self.evicted_packets
            + self.discarded_packets
            + self.flushed_packets;
        self.packets - ended
    }
}

/// Why a datagram ends that is not whole.
#[derive(Clone, Copy)]
enum Lost {
    TimedOut,
    Evicted,
    Flushed,
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

/// See the module's text.
#[derive(Debug)]
pub struct Defragmenter {
    options: DefragOptions,
    slots: Vec<Datagram>,
    /// Unused slots, with buffers and without.
    warm: Vec<u32>,
    cold: Vec<u32>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// Of IPv4 and IPv6, whose timeouts differ; by arrival of the first fragment.
    lists: [List; 2],
    /// Bytes of slots and buffers.
    memory: usize,
    counters: DefragCounters,
    found: u32,
    won: Vec<Range<u32>>,
}

impl Defragmenter {
    /// Nothing under way, nothing allocated.
    #[must_use]
    pub fn new(options: DefragOptions) -> Self {
        Defragmenter {
            options,
            slots: Vec::new(),
            warm: Vec::new(),
            cold: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            lists: [List { oldest: NONE, newest: NONE }; 2],
            memory: 0,
            counters: DefragCounters::default(),
            found: 0,
            won: Vec::new(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &DefragCounters {
        &self.counters
    }

    /// Bytes that datagrams under way and spare buffers take; never more than
    /// [`max_bytes`](DefragOptions::max_bytes).
    #[must_use]
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Datagrams under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// What was wrong with the last fragment.
    pub fn anomalies(&self) -> impl Iterator<Item = Anomaly> + use<> {
        let found = self.found;
        Anomaly::ALL.iter().copied().filter(move |&anomaly| found & 1 << anomaly as u32 != 0)
    }

    /// The last fragment did not come here: nothing was wrong with it.
    pub fn nothing_found(&mut self) {
        self.found = 0;
    }

    /// Takes a fragment at `time`. If it is the last that was missing, `whole` is the datagram's frame (the link header
    /// and tunnels of its first fragment, the IP packet as if it had never been fragmented) and all of its frames are told.
    pub fn take(
        &mut self,
        fragment: &Fragment<'_>,
        frames: Frames,
        time: Nanos,
        whole: &mut Vec<u8>,
    ) -> Option<Frames> {
        self.found = 0;
        self.counters.packets += u64::from(frames.packets);
        let v6 = fragment.key.src.is_ipv6();
        let Some(slot) = self.find(&fragment.key, frames.start, time) else {
            self.note(anomaly::IGNORED, v6);
            self.counters.evicted_packets += u64::from(frames.packets);
            return None;
        };
        let datagram = &mut self.slots[slot as usize];
        datagram.packets = datagram.packets.saturating_add(frames.packets);
        datagram.wire_bytes += frames.wire_bytes;
        datagram.start = datagram.start.min(frames.start);
        if datagram.discarded {
            self.counters.discarded_packets += u64::from(frames.packets);
            return None;
        }
        let (mut found, datagram) = (self.found, &self.slots[slot as usize]);
        let verdict = datagram.judge(fragment, &mut |pair| found |= 1 << pair[usize::from(v6)] as u32);
        self.noted(found);
        match verdict {
            Verdict::Nothing => return None,
            Verdict::Discard => {
                self.discard(slot);
                return None;
            }
            Verdict::Keep(range) => {
                if !self.make_room(slot, fragment, &range) {
                    self.note(anomaly::IGNORED, v6);
                    return None;
                }
                let datagram = &mut self.slots[slot as usize];
                let before = datagram.memory();
                datagram.keep(fragment, &range, &mut self.won);
                self.memory += datagram.memory() - before;
            }
        }
        let datagram = &self.slots[slot as usize];
        if !datagram.is_whole() {
            return None;
        }
        if !datagram.fits() {
            self.note(anomaly::TOO_LARGE, v6);
            self.discard(slot);
            return None;
        }
        Some(self.complete(slot, whole))
    }

    /// Ends datagrams whose time is over at `now`.
    pub fn expire(&mut self, now: Nanos) {
        for family in 0..2 {
            while self.is_over(self.lists[family].oldest, now) {
                self.lose(self.lists[family].oldest, Lost::TimedOut);
            }
        }
    }

    /// Ends everything that is under way.
    pub fn flush(&mut self) {
        for family in 0..2 {
            while self.lists[family].oldest != NONE {
                self.lose(self.lists[family].oldest, Lost::Flushed);
            }
        }
    }

    fn note(&mut self, pair: Pair, v6: bool) {
        self.noted(self.found | 1 << pair[usize::from(v6)] as u32);
    }

    /// Counts what is new in `found`.
    fn noted(&mut self, found: u32) {
        for &anomaly in Anomaly::ALL {
            let bit = 1 << anomaly as u32;
            self.counters.anomalies[anomaly as usize] += u64::from(found & bit != 0 && self.found & bit == 0);
        }
        self.found = found;
    }

    fn timeout(&self, family: usize) -> Duration {
        if family == 0 { self.options.timeout_ipv4 } else { self.options.timeout_ipv6 }
    }

    fn is_over(&self, slot: u32, now: Nanos) -> bool {
        let Some(datagram) = self.slots.get(slot as usize) else { return false };
        now.since(datagram.start) > self.timeout(family(&datagram.key))
    }

    /// The datagram of a key, begun if there is none. None: there is no room for it.
    fn find(&mut self, key: &FragmentKey, start: Nanos, now: Nanos) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let slots = &self.slots;
        if let Some(&slot) = self.index.find(hash, |&slot| slots[slot as usize].key == *key) {
            if !self.is_over(slot, now) {
                return Some(slot);
            }
            self.lose(slot, Lost::TimedOut);
        }
        let slot = self.unused(key)?;
        let policy = self.options.policies.of(key.dst);
        self.slots[slot as usize].reset(*key, hash, start, policy, self.counters.datagrams);
        self.counters.datagrams += 1;
        let slots = &self.slots;
        self.index.insert_unique(hash, slot, |&slot| slots[slot as usize].hash);
        self.link(slot);
        Some(slot)
    }

    /// A slot that is free, or made free.
    fn unused(&mut self, key: &FragmentKey) -> Option<u32> {
        if self.len() >= self.options.max_datagrams as usize {
            self.evict_oldest(NONE);
        }
        if let Some(slot) = self.warm.pop().or_else(|| self.cold.pop()) {
            return Some(slot);
        }
        let more = growth(&self.slots, 1);
        if !self.free(more, NONE) {
            return None;
        }
        // Eviction may have left a slot.
        if let Some(slot) = self.cold.pop() {
            return Some(slot);
        }
        make_room(&mut self.slots, 1);
        self.memory += more;
        self.slots.push(Datagram::new(*key));
        u32::try_from(self.slots.len() - 1).ok()
    }

    /// Makes sure that a fragment's data may be kept.
    fn make_room(&mut self, slot: u32, fragment: &Fragment<'_>, range: &Range<u32>) -> bool {
        let more = self.slots[slot as usize].growth(fragment, range);
        self.free(more, slot)
    }

    /// Frees memory until `more` bytes can be allocated: spare buffers first, then the oldest datagrams but `but`.
    fn free(&mut self, more: usize, but: u32) -> bool {
        while self.memory + more > self.options.max_bytes {
            if let Some(slot) = self.warm.pop() {
                self.release(slot);
                self.cold.push(slot);
            } else if !self.evict_oldest(but) {
                return false;
            }
        }
        true
    }

    fn release(&mut self, slot: u32) {
        let datagram = &mut self.slots[slot as usize];
        self.memory -= datagram.memory();
        datagram.release();
    }

    /// Evicts the datagram that was begun first, unless it is `but`: then the next. False if there is none.
    fn evict_oldest(&mut self, but: u32) -> bool {
        let candidate = |list: &List| {
            let oldest = self.slots.get(list.oldest as usize)?;
            let slot = if list.oldest == but { oldest.newer } else { list.oldest };
            self.slots.get(slot as usize).map(|datagram| (datagram.number, slot))
        };
        let Some((_, slot)) = self.lists.iter().filter_map(candidate).min() else { return false };
        self.lose(slot, Lost::Evicted);
        true
    }

    /// Drops a datagram's data and remembers to drop the rest of it.
    fn discard(&mut self, slot: u32) {
        self.release(slot);
        let datagram = &mut self.slots[slot as usize];
        datagram.discarded = true;
        self.counters.discarded_packets += u64::from(datagram.packets);
    }

    fn lose(&mut self, slot: u32, why: Lost) {
        let datagram = &self.slots[slot as usize];
        // Those of a discarded one are counted already.
        let packets = if datagram.discarded { 0 } else { u64::from(datagram.packets) };
        match why {
            Lost::TimedOut => self.counters.timed_out_packets += packets,
            Lost::Evicted => self.counters.evicted_packets += packets,
            Lost::Flushed => self.counters.flushed_packets += packets,
        }
        self.remove(slot);
    }

    fn complete(&mut self, slot: u32, whole: &mut Vec<u8>) -> Frames {
        whole.clear();
        whole.reserve(wire::MAX_DATAGRAM + USUAL_HEAD);
        let datagram = &self.slots[slot as usize];
        datagram.write(whole);
        let &Datagram { packets, wire_bytes, start, .. } = datagram;
        self.counters.reassembled += 1;
        self.counters.reassembled_packets += u64::from(packets);
        self.remove(slot);
        Frames { packets, wire_bytes, start }
    }

    /// Takes a datagram out; its buffers are kept for another.
    fn remove(&mut self, slot: u32) {
        self.unlink(slot);
        let hash = self.slots[slot as usize].hash;
        if let Ok(entry) = self.index.find_entry(hash, |&s| s == slot) {
            entry.remove();
        }
        if self.slots[slot as usize].memory() > 0 { &mut self.warm } else { &mut self.cold }.push(slot);
    }

    fn link(&mut self, slot: u32) {
        let list = &mut self.lists[family(&self.slots[slot as usize].key)];
        let newest = std::mem::replace(&mut list.newest, slot);
        if newest == NONE {
            list.oldest = slot;
        } else {
            self.slots[newest as usize].newer = slot;
        }
        let datagram = &mut self.slots[slot as usize];
        (datagram.older, datagram.newer) = (newest, NONE);
    }

    fn unlink(&mut self, slot: u32) {
        let datagram = &self.slots[slot as usize];
        let (older, newer) = (datagram.older, datagram.newer);
        let list = &mut self.lists[family(&datagram.key)];
        match self.slots.get_mut(older as usize) {
            Some(datagram) => datagram.newer = newer,
            None => list.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(datagram) => datagram.older = older,
            None => list.newest = older,
        }
    }
}

fn family(key: &FragmentKey) -> usize {
    usize::from(key.src.is_ipv6())
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
