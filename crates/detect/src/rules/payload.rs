//! Where rules on payload and packets are looked for: by transport, direction, whether the ends are in the home network,
//! and the server's port.
//!
//! Rules that hold for every port are searched for in one group; those that name ports in a second, that of the port.
//! Ports with the same rules share a group, and so do cases of the home network.

use std::sync::Arc;

use wire::Direction;

use super::always::Always;
use super::fixed::FixedIndex;
use super::group::Group;
use super::home::CASES;
use super::sizes::PacketGroups;
use super::transport::Transport;

/// Rules of one group.
#[derive(Debug, Default)]
pub(crate) struct PortGroup {
    /// By literals in the stream of TCP.
    pub(crate) stream: Group,
    /// By literals in packets.
    pub(crate) packet: PacketGroups,
    /// By bytes at a fixed place of the stream.
    pub(crate) stream_fixed: FixedIndex,
    /// By bytes at a fixed place of packets.
    pub(crate) packet_fixed: FixedIndex,
    /// Rules on packets with so many bytes of payload, by these.
    pub(crate) sized: Box<[(u32, u32)]>,
    /// Rules on streams without a literal.
    pub(crate) stream_always: Vec<u32>,
    /// Rules on packets without a literal.
    pub(crate) packet_always: Vec<Always>,
}

impl PortGroup {
    /// The rules on packets with just that many bytes of payload.
    pub(crate) fn of_size(&self, size: u32) -> impl Iterator<Item = u32> {
        let start = self.sized.partition_point(|&(of, _)| of < size);
        let from = self.sized.get(start..).unwrap_or_default();
        from.iter().take_while(move |&&(of, _)| of == size).map(|&(_, rule)| rule)
    }

    fn memory(&self) -> usize {
        self.stream.memory()
            + self.packet.memory()
            + self.stream_fixed.memory()
            + self.packet_fixed.memory()
            + self.stream_always.len() * size_of::<u32>()
            + self.sized.len() * size_of::<(u32, u32)>()
            + self.packet_always.len() * size_of::<Always>()
    }
}

/// Rules of one transport, direction and case of the home network.
#[derive(Debug, Default)]
pub(crate) struct PortGroups {
    pub(super) every: PortGroup,
    pub(super) groups: Vec<PortGroup>,
    /// From which port on which group holds, or none.
    pub(super) from: Vec<(u16, u16)>,
}

/// No group of its own.
pub(super) const NONE: u16 = u16::MAX;

impl PortGroups {
    /// The group of every port, and that of this one if it has its own.
    pub(crate) fn at(&self, port: u16) -> impl Iterator<Item = &PortGroup> {
        let behind = self.from.partition_point(|&(first, _)| first <= port);
        let number = behind.checked_sub(1).and_then(|at| self.from.get(at)).map_or(NONE, |&(_, group)| group);
        std::iter::once(&self.every).chain(self.groups.get(usize::from(number)))
    }

    fn memory(&self) -> usize {
        self.every.memory() + self.groups.iter().map(PortGroup::memory).sum::<usize>()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Payload(pub(super) [[[Arc<PortGroups>; CASES]; 2]; 4]);

impl Payload {
    pub(crate) fn of(&self, transport: Transport, direction: Direction, case: usize) -> &PortGroups {
        &self.0[transport as usize][direction.index()][case % CASES]
    }

    pub(crate) fn memory(&self) -> usize {
        let share = |groups: &Arc<PortGroups>| groups.memory() / Arc::strong_count(groups).max(1);
        self.0.iter().flatten().flatten().map(share).sum()
    }
}
