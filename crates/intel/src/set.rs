//! The compiled set: compact, immutable but for its tallies of hits, looked up without allocating.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use wire::Nanos;

use crate::attributes::{Attributes, Pool, UNKNOWN};
use crate::hits::Tally;
use crate::kind::Kind;
use crate::patterns::{Patterns, Progress};
use crate::store::{Found, Record};
use crate::table::{Observable, Table, render};

const NANOS: u64 = 1_000_000_000;

/// An indicator that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The same for the same indicator in every set of this process.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// The indicator in its canonical form.
    pub indicator: Cow<'a, str>,
    /// What its list says about it.
    pub description: Option<&'a str>,
    /// How sure its list is, in percent.
    pub confidence: Option<u8>,
    /// Its list.
    pub file: &'a str,
    /// Its line in the list, from 1.
    pub line: u32,
    tags: &'a str,
    techniques: &'a str,
    place: Place,
}

/// Where its tally is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Slot(usize),
    Pattern(usize),
}

impl<'a> Match<'a> {
    /// The tags that its list gives it.
    pub fn tags(&self) -> impl Iterator<Item = &'a str> {
        self.tags.lines()
    }

    /// Identifiers of the ATT&CK techniques that its list names: "T1566.001".
    pub fn techniques(&self) -> impl Iterator<Item = &'a str> {
        self.techniques.lines()
    }
}

/// An indicator that was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// "domain", "ip" ...
    pub kind: &'static str,
    /// The indicator in its canonical form.
    pub indicator: String,
    /// How often.
    pub count: u32,
    /// When last, in seconds since 1970.
    pub last: u32,
    /// Its list and line, as "FILE:LINE".
    pub source: String,
}

/// See the module's text.
#[derive(Debug)]
pub struct Indicators {
    /// Tells this set's progress of patterns from that of others.
    number: u64,
    listed: Table,
    allowed: Table,
    patterns: Patterns,
    pool: Pool,
    /// By slot of the table. Most are never touched, and so take no memory.
    hits: Box<[AtomicU64]>,
}

impl Default for Indicators {
    fn default() -> Self {
        Indicators::new(Table::default(), Table::default(), Patterns::default(), Pool::default())
    }
}

