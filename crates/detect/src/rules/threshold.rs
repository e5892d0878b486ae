//! How often rules may speak: `threshold`, `detection_filter` and what a threshold file says.
//!
//! Asked where the alerts of all workers come together, in the order of their packets.

use std::collections::HashMap;
use std::net::IpAddr;

use alert::Alert;
use flow::FlowTuple;
use rules::{Action, DetectionFilter, Filters, Threshold, ThresholdKind, Track};
use wire::Nanos;

use super::set::RuleSet;

/// Hosts, pairs and flows whose alerts are counted at once; of more nothing is held back.
pub const MAX_COUNTED: usize = 1_000_000;

/// [`Key::purpose`] of the first rate filter; those before are a rule's own.
const RATE_FILTERS: u32 = 2;

/// What counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    gid: u32,
    sid: u32,
    purpose: u32,
    first: Option<IpAddr>,
    second: Option<IpAddr>,
    flow: u64,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Nanos,
    seconds: u32,
    count: u32,
    /// `backoff`: at which count the next is told.
    next: u32,
    /// It has counted since the last [`Thresholds::expire`].
    fresh: bool,
}

impl Count {
    fn is_over(&self, now: Nanos) -> bool {
        // As in Suricata, the last moment belongs to it, and a time before its beginning (another capture) too.
        now.0.saturating_sub(self.since.0) > u64::from(self.seconds) * 1_000_000_000
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Thresholds {
    limits: HashMap<(u32, u32), (Option<Threshold>, Option<DetectionFilter>)>,
    filters: Filters,
    counts: HashMap<Key, Count>,
    /// Until the end of which second a rule does something else, by `rate_filter`.
    changed: HashMap<Key, u64>,
    refused: u64,
}

impl Thresholds {
    /// Those of a set's rules and of threshold files, which go before the rules' own.
    #[must_use]
    pub fn new(set: &RuleSet, filters: &Filters) -> Self {
        let limited = set.rules.iter().filter(|rule| rule.threshold.is_some() || rule.filter.is_some());
        let limits = limited.map(|rule| ((rule.gid, rule.sid), (rule.threshold, rule.filter)));
        Thresholds { limits: limits.collect(), filters: filters.clone(), ..Thresholds::default() }
    }

    /// These, with what has been counted under the ones before them: rules that are read anew go on counting. What rate
    /// filters have counted is not kept, for they have no names to be known by.
    #[must_use]
    pub fn after(self, before: Thresholds) -> Self {
        let mut counts = before.counts;
        counts.retain(|key, _| key.purpose < RATE_FILTERS);
        Thresholds { counts, refused: before.refused, ..self }
    }

    /// Between two captures: forgets the counts whose time is over, but for those that the capture which ended at `now`
    /// has counted itself (Suricata clears up late, too: what follows may be older).
    pub fn expire(&mut self, now: Nanos) {
        self.counts.retain(|_, count| std::mem::take(&mut count.fresh) || !count.is_over(now));
        self.changed.retain(|_, until| *until >= seconds(now));
    }

    /// Forgets all counts.
    pub fn reset(&mut self) {
        self.counts.clear();
        self.changed.clear();
    }

    /// How often a count could not be kept.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether this alert is told. Frames that belong to no flow are counted together, whatever is tracked.
    pub fn passes(&mut self, alert: &Alert, flow: Option<&FlowTuple>) -> bool {
        if alert.rule.is_none() {
            return true;
        }
        let ends = flow.map(|flow| ends(alert, flow));
        let (gid, sid) = (alert.gid, alert.sid);
        let (own, filter) = self.limits.get(&(gid, sid)).copied().unwrap_or_default();
        if let Some(filter) = filter {
            let key = key(alert, flow, filter.track, 0);
            if self.count(key, filter.seconds, alert.time, |count| count.count > filter.count) == Some(false)
            {
                return false;
            }
        }
        let suppressed = |of: &rules::Suppress| {
            of.rules.contains(gid, sid)
                && ends.map_or(of.only.is_none(), |(source, destination)| of.holds(source, destination))
        };
        if self.filters.suppress.iter().any(suppressed) {
            return false;
        }
        // What names the rule goes before what is for all rules.
        let named = |of: &&rules::EventFilter| of.rules.sid == sid && of.rules.contains(gid, sid);
        let all = |of: &&rules::EventFilter| of.rules.contains(gid, sid);
        let given = &self.filters.thresholds;
        let threshold =
            given.iter().find(named).or_else(|| given.iter().find(all)).map(|of| of.threshold).or(own);
        let Some(threshold) = threshold else { return true };
        let key = key(alert, flow, threshold.track, 1);
        let limit = threshold.count;
        let told = self.count(key, threshold.seconds, alert.time, |count| match threshold.kind {
            ThresholdKind::Limit => count.count <= limit,
            ThresholdKind::Both => count.count == limit,
            ThresholdKind::Threshold => {
                let told = count.count >= limit;
                if told {
                    count.count = 0;
                }
                told
            }
            ThresholdKind::Backoff { multiplier } => {
                if count.next == 0 {
                    count.next = limit;
                }
                let told = count.count >= count.next;
                if told {
                    count.next = count.next.saturating_mul(multiplier.max(2));
                }
                told
            }
        });
        told.unwrap_or(true)
    }

    /// What a rule that matches too often does now (`rate_filter`), if that is something else than it says.
    pub fn changed_action(&mut self, alert: &Alert, flow: Option<&FlowTuple>) -> Option<Action> {
        alert.rule.as_ref()?;
        let rates = std::mem::take(&mut self.filters.rates);
        let found = rates.iter().zip(RATE_FILTERS..).find_map(|(rate, number)| {
            if !rate.rules.contains(alert.gid, alert.sid) {
                return None;
            }
            let key = key(alert, flow, rate.track, number);
            let now = seconds(alert.time);
            // While it does something else nothing is counted, nor is what ends that time (as in Suricata): a rate that goes
            // on is let go for as long as it takes to be exceeded again.
            if let Some(&until) = self.changed.get(&key) {
                if now <= until {
                    return Some(rate.action);
                }
                self.changed.remove(&key);
                return None;
            }
            let over = self.count(key, rate.seconds, alert.time, |count| count.count > rate.count)?;
            (over && self.change(key, now, rate.timeout)).then_some(rate.action)
        });
        self.filters.rates = rates;
        found
    }

    /// From now on a rule does something else; whether there was room to remember it.
    fn change(&mut self, key: Key, now: u64, timeout: u32) -> bool {
        if self.changed.len() >= MAX_COUNTED {
            self.changed.retain(|_, until| *until >= now);
        }
        let room = self.changed.len() < MAX_COUNTED;
        if room {
            self.changed.insert(key, now.saturating_add(timeout.into()));
        }
        self.refused += u64::from(!room);
        room
    }

    /// What is judged of the count; `None` if there is no room for it.
    fn count(
        &mut self,
        key: Key,
        seconds: u32,
        now: Nanos,
        judge: impl FnOnce(&mut Count) -> bool,
    ) -> Option<bool> {
        if self.counts.len() >= MAX_COUNTED && !self.counts.contains_key(&key) {
            self.counts.retain(|_, count| !count.is_over(now));
            if self.counts.len() >= MAX_COUNTED {
                self.refused += 1;
                return None;
            }
        }
        let fresh = Count { since: now, seconds, count: 0, next: 0, fresh: true };
        let count = self.counts.entry(key).or_insert(fresh);
        // Flows are short: their counts do not run out.
        if seconds > 0 && count.is_over(now) {
            *count = fresh;
        }
        count.fresh = true;
        count.count = count.count.saturating_add(1);
        Some(judge(count))
    }
}

fn seconds(time: Nanos) -> u64 {
    time.0 / 1_000_000_000
}

fn ends(alert: &Alert, flow: &FlowTuple) -> (IpAddr, IpAddr) {
    let (source, destination) = flow.ends(alert.direction);
    (source.ip, destination.ip)
}

/// `purpose`: which of the counters of a rule: 0 its filter, 1 its threshold, others a rate filter.
fn key(alert: &Alert, flow: Option<&FlowTuple>, track: Track, purpose: u32) -> Key {
    let ends = flow.map(|flow| ends(alert, flow));
    let (source, destination) = (ends.map(|ends| ends.0), ends.map(|ends| ends.1));
    let (first, second, flow) = match track {
        Track::Source => (source, None, 0),
        Track::Destination => (destination, None, 0),
        Track::Both => (source, destination, 0),
        Track::Rule => (None, None, 0),
        Track::Flow => (None, None, flow.map_or(0, |flow| flow.id)),
    };
    Key { gid: alert.gid, sid: alert.sid, purpose, first, second, flow }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_and_what_was_before_belong_to_the_window() {
        let second = 1_000_000_000;
        let count = Count { since: Nanos(5 * second), seconds: 3, count: 1, next: 0, fresh: true };
        for (now, over) in [(8 * second, false), (8 * second + 1, true), (second, false)] {
            assert_eq!(count.is_over(Nanos(now)), over, "{now}");
        }
    }

    #[test]
    fn counts_outlive_the_capture_that_made_them_once() {
        let second = 1_000_000_000;
        let key = Key { gid: 1, sid: 1, purpose: 1, first: None, second: None, flow: 0 };
        let mut thresholds = Thresholds::default();
        assert_eq!(thresholds.count(key, 3, Nanos(second), |count| count.count == 1), Some(true));
        thresholds.expire(Nanos(9 * second));
        assert_eq!(thresholds.count(key, 3, Nanos(2 * second), |count| count.count == 2), Some(true));
        thresholds.expire(Nanos(9 * second));
        thresholds.expire(Nanos(9 * second));
        assert_eq!(thresholds.count(key, 3, Nanos(2 * second), |count| count.count == 1), Some(true));
    }
}
