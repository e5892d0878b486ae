//! The judge: applies the policy and remembers who is isolated.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use alert::Alert;
use wire::{Nanos, Scope, Target};

use crate::policy::{Mode, Policy};

/// Hosts whose verdicts are remembered; beyond that the one that ends first is forgotten, which costs
/// a repeated event, never an isolation.
pub const MAX_REMEMBERED: usize = 200_000;

/// What is to be done about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the policy does not ask for it, the victim is unknown, or it is isolated already.
    Nothing,
    /// Isolate the host.
    Isolate {
        /// Whom.
        target: Target,
        /// How far.
        scope: Scope,
        /// Until when (wall clock).
        until: Nanos,
    },
    /// The policy asks for isolation, but the host is spared.
    Withhold {
        /// Whom.
        target: Target,
        /// Why.
        why: Withheld,
    },
}

/// Why a host was spared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It is protected; the text says by what.
    Protected(String),
    /// The policy's mode is "observe".
    ObserveMode,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Withheld::Protected(why) => f.write_str(why),
            Withheld::ObserveMode => f.write_str("policy mode is \"observe\""),
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Judge {
    policy: Policy,
    isolated: BTreeMap<Target, Nanos>,
    withheld: BTreeMap<Target, Nanos>,
}

impl Judge {
    /// A judge that remembers nobody.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Judge { policy, isolated: BTreeMap::new(), withheld: BTreeMap::new() }
    }

    /// The verdict on an alert. A host that is isolated already is isolated anew only when less than
    /// half of its time is left, so that a beaconing implant does not cause a write per beacon.
    pub fn on_alert(&mut self, alert: &Alert) -> Verdict {
        let Some(victim) = alert.victim else { return Verdict::Nothing };
        if !self.policy.wants_isolation(alert) {
            return Verdict::Nothing;
        }
        let target = Target::host(victim);
        let lifetime = self.policy.lifetime;
        if self.isolated.get(&target).is_some_and(|until| until.since(alert.time) > lifetime / 2) {
            return Verdict::Nothing;
        }
        match self.spare(victim) {
            None => self.isolate(target, Scope::Both, alert.time.after(lifetime)),
            Some(why) => {
                // Said once per lifetime, not per beacon.
                let said = self.withheld.get(&target).is_some_and(|&until| until > alert.time);
                if said {
                    return Verdict::Nothing;
                }
                remember(&mut self.withheld, target, alert.time.after(lifetime));
                Verdict::Withhold { target, why }
            }
        }
    }

    /// The verdict on an operator's wish. The rails hold for operators too; "observe" does not.
    pub fn on_operator(
        &mut self,
        target: Target,
        scope: Scope,
        lifetime: Option<Duration>,
        now: Nanos,
    ) -> Verdict {
        match self.forbids(target) {
            Some(why) => Verdict::Withhold { target, why: Withheld::Protected(why) },
            None => self.isolate(target, scope, now.after(lifetime.unwrap_or(self.policy.lifetime))),
        }
    }

    /// Why nobody may isolate the target, if so.
    #[must_use]
    pub fn forbids(&self, target: Target) -> Option<String> {
        target.ip().and_then(|host| self.policy.protected.why(host))
    }

    /// A host is isolated already (adopted from a map that an earlier run wrote).
    pub fn adopt(&mut self, target: Target, until: Nanos) {
        remember(&mut self.isolated, target, until);
    }

    /// A host is not isolated any more, or could not be.
    pub fn forget(&mut self, target: Target) {
        self.isolated.remove(&target);
    }

    fn isolate(&mut self, target: Target, scope: Scope, until: Nanos) -> Verdict {
        remember(&mut self.isolated, target, until);
        Verdict::Isolate { target, scope, until }
    }

    fn spare(&self, host: IpAddr) -> Option<Withheld> {
        if let Some(why) = self.policy.protected.why(host) {
            return Some(Withheld::Protected(why));
        }
        (self.policy.mode == Mode::Observe).then_some(Withheld::ObserveMode)
    }
}

fn remember(hosts: &mut BTreeMap<Target, Nanos>, host: Target, until: Nanos) {
    if hosts.len() >= MAX_REMEMBERED && !hosts.contains_key(&host) {
        let first = hosts.iter().min_by_key(|&(_, until)| *until).map(|(&host, _)| host);
        first.map(|host| hosts.remove(&host));
    }
    hosts.insert(host, until);
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
