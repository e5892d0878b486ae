//! `isolation`: a step in the life of an isolation, or what the brake on isolations does. Ringward's own event type.

use std::sync::Arc;

use ::alert::Impact;
use wire::{Direction, Scope};

use super::{community, endpoints, head};
use crate::event::{BrakeEvent, IsolationEvent, Latency, Places, PortEvent, Stamp};
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
    if let Some(at) = &event.places {
        places(&mut body, at);
    }
    if let Some(impact) = &event.impact {
        body["would_cut_off"] = cut_off(impact);
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

/// Where isolations are in force; and where not, if there is such a port.
fn places(body: &mut Value, places: &Places) {
    let names = |ports: &[Arc<str>]| Value::from(ports.iter().map(ToString::to_string).collect::<Vec<_>>());
    body["enforced_on"] = names(&places.enforced_on);
    if !places.missing.is_empty() {
        body["not_enforced_on"] = names(&places.missing);
    }
}

pub(super) fn port(stamp: &Stamp, event: &PortEvent) -> Value {
    let mut line = head(stamp, "isolation");
    let mut body = json!({
        "action": if event.in_force { "port_back" } else { "port_lost" },
        "port": &event.port,
        "role": event.role,
        "reason": &event.reason,
    });
    if let Some(gap) = event.gap {
        body["unguarded_ms"] = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX).into();
    }
    places(&mut body, &event.places);
    line.insert("isolation".into(), body);
    line.into()
}

/// What an isolation would cut off.
fn cut_off(impact: &Impact) -> Value {
    let role = |seen: &::alert::RoleSeen| {
        let mut role = json!({
            "role": seen.role.name(),
            "clients": seen.clients,
            "since": timestamp(seen.since),
        });
        if seen.more {
            role["more_clients"] = true.into();
        }
        role
    };
    let mut body = json!({
        "since": timestamp(impact.since),
        "flows": impact.flows,
        "peers": impact.peers,
        "clients": impact.clients,
        "first_peers": impact.first_peers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "serves": impact.services.clone(),
        "roles": impact.roles.iter().map(role).collect::<Vec<_>>(),
    });
    if impact.more_peers {
        body["more_peers"] = true.into();
    }
    body
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
