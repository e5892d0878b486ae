//! Where rules on payload and packets are looked for: by transport, direction and the server's port.
//!
//! Rules that hold for every port are searched for in one group; those that name ports in a second, that of the port.
//! Ports with the same rules share a group.

use std::collections::BTreeMap;

use rules::{App, HeaderProto, PacketTest, PortSet, Rule};
use wire::{Direction, IpProto};

use super::addresses::Ends;
use super::compiled::{Compiled, Kind};
use super::fast::Literal;
use super::fixed::{Fixed, FixedIndex};
use super::group::{Group, GroupBuilder};

/// Port sets that take more ports than this count as those that take all: the header is asked later.
const MANY_PORTS: u32 = 4096;

/// Transports that have sets of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Transport {
    Tcp = 0,
    Udp = 1,
    Icmp = 2,
    Other = 3,
}

impl Transport {
    const ALL: [Transport; 4] = [Transport::Tcp, Transport::Udp, Transport::Icmp, Transport::Other];

    pub(crate) fn of(proto: IpProto) -> Self {
        match proto {
            IpProto::TCP => Transport::Tcp,
            IpProto::UDP => Transport::Udp,
            IpProto::ICMP | IpProto::ICMPV6 => Transport::Icmp,
            _ => Transport::Other,
        }
    }

    /// Whether rules of that protocol can match on it.
    fn carries(self, proto: HeaderProto) -> bool {
        use HeaderProto as P;
        match proto {
            P::Tcp | P::TcpPacket | P::TcpStream => self == Transport::Tcp,
            P::Udp => self == Transport::Udp,
            P::Icmp | P::IcmpV4 | P::IcmpV6 => self == Transport::Icmp,
            P::Sctp | P::Igmp | P::Gre | P::Ah | P::Esp => self == Transport::Other,
            P::Ip | P::IpV4 | P::IpV6 | P::PacketHeader => true,
            P::Arp => false,
            P::App(app) => match app {
                App::Http
                | App::Http1
                | App::Http2
                | App::Tls
                | App::Smtp
                | App::Ftp
                | App::FtpData
                | App::Ssh
                | App::Smb
                | App::Imap
                | App::Pop3
                | App::Irc
                | App::Telnet
                | App::Rdp
                | App::Rfb
                | App::Mqtt
                | App::Pgsql
                | App::Modbus
                | App::WebSocket
                | App::Doh2
                | App::Ldap => self == Transport::Tcp,
                App::Dhcp
                | App::Ntp
                | App::Quic
                | App::Tftp
                | App::Ike
                | App::BitTorrentDht
                | App::Mdns
                | App::Llmnr => self == Transport::Udp,
                _ => matches!(self, Transport::Tcp | Transport::Udp),
            },
        }
    }
}

/// A rule that no literal finds: what is cheap to ask is asked first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Always {
    pub(crate) rule: u32,
    /// TCP flags that are looked at and what they have to be; none looked at: any.
    flags: (u8, u8),
    /// Least and most bytes of payload.
    size: (u32, u32),
}

impl Always {
    fn new(rule: u32, tests: &[PacketTest]) -> Self {
        let mut always = Always { rule, flags: (0, 0), size: (0, u32::MAX) };
        for test in tests {
            match test {
                PacketTest::TcpFlags(rules::FlagTest::Exactly { bits, mask }) => {
                    always.flags = (*mask, *bits & *mask)
                }
                PacketTest::PayloadSize(test) => always.size = sizes(test),
                _ => {}
            }
        }
        always
    }

    /// The only size of payload that can pass, if there is one.
    fn exact_size(&self) -> Option<u32> {
        (self.size.0 == self.size.1).then_some(self.size.0)
    }

    /// Whether the packet is worth a closer look.
    pub(crate) fn may(&self, flags: u8, size: u32) -> bool {
        flags & self.flags.0 == self.flags.1 && self.size.0 <= size && size <= self.size.1
    }
}

/// The sizes that can pass; too many where it is not simple.
fn sizes(test: &rules::NumberTest) -> (u32, u32) {
    use rules::NumberTest as N;
    let clamp = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    match *test {
        N::Equal(value, false) => (clamp(value), clamp(value)),
        N::Less(value) | N::LessOrEqual(value) => (0, clamp(value)),
        N::Greater(value) | N::GreaterOrEqual(value) => (clamp(value), u32::MAX),
        N::Between(low, high, false) => (clamp(low), clamp(high)),
        _ => (0, u32::MAX),
    }
}

