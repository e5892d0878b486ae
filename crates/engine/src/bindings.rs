//! Where hosts live: the MAC address and VLAN that an IP address was last seen with by ARP (RFC 826), neighbor discovery
//! (RFC 4861) or DHCP (RFC 2131).
//!
//! Anybody on a link can send a packet with somebody else's address; but its MAC address or VLAN gives it away, unless
//! the neighbors were deceived before. Learned from those frames alone, and asked only when an alert is raised. The
//! table is of fixed size: an address has a few places in it, and takes that of the one not heard of for the longest.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use alert::Binding;
use wire::{Decoded, IpProto, LinkType, Packet, Transport, decode};

/// Addresses that are known at once.
const MAX_BINDINGS: usize = 65_536;
/// Places that an address can have.
const WAYS: usize = 8;
const SETS: usize = MAX_BINDINGS / WAYS;
/// Tags of a frame that are looked at.
const MAX_TAGS: usize = 4;
const TPIDS: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

/// A host's place on the link layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    mac: [u8; 6],
    /// VLAN identifiers; priority tags (identifier 0) are none.
    vlans: u64,
}

impl Station {
    /// The sender of an Ethernet frame.
    fn sender(link: LinkType, frame: &[u8]) -> Option<Self> {
        if link != LinkType::Ethernet {
            return None;
        }
        let mac = *frame.get(6..)?.first_chunk()?;
        let (mut vlans, mut rest) = (0, frame.get(12..)?);
        for _ in 0..MAX_TAGS {
            let Some((&[t0, t1, id0, id1], inner)) = rest.split_first_chunk() else { break };
            if !TPIDS.contains(&u16::from_be_bytes([t0, t1])) {
                break;
            }
            let id = u16::from_be_bytes([id0, id1]) & 0x0fff;
            vlans = if id == 0 { vlans } else { vlans << 16 | u64::from(0x1000 | id) };
            rest = inner;
        }
        Some(Station { mac, vlans })
    }
}

/// A host was seen at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    ip: IpAddr,
    station: Station,
}

/// Whether a packet may tell where a host lives.
#[inline]
pub(crate) fn may_tell(packet: &Packet<'_>) -> bool {
    match packet.transport {
        Transport::Icmp { kind: 133..=136, .. } => packet.proto == IpProto::ICMPV6,
        Transport::Udp { src_port: 67, dst_port: 67 | 68 } => true,
        _ => false,
    }
}

/// What a frame tells of where a host lives.
#[cold]
pub(crate) fn sighting(decoded: &Decoded<'_>, link: LinkType, frame: &[u8]) -> Option<Sighting> {
    let station = Station::sender(link, frame)?;
    let (ip, mac) = match decoded {
        Decoded::Arp(arp) => (IpAddr::V4(arp.sender_ip), arp.sender_mac),
        Decoded::Ip(packet) if packet.tunnel.is_none() && !packet.fragment => match packet.transport {
            Transport::Icmp { kind, code: 0 } => neighbor(packet, kind)?,
            Transport::Udp { .. } => lease(packet.payload)?,
            _ => return None,
        },
        _ => return None,
    };
    let is_host = !ip.is_unspecified() && !ip.is_multicast() && mac[0] & 1 == 0 && mac != [0; 6];
    is_host.then_some(Sighting { ip, station: Station { mac, ..station } })
}

/// Neighbor discovery: solicitations of routers and neighbors, and advertisements. From another link none is believed.
fn neighbor(packet: &Packet<'_>, kind: u8) -> Option<(IpAddr, [u8; 6])> {
    const SOURCE: u8 = 1;
    const TARGET: u8 = 2;
    let hop_limit = packet.network.get(7).copied();
    if packet.proto != IpProto::ICMPV6 || hop_limit != Some(255) {
        return None;
    }
    let body = packet.payload;
    let (ip, options, wanted) = match kind {
        133 => (packet.src, body, SOURCE),
        134 => (packet.src, body.get(8..)?, SOURCE),
        135 => (packet.src, body.get(16..)?, SOURCE),
        136 => (IpAddr::from(*body.first_chunk::<16>()?), body.get(16..)?, TARGET),
        _ => return None,
    };
    let mut rest = options;
    while let Some((&[option, units], _)) = rest.split_first_chunk() {
        let len = usize::from(units) * 8;
        let value = rest.get(2..len)?;
        if option == wanted {
            return Some((ip, *value.first_chunk()?));
        }
        rest = rest.get(len..)?;
    }
    None
}

