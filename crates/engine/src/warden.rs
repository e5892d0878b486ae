//! The warden: turns verdicts into isolations in the kernel and tells what became of them.

mod proofs;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use alert::{Alert, Observation, RuleAction, RuleFacts, Sighting, Text};
use capture::{IsolationEntry, IsolationMap};
use detect::rules::Thresholds;
use flow::FlowTuple;
use hdrhistogram::Histogram;
use output::{AlertEvent, BrakeEvent, IsolationAction, IsolationEvent, Latency};
use rules::Action;
use verdict::{Judge, Mode, NewRole, Policy, Tally, Verdict};
use wire::{Nanos, Scope, Target};

use crate::clock;
use crate::control::Caller;
use crate::latencies::Latencies;
use crate::posts::Posts;
use crate::register::{Changed, Isolation, Register};
use crate::restore::Reconciled;
use crate::sightings;

/// Where verdicts are enforced.
#[derive(Debug)]
pub enum Enforcement {
    /// Nowhere: packets come from a file.
    Replay,
    /// In the kernel's isolation map, by the guard and inline ports that obey it.
    Kernel {
        /// The pinned map.
        map: Box<IsolationMap>,
        /// Ports of this sensor that obey it.
        posts: Arc<Posts>,
    },
}

/// One line of `ringward isolate list`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Listed {
    /// Whom: a host, a host in a VLAN, a network, a MAC address.
    pub host: String,
    /// How far: "both", "outbound", "peers".
    pub scope: String,
    /// For "peers": the hosts that it is cut off from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub peers: Vec<IpAddr>,
    /// Which isolation: as in its events.
    pub verdict: u64,
    /// Seconds until release.
    pub remaining_s: u64,
    /// Who decided first.
    pub by: String,
    /// Why.
    pub reason: String,
    /// What was changed since, the latest 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ListedChange>,
    /// Packets dropped from or to it.
    pub dropped_packets: u64,
    /// Bytes of these.
    pub dropped_bytes: u64,
    /// Guard and inline ports of this sensor that enforce it now.
    #[serde(default)]
    pub enforced_on: Vec<String>,
    /// Those that are configured and do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_enforced_on: Vec<String>,
}

/// A change of an isolation in force.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ListedChange {
    /// When: nanoseconds since 1970.
    pub time_ns: u64,
    /// What: "extend", "restore", "adopt", "isolate".
    pub action: String,
    /// Who decided.
    pub by: String,
    /// Who exactly, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why.
    pub reason: String,
    /// When it ends from then on: nanoseconds since 1970.
    pub until_ns: u64,
}

