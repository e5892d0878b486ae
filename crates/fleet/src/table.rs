//! What the fleet knows, as far as it is known here. Pure: no network, no clock.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use wire::{Nanos, Target};

use crate::record::{Decision, Record, State};

/// Targets whose records are kept; what is beyond is refused and counted (`fleet.table_full`).
pub(crate) const MAX_TARGETS: usize = 262_144;
/// How long a record that is over stays in the bucket: clocks differ. Its own site takes it away first.
const PURGE_AFTER: Duration = Duration::from_secs(60);
/// The same for records of other sites, in case those are gone.
const PURGE_OTHERS_AFTER: Duration = Duration::from_secs(600);

/// What a record from the bucket was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// News: it is to be done here.
    New,
    /// What this box has written itself.
    Echo,
    /// Known already.
    Known,
    /// Older than what is known.
    Stale,
    /// Over.
    Over,
    /// There is no room for it.
    NoRoom,
}

#[derive(Debug)]
struct Known {
    record: Record,
    /// The bucket's revision of this key, as far as it is known; 0: there is none.
    revision: u64,
    /// Whether the bucket has this record.
    shared: bool,
    /// Whether it stands in the queue of those that are to be published.
    queued: bool,
    /// Whether it is on its way into the bucket.
    flying: bool,
}

/// A record on its way into the bucket.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) record: Record,
    /// The revision that it replaces.
    pub(crate) revision: u64,
}

/// A record that is over, to be taken out of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Purge {
    pub(crate) due: Nanos,
    pub(crate) target: Target,
    pub(crate) revision: u64,
}

/// See the module's text.
#[derive(Debug)]
pub struct Table {
    site: Arc<str>,
    room: usize,
    known: HashMap<Target, Known>,
    /// When which record is over.
    ends: BTreeSet<(Nanos, Target)>,
    over: BTreeSet<Purge>,
    outbox: VecDeque<Target>,
    waiting: usize,
    isolated: usize,
}

impl Table {
    /// An empty table of a site.
    #[must_use]
    pub fn new(site: Arc<str>) -> Self {
        Table {
            site,
            room: MAX_TARGETS,
            known: HashMap::new(),
            ends: BTreeSet::new(),
            over: BTreeSet::new(),
            outbox: VecDeque::new(),
            waiting: 0,
            isolated: 0,
        }
    }

    /// Targets that are isolated.
    #[must_use]
    pub fn isolated(&self) -> usize {
        self.isolated
    }

