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

/// Turns arrival times into wall-clock times that never run backwards.
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
            self.offset = wall().0.saturating_sub(monotonic().0);
            self.measured = now;
        }
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
