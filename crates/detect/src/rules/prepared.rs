//! Buffers of a transaction, each prepared once however many rules ask for it.

use rules::Buffer;
use smallvec::SmallVec;
use wire::Direction;

use super::compiled::Chains;
use super::others;
use super::view::{Instances, View};

/// Instances of one buffer.
#[derive(Clone, Copy, Debug)]
struct Known {
    buffer: Buffer,
    transforms: u16,
    start: usize,
    end: usize,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    pub(crate) view: View<'a>,
    pub(crate) direction: Direction,
    instances: Instances<'a>,
    known: SmallVec<[Known; 16]>,
    scratch: [Vec<u8>; 2],
}

impl<'a> Prepared<'a> {
    /// Nothing is prepared yet. The vectors are used again.
    pub(crate) fn new(view: View<'a>, direction: Direction, vectors: [Vec<u8>; 3]) -> Self {
        let [arena, one, two] = vectors;
        Prepared {
            view,
            direction,
            instances: Instances::new(arena),
            known: SmallVec::new(),
            scratch: [one, two],
        }
    }

    /// The vectors, for the next time.
    pub(crate) fn into_vectors(self) -> [Vec<u8>; 3] {
        let [one, two] = self.scratch;
        [self.instances.into_arena(), one, two]
    }

    /// The places of a buffer's instances.
    pub(crate) fn places(
        &mut self,
        buffer: Buffer,
        transforms: u16,
        chains: &Chains,
    ) -> std::ops::Range<usize> {
        let known = self.known.iter().find(|k| (k.buffer, k.transforms) == (buffer, transforms));
        if let Some(known) = known {
            return known.start..known.end;
        }
        let range = if transforms == 0 {
            let start = self.instances.len();
            others::instances(&self.view, self.direction, buffer, &mut self.instances);
            start..self.instances.len()
        } else {
            let plain = self.places(buffer, 0, chains);
            let start = self.instances.len();
            for place in plain {
                let [output, spare] = &mut self.scratch;
                if let Some(transforms) = chains.get(transforms) {
                    transforms.apply(self.instances.get(place), output, spare);
                    self.instances.build(|out| out.extend_from_slice(output));
                }
            }
            start..self.instances.len()
        };
        self.known.push(Known { buffer, transforms, start: range.start, end: range.end });
        range
    }

    /// The bytes at a place.
    pub(crate) fn get(&self, place: usize) -> &[u8] {
        self.instances.get(place)
    }
}
