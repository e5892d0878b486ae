//! What workers match with.

use std::sync::Arc;

use detect::IndicatorDetector;
use detect::rules::{BODY_LIMIT, HostBits, Matcher, RuleSet, Thresholds};
use rules::Filters;

use crate::files::FileOptions;

/// Shared by all workers.
#[derive(Clone, Debug)]
pub struct Detectors {
    /// Indicators.
    pub indicators: IndicatorDetector,
    /// Rules.
    pub rules: Arc<RuleSet>,
    /// Which of the rules' alerts are told, beyond what they say themselves.
    pub filters: Filters,
    /// Bits that rules set on hosts.
    pub hosts: Arc<HostBits>,
}

impl Detectors {
    /// Indicators, and no rules.
    #[must_use]
    pub fn of_indicators(indicators: IndicatorDetector) -> Self {
        Detectors { indicators, rules: Arc::default(), filters: Filters::default(), hosts: Arc::default() }
    }

    /// With these rules.
    #[must_use]
    pub fn with_rules(self, rules: Arc<RuleSet>, filters: Filters) -> Self {
        Detectors { rules, filters, ..self }
    }

    pub(crate) fn thresholds(&self) -> Thresholds {
        Thresholds::new(&self.rules, self.filters.clone())
    }

    /// What is done with files, with what the rules want of them.
    pub(crate) fn file_options(&self, options: &FileOptions) -> FileOptions {
        let mut options = options.clone();
        if self.rules.wants_files() {
            options.inspected = BODY_LIMIT;
        }
        if self.rules.wants_hashes() {
            (options.md5, options.sha1, options.sha256) = (true, true, true);
        }
        options
    }

    pub(crate) fn matcher(&self) -> Matcher {
        Matcher::new(self.rules.clone(), self.hosts.clone())
    }
}
