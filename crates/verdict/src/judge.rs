//! The judge: applies the policy and remembers who is isolated, who was, and who was spared.

use std::mem::{Discriminant, discriminant};
use std::net::IpAddr;
use std::time::Duration;

use alert::{Alert, Binding, Forwarded, Impact, Names, Proof, RoleSeen, Sighting};
use wire::{Nanos, Scope, Target};

use crate::brake::{Brake, BrakeChange, Limit, Victim};
use crate::memory::Memory;
use crate::network::{Network, NetworkTally, NewRole};
use crate::policy::{Mode, Policy, RuleName};
use crate::repeats::Repeats;
use crate::rule::{Reach, Rule, Then};
use crate::scope::widened;
use crate::verdict::{Tally, Verdict, Withheld};

#[path = "unproven.rs"]
mod unproven;

/// Isolations whose end one look takes up: an alert must not wait for a census.
const LOOKS: usize = 64;
/// Packets of an isolated host may be seen for so long that were on their way.
const ON_THEIR_WAY: Duration = Duration::from_secs(1);

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
    since: Nanos,
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
    network: Network,
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
            network: Network::default(),
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
        let Some(victim) = alert.victim else { return Verdict::Nothing };
        let roles = self.roles_of(Some(victim), now);
        let Some(rule) = self.policy.rule(alert, &roles, &mut self.repeats) else { return Verdict::Nothing };
        if rule.then == Then::Alert {
            return Verdict::Nothing;
        }
        let target = Target::host(victim);
        let asked = asked(rule, alert);
        let (observes, name) = (rule.then == Then::Observe, rule.name.clone());
        let sparing: Vec<RoleSeen> = if rule.means_infrastructure() {
            Vec::new()
        } else {
            self.policy.infrastructure.sparing(victim, &roles).copied().collect()
        };
        let lifetime = self.policy.lifetime_of(rule);
        if self.isolated.get(target).is_some_and(|(until, _)| until <= now) {
            self.ended(target, now);
        }
        let mut held = Held {
            by: if self.policy.mode == Mode::Observe { By::Nobody } else { By::Policy },
            scope: asked,
            lifetime,
            relapse: 0,
            since: now,
        };
        let why = self.spares(target, &held.scope).map(Withheld::Protected);
        let why = why.or(observes.then_some(Withheld::ObserveRule));
        if let Some(why) = why.or((!sparing.is_empty()).then_some(Withheld::Infrastructure(sparing))) {
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
            held.since = running.since;
        } else {
            if let Some((_, before)) = self.watched.get(target).filter(|(until, _)| *until > now) {
                held.lifetime = self.policy.lifetime_after(before.lifetime, lifetime);
                held.relapse = before.relapse + 1;
            }
            let part = victim_of(&alert.proof);
            let said = discriminant(&Withheld::Brake(Limit::AtOnce(0, part)));
            // A host that beacons against the brake is one wish, not one a beacon.
            if self.brake.is_on(part) && self.was_said(target, said, now) {
                return Verdict::Nothing;
            }
            if let Err(limit) = self.brake.check(now, self.isolated.len(), self.policy.limits, part) {
                self.tally.withheld_unproven += u64::from(part == Victim::Unproven);
                return self.withhold(target, held, name, Withheld::Brake(limit), now);
            }
            self.tally.relapses += u64::from(held.relapse > 0);
        }
        self.isolate(target, held, Some(name), now)
    }

    /// Takes in what a worker has seen. To be given in the order in which it was seen, and before the alerts after it.
    ///
    /// Workers are not in step with each other: a host may be isolated for a question before it is told that a client
    /// had asked it for that. Then it is to be released.
    #[must_use]
    pub fn sight(&mut self, sighting: &Sighting, now: Nanos) -> Option<Target> {
        // Who is cut off asks nobody any more: whoever says so uses its address.
        if let Sighting::Asked { client, .. } = sighting
            && let Some((until, held)) = self.isolated.get(Target::host(*client))
            && until > now
            && held.by != By::Nobody
            && now.since(held.since) > ON_THEIR_WAY
        {
            return None;
        }
        self.network.sight(sighting, self.policy.infrastructure.min_clients, now);
        let Sighting::Asked { host, names, .. } = sighting else { return None };
        let alerted = self.network.told_late(*host, names, now)?;
        let target = Target::host(*host);
        let (_, held) = self.isolated.get(target)?;
        // Isolated for just that, and not for anything before it.
        (held.by == By::Policy && held.since == alerted).then_some(target)
    }

    /// A host was isolated by mistake, and is not any more: it is not watched for it.
    pub fn forget(&mut self, target: Target) {
        self.isolated.remove(target);
        self.watched.remove(target);
    }

    /// Whether an alert is about a question that its victim passed on for a client: then that client is the victim from
    /// here on. Of the client no more is known than that somebody asked with its address.
    pub fn attribute(&mut self, alert: &mut Alert, names: &[Names]) -> Option<Forwarded> {
        let (host, now) = (alert.victim?, alert.time);
        let isolated = &self.isolated;
        let can_be_answered = |client| {
            let held = isolated.get(Target::host(client)).filter(|(until, _)| *until > now);
            held.is_none_or(|(_, held)| held.by == By::Nobody)
        };
        let least = self.policy.infrastructure.min_clients;
        let forwarded = self.network.passed_on(host, names, least, now, can_be_answered)?;
        alert.victim = Some(forwarded.asked_by);
        alert.proof = Proof::default();
        Some(forwarded)
    }

    /// Whether alerts isolate.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.policy.mode
    }

    /// Roles that hosts were found to have since this was asked last.
    pub fn new_roles(&mut self) -> Vec<NewRole> {
        self.network.new_roles()
    }

    /// What an isolation of the target would cut off; nothing is known of networks and stations.
    #[must_use]
    pub fn impact(&self, target: Target, now: Nanos) -> Option<Impact> {
        Some(self.network.impact(target.ip()?, self.policy.infrastructure.min_clients, now))
    }

    /// What is counted of the network.
    #[must_use]
    pub fn network_tally(&self) -> NetworkTally {
        self.network.tally()
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
        let since = self.isolated.get(target).map_or(now, |(_, held)| held.since);
        let held = Held { by: By::Operator, scope, lifetime, relapse, since };
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
        let new = || Held {
            by: By::Policy,
            scope: scope.clone(),
            lifetime: self.policy.lifetime,
            relapse: 0,
            since: Nanos(0),
        };
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
        let brake_on = u64::from(self.brake.is_on(Victim::Proven) || self.brake.is_on(Victim::Unproven));
        Tally { brake_on, repeats_forgotten: self.repeats.forgotten, ..self.tally }
    }

    /// What a host was seen doing for others.
    fn roles_of(&self, host: Option<IpAddr>, now: Nanos) -> Vec<RoleSeen> {
        let least = self.policy.infrastructure.min_clients;
        host.map(|host| self.network.roles(host, least, now)).unwrap_or_default()
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
            Withheld::Infrastructure(_) => &mut self.tally.withheld_infrastructure,
            Withheld::Brake(_) => &mut self.tally.withheld_brake,
            Withheld::Unproven(_) => &mut self.tally.withheld_proof,
        } += 1;
        let told = matches!(why, Withheld::ObserveRule | Withheld::Infrastructure(_));
        let until = told.then(|| now.after(held.lifetime));
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

/// Whether a victim's part is proven: anybody can send one packet with its address.
fn victim_of(proof: &Proof) -> Victim {
    if proof.established || proof.binding == Binding::Matches { Victim::Proven } else { Victim::Unproven }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
