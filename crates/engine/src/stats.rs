//! Every counter of a running sensor, read at one instant.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use capture::{BypassTable, CaptureCounters, CapturePort, Guard, RingCounters, RingStats};
use hdrhistogram::Histogram;
use output::StatsEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::counters::{WorkerCounters, sum};
use crate::histogram::AtomicHistogram;

mod in_order;
mod more;
mod names;

pub use more::MoreCounters;
pub use names::{EACH_COUNTERS, PORT_COUNTERS, VERDICT_COUNTERS};

/// The counters by dotted name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Seconds since start.
    pub uptime_s: u64,
    /// Name and value, in a fixed order.
    #[serde(with = "in_order")]
    #[schema(value_type = HashMap<String, u64>)]
    pub counters: Vec<(String, u64)>,
    /// What keeps the sensor from doing what it is configured for; empty if all is well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<String>,
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

/// What was counted at one device.
#[derive(Clone, Debug, Default)]
struct DeviceCounts {
    queues: Vec<CaptureCounters>,
    nic_dropped: u64,
}

/// What was counted at one worker's sockets of one port.
#[derive(Clone, Debug, Default)]
struct RingCounts {
    /// By device of the port and queue.
    sockets: BTreeMap<(usize, u32), RingCounters>,
    truncated: u64,
    pool_empty: u64,
    forwarded: u64,
    tx_ring_full: u64,
}

/// One port's counters, over all the times it was opened.
#[derive(Debug, Default)]
struct PortGauges {
    names: Vec<String>,
    inline: bool,
    /// The port as it is open now, and each worker's sockets.
    open: Option<(Arc<CapturePort>, Vec<RingStats>)>,
    /// What was counted at former openings.
    devices: Vec<DeviceCounts>,
    rings: Vec<RingCounts>,
}

/// Where the counters are.
#[derive(Debug)]
pub(crate) struct Gauges {
    ports: Mutex<Vec<PortGauges>>,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) workers: Vec<Arc<WorkerCounters>>,
    pub(crate) bypass: Arc<BypassTable>,
    pub(crate) started: Instant,
    /// What others than the sensor count.
    pub(crate) more: Vec<MoreCounters>,
}

impl Gauges {
    pub(crate) fn new(
        guard: Option<Arc<Guard>>,
        workers: Vec<Arc<WorkerCounters>>,
        bypass: Arc<BypassTable>,
        more: Vec<MoreCounters>,
    ) -> Self {
        Gauges { ports: Mutex::default(), guard, workers, bypass, started: Instant::now(), more }
    }

    fn ports(&self) -> MutexGuard<'_, Vec<PortGauges>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A port was opened. Its number is its place among the ports.
    pub(crate) fn adopt(&self, number: usize, port: Arc<CapturePort>, rings: Vec<RingStats>) {
        let mut ports = self.ports();
        if ports.len() <= number {
            ports.resize_with(number + 1, PortGauges::default);
        }
        let gauges = &mut ports[number];
        gauges.names = port.devices().map(|d| d.name.clone()).collect();
        gauges.inline = port.is_inline();
        gauges.open = Some((port, rings));
    }

    /// A port was closed: its last counts are kept, its sockets are not.
    pub(crate) fn retire(&self, number: usize) {
        if let Some(port) = self.ports().get_mut(number) {
            let (devices, rings) = port.read();
            (port.devices, port.rings, port.open) = (devices, rings, None);
        }
    }

    /// Every port was closed.
    pub(crate) fn retire_all(&self) {
        let ports = self.ports().len();
        (0..ports).for_each(|number| self.retire(number));
    }

