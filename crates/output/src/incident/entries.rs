//! What alerts and isolations add to an incident.

use std::net::IpAddr;

use ::alert::{Alert, Observation};
use wire::Nanos;

use super::model::{Disclosed, Host, Incident, IndicatorSeen, RuleSeen, Step};
use super::{MAX_ENTRIES, MAX_STEPS, story, techniques};
use crate::event::{AlertEvent, IsolationAction, IsolationEvent, Stamp};
use crate::text::{duration, timestamp};

/// Adds an alert to the incident of `host`, which is its victim, actor or target.
pub(super) fn add_alert(incident: &mut Incident, stamp: &Stamp, event: &AlertEvent, host: IpAddr) {
    let alert = &event.alert;
    incident.alerts += 1;
    incident.severity = incident.severity.min(alert.severity as u8);
    if let Some(other) = other_side(alert, host) {
        add_host(incident, other, role(alert, other));
    }
    add_indicator(incident, alert);
    add_rule(incident, alert);
    techniques::add(incident, alert);
    for account in &alert.parties.accounts {
        if incident.accounts.len() < MAX_ENTRIES && !incident.accounts.contains(account) {
            incident.accounts.push(account.clone());
        }
    }
    let mut what = match &alert.hit {
        Some(hit) => format!("{}: {}", alert.signature, hit.observed),
        None => alert.signature.to_string(),
    };
    if let Some((_, proto::Transaction::Http(http))) = &event.transaction {
        what = format!("{what} ({} {})", http.method, http.uri);
    }
    if let Some(victim) = alert.victim.filter(|&victim| victim != host) {
        what = format!("{what} (victim {victim})");
    }
    step(incident, stamp.time, alert.observation.name(), what);
    if let Some(checkin) = &alert.checkin {
        let disclosed = Disclosed::new(checkin);
        let told: Vec<String> =
            disclosed.told.iter().map(|t| format!("{} {}", t.what.replace('_', " "), t.value)).collect();
        step(incident, stamp.time, "decoded", format!("the request gave away {}", told.join(", ")));
        if incident.disclosed.len() < MAX_ENTRIES && !incident.disclosed.contains(&disclosed) {
            incident.disclosed.push(disclosed);
        }
    }
    story::tell(incident);
}

/// The end of an alert's flow that is not this one.
fn other_side(alert: &Alert, host: IpAddr) -> Option<IpAddr> {
    let sides = [alert.peer, alert.victim, alert.parties.actor, alert.parties.target];
    sides.into_iter().flatten().find(|&side| side != host)
}

/// What the other side is to the host.
fn role(alert: &Alert, other: IpAddr) -> &'static str {
    match alert.observation {
        Observation::Dns => "resolver",
        Observation::Rule | Observation::RuleDrop if alert.parties.actor == Some(other) => "actor",
        Observation::Rule | Observation::RuleDrop if alert.parties.target == Some(other) => "target",
        // It need not know what passes through it.
        Observation::Email | Observation::File | Observation::Rule | Observation::RuleDrop => "peer",
        _ => "C2 server",
    }
}

fn add_host(incident: &mut Incident, ip: IpAddr, role: &str) {
    let ip = ip.to_string();
    let known = incident.hosts.iter().any(|h| h.ip == ip && h.role == role);
    if !known && incident.hosts.len() < MAX_ENTRIES {
        incident.hosts.push(Host { ip, role: role.into() });
    }
}

fn add_indicator(incident: &mut Incident, alert: &Alert) {
    let Some(hit) = &alert.hit else { return };
    if let Some(seen) = incident.indicators.iter_mut().find(|i| i.value == *hit.indicator) {
        seen.hits += 1;
    } else if incident.indicators.len() < MAX_ENTRIES {
        incident.indicators.push(IndicatorSeen {
            kind: hit.kind.into(),
            value: hit.indicator.to_string(),
            observed: hit.observed.clone(),
            description: hit.description.as_ref().map(ToString::to_string),
            source: hit.source.clone(),
            seen: alert.observation.name().into(),
            hits: 1,
        });
    }
}

fn add_rule(incident: &mut Incident, alert: &Alert) {
    let Some(rule) = &alert.rule else { return };
    incident.rule_alerts += 1;
    let known = incident.rules.iter_mut().find(|seen| (seen.gid, seen.sid) == (alert.gid, alert.sid));
    if let Some(seen) = known {
        seen.hits += 1;
    } else if incident.rules.len() < MAX_ENTRIES {
        incident.rules.push(RuleSeen {
            gid: alert.gid,
            sid: alert.sid,
            signature: alert.signature.to_string(),
            category: alert.category.to_string(),
            severity: alert.severity as u8,
            source: rule.source.to_string(),
            hits: 1,
        });
    }
}

pub(super) fn step(incident: &mut Incident, time: Nanos, kind: &str, what: String) {
    if incident.timeline.len() >= MAX_STEPS {
        incident.steps_omitted += 1;
        return;
    }
    let step = Step { time: timestamp(time), time_ns: time.0, kind: kind.into(), what };
    let at = incident.timeline.partition_point(|s| s.time_ns <= time.0);
    incident.timeline.insert(at, step);
}

/// A step of an isolation, for the timeline.
pub(super) fn isolation_step(victim: IpAddr, event: &IsolationEvent) -> String {
    let latency = event.latency;
    let because = event.not_enforced_because.as_deref().unwrap_or_default();
    let by = story::decided_by(&event.by, event.who.as_ref().map(ToString::to_string).as_ref());
    match event.action {
        IsolationAction::Isolate if event.enforced => {
            let after = latency.map_ns.map(|ns| format!(", {} after the packet", duration(ns)));
            let again = (event.relapse > 0).then(|| format!(" (relapse {})", event.relapse));
            format!("{victim} isolated by {by}{}{}", after.unwrap_or_default(), again.unwrap_or_default())
        }
        IsolationAction::Extend if event.enforced => {
            let until = event.until.map(timestamp).unwrap_or_default();
            format!("isolation of {victim} changed by {by}: until {until}")
        }
        IsolationAction::Restore | IsolationAction::Adopt if event.enforced => {
            format!("{victim} is still isolated after a restart")
        }
        IsolationAction::Restore | IsolationAction::Adopt => {
            format!("{victim} is not isolated again after a restart: {because}")
        }
        IsolationAction::Isolate | IsolationAction::Extend => {
            format!("verdict by {by}: isolate {victim}; not enforced: {because}")
        }
        IsolationAction::Withhold => format!("verdict by {by}: {victim} spared: {because}"),
        IsolationAction::FirstDrop => {
            let after = latency.first_drop_ns.map(|ns| format!(", {} after the packet", duration(ns)));
            format!("first packet of {victim} dropped{}", after.unwrap_or_default())
        }
        IsolationAction::Expire => format!("isolation over, {} packets were dropped", event.dropped_packets),
        IsolationAction::Release => {
            format!("released by {by}, {} packets were dropped", event.dropped_packets)
        }
    }
}
