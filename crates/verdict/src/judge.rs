//! The judge: applies the policy and remembers who is isolated, who was, and who was spared.

use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::net::IpAddr;
use std::time::Duration;

use alert::{Alert, Binding, Proof};
use wire::{Nanos, Scope, Target};

use crate::brake::{Brake, BrakeChange, Limit};
use crate::memory::Memory;
use crate::policy::{Mode, Policy, RuleName};
use crate::repeats::Repeats;
use crate::rule::{Reach, Rule, Then};
use crate::scope::widened;

#[path = "unproven.rs"]
mod unproven;

/// Isolations whose end one look takes up: an alert must not wait for a census.
const LOOKS: usize = 64;

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
        /// How often it relapsed while it was watched.
        relapse: u32,
        /// The policy's rule, if an alert led to it.
        rule: Option<RuleName>,
    },
    /// The policy, or an operator, asks for isolation, but the host is spared.
    Withhold {
        /// Whom.
        target: Target,
        /// How far it would have been isolated.
        scope: Scope,
        /// Until when it would have been, if that is the only reason why it is not.
        until: Option<Nanos>,
        /// How often it would have relapsed while it was watched.
        relapse: u32,
        /// The policy's rule, if an alert led to it.
        rule: Option<RuleName>,
        /// Why it is spared.
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
    /// The policy's rule only observes.
    ObserveRule,
    /// Too many hosts would be isolated.
    Brake(Limit),
    /// It is not proven that it took part.
    Unproven(Proof),
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Withheld::Protected(why) => f.write_str(why),
            Withheld::ObserveMode => f.write_str("policy mode is \"observe\""),
            Withheld::ObserveRule => f.write_str("the policy's rule says \"observe\""),
            Withheld::Brake(limit) => write!(f, "brake: {limit}"),
            Withheld::Unproven(proof) => f.write_str(match proof.binding {
                Binding::Differs => {
                    "not proven that it took part: the packets come from another MAC address or VLAN than its own"
                }
                _ if proof.established => "not proven that it took part: the proof that the policy asks for is missing",
                _ => "not proven that it took part: nobody answered, and its MAC address is not known",
            }),
        }
    }
}

/// What the judge counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Verdicts withheld because the host is protected.
    pub withheld_protected: u64,
    /// Verdicts withheld because mode or rule only observe.
    pub withheld_observe: u64,
    /// Verdicts withheld for want of proof.
    pub withheld_proof: u64,
    /// Verdicts withheld by the brake.
    pub withheld_brake: u64,
    /// Times the brake tripped.
    pub brakes: u64,
    /// 1 while it is on.
    pub brake_on: u64,
    /// Hosts that had to be isolated again while they were watched.
    pub relapses: u64,
    /// Counts of alerts given up ([`MAX_COUNTED`](crate::MAX_COUNTED)).
    pub repeats_forgotten: u64,
}

/// Who isolated a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// An alert; or an earlier run, as far as is known.
    Policy,
    /// Nobody: an alert would have, if the mode were not "observe".
    Nobody,
    /// An operator: what he said stands until it is over.
    Operator,
}

/// An isolation that runs, or is over and remembered.
#[derive(Clone, Debug)]
struct Held {
    by: By,
    scope: Scope,
    lifetime: Duration,
    relapse: u32,
}

/// See the module's text.
#[derive(Debug)]
pub struct Judge {
    policy: Policy,
    isolated: Memory<Held>,
    /// Hosts whose isolation is over.
    watched: Memory<Held>,
    /// Of whom it has been said that they are spared, and why.
    spared: Memory<Discriminant<Withheld>>,
    repeats: Repeats,
    brake: Brake,
    tally: Tally,
}

