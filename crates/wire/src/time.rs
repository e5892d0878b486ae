//! Time comes with the packet: nobody in the pure rooms asks a clock.

use core::fmt;
use core::time::Duration;

/// Nanoseconds since the UNIX epoch (UTC), as the capture source gave them with the packet.
///
/// The same type carries monotonic readings where the field's name says so; the two are never mixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The time `d` later, saturating at the end of the scale (year 2554).
    #[must_use]
    pub fn after(self, d: Duration) -> Self {
        Nanos(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies in the future (packets come out of order).
    #[must_use]
    pub fn since(self, earlier: Nanos) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds(), self.0 % 1_000_000_000)
    }
}
