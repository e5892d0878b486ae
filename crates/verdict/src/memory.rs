//! What is known of so many targets for so long, and no more.

use std::collections::{BTreeMap, BTreeSet};

use wire::{Nanos, Target};

/// Targets that one memory holds; beyond that the one that ends first is forgotten.
pub const MAX_REMEMBERED: usize = 200_000;

/// Targets, each until a time. Every question and every change costs the logarithm of their number.
#[derive(Debug)]
pub(crate) struct Memory<V> {
    entries: BTreeMap<Target, (Nanos, V)>,
    ends: BTreeSet<(Nanos, Target)>,
}

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Memory { entries: BTreeMap::new(), ends: BTreeSet::new() }
    }
}

impl<V> Memory<V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get(&self, target: Target) -> Option<(Nanos, &V)> {
        self.entries.get(&target).map(|(until, value)| (*until, value))
    }

    /// Remembers in place of what was remembered.
    pub(crate) fn insert(&mut self, target: Target, until: Nanos, value: V) {
        self.remove(target);
        if self.entries.len() >= MAX_REMEMBERED
            && let Some((_, first)) = self.ends.pop_first()
        {
            self.entries.remove(&first);
        }
        self.ends.insert((until, target));
        self.entries.insert(target, (until, value));
    }

    pub(crate) fn remove(&mut self, target: Target) -> Option<(Nanos, V)> {
        let (until, value) = self.entries.remove(&target)?;
        self.ends.remove(&(until, target));
        Some((until, value))
    }

    /// Takes out one whose end has come at `now`.
    pub(crate) fn pop_ended(&mut self, now: Nanos) -> Option<(Target, Nanos, V)> {
        let &(until, target) = self.ends.first().filter(|(until, _)| *until <= now)?;
        let (_, value) = self.remove(target)?;
        Some((target, until, value))
    }

    /// Keeps those of whom `wanted` says so.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        let ends = &mut self.ends;
        self.entries.retain(|&target, (until, value)| {
            let keep = wanted(value);
            if !keep {
                ends.remove(&(*until, target));
            }
            keep
        });
    }

    pub(crate) fn clear(&mut self) {
        *self = Memory::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(n: u32) -> Target {
        Target::host(std::net::Ipv4Addr::from(n).into())
    }

    #[test]
    fn the_first_to_end_makes_room() {
        let mut memory = Memory::default();
        let count = MAX_REMEMBERED as u32 + 10;
        for n in 0..count {
            memory.insert(host(n), Nanos(u64::from(n)), n);
        }
        assert_eq!(memory.len(), MAX_REMEMBERED);
        assert_eq!((memory.get(host(9)), memory.get(host(10))), (None, Some((Nanos(10), &10))));
        // A later end for one that is known makes nobody leave.
        memory.insert(host(10), Nanos(u64::MAX), 0);
        assert_eq!((memory.len(), memory.get(host(11)).is_some()), (MAX_REMEMBERED, true));
        assert_eq!(memory.pop_ended(Nanos(11)), Some((host(11), Nanos(11), 11)));
        assert_eq!(memory.pop_ended(Nanos(11)), None);
        memory.retain(|&n| n == 0);
        assert_eq!(
            (memory.len(), memory.pop_ended(Nanos(u64::MAX))),
            (1, Some((host(10), Nanos(u64::MAX), 0)))
        );
        assert!(memory.ends.is_empty() && memory.entries.is_empty());
    }
}