    /// Reads everything. Processed is read before dropped, and dropped before received, so a frame that moves on
    /// meanwhile is in flight and nowhere twice:
    /// received = processed + bypassed + passed + isolated + dropped + in flight.
    pub(crate) fn read(&self) -> Stats {
        let workers = sum(self.workers.iter().map(AsRef::as_ref));
        let processed = workers.iter().find(|(n, _)| n == "decoder.pkts").map_or(0, |&(_, v)| v);
        let mut ports = self.ports();
        let read: Vec<_> = ports.iter_mut().map(|port| (PortId::of(port), port.read())).collect();
        drop(ports);
        let mut xdp = CaptureCounters::default();
        let (mut rings, mut fill_empty) = (RingTotals::default(), 0);
        for (_, (devices, own)) in &read {
            devices.iter().flat_map(|d| &d.queues).for_each(|queue| xdp.add(queue));
            own.iter().for_each(|counts| rings.add(counts));
            fill_empty += by_queue(own).values().map(|queue| queue.fill_ring_empty).sum::<u64>();
        }
        let dropped = rings.sockets.rx_ring_full
            + rings.sockets.rx_dropped
            + xdp.no_headroom
            + xdp.no_socket
            + xdp.shed;
        let elsewhere = processed + xdp.bypassed + xdp.passed + xdp.isolated + dropped;
        let guard = self.guard.as_ref().and_then(|g| g.counters().ok()).unwrap_or_default();
        let values = [
            xdp.received,
            xdp.received_bytes,
            processed,
            xdp.bypassed,
            xdp.passed,
            xdp.isolated,
            dropped,
            rings.sockets.rx_ring_full,
            rings.sockets.rx_dropped,
            xdp.no_headroom,
            xdp.no_socket,
            xdp.shed,
            xdp.received.saturating_sub(elsewhere),
            rings.truncated,
            fill_empty,
            rings.pool_empty,
            rings.forwarded,
            rings.tx_ring_full,
            rings.sockets.tx_invalid,
            xdp.too_deep,
            u64::from(self.bypass.taken()),
            guard.passed + guard.dropped,
            guard.passed,
            guard.dropped,
            guard.too_deep,
        ];
        let named = PORT_COUNTERS.iter().zip(values);
        let mut counters: Vec<(String, u64)> =
            named.map(|(&(name, _), value)| (name.to_owned(), value)).collect();
        counters.extend(workers);
        for (port, (devices, own)) in &read {
            each_device(&mut counters, port, devices, own);
        }
        for (n, worker) in self.workers.iter().enumerate() {
            let mut own = RingTotals::default();
            read.iter().filter_map(|(_, (_, rings))| rings.get(n)).for_each(|counts| own.add(counts));
            each_worker(&mut counters, n, worker, &own);
        }
        counters.extend(self.more.iter().flat_map(MoreCounters::read));
        // What the workers could not hand over, and what the recorder could not write.
        let unwritten = counters.iter().filter(|(name, _)| name.starts_with("output.lost."));
        let unwritten: u64 = unwritten.map(|(_, value)| value).sum();
        if let Some((_, lost)) = counters.iter_mut().find(|(name, _)| name == "output.events_lost") {
            *lost += unwritten;
        }
        Stats { uptime_s: self.started.elapsed().as_secs(), counters, degraded: Vec::new() }
    }
}

/// What a port is called.
struct PortId {
    names: Vec<String>,
    inline: bool,
}

impl PortId {
    fn of(port: &PortGauges) -> Self {
        PortId { names: port.names.clone(), inline: port.inline }
    }
}

impl PortGauges {
    /// Former openings and the present one together. Sockets are read before programs.
    fn read(&self) -> (Vec<DeviceCounts>, Vec<RingCounts>) {
        let (mut devices, mut rings) = (self.devices.clone(), self.rings.clone());
        let Some((port, stats)) = &self.open else { return (devices, rings) };
        rings.resize_with(rings.len().max(stats.len()), RingCounts::default);
        for (sum, stats) in rings.iter_mut().zip(stats) {
            for (device, queue, counters) in stats.read().unwrap_or_default() {
                let socket = sum.sockets.entry((device, queue)).or_default();
                socket.add(&counters);
            }
            let own = stats.counts();
            sum.truncated += own.truncated.load(Ordering::Relaxed);
            sum.pool_empty += own.pool_empty.load(Ordering::Relaxed);
            sum.forwarded += own.forwarded.load(Ordering::Relaxed);
            sum.tx_ring_full += own.tx_ring_full.load(Ordering::Relaxed);
        }
        let now = port.counters().unwrap_or_default();
        devices.resize_with(devices.len().max(now.len()), DeviceCounts::default);
        for ((sum, queues), dropped) in devices.iter_mut().zip(now).zip(port.nic_dropped()) {
            sum.queues.resize_with(sum.queues.len().max(queues.len()), CaptureCounters::default);
            sum.queues.iter_mut().zip(&queues).for_each(|(sum, queue)| sum.add(queue));
            sum.nic_dropped += dropped;
        }
        (devices, rings)
    }
}