impl From<&Changed> for ListedChange {
    fn from(of: &Changed) -> Self {
        ListedChange {
            time_ns: of.time.0,
            action: of.action.clone(),
            by: of.by.to_string(),
            who: of.who.as_ref().map(ToString::to_string),
            reason: of.reason.clone(),
            until_ns: of.until.0,
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Warden {
    pub(crate) judge: Judge,
    pub(crate) enforcement: Enforcement,
    pub(crate) register: Register,
    pub(crate) latencies: Latencies,
    pub(crate) failed: u64,
    thresholds: Thresholds,
    suppressed: u64,
    /// Of the last verdict.
    pub(crate) verdict: u64,
    pub(crate) reconciled: Reconciled,
    /// Alerts that wait for proof that their victims took part.
    proofs: proofs::Proofs,
}

impl Warden {
    /// A warden who takes over what is in the map: hosts that an earlier run isolated.
    #[must_use]
    pub fn new(judge: Judge, enforcement: Enforcement) -> Self {
        let mut warden = Warden {
            judge,
            enforcement,
            register: Register::default(),
            latencies: Latencies::default(),
            failed: 0,
            thresholds: Thresholds::default(),
            suppressed: 0,
            verdict: 0,
            reconciled: Reconciled::default(),
            proofs: proofs::Proofs::default(),
        };
        warden.adopt();
        warden
    }

    /// With these limits on how often rules may speak.
    #[must_use]
    pub fn with_thresholds(self, thresholds: Thresholds) -> Self {
        Warden { thresholds, ..self }
    }

    /// With other limits from now on; what was counted still counts.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds.after(std::mem::take(&mut self.thresholds));
    }

    /// Judges by another policy from now on. To be followed by [`Warden::release_protected`].
    pub fn set_policy(&mut self, policy: Policy) {
        self.judge.set_policy(policy);
    }

    /// Takes in what a worker has seen, before the alerts after it. The release of a host that was isolated for a question
    /// which, as is seen now, it had only passed on.
    pub fn sight(&mut self, sighting: &Sighting, time: Nanos) -> Option<IsolationEvent> {
        let host = self.judge.sight(sighting, time)?;
        let step = self.end(host, IsolationAction::Release);
        self.judge.forget(host);
        step
    }

    /// Roles that hosts were found to have since this was asked last.
    pub fn new_roles(&mut self) -> Vec<NewRole> {
        self.judge.new_roles()
    }

    /// Whether alerts isolate.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.judge.mode()
    }

    /// What an operator is told who isolates a host that others need; empty if they do not.
    #[must_use]
    pub fn warning(&self, target: Target, now: Nanos) -> String {
        let roles = self.judge.impact(target, now).map(|impact| impact.roles).unwrap_or_default();
        let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
        if roles.is_empty() {
            return String::new();
        }
        format!("; warning: others need this host, which is a {}", roles.join(" and a "))
    }

    /// Whether an alert is to be told; else it is counted. A question that its victim has passed on becomes that of who
    /// asked first.
    pub fn tells(&mut self, event: &mut AlertEvent) -> bool {
        if event.alert.victim.is_some() {
            let names = sightings::names(event);
            event.forwarded = self.judge.attribute(&mut event.alert, &names);
        }
        if let (Some(action), Some(rule)) =
            (self.thresholds.changed_action(&event.alert, event.flow.as_ref()), &event.alert.rule)
        {
            let (action, observation) = match action {
                Action::Alert => (RuleAction::Alert, Observation::Rule),
                Action::Pass => return false,
                Action::Drop => (RuleAction::Drop, Observation::RuleDrop),
                Action::Reject(_) => (RuleAction::Reject, Observation::RuleDrop),
            };
            event.alert.rule = Some(Arc::new(RuleFacts { action, ..RuleFacts::clone(rule) }));
            event.alert.observation = observation;
        }
        let told = self.thresholds.passes(&event.alert, event.flow.as_ref());
        self.suppressed += u64::from(!told);
        told
    }

    /// Latency from a packet's arrival to its verdict in the map, in nanoseconds.
    #[must_use]
    pub fn latency(&self) -> &Histogram<u64> {
        self.latencies.to_map()
    }

    /// What the warden counts, by the names of [`VERDICT_COUNTERS`](crate::VERDICT_COUNTERS).
    #[must_use]
    pub fn counters(&self) -> Vec<(String, u64)> {
        let mut rows = vec![
            ("isolation.active".to_owned(), self.register.len() as u64),
            ("isolation.held".to_owned(), self.is_held().into()),
            ("isolation.not_enforced".to_owned(), self.failed),
            ("detect.alerts_suppressed".to_owned(), self.suppressed),
            ("rules.thresholds_refused".to_owned(), self.thresholds.refused()),
        ];
        let of: Tally = self.judge.tally();
        let network = self.judge.network_tally();
        let judged = [
            ("isolation.withheld.protected", of.withheld_protected),
            ("isolation.withheld.observe", of.withheld_observe),
            ("isolation.withheld.infrastructure", of.withheld_infrastructure),
            ("isolation.withheld.brake", of.withheld_brake),
            ("isolation.withheld.proof", of.withheld_proof),
            ("isolation.proofs_awaited", self.proofs.len() as u64),
            ("isolation.proofs_forgotten", self.proofs.forgotten),
            ("isolation.withheld.unproven", of.withheld_unproven),
            ("isolation.brakes", of.brakes),
            ("isolation.brake_on", of.brake_on),
            ("isolation.relapses", of.relapses),
            ("policy.repeats_forgotten", of.repeats_forgotten),
            ("policy.roles", network.roles),
            ("policy.roles_forgotten", network.roles_forgotten),
            ("policy.questions_forwarded", network.forwarded),
            ("policy.questions_forgotten", network.questions_forgotten),
            ("policy.stations_forgotten", network.stations_forgotten),
            ("policy.contacts_refused", network.contacts_refused),
        ];
        rows.extend(judged.map(|(name, value)| (name.to_owned(), value)));
        rows.extend(self.posts().into_iter().flat_map(Posts::counters));
        rows.extend(self.reconciled.counters());
        rows.extend(self.latencies.counters());
        rows
    }

    /// The map, if there is one.
    #[must_use]
    pub fn map(&self) -> Option<&IsolationMap> {
        match &self.enforcement {
            Enforcement::Kernel { map, .. } => Some(map),
            Enforcement::Replay => None,
        }
    }

    /// Ports that obey it.
    pub(crate) fn posts(&self) -> Option<&Posts> {
        match &self.enforcement {
            Enforcement::Kernel { posts, .. } => Some(posts),
            Enforcement::Replay => None,
        }
    }

    /// The step, with the ports on which it is in force.
    pub(crate) fn placed(&self, step: IsolationEvent) -> IsolationEvent {
        IsolationEvent { places: self.posts().map(Posts::places), ..step }
    }

    /// Whether the kill switch is on.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.map().is_some_and(IsolationMap::is_held)
    }