    /// Records that the bucket does not have yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// What is known about a target.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<&Record> {
        self.known.get(target).map(|known| &known.record)
    }

    /// All records, in no order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.known.values().map(|known| &known.record)
    }

    /// This site has decided. The decision comes after all that is known of its target, whatever the clocks say: who
    /// releases a host means the isolation that is in force. False if there is no room for it.
    pub fn decide(&mut self, mut decision: Decision) -> bool {
        if let Some(known) = self.known.get(&decision.target) {
            decision.at = decision.at.max(Nanos(known.record.decision.at.0.saturating_add(1)));
        } else if self.known.len() >= self.room {
            return false;
        }
        let target = decision.target;
        let record = Record { site: self.site.clone(), decision: decision.cut() };
        self.enter(record);
        self.queue(target);
        true
    }

    /// The bucket has this record under this revision.
    pub fn learn(&mut self, record: Record, revision: u64, now: Nanos) -> Learned {
        let target = record.decision.target;
        if record.is_over(now) {
            let wait = if record.site == self.site { PURGE_AFTER } else { PURGE_OTHERS_AFTER };
            self.over.insert(Purge { due: record.decision.until.after(wait), target, revision });
            self.revise(target, revision, false);
            return Learned::Over;
        }
        match self.known.get(&target) {
            None if self.known.len() >= self.room => Learned::NoRoom,
            Some(known) if known.record == record => {
                let own = known.flying || known.revision == revision;
                self.revise(target, revision, true);
                if own { Learned::Echo } else { Learned::Known }
            }
            Some(known) if !record.beats(&known.record) => {
                self.revise(target, revision, false);
                Learned::Stale
            }
            _ => {
                self.enter(record);
                self.revise(target, revision, true);
                Learned::New
            }
        }
    }

    /// The bucket has nothing of this target, under this revision; 0: it never had.
    pub(crate) fn has_none(&mut self, target: Target, revision: u64) {
        if let Some(known) = self.known.get_mut(&target) {
            known.revision = revision;
        }
    }

    /// The next record for the bucket.
    pub(crate) fn next_outgoing(&mut self, now: Nanos) -> Option<Outgoing> {
        while let Some(target) = self.outbox.pop_front() {
            let Some(known) = self.known.get_mut(&target) else { continue };
            known.queued = false;
            if !known.shared && !known.flying && !known.record.is_over(now) {
                known.flying = true;
                return Some(Outgoing { record: known.record.clone(), revision: known.revision });
            }
        }
        None
    }

    /// A record is in the bucket now.
    pub(crate) fn published(&mut self, sent: &Record, revision: u64) {
        let target = sent.decision.target;
        let Some(known) = self.known.get_mut(&target) else { return };
        known.flying = false;
        let same = known.record == *sent;
        self.revise(target, revision, same);
        self.queue(target);
    }

    /// A record did not get into the bucket; it waits again.
    pub(crate) fn returned(&mut self, target: Target) {
        if let Some(known) = self.known.get_mut(&target) {
            known.flying = false;
        }
        self.queue(target);
    }

    /// A new connection: what the bucket has is to be learned anew.
    pub(crate) fn forget_bucket(&mut self) {
        self.over.clear();
        for known in self.known.values_mut() {
            (known.revision, known.flying) = (0, false);
        }
    }

    /// The whole bucket has been learned, all that is in it with a revision. What it lacks is queued.
    pub(crate) fn caught_up(&mut self) {
        let lacking: Vec<Target> =
            self.known.iter().filter(|(_, known)| known.revision == 0).map(|(&target, _)| target).collect();
        for target in lacking {
            self.mark(target, false);
            self.queue(target);
        }
    }

    /// Forgets records that are over; tells which of them are to be taken out of the bucket, up to so many.
    pub(crate) fn sweep(&mut self, now: Nanos, most: usize) -> Vec<Purge> {
        while let Some(&(until, target)) = self.ends.first().filter(|(until, _)| *until <= now) {
            self.ends.remove(&(until, target));
            let Some(known) = self.known.remove(&target) else { continue };
            self.isolated -= usize::from(known.record.decision.state == State::Isolated);
            self.waiting -= usize::from(!known.shared);
            if known.revision > 0 {
                let own = known.record.site == self.site;
                let wait = if own { PURGE_AFTER } else { PURGE_OTHERS_AFTER };
                self.over.insert(Purge { due: until.after(wait), target, revision: known.revision });
            }
        }
        let mut due = Vec::new();
        while due.len() < most
            && let Some(&purge) = self.over.first().filter(|purge| purge.due <= now)
        {
            self.over.remove(&purge);
            due.push(purge);
        }
        due
    }

    /// Puts a record in the place of what was known.
    fn enter(&mut self, record: Record) {
        let (target, until) = (record.decision.target, record.decision.until);
        let isolated = usize::from(record.decision.state == State::Isolated);
        self.waiting += 1;
        let known = match self.known.remove(&target) {
            Some(known) => {
                self.ends.remove(&(known.record.decision.until, target));
                self.isolated -= usize::from(known.record.decision.state == State::Isolated);
                self.waiting -= usize::from(!known.shared);
                Known { record, shared: false, ..known }
            }
            None => Known { record, revision: 0, shared: false, queued: false, flying: false },
        };
        self.isolated += isolated;
        self.ends.insert((until, target));
        self.known.insert(target, known);
    }

    /// Sets whether the bucket has a target's record.
    fn mark(&mut self, target: Target, shared: bool) {
        if let Some(known) = self.known.get_mut(&target)
            && known.shared != shared
        {
            known.shared = shared;
            self.waiting = if shared { self.waiting - 1 } else { self.waiting + 1 };
        }
    }

    /// A revision of the bucket, and whether it is the record that is known here. Older news of it say nothing.
    fn revise(&mut self, target: Target, revision: u64, same: bool) {
        let Some(known) = self.known.get_mut(&target) else { return };
        if revision >= known.revision {
            known.revision = revision;
            self.mark(target, same);
            self.queue(target);
        }
    }

    fn queue(&mut self, target: Target) {
        if let Some(known) = self.known.get_mut(&target)
            && !known.shared
            && !known.queued
            && !known.flying
        {
            known.queued = true;
            self.outbox.push_back(target);
        }
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
