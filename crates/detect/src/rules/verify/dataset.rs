//! `dataset` and `datarep`: sets of strings, digests and addresses that all rules share.
//!
//! What a set is loaded with never changes, so that most look-ups take no lock; what rules put in or take out at run
//! time lies beside it, in shards with a lock each.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use rules::{Dataset, DatasetOp, NumberTest};

/// Hashed with a seed of the process, since traffic fills them.
type Map<K, V> = HashMap<K, V, RandomState>;

/// What was put in (with its reputation) or taken out (none).
type Changes = Map<Box<[u8]>, Option<u16>>;

/// Locks of one set.
const SHARDS: usize = 16;

/// All sets by name. Rules that are read anew go on with the sets there are.
#[derive(Debug, Default)]
pub struct DatasetStore {
    sets: Map<Arc<str>, Arc<Set>>,
}

/// One set.
#[derive(Debug)]
struct Set {
    kind: Kind,
    /// With the reputation of each.
    loaded: Map<Box<[u8]>, u16>,
    /// Whether a rule puts in or takes out.
    changeable: AtomicBool,
    /// Whether anything lies in `changes`.
    changed: AtomicBool,
    /// What was put in or taken out since.
    changes: [RwLock<Changes>; SHARDS],
    hasher: RandomState,
    /// Entries now.
    size: AtomicUsize,
    limit: usize,
    /// Entries for which there was no room.
    refused: AtomicU64,
}

/// What a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// A digest of so many bytes.
    Digest(usize),
    Ipv4,
    Ip,
}

impl Kind {
    fn new(name: &str) -> Result<Self, String> {
        Ok(match name {
            "string" => Kind::Text,
            "md5" => Kind::Digest(16),
            "sha256" => Kind::Digest(32),
            "ipv4" => Kind::Ipv4,
            "ip" => Kind::Ip,
            _ => return Err(format!("a dataset of type {name}")),
        })
    }

    /// Looks at the bytes as an entry; none if they cannot be one. IPv4 addresses among others are mapped ones.
    fn entry<R>(self, bytes: &[u8], look: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let fits = match self {
            Kind::Text => true,
            Kind::Digest(length) => bytes.len() == length,
            Kind::Ipv4 => bytes.len() == 4,
            Kind::Ip => {
                if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
                    return Some(look(&Ipv4Addr::from(v4).to_ipv6_mapped().octets()));
                }
                bytes.len() == 16
            }
        };
        fits.then(|| look(bytes))
    }
}

/// `dataset` or `datarep` of one rule.
#[derive(Debug)]
pub(super) struct DatasetCheck {
    set: Arc<Set>,
    op: DatasetOp,
    reputation: Option<NumberTest>,
}

impl DatasetStore {
    /// The test of a rule. Makes the set if there is none of that name; entries that one that is there lacks are added.
    pub(super) fn check(&mut self, dataset: &Dataset) -> Result<DatasetCheck, String> {
        let kind = Kind::new(&dataset.kind)?;
        let set = match self.sets.get(&dataset.name) {
            Some(set) if set.kind != kind => return Err(format!("two types of dataset {}", dataset.name)),
            Some(set) => {
                for (bytes, reputation) in dataset.entries.iter() {
                    let add = |entry: &[u8]| set.get(entry).is_some() || set.put(entry, *reputation);
                    let _ = kind.entry(bytes, add).ok_or_else(|| wrong_entry(dataset))?;
                }
                Arc::clone(set)
            }
            None => {
                let set = Arc::new(Set::new(kind, dataset)?);
                self.sets.insert(Arc::clone(&dataset.name), Arc::clone(&set));
                set
            }
        };
        let check = DatasetCheck { set, op: dataset.op, reputation: dataset.reputation.clone() };
        if check.changes() {
            check.set.changeable.store(true, Ordering::Relaxed);
        }
        Ok(check)
    }

    /// Entries of all sets that were not put in because of their limits.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.sets.values().map(|set| set.refused.load(Ordering::Relaxed)).sum()
    }

    /// Memory of all sets, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.sets.values().map(|set| set.memory()).sum()
    }
}