/// Rules of one group.
#[derive(Debug, Default)]
pub(crate) struct PortGroup {
    /// By literals in the stream (or, but for TCP, in packets).
    pub(crate) stream: Group,
    /// By literals in packets.
    pub(crate) packet: Group,
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
}

/// Rules of one transport and direction.
#[derive(Debug, Default)]
pub(crate) struct PortGroups {
    every: PortGroup,
    groups: Vec<PortGroup>,
    /// From which port on which group holds, or none.
    from: Vec<(u16, u16)>,
}

/// No group of its own.
const NONE: u16 = u16::MAX;

impl PortGroups {
    /// The group of every port, and that of this one if it has its own.
    pub(crate) fn at(&self, port: u16) -> impl Iterator<Item = &PortGroup> {
        let behind = self.from.partition_point(|&(first, _)| first <= port);
        let number = behind.checked_sub(1).and_then(|at| self.from.get(at)).map_or(NONE, |&(_, group)| group);
        std::iter::once(&self.every).chain(self.groups.get(usize::from(number)))
    }

    fn memory(&self) -> usize {
        let of = |group: &PortGroup| {
            group.stream.memory()
                + group.packet.memory()
                + group.stream_fixed.memory()
                + group.packet_fixed.memory()
                + group.stream_always.len() * size_of::<u32>()
                + group.sized.len() * size_of::<(u32, u32)>()
                + group.packet_always.len() * size_of::<Always>()
        };
        of(&self.every) + self.groups.iter().map(of).sum::<usize>()
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Payload([[PortGroups; 2]; 4]);

impl Payload {
    pub(crate) fn of(&self, transport: Transport, direction: Direction) -> &PortGroups {
        &self.0[transport as usize][direction.index()]
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.iter().flatten().map(PortGroups::memory).sum()
    }
}

/// A rule before it is known which group it goes to.
#[derive(Clone, Debug)]
struct Entry {
    rule: u32,
    stream: bool,
    /// The packet's own payload counts too.
    packet: bool,
    literal: Option<(Vec<u8>, bool)>,
    fixed: Option<Fixed>,
    always: Always,
}

/// Collects rules.
#[derive(Debug, Default)]
pub(crate) struct PayloadBuilder {
    sets: [[Vec<(PortSet, Entry)>; 2]; 4],
}

impl PayloadBuilder {
    pub(crate) fn add(
        &mut self,
        number: u32,
        compiled: &Compiled,
        rule: &Rule,
        way: Direction,
        literal: Option<Literal<'_>>,
        fixed: Option<&Fixed>,
    ) {
        for transport in Transport::ALL.into_iter().filter(|t| t.carries(rule.header.proto)) {
            let entry = Entry {
                rule: number,
                stream: compiled.kind == Kind::Stream && transport == Transport::Tcp,
                packet: compiled.packets || transport != Transport::Tcp,
                fixed: fixed.cloned(),
                literal: literal.map(|l| (l.bytes.to_vec(), l.nocase)),
                always: Always::new(number, &rule.packet),
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
        Payload(self.sets.map(|ways| ways.map(groups)))
    }
}

fn groups(entries: Vec<(PortSet, Entry)>) -> PortGroups {
    let width = |ports: &PortSet| {
        ports.ranges.iter().map(|&(first, last)| u32::from(last) - u32::from(first) + 1).sum::<u32>()
    };
    let (every, some): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(ports, _)| ports.is_any() || width(ports) > MANY_PORTS);
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
    let (mut stream, mut packet) = (GroupBuilder::default(), GroupBuilder::default());
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
        if let (false, Some(size)) = (entry.stream, entry.always.exact_size()) {
            sized.push((size, entry.rule));
            continue;
        }
        match (&entry.literal, entry.stream) {
            (Some((bytes, nocase)), true) => stream.add(bytes, *nocase, entry.rule),
            (Some((bytes, nocase)), false) => packet.add(bytes, *nocase, entry.rule),
            (None, true) => stream_always.push(entry.rule),
            (None, false) => packet_always.push(entry.always),
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
