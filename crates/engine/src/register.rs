//! Who is isolated, in the orders in which one asks: by name, by end, by first drop still awaited, and in
//! turn. Each question takes up a few hosts at a time, however many there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use alert::Text;
use flow::FlowTuple;
use output::Latency;
use verdict::RuleName;
use wire::{Nanos, Scope, Target};

/// Changes of an isolation that are listed, the latest; the ledger has all.
pub(crate) const MAX_CHANGES: usize = 16;

/// A change of a running isolation: it does not change who decided it first, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// When (wall clock).
    pub time: Nanos,
    /// "extend", "restore", "adopt", or "isolate" again.
    pub action: String,
    /// Who decided.
    pub by: Text,
    /// Who exactly, as far as is known.
    pub who: Option<Arc<str>>,
    /// Why.
    pub reason: String,
    /// When it ends from then on (wall clock).
    pub until: Nanos,
}

/// An isolation in force.
#[derive(Clone, Debug)]
pub(crate) struct Isolation {
    /// When it ends (wall clock).
    pub(crate) until: Nanos,
    /// When the kernel ends it (CLOCK_MONOTONIC).
    pub(crate) expires_ns: u64,
    pub(crate) verdict: u64,
    pub(crate) scope: Scope,
    /// How often the host relapsed.
    pub(crate) relapse: u32,
    /// The policy's rule.
    pub(crate) rule: Option<RuleName>,
    pub(crate) by: Text,
    pub(crate) who: Option<Arc<str>>,
    pub(crate) reason: String,
    /// Arrival of the packet that matched (CLOCK_MONOTONIC).
    pub(crate) arrival: Option<Nanos>,
    pub(crate) latency: Latency,
    pub(crate) flow: Option<FlowTuple>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) first_drop_told: bool,
    /// What was changed since, at most [`MAX_CHANGES`].
    pub(crate) changes: Vec<Changed>,
}

impl Isolation {
    /// One to be: when it ends is not known yet.
    pub(crate) fn by(by: Text, reason: String) -> Self {
        Isolation {
            verdict: 0,
            scope: Scope::Both,
            relapse: 0,
            rule: None,
            until: Nanos(0),
            expires_ns: 0,
            by,
            who: None,
            reason,
            arrival: None,
            latency: Latency::default(),
            flow: None,
            peer: None,
            first_drop_told: false,
            changes: Vec::new(),
        }
    }

