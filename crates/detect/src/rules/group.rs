//! A search for the candidates among rules: by literals, and the rules that each of them stands for.
//!
//! Many literals count only near the beginning of what is searched. They have a search of their own that looks at no
//! more than that, so that the other one has fewer, and rarer, literals to look for.

use search::{Anchor, Builder, Patterns};

use super::fast::Literal;

/// Literals that have to end within so many bytes are looked for there only.
pub(crate) const HEAD: usize = 64;

/// Patterns that are remembered to have been found in a search: many are found over and over.
const RECENT: usize = 64;

/// Patterns, and the rules that each stands for.
#[derive(Debug, Default)]
struct IndexBuilder {
    patterns: Builder,
    rules: Vec<Vec<u32>>,
}

impl IndexBuilder {
    fn add(&mut self, literal: &Literal, anchor: Anchor, rule: u32) {
        let id = self.patterns.add_at(&literal.bytes, literal.nocase, anchor) as usize;
        if self.rules.len() <= id {
            self.rules.resize_with(id + 1, Vec::new);
        }
        let Some(rules) = self.rules.get_mut(id) else { return };
        if rules.last() != Some(&rule) {
            rules.push(rule);
        }
    }

    fn build(self) -> Index {
        let mut starts = Vec::with_capacity(self.rules.len() + 1);
        let mut rules = Vec::with_capacity(self.rules.iter().map(Vec::len).sum());
        starts.push(0);
        for of in self.rules {
            rules.extend(of);
            starts.push(u32::try_from(rules.len()).unwrap_or(u32::MAX));
        }
        Index { patterns: self.patterns.build(), starts: starts.into(), rules: rules.into() }
    }
}

/// See [`IndexBuilder`].
#[derive(Debug, Default)]
struct Index {
    patterns: Patterns,
    /// Where the rules of each pattern begin; one more at the end.
    starts: Box<[u32]>,
    rules: Box<[u32]>,
}

impl Index {
    #[inline]
    fn find(&self, haystack: &[u8], from: usize, out: &mut Vec<u32>) {
        if self.patterns.is_empty() {
            return;
        }
        let mut recent = [u32::MAX; RECENT];
        self.patterns.find(haystack, from, &mut |id, _| {
            if std::mem::replace(&mut recent[id as usize % RECENT], id) == id {
                return;
            }
            let id = id as usize;
            if let (Some(&start), Some(&end)) = (self.starts.get(id), self.starts.get(id + 1)) {
                out.extend_from_slice(self.rules.get(start as usize..end as usize).unwrap_or_default());
            }
        });
    }

    fn memory(&self) -> usize {
        self.patterns.memory() + (self.starts.len() + self.rules.len()) * size_of::<u32>()
    }
}

/// Collects rules with the literal that each is found by.
#[derive(Debug, Default)]
pub(crate) struct GroupBuilder {
    anywhere: IndexBuilder,
    head: IndexBuilder,
}

impl GroupBuilder {
    /// A rule on bytes of which more may come before and after.
    pub(crate) fn add(&mut self, literal: &Literal, rule: u32) {
        if literal.reach.is_some_and(|reach| reach <= HEAD) {
            self.head.add(literal, Anchor::Anywhere, rule);
        } else {
            self.anywhere.add(literal, Anchor::Anywhere, rule);
        }
    }

    /// A rule on a buffer that is always seen from its first to its last byte.
    pub(crate) fn add_whole(&mut self, literal: &Literal, rule: u32) {
        match (literal.at_start, literal.at_end) {
            (_, true) => self.anywhere.add(literal, Anchor::End, rule),
            (true, false) => self.anywhere.add(literal, Anchor::Start, rule),
            (false, false) => self.add(literal, rule),
        }
    }

    pub(crate) fn build(self) -> Group {
        Group { anywhere: self.anywhere.build(), head: self.head.build() }
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Group {
    anywhere: Index,
    head: Index,
}

impl Group {
    /// Appends the rules whose literal ends behind `from`, of those that count near the beginning at most [`HEAD`] bytes
    /// behind it. What begins at `from` may also be the beginning of a packet.
    #[inline]
    pub(crate) fn candidates(&self, haystack: &[u8], from: usize, out: &mut Vec<u32>) {
        self.anywhere.find(haystack, from, out);
        let head = haystack.get(..from.saturating_add(HEAD)).unwrap_or(haystack);
        self.head.find(head, from, out);
    }

    /// Bytes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.anywhere.memory() + self.head.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_found_where_they_count() {
        let literal = |bytes: &[u8], reach| Literal { bytes: bytes.into(), reach, ..Literal::default() };
        let mut builder = GroupBuilder::default();
        builder.add(&literal(b"abc", None), 1);
        builder.add(&literal(b"abc", Some(HEAD)), 2);
        builder.add(&literal(b"abc", Some(HEAD + 1)), 3);
        builder.add_whole(&Literal { at_start: true, ..literal(b"abc", Some(3)) }, 4);
        builder.add_whole(&Literal { at_end: true, ..literal(b"abc", None) }, 5);
        let group = builder.build();
        let of = |before: usize, after: usize, from| {
            let bytes = [&vec![b'.'; before][..], b"abc", &vec![b'.'; after]].concat();
            let mut found = Vec::new();
            group.candidates(&bytes, from, &mut found);
            found.sort_unstable();
            found.dedup();
            found
        };
        assert_eq!(of(0, 0, 0), [1, 2, 3, 4, 5]);
        assert_eq!(of(0, 5, 0), [1, 2, 3, 4]);
        assert_eq!(of(HEAD - 3, 5, 0), [1, 2, 3]);
        assert_eq!(of(HEAD - 2, 5, 0), [1, 3]);
        assert_eq!(of(HEAD - 2, 0, 1), [1, 2, 3, 5], "a packet begins there");
        assert_eq!(of(1, 5, 4), [0; 0], "it was told before");
    }
}
