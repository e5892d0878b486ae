//! What the warden sees when it looks into the map: first drops, isolations that are over, hosts that others
//! isolated or released.

use alert::Text;
use capture::IsolationEntry;
use output::{IsolationAction, IsolationEvent};
use wire::{Nanos, Target};

use super::{Enforcement, Warden, step};
use crate::clock;
use crate::register::Isolation;

/// Hosts that one look at the map takes up, of each kind: alerts must not wait for a census. Each costs a
/// system call, about a microsecond.
const LOOKS: usize = 64;
/// The same for the frequent look for first drops.
const CLOSE_LOOKS: usize = 8;

impl Warden {
    /// Whether a first drop is still waited for, so that the caller looks often.
    #[must_use]
    pub fn awaits_first_drop(&self) -> bool {
        self.register.awaits_first_drop()
    }

    /// Looks for first drops to be told. Each step with the wall-clock time at which the kernel took it.
    /// However many hosts are awaited, a look takes up only a few; the next goes on behind them.
    pub fn watch_closely(&mut self) -> Vec<(Nanos, IsolationEvent)> {
        self.first_drops(CLOSE_LOOKS)
    }

    /// Looks at everything: first drops, lifetimes that are over, hosts that somebody else released. Bounded
    /// like the close look.
    pub fn watch(&mut self) -> Vec<(Nanos, IsolationEvent)> {
        if let Enforcement::Kernel { map, .. } = &mut self.enforcement {
            map.mend();
        }
        let mut steps = self.first_drops(LOOKS);
        let (wall, now) = (clock::wall(), clock::monotonic());
        for (end, host) in self.register.due(now.0, LOOKS) {
            match self.entry(host) {
                // Another sensor that shares the map gave it a later end.
                Some(entry) if entry.expires_ns > now.0 => {
                    let later = wall.after(Nanos(entry.expires_ns).since(now));
                    self.register.move_end(host, entry.expires_ns);
                    if let Some(isolation) = self.register.get_mut(host) {
                        self.judge.adopt(host, &isolation.scope, later);
                    }
                }
                _ => {
                    let time = Nanos(wall.0.saturating_sub(now.0.saturating_sub(end)));
                    let step = self.end(host, IsolationAction::Expire);
                    steps.extend(step.map(|step| (time, step)));
                }
            }
        }
        for host in self.register.patrol(LOOKS) {
            if self.entry(host).is_none() {
                let step = self.end(host, IsolationAction::Release);
                steps.extend(step.map(|step| (wall, step)));
            }
        }
        steps
    }

    fn first_drops(&mut self, limit: usize) -> Vec<(Nanos, IsolationEvent)> {
        let mut steps = Vec::new();
        let (wall, now) = (clock::wall(), clock::monotonic());
        for host in self.register.awaited(limit) {
            let Some(entry) = self.entry(host) else { continue };
            let time = Nanos(wall.0.saturating_sub(now.0.saturating_sub(entry.first_drop_ns)));
            match self.first_drop(host, &entry) {
                Some(step) => steps.push((time, step)),
                None => self.register.await_on(host),
            }
        }
        steps
    }

    fn first_drop(&mut self, host: Target, entry: &IsolationEntry) -> Option<IsolationEvent> {
        let isolation = self.register.get_mut(host)?;
        if isolation.first_drop_told || entry.first_drop_ns == 0 {
            return None;
        }
        isolation.first_drop_told = true;
        isolation.latency.first_drop_ns =
            isolation.arrival.map(|arrival| entry.first_drop_ns.saturating_sub(arrival.0));
        self.latencies.dropped(&isolation.latency);
        let isolation = isolation.clone();
        Some(self.placed(step(host, IsolationAction::FirstDrop, &isolation, Some(entry))))
    }

    pub(super) fn end(&mut self, host: Target, action: IsolationAction) -> Option<IsolationEvent> {
        self.judge.ended(host, clock::wall());
        let entry = self.map().and_then(|map| map.remove(host).ok().flatten());
        let isolation = self.register.remove(host)?;
        Some(step(host, action, &isolation, entry.as_ref()))
    }

    /// Takes hosts over that are in the map and not known here: isolated by an earlier run, or by another
    /// sensor that shares the map.
    pub fn adopt(&mut self) {
        let Enforcement::Kernel { map, .. } = &self.enforcement else { return };
        let (wall, now) = (clock::wall(), clock::monotonic());
        for (host, entry) in map.entries().unwrap_or_default() {
            if entry.expires_ns <= now.0 {
                let _ = map.remove(host);
            } else if !self.register.contains(host) {
                self.verdict = self.verdict.saturating_add(1).max(wall.0);
                let until = wall.after(Nanos(entry.expires_ns).since(now));
                let reason = "was in the isolation map already".into();
                let isolation = Isolation {
                    until,
                    scope: map.scope(host, &entry),
                    expires_ns: entry.expires_ns,
                    first_drop_told: entry.first_drop_ns != 0,
                    verdict: self.verdict,
                    ..Isolation::by(Text::Own("adopted"), reason)
                };
                self.judge.adopt(host, &isolation.scope, until);
                self.register.enter(host, isolation);
            }
        }
    }
}
