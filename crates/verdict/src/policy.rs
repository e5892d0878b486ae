//! What the operator wants done about which alerts.

use std::time::Duration;

use alert::{Alert, Observation, Severity};

use crate::protected::Protected;

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Isolate.
    #[default]
    Enforce,
    /// Record what would have been done.
    Observe,
}

/// The isolation policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether verdicts are enforced.
    pub mode: Mode,
    /// What must have been seen.
    pub isolate_on: Vec<Observation>,
    /// How severe an alert must at least be.
    pub min_severity: Severity,
    /// How long an isolation lasts.
    pub lifetime: Duration,
    /// Who is never isolated.
    pub protected: Protected,
}

impl Default for Policy {
    /// Isolate for an hour on every high-severity indicator hit, and when a rule says that traffic should be dropped.
    fn default() -> Self {
        Policy {
            mode: Mode::Enforce,
            isolate_on: Observation::ALL.into_iter().filter(|&seen| seen != Observation::Rule).collect(),
            min_severity: Severity::High,
            lifetime: Duration::from_secs(3600),
            protected: Protected::default(),
        }
    }
}

impl Policy {
    /// Whether an alert asks for isolation. Severity 1 is worse than 2.
    #[must_use]
    pub fn wants_isolation(&self, alert: &Alert) -> bool {
        alert.severity <= self.min_severity && self.isolate_on.contains(&alert.observation)
    }
}
