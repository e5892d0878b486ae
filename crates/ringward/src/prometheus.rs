//! Counters in Prometheus's text exposition format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use engine::Stats;

/// Names that end like this go up and down; everything else only up.
const GAUGES: &[&str] = &["active", "in_flight", "_ns", "_p50", "_p99", "_max", "queued", "queued_bytes", "_waiting", "_failing"];

/// The counters as text. `port.NAME.x`, `port.NAME.queueN.x`, `worker.N.x` and `push.NAME.x` become one metric each, with labels.
pub fn text(stats: &Stats) -> String {
    let mut metrics: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    metrics.insert("ringward_uptime_seconds".into(), vec![(String::new(), stats.uptime_s)]);
    for (name, value) in &stats.counters {
        let (metric, label) = metric(name);
        metrics.entry(metric).or_default().push((label, *value));
    }
    let mut out = String::new();
    for (metric, values) in metrics {
        let gauge = GAUGES.iter().any(|end| metric.ends_with(end)) || metric == "ringward_uptime_seconds";
        let _ = writeln!(out, "# TYPE {metric} {}", if gauge { "gauge" } else { "counter" });
        for (label, value) in values {
            let _ = writeln!(out, "{metric}{label} {value}");
        }
    }
    out
}

/// The metric's name and its label.
fn metric(name: &str) -> (String, String) {
    let clean = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    if let Some((who, counter)) = name.strip_prefix("worker.").and_then(|rest| rest.split_once('.')) {
        return (format!("ringward_worker_{}", clean(counter)), format!("{{worker=\"{who}\"}}"));
    }
    if let Some((who, counter)) = name.strip_prefix("push.").and_then(|rest| rest.split_once('.')) {
        return (format!("ringward_push_{}", clean(counter)), format!("{{push=\"{who}\"}}"));
    }
    // An interface's name may have dots in it; the counter's has none.
    if let Some((who, counter)) = name.strip_prefix("port.").and_then(|rest| rest.rsplit_once('.')) {
        let queue = |who: &'_ str| {
            let (port, queue) = who.rsplit_once(".queue")?;
            queue.parse::<u32>().ok().map(|queue| (port.to_owned(), queue))
        };
        return match queue(who) {
            Some((port, queue)) => (
                format!("ringward_queue_{}", clean(counter)),
                format!("{{port=\"{port}\",queue=\"{queue}\"}}"),
            ),
            None => (format!("ringward_port_{}", clean(counter)), format!("{{port=\"{who}\"}}")),
        };
    }
    (format!("ringward_{}", clean(name)), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_workers_are_labels() {
        let row = |name: &str, value| (name.to_owned(), value);
        let stats = Stats {
            uptime_s: 7,
            counters: vec![
                row("capture.received", 5),
                row("port.eth0.100.received", 3),
                row("port.eth0.100.queue1.steered", 3),
                row("push.soc.queued", 4),
                row("worker.0.packet.p50_ns", 80),
                row("worker.0.packets", 2),
                row("worker.1.packets", 3),
                row("isolation.active", 1),
            ],
            degraded: Vec::new(),
        };
        let want = "# TYPE ringward_capture_received counter\nringward_capture_received 5\n\
                    # TYPE ringward_isolation_active gauge\nringward_isolation_active 1\n\
                    # TYPE ringward_port_received counter\nringward_port_received{port=\"eth0.100\"} 3\n\
                    # TYPE ringward_push_queued gauge\nringward_push_queued{push=\"soc\"} 4\n\
                    # TYPE ringward_queue_steered counter\n\
                    ringward_queue_steered{port=\"eth0.100\",queue=\"1\"} 3\n\
                    # TYPE ringward_uptime_seconds gauge\nringward_uptime_seconds 7\n\
                    # TYPE ringward_worker_packet_p50_ns gauge\nringward_worker_packet_p50_ns{worker=\"0\"} 80\n\
                    # TYPE ringward_worker_packets counter\nringward_worker_packets{worker=\"0\"} 2\n\
                    ringward_worker_packets{worker=\"1\"} 3\n";
        assert_eq!(text(&stats), want);
    }
}