/// Sockets of several ports or queues together.
#[derive(Default)]
struct RingTotals {
    sockets: RingCounters,
    truncated: u64,
    pool_empty: u64,
    forwarded: u64,
    tx_ring_full: u64,
}

impl RingTotals {
    fn add(&mut self, counts: &RingCounts) {
        counts.sockets.values().for_each(|socket| self.sockets.add(socket));
        self.truncated += counts.truncated;
        self.pool_empty += counts.pool_empty;
        self.forwarded += counts.forwarded;
        self.tx_ring_full += counts.tx_ring_full;
    }
}

/// The sockets of each queue together. They share its fill ring, and each tells the same of it.
fn by_queue(rings: &[RingCounts]) -> BTreeMap<(usize, u32), RingCounters> {
    let mut queues: BTreeMap<(usize, u32), RingCounters> = BTreeMap::new();
    for (place, socket) in rings.iter().flat_map(|counts| &counts.sockets) {
        let queue = queues.entry(*place).or_default();
        let fill_ring_empty = queue.fill_ring_empty.max(socket.fill_ring_empty);
        queue.add(socket);
        queue.fill_ring_empty = fill_ring_empty;
    }
    queues
}

fn each_device(
    counters: &mut Vec<(String, u64)>,
    port: &PortId,
    devices: &[DeviceCounts],
    rings: &[RingCounts],
) {
    let queues = by_queue(rings);
    for (index, (name, device)) in port.names.iter().zip(devices).enumerate() {
        let mut all = CaptureCounters::default();
        device.queues.iter().for_each(|queue| all.add(queue));
        let mut put = |key: &str, value| counters.push((format!("port.{name}.{key}"), value));
        put("received", all.received);
        put("received_bytes", all.received_bytes);
        put("steered", all.steered);
        put("bypassed", all.bypassed);
        put("nic_time", all.nic_time);
        put("nic_dropped", device.nic_dropped);
        if port.inline {
            put("passed", all.passed);
            put("isolated", all.isolated);
        }
        for (queue, own) in device.queues.iter().enumerate() {
            let sockets = queues.get(&(index, queue as u32)).copied().unwrap_or_default();
            put(&format!("queue{queue}.received"), own.received);
            put(&format!("queue{queue}.steered"), own.steered);
            put(&format!("queue{queue}.no_socket"), own.no_socket);
            put(&format!("queue{queue}.rx_ring_full"), sockets.rx_ring_full);
            put(&format!("queue{queue}.rx_dropped"), sockets.rx_dropped);
            put(&format!("queue{queue}.fill_ring_empty"), sockets.fill_ring_empty);
        }
    }
}

fn each_worker(counters: &mut Vec<(String, u64)>, n: usize, worker: &WorkerCounters, own: &RingTotals) {
    let mut put = |key: &str, value| counters.push((format!("worker.{n}.{key}"), value));
    put("packets", worker.packets.get());
    put("bytes", worker.bytes.get());
    put("flows_active", worker.flows_active.get());
    put("rx_ring_full", own.sockets.rx_ring_full);
    put("rx_dropped", own.sockets.rx_dropped);
    put("fill_ring_empty", own.sockets.fill_ring_empty);
    put("pool_empty", own.pool_empty);
    let mut quantiles = |key: &str, unit: &str, histogram: &AtomicHistogram| {
        let ([p50, p99], greatest) = histogram.quantiles([0.5, 0.99]);
        put(&format!("{key}.p50{unit}"), p50);
        put(&format!("{key}.p99{unit}"), p99);
        put(&format!("{key}.max{unit}"), greatest);
    };
    quantiles("ring_depth", "", &worker.ring_depth);
    quantiles("packet", "_ns", &worker.packet_ns);
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
