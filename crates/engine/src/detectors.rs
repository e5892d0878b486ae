//! What workers match with.

use std::sync::Arc;

use detect::IndicatorDetector;
use detect::rules::{HostBits, Matcher, RuleSet};

/// Shared by all workers.
#[derive(Clone, Debug)]
pub struct Detectors {
    /// Indicators.
    pub indicators: IndicatorDetector,
    /// Rules.
    pub rules: Arc<RuleSet>,
    /// Bits that rules set on hosts.
    pub hosts: Arc<HostBits>,
}

impl Detectors {
    /// Indicators, and no rules.
    #[must_use]
    pub fn of_indicators(indicators: IndicatorDetector) -> Self {
        Detectors { indicators, rules: Arc::default(), hosts: Arc::default() }
    }

    /// With these rules.
    #[must_use]
    pub fn with_rules(self, rules: Arc<RuleSet>) -> Self {
        Detectors { rules, ..self }
    }

    pub(crate) fn matcher(&self) -> Matcher {
        Matcher::new(self.rules.clone(), self.hosts.clone())
    }
}
