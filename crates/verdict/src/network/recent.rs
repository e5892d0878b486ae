//! A bounded map that forgets what was quiet for longest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wire::Nanos;

/// See the module's text. Every question and every change costs the logarithm of the size.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: BTreeMap<K, (Nanos, V)>,
    quiet: BTreeSet<(Nanos, K)>,
    max: usize,
    /// Entries that had to go for others.
    pub(crate) forgotten: u64,
}

impl<K: Ord + Copy, V: Default> Recent<K, V> {
    /// For so many entries.
    pub(crate) fn new(max: usize) -> Self {
        Recent { entries: BTreeMap::new(), quiet: BTreeSet::new(), max, forgotten: 0 }
    }

    /// An entry that is used now: made if it is not there, or if it was not used within `keep`.
    pub(crate) fn touch(&mut self, key: K, now: Nanos, keep: Duration) -> &mut V {
        if let Some((last, _)) = self.entries.get(&key) {
            let last = *last;
            self.quiet.remove(&(last, key));
            if now.since(last) > keep {
                self.entries.remove(&key);
            }
        } else if self.entries.len() >= self.max
            && let Some((_, quietest)) = self.quiet.pop_first()
        {
            self.entries.remove(&quietest);
            self.forgotten += 1;
        }
        let (last, value) = self.entries.entry(key).or_insert_with(|| (now, V::default()));
        *last = now.max(*last);
        self.quiet.insert((*last, key));
        value
    }

    /// An entry and when it was used last.
    pub(crate) fn get(&self, key: K) -> Option<(Nanos, &V)> {
        self.entries.get(&key).map(|(last, value)| (*last, value))
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let (last, value) = self.entries.remove(&key)?;
        self.quiet.remove(&(last, key));
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_quiet_for_longest_makes_room_and_is_counted() {
        let (mut recent, hour) = (Recent::new(3), Duration::from_secs(3600));
        for n in 0..3_u64 {
            *recent.touch(n, Nanos(n), hour) = n;
        }
        recent.touch(0, Nanos(9), hour);
        recent.touch(7, Nanos(10), hour);
        assert_eq!((recent.len(), recent.quiet.len(), recent.forgotten), (3, 3, 1));
        assert!(recent.get(1).is_none() && recent.get(0) == Some((Nanos(9), &0)));
        assert_eq!(*recent.touch(2, Nanos(3), hour), 2);
        let later = Nanos(3).after(hour * 2);
        assert_eq!(*recent.touch(2, later, hour), 0, "made anew");
        assert_eq!((recent.remove(2), recent.remove(2)), (Some(0), None));
        assert_eq!((recent.len(), recent.quiet.len()), (2, 2));
    }
}
