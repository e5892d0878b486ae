//! `stats`: the counters that Suricata's schema knows, under its names; `counters`: all of them.

use super::head;
use crate::event::{Stamp, StatsEvent};
use crate::json::{Object, Value};

/// Our name and the schema's, where there is one.
const KNOWN: &[(&str, &str)] = &[
    ("capture.received", "capture.kernel_packets"),
    ("capture.dropped", "capture.kernel_drops"),
    ("decoder.pkts", "decoder.pkts"),
    ("decoder.bytes", "decoder.bytes"),
    ("decoder.invalid", "decoder.invalid"),
    ("decoder.ipv4", "decoder.ipv4"),
    ("decoder.ipv6", "decoder.ipv6"),
    ("decoder.tcp", "decoder.tcp"),
    ("decoder.udp", "decoder.udp"),
    ("decoder.icmpv4", "decoder.icmpv4"),
    ("decoder.icmpv6", "decoder.icmpv6"),
    ("decoder.vlan", "decoder.vlan"),
    ("flow.total", "flow.total"),
    ("flow.active", "flow.active"),
    ("flow.tcp", "flow.tcp"),
    ("flow.udp", "flow.udp"),
    ("tcp.reassembly_gap", "tcp.reassembly_gap"),
    ("detect.alert", "detect.alert"),
    ("detect.alert_queue_overflow", "detect.alert_queue_overflow"),
];

/// What Suricata's schema knows.
pub(super) fn stats(stamp: &Stamp, event: &StatsEvent) -> Value {
    let value = |name: &str| event.counters.iter().find(|(n, _)| n == name).map(|&(_, v)| v);
    let mut stats = Object::new();
    stats.insert("uptime".into(), event.uptime.into());
    for (ours, theirs) in KNOWN {
        let (Some(value), Some((group, name))) = (value(ours), theirs.split_once('.')) else { continue };
        stats[group][name] = value.into();
    }
    let mut known = head(stamp, "stats");
    known.insert("stats".into(), stats.into());
    known.into()
}

/// All, in objects within objects: `capture.received` is `received` in `capture`.
pub(super) fn counters(stamp: &Stamp, event: &StatsEvent) -> Value {
    let mut all = head(stamp, "counters");
    let mut counters = Object::new();
    for (name, value) in &event.counters {
        nest(&mut counters, name, *value);
    }
    all.insert("counters".into(), counters.into());
    all.into()
}

/// Puts a counter in by its dotted name. A counter cannot have members: should an interface's name make it seem so, what
/// comes below it keeps its dots.
fn nest(object: &mut Object, name: &str, value: u64) {
    if let Some((first, rest)) = name.split_once('.')
        && let place @ (Value::Null | Value::Object(_)) = object.place(first.to_owned().into())
    {
        if *place == Value::Null {
            *place = Object::new().into();
        }
        if let Value::Object(inner) = place {
            return nest(inner, rest, value);
        }
    }
    *object.place(name.to_owned().into()) = value.into();
}
