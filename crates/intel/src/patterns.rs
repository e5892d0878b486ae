//! Indicators of several parts that must all be seen: AND in STIX patterns. They are seen together when they are seen
//! on one flow: the name in a request and the address that it goes to, a server's name and its certificate.

use std::sync::atomic::AtomicU64;

use crate::indicator::Indicator;
use crate::kind::Kind;
use crate::store::{Inserted, Record};
use crate::table::{Observable, Table};

/// Parts of a pattern.
pub const MAX_PARTS: usize = 32;
/// Patterns of which a flow has shown a part; further ones are not followed on it.
const MAX_OPEN: usize = 32;

/// One pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// Its parts as text, for alerts.
    pub text: Box<str>,
    pub line: u32,
    pub attributes: u32,
    /// A bit for each of its parts.
    all: u32,
    pub hits: AtomicU64,
}

/// A part of a pattern: which one, and its bit.
type Part = (u32, u32);

/// All patterns of a set.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    table: Table,
    /// By the number that a record of the table has in place of its attributes.
    parts: Vec<Vec<Part>>,
    pub all: Vec<Pattern>,
}

/// What of a set's patterns a flow has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    set: u64,
    seen: Vec<Part>,
}

impl Progress {
    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

impl Patterns {
    /// Adds a pattern of at most [`MAX_PARTS`] parts; false if it is there already or there is no room.
    pub fn insert(&mut self, parts: &[Indicator], line: u32, attributes: u32) -> bool {
        let mut texts: Vec<String> = parts
            .iter()
            .map(|part| format!("{}:{}", part.kind.name(), crate::table::render(part.kind, &part.key)))
            .collect();
        texts.sort_unstable();
        let text = texts.join(" AND ");
        let Ok(number) = u32::try_from(self.all.len()) else { return false };
        if parts.len() > MAX_PARTS || self.holds(parts, &text) {
            return false;
        }
        let mut all = 0;
        for (place, part) in parts.iter().enumerate() {
            let bit = 1_u32.checked_shl(place as u32).unwrap_or(0);
            let list = match self.exact(part) {
                Some(list) => list,
                None => {
                    let list = self.parts.len() as u32;
                    if self.table.insert(part.kind, &part.key, line, list) != Inserted::New {
                        return false;
                    }
                    self.parts.push(Vec::new());
                    list
                }
            };
            if let Some(list) = self.parts.get_mut(list as usize) {
                list.push((number, bit));
            }
            all |= bit;
        }
        self.all.push(Pattern { text: text.into(), line, attributes, all, hits: AtomicU64::new(0) });
        true
    }

    fn exact(&self, part: &Indicator) -> Option<u32> {
        let hash = self.table.store.hash(part.kind, &part.key);
        self.table.store.find_hashed(hash, part.kind, &part.key).map(|found| found.record.attributes)
    }

    fn holds(&self, parts: &[Indicator], text: &str) -> bool {
        let list = parts.first().and_then(|part| self.parts.get(self.exact(part)? as usize));
        list.is_some_and(|list| {
            list.iter().any(|&(number, _)| self.all.get(number as usize).is_some_and(|p| *p.text == *text))
        })
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a part is of that kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.table.has(kind)
    }

    pub fn seal(&mut self) {
        self.table.store.seal();
    }

    /// Notes what is seen; the number of a pattern that is whole with it, and that `accept` takes.
    pub fn advance(
        &self,
        seen: &Observable<'_>,
        set: u64,
        progress: &mut Progress,
        accept: impl Fn(&Pattern) -> bool,
    ) -> Option<u32> {
        if progress.set != set {
            *progress = Progress { set, seen: Vec::new() };
        }
        let mut whole = None;
        let note = |record: &Record<'_>| {
            for &(number, bit) in self.parts.get(record.attributes as usize).into_iter().flatten() {
                let known = progress.seen.iter().position(|&(open, _)| open == number);
                let at = match known {
                    Some(at) => at,
                    None if progress.seen.len() < MAX_OPEN => {
                        progress.seen.push((number, 0));
                        progress.seen.len() - 1
                    }
                    None => continue,
                };
                let Some((_, bits)) = progress.seen.get_mut(at) else { continue };
                *bits |= bit;
                if self.all.get(number as usize).is_some_and(|p| p.all == *bits && accept(p)) {
                    whole = Some(number);
                }
            }
            // All parents and networks are parts, not only the nearest.
            false
        };
        self.table.look_up(seen, note);
        whole
    }
}