    /// The same isolation with the end and reach of a later step. Who decided first, why, and how fast it went stay.
    pub(crate) fn changed_by(&self, step: &Isolation, action: &str, time: Nanos) -> Self {
        let mut changed = Isolation {
            until: step.until,
            expires_ns: step.expires_ns,
            scope: step.scope.clone(),
            relapse: self.relapse.max(step.relapse),
            ..self.clone()
        };
        if changed.changes.len() >= MAX_CHANGES {
            changed.changes.remove(0);
        }
        changed.changes.push(Changed {
            time,
            action: action.to_owned(),
            by: step.by.clone(),
            who: step.who.clone(),
            reason: step.reason.clone(),
            until: step.until,
        });
        changed
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Register {
    isolated: BTreeMap<Target, Isolation>,
    /// Next end first.
    ends: BTreeSet<(u64, Target)>,
    /// May hold hosts that are released by now.
    awaited: VecDeque<Target>,
    /// Where the next patrol begins.
    patrol: Bound<Target>,
}

impl Default for Register {
    fn default() -> Self {
        Register {
            isolated: BTreeMap::new(),
            ends: BTreeSet::new(),
            awaited: VecDeque::new(),
            patrol: Bound::Unbounded,
        }
    }
}

impl Register {
    pub(crate) fn len(&self) -> usize {
        self.isolated.len()
    }

    pub(crate) fn contains(&self, host: Target) -> bool {
        self.isolated.contains_key(&host)
    }

    pub(crate) fn get_mut(&mut self, host: Target) -> Option<&mut Isolation> {
        self.isolated.get_mut(&host)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Target, &Isolation)> {
        self.isolated.iter().map(|(&host, isolation)| (host, isolation))
    }

    /// Enters a new isolation, or one that takes the place of a running one.
    pub(crate) fn enter(&mut self, host: Target, isolation: Isolation) {
        let (expires_ns, awaited) = (isolation.expires_ns, !isolation.first_drop_told);
        let before = self.isolated.insert(host, isolation);
        if let Some(old) = &before {
            self.ends.remove(&(old.expires_ns, host));
        }
        self.ends.insert((expires_ns, host));
        if awaited && before.is_none_or(|old| old.first_drop_told) {
            self.awaited.push_back(host);
        }
    }

    /// Gives a running isolation another end.
    pub(crate) fn move_end(&mut self, host: Target, expires_ns: u64) {
        let Some(isolation) = self.isolated.get_mut(&host) else { return };
        self.ends.remove(&(isolation.expires_ns, host));
        let later = Duration::from_nanos(expires_ns.saturating_sub(isolation.expires_ns));
        isolation.until = isolation.until.after(later);
        isolation.expires_ns = expires_ns;
        self.ends.insert((expires_ns, host));
    }

    pub(crate) fn remove(&mut self, host: Target) -> Option<Isolation> {
        let isolation = self.isolated.remove(&host)?;
        self.ends.remove(&(isolation.expires_ns, host));
        Some(isolation)
    }

    pub(crate) fn clear(&mut self) {
        *self = Register::default();
    }

    /// The hosts whose end has come at `now_ns`, at most `limit`, with their ends.
    pub(crate) fn due(&self, now_ns: u64, limit: usize) -> Vec<(u64, Target)> {
        self.ends.iter().copied().take_while(|&(end, _)| end <= now_ns).take(limit).collect()
    }

    /// Whether a first drop is still to be told.
    pub(crate) fn awaits_first_drop(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// The next hosts whose first drop is awaited, at most `limit`. Whoever still has none is to be given
    /// back with [`Register::await_on`].
    pub(crate) fn awaited(&mut self, limit: usize) -> Vec<Target> {
        let count = limit.min(self.awaited.len());
        let hosts = self.awaited.drain(..count);
        hosts.filter(|host| self.isolated.get(host).is_some_and(|i| !i.first_drop_told)).collect()
    }

    pub(crate) fn await_on(&mut self, host: Target) {
        self.awaited.push_back(host);
    }

    /// The next hosts in turn, at most `limit`; after the last the first again.
    pub(crate) fn patrol(&mut self, limit: usize) -> Vec<Target> {
        let range = self.isolated.range((self.patrol, Bound::Unbounded));
        let round: Vec<Target> = range.map(|(&host, _)| host).take(limit).collect();
        self.patrol = round.last().map_or(Bound::Unbounded, |&host| Bound::Excluded(host));
        round
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn host(n: u8) -> Target {
        Target::host(std::net::Ipv4Addr::new(10, 0, 0, n).into())
    }

    fn until(expires_ns: u64) -> Isolation {
        Isolation { expires_ns, ..Isolation::by(Text::Own("operator"), String::new()) }
    }

    #[test]
    fn ends_come_in_order_and_move() {
        let mut register = Register::default();
        for (n, end) in [(1, 30), (2, 10), (3, 20)] {
            register.enter(host(n), until(end));
        }
        assert_eq!(register.due(20, 9), [(10, host(2)), (20, host(3))]);
        assert_eq!(register.due(20, 1), [(10, host(2))]);
        register.move_end(host(2), 40);
        register.enter(host(3), until(50));
        assert_eq!(register.due(100, 9), [(30, host(1)), (40, host(2)), (50, host(3))]);
        register.remove(host(1));
        assert_eq!((register.due(100, 9).len(), register.len()), (2, 2));
    }

    #[test]
    fn a_change_keeps_the_first_reason() {
        let first = Isolation { verdict: 7, ..Isolation::by(Text::Own("indicator"), "evil.example".into()) };
        let mut isolation = first;
        for n in 0..40 {
            let step =
                Isolation { expires_ns: n, ..Isolation::by(Text::Own("operator"), format!("ticket {n}")) };
            isolation = isolation.changed_by(&step, "extend", Nanos(n));
        }
        assert_eq!(
            (&*isolation.by, isolation.reason.as_str(), isolation.verdict),
            ("indicator", "evil.example", 7)
        );
        assert_eq!((isolation.expires_ns, isolation.changes.len()), (39, MAX_CHANGES));
        assert_eq!(isolation.changes.last().map(|change| change.reason.as_str()), Some("ticket 39"));
    }

    #[test]
    fn first_drops_are_awaited_once_per_host() {
        let mut register = Register::default();
        register.enter(host(1), until(10));
        register.enter(host(1), until(20));
        register.enter(host(2), Isolation { first_drop_told: true, ..until(10) });
        register.enter(host(3), until(10));
        register.remove(host(3));
        assert_eq!(register.awaited(9), [host(1)]);
        assert!(!register.awaits_first_drop());
        register.await_on(host(1));
        assert_eq!(register.awaited(9), [host(1)]);
    }

    #[test]
    fn a_patrol_comes_by_everybody() {
        let mut register = Register::default();
        (0..10).for_each(|n| register.enter(host(n), until(10)));
        let mut seen = HashSet::new();
        for _ in 0..3 {
            let round = register.patrol(4);
            // Hosts that leave meanwhile do not upset it.
            register.remove(round[1]);
            seen.extend(round);
        }
        assert_eq!(seen.len(), 10);
        assert_eq!(register.patrol(1).len(), 0, "the round is over");
        assert_eq!(register.patrol(1), [host(0)]);
    }
}
