//! Every counter of a running sensor, read at one instant.

use std::sync::Arc;
use std::time::Instant;

use capture::{CaptureCounters, CapturePort, Guard, RingCounters, RingStats};
use hdrhistogram::Histogram;
use output::StatsEvent;
use serde::{Deserialize, Serialize};

use crate::counters::{WorkerCounters, sum};

/// Name and meaning of the counters of the ports, in the order of [`Gauges::read`].
pub const PORT_COUNTERS: [(&str, &str); 13] = [
    ("capture.received", "Frames that entered the XDP programs of the capture ports."),
    ("capture.received_bytes", "Bytes of these frames."),
    ("capture.processed", "Frames that workers took in."),
    ("capture.dropped", "Frames that were lost; the sum of capture.dropped.*."),
    ("capture.dropped.rx_ring_full", "A worker's receive ring was full: it is too slow."),
    (
        "capture.dropped.fill_ring_empty_or_oversized",
        "The kernel had no free frame, or the frame was larger than a chunk of packet memory.",
    ),
    ("capture.dropped.no_headroom", "The driver left no room for the frame head."),
    ("capture.dropped.no_socket", "No worker's socket on the frame's queue."),
    ("capture.in_flight", "Frames in rings at this instant: received = processed + dropped + in flight."),
    ("capture.fill_ring_empty", "Times the kernel found a fill ring empty."),
    ("guard.received", "Frames that entered the guard program, all guard ports together."),
    ("guard.passed", "Frames of these handed to the kernel."),
    ("guard.dropped", "Frames of these from or to isolated hosts."),
];

/// Name and meaning of the counters of each capture port (`port.NAME.*`) and each worker (`worker.N.*`).
pub const EACH_COUNTERS: [(&str, &str); 10] = [
    ("port.NAME.received", "Frames that entered the XDP program of the port."),
    ("port.NAME.received_bytes", "Bytes of these frames."),
    ("port.NAME.steered", "Frames of these redirected to a worker."),
    (
        "port.NAME.nic_dropped",
        "Frames that NIC and driver count as dropped; some (veth) count those of full receive rings, too.",
    ),
    ("worker.N.packets", "Frames that the worker took in."),
    ("worker.N.bytes", "Bytes of these frames."),
    ("worker.N.flows_active", "Flows live in its table."),
    ("worker.N.rx_ring_full", "Frames lost because its receive rings were full."),
    ("worker.N.rx_dropped", "Frames lost for want of a free frame, or because they were too large."),
    ("worker.N.fill_ring_empty", "Times the kernel found a fill ring of its queues empty."),
];

/// Name and meaning of the counters of verdicts and output.
pub const VERDICT_COUNTERS: [(&str, &str); 7] = [
    ("isolation.active", "Hosts isolated now."),
    ("isolation.not_enforced", "Verdicts that could not be enforced; the log says why."),
    (
        "isolation.latency.*",
        "From a packet's arrival to its map entry: count, p50, p90, p99, p99.9, maximum.",
    ),
    ("output.write_errors", "Writes that failed."),
    ("output.evidence_packets_refused", "Evidence packets not written because of evidence.max_total_mib."),
    ("output.reports_refused", "Incidents without report files because of output.max_reports."),
    ("output.verdict_events_lost", "Alerts and isolation steps that the recorder had no room for."),
];

/// The counters by dotted name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Seconds since start.
    pub uptime_s: u64,
    /// Name and value, in a fixed order.
    pub counters: Vec<(String, u64)>,
}

impl Stats {
    /// The counter of that name, 0 if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.counters.iter().find(|(n, _)| n == name).map_or(0, |&(_, value)| value)
    }

    /// The same as an event.
    pub(crate) fn event(&self) -> StatsEvent {
        StatsEvent { uptime: self.uptime_s, counters: self.counters.clone() }
    }
}

/// Where the counters are.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) ports: Vec<Arc<CapturePort>>,
    /// The sockets of each worker, a port each.
    pub(crate) rings: Vec<Vec<RingStats>>,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) workers: Vec<Arc<WorkerCounters>>,
    pub(crate) started: Instant,
}