/// A DHCP server's acknowledgement to a client on this link.
fn lease(payload: &[u8]) -> Option<(IpAddr, [u8; 6])> {
    const FIXED: usize = 240;
    const COOKIE: [u8; 4] = [99, 130, 83, 99];
    const TYPE: u8 = 53;
    const ACK: u8 = 5;
    let fixed: &[u8; FIXED] = payload.first_chunk()?;
    let (is_reply, is_relayed) = (fixed[..3] == [2, 1, 6], fixed[24..28] != [0; 4]);
    if !is_reply || is_relayed || fixed[236..] != COOKIE {
        return None;
    }
    let mut options = payload.get(FIXED..)?;
    loop {
        match *options {
            [0, ref rest @ ..] => options = rest,
            [TYPE, 1, kind, ..] => {
                let ip = IpAddr::from(*fixed[16..].first_chunk::<4>()?);
                return (kind == ACK).then_some((ip, *fixed[28..].first_chunk()?));
            }
            [_, len, ref rest @ ..] => options = rest.get(usize::from(len)..)?,
            _ => return None,
        }
    }
}

/// An address with its place, and when it was heard of last, by the table's own count.
type Entry = (IpAddr, Station, u64);

#[derive(Debug, Default)]
struct Table {
    /// Empty until something is known.
    sets: Vec<[Option<Entry>; WAYS]>,
    hasher: foldhash::fast::FixedState,
    heard: u64,
}

impl Table {
    fn set(&self, ip: IpAddr) -> usize {
        let mut state = self.hasher.build_hasher();
        match ip {
            IpAddr::V4(v4) => state.write_u32(v4.to_bits()),
            IpAddr::V6(v6) => state.write_u128(v6.to_bits()),
        }
        (state.finish() >> 32) as usize % SETS
    }

    /// Whether another address had to go.
    fn insert(&mut self, sighting: Sighting) -> bool {
        if self.sets.is_empty() {
            self.sets.resize(SETS, [None; WAYS]);
        }
        self.heard += 1;
        let (at, heard) = (self.set(sighting.ip), self.heard);
        let Some(set) = self.sets.get_mut(at) else { return false };
        let own = set.iter().position(|place| place.is_some_and(|(ip, ..)| ip == sighting.ip));
        let oldest = || (0..WAYS).min_by_key(|&i| set[i].map_or(0, |(.., heard)| heard));
        let Some(place) = own.or_else(oldest) else { return false };
        let evicts = own.is_none() && set[place].is_some();
        set[place] = Some((sighting.ip, sighting.station, heard));
        evicts
    }

    fn get(&self, ip: IpAddr) -> Option<Station> {
        let set = self.sets.get(self.set(ip))?;
        set.iter().flatten().find(|(known, ..)| *known == ip).map(|&(_, station, _)| station)
    }
}

/// What came of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// It is known.
    Known,
    /// It is known, and another address is not any more.
    Evicted,
    /// Somebody else was at the table: nobody waits for it.
    Busy,
}

/// See the module's text. Clones share the table: live workers have one. In a replay each has its own, and is told of
/// all sightings in the order of the frames.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings(Arc<Mutex<Table>>);

impl Bindings {
    pub(crate) fn learn(&self, sighting: Sighting) -> Learned {
        let mut table = match self.0.try_lock() {
            Ok(table) => table,
            Err(TryLockError::Poisoned(table)) => table.into_inner(),
            Err(TryLockError::WouldBlock) => return Learned::Busy,
        };
        if table.insert(sighting) { Learned::Evicted } else { Learned::Known }
    }

    /// Forgets all: another capture begins.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Table::default();
    }

    /// Whether a host's frames come from where it lives: this frame of it, or else what `others` shows of its flow. One
    /// that does not is enough.
    pub(crate) fn judge(
        &self,
        host: IpAddr,
        frame: Option<(LinkType, &[u8])>,
        others: impl FnOnce(&mut dyn FnMut(LinkType, &[u8])),
    ) -> Binding {
        let host = host.to_canonical();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host);
        let Some(known) = known else { return Binding::Unknown };
        let compare = |link, frame: &[u8]| match Station::sender(link, frame) {
            Some(station) if station == known => Binding::Matches,
            Some(_) => Binding::Differs,
            None => Binding::Unknown,
        };
        if let Some((link, frame)) = frame {
            return compare(link, frame);
        }
        let mut found = Binding::Unknown;
        others(&mut |link, frame| {
            let is_own = matches!(decode(link, frame), Ok(Decoded::Ip(packet)) if packet.src == host);
            if is_own && found != Binding::Differs {
                found = compare(link, frame);
            }
        });
        found
    }
}

#[cfg(test)]
#[path = "bindings_tests.rs"]
mod tests;
