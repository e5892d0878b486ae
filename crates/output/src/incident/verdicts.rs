//! The verdicts of an incident: a history that is only ever added to, and what the headline makes of it.

use serde::{Deserialize, Serialize};

use super::MAX_ENTRIES;
use crate::event::{IsolationAction, IsolationEvent, Stamp};
use crate::text::timestamp;

/// Changes of one verdict that are kept; what comes later is counted.
const MAX_CHANGES: usize = 100;

/// A change of a running isolation: another end or reach, or that it was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When (EVE form).
    pub time: String,
    /// "extend", "restore", "adopt", or "isolate" again.
    pub action: String,
    /// Who decided.
    pub by: String,
    /// Who exactly, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why.
    pub reason: String,
    /// How far from then on.
    pub scope: String,
    /// Until when from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Whether it was enforced, and why not.
    pub enforced: bool,
    /// Why not, if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_enforced_because: Option<String>,
}

/// How an isolation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When (EVE form).
    pub time: String,
    /// "released" or "expired".
    pub how: String,
    /// Who ended it.
    pub by: String,
    /// Who exactly, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A verdict and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSeen {
    /// Which: as in the events of its steps.
    #[serde(default)]
    pub verdict: u64,
    /// When (EVE form).
    #[serde(default)]
    pub time: String,
    /// "isolate", "withhold" or "none".
    pub action: String,
    /// Who decided.
    pub by: String,
    /// Who exactly, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why.
    pub reason: String,
    /// The policy's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_rule: Option<String>,
    /// How far: "both", "outbound", "peers".
    #[serde(default)]
    pub scope: String,
    /// Whether it was enforced.
    pub enforced: bool,
    /// Guard and inline ports of this sensor on which it was enforced when it was decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enforced_on: Vec<String>,
    /// Why not, if not.
    pub not_enforced_because: Option<String>,
    /// Until when, as decided first.
    pub until: Option<String>,
    /// Nanoseconds from the packet's arrival to the alert.
    pub alert_ns: Option<u64>,
    /// Nanoseconds from the packet's arrival to the entry in the isolation map.
    pub map_ns: Option<u64>,
    /// Nanoseconds from the packet's arrival to the first dropped packet.
    pub first_drop_ns: Option<u64>,
    /// Packets dropped, as far as known.
    pub dropped_packets: u64,
    /// Bytes dropped, as far as known.
    pub dropped_bytes: u64,
    /// What was changed while it was in force, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Changes beyond the limit of the list.
    #[serde(default)]
    pub changes_omitted: u64,
    /// How it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

impl VerdictSeen {
    /// That there is none.
    pub(super) fn none() -> Self {
        VerdictSeen { action: "none".into(), ..VerdictSeen::default() }
    }

    /// Whether it is in force.
    pub(super) fn is_running(&self) -> bool {
        self.enforced && self.end.is_none()
    }

    fn new(stamp: &Stamp, event: &IsolationEvent) -> Self {
        let withheld = event.action == IsolationAction::Withhold;
        VerdictSeen {
            verdict: event.verdict,
            time: timestamp(stamp.time),
            action: if withheld { "withhold" } else { "isolate" }.into(),
            by: event.by.to_string(),
            who: event.who.as_ref().map(ToString::to_string),
            reason: event.reason.clone(),
            policy_rule: event.rule.as_ref().map(ToString::to_string),
            scope: event.scope.name().into(),
            enforced: event.enforced,
            enforced_on: event
                .places
                .iter()
                .flat_map(|at| &at.enforced_on)
                .map(ToString::to_string)
                .collect(),
            not_enforced_because: event.not_enforced_because.clone(),
            until: event.until.map(timestamp),
            ..VerdictSeen::default()
        }
    }

    fn change(&mut self, stamp: &Stamp, event: &IsolationEvent) {
        if self.changes.len() >= MAX_CHANGES {
            self.changes_omitted += 1;
            return;
        }
        self.changes.push(Change {
            time: timestamp(stamp.time),
            action: event.action.name().into(),
            by: event.by.to_string(),
            who: event.who.as_ref().map(ToString::to_string),
            reason: event.reason.clone(),
            scope: event.scope.name().into(),
            until: event.until.map(timestamp),
            enforced: event.enforced,
            not_enforced_because: event.not_enforced_because.clone(),
        });
    }

    /// What only grows: figures of the same isolation, known better later.
    fn figures(&mut self, event: &IsolationEvent) {
        let latency = event.latency;
        self.alert_ns = self.alert_ns.or(latency.alert_ns);
        self.map_ns = self.map_ns.or(latency.map_ns);
        self.first_drop_ns = self.first_drop_ns.or(latency.first_drop_ns);
        self.dropped_packets = self.dropped_packets.max(event.dropped_packets);
        self.dropped_bytes = self.dropped_bytes.max(event.dropped_bytes);
    }
}

/// Adds a step to the history. `false`: the history is full, and the step is of a verdict that is not in it.
pub(super) fn add(verdicts: &mut Vec<VerdictSeen>, stamp: &Stamp, event: &IsolationEvent) -> bool {
    use IsolationAction as A;
    // The latest of that number: numbers are not used twice, but a damaged ledger may hand one out again.
    let known = verdicts.iter().rposition(|seen| seen.verdict == event.verdict && seen.end.is_none());
    let at = match known {
        Some(at) => at,
        None if verdicts.len() >= MAX_ENTRIES => return false,
        None => {
            verdicts.push(VerdictSeen::new(stamp, event));
            verdicts.len() - 1
        }
    };
    let Some(seen) = verdicts.get_mut(at) else { return false };
    match event.action {
        A::Isolate | A::Extend | A::Restore | A::Adopt | A::Withhold if known.is_some() => {
            seen.change(stamp, event);
            if event.action == A::Restore && !event.enforced {
                let because = event.not_enforced_because.clone().unwrap_or_default();
                seen.end = Some(End {
                    time: timestamp(stamp.time),
                    how: "released".into(),
                    by: "restart".into(),
                    who: None,
                    reason: because,
                });
            }
        }
        A::Expire | A::Release => {
            let released = event.action == A::Release;
            seen.end = Some(End {
                time: timestamp(stamp.time),
                how: if released { "released" } else { "expired" }.into(),
                by: if released { event.by.to_string() } else { "its lifetime".into() },
                who: event.who.as_ref().filter(|_| released).map(ToString::to_string),
                reason: if released { event.reason.clone() } else { String::new() },
            });
        }
        _ => {}
    }
    seen.figures(event);
    true
}

/// The verdict of the headline: the first that was enforced; else the first that wanted to isolate, else the first.
pub(super) fn headline(verdicts: &[VerdictSeen]) -> VerdictSeen {
    let enforced = verdicts.iter().find(|seen| seen.enforced);
    let wanted = || verdicts.iter().find(|seen| seen.action == "isolate");
    enforced.or_else(wanted).or(verdicts.first()).cloned().unwrap_or_else(VerdictSeen::none)
}

/// "isolated" while any of them is in force, then how the last one that was ended; "not isolated" if none ever was,
/// "observed" without a verdict.
pub(super) fn status(verdicts: &[VerdictSeen]) -> &str {
    if verdicts.iter().any(VerdictSeen::is_running) {
        return "isolated";
    }
    let last = verdicts.iter().rev().filter(|seen| seen.enforced).find_map(|seen| seen.end.as_ref());
    match last {
        Some(end) => &end.how,
        None if verdicts.is_empty() => "observed",
        None => "not isolated",
    }
}
