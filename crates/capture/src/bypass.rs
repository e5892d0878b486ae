//! Flows whose packets the XDP programs count and no longer hand to a worker.
//!
//! Counts are exact: a packet is counted here or reaches its worker, never both and never neither. A flow that ends
//! is first taken out of the map; when no program can still be at it ([`GRACE`]) its slot has the last word.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use libbpf_rs::libbpf_sys::{BPF_F_MMAPABLE, bpf_map_create_opts};
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use wire::FlowKey;

use crate::error::CaptureError;
use crate::words::MappedWords;

/// XDP programs run for microseconds at a time, with preemption off: after this none is left that has seen a map
/// entry which was deleted before.
pub const GRACE: Duration = Duration::from_millis(20);

/// `struct flow_key`.
const KEY_SIZE: usize = 48;
/// `struct bypass_entry`.
const ENTRY_SIZE: usize = 8;
/// `struct bypass_slot`, in words.
const SLOT_WORDS: usize = 8;
/// The slot that says whether any flow is bypassed.
const STATE_SLOT: u32 = 0;

/// Why a flow is bypassed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BypassReason {
    /// There is nothing more to be learned from it.
    Inspected,
    /// The sensor was overloaded, and this was one of its heaviest flows.
    Shed,
}

/// What was counted of a bypassed flow: index 0 from the key's low endpoint to its high one, 1 the other way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BypassCounts {
    /// Packets.
    pub packets: [u64; 2],
    /// Their bytes on the wire.
    pub bytes: [u64; 2],
    /// When the last came (CLOCK_MONOTONIC nanoseconds); 0 if none did.
    pub last_ns: u64,
}

/// The maps that all ports of a sensor share.
#[derive(Debug)]
pub struct BypassTable {
    flows: MapHandle,
    slots: MappedWords,
    capacity: u32,
    free: ArrayQueue<u32>,
}

impl BypassTable {
    /// Maps for `capacity` flows.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn new(capacity: u32) -> Result<Self, CaptureError> {
        let fail = |source| CaptureError::Map { map: "bypass", source };
        let entries = capacity + 1;
        let opts = |map_flags| bpf_map_create_opts {
            sz: size_of::<bpf_map_create_opts>() as _,
            map_flags,
            ..Default::default()
        };
        let (key, entry) = (KEY_SIZE as u32, ENTRY_SIZE as u32);
        let flows =
            MapHandle::create(MapType::Hash, Some("bypass"), key, entry, entries, &opts(0)).map_err(fail)?;
        let slot = (SLOT_WORDS * 8) as u32;
        let mmapable = opts(BPF_F_MMAPABLE);
        let slots = MapHandle::create(MapType::Array, Some("bypass_slots"), 4, slot, entries, &mmapable)
            .map_err(fail)?;
        let slots = MappedWords::new(slots, "bypass_slots")?;
        let free = ArrayQueue::new(entries as usize);
        for slot in 1..entries {
            let _ = free.push(slot);
        }
        Ok(BypassTable { flows, slots, capacity, free })
    }

    /// Flows that can be bypassed at once.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Flows that have a slot now.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.capacity - self.free.len() as u32
    }

    pub(crate) fn flows(&self) -> BorrowedFd<'_> {
        self.flows.as_fd()
    }

    pub(crate) fn slots(&self) -> BorrowedFd<'_> {
        self.slots.fd()
    }

    /// Takes a slot for a flow; none if all are taken. Lock-free, for workers.
    #[must_use]
    pub fn reserve(&self) -> Option<u32> {
        self.free.pop()
    }

    /// Begins to bypass a flow. Its slot must be reserved.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn insert(&self, key: &FlowKey, slot: u32, reason: BypassReason) -> Result<(), CaptureError> {
        let mut entry = [0; ENTRY_SIZE];
        entry[..4].copy_from_slice(&slot.to_ne_bytes());
        entry[4] = u8::from(reason == BypassReason::Shed);
        self.flows
            .update(&key_bytes(key), &entry, MapFlags::ANY)
            .map_err(|source| CaptureError::Map { map: "bypass", source })?;
        self.word(STATE_SLOT, 0).store(1, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the bypass of a flow: from now on its packets reach their worker again. [`GRACE`] later its counts do not
    /// change any more.
    pub fn remove(&self, key: &FlowKey) {
        // It is not there if it could not be inserted.
        let _ = self.flows.delete(&key_bytes(key));
    }

    /// What was counted in a slot so far.
    #[must_use]
    pub fn counts(&self, slot: u32) -> BypassCounts {
        let at = |index| self.word(slot, index).load(Ordering::Relaxed);
        BypassCounts { packets: [at(0), at(1)], bytes: [at(2), at(3)], last_ns: at(4) }
    }

    /// Gives a slot back whose flow is out of the map for [`GRACE`].
    pub fn release(&self, slot: u32) {
        for index in 0..SLOT_WORDS {
            self.word(slot, index).store(0, Ordering::Relaxed);
        }
        let _ = self.free.push(slot);
        if self.free.len() as u32 == self.capacity {
            self.word(STATE_SLOT, 0).store(0, Ordering::Relaxed);
        }
    }

    fn word(&self, slot: u32, index: usize) -> &AtomicU64 {
        self.slots.word(slot as usize * SLOT_WORDS + index)
    }
}

/// The key as the programs make it.
fn key_bytes(key: &FlowKey) -> [u8; KEY_SIZE] {
    let mut bytes = [0; KEY_SIZE];
    let (low, high) = key.endpoints();
    bytes[..16].copy_from_slice(&wire::HostKey::from(low.ip).octets());
    bytes[16..32].copy_from_slice(&wire::HostKey::from(high.ip).octets());
    bytes[32..34].copy_from_slice(&low.port.to_ne_bytes());
    bytes[34..36].copy_from_slice(&high.port.to_ne_bytes());
    for (slot, id) in bytes[36..40].chunks_exact_mut(2).zip(key.vlans.ids()) {
        slot.copy_from_slice(&id.to_ne_bytes());
    }
    bytes[40] = key.vlans.count() as u8;
    bytes[41] = key.proto.0;
    bytes
}
