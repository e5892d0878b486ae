//! Transactions and flows to alerts.
//!
//! In: a flow's first packet or a transaction, with its context. Out: alerts, each with severity,
//! victim and ATT&CK techniques. One file per detector; detectors keep no state of their own beyond
//! the small [`Memo`] that lies with the flow.
#![forbid(unsafe_code)]

pub mod c2;
mod catalogue;
mod finding;
mod indicator;
pub mod parties;
pub mod rules;
mod traits;

use flow::FlowTuple;
use wire::{Direction, Nanos};

pub use catalogue::{SignatureInfo, catalogue};
pub use indicator::{IndicatorDetector, Stage};

/// What a detector may know about the packet at hand.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Its flow.
    pub tuple: &'a FlowTuple,
    /// Which way it goes.
    pub direction: Direction,
    /// Capture time.
    pub time: Nanos,
    /// Arrival on the monotonic clock (live capture).
    pub arrival: Option<Nanos>,
}

/// What was alerted on this flow already, so that a lookup and its answer are one alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memo {
    seen: [Option<u64>; 4],
    next: u8,
    /// What the flow has shown of indicators of several parts.
    progress: intel::Progress,
}

impl Memo {
    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0 && self.progress.is_empty()
    }

    /// Whether this is the first time; remembers the last four.
    pub(crate) fn first(&mut self, id: u64) -> bool {
        if self.seen.contains(&Some(id)) {
            return false;
        }
        self.seen[usize::from(self.next) % self.seen.len()] = Some(id);
        self.next = self.next.wrapping_add(1);
        true
    }
}
