//! From rules on payload and packets to the groups in which they are looked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::{PortSet, Rule};
use wire::Direction;

use super::addresses::Ends;
use super::always::Always;
use super::compiled::{Compiled, Kind};
use super::fast::Literal;
use super::fixed::{Fixed, FixedIndex};
use super::group::GroupBuilder;
use super::home::CASES;
use super::payload::{NONE, Payload, PortGroup, PortGroups};
use super::sizes::{PacketBuilder, Standing};
use super::transport::Transport;

/// Port sets that take more ports than this count as those that take all: the header is asked later.
const MANY_PORTS: u32 = 4096;

/// A rule before it is known which group it goes to.
#[derive(Clone, Debug)]
struct Entry {
    rule: u32,
    stream: bool,
    /// The packet's own payload counts too.
    packet: bool,
    literal: Option<Literal>,
    fixed: Option<Fixed>,
    always: Always,
    /// In which cases of the home network it can match, as bits.
    cases: u8,
    /// In which standings of the flow it can match.
    standings: u8,
}

/// Collects rules.
#[derive(Debug, Default)]
pub(crate) struct PayloadBuilder {
    sets: [[Vec<(PortSet, Entry)>; 2]; 4],
}

impl PayloadBuilder {
    /// A rule that goes that way, with the literal or the bytes at a fixed place by which it is found.
    pub(crate) fn add(
        &mut self,
        number: u32,
        compiled: &Compiled,
        rule: &Rule,
        way: Direction,
        (literal, fixed): (Option<&Literal>, Option<&Fixed>),
        cases: u8,
    ) {
        for transport in Transport::ALL.into_iter().filter(|t| t.carries(rule.header.proto)) {
            let entry = Entry {
                rule: number,
                stream: compiled.kind == Kind::Stream && transport == Transport::Tcp,
                packet: compiled.kind != Kind::Stream || compiled.apart || transport != Transport::Tcp,
                fixed: fixed.cloned(),
                literal: literal.cloned(),
                always: Always::new(number, &rule.packet),
                cases,
                standings: Standing::of(rule.flow, &rule.packet),
            };
            let ports = if matches!(transport, Transport::Tcp | Transport::Udp) {
                Ends::server_ports(&rule.header, way == Direction::ToServer)
            } else {
                vec![PortSet::default()]
            };
            for ports in ports {
                self.sets[transport as usize][way.index()].push((ports, entry.clone()));
            }
        }
    }

    pub(crate) fn build(self) -> Payload {
        Payload(self.sets.map(|ways| ways.map(|entries| cases(&entries))))
    }
}

/// For each case of the home network the groups of its rules; cases with the same rules share them.
fn cases(entries: &[(PortSet, Entry)]) -> [Arc<PortGroups>; CASES] {
    let mut known: BTreeMap<Vec<u32>, Arc<PortGroups>> = BTreeMap::new();
    std::array::from_fn(|case| {
        let of: Vec<&(PortSet, Entry)> =
            entries.iter().filter(|(_, entry)| entry.cases >> case & 1 == 1).collect();
        let rules = of.iter().map(|(_, entry)| entry.rule).collect();
        known.entry(rules).or_insert_with(|| Arc::new(groups(&of))).clone()
    })
}

fn groups(entries: &[&(PortSet, Entry)]) -> PortGroups {
    let width = |ports: &PortSet| {
        ports.ranges.iter().map(|&(first, last)| u32::from(last) - u32::from(first) + 1).sum::<u32>()
    };
    let (every, some): (Vec<_>, Vec<_>) =
        entries.iter().copied().partition(|(ports, _)| ports.is_any() || width(ports) > MANY_PORTS);
    // Ports at which the rules change.
    let mut borders: Vec<u32> = vec![0];
    for (ports, _) in &some {
        for &(first, last) in ports.ranges.iter() {
            borders.extend([u32::from(first), u32::from(last) + 1]);
        }
    }
    borders.sort_unstable();
    borders.dedup();
    let mut known: BTreeMap<Vec<usize>, u16> = BTreeMap::new();
    let mut built =
        PortGroups { every: group(every.iter().map(|(_, entry)| entry)), ..PortGroups::default() };
    for port in borders.into_iter().filter_map(|port| u16::try_from(port).ok()) {
        let here: Vec<usize> = some
            .iter()
            .enumerate()
            .filter(|(_, (ports, _))| ports.contains(port))
            .map(|(at, _)| at)
            .collect();
        let number = if here.is_empty() {
            NONE
        } else {
            *known.entry(here).or_insert_with_key(|here| {
                built.groups.push(group(here.iter().filter_map(|&at| some.get(at)).map(|(_, entry)| entry)));
                u16::try_from(built.groups.len() - 1).unwrap_or(NONE)
            })
        };
        built.from.push((port, number));
    }
    built
}

fn group<'a>(entries: impl Iterator<Item = &'a Entry>) -> PortGroup {
    let (mut stream, mut packet) = (GroupBuilder::default(), PacketBuilder::default());
    let (mut stream_always, mut packet_always) = (Vec::new(), Vec::new());
    let (mut stream_fixed, mut packet_fixed, mut sized) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        if let Some(fixed) = &entry.fixed {
            if entry.stream {
                stream_fixed.push((fixed.clone(), entry.rule));
            }
            if entry.packet {
                packet_fixed.push((fixed.clone(), entry.rule));
            }
            continue;
        }
        if entry.stream {
            match &entry.literal {
                Some(literal) => stream.add(literal, entry.rule),
                None => stream_always.push(entry.rule),
            }
            if !entry.packet {
                continue;
            }
        }
        match (entry.always.exact_size(), &entry.literal) {
            (Some(size), _) => sized.push((size, entry.rule)),
            (None, Some(literal)) => {
                packet.add(literal, entry.rule, entry.always.size, entry.standings);
            }
            (None, None) => packet_always.push(entry.always),
        }
    }
    sized.sort_unstable();
    PortGroup {
        stream: stream.build(),
        packet: packet.build(),
        stream_fixed: FixedIndex::new(&stream_fixed),
        packet_fixed: FixedIndex::new(&packet_fixed),
        sized: sized.into(),
        stream_always,
        packet_always,
    }
}
