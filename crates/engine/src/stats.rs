//! Every counter of a running sensor, read at one instant.

use std::sync::Arc;
use std::time::Instant;

use capture::{CaptureCounters, CapturePort, Guard, RingStats};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::counters::{WorkerCounters, sum};

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
}

/// Where the counters are.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) ports: Vec<Arc<CapturePort>>,
    pub(crate) rings: Vec<RingStats>,
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
        let mut ring_full = 0;
        let mut ring_dropped = 0;
        let mut fill_empty = 0;
        for ring in self.rings.iter().filter_map(|r| r.read().ok()) {
            ring_full += ring.rx_ring_full;
            ring_dropped += ring.rx_dropped;
            fill_empty += ring.fill_ring_empty;
        }
        let xdp =
            self.ports.iter().filter_map(|p| p.counters().ok()).fold(CaptureCounters::default(), |a, b| {
                CaptureCounters {
                    received: a.received + b.received,
                    received_bytes: a.received_bytes + b.received_bytes,
                    steered: a.steered + b.steered,
                    no_headroom: a.no_headroom + b.no_headroom,
                    no_socket: a.no_socket + b.no_socket,
                }
            });
        let dropped = ring_full + ring_dropped + xdp.no_headroom + xdp.no_socket;
        let guard = self.guard.as_ref().and_then(|g| g.counters().ok()).unwrap_or_default();
        let mut counters: Vec<(String, u64)> = [
            ("capture.received", xdp.received),
            ("capture.received_bytes", xdp.received_bytes),
            ("capture.processed", processed),
            ("capture.dropped", dropped),
            ("capture.dropped.rx_ring_full", ring_full),
            ("capture.dropped.fill_ring_empty_or_oversized", ring_dropped),
            ("capture.dropped.no_headroom", xdp.no_headroom),
            ("capture.dropped.no_socket", xdp.no_socket),
            ("capture.in_flight", xdp.received.saturating_sub(processed + dropped)),
            ("capture.fill_ring_empty", fill_empty),
            ("guard.received", guard.received),
            ("guard.passed", guard.passed),
            ("guard.dropped", guard.dropped),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        counters.extend(workers);
        Stats { uptime_s: self.started.elapsed().as_secs(), counters }
    }
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
