//! Counters in Prometheus's text exposition format, version 0.0.4.
//!
//! What only goes up is a counter and its name ends in `_total`; nanoseconds become seconds.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use engine::Stats;

use crate::counter_list::{documented, meaning, queue};

/// Counters that go up and down, by their names in the reference.
const GAUGES: &[&str] = &[
    "bypass.active",
    "capture.in_flight",
    "defrag.held_packets",
    "enforcement.in_force",
    "enforcement.ports",
    "files.memuse",
    "fleet.connected",
    "fleet.events_waiting",
    "fleet.isolated",
    "fleet.outbox",
    "flow.active",
    "intel.indicators",
    "isolation.active",
    "isolation.brake_on",
    "isolation.held",
    "ledger.damaged",
    "output.failing",
    "output.lines_waiting",
    "push.NAME.queued",
    "push.NAME.queued_bytes",
    "rules.in_force",
    "rules.window_memuse",
    "tcp.reassembly_memuse",
    "worker.N.flows_active",
    "worker.N.ring_depth.*",
];

/// A metric with its samples: labels and value.
struct Metric {
    kind: &'static str,
    help: Cow<'static, str>,
    samples: Vec<(String, String)>,
}

/// The counters as text. `port.NAME.x`, `port.NAME.queueN.x`, `worker.N.x`, `push.NAME.x` and `output.NAME_lost` become one
/// metric each, with labels.
pub fn text(stats: &Stats) -> String {
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    let uptime = Metric {
        kind: "gauge",
        help: "Seconds since the sensor started.".into(),
        samples: vec![(String::new(), stats.uptime_s.to_string())],
    };
    metrics.insert("ringward_uptime_seconds".into(), uptime);
    for (name, value) in &stats.counters {
        let general = documented(name);
        let (metric, labels) = metric(name, &general);
        let (metric, kind, value) = unit(metric, &general, *value);
        let metric = metrics.entry(metric).or_insert_with(|| Metric {
            kind,
            help: meaning(&general),
            samples: Vec::new(),
        });
        metric.samples.push((labels, value));
    }
    let mut out = String::new();
    for (name, Metric { kind, help, samples }) in metrics {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    }
    out
}

/// The metric's name without its unit, and its labels.
fn metric(name: &str, general: &str) -> (String, String) {
    let clean = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let named = |group: &str, counter: &str| format!("ringward_{group}_{}", clean(counter));
    match name.split_once('.') {
        Some(("worker", rest)) => {
            let (who, counter) = rest.split_once('.').unwrap_or(("", rest));
            (named("worker", counter), labels(&[("worker", who)]))
        }
        Some(("push", rest)) => {
            let (who, counter) = rest.rsplit_once('.').unwrap_or(("", rest));
            (named("push", counter), labels(&[("push", who)]))
        }
        Some(("port", rest)) => {
            let (who, counter) = rest.rsplit_once('.').unwrap_or(("", rest));
            match queue(who) {
                Some((port, queue)) => {
                    let queue = queue.to_string();
                    (named("queue", counter), labels(&[("port", port), ("queue", &queue)]))
                }
                None => (named("port", counter), labels(&[("port", who)])),
            }
        }
        Some(("output", rest)) if general == "output.NAME_lost" => {
            let who = rest.strip_suffix("_lost").unwrap_or(rest);
            ("ringward_output_listener_lost".into(), labels(&[("listener", who)]))
        }
        Some(("output", rest)) if general == "output.lost.TYPE" => {
            let event_type = rest.strip_prefix("lost.").unwrap_or(rest);
            ("ringward_output_lines_lost".into(), labels(&[("event_type", event_type)]))
        }
        _ => (format!("ringward_{}", clean(name)), String::new()),
    }
}

fn labels(labels: &[(&str, &str)]) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    format!("{{{}}}", labels.join(","))
}

