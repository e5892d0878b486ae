//! ArcSight's Common Event Format, version 0, behind a BSD syslog header (RFC 3164), as its implementation guide has it.

use std::net::IpAddr;

use output::{
    AlertEvent, AuditEvent, BrakeEvent, Event, IsolationAction, IsolationEvent, PortEvent, Source, Stamp,
};
use time::OffsetDateTime;
use time::macros::format_description;
use wire::Endpoint;

use super::line::{Sender, at_most, severities, techniques};

/// Vendor, product and version of the header.
const DEVICE: &str = concat!("Ringward|Ringward|", env!("CARGO_PKG_VERSION"));
/// Bytes of the header's name.
const MAX_NAME: usize = 512;
/// Bytes of a custom string; the dictionary allows 4000.
const MAX_VALUE: usize = 1023;

/// Extensions, in order.
#[derive(Default)]
struct Extensions(Vec<(&'static str, String)>);

impl Extensions {
    fn put(&mut self, key: &'static str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push((key, at_most(&value, MAX_VALUE).to_owned()));
        }
    }

    /// A custom string with its label.
    fn custom(&mut self, [key, label_key]: [&'static str; 2], label: &str, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.put(label_key, label);
            self.put(key, value);
        }
    }

    /// `src` and `dst` are for IPv4; the dictionary has custom fields for IPv6.
    fn address(&mut self, v4: &'static str, v6: [&'static str; 2], label: &str, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.put(v4, ip),
            IpAddr::V6(ip) => self.custom(v6, label, ip),
        }
    }

    fn ends(&mut self, source: Endpoint, destination: Endpoint) {
        self.address("src", ["c6a2", "c6a2Label"], "Source IPv6 Address", source.ip);
        self.put("spt", source.port);
        self.address("dst", ["c6a3", "c6a3Label"], "Destination IPv6 Address", destination.ip);
        self.put("dpt", destination.port);
    }
}

/// The message, and whether extensions had to go because of the limit. None: not an event that is told.
pub(super) fn message(sender: &Sender, stamp: &Stamp, event: &Event, limit: usize) -> Option<(String, bool)> {
    let mut extensions = Extensions::default();
    // Milliseconds since 1970.
    extensions.put("rt", stamp.time.0 / 1_000_000);
    extensions.put("dvchost", &sender.host);
    if let Source::Interface(name) = &stamp.source {
        extensions.put("deviceInboundInterface", name);
    }
    let (class, name) = match event {
        Event::Alert(e) => of_alert(e, &mut extensions),
        Event::Isolation(e) => of_isolation(e, &mut extensions),
        Event::Brake(e) => of_brake(e, &mut extensions),
        Event::Port(e) => of_port(e, &mut extensions),
        Event::Audit(e) => of_audit(e, &mut extensions),
        _ => return None,
    };
    let severity = severities(event);
    let Sender { host, .. } = sender;
    let mut out = format!(
        "<{}>{} {host} CEF:0|{DEVICE}|{}|{}|{}|",
        sender.priority(severity.syslog),
        time(stamp),
        header(&class),
        header(at_most(&name, MAX_NAME)),
        severity.cef
    );
    let mut shortened = false;
    for (i, (key, value)) in extensions.0.iter().enumerate() {
        let pair = format!("{}{key}={}", if i > 0 { " " } else { "" }, escape(value));
        if out.len() + pair.len() > limit {
            shortened = true;
            break;
        }
        out.push_str(&pair);
    }
    Some((out, shortened))
}

/// RFC 3164's time, in UTC; `rt` has it exactly.
fn time(stamp: &Stamp) -> String {
    let format = format_description!("[month repr:short] [day padding:space] [hour]:[minute]:[second]");
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(stamp.time.0)).ok();
    at.and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// A field of the header: pipes and backslashes are escaped, and it is one line.