impl Judge {
    /// A judge that remembers nobody.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Judge {
            policy,
            isolated: Memory::default(),
            watched: Memory::default(),
            spared: Memory::default(),
            repeats: Repeats::default(),
            brake: Brake::default(),
            tally: Tally::default(),
        }
    }

    /// Judges by another policy from now on. Who is isolated stays so. Alerts are counted anew if the rules have changed.
    pub fn set_policy(&mut self, policy: Policy) {
        if policy == self.policy {
            return;
        }
        if policy.rules != self.policy.rules {
            self.repeats.clear();
        }
        if policy.mode == Mode::Enforce {
            self.isolated.retain(|held| held.by != By::Nobody);
        }
        self.spared.clear();
        self.policy = policy;
    }

    /// The verdict on an alert. A host that is isolated already is isolated anew only when less than half of its time is
    /// left, so that a beaconing implant does not cause a write per beacon, or when the isolation must go further.
    pub fn on_alert(&mut self, alert: &Alert) -> Verdict {
        let now = alert.time;
        self.look(now);
        let Some(rule) = self.policy.rule(alert, &mut self.repeats) else { return Verdict::Nothing };
        let (Some(victim), false) = (alert.victim, rule.then == Then::Alert) else { return Verdict::Nothing };
        let target = Target::host(victim);
        let asked = asked(rule, alert);
        let (observes, name) = (rule.then == Then::Observe, rule.name.clone());
        let lifetime = self.policy.lifetime_of(rule);
        if self.isolated.get(target).is_some_and(|(until, _)| until <= now) {
            self.ended(target, now);
        }
        let mut held = Held {
            by: if self.policy.mode == Mode::Observe { By::Nobody } else { By::Policy },
            scope: asked,
            lifetime,
            relapse: 0,
        };
        let why = self.spares(target, &held.scope).map(Withheld::Protected);
        if let Some(why) = why.or(observes.then_some(Withheld::ObserveRule)) {
            return self.withhold(target, held, name, why, now);
        }
        if let Some((until, running)) = self.isolated.get(target) {
            let more = widened(&running.scope, &held.scope);
            let fresh = until.since(now) > running.lifetime / 2;
            if running.by == By::Operator || fresh && more.is_none() {
                return Verdict::Nothing;
            }
            held.scope = more.unwrap_or_else(|| running.scope.clone());
            held.lifetime = running.lifetime.max(held.lifetime);
            held.relapse = running.relapse;
        } else {
            if let Some((_, before)) = self.watched.get(target).filter(|(until, _)| *until > now) {
                held.lifetime = self.policy.lifetime_after(before.lifetime, lifetime);
                held.relapse = before.relapse + 1;
            }
            let said = discriminant(&Withheld::Brake(Limit::AtOnce(0)));
            // A host that beacons against the brake is one wish, not one a beacon.
            if self.brake.is_on() && self.was_said(target, said, now) {
                return Verdict::Nothing;
            }
            if let Err(limit) = self.brake.check(now, self.isolated.len(), self.policy.limits) {
                return self.withhold(target, held, name, Withheld::Brake(limit), now);
            }
            self.tally.relapses += u64::from(held.relapse > 0);
        }
        self.isolate(target, held, Some(name), now)
    }

    /// The verdict on an operator's wish, or another sensor's. The rails hold for operators too; mode "observe" and the
    /// brake do not.
    pub fn on_operator(
        &mut self,
        target: Target,
        scope: Scope,
        lifetime: Option<Duration>,
        now: Nanos,
    ) -> Verdict {
        let lifetime = lifetime.unwrap_or(self.policy.lifetime);
        let watched = self.watched.get(target).filter(|(until, _)| *until > now);
        let before = self.isolated.get(target).or(watched);
        let relapse = before.map_or(0, |(_, held)| held.relapse);
        let held = Held { by: By::Operator, scope, lifetime, relapse };
        match self.spares(target, &held.scope) {
            Some(why) => {
                self.tally.withheld_protected += 1;
                let (scope, why) = (held.scope, Withheld::Protected(why));
                Verdict::Withhold { target, scope, until: None, relapse, rule: None, why }
            }
            None => self.isolate(target, held, None, now),
        }
    }

    /// A host is isolated already (adopted from a map that an earlier run wrote), or longer than was said here.
    pub fn adopt(&mut self, target: Target, scope: &Scope, until: Nanos) {
        let known =
            self.isolated.remove(target).or_else(|| self.watched.remove(target)).map(|(_, held)| held);
        let new =
            || Held { by: By::Policy, scope: scope.clone(), lifetime: self.policy.lifetime, relapse: 0 };
        let held = known.unwrap_or_else(new);
        self.isolated.insert(target, until, held);
    }

    /// A host is not isolated any more, and is watched from now on.
    pub fn ended(&mut self, target: Target, now: Nanos) {
        if let Some((until, held)) = self.isolated.remove(target) {
            self.watched.insert(target, until.min(now).after(self.policy.watch), held);
        }
    }

    /// A host could not be isolated.
    pub fn failed(&mut self, target: Target) {
        self.isolated.remove(target);
    }

    /// Why a target must not be isolated, if it must not.
    #[must_use]
    pub fn why_protected(&self, target: &Target) -> Option<String> {
        self.policy.protected.why(target)
    }

    /// What the brake did that has not been asked for yet. It lets go by itself as time passes.
    pub fn brake(&mut self, now: Nanos) -> Option<BrakeChange> {
        self.look(now);
        let change = self.brake.change()?;
        self.tally.brakes += u64::from(change.on);
        Some(change)
    }

    /// What was counted.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let brake_on = u64::from(self.brake.is_on());
        Tally { brake_on, repeats_forgotten: self.repeats.forgotten, ..self.tally }
    }

    /// Takes up what has ended, a few at a time.
    fn look(&mut self, now: Nanos) {
        for _ in 0..LOOKS {
            let Some((target, until, held)) = self.isolated.pop_ended(now) else { break };
            self.watched.insert(target, until.after(self.policy.watch), held);
        }
        for _ in 0..LOOKS {
            if self.watched.pop_ended(now).is_none() && self.spared.pop_ended(now).is_none() {
                break;
            }
        }
        self.brake.settle(now, self.isolated.len(), self.policy.limits);
    }

    /// Protected are the target, and those whom it would be kept from.
    fn spares(&self, target: Target, scope: &Scope) -> Option<String> {
        let protected = &self.policy.protected;
        let peers: &[IpAddr] = if let Scope::Peers(peers) = scope { peers } else { &[] };
        let peer = || {
            peers.iter().find_map(|&peer| {
                let why = protected.why(&Target::host(peer))?;
                Some(format!("its peer {peer} is spared: {why}"))
            })
        };
        protected.why(&target).or_else(peer)
    }

    fn isolate(&mut self, target: Target, held: Held, rule: Option<RuleName>, now: Nanos) -> Verdict {
        let (scope, relapse) = (held.scope.clone(), held.relapse);
        let mut until = now.after(held.lifetime);
        let by = held.by;
        if let (Some((running, _)), true) = (self.isolated.get(target), by != By::Operator) {
            until = until.max(running);
        }
        self.isolated.insert(target, until, held);
        if by == By::Nobody {
            self.tally.withheld_observe += 1;
            let (until, why) = (Some(until), Withheld::ObserveMode);
            return Verdict::Withhold { target, scope, until, relapse, rule, why };
        }
        Verdict::Isolate { target, scope, until, relapse, rule }
    }

    fn was_said(&self, target: Target, why: Discriminant<Withheld>, now: Nanos) -> bool {
        self.spared.get(target).is_some_and(|(until, said)| until > now && *said == why)
    }

    /// Says once per lifetime, not per beacon, that a host is spared.
    fn withhold(&mut self, target: Target, held: Held, name: RuleName, why: Withheld, now: Nanos) -> Verdict {
        if self.was_said(target, discriminant(&why), now) {
            return Verdict::Nothing;
        }
        self.spared.insert(target, now.after(held.lifetime), discriminant(&why));
        *match why {
            Withheld::Protected(_) => &mut self.tally.withheld_protected,
            Withheld::ObserveMode | Withheld::ObserveRule => &mut self.tally.withheld_observe,
            Withheld::Brake(_) => &mut self.tally.withheld_brake,
            Withheld::Unproven(_) => &mut self.tally.withheld_proof,
        } += 1;
        let until = (why == Withheld::ObserveRule).then(|| now.after(held.lifetime));
        Verdict::Withhold { target, scope: held.scope, until, relapse: held.relapse, rule: Some(name), why }
    }
}

/// How far a rule isolates an alert's victim.
fn asked(rule: &Rule, alert: &Alert) -> Scope {
    match (rule.reach, alert.peer) {
        (Reach::Both, _) => Scope::Both,
        (Reach::Outbound, _) => Scope::Outbound,
        (Reach::Peers, peer) => Scope::Peers(peer.map(|peer| peer.to_canonical()).into_iter().collect()),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
