//! What is counted, for `ringward stats`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Latencies above this are counted as this (60 s).
const MAX_LATENCY_NS: u64 = 60_000_000_000;

/// Name and meaning of each counter.
pub const FLEET_COUNTERS: [(&str, &str); 20] = [
    ("fleet.connected", "1: in touch with a server of the fleet; 0: cut off."),
    ("fleet.cut_off_s", "Seconds since the connection was lost; 0 while there is one."),
    ("fleet.reconnects", "Connections that were made again after a loss."),
    ("fleet.isolated", "Targets that the fleet has isolated, as far as is known here."),
    ("fleet.published", "Verdicts of this site that got into the bucket."),
    ("fleet.received", "Records that came out of the bucket, repeated ones and the site's own included."),
    ("fleet.applied", "Verdicts of the fleet that are in force here: isolations written, releases done."),
    (
        "fleet.refused",
        "Verdicts of the fleet that this box refused (protected host, full map ...); the log says why.",
    ),
    ("fleet.duplicates", "Records that were known already; they change nothing."),
    ("fleet.stale", "Records older than what was known, or whose time was over; they change nothing."),
    ("fleet.invalid", "Values in the bucket that are no records; the log says why."),
    ("fleet.conflicts", "Times that another site wrote a key first; the later verdict holds."),
    ("fleet.clock_ahead", "Records decided more than 5 s ahead of this box's clock: some clock is wrong."),
    ("fleet.outbox", "Verdicts of this site that wait for a server."),
    ("fleet.table_full", "Verdicts lost because the fleet has more targets than are kept."),
    ("fleet.purged", "Records taken out of the bucket because they were over."),
    ("fleet.events_published", "Events that got into the stream."),
    ("fleet.events_waiting", "Events that wait for a server."),
    ("fleet.events_lost", "Events lost because too many waited."),
    (
        "fleet.latency.*",
        "From a verdict at its site to its map entry here, of those that came while connected: count, p50, p99, \
         p99.9, maximum. As true as the clocks of the two boxes agree.",
    ),
];

/// See [`FLEET_COUNTERS`].
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) connected: AtomicU64,
    pub(crate) reconnects: AtomicU64,
    pub(crate) isolated: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) applied: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) duplicates: AtomicU64,
    pub(crate) stale: AtomicU64,
    pub(crate) invalid: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) clock_ahead: AtomicU64,
    pub(crate) outbox: AtomicU64,
    pub(crate) table_full: AtomicU64,
    pub(crate) purged: AtomicU64,
    pub(crate) events_published: AtomicU64,
    pub(crate) events_waiting: AtomicU64,
    pub(crate) events_lost: AtomicU64,
    /// Milliseconds after `started` at which the connection was lost.
    lost_at_ms: AtomicU64,
    started: Instant,
    latency: Mutex<Histogram<u64>>,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Sets a gauge.
pub(crate) fn set(gauge: &AtomicU64, value: usize) {
    gauge.store(value as u64, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zero = AtomicU64::default;
        let mut latency = Histogram::new_with_bounds(1, MAX_LATENCY_NS, 3)
            .unwrap_or_else(|_| unreachable!("the bounds are within the library's limits"));
        latency.auto(true);
        Counters {
            connected: zero(),
            reconnects: zero(),
            isolated: zero(),
            published: zero(),
            received: zero(),
            applied: zero(),
            refused: zero(),
            duplicates: zero(),
            stale: zero(),
            invalid: zero(),
            conflicts: zero(),
            clock_ahead: zero(),
            outbox: zero(),
            table_full: zero(),
            purged: zero(),
            events_published: zero(),
            events_waiting: zero(),
            events_lost: zero(),
            lost_at_ms: zero(),
            started: Instant::now(),
            latency: Mutex::new(latency),
        }
    }

    /// In touch with a server from now on, or not.
    pub(crate) fn connected(&self, yes: bool) {
        let was = self.connected.swap(u64::from(yes), Ordering::Relaxed);
        if was == 1 && !yes {
            let now = self.started.elapsed().as_millis() as u64;
            self.lost_at_ms.store(now, Ordering::Relaxed);
        }
    }

    /// How long there has been no connection.
    pub(crate) fn cut_off(&self) -> Duration {
        if self.connected.load(Ordering::Relaxed) == 1 {
            return Duration::ZERO;
        }
        let lost = Duration::from_millis(self.lost_at_ms.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(lost)
    }

    /// A verdict took so long from its site to the map here.
    pub(crate) fn took(&self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let mut histogram = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        histogram.saturating_record(ns.clamp(1, MAX_LATENCY_NS));
    }

    /// All of them, by the names of [`FLEET_COUNTERS`].
    pub(crate) fn report(&self) -> Vec<(String, u64)> {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let values = [
            of(&self.connected),
            self.cut_off().as_secs(),
            of(&self.reconnects),
            of(&self.isolated),
            of(&self.published),
            of(&self.received),
            of(&self.applied),
            of(&self.refused),
            of(&self.duplicates),
            of(&self.stale),
            of(&self.invalid),
            of(&self.conflicts),
            of(&self.clock_ahead),
            of(&self.outbox),
            of(&self.table_full),
            of(&self.purged),
            of(&self.events_published),
            of(&self.events_waiting),
            of(&self.events_lost),
        ];
        let named = FLEET_COUNTERS.iter().zip(values);
        let mut rows: Vec<(String, u64)> =
            named.map(|(&(name, _), value)| (name.to_owned(), value)).collect();
        let latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        rows.push(("fleet.latency.count".into(), latency.len()));
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            rows.push((format!("fleet.latency.{name}_ns"), latency.value_at_quantile(quantile)));
        }
        rows.push(("fleet.latency.max_ns".into(), latency.max()));
        rows
    }
}
