//! Counters of what runs beside the sensor: the API and the like.

use std::fmt;
use std::sync::Arc;

/// Reads some counters by name; called whenever stats are, so it may not wait for anything.
#[derive(Clone)]
pub struct MoreCounters(Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>);

impl fmt::Debug for MoreCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MoreCounters")
    }
}

impl MoreCounters {
    /// Counters that `read` tells, each under a name of its own.
    #[must_use]
    pub fn new(read: impl Fn() -> Vec<(String, u64)> + Send + Sync + 'static) -> Self {
        MoreCounters(Arc::new(read))
    }

    pub(crate) fn read(&self) -> Vec<(String, u64)> {
        (self.0)()
    }
}
