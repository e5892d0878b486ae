//! The warden: turns verdicts into isolations in the kernel and tells what became of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use alert::{Observation, RuleAction, RuleFacts};
use capture::{IsolationEntry, IsolationMap};
use detect::rules::Thresholds;
use hdrhistogram::Histogram;
use output::{AlertEvent, IsolationAction, IsolationEvent, Latency};
use rules::Action;
use verdict::{Judge, Verdict};
use wire::{HostKey, Nanos};

use crate::clock;
use crate::latencies::Latencies;
use crate::register::{Isolation, Register};

/// Hosts that one look at the map takes up, of each kind: alerts must not wait for a census. Each costs a
/// system call, about a microsecond.
const LOOKS: usize = 64;
/// The same for the frequent look for first drops.
const CLOSE_LOOKS: usize = 8;

/// Where verdicts are enforced.
#[derive(Debug)]
pub enum Enforcement {
    /// Nowhere: packets come from a file.
    Replay,
    /// In the kernel's isolation map; `guarded` tells whether a guard port of this sensor obeys it.
    Kernel {
        /// The pinned map.
        map: Box<IsolationMap>,
        /// Whether there is a guard port.
        guarded: bool,
    },
}

/// One line of `ringward isolate list`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Listed {
    /// The host.
    pub host: IpAddr,
    /// Seconds until release.
    pub remaining_s: u64,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Packets dropped from or to it.
    pub dropped_packets: u64,
    /// Bytes of these.
    pub dropped_bytes: u64,
}

/// See the module's text.
#[derive(Debug)]
pub struct Warden {
    judge: Judge,
    enforcement: Enforcement,
    register: Register,
    latencies: Latencies,
    failed: u64,
    thresholds: Thresholds,
    suppressed: u64,
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

    /// Whether an alert is to be told; else it is counted.
    pub fn tells(&mut self, event: &mut AlertEvent) -> bool {
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
            ("isolation.not_enforced".to_owned(), self.failed),
            ("detect.alerts_suppressed".to_owned(), self.suppressed),
            ("rules.thresholds_refused".to_owned(), self.thresholds.refused()),
        ];
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

    /// Forgets everybody (a new capture with empty state), and what thresholds have counted: all of it, or what is over
    /// at the time up to which they are kept.
    pub fn reset(&mut self, judge: Judge, keep_thresholds: Option<Nanos>) {
        self.judge = judge;
        self.register.clear();
        match keep_thresholds {
            Some(now) => self.thresholds.expire(now),
            None => self.thresholds.reset(),
        }
    }

    /// Judges an alert; the step to be written down, if it leads to one.
    pub fn on_alert(&mut self, event: &AlertEvent) -> Option<IsolationEvent> {
        let alert = &event.alert;
        let verdict = self.judge.on_alert(alert);
        let (by, reason) = match (&alert.hit, &alert.rule) {
            (Some(hit), _) => {
                ("indicator", format!("{}: {} ({})", alert.signature, hit.observed, hit.source))
            }
            (None, Some(rule)) => ("rule", format!("{} ({})", alert.signature, rule.source)),
            (None, None) => ("detector", alert.signature.to_string()),
        };
        let since_arrival = |at: Option<Nanos>| Some(at?.since(alert.arrival?).as_nanos() as u64);
        let cause = Isolation {
            arrival: alert.arrival,
            latency: Latency { alert_ns: since_arrival(alert.raised), ..Latency::default() },
            flow: event.flow,
            peer: alert.peer,
            ..Isolation::by(by, reason)
        };
        self.carry_out(verdict, alert.time, cause)
    }

    /// Isolates a host because an operator says so. `Err` tells why not.
    pub fn add(
        &mut self,
        host: IpAddr,
        lifetime: Option<Duration>,
        reason: String,
        now: Nanos,
    ) -> Result<IsolationEvent, String> {
        let verdict = self.judge.on_operator(host, lifetime, now);
        let cause = Isolation::by("operator", reason);
        self.carry_out(verdict, now, cause).ok_or_else(|| "no verdict".into())
    }

    /// Releases a host; `None` if it was not isolated.
    pub fn release(&mut self, host: IpAddr) -> Option<IsolationEvent> {
        self.end(HostKey::from(host.to_canonical()), IsolationAction::Release)
    }

