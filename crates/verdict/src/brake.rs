//! The brake: an automaton that would isolate very many hosts is more likely wrong than right.
//!
//! Anybody on the wire can send packets with somebody else's address, and so make wishes to isolate hosts that did
//! nothing. Wishes about victims whose part is not proven are counted apart, are held to smaller limits, and never hold
//! back one that is proven.

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
    /// Of either limit, the part that only proven victims may use, in percent.
    pub reserve: u8,
}

impl Limits {
    /// What is left for victims that are not proven.
    fn of(self, victim: Victim) -> Self {
        let part = |limit: u32| {
            let reserved = u64::from(limit) * u64::from(self.reserve.min(100)) / 100;
            limit - u32::try_from(reserved).unwrap_or(limit)
        };
        match victim {
            Victim::Proven => self,
            Victim::Unproven => {
                Limits { per_minute: part(self.per_minute), at_once: part(self.at_once), ..self }
            }
        }
    }
}

/// Whether a victim's part in the traffic is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The flow is established, or the packet comes from where the victim lives.
    Proven,
    /// One packet with its address may be all there is.
    Unproven,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::per_minute`], or what is left of it for victims that are not proven.
    PerMinute(u32, Victim),
    /// [`Limits::at_once`], or what is left of it.
    AtOnce(u32, Victim),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limit::PerMinute(n, Victim::Proven) => {
                write!(f, "alerts ask for more than {n} isolations within a minute (policy.max_per_minute)")
            }
            Limit::PerMinute(n, Victim::Unproven) => write!(
                f,
                "alerts ask for more than {n} isolations of unproven victims within a minute \
                 (policy.max_per_minute less policy.proven_reserve)"
            ),
            Limit::AtOnce(n, Victim::Proven) => {
                write!(f, "{n} hosts are isolated already (policy.max_isolated)")
            }
            Limit::AtOnce(n, Victim::Unproven) => write!(
                f,
                "{n} hosts are isolated already, the rest is for proven victims \
                 (policy.max_isolated less policy.proven_reserve)"
            ),
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

/// Wishes of one kind.
#[derive(Debug, Default)]
struct Wishes {
    /// When the latest isolations were asked for, granted or not; at most the limit per minute.
    asked: VecDeque<Nanos>,
    on: Option<Limit>,
    withheld: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Brake {
    proven: Wishes,
    unproven: Wishes,
    /// Not told yet.
    changes: VecDeque<BrakeChange>,
}

impl Brake {
    /// Whether another host may be isolated while `held` are; if not, the limit. Every wish counts, so that the brake
    /// stays on while a storm lasts.
    pub(crate) fn check(
        &mut self,
        now: Nanos,
        held: usize,
        limits: Limits,
        victim: Victim,
    ) -> Result<(), Limit> {
        self.settle(now, held, limits);
        let limits = limits.of(victim);
        let (wishes, changes) = match victim {
            Victim::Proven => (&mut self.proven, &mut self.changes),
            Victim::Unproven => (&mut self.unproven, &mut self.changes),
        };
        let per_minute = limits.per_minute as usize;
        if wishes.on.is_none() {
            let limit = if wishes.asked.len() >= per_minute {
                Some(Limit::PerMinute(limits.per_minute, victim))
            } else {
                (held >= limits.at_once as usize).then_some(Limit::AtOnce(limits.at_once, victim))
            };
            if let Some(limit) = limit {
                wishes.on = Some(limit);
                wishes.withheld = 0;
                changes.push_back(BrakeChange { at: now, on: true, limit, withheld: 0 });
            }
        }
        wishes.asked.push_back(now);
        while wishes.asked.len() > per_minute {
            wishes.asked.pop_front();
        }
        match wishes.on {
            None => Ok(()),
            Some(limit) => {
                wishes.withheld += 1;
                Err(limit)
            }
        }
    }

    /// Lets go if things have calmed down.
    pub(crate) fn settle(&mut self, now: Nanos, held: usize, limits: Limits) {
        for (wishes, victim) in [(&mut self.proven, Victim::Proven), (&mut self.unproven, Victim::Unproven)] {
            let limits = limits.of(victim);
            while wishes.asked.front().is_some_and(|&asked| now.since(asked) >= WINDOW) {
                wishes.asked.pop_front();
            }
            let Some(limit) = wishes.on else { continue };
            let room = limits.at_once - (limits.at_once / ROOM).max(1).min(limits.at_once);
            if wishes.asked.len() * CALM <= limits.per_minute as usize && held <= room as usize {
                wishes.on = None;
                let withheld = wishes.withheld;
                self.changes.push_back(BrakeChange { at: now, on: false, limit, withheld });
            }
        }
    }

    /// What is to be told next.
    pub(crate) fn change(&mut self) -> Option<BrakeChange> {
        self.changes.pop_front()
    }

    /// Whether it holds such victims back.
    pub(crate) fn is_on(&self, victim: Victim) -> bool {
        match victim {
            Victim::Proven => self.proven.on.is_some(),
            Victim::Unproven => self.unproven.on.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Victim::{Proven, Unproven};
    use super::*;

    const LIMITS: Limits = Limits { per_minute: 4, at_once: 20, reserve: 50 };

    fn ms(n: u64) -> Nanos {
        Nanos(n * 1_000_000)
    }

    #[test]
    fn it_holds_while_a_storm_lasts_and_lets_go_once() {
        let mut brake = Brake::default();
        let granted = (0..1000).filter(|&n| brake.check(ms(n * 500), 0, LIMITS, Proven).is_ok()).count();
        assert_eq!(granted, 4, "eight minutes of storm");
        let limit = Limit::PerMinute(4, Proven);
        assert_eq!(brake.change(), Some(BrakeChange { at: ms(2000), on: true, limit, withheld: 0 }));
        assert_eq!((brake.change(), brake.proven.asked.len()), (None, 4));
        brake.settle(ms(558_000), 0, LIMITS);
        assert!(brake.is_on(Proven));
        brake.settle(ms(558_500), 0, LIMITS);
        assert_eq!(brake.change(), Some(BrakeChange { at: ms(558_500), on: false, limit, withheld: 996 }));
        assert!(brake.check(ms(560_000), 0, LIMITS, Proven).is_ok() && brake.change().is_none());
    }

    #[test]
    fn it_holds_while_too_many_are_isolated() {
        let mut brake = Brake::default();
        assert!(brake.check(ms(0), 19, LIMITS, Proven).is_ok());
        assert_eq!(brake.check(ms(1), 20, LIMITS, Proven), Err(Limit::AtOnce(20, Proven)));
        assert_eq!(
            brake.check(ms(90_000), 19, LIMITS, Proven),
            Err(Limit::AtOnce(20, Proven)),
            "no room yet"
        );
        assert!(brake.check(ms(90_001), 18, LIMITS, Proven).is_ok());
        assert_eq!([brake.change(), brake.change()].map(|c| c.map(|c| c.on)), [Some(true), Some(false)]);
    }

    #[test]
    fn limits_of_one_let_go_too() {
        let (mut brake, one) = (Brake::default(), Limits { per_minute: 1, at_once: 1, reserve: 0 });
        for victim in [Proven, Unproven] {
            assert!(brake.check(ms(0), 0, one, victim).is_ok());
            assert!(brake.check(ms(1), 1, one, victim).is_err());
            brake.settle(ms(60_001), 1, one);
            assert!(brake.is_on(victim));
            brake.settle(ms(60_001), 0, one);
            assert!(!brake.is_on(victim) && brake.check(ms(60_001), 0, one, victim).is_ok());
        }
    }

    #[test]
    fn forged_packets_never_hold_a_proven_victim_back() {
        let limits = Limits { per_minute: 30, at_once: 500, reserve: 50 };
        let mut brake = Brake::default();
        // 17 a minute, for an hour, after a storm that has tripped the brake.
        for _ in 0..100 {
            let _ = brake.check(ms(0), 0, limits, Unproven);
        }
        let mut granted = 0;
        for n in 0..17 * 60 {
            let now = ms(n * 60_000 / 17);
            let _ = brake.check(now, 0, limits, Unproven);
            if n % 17 == 9 {
                granted += u32::from(brake.check(now, 0, limits, Proven).is_ok());
            }
        }
        assert!(brake.is_on(Unproven) && !brake.is_on(Proven));
        assert_eq!(granted, 60);
    }

    #[test]
    fn the_rest_is_for_proven_victims() {
        let mut brake = Brake::default();
        assert_eq!(brake.check(ms(0), 10, LIMITS, Unproven), Err(Limit::AtOnce(10, Unproven)));
        assert!(brake.check(ms(0), 10, LIMITS, Proven).is_ok());
        let all = Limits { reserve: 100, ..LIMITS };
        let mut brake = Brake::default();
        assert_eq!(brake.check(ms(0), 0, all, Unproven), Err(Limit::PerMinute(0, Unproven)));
    }
}
