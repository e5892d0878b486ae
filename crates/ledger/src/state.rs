//! Who is isolated, as far as lines tell.

use std::collections::BTreeMap;

use wire::Target;

use crate::line::Body;
use crate::record::{Effect, Record};

/// Changes of an isolation that are remembered.
pub const MAX_CHANGES: usize = 16;

/// An isolation that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolated {
    /// How it stands after its latest step: whom, how far and until when are of that, who decided and why of its first.
    pub record: Record,
    /// Later steps, the latest [`MAX_CHANGES`], as they were written.
    pub changes: Vec<Record>,
    /// Lines behind that step are missing or damaged: it may have ended.
    pub in_doubt: bool,
}

impl Isolated {
    fn new(record: Record, in_doubt: bool) -> Self {
        Isolated { record, changes: Vec::new(), in_doubt }
    }

    /// Another step of the same isolation: it does not change who decided it first, and why.
    fn change(&mut self, step: &Record) {
        let Record { action, by, who, reason, peer, .. } = self.record.clone();
        self.record = Record { action, by, who, reason, peer, ..step.clone() };
        self.in_doubt = false;
        if self.changes.len() >= MAX_CHANGES {
            self.changes.remove(0);
        }
        self.changes.push(step.clone());
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) open: BTreeMap<Target, Isolated>,
    /// How those that were meant to run on were ended.
    pub(crate) ended: BTreeMap<Target, Record>,
    pub(crate) last_verdict: u64,
}

impl State {
    pub(crate) fn apply(&mut self, body: &Body) {
        match body {
            Body::Head(_) => {}
            Body::Carry { record, in_doubt } => {
                self.last_verdict = self.last_verdict.max(record.verdict);
                self.open.insert(record.target, Isolated::new(record.clone(), *in_doubt));
            }
            Body::Record(record) => self.step(record),
            Body::Lost(_) => self.doubt(),
        }
    }

    /// One step.
    pub(crate) fn step(&mut self, record: &Record) {
        self.last_verdict = self.last_verdict.max(record.verdict);
        match record.effect() {
            Effect::Opens => {
                self.ended.remove(&record.target);
                match self.open.get_mut(&record.target) {
                    Some(open) if open.record.verdict == record.verdict => open.change(record),
                    _ => {
                        self.open.insert(record.target, Isolated::new(record.clone(), false));
                    }
                }
            }
            Effect::Closes => {
                let isolated = self.open.remove(&record.target);
                let until = isolated.and_then(|isolated| isolated.record.until).or(record.until);
                if until.is_some_and(|until| until > record.time) {
                    self.ended.insert(record.target, record.clone());
                }
            }
            Effect::None => {}
        }
    }

    /// Something is missing here: whoever was isolated before may have been released in it.
    pub(crate) fn doubt(&mut self) {
        self.open.values_mut().for_each(|isolated| isolated.in_doubt = true);
    }
}
