//! Rules on packets that are found by a literal: those for payloads of each range of sizes in a search of its own, and so
//! those for flows that have come so far. Most rules on packets ask for a small payload, and many for a server that has
//! not answered yet: what is large, or late, would be searched for them in vain.

use std::collections::BTreeMap;

use rules::{FlowTest, NumberTest, PacketTest, Side};
use wire::Direction;

use super::fast::Literal;
use super::group::{Group, GroupBuilder};

/// Sizes are told apart by powers of two: up to 15 bytes, up to 31, and so on; the last has no end.
const SIZES: usize = 8;
/// Bits of a size that are not told apart.
const SMALLEST_BITS: u32 = 4;

/// Sequence numbers that a server has used (its SYN among them) from which on it has answered.
const ANSWERED: u64 = 8;

/// How far a flow has come: whether both sides have spoken (bit 0), and whether the server has answered (bit 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing(usize);

impl Standing {
    const ALL: usize = 4;

    #[inline]
    pub(crate) fn new(established: bool, stream_sizes: [u64; 2]) -> Self {
        let answered = stream_sizes[Direction::ToClient.index()] >= ANSWERED;
        Standing(usize::from(established) | usize::from(answered) << 1)
    }

    /// Those in which a rule can match, as bits.
    pub(crate) fn of(flow: FlowTest, tests: &[PacketTest]) -> u8 {
        let before_an_answer = |test: &PacketTest| match test {
            PacketTest::StreamSize {
                side: Some(Side::Destination), test: NumberTest::Less(size), ..
            } => *size <= ANSWERED,
            _ => false,
        };
        let early = tests.iter().any(before_an_answer);
        let may = |&standing: &usize| {
            let (established, answered) = (standing & 1 == 1, standing & 2 == 2);
            let spoken = if established { !flow.not_established } else { !flow.established };
            spoken && !(answered && early)
        };
        (0..Self::ALL).filter(may).fold(0, |all, standing| all | 1 << standing)
    }
}

fn class(size: u32) -> usize {
    let bits = u32::BITS - size.leading_zeros();
    (bits.saturating_sub(SMALLEST_BITS) as usize).min(SIZES - 1)
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct PacketGroups {
    groups: Vec<Group>,
    /// By standing and size; beyond the last: none.
    of: [[u8; SIZES]; Standing::ALL],
}

impl PacketGroups {
    /// The search for payloads of that size.
    #[inline]
    pub(crate) fn of(&self, size: u32, standing: Standing) -> Option<&Group> {
        self.groups.get(usize::from(self.of[standing.0][class(size)]))
    }

    /// Bytes on the heap.
    pub(crate) fn memory(&self) -> usize {
        self.groups.iter().map(Group::memory).sum()
    }
}

#[derive(Debug)]
struct Entry {
    literal: Literal,
    rule: u32,
    size: (u32, u32),
    standings: u8,
}

/// Collects rules.
#[derive(Debug, Default)]
pub(crate) struct PacketBuilder(Vec<Entry>);

impl PacketBuilder {
    /// A rule on payloads of that size, the least and the most, in flows of these standings.
    pub(crate) fn add(&mut self, literal: &Literal, rule: u32, size: (u32, u32), standings: u8) {
        self.0.push(Entry { literal: literal.clone(), rule, size, standings });
    }

    pub(crate) fn build(self) -> PacketGroups {
        let mut built = PacketGroups::default();
        let mut known: BTreeMap<Vec<usize>, u8> = BTreeMap::from([(Vec::new(), u8::MAX)]);
        for (standing, sizes) in built.of.iter_mut().enumerate() {
            for (size, number) in sizes.iter_mut().enumerate() {
                let may = |entry: &Entry| {
                    entry.standings >> standing & 1 == 1
                        && (class(entry.size.0)..=class(entry.size.1)).contains(&size)
                };
                let here: Vec<usize> =
                    self.0.iter().enumerate().filter(|(_, entry)| may(entry)).map(|(at, _)| at).collect();
                *number = *known.entry(here).or_insert_with_key(|here| {
                    let mut group = GroupBuilder::default();
                    for entry in here.iter().filter_map(|&at| self.0.get(at)) {
                        group.add(&entry.literal, entry.rule);
                    }
                    built.groups.push(group.build());
                    // There are 32 at most.
                    (built.groups.len() - 1) as u8
                });
            }
        }
        built
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_looked_for_where_they_can_match() {
        let mut builder = PacketBuilder::default();
        let any = Literal { bytes: (*b"any").into(), ..Literal::default() };
        let (anyone, established) =
            (FlowTest::default(), FlowTest { established: true, ..Default::default() });
        let early = [PacketTest::StreamSize {
            side: Some(Side::Destination),
            both: false,
            test: NumberTest::Less(5),
        }];
        builder.add(&any, 1, (0, u32::MAX), Standing::of(anyone, &[]));
        builder.add(&any, 2, (0, 20), Standing::of(anyone, &[]));
        builder.add(&any, 3, (1000, u32::MAX), Standing::of(established, &[]));
        builder.add(&any, 4, (0, u32::MAX), Standing::of(established, &early));
        let groups = builder.build();
        let of = |size, established, server| {
            let mut found = Vec::new();
            if let Some(group) = groups.of(size, Standing::new(established, [0, server])) {
                group.candidates(b"many", 0, &mut found);
            }
            found
        };
        assert_eq!(of(0, true, 100), [1, 2]);
        assert_eq!(of(31, false, 1), [1, 2], "20 and 31 are not told apart");
        assert_eq!(of(32, true, ANSWERED), [1]);
        assert_eq!(of(32, true, ANSWERED - 1), [1, 4]);
        assert_eq!(of(511, false, 0), [1]);
        assert_eq!((of(512, true, 100), of(u32::MAX, true, 100)), (vec![1, 3], vec![1, 3]));
        assert_eq!(of(2000, false, 100), [1]);
        let not = FlowTest { not_established: true, ..Default::default() };
        assert_eq!(Standing::of(not, &early), 0b0001);
        assert!(PacketBuilder::default().build().of(3, Standing(3)).is_none());
    }
}
