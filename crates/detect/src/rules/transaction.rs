//! Where rules on transactions are looked for: by direction, progress, buffer, and whether the ends are in
//! the home network.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::Progress;
use rules::Buffer;
use wire::Direction;

use super::compiled::{Compiled, progress};
use super::fast::Literal;
use super::group::{Group, GroupBuilder};
use super::home::CASES;

/// Rules that are found by a literal in one buffer.
#[derive(Debug)]
pub(crate) struct BufferGroup {
    pub(crate) buffer: Buffer,
    /// The chain of transforms before the search.
    pub(crate) transforms: u16,
    /// Protocols of its rules, as bits.
    pub(crate) apps: u64,
    /// By case of the home network.
    groups: [Arc<Group>; CASES],
}

impl BufferGroup {
    pub(crate) fn of(&self, case: usize) -> &Group {
        &self.groups[case % CASES]
    }

    fn memory(&self) -> usize {
        let share = |group: &Arc<Group>| group.memory() / Arc::strong_count(group).max(1);
        self.groups.iter().map(share).sum()
    }
}

/// Rules that are looked at when a side has come to a certain point.
#[derive(Debug, Default)]
pub(crate) struct Point {
    pub(crate) buffers: Vec<BufferGroup>,
    /// Rules without a literal, with the bits of their protocols.
    pub(crate) always: Vec<(u64, u32)>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Transactions([[Point; 2]; 2]);

impl Transactions {
    pub(crate) fn at(&self, direction: Direction, progress: Progress) -> &Point {
        &self.0[direction.index()][progress as usize]
    }

    pub(crate) fn memory(&self) -> usize {
        let points = self.0.iter().flatten();
        points.map(|p| p.buffers.iter().map(BufferGroup::memory).sum::<usize>() + p.always.len() * 16).sum()
    }
}

/// A rule that is found by a literal.
#[derive(Debug)]
struct Entry {
    literal: Literal,
    rule: u32,
    /// In which cases of the home network it can match, as bits.
    cases: u8,
}

/// For each case of the home network the search for its rules; cases with the same rules share it.
fn groups(entries: &[Entry]) -> [Arc<Group>; CASES] {
    let mut known: BTreeMap<Vec<u32>, Arc<Group>> = BTreeMap::new();
    std::array::from_fn(|case| {
        let of = || entries.iter().filter(|entry| entry.cases >> case & 1 == 1);
        let build = || {
            let mut group = GroupBuilder::default();
            for entry in of() {
                group.add_whole(&entry.literal, entry.rule);
            }
            Arc::new(group.build())
        };
        known.entry(of().map(|entry| entry.rule).collect()).or_insert_with(build).clone()
    })
}

#[derive(Debug, Default)]
struct PointBuilder {
    buffers: Vec<(Buffer, u16, u64, Vec<Entry>)>,
    always: Vec<(u64, u32)>,
}

/// Collects rules.
#[derive(Debug, Default)]
pub(crate) struct TransactionBuilder([[PointBuilder; 2]; 2]);

impl TransactionBuilder {
    pub(crate) fn add(
        &mut self,
        number: u32,
        compiled: &Compiled,
        way: Direction,
        found_by: Option<(Buffer, u16, &Literal)>,
        cases: u8,
    ) {
        let apps = compiled.apps;
        let Some((buffer, transforms, literal)) = found_by else {
            let point = &mut self.0[way.index()][compiled.progress() as usize];
            return point.always.push((apps, number));
        };
        let point = &mut self.0[way.index()][progress(buffer.info().stage) as usize];
        let known = point.buffers.iter().position(|of| (of.0, of.1) == (buffer, transforms));
        let at = known.unwrap_or_else(|| {
            point.buffers.push((buffer, transforms, 0, Vec::new()));
            point.buffers.len() - 1
        });
        if let Some((_, _, all, entries)) = point.buffers.get_mut(at) {
            *all |= apps;
            entries.push(Entry { literal: literal.clone(), rule: number, cases });
        }
    }

    pub(crate) fn build(self) -> Transactions {
        Transactions(self.0.map(|points| {
            points.map(|point| {
                let buffers = point.buffers.into_iter().map(|(buffer, transforms, apps, entries)| {
                    BufferGroup { buffer, transforms, apps, groups: groups(&entries) }
                });
                Point { buffers: buffers.collect(), always: point.always }
            })
        }))
    }
}
