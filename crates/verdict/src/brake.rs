//! The brake: an automaton that would isolate very many hosts is more likely wrong than right.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use wire::Nanos;

/// Over which time wishes are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// The brake lets go when less than one part in so many of [`Limits::per_minute`] was asked for in the last minute ...
const CALM: usize = 2;
/// ... and one part in so many of [`Limits::at_once`] is free again.
const ROOM: u32 = 10;
/// Greatest value of either limit.
pub const MAX_LIMIT: u32 = 1_000_000;

/// What the brake holds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Hosts that alerts may isolate within a minute.
    pub per_minute: u32,
    /// Hosts that may be isolated at once, whoever decided, if an alert is to isolate another.
    pub at_once: u32,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::per_minute`].
    PerMinute(u32),
    /// [`Limits::at_once`].
    AtOnce(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::PerMinute(n) => {
                write!(f, "alerts ask for more than {n} isolations within a minute (policy.max_per_minute)")
            }
            Limit::AtOnce(n) => write!(f, "{n} hosts are isolated already (policy.max_isolated)"),
        }
    }
}

/// The brake tripped, or let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeChange {
    /// When.
    pub at: Nanos,
    /// Whether it is on now.
    pub on: bool,
    /// What it tripped over.
    pub limit: Limit,
    /// Verdicts withheld since it tripped, when it lets go.
    pub withheld: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Brake {
    /// When the latest isolations were asked for, granted or not; at most [`Limits::per_minute`].
    asked: VecDeque<Nanos>,
    on: Option<Limit>,
    withheld: u64,
    /// Not told yet.
    changes: VecDeque<BrakeChange>,
}

impl Brake {
    /// Whether another host may be isolated while `held` are; if not, the limit. Every wish counts, so that the brake
    /// stays on while a storm lasts.
    pub(crate) fn check(&mut self, now: Nanos, held: usize, limits: Limits) -> Result<(), Limit> {
        self.settle(now, held, limits);
        let per_minute = limits.per_minute as usize;
        if self.on.is_none() {
            let limit = if self.asked.len() >= per_minute {
                Some(Limit::PerMinute(limits.per_minute))
            } else {
                (held >= limits.at_once as usize).then_some(Limit::AtOnce(limits.at_once))
            };
            if let Some(limit) = limit {
                self.on = Some(limit);
                self.withheld = 0;
                self.changes.push_back(BrakeChange { at: now, on: true, limit, withheld: 0 });
            }
        }
        self.asked.push_back(now);
        while self.asked.len() > per_minute {
            self.asked.pop_front();
        }
        match self.on {
            None => Ok(()),
            Some(limit) => {
                self.withheld += 1;
                Err(limit)
            }
        }
    }

    /// Lets go if things have calmed down.
    pub(crate) fn settle(&mut self, now: Nanos, held: usize, limits: Limits) {
        while self.asked.front().is_some_and(|&asked| now.since(asked) >= WINDOW) {
            self.asked.pop_front();
        }
        let Some(limit) = self.on else { return };
        let room = limits.at_once - (limits.at_once / ROOM).max(1).min(limits.at_once);
        if self.asked.len() * CALM <= limits.per_minute as usize && held <= room as usize {
            self.on = None;
            self.changes.push_back(BrakeChange { at: now, on: false, limit, withheld: self.withheld });
        }
    }

    /// What is to be told next.
    pub(crate) fn change(&mut self) -> Option<BrakeChange> {
        self.changes.pop_front()
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { per_minute: 4, at_once: 20 };

    fn ms(n: u64) -> Nanos {
        Nanos(n * 1_000_000)
    }

    #[test]
    fn it_holds_while_a_storm_lasts_and_lets_go_once() {
        let mut brake = Brake::default();
        let granted = (0..1000).filter(|&n| brake.check(ms(n * 500), 0, LIMITS).is_ok()).count();
        assert_eq!(granted, 4, "eight minutes of storm");
        let limit = Limit::PerMinute(4);
        assert_eq!(brake.change(), Some(BrakeChange { at: ms(2000), on: true, limit, withheld: 0 }));
        assert_eq!((brake.change(), brake.asked.len()), (None, 4));
        brake.settle(ms(558_000), 0, LIMITS);
        assert!(brake.is_on());
        brake.settle(ms(558_500), 0, LIMITS);
        assert_eq!(brake.change(), Some(BrakeChange { at: ms(558_500), on: false, limit, withheld: 996 }));
        assert!(brake.check(ms(560_000), 0, LIMITS).is_ok() && brake.change().is_none());
    }

    #[test]
    fn it_holds_while_too_many_are_isolated() {
        let mut brake = Brake::default();
        assert!(brake.check(ms(0), 19, LIMITS).is_ok());
        assert_eq!(brake.check(ms(1), 20, LIMITS), Err(Limit::AtOnce(20)));
        assert_eq!(brake.check(ms(90_000), 19, LIMITS), Err(Limit::AtOnce(20)), "no room yet");
        assert!(brake.check(ms(90_001), 18, LIMITS).is_ok());
        assert_eq!([brake.change(), brake.change()].map(|c| c.map(|c| c.on)), [Some(true), Some(false)]);
    }

    #[test]
    fn limits_of_one_let_go_too() {
        let (mut brake, one) = (Brake::default(), Limits { per_minute: 1, at_once: 1 });
        assert!(brake.check(ms(0), 0, one).is_ok());
        assert!(brake.check(ms(1), 1, one).is_err());
        brake.settle(ms(60_001), 1, one);
        assert!(brake.is_on());
        brake.settle(ms(60_001), 0, one);
        assert!(!brake.is_on() && brake.check(ms(60_001), 0, one).is_ok());
    }
}