/// Name with unit, kind and value of a metric.
fn unit(metric: String, general: &str, value: u64) -> (String, &'static str, String) {
    if let Some(thing) = metric.strip_suffix("_ns") {
        let text = format!("{}.{:09}", value / 1_000_000_000, value % 1_000_000_000);
        return (format!("{thing}_seconds"), "gauge", text);
    }
    if let Some(thing) = metric.strip_suffix("_s") {
        return (format!("{thing}_seconds"), "gauge", value.to_string());
    }
    if GAUGES.contains(&general) {
        return (metric, "gauge", value.to_string());
    }
    // `_count` by itself belongs to summaries and histograms.
    let thing = metric.strip_suffix("_count").map(|thing| format!("{thing}_samples"));
    (format!("{}_total", thing.unwrap_or(metric)), "counter", value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter_list::all;

    fn stats(names: &[(&str, u64)]) -> Stats {
        let counters = names.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        Stats { uptime_s: 7, counters, degraded: Vec::new() }
    }

    /// What is told without the lines of help.
    fn told(names: &[(&str, u64)]) -> String {
        let lines = text(&stats(names));
        lines.lines().filter(|line| !line.starts_with("# HELP")).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn ports_and_workers_are_labels() {
        let told = told(&[
            ("capture.received", 5),
            ("port.eth0.100.received", 3),
            ("port.eth0.100.queue1.steered", 3),
            ("port.a\"b\\c.received", 2),
            ("push.soc.queued", 4),
            ("worker.0.packet.p50_ns", 80),
            ("worker.0.packets", 2),
            ("worker.1.packets", 3),
            ("isolation.active", 1),
            ("isolation.latency.count", 6),
            ("isolation.latency.max_ns", 1_500_000_000),
            ("output.push.soc_lost", 1),
        ]);
        let want = "# TYPE ringward_capture_received_total counter\nringward_capture_received_total 5\n\
                    # TYPE ringward_isolation_active gauge\nringward_isolation_active 1\n\
                    # TYPE ringward_isolation_latency_max_seconds gauge\n\
                    ringward_isolation_latency_max_seconds 1.500000000\n\
                    # TYPE ringward_isolation_latency_samples_total counter\n\
                    ringward_isolation_latency_samples_total 6\n\
                    # TYPE ringward_output_listener_lost_total counter\n\
                    ringward_output_listener_lost_total{listener=\"push.soc\"} 1\n\
                    # TYPE ringward_port_received_total counter\n\
                    ringward_port_received_total{port=\"eth0.100\"} 3\n\
                    ringward_port_received_total{port=\"a\\\"b\\\\c\"} 2\n\
                    # TYPE ringward_push_queued gauge\nringward_push_queued{push=\"soc\"} 4\n\
                    # TYPE ringward_queue_steered_total counter\n\
                    ringward_queue_steered_total{port=\"eth0.100\",queue=\"1\"} 3\n\
                    # TYPE ringward_uptime_seconds gauge\nringward_uptime_seconds 7\n\
                    # TYPE ringward_worker_packet_p50_seconds gauge\n\
                    ringward_worker_packet_p50_seconds{worker=\"0\"} 0.000000080\n\
                    # TYPE ringward_worker_packets_total counter\n\
                    ringward_worker_packets_total{worker=\"0\"} 2\nringward_worker_packets_total{worker=\"1\"} 3\n";
        assert_eq!(told, want);
    }

    /// The rules of the format, and of `promtool check metrics`, for every counter there is.
    #[test]
    fn every_counter_is_a_metric_with_help_and_type() {
        let names: Vec<(String, u64)> = all()
            .flat_map(|(name, _)| {
                let figure = if name.ends_with("_ns") { "p50" } else { "p50_ns" };
                let one = |n: &str| {
                    let name = name.replace("queueN", &format!("queue{n}")).replace('*', figure);
                    (
                        name.replace("NAME", &format!("eth{n}"))
                            .replace("TYPE", &format!("type{n}"))
                            .replace(".N.", &format!(".{n}.")),
                        1,
                    )
                };
                if name.contains("NAME") || name.contains("TYPE") || name.contains(".N.") {
                    vec![one("0"), one("1")]
                } else {
                    vec![one("0")]
                }
            })
            .collect();
        let text = text(&Stats { uptime_s: 1, counters: names.clone(), degraded: Vec::new() });
        let (mut described, mut samples) = (Vec::new(), Vec::new());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let help = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("no help first: {line}"));
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.len() > 5, "{name}: {help}");
            let kind = lines.next().unwrap().strip_prefix(&format!("# TYPE {name} ")).unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            for reserved in ["_count", "_sum", "_bucket", "_ns", "_s", "_ms", "_bits_refused_total"] {
                assert!(!name.ends_with(reserved), "{name}");
            }
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(name.starts_with("ringward_") && name.chars().all(word), "{name}");
            described.push(name);
            while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
                let (series, value) = sample.rsplit_once(' ').unwrap();
                assert!(value.parse::<f64>().is_ok(), "{sample}");
                assert!(series == name || series.starts_with(&format!("{name}{{")), "{sample}");
                samples.push(series);
            }
        }
        let count = |mut of: Vec<&str>| {
            of.sort_unstable();
            of.dedup();
            of.len()
        };
        assert_eq!(count(described.clone()), described.len(), "a metric is described twice");
        assert_eq!(count(samples.clone()), samples.len(), "a series is there twice");
        assert_eq!(samples.len(), names.len() + 1, "each is there, and the uptime");
        for gauge in GAUGES {
            assert!(all().any(|(name, _)| name == *gauge), "{gauge} is no counter");
        }
    }
}
