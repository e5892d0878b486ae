//! What lives while one rule is verified on one packet or transaction.

use pcre2::bytes::CaptureLocations;

use crate::Turn;

use super::{CAPTURED_BYTES, MAX_CAPTURES, MAX_VARIABLES, expression};

/// What lives while one rule is verified: variables, captured groups, places to go back to. Used again and again, so
/// that nothing is allocated per rule.
#[derive(Debug)]
pub struct State {
    /// What `byte_extract` and `byte_math` kept, by slot. They survive from part to part.
    pub variables: [u64; MAX_VARIABLES],
    /// What captured groups matched.
    pub captures: Captures,
    /// Where the last match of the last part that held ended, in its buffer.
    pub last: usize,
    /// How often a limit ended a verification.
    pub counts: Counts,
    /// Places to go back to when a later test fails.
    pub(super) choices: Vec<Choice>,
    /// Groups of the last expression.
    pub(super) groups: CaptureLocations,
    /// What `base64_decode` decoded.
    pub(super) decoded: Vec<u8>,
    /// Bytes searched for one part.
    pub(super) searched: u64,
    /// For what workers share, if there is an order to keep.
    pub turn: Option<Turn>,
}

/// A test that matched and might match elsewhere too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    /// Which test.
    pub(super) test: usize,
    /// Where the match before it ended.
    pub(super) last: usize,
    /// Where it goes on.
    pub(super) resume: usize,
    /// Captured groups at that time.
    pub(super) captures: usize,
}

/// How often a limit ended a verification, which then counts as no match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// More tests than [`super::MAX_STEPS`].
    pub steps: u64,
    /// More bytes searched than [`super::MAX_SEARCHED`].
    pub searched: u64,
    /// An expression went back too often or too deep.
    pub expressions: u64,
    /// Captured groups for which there was no room.
    pub captures: u64,
}

/// What captured groups matched, bounded in number and bytes.
#[derive(Debug, Default)]
pub struct Captures {
    list: Vec<(rules::Capture, usize, usize)>,
    bytes: Vec<u8>,
}

impl Captures {
    /// Which variables take which bytes, in the order of the tests.
    pub fn iter(&self) -> impl Iterator<Item = (&rules::Capture, &[u8])> {
        self.list
            .iter()
            .map(|(capture, start, end)| (capture, self.bytes.get(*start..*end).unwrap_or_default()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Keeps one; false if there is no room.
    pub(super) fn push(&mut self, capture: &rules::Capture, bytes: &[u8]) -> bool {
        let start = self.bytes.len();
        if self.list.len() >= MAX_CAPTURES || bytes.len() > CAPTURED_BYTES.saturating_sub(start) {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.list.push((capture.clone(), start, self.bytes.len()));
        true
    }

    /// Forgets those behind the first `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        if count < self.list.len() {
            self.list.truncate(count);
            self.bytes.truncate(self.list.last().map_or(0, |(_, _, end)| *end));
        }
    }
}

impl Default for State {
    fn default() -> Self {
        State {
            variables: [0; MAX_VARIABLES],
            captures: Captures::default(),
            last: 0,
            counts: Counts::default(),
            choices: Vec::new(),
            groups: expression::groups(),
            decoded: Vec::new(),
            searched: 0,
            turn: None,
        }
    }
}

impl State {
    /// Forgets what the rule before it left; counts go on.
    pub fn reset(&mut self) {
        self.variables = [0; MAX_VARIABLES];
        self.captures.truncate(0);
        self.last = 0;
        self.choices.clear();
    }
}
