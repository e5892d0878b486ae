//! What detectors match with, and the policy that alerts are judged by, swapped whole while the sensor runs.
//!
//! Whoever has a new one publishes it; each worker looks once a batch whether there is one, which costs it a relaxed
//! read, and goes on with it from the next packet. What was there before is in force until then, and is given up by
//! whoever published the new one: no worker ever spends its time freeing it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use detect::Home;
use detect::rules::{BODY_LIMIT, HostBits, Matcher, Profiles, RuleSet, Thresholds};
use intel::{Indicators, Kind};
use rules::Filters;
use verdict::{Judge, Policy};

use crate::files::FileOptions;

/// What detectors match with, and what is done about it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Threat intelligence.
    pub indicators: Arc<Indicators>,
    /// Rules.
    pub rules: Arc<RuleSet>,
    /// Which of the rules' alerts are told, beyond what they say themselves.
    pub filters: Arc<Filters>,
    /// What is done about alerts.
    pub policy: Arc<Policy>,
    /// Which hosts are ours.
    pub home: Arc<Home>,
    /// Where it is counted what rules cost, if it is.
    pub profiles: Option<Arc<Profiles>>,
    /// Bits that rules set on hosts: they outlive the rules.
    pub(crate) hosts: HostBits,
}

impl Snapshot {
    /// With these indicators.
    #[must_use]
    pub fn new(indicators: Indicators) -> Self {
        Snapshot { indicators: Arc::new(indicators), ..Snapshot::default() }
    }

    /// With these rules.
    #[must_use]
    pub fn with_rules(self, rules: Arc<RuleSet>, filters: Filters) -> Self {
        Snapshot { rules, filters: Arc::new(filters), ..self }
    }

    /// With this policy.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Snapshot { policy: Arc::new(policy), ..self }
    }

    /// With these home networks.
    #[must_use]
    pub fn with_home(self, home: Home) -> Self {
        Snapshot { home: Arc::new(home), ..self }
    }

    /// With what outlives the one before it.
    pub(crate) fn after(self, before: &Snapshot) -> Self {
        Snapshot { hosts: before.hosts.clone(), ..self }
    }

    /// What is counted of rules beside the workers, by the names of [`VERDICT_COUNTERS`](crate::VERDICT_COUNTERS).
    pub(crate) fn rule_counters(&self) -> [(String, u64); 3] {
        [
            ("rules.in_force".to_owned(), self.rules.len() as u64),
            ("rules.hostbits_refused".to_owned(), self.hosts.refused()),
            ("rules.dataset_entries_refused".to_owned(), self.rules.dataset_entries_refused()),
        ]
    }

    pub(crate) fn matcher(&self) -> Matcher {
        let matcher = Matcher::new(self.rules.clone(), self.hosts.clone());
        match &self.profiles {
            Some(profiles) => matcher.with_profile(profiles.clone()),
            None => matcher,
        }
    }

    pub(crate) fn thresholds(&self) -> Thresholds {
        Thresholds::new(&self.rules, &self.filters)
    }

    pub(crate) fn judge(&self) -> Judge {
        Judge::new(Policy::clone(&self.policy))
    }

    /// What must be done with files so that all of it can match.
    pub(crate) fn files(&self, configured: &FileOptions) -> FileOptions {
        let has = |kind| self.rules.wants_hashes() || self.indicators.has(kind);
        FileOptions {
            md5: configured.md5 || has(Kind::Md5),
            sha1: configured.sha1 || has(Kind::Sha1),
            sha256: configured.sha256 || has(Kind::Sha256),
            inspected: if self.rules.wants_files() { BODY_LIMIT } else { 0 },
            ..configured.clone()
        }
    }
}

/// The one in force, for all workers.
#[derive(Debug)]
pub(crate) struct Snapshots {
    current: Mutex<Arc<Snapshot>>,
    /// How many there were before it.
    generation: AtomicU64,
    pub reloads: AtomicU64,
    pub reloads_failed: AtomicU64,
}

impl Snapshots {
    pub fn new(first: Arc<Snapshot>) -> Self {
        Snapshots {
            current: Mutex::new(first),
            generation: AtomicU64::new(0),
            reloads: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Snapshot>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn current(&self) -> Arc<Snapshot> {
        self.lock().clone()
    }

    /// Puts a new one in force; the one that was.
    pub fn publish(&self, next: Arc<Snapshot>) -> Arc<Snapshot> {
        let old = std::mem::replace(&mut *self.lock(), next);
        self.generation.fetch_add(1, Ordering::Release);
        old
    }

    /// The one in force, if it is not the one that was `seen`.
    #[inline]
    pub fn newer(&self, seen: &mut u64) -> Option<Arc<Snapshot>> {
        let generation = self.generation.load(Ordering::Acquire);
        if generation == *seen {
            return None;
        }
        *seen = generation;
        Some(self.current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use intel::Loader;

    fn snapshot(text: &str) -> Arc<Snapshot> {
        let mut loader = Loader::new();
        loader.text("list", text).unwrap();
        Arc::new(Snapshot::new(loader.finish().0))
    }

    #[test]
    fn a_new_one_is_seen_once_by_each() {
        let snapshots = Snapshots::new(snapshot("a.example\n"));
        let (mut one, mut two) = (0, 0);
        assert!(snapshots.newer(&mut one).is_none());
        let old = snapshots.publish(snapshot("b.example\nc.example\n"));
        assert_eq!((old.indicators.len(), Arc::strong_count(&old)), (1, 1));
        for seen in [&mut one, &mut two] {
            assert_eq!(snapshots.newer(seen).map(|next| next.indicators.len()), Some(2));
            assert!(snapshots.newer(seen).is_none());
        }
    }

    #[test]
    fn files_are_hashed_for_those_who_look_for_them() {
        let of = |text: &str| {
            let files = snapshot(text).files(&FileOptions { md5: true, ..FileOptions::default() });
            (files.md5, files.sha1, files.sha256)
        };
        assert_eq!(of("a.example\n"), (true, false, false));
        assert_eq!(of(&format!("{}\n{}\n", "a".repeat(64), "b".repeat(40))), (true, true, true));
    }
}