    /// Turns the kill switch on or off.
    pub fn hold(&self, on: bool) {
        if let Some(map) = self.map() {
            map.hold(on);
        }
    }

    /// Forgets everybody (a new capture with empty state), and what thresholds have counted: all of it, or what is over
    /// at the time up to which they are kept.
    pub fn reset(&mut self, judge: Judge, keep_thresholds: Option<Nanos>) {
        self.judge = judge;
        self.register.clear();
        self.proofs = proofs::Proofs::default();
        match keep_thresholds {
            Some(now) => self.thresholds.expire(now),
            None => self.thresholds.reset(),
        }
    }

    /// Judges an alert; the step to be written down, if it leads to one.
    pub fn on_alert(&mut self, event: &AlertEvent) -> Option<IsolationEvent> {
        let step = self.judge_alert(&event.alert, event.flow);
        // An answer to a question that was passed on proves nothing of the client; its own question does.
        if event.forwarded.is_none() {
            self.await_proof(&event.alert, event.flow);
        }
        step
    }

    fn judge_alert(&mut self, alert: &Alert, flow: Option<FlowTuple>) -> Option<IsolationEvent> {
        let verdict = self.judge.on_alert(alert);
        self.carry_out(verdict, alert.time, Self::cause(alert, flow))
    }

    /// Why an alert isolates.
    fn cause(alert: &Alert, flow: Option<FlowTuple>) -> Isolation {
        let (by, reason) = match (&alert.hit, &alert.rule) {
            (Some(hit), _) => {
                (Text::Own("indicator"), format!("{}: {} ({})", alert.signature, hit.observed, hit.source))
            }
            (None, Some(rule)) => (Text::Own("rule"), format!("{} ({})", alert.signature, rule.source)),
            (None, None) => (Text::Own("detector"), alert.signature.to_string()),
        };
        let since_arrival = |at: Option<Nanos>| Some(at?.since(alert.arrival?).as_nanos() as u64);
        Isolation {
            arrival: alert.arrival,
            latency: Latency { alert_ns: since_arrival(alert.raised), ..Latency::default() },
            flow,
            peer: alert.peer,
            ..Isolation::by(by, reason)
        }
    }

    /// What the brake on isolations did that is not told yet: after an alert, and as time passes.
    pub fn brake(&mut self, now: Nanos) -> Option<BrakeEvent> {
        let change = self.judge.brake(now)?;
        Some(BrakeEvent { on: change.on, reason: change.limit.to_string(), withheld: change.withheld })
    }

    /// Isolates because an operator says so. `Err` tells why not.
    pub fn add(
        &mut self,
        target: Target,
        scope: Scope,
        lifetime: Option<Duration>,
        caller: &Caller,
        reason: String,
        now: Nanos,
    ) -> Result<IsolationEvent, String> {
        let verdict = self.judge.on_operator(target, scope, lifetime, now);
        let cause = Isolation { who: caller.who.clone(), ..Isolation::by(caller.by.clone(), reason) };
        self.carry_out(verdict, now, cause).ok_or_else(|| "no verdict".into())
    }

    /// Releases whom it names; `None` if it was not isolated.
    pub fn release(&mut self, target: Target) -> Option<IsolationEvent> {
        self.end(target, IsolationAction::Release)
    }

    /// Releases those who must not be isolated, by the policy that is in force now.
    pub fn release_protected(&mut self) -> Vec<IsolationEvent> {
        let spared = |(host, _): (Target, &Isolation)| self.judge.why_protected(&host).map(|why| (host, why));
        let hosts: Vec<(Target, String)> = self.register.iter().filter_map(spared).collect();
        let release = |(host, why): (Target, String)| {
            tracing::warn!("{host} is released: {why}");
            self.end(host, IsolationAction::Release)
        };
        hosts.into_iter().filter_map(release).collect()
    }

    /// Releases everybody, also hosts in the map that this warden has not heard of.
    pub fn release_all(&mut self) -> Vec<IsolationEvent> {
        self.adopt();
        let hosts: Vec<Target> = self.register.iter().map(|(host, _)| host).collect();
        hosts.into_iter().filter_map(|host| self.end(host, IsolationAction::Release)).collect()
    }

    /// Everybody who is isolated now.
    #[must_use]
    pub fn list(&self, now: Nanos) -> Vec<Listed> {
        let places = self.posts().map(Posts::places).unwrap_or_default();
        let names = |ports: &[Arc<str>]| ports.iter().map(ToString::to_string).collect::<Vec<_>>();
        let line = |(host, isolation): (Target, &Isolation)| {
            let entry = self.entry(host).unwrap_or_default();
            Listed {
                host: host.to_string(),
                scope: isolation.scope.name().to_owned(),
                peers: match &isolation.scope {
                    Scope::Peers(peers) => peers.clone(),
                    Scope::Both | Scope::Outbound => Vec::new(),
                },
                verdict: isolation.verdict,
                remaining_s: isolation.until.since(now).as_secs(),
                by: isolation.by.to_string(),
                reason: isolation.reason.clone(),
                changes: isolation.changes.iter().map(ListedChange::from).collect(),
                dropped_packets: entry.dropped_packets,
                dropped_bytes: entry.dropped_bytes,
                enforced_on: names(&places.enforced_on),
                not_enforced_on: names(&places.missing),
            }
        };
        self.register.iter().map(line).collect()
    }

