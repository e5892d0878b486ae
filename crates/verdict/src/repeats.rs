//! How often a rule's other conditions were met by alerts about a host.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use wire::Nanos;

/// Pairs of a rule and a host that are counted at once; beyond that the one that was quiet for longest is forgotten, and
/// counted (`policy.repeats_forgotten`).
pub const MAX_COUNTED: usize = 32_768;
/// Greatest number of alerts that a rule can ask for.
pub const MAX_REPEAT: u32 = 100;

/// So many alerts within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// How many, up to [`MAX_REPEAT`].
    pub count: u32,
    /// Within which time.
    pub within: Duration,
}

type Key = (usize, IpAddr);

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// Times of the latest alerts, as many as their rule asks for.
    counted: BTreeMap<Key, VecDeque<Nanos>>,
    /// By the time of the latest.
    quiet: BTreeSet<(Nanos, Key)>,
    pub(crate) forgotten: u64,
}

impl Repeats {
    /// Counts an alert of rule number `rule` about `host`; whether there are enough now.
    pub(crate) fn reached(&mut self, rule: usize, host: IpAddr, now: Nanos, wanted: Repeat) -> bool {
        let key = (rule, host);
        if self.counted.len() >= MAX_COUNTED
            && !self.counted.contains_key(&key)
            && let Some((_, quietest)) = self.quiet.pop_first()
        {
            self.counted.remove(&quietest);
            self.forgotten += 1;
        }
        let times = self.counted.entry(key).or_default();
        if let Some(&latest) = times.back() {
            self.quiet.remove(&(latest, key));
        }
        times.retain(|&time| now.since(time) <= wanted.within);
        times.push_back(now);
        let count = wanted.count.clamp(1, MAX_REPEAT) as usize;
        while times.len() > count {
            times.pop_front();
        }
        self.quiet.insert((now, key));
        times.len() == count
    }

    pub(crate) fn clear(&mut self) {
        *self = Repeats { forgotten: self.forgotten, ..Repeats::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(n: u64) -> Nanos {
        Nanos(n * 1_000_000_000)
    }

    #[test]
    fn enough_within_the_time_is_enough() {
        let mut repeats = Repeats::default();
        let wanted = Repeat { count: 3, within: Duration::from_secs(10) };
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut at = |host, n| repeats.reached(0, host, second(n), wanted);
        assert_eq!([at(a, 0), at(a, 5), at(b, 6), at(a, 10)], [false, false, false, true]);
        assert!(at(a, 11), "and goes on");
        assert_eq!([at(a, 30), at(a, 31)], [false, false]);
        assert!(!repeats.reached(1, a, second(31), wanted), "another rule counts for itself");
    }

    #[test]
    fn the_quietest_is_forgotten_and_counted() {
        let mut repeats = Repeats::default();
        let wanted = Repeat { count: 2, within: Duration::from_secs(1_000_000) };
        let host = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..MAX_COUNTED as u32 + 5 {
            repeats.reached(0, host(n), second(u64::from(n)), wanted);
        }
        assert_eq!(
            (repeats.counted.len(), repeats.quiet.len(), repeats.forgotten),
            (MAX_COUNTED, MAX_COUNTED, 5)
        );
        assert!(repeats.reached(0, host(5), second(40_000), wanted), "still known");
        assert!(!repeats.reached(0, host(0), second(40_000), wanted), "forgotten");
        repeats.clear();
        assert_eq!((repeats.counted.len(), repeats.forgotten), (0, 6));
    }
}