fn wrong_entry(dataset: &Dataset) -> String {
    format!("an entry of dataset {} is no {}", dataset.name, dataset.kind)
}

impl Set {
    fn new(kind: Kind, dataset: &Dataset) -> Result<Self, String> {
        let mut loaded = Map::with_capacity_and_hasher(dataset.entries.len(), RandomState::default());
        for (bytes, reputation) in dataset.entries.iter() {
            kind.entry(bytes, |entry| loaded.insert(entry.into(), *reputation))
                .ok_or_else(|| wrong_entry(dataset))?;
        }
        Ok(Set {
            kind,
            refused: AtomicU64::new(0),
            size: AtomicUsize::new(loaded.len()),
            limit: (dataset.limit as usize).max(loaded.len()),
            loaded,
            changeable: AtomicBool::new(false),
            changed: AtomicBool::new(false),
            changes: Default::default(),
            hasher: RandomState::default(),
        })
    }

    fn shard(&self, entry: &[u8]) -> &RwLock<Changes> {
        &self.changes[self.hasher.hash_one(entry) as usize % SHARDS]
    }

    /// The reputation of an entry; none if it is not there.
    fn get(&self, entry: &[u8]) -> Option<u16> {
        if self.changed.load(Ordering::Acquire) {
            let shard = self.shard(entry).read().unwrap_or_else(PoisonError::into_inner);
            if let Some(&now) = shard.get(entry) {
                return now;
            }
        }
        self.loaded.get(entry).copied()
    }

    /// Puts an entry in; false if it is there already or there is no room.
    fn put(&self, entry: &[u8], reputation: u16) -> bool {
        let mut shard = self.shard(entry).write().unwrap_or_else(PoisonError::into_inner);
        let now = shard.get(entry).copied().unwrap_or_else(|| self.loaded.get(entry).copied());
        let room = |size: usize| (size < self.limit).then_some(size + 1);
        if now.is_some() {
            return false;
        }
        if self.size.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        shard.insert(entry.into(), Some(reputation));
        self.changed.store(true, Ordering::Release);
        true
    }

    /// Takes an entry out; false if it is not there.
    fn take(&self, entry: &[u8]) -> bool {
        let mut shard = self.shard(entry).write().unwrap_or_else(PoisonError::into_inner);
        let loaded = self.loaded.get(entry).copied();
        if shard.get(entry).copied().unwrap_or(loaded).is_none() {
            return false;
        }
        if loaded.is_some() {
            shard.insert(entry.into(), None);
        } else {
            shard.remove(entry);
        }
        self.size.fetch_sub(1, Ordering::AcqRel);
        self.changed.store(true, Ordering::Release);
        true
    }

    fn memory(&self) -> usize {
        let entry = size_of::<(Box<[u8]>, u16)>();
        let loaded: usize = self.loaded.keys().map(|key| key.len()).sum();
        let changed: usize = self
            .changes
            .iter()
            .map(|shard| {
                let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
                shard.keys().map(|key| key.len()).sum::<usize>() + shard.capacity() * (entry + 1)
            })
            .sum();
        size_of::<Self>() + loaded + self.loaded.capacity() * (entry + 1) + changed
    }
}

impl DatasetCheck {
    /// Whether it changes the set.
    pub(super) fn changes(&self) -> bool {
        matches!(self.op, DatasetOp::Set | DatasetOp::Unset)
    }

    /// Whether any rule changes the set.
    pub(super) fn can_change(&self) -> bool {
        self.set.changeable.load(Ordering::Relaxed)
    }

    /// Whether it holds on a whole buffer. What puts in or takes out holds when that changed the set.
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        let set = &*self.set;
        let done = set.kind.entry(bytes, |entry| match self.op {
            DatasetOp::IsSet | DatasetOp::IsNotSet => set.get(entry).is_some_and(|reputation| {
                self.reputation.as_ref().is_none_or(|test| test.holds(u64::from(reputation)))
            }),
            DatasetOp::Set => set.put(entry, 0),
            DatasetOp::Unset => set.take(entry),
        });
        // What cannot be an entry is not in the set.
        done.unwrap_or(false) != (self.op == DatasetOp::IsNotSet)
    }
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