    pub(crate) fn entry(&self, host: Target) -> Option<IsolationEntry> {
        self.map()?.get(host).ok()?
    }

    fn carry_out(&mut self, verdict: Verdict, now: Nanos, cause: Isolation) -> Option<IsolationEvent> {
        let number = self.verdict.saturating_add(1).max(now.0);
        let cause = Isolation { verdict: number, ..cause };
        let (host, mut isolation) = match verdict {
            Verdict::Nothing => return None,
            Verdict::Withhold { target, scope, until, relapse, rule, why } => {
                self.verdict = number;
                // Operators know whom they mean.
                let impact = rule.is_some().then(|| self.judge.impact(target, now)).flatten();
                let cause = Isolation { scope, relapse, rule, ..cause };
                let mut event = step(target, IsolationAction::Withhold, &cause, None);
                event.enforced = false;
                event.until = until;
                event.impact = impact.map(Box::new);
                event.not_enforced_because = Some(why.to_string());
                return Some(event);
            }
            Verdict::Isolate { target, scope, until, relapse, rule } => {
                (target, Isolation { until, scope, relapse, rule, ..cause })
            }
        };
        self.verdict = number;
        // A new end of a running isolation is a step of it, not another.
        let running = self.register.get_mut(host).map(|running| running.clone());
        if let Some(running) = &running {
            isolation.verdict = running.verdict;
        }
        let outcome = match &self.enforcement {
            Enforcement::Replay => Err("replay".to_owned()),
            Enforcement::Kernel { map, posts } => {
                isolation.expires_ns = clock::monotonic().after(isolation.until.since(now)).0;
                match map.set(host, &isolation.scope, isolation.expires_ns) {
                    Ok(written) => match posts.why_nowhere() {
                        None => Ok(written),
                        // Known all the same: it ends, and can be released; guards elsewhere, or that come back, obey it.
                        Some(why) => {
                            let action = IsolationAction::Isolate.name();
                            self.register.enter(host, since(running.as_ref(), &isolation, action, now));
                            Err(why)
                        }
                    },
                    Err(err) => {
                        self.judge.failed(host);
                        Err(err.to_string())
                    }
                }
            }
        };
        match outcome {
            Ok(written) => {
                if let Some(arrival) = isolation.arrival {
                    let latency = written.at_ns.saturating_sub(arrival.0);
                    isolation.latency.map_ns = Some(latency);
                    self.latencies.isolated(&isolation.latency);
                }
                let action =
                    if written.extended { IsolationAction::Extend } else { IsolationAction::Isolate };
                let event = step(host, action, &isolation, self.entry(host).as_ref());
                self.register.enter(host, since(running.as_ref(), &isolation, action.name(), now));
                Some(self.placed(event))
            }
            Err(why) => {
                let mut event = step(host, IsolationAction::Isolate, &isolation, None);
                event.enforced = false;
                if !matches!(self.enforcement, Enforcement::Replay) {
                    self.failed += 1;
                    tracing::error!("{host} should be isolated and is not: {why}");
                }
                event.not_enforced_because = Some(why);
                Some(self.placed(event))
            }
        }
    }
}

/// What is in force now: a step of a running isolation changes that, and is none of its own.
fn since(running: Option<&Isolation>, step: &Isolation, action: &str, now: Nanos) -> Isolation {
    running.map_or_else(|| step.clone(), |running| running.changed_by(step, action, now))
}

pub(crate) fn step(
    host: Target,
    action: IsolationAction,
    isolation: &Isolation,
    entry: Option<&IsolationEntry>,
) -> IsolationEvent {
    IsolationEvent {
        verdict: isolation.verdict,
        target: host,
        scope: isolation.scope.clone(),
        action,
        by: isolation.by.clone(),
        who: isolation.who.clone(),
        reason: isolation.reason.clone(),
        enforced: true,
        not_enforced_because: None,
        until: Some(isolation.until),
        relapse: isolation.relapse,
        rule: isolation.rule.clone(),
        dropped_packets: entry.map_or(0, |e| e.dropped_packets),
        dropped_bytes: entry.map_or(0, |e| e.dropped_bytes),
        latency: isolation.latency,
        flow: isolation.flow,
        peer: isolation.peer,
        places: None,
        impact: None,
    }
}