impl Gauges {
    /// Reads everything. Processed is read before dropped, and dropped before received, so a frame that
    /// moves on meanwhile is in flight and nowhere twice: received = processed + dropped + in flight.
    pub(crate) fn read(&self) -> Stats {
        let workers = sum(self.workers.iter().map(AsRef::as_ref));
        let processed = workers.iter().find(|(n, _)| n == "decoder.pkts").map_or(0, |&(_, v)| v);
        let rings: Vec<RingCounters> = self.rings.iter().map(|own| sum_rings(own)).collect();
        let (mut ring_full, mut ring_dropped, mut fill_empty) = (0, 0, 0);
        for own in &rings {
            ring_full += own.rx_ring_full;
            ring_dropped += own.rx_dropped;
            fill_empty += own.fill_ring_empty;
        }
        let ports: Vec<CaptureCounters> =
            self.ports.iter().map(|port| port.counters().unwrap_or_default()).collect();
        let xdp = ports.iter().fold(CaptureCounters::default(), |a, b| CaptureCounters {
            received: a.received + b.received,
            received_bytes: a.received_bytes + b.received_bytes,
            steered: a.steered + b.steered,
            no_headroom: a.no_headroom + b.no_headroom,
            no_socket: a.no_socket + b.no_socket,
        });
        let dropped = ring_full + ring_dropped + xdp.no_headroom + xdp.no_socket;
        let guard = self.guard.as_ref().and_then(|g| g.counters().ok()).unwrap_or_default();
        let values = [
            xdp.received,
            xdp.received_bytes,
            processed,
            dropped,
            ring_full,
            ring_dropped,
            xdp.no_headroom,
            xdp.no_socket,
            xdp.received.saturating_sub(processed + dropped),
            fill_empty,
            guard.received,
            guard.passed,
            guard.dropped,
        ];
        let named = PORT_COUNTERS.iter().zip(values);
        let mut counters: Vec<(String, u64)> =
            named.map(|(&(name, _), value)| (name.to_owned(), value)).collect();
        counters.extend(workers);
        let mut each = |name: String, values: &[(&str, u64)]| {
            counters.extend(values.iter().map(|(key, value)| (format!("{name}.{key}"), *value)));
        };
        for (port, own) in self.ports.iter().zip(&ports) {
            each(
                format!("port.{}", port.device().name),
                &[
                    ("received", own.received),
                    ("received_bytes", own.received_bytes),
                    ("steered", own.steered),
                    ("nic_dropped", port.nic_dropped().unwrap_or(0)),
                ],
            );
        }
        for (n, (worker, own)) in self.workers.iter().zip(&rings).enumerate() {
            each(
                format!("worker.{n}"),
                &[
                    ("packets", worker.packets.get()),
                    ("bytes", worker.bytes.get()),
                    ("flows_active", worker.flows_active.get()),
                    ("rx_ring_full", own.rx_ring_full),
                    ("rx_dropped", own.rx_dropped),
                    ("fill_ring_empty", own.fill_ring_empty),
                ],
            );
        }
        Stats { uptime_s: self.started.elapsed().as_secs(), counters }
    }
}

/// The kernel's counters of all of a worker's sockets.
fn sum_rings(rings: &[RingStats]) -> RingCounters {
    let mut sum = RingCounters::default();
    for ring in rings.iter().filter_map(|r| r.read().ok()) {
        sum.rx_ring_full += ring.rx_ring_full;
        sum.rx_dropped += ring.rx_dropped;
        sum.fill_ring_empty += ring.fill_ring_empty;
    }
    sum
}

/// The percentiles of a latency histogram as counters.
pub(crate) fn percentiles(prefix: &str, latency: &Histogram<u64>) -> Vec<(String, u64)> {
    let mut rows = vec![(format!("{prefix}.count"), latency.len())];
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
        rows.push((format!("{prefix}.{name}_ns"), latency.value_at_quantile(quantile)));
    }
    rows.push((format!("{prefix}.max_ns"), latency.max()));
    rows
}