impl Indicators {
    pub(crate) fn new(mut listed: Table, allowed: Table, mut patterns: Patterns, pool: Pool) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        listed.store.seal();
        patterns.seal();
        let hits = bytemuck::allocation::zeroed_slice_box(listed.store.slots());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Indicators { number, listed, allowed, patterns, pool, hits }
    }

    /// Number of indicators.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.store.len() + self.patterns.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are any of a kind, as parts of patterns, too.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.listed.has(kind) || self.patterns.has(kind)
    }

    /// Whether any has several parts.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Bytes of memory, but for the tallies of hits: eight for each indicator that was hit, in whole pages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.listed.store.bytes() + self.allowed.store.bytes() + self.pool.bytes()
    }

    /// The listed domain that `name` is, or lies below; the most specific if there are several. `now` decides whether
    /// an indicator's time is over.
    #[must_use]
    pub fn domain(&self, name: &str, now: Nanos) -> Option<Match<'_>> {
        let found = self.listed.domain(name, self.in_force(now))?;
        self.unless_allowed(&Observable::Domain(name), found)
    }

    /// The listed address, or the smallest listed network that it is in.
    #[must_use]
    pub fn ip(&self, ip: IpAddr, now: Nanos) -> Option<Match<'_>> {
        self.look_up(&Observable::Ip(ip), now)
    }

    /// The indicator that names what is seen.
    #[must_use]
    pub fn look_up(&self, seen: &Observable<'_>, now: Nanos) -> Option<Match<'_>> {
        let found = self.listed.look_up(seen, self.in_force(now))?;
        self.unless_allowed(seen, found)
    }

    /// Notes what a flow shows; a pattern that is whole with it.
    #[must_use]
    pub fn advance(&self, seen: &Observable<'_>, now: Nanos, progress: &mut Progress) -> Option<Match<'_>> {
        if self.patterns.is_empty() || self.allowed.covers(seen) {
            return None;
        }
        let valid = |attributes| self.is_in_force(attributes, now);
        let number = self.patterns.advance(seen, self.number, progress, |p| valid(p.attributes))? as usize;
        self.pattern(number)
    }

    /// Counts a hit.
    pub fn hit(&self, of: &Match<'_>, now: Nanos) {
        let cell = match of.place {
            Place::Slot(slot) => self.hits.get(slot),
            Place::Pattern(number) => self.patterns.all.get(number).map(|pattern| &pattern.hits),
        };
        if let Some(cell) = cell {
            Tally::at(now).add_to(cell);
        }
    }

    /// Everything that was hit, the most often hit first, and of these the latest.
    #[must_use]
    pub fn hits(&self) -> Vec<Hit> {
        let row = |found: Match<'_>, tally: Tally| Hit {
            kind: found.kind.name(),
            source: format!("{}:{}", found.file, found.line),
            indicator: found.indicator.into_owned(),
            count: tally.count,
            last: tally.last,
        };
        let mut rows: Vec<Hit> = self
            .tallies()
            .filter_map(|(slot, tally)| {
                let record = self.listed.store.at(slot)?;
                Some(row(self.describe(Found { record, slot, hash: 0 }), tally))
            })
            .collect();
        rows.extend(self.patterns.all.iter().enumerate().filter_map(|(number, pattern)| {
            let tally = Tally::read(&pattern.hits);
            (tally.count > 0).then_some(row(self.pattern(number)?, tally))
        }));
        rows.sort_by(|a, b| (b.count, b.last, &a.indicator).cmp(&(a.count, a.last, &b.indicator)));
        rows
    }

    /// All hits together.
    #[must_use]
    pub fn hit_count(&self) -> u64 {
        let patterns = self.patterns.all.iter().map(|p| Tally::read(&p.hits).count);
        self.tallies().map(|(_, tally)| tally.count).chain(patterns).map(u64::from).sum()
    }

    fn tallies(&self) -> impl Iterator<Item = (usize, Tally)> {
        let read = |(slot, cell)| (slot, Tally::read(cell));
        self.hits.iter().enumerate().map(read).filter(|(_, tally)| tally.count > 0)
    }

    /// Adds the hits of the set that this one takes the place of, for indicators that are in both. Nobody may count
    /// hits in the old one any more.
    pub fn inherit(&self, old: &Indicators) {
        for (slot, tally) in old.tallies() {
            let Some(record) = old.listed.store.at(slot) else { continue };
            if let Some(cell) =
                self.listed.store.find(record.kind, record.key).and_then(|found| self.hits.get(found.slot))
            {
                tally.add_to(cell);
            }
        }
        let own: HashMap<&str, &AtomicU64> = self.patterns.all.iter().map(|p| (&*p.text, &p.hits)).collect();
        for pattern in &old.patterns.all {
            if let (tally, Some(cell)) = (Tally::read(&pattern.hits), own.get(&*pattern.text)) {
                tally.add_to(cell);
            }
        }
    }

    #[inline]
    fn in_force(&self, now: Nanos) -> impl FnMut(&Record<'_>) -> bool {
        move |record| self.is_in_force(record.attributes, now)
    }

    fn is_in_force(&self, attributes: u32, now: Nanos) -> bool {
        let Attributes { expires, from, .. } = self.pool.get(attributes);
        let seconds = now.0 / NANOS;
        seconds >= u64::from(from) && (expires == 0 || seconds < u64::from(expires))
    }

    fn unless_allowed<'a>(&'a self, seen: &Observable<'_>, found: Found<'a>) -> Option<Match<'a>> {
        if self.allowed.store.len() > 0 && self.allowed.covers(seen) {
            return None;
        }
        Some(self.describe(found))
    }

    fn describe<'a>(&'a self, found: Found<'a>) -> Match<'a> {
        let Found { record, slot, hash } = found;
        let indicator = render(record.kind, record.key);
        self.said(hash, record.kind, indicator, record.line, record.attributes, Place::Slot(slot))
    }

    fn pattern(&self, number: usize) -> Option<Match<'_>> {
        let pattern = self.patterns.all.get(number)?;
        let id = self.listed.store.hash(Kind::Pattern, pattern.text.as_bytes());
        let (text, place) = ((&*pattern.text).into(), Place::Pattern(number));
        Some(self.said(id, Kind::Pattern, text, pattern.line, pattern.attributes, place))
    }

    fn said<'a>(
        &'a self,
        id: u64,
        kind: Kind,
        indicator: Cow<'a, str>,
        line: u32,
        attributes: u32,
        place: Place,
    ) -> Match<'a> {
        let of = self.pool.get(attributes);
        Match {
            id,
            kind,
            indicator,
            description: Some(self.pool.text(of.description)).filter(|text| !text.is_empty()),
            confidence: Some(of.confidence).filter(|&percent| percent != UNKNOWN),
            file: self.pool.text(of.file),
            line,
            tags: self.pool.text(of.tags),
            techniques: self.pool.text(of.techniques),
            place,
        }
    }
}
