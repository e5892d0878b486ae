//! How often a source may fail to say who it is.

use std::collections::HashMap;
use std::time::Instant;

use crate::limits::{BLOCKED_FOR, MAX_FAILURES, MAX_SOURCES};
use crate::peer::Origin;

/// Failures of each source, within [`BLOCKED_FOR`] of the last one.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<Origin, (u32, Instant)>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// One more, to be told of.
    Again,
    /// The one too many: blocked from now on.
    Blocked,
    /// It was blocked before: nothing new.
    Still,
}

impl Throttle {
    /// Whether nothing that it shows is looked at.
    pub(crate) fn blocks(&mut self, origin: Origin, now: Instant) -> bool {
        match self.failures.get(&origin) {
            Some((_, last)) if now.duration_since(*last) >= BLOCKED_FOR => {
                self.failures.remove(&origin);
                false
            }
            Some((count, _)) => *count >= MAX_FAILURES,
            None => false,
        }
    }

    /// It has failed.
    pub(crate) fn failed(&mut self, origin: Origin, now: Instant) -> Failed {
        if self.blocks(origin, now) {
            return Failed::Still;
        }
        if self.failures.len() >= MAX_SOURCES && !self.failures.contains_key(&origin) {
            let oldest = self.failures.iter().min_by_key(|(_, (_, last))| *last).map(|(origin, _)| *origin);
            oldest.map(|origin| self.failures.remove(&origin));
        }
        let (count, last) = self.failures.entry(origin).or_insert((0, now));
        *count += 1;
        *last = now;
        if *count >= MAX_FAILURES { Failed::Blocked } else { Failed::Again }
    }

    /// It has said who it is.
    pub(crate) fn succeeded(&mut self, origin: Origin) {
        self.failures.remove(&origin);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use super::*;

    fn of(n: u32) -> Origin {
        IpAddr::from(Ipv4Addr::from_bits(n)).into()
    }

    #[test]
    fn ten_failures_block_for_a_minute() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        for _ in 1..MAX_FAILURES {
            assert_eq!(throttle.failed(of(1), now), Failed::Again);
            assert!(!throttle.blocks(of(1), now));
        }
        assert_eq!(throttle.failed(of(1), now), Failed::Blocked);
        assert_eq!(throttle.failed(of(1), now), Failed::Still);
        assert!(throttle.blocks(of(1), now + BLOCKED_FOR - Duration::from_millis(1)));
        assert!(!throttle.blocks(of(2), now));
        assert!(!throttle.blocks(of(1), now + BLOCKED_FOR));
        assert_eq!(throttle.failed(of(1), now + BLOCKED_FOR), Failed::Again);
    }

    #[test]
    fn success_wipes_the_slate_and_memory_is_bounded() {
        let mut throttle = Throttle::default();
        let now = Instant::now();
        (1..MAX_FAILURES).for_each(|_| assert_eq!(throttle.failed(of(1), now), Failed::Again));
        throttle.succeeded(of(1));
        assert_eq!(throttle.failed(of(1), now), Failed::Again);
        for n in 0..2 * MAX_SOURCES as u32 {
            throttle.failed(of(n), now + Duration::from_micros(n.into()));
        }
        assert_eq!(throttle.failures.len(), MAX_SOURCES);
        assert!(throttle.failures.contains_key(&of(2 * MAX_SOURCES as u32 - 1)));
    }
}
