//! How many anomaly events of malformed frames and of fragments may be written: whoever sends garbage shall not fill the disk.

use output::{AnomalyEvent, Event, Shown, Stamp};
use wire::Nanos;

use crate::counters::WorkerCounters;
use crate::input::Input;
use crate::rooms::stamp;

/// Anomaly events of malformed frames and of fragments that a worker may write at once.
pub const DECODE_ANOMALY_BURST: u64 = 1000;
/// And in each second of packet time after that.
pub const DECODE_ANOMALIES_PER_SECOND: u64 = 100;

/// Packet time that one event costs.
const COST: u64 = 1_000_000_000 / DECODE_ANOMALIES_PER_SECOND;
const FULL: u64 = DECODE_ANOMALY_BURST * COST;

/// A token bucket in packet time, so that the same packets give the same events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    credit: u64,
    last: Nanos,
    /// Somebody behind sees the anomalies of all workers in the order of their packets, and limits them.
    open: bool,
}

impl Default for Limiter {
    fn default() -> Self {
        Limiter { credit: FULL, last: Nanos(0), open: false }
    }
}

impl Limiter {
    /// Lets everything pass.
    pub(crate) fn open() -> Self {
        Limiter { open: true, ..Limiter::default() }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        *self = Limiter { open: self.open, ..Limiter::default() };
    }

    /// The event of an anomaly; `None`, and counted, if it is one too many.
    pub(crate) fn decode_event(
        &mut self,
        event: &'static str,
        input: &Input<'_>,
        counters: &WorkerCounters,
        shown: &Shown,
    ) -> Option<(Stamp, Event)> {
        if self.allows(input.time) {
            let ether = shown.ether(input.link, input.bytes);
            let event = AnomalyEvent { ether, ..AnomalyEvent::decode(event) };
            return Some((stamp(input, input.time), Event::Anomaly(Box::new(event))));
        }
        counters.anomalies_suppressed.add(1);
        None
    }

    /// Whether one more event may be written at `now`.
    pub(crate) fn allows(&mut self, now: Nanos) -> bool {
        if self.open {
            return true;
        }
        let passed = now.0.saturating_sub(self.last.0);
        // Time that runs backwards (another capture, packets out of order) gives nothing, and takes nothing.
        self.last = now;
        self.credit = self.credit.saturating_add(passed).min(FULL);
        match self.credit.checked_sub(COST) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let mut limiter = Limiter::default();
        let start = 1_700_000_000_000_000_000;
        let allowed = |limiter: &mut Limiter, at: u64, tries: usize| {
            (0..tries).filter(|_| limiter.allows(Nanos(at))).count() as u64
        };
        assert_eq!(allowed(&mut limiter, start, 5000), DECODE_ANOMALY_BURST);
        assert_eq!(allowed(&mut limiter, start - 5, 5000), 0, "time that runs backwards gives nothing");
        assert_eq!(allowed(&mut limiter, start + 999_999_995, 5000), DECODE_ANOMALIES_PER_SECOND);
        assert_eq!(allowed(&mut limiter, start + 3600 * 1_000_000_000, 5000), DECODE_ANOMALY_BURST);
    }
}
