//! The two clocks of a live sensor. Pure rooms never ask them: they are told.

use rustix::time::{ClockId, clock_gettime};
use wire::Nanos;

fn read(id: ClockId) -> Nanos {
    let now = clock_gettime(id);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Nanos(seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// CLOCK_MONOTONIC: what the XDP programs stamp frames with.
#[must_use]
pub fn monotonic() -> Nanos {
    read(ClockId::Monotonic)
}

/// CLOCK_REALTIME.
#[must_use]
pub fn wall() -> Nanos {
    read(ClockId::Realtime)
}

/// Turns arrival times into wall-clock times that never run backwards, nor stand still when the wall clock is set
/// back: they go at half speed then until it has caught up, because timeouts are measured in them.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    offset: u64,
    measured: Nanos,
    last: Nanos,
}

/// The wall clock may be set while the sensor runs: how often the difference is measured anew.
const MEASURE_EVERY_NS: u64 = 1_000_000_000;

impl WallClock {
    /// Once per batch: `now` is monotonic.
    pub(crate) fn refresh(&mut self, now: Nanos) {
        if self.measured.0 == 0 || now.0.saturating_sub(self.measured.0) > MEASURE_EVERY_NS {
            self.adjust(now, wall().0.saturating_sub(monotonic().0));
        }
    }

    /// At `now` the wall clock is `offset` ahead of the monotonic one.
    fn adjust(&mut self, now: Nanos, offset: u64) {
        let slowest = self.offset.saturating_sub(now.0.saturating_sub(self.measured.0) / 2);
        self.offset = if self.measured.0 == 0 { offset } else { offset.max(slowest) };
        self.measured = now;
    }

    /// The wall-clock time of a monotonic one, in no order with arrivals.
    pub(crate) fn wall_of(&self, monotonic: Nanos) -> Nanos {
        Nanos(monotonic.0 + self.offset)
    }

    /// The wall-clock time of an arrival.
    pub(crate) fn of(&mut self, arrival: Nanos) -> Nanos {
        self.last = self.last.max(Nanos(arrival.0 + self.offset));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Wall-clock seconds of an arrival each second, with the clock `offset(second)` seconds ahead.
    fn seconds(offset: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut clock = WallClock::default();
        let at = |s: u64| Nanos(s * SECOND);
        let mut times = Vec::new();
        for s in 1..=40 {
            clock.adjust(at(s), offset(s) * SECOND);
            times.push(clock.of(at(s)).0 / (SECOND / 2));
        }
        times
    }

    #[test]
    fn a_clock_that_is_set_forward_is_followed_at_once() {
        let times = seconds(|s| if s < 10 { 100 } else { 1000 });
        assert_eq!((times[8], times[9]), (2 * 109, 2 * 1010));
    }

    #[test]
    fn a_clock_that_is_set_back_slows_time_down_until_it_has_caught_up() {
        let times = seconds(|s| if s < 10 { 100 } else { 90 });
        assert!(times.is_sorted() && times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
        assert_eq!((times[8], times[39]), (2 * 109, 2 * 130));
    }

    #[test]
    fn an_arrival_before_another_gets_no_earlier_time() {
        let mut clock = WallClock::default();
        clock.adjust(Nanos(SECOND), 5 * SECOND);
        let later = clock.of(Nanos(2 * SECOND));
        assert_eq!(clock.of(Nanos(2 * SECOND - 1)), later);
    }
}
