//! What others count beside the sensor.

use std::fmt;
use std::sync::Arc;

/// Counters of somebody outside of the sensor (push, ledger ...), by dotted name. They are read by whoever reads the
/// sensor's own: it must not wait for anything.
#[derive(Clone)]
pub struct ExtraCounters(Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>);

impl ExtraCounters {
    /// Counters that `read` gives. It must not wait: the warden calls it.
    #[must_use]
    pub fn new(read: impl Fn() -> Vec<(String, u64)> + Send + Sync + 'static) -> Self {
        ExtraCounters(Arc::new(read))
    }

    /// The present values.
    pub(crate) fn read(&self) -> Vec<(String, u64)> {
        (self.0)()
    }
}

impl fmt::Debug for ExtraCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExtraCounters")
    }
}
