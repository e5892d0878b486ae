//! A histogram that one thread writes and any thread reads, without a lock.
//!
//! Buckets are those of HdrHistogram with three bits of precision: every value is known to within an eighth.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of a value that are kept behind its highest.
const PRECISION: u32 = 3;
const SUB: usize = 1 << PRECISION;
/// Values from here on (some 18 minutes, if they are nanoseconds) count as this one.
const MAX_BITS: u32 = 40;
const BUCKETS: usize = (MAX_BITS - PRECISION + 1) as usize * SUB;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct AtomicHistogram {
    buckets: [AtomicU64; BUCKETS],
}

impl Default for AtomicHistogram {
    fn default() -> Self {
        AtomicHistogram { buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

fn bucket(value: u64) -> usize {
    let value = value.min((1 << MAX_BITS) - 1);
    let bits = u64::BITS - value.leading_zeros();
    if bits <= PRECISION {
        return value as usize;
    }
    let shift = bits - PRECISION - 1;
    (shift as usize + 1) * SUB + (value >> shift) as usize - SUB
}

/// The largest value of a bucket.
fn ceiling(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = bucket / SUB - 1;
    (((bucket % SUB + SUB + 1) as u64) << shift) - 1
}

impl AtomicHistogram {
    /// Counts a value. Only for the one writer: it is a plain load and store.
    pub(crate) fn record(&self, value: u64) {
        let counter = &self.buckets[bucket(value)];
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// The values at these quantiles (0 to 1), and the greatest; zeroes if nothing was recorded.
    pub(crate) fn quantiles<const N: usize>(&self, quantiles: [f64; N]) -> ([u64; N], u64) {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let at = |quantile: f64| {
            let rank = ((total as f64 * quantile).ceil() as u64).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|n| {
                seen += n;
                seen >= rank
            });
            found.map_or(0, ceiling)
        };
        let greatest = counts.iter().rposition(|&n| n > 0).map_or(0, ceiling);
        (quantiles.map(at), greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_known_to_within_an_eighth() {
        for value in (0..200_000).chain((0..40).map(|bit| 1 << bit)).chain([(1 << 40) - 1]) {
            let known = ceiling(bucket(value));
            assert!(known >= value && known - value <= value / 8, "{value} counts as {known}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let histogram = AtomicHistogram::default();
        assert_eq!(histogram.quantiles([0.5]), ([0], 0));
        (1..=1000).for_each(|value| histogram.record(value));
        let ([half, most], greatest) = histogram.quantiles([0.5, 0.99]);
        assert!((500..=563).contains(&half) && (990..=1114).contains(&most), "{half} {most}");
        assert!((1000..=1125).contains(&greatest));
    }
}
