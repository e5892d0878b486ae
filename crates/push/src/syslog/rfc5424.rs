//! Messages in the form of RFC 5424: structured data for whoever filters, the line of eve.json for whoever reads on.
//!
//! The message is plain ASCII (JSON escapes the rest), so it needs no byte order mark, and it is one line.

use alert::Text;
use output::{AlertEvent, AuditEvent, BrakeEvent, Event, IsolationEvent, PortEvent, Stamp, eve_lines};
use time::OffsetDateTime;
use time::macros::format_description;

use super::line::{Sender, at_most, one_line, severities, techniques};
use crate::json;

/// Our structured data. The number after the @ is the private enterprise number that is set aside for whoever has none
/// (RFC 5612).
const SD_ID: &str = "ringward@32473";
/// Bytes of a structured value.
const MAX_VALUE: usize = 128;

/// The message, and whether the event had to be shortened for the limit. None: not an event that is told.
pub(super) fn message(sender: &Sender, stamp: &Stamp, event: &Event, limit: usize) -> Option<(String, bool)> {
    let (kind, values) = match event {
        Event::Alert(e) => ("alert", of_alert(e)),
        Event::Isolation(e) => ("isolation", of_isolation(e)),
        Event::Brake(e) => ("isolation", of_brake(e)),
        Event::Port(e) => ("isolation", of_port(e)),
        Event::Audit(e) => ("audit", of_audit(e)),
        _ => return None,
    };
    let Sender { host, app, pid, .. } = sender;
    let priority = sender.priority(severities(event).syslog);
    let mut out = format!("<{priority}>1 {} {host} {app} {pid} {kind} [{SD_ID}", time(stamp));
    for (name, value) in values {
        if !value.is_empty() {
            out.push_str(&format!(" {name}=\"{}\"", escape(at_most(&one_line(&value), MAX_VALUE))));
        }
    }
    out.push_str("] ");
    let line = json::ascii(&eve_lines(stamp, event, sender.sensor.as_ref()).concat());
    let form = |short: &serde_json::Value| json::ascii(&short.to_string());
    let (line, shortened) = json::within(line, limit.saturating_sub(out.len()), form);
    out.push_str(&line);
    Some((out, shortened))
}

/// A time in UTC (section 6.2.3), to the microsecond.
fn time(stamp: &Stamp) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(stamp.time.0)).ok();
    at.and_then(|at| at.format(format).ok()).unwrap_or_else(|| "-".into())
}

/// As a PARAM-VALUE (section 6.3.3).
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn of_alert(event: &AlertEvent) -> Vec<(&'static str, String)> {
    let alert = &event.alert;
    let mut out = vec![
        ("gid", alert.gid.to_string()),
        ("sid", alert.sid.to_string()),
        ("rev", alert.rev.to_string()),
        ("severity", (alert.severity as u8).to_string()),
        ("signature", alert.signature.to_string()),
        ("category", alert.category.to_string()),
    ];
    if let Some(flow) = &event.flow {
        let (source, destination) = flow.ends(alert.direction);
        out.push(("src", source.ip.to_string()));
        out.push(("spt", source.port.to_string()));
        out.push(("dst", destination.ip.to_string()));
        out.push(("dpt", destination.port.to_string()));
        out.push(("proto", flow.proto.to_string()));
    }
    out.push(("victim", alert.victim.map(|ip| ip.to_string()).unwrap_or_default()));
    out.push(("indicator", alert.hit.as_ref().map(|hit| hit.indicator.to_string()).unwrap_or_default()));
    out.push(("technique", techniques(event)));
    out
}

fn of_brake(event: &BrakeEvent) -> Vec<(&'static str, String)> {
    vec![
        ("action", if event.on { "brake" } else { "brake_release" }.to_owned()),
        ("reason", event.reason.clone()),
        ("withheld", event.withheld.to_string()),
    ]
}

fn of_port(event: &PortEvent) -> Vec<(&'static str, String)> {
    vec![
        ("action", if event.in_force { "port_back" } else { "port_lost" }.to_owned()),
        ("port", event.port.clone()),
        ("reason", event.reason.clone()),
    ]
}

fn of_audit(event: &AuditEvent) -> Vec<(&'static str, String)> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    vec![
        ("action", event.action.name().to_owned()),
        ("outcome", if event.refused.is_none() { "done" } else { "refused" }.to_owned()),
        ("by", event.by.to_string()),
        ("who", text(event.who.as_deref())),
        ("from", text(event.from.as_deref())),
        ("target", event.target.map(|target| target.to_string()).unwrap_or_default()),
        ("detail", event.detail.clone()),
        ("reason", text(event.refused.as_deref())),
        ("count", event.count.to_string()),
    ]
}

fn of_isolation(event: &IsolationEvent) -> Vec<(&'static str, String)> {
    let by: &Text = &event.by;
    vec![
        ("host", event.target.to_string()),
        ("action", event.action.name().to_owned()),
        ("scope", event.scope.name().to_owned()),
        ("by", by.to_string()),
        ("who", event.who.as_deref().unwrap_or_default().to_owned()),
        ("enforced", event.enforced.to_string()),
        ("reason", event.reason.clone()),
        ("verdict", event.verdict.to_string()),
    ]
}
