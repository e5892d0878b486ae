//! How long it took from a packet's arrival to what came of it: HDR histograms, in nanoseconds.

use hdrhistogram::Histogram;
use output::Latency;

use crate::stats::percentiles;

/// Latencies above this are counted as this (10 s).
const MAX_LATENCY_NS: u64 = 10_000_000_000;

/// From the arrival of packets that led to an isolation.
#[derive(Debug)]
pub(crate) struct Latencies {
    to_alert: Histogram<u64>,
    to_map: Histogram<u64>,
    to_first_drop: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Latencies { to_alert: histogram(), to_map: histogram(), to_first_drop: histogram() }
    }
}

impl Latencies {
    /// A host's entry is in the map.
    pub(crate) fn isolated(&mut self, latency: &Latency) {
        record(&mut self.to_alert, latency.alert_ns);
        record(&mut self.to_map, latency.map_ns);
    }

    /// The first packet of an isolated host was dropped.
    pub(crate) fn dropped(&mut self, latency: &Latency) {
        record(&mut self.to_first_drop, latency.first_drop_ns);
    }

    /// To the entry in the map.
    pub(crate) fn to_map(&self) -> &Histogram<u64> {
        &self.to_map
    }

    /// All of them, by the names of [`VERDICT_COUNTERS`](crate::VERDICT_COUNTERS).
    pub(crate) fn counters(&self) -> impl Iterator<Item = (String, u64)> {
        let named = [
            ("isolation.alert_latency", &self.to_alert),
            ("isolation.latency", &self.to_map),
            ("isolation.first_drop_latency", &self.to_first_drop),
        ];
        named.into_iter().flat_map(|(name, histogram)| percentiles(name, histogram))
    }
}

fn record(histogram: &mut Histogram<u64>, ns: Option<u64>) {
    if let Some(ns) = ns {
        histogram.saturating_record(ns.max(1));
    }
}

/// Three significant digits; it grows as it is needed.
fn histogram() -> Histogram<u64> {
    // The bounds are constants that the library accepts; this is what it makes of none.
    let fallback =
        |_| Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are within its limits"));
    let mut histogram = Histogram::new_with_bounds(1, MAX_LATENCY_NS, 3).unwrap_or_else(fallback);
    histogram.auto(true);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_its_own_histogram() {
        let mut latencies = Latencies::default();
        let step = Latency { alert_ns: Some(1000), map_ns: Some(5000), ..Latency::default() };
        latencies.isolated(&step);
        latencies.isolated(&Latency::default());
        latencies.dropped(&Latency { first_drop_ns: Some(90_000), ..step });
        let counters: std::collections::HashMap<String, u64> = latencies.counters().collect();
        let of =
            |name: &str| (counters[&format!("{name}.count")], counters[&format!("{name}.p50_ns")] / 1000);
        assert_eq!(of("isolation.alert_latency"), (1, 1));
        assert_eq!(of("isolation.latency"), (1, 5));
        assert_eq!(of("isolation.first_drop_latency"), (1, 90));
    }
}
