//! A search for the candidates among rules: one automaton, and the rules that each of its patterns stands for.

use search::{Builder, Patterns};

/// Collects rules with the literal that each is found by.
#[derive(Debug, Default)]
pub(crate) struct GroupBuilder {
    patterns: Builder,
    rules: Vec<Vec<u32>>,
}

impl GroupBuilder {
    pub(crate) fn add(&mut self, pattern: &[u8], nocase: bool, rule: u32) {
        let id = self.patterns.add(pattern, nocase) as usize;
        if self.rules.len() <= id {
            self.rules.resize_with(id + 1, Vec::new);
        }
        let Some(rules) = self.rules.get_mut(id) else { return };
        if rules.last() != Some(&rule) {
            rules.push(rule);
        }
    }

    pub(crate) fn build(self) -> Group {
        let mut starts = Vec::with_capacity(self.rules.len() + 1);
        let mut rules = Vec::with_capacity(self.rules.iter().map(Vec::len).sum());
        starts.push(0);
        for of in self.rules {
            rules.extend(of);
            starts.push(u32::try_from(rules.len()).unwrap_or(u32::MAX));
        }
        Group { patterns: self.patterns.build(), starts: starts.into(), rules: rules.into() }
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Group {
    patterns: Patterns,
    /// Where the rules of each pattern begin; one more at the end.
    starts: Box<[u32]>,
    rules: Box<[u32]>,
}

impl Group {
    /// Appends the rules whose pattern ends behind `from`.
    pub(crate) fn candidates(&self, haystack: &[u8], from: usize, out: &mut Vec<u32>) {
        self.patterns.find(haystack, from, &mut |id, _| {
            let id = id as usize;
            if let (Some(&start), Some(&end)) = (self.starts.get(id), self.starts.get(id + 1)) {
                out.extend_from_slice(self.rules.get(start as usize..end as usize).unwrap_or_default());
            }
        });
    }

    /// Bytes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.patterns.memory() + (self.starts.len() + self.rules.len()) * size_of::<u32>()
    }
}
