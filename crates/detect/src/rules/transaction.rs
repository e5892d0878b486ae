//! Where rules on transactions are looked for: by direction, progress and buffer.

use proto::Progress;
use rules::Buffer;
use wire::Direction;

use super::compiled::{Compiled, progress};
use super::fast::Literal;
use super::group::{Group, GroupBuilder};

/// Rules that are found by a literal in one buffer.
#[derive(Debug)]
pub(crate) struct BufferGroup {
    pub(crate) buffer: Buffer,
    /// The chain of transforms before the search.
    pub(crate) transforms: u16,
    /// Protocols of its rules, as bits.
    pub(crate) apps: u64,
    pub(crate) group: Group,
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
        points.map(|p| p.buffers.iter().map(|b| b.group.memory()).sum::<usize>() + p.always.len() * 16).sum()
    }
}

#[derive(Debug, Default)]
struct PointBuilder {
    buffers: Vec<(Buffer, u16, u64, GroupBuilder)>,
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
        found_by: Option<(Buffer, u16, Literal<'_>)>,
    ) {
        let apps = compiled.apps;
        let Some((buffer, transforms, literal)) = found_by else {
            let point = &mut self.0[way.index()][compiled.progress() as usize];
            return point.always.push((apps, number));
        };
        let point = &mut self.0[way.index()][progress(buffer.info().stage) as usize];
        let known = point.buffers.iter().position(|of| (of.0, of.1) == (buffer, transforms));
        let at = known.unwrap_or_else(|| {
            point.buffers.push((buffer, transforms, 0, GroupBuilder::default()));
            point.buffers.len() - 1
        });
        if let Some((_, _, all, group)) = point.buffers.get_mut(at) {
            *all |= apps;
            group.add(literal.bytes, literal.nocase, number);
        }
    }

    pub(crate) fn build(self) -> Transactions {
        Transactions(self.0.map(|points| {
            points.map(|point| {
                let buffers = point.buffers.into_iter().map(|(buffer, transforms, apps, group)| {
                    BufferGroup { buffer, transforms, apps, group: group.build() }
                });
                Point { buffers: buffers.collect(), always: point.always }
            })
        }))
    }
}