    /// Releases everybody, also hosts in the map that this warden has not heard of.
    pub fn release_all(&mut self) -> Vec<IsolationEvent> {
        self.adopt();
        let hosts: Vec<HostKey> = self.register.iter().map(|(host, _)| host).collect();
        hosts.into_iter().filter_map(|host| self.end(host, IsolationAction::Release)).collect()
    }

    /// Everybody who is isolated now.
    #[must_use]
    pub fn list(&self, now: Nanos) -> Vec<Listed> {
        let line = |(host, isolation): (HostKey, &Isolation)| {
            let entry = self.entry(host).unwrap_or_default();
            Listed {
                host: host.ip(),
                remaining_s: isolation.until.since(now).as_secs(),
                by: isolation.by.to_owned(),
                reason: isolation.reason.clone(),
                dropped_packets: entry.dropped_packets,
                dropped_bytes: entry.dropped_bytes,
            }
        };
        self.register.iter().map(line).collect()
    }

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
                Some(entry) if entry.expires_ns > now.0 => self.register.move_end(host, entry.expires_ns),
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

    fn first_drop(&mut self, host: HostKey, entry: &IsolationEntry) -> Option<IsolationEvent> {
        let isolation = self.register.get_mut(host)?;
        if isolation.first_drop_told || entry.first_drop_ns == 0 {
            return None;
        }
        isolation.first_drop_told = true;
        isolation.latency.first_drop_ns =
            isolation.arrival.map(|arrival| entry.first_drop_ns.saturating_sub(arrival.0));
        self.latencies.dropped(&isolation.latency);
        let isolation = isolation.clone();
        Some(step(host, IsolationAction::FirstDrop, &isolation, Some(entry)))
    }

    fn entry(&self, host: HostKey) -> Option<IsolationEntry> {
        self.map()?.get(host).ok()?
    }

    fn carry_out(&mut self, verdict: Verdict, now: Nanos, cause: Isolation) -> Option<IsolationEvent> {
        let (host, until) = match verdict {
            Verdict::Nothing => return None,
            Verdict::Withhold { host, why } => {
                let mut event = step(host, IsolationAction::Withhold, &cause, None);
                event.enforced = false;
                event.until = None;
                event.not_enforced_because = Some(why.to_string());
                return Some(event);
            }
            Verdict::Isolate { host, until } => (host, until),
        };
        let mut isolation = Isolation { until, ..cause };
        let outcome = match &self.enforcement {
            Enforcement::Replay => Err("replay".to_owned()),
            Enforcement::Kernel { map, guarded } => {
                isolation.expires_ns = clock::monotonic().after(until.since(now)).0;
                match map.set(host, isolation.expires_ns) {
                    Ok(written) if *guarded => Ok(written),
                    Ok(_) => Err("no guard port is configured".to_owned()),
                    Err(err) => {
                        self.judge.forget(host);
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
                self.register.enter(host, isolation);
                Some(event)
            }
            Err(why) => {
                let mut event = step(host, IsolationAction::Isolate, &isolation, None);
                event.enforced = false;
                if !matches!(self.enforcement, Enforcement::Replay) {
                    self.failed += 1;
                    tracing::error!("{host} should be isolated and is not: {why}");
                }
                event.not_enforced_because = Some(why);
                Some(event)
            }
        }
    }

    fn end(&mut self, host: HostKey, action: IsolationAction) -> Option<IsolationEvent> {
        self.judge.forget(host);
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
                let until = wall.after(Nanos(entry.expires_ns).since(now));
                self.judge.adopt(host, until);
                let reason = "was in the isolation map already".into();
                let isolation = Isolation {
                    until,
                    expires_ns: entry.expires_ns,
                    first_drop_told: entry.first_drop_ns != 0,
                    ..Isolation::by("adopted", reason)
                };
                self.register.enter(host, isolation);
            }
        }
    }
}

fn step(
    host: HostKey,
    action: IsolationAction,
    isolation: &Isolation,
    entry: Option<&IsolationEntry>,
) -> IsolationEvent {
    IsolationEvent {
        host,
        action,
        by: isolation.by,
        reason: isolation.reason.clone(),
        enforced: true,
        not_enforced_because: None,
        until: Some(isolation.until),
        dropped_packets: entry.map_or(0, |e| e.dropped_packets),
        dropped_bytes: entry.map_or(0, |e| e.dropped_bytes),
        latency: isolation.latency,
        flow: isolation.flow,
        peer: isolation.peer,
    }
}
