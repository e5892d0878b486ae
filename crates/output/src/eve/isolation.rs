//! `isolation`: a step in the life of an isolation, or what the brake on isolations does. Ringward's own event type.

use wire::{Direction, Scope};

use super::{community, endpoints, head};
use crate::event::{BrakeEvent, IsolationEvent, Latency, Stamp};
use crate::json::{Value, json};
use crate::text::timestamp;

pub(super) fn line(stamp: &Stamp, event: &IsolationEvent) -> Value {
    let mut line = head(stamp, "isolation");
    if let Some(flow) = &event.flow {
        endpoints(&mut line, flow, Direction::ToServer);
        community(&mut line, flow);
    }
    let mut body = json!({
        "verdict": event.verdict,
        "host": event.target.to_string(),
        "scope": event.scope.name(),
        "action": event.action.name(),
        "by": event.by.to_string(),
        "reason": &event.reason,
        "enforced": event.enforced,
        "dropped_packets": event.dropped_packets,
        "dropped_bytes": event.dropped_bytes,
    });
    if let Some(who) = &event.who {
        body["who"] = who.to_string().into();
    }
    if let Some(why) = &event.not_enforced_because {
        body["not_enforced_because"] = why.clone().into();
    }
    if let Some(until) = event.until {
        body["until"] = timestamp(until).into();
    }
    if event.relapse > 0 {
        body["relapse"] = event.relapse.into();
    }
    if let Some(rule) = &event.rule {
        body["policy_rule"] = rule.to_string().into();
    }
    if let Scope::Peers(peers) = &event.scope {
        body["peers"] = peers.iter().map(ToString::to_string).collect::<Vec<_>>().into();
    }
    if let Some(peer) = event.peer {
        body["peer"] = peer.to_string().into();
    }
    let Latency { alert_ns, map_ns, first_drop_ns } = event.latency;
    for (name, ns) in [("alert_ns", alert_ns), ("map_ns", map_ns), ("first_drop_ns", first_drop_ns)] {
        if let Some(ns) = ns {
            body["latency"][name] = ns.into();
        }
    }
    line.insert("isolation".into(), body);
    line.into()
}

pub(super) fn brake(stamp: &Stamp, event: &BrakeEvent) -> Value {
    let mut line = head(stamp, "isolation");
    let action = if event.on { "brake" } else { "brake_release" };
    let mut body = json!({ "action": action, "reason": &event.reason });
    if !event.on {
        body["withheld"] = event.withheld.into();
    }
    line.insert("isolation".into(), body);
    line.into()
}