fn header(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// An extension's value: equals signs and backslashes are escaped, ends of lines written as `\n` and `\r`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '=' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

fn of_alert(event: &AlertEvent, to: &mut Extensions) -> (String, String) {
    let alert = &event.alert;
    to.put("cat", &*alert.category);
    to.put("act", "alert");
    if let Some(flow) = &event.flow {
        let (source, destination) = flow.ends(alert.direction);
        to.ends(source, destination);
        to.put("proto", flow.proto);
        to.put("externalId", flow.id);
    }
    if let Some(app) = event.app {
        to.put("app", app.name());
    }
    to.put("cn1Label", "severity");
    to.put("cn1", alert.severity as u8);
    to.custom(["cs1", "cs1Label"], "mitreTechniqueId", techniques(event));
    if let Some(hit) = &alert.hit {
        to.custom(["cs2", "cs2Label"], "indicator", &hit.indicator);
        to.custom(["cs3", "cs3Label"], "indicatorSource", &hit.source);
        to.put("msg", &hit.observed);
    }
    to.custom(["cs4", "cs4Label"], "victim", alert.victim.map(|ip| ip.to_string()).unwrap_or_default());
    to.custom(["cs5", "cs5Label"], "evidence", event.evidence.as_deref().unwrap_or_default());
    (format!("{}:{}", alert.gid, alert.sid), alert.signature.to_string())
}

fn of_brake(event: &BrakeEvent, to: &mut Extensions) -> (String, String) {
    let (action, name) = match event.on {
        true => ("brake", "Brake on isolations tripped"),
        false => ("brake_release", "Brake on isolations let go"),
    };
    to.put("cat", "isolation");
    to.put("act", action);
    to.put("reason", &event.reason);
    to.put("msg", format!("{} verdicts withheld", event.withheld));
    (format!("isolation:{action}"), name.to_owned())
}

fn of_port(event: &PortEvent, to: &mut Extensions) -> (String, String) {
    let (action, name) = match event.in_force {
        true => ("port_back", "A port enforces isolations again"),
        false => ("port_lost", "A port enforces isolations no more"),
    };
    to.put("cat", "isolation");
    to.put("act", action);
    to.put("deviceOutboundInterface", &event.port);
    to.put("reason", &event.reason);
    (format!("isolation:{action}"), name.to_owned())
}

fn of_audit(event: &AuditEvent, to: &mut Extensions) -> (String, String) {
    to.put("cat", "audit");
    to.put("act", event.action.name());
    to.put("outcome", if event.refused.is_none() { "success" } else { "failure" });
    to.put("reason", event.refused.as_deref().unwrap_or_default());
    to.put("suser", event.who.as_deref().unwrap_or_default());
    if let Some(ip) = event.target.as_ref().and_then(wire::Target::ip) {
        to.address("dst", ["c6a3", "c6a3Label"], "Destination IPv6 Address", ip);
    }
    to.put("cnt", event.count);
    let target = event.target.map(|target| target.to_string()).unwrap_or_default();
    to.custom(["cs1", "cs1Label"], "target", target);
    to.custom(["cs2", "cs2Label"], "role", &*event.by);
    to.custom(["cs3", "cs3Label"], "from", event.from.as_deref().unwrap_or_default());
    to.put("msg", &event.detail);
    (format!("audit:{}", event.action.name()), format!("Operator action: {}", event.action.name()))
}

fn of_isolation(event: &IsolationEvent, to: &mut Extensions) -> (String, String) {
    to.put("cat", "isolation");
    to.put("act", event.action.name());
    to.put("outcome", if event.enforced { "success" } else { "failure" });
    to.put("reason", &event.reason);
    if let Some(ip) = event.target.ip() {
        to.address("src", ["c6a2", "c6a2Label"], "Source IPv6 Address", ip);
    }
    if let Some(ip) = event.peer {
        to.address("dst", ["c6a3", "c6a3Label"], "Destination IPv6 Address", ip);
    }
    to.put("externalId", event.verdict);
    to.custom(["cs1", "cs1Label"], "target", event.target);
    to.custom(["cs2", "cs2Label"], "decidedBy", &*event.by);
    to.custom(["cs3", "cs3Label"], "operator", event.who.as_deref().unwrap_or_default());
    to.custom(["cs4", "cs4Label"], "scope", event.scope.name());
    to.custom(
        ["cs5", "cs5Label"],
        "notEnforcedBecause",
        event.not_enforced_because.as_deref().unwrap_or_default(),
    );
    to.put("msg", format!("{} packets, {} bytes dropped", event.dropped_packets, event.dropped_bytes));
    let name = match event.action {
        IsolationAction::Isolate => "Host isolated",
        IsolationAction::Extend => "Isolation extended",
        IsolationAction::FirstDrop => "First packet of an isolated host dropped",
        IsolationAction::Expire => "Isolation is over",
        IsolationAction::Release => "Host released",
        IsolationAction::Withhold => "Isolation withheld",
        IsolationAction::Restore => "Host isolated again after a restart",
        IsolationAction::Adopt => "Isolation found in the kernel",
    };
    (format!("isolation:{}", event.action.name()), name.to_owned())
}
