//! What every packet is asked first: `struct isolation_gate` (bpf/contract.h), shared with the kernel.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use libbpf_rs::MapHandle;
use wire::{HostKey, Target};

use crate::error::CaptureError;
use crate::layout::FILTER_BITS;
use crate::words::MappedWords;

const HOLD: usize = 0;
const NETWORKS: usize = 1;
const STATIONS: usize = 2;
const REMEDIATION: usize = 3;
const LATEST: usize = 4;
/// The filter's first word.
const FILTER: usize = 8;
/// Bytes of the structure.
pub(crate) const GATE_LEN: usize = (FILTER << 3) + ((1 << FILTER_BITS) >> 3);

/// The gate's words.
#[derive(Debug)]
pub(crate) struct Gate(MappedWords);

impl Gate {
    /// Maps the words of `map`, which has this version's layout.
    pub(crate) fn new(map: MapHandle) -> Result<Self, CaptureError> {
        MappedWords::new(map, "isolation_gate").map(Gate)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }

    pub(crate) fn map_mut(&mut self) -> &mut MapHandle {
        self.0.map_mut()
    }

    /// Whether the kill switch is on.
    pub(crate) fn is_held(&self) -> bool {
        self.0.word(HOLD).load(Ordering::Acquire) != 0
    }

    pub(crate) fn hold(&self, on: bool) {
        self.0.word(HOLD).store(on.into(), Ordering::Release);
    }

    pub(crate) fn set_remediation(&self, networks: u64) {
        self.0.word(REMEDIATION).store(networks, Ordering::Release);
    }

    pub(crate) fn remediation(&self) -> u64 {
        self.0.word(REMEDIATION).load(Ordering::Acquire)
    }

    /// Lets packets of a target through to the maps, whoever wrote its entry. Counts are raised to one at least.
    pub(crate) fn admit(&self, target: Target) {
        match (target, self.count(target)) {
            (Target::Host { host, .. }, _) => self.set_bit(host),
            (_, Some(count)) => {
                count.fetch_max(1, Ordering::AcqRel);
            }
            _ => {}
        }
    }

    /// An entry of this target was deleted.
    pub(crate) fn deleted(&self, target: Target) {
        if let Some(count) = self.count(target) {
            let _ = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
        }
    }

    /// Raises the counts to those of `targets`; sets them if nobody else writes.
    pub(crate) fn recount(&self, targets: impl Iterator<Item = Target>, alone: bool) {
        let (mut networks, mut stations) = (0, 0);
        for target in targets {
            match target {
                Target::Host { host, .. } => self.set_bit(host),
                Target::Network(_) => networks += 1,
                Target::Mac(_) => stations += 1,
            }
        }
        for (word, count) in [(NETWORKS, networks), (STATIONS, stations)] {
            let word = self.0.word(word);
            if alone {
                word.store(count, Ordering::Release);
            } else {
                word.fetch_max(count, Ordering::AcqRel);
            }
        }
    }

    /// Somebody is isolated until `end_ns` (CLOCK_MONOTONIC).
    pub(crate) fn raise_latest(&self, end_ns: u64) {
        self.0.word(LATEST).fetch_max(end_ns, Ordering::AcqRel);
    }

    /// The latest end, to be lowered if the map turns out to be empty.
    pub(crate) fn latest(&self) -> u64 {
        self.0.word(LATEST).load(Ordering::Acquire)
    }

    /// The map was seen empty after `seen` was read; nothing is done if somebody was isolated until later meanwhile.
    pub(crate) fn nobody_left(&self, seen: u64) {
        let _ = self.0.word(LATEST).compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire);
    }

    fn count(&self, target: Target) -> Option<&AtomicU64> {
        match target {
            Target::Host { .. } => None,
            Target::Network(_) => Some(self.0.word(NETWORKS)),
            Target::Mac(_) => Some(self.0.word(STATIONS)),
        }
    }

    fn set_bit(&self, host: HostKey) {
        let bit = bit(host);
        self.0.word(FILTER + bit / 64).fetch_or(1 << (bit % 64), Ordering::Relaxed);
    }
}

/// Twin of `filter_bit`.
fn bit(host: HostKey) -> usize {
    let octets = host.octets();
    let half = |from: usize| octets[from..from + 8].try_into().map_or(0, u64::from_ne_bytes);
    let hash = (half(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ half(8)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (hash >> (u64::BITS - FILTER_BITS)) as usize
}
