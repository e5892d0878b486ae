//! What the recorder has to tell of itself, for whoever runs beside it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::recorder::EventTypes;

/// Counters of the recorder, and what is asked of it. Only the recorder writes the counters, anybody may read them.
#[derive(Debug)]
pub struct OutputState {
    /// Evidence packets not written because of a limit.
    pub evidence_packets: AtomicU64,
    /// Evidence packets not written because the disk refused them.
    pub evidence_unwritten: AtomicU64,
    /// Files not stored because of a limit, or because pieces of them were lost.
    pub files: AtomicU64,
    /// Incidents without report files because of a limit; their events are in eve.json.
    pub reports: AtomicU64,
    /// Times eve.json was opened anew: asked for, or because its path no longer led to it.
    pub reopened: AtomicU64,
    /// Times eve.json was renamed by its own rotation.
    pub rotated: AtomicU64,
    /// Rotations, compressions and removals of old files that failed.
    pub rotation_errors: AtomicU64,
    /// Lines that wait in memory because the disk refused them.
    pub waiting: AtomicU64,
    failing: AtomicBool,
    lost: Vec<(&'static str, AtomicU64)>,
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Default for OutputState {
    fn default() -> Self {
        let zero = AtomicU64::default;
        OutputState {
            evidence_packets: zero(),
            evidence_unwritten: zero(),
            files: zero(),
            reports: zero(),
            reopened: zero(),
            rotated: zero(),
            rotation_errors: zero(),
            waiting: zero(),
            failing: AtomicBool::new(false),
            lost: EventTypes::known().map(|name| (name, zero())).chain([("other", zero())]).collect(),
            asked: zero(),
            answered: zero(),
        }
    }
}

impl OutputState {
    /// Asks the recorder to open eve.json anew, at its next tick; what [`OutputState::is_reopened`] takes.
    pub fn ask_to_reopen(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether what was asked for then is done.
    #[must_use]
    pub fn is_reopened(&self, asked: u64) -> bool {
        self.answered.load(Ordering::Acquire) >= asked
    }

    /// The number of the last request that is not carried out yet.
    pub(crate) fn wish(&self) -> Option<u64> {
        let asked = self.asked.load(Ordering::Acquire);
        (asked > self.answered.load(Ordering::Acquire)).then_some(asked)
    }

    pub(crate) fn granted(&self, wish: u64) {
        self.answered.store(wish, Ordering::Release);
    }

    /// Whether the disk refuses to take what is to be written.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    /// Whether that has changed.
    pub(crate) fn set_failing(&self, failing: bool) -> bool {
        self.failing.swap(failing, Ordering::Relaxed) != failing
    }

    /// A line of that type is lost.
    pub(crate) fn lose(&self, kind: &str) {
        let place = self.lost.iter().find(|(name, _)| *name == kind).or(self.lost.last());
        if let Some((_, count)) = place {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that could not be written, of all types.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(|(_, count)| count.load(Ordering::Relaxed)).sum()
    }

    /// Lines that could not be written, by event type; only types of which there are any.
    #[must_use]
    pub fn lost_by_type(&self) -> Vec<(&'static str, u64)> {
        let counts = self.lost.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed)));
        counts.filter(|&(_, count)| count > 0).collect()
    }

    /// Everything by the names of docs/counters.md.
    #[must_use]
    pub fn counters(&self) -> Vec<(String, u64)> {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let named = [
            ("output.evidence_packets_refused", of(&self.evidence_packets)),
            ("output.evidence_packets_unwritten", of(&self.evidence_unwritten)),
            ("output.files_refused", of(&self.files)),
            ("output.reports_refused", of(&self.reports)),
            ("output.reopened", of(&self.reopened)),
            ("output.rotated", of(&self.rotated)),
            ("output.rotation_errors", of(&self.rotation_errors)),
            ("output.lines_waiting", of(&self.waiting)),
            ("output.failing", u64::from(self.is_failing())),
        ];
        let named = named.into_iter().map(|(name, value)| (name.to_owned(), value));
        let lost = self.lost_by_type();
        named.chain(lost.into_iter().map(|(kind, count)| (format!("output.lost.{kind}"), count))).collect()
    }
}
