//! Which station an address is at, which stations carry the packets of many addresses, and who speaks from behind whom.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

use alert::{Opening, Role, RoleSeen, Stations};
use wire::Nanos;

use super::recent::Recent;

/// Stations that are remembered at once; beyond that the one that was quiet for longest is forgotten
/// (`policy.stations_forgotten`).
pub const MAX_STATIONS: usize = 16_384;
/// Addresses whose station is remembered.
pub const MAX_BINDINGS: usize = 65_536;
/// A station that carries the answered flows of so many addresses that are not its own is a gateway.
pub const GATEWAY_ADDRESSES: u32 = 8;
/// Addresses that are kept of one station.
const MAX_CARRIED: usize = 32;
/// TCP connections that are remembered to find those that come out of a NAT again.
pub const MAX_OPENINGS: usize = 16_384;
/// A connection comes out of a NAT within this time.
const TRANSLATION: Duration = Duration::from_secs(2);
/// Different kinds of packets that are kept of one address.
const MAX_STACKS: usize = 32;
const KEPT: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Default)]
struct Station {
    since: Nanos,
    /// Addresses of flows that it was one end of.
    carried: Vec<IpAddr>,
    more: bool,
    advertises: bool,
}

/// What tells the hosts behind one address apart: hops to go and whether they send TCP timestamps.
type Stack = (u8, bool);

/// What is known of the stacks behind one address.
#[derive(Debug, Default)]
struct Stacks {
    since: Nanos,
    kinds: Vec<Stack>,
}

/// What one connection has on both sides of a NAT: sequence and acknowledgment number of its first answer, and the server.
type OpeningKey = (u32, u32, IpAddr, u16);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct StationTable {
    stations: Recent<[u8; 6], Station>,
    bindings: Recent<IpAddr, Option<[u8; 6]>>,
    openings: Recent<OpeningKey, Option<(IpAddr, u8)>>,
    stacks: Recent<IpAddr, Stacks>,
}

impl Default for StationTable {
    fn default() -> Self {
        StationTable {
            stations: Recent::new(MAX_STATIONS),
            bindings: Recent::new(MAX_BINDINGS),
            openings: Recent::new(MAX_OPENINGS),
            stacks: Recent::new(MAX_STATIONS),
        }
    }
}

impl StationTable {
    /// An address is at a station.
    pub(crate) fn lives(&mut self, host: IpAddr, station: [u8; 6], router: bool, now: Nanos) {
        *self.bindings.touch(host.to_canonical(), now, KEPT) = Some(station);
        if router {
            self.station(station, now).advertises = true;
        }
    }

    fn station(&mut self, mac: [u8; 6], now: Nanos) -> &mut Station {
        let station = self.stations.touch(mac, now, KEPT);
        if station.since == Nanos(0) {
            station.since = now;
        }
        station
    }

    /// A flow was answered whose frames bear these hardware addresses.
    pub(crate) fn carried(&mut self, client: IpAddr, server: IpAddr, by: Stations, now: Nanos) {
        // IEEE 802: the lowest bit of the first octet says that an address is of a group.
        if by.client == by.server || (by.client[0] | by.server[0]) & 1 == 1 {
            return;
        }
        for (ip, mac) in [(client, by.client), (server, by.server)] {
            let ip = ip.to_canonical();
            if self.bindings.get(ip).is_some_and(|(_, &at)| at == Some(mac)) {
                continue;
            }
            let station = self.station(mac, now);
            if !station.carried.contains(&ip) {
                if station.carried.len() < MAX_CARRIED {
                    station.carried.push(ip);
                } else {
                    station.more = true;
                }
            }
        }
    }

    /// The gateway that a host is, by the station that it is at.
    pub(crate) fn gateway(&self, host: IpAddr, least: u32, now: Nanos) -> Option<RoleSeen> {
        let (_, &at) = self.bindings.get(host.to_canonical())?;
        let at = at?;
        let (last, station) = self.stations.get(at)?;
        let own = |ip: &IpAddr| self.bindings.get(*ip).is_some_and(|(_, &of)| of == Some(at));
        let clients = station.carried.iter().filter(|ip| !own(ip)).count() as u32;
        let enough = if station.advertises { least.min(GATEWAY_ADDRESSES) } else { GATEWAY_ADDRESSES };
        let fresh = now.since(last) <= KEPT;
        let role = RoleSeen { role: Role::Gateway, clients, more: station.more, since: station.since };
        (fresh && clients >= enough.max(1)).then_some(role)
    }

    /// A TCP connection is open. If another address has opened the same one just now, that speaks from behind this one.
    pub(crate) fn opened(
        &mut self,
        client: IpAddr,
        server: (IpAddr, u16),
        opening: Opening,
        now: Nanos,
    ) -> Option<Behind> {
        let client = client.to_canonical();
        let stacks = self.stacks.touch(client, now, KEPT);
        if stacks.kinds.is_empty() {
            stacks.since = now;
        }
        let stack = (opening.ttl, opening.timestamps);
        if !stacks.kinds.contains(&stack) && stacks.kinds.len() < MAX_STACKS {
            stacks.kinds.push(stack);
        }
        let (seq, ack) = opening.numbers;
        let first = self.openings.touch((seq, ack, server.0.to_canonical(), server.1), now, TRANSLATION);
        let &mut (other, ttl) = first.get_or_insert((client, opening.ttl));
        // Who translates addresses routes, too: it takes a hop off. Either side may be seen first.
        match ttl.cmp(&opening.ttl) {
            _ if other == client => None,
            Ordering::Equal => None,
            Ordering::Greater => Some(Behind { client: other, nat: client }),
            Ordering::Less => Some(Behind { client, nat: other }),
        }
    }

    /// The NAT that an address is, by the kinds of hosts that speak from it: as many as make a server, and both such that
    /// send TCP timestamps and such that do not, which a program cannot choose.
    pub(crate) fn nat(&self, host: IpAddr, least: u32, now: Nanos) -> Option<RoleSeen> {
        let (last, stacks) = self.stacks.get(host.to_canonical())?;
        let both = [true, false].iter().all(|with| stacks.kinds.iter().any(|(_, has)| has == with));
        let clients = stacks.kinds.len() as u32;
        let enough = both && clients >= least.max(2) && now.since(last) <= KEPT;
        enough.then_some(RoleSeen { role: Role::Nat, clients, more: false, since: stacks.since })
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.stations.forgotten + self.bindings.forgotten + self.openings.forgotten + self.stacks.forgotten
    }
}

/// The same TCP connection was seen from two addresses: before and after its translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behind {
    pub(crate) client: IpAddr,
    pub(crate) nat: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const HOST: [u8; 6] = [2, 0, 0, 0, 0, 9];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn opening(seq: u32, ttl: u8, timestamps: bool) -> Opening {
        Opening { numbers: (seq, 7), ttl, timestamps }
    }

    #[test]
    fn who_carries_for_many_is_a_gateway_by_its_own_address() {
        let mut table = StationTable::default();
        table.lives(ip("10.0.0.1"), ROUTER, false, Nanos(1));
        table.lives(ip("10.0.0.9"), HOST, false, Nanos(1));
        for n in 0..GATEWAY_ADDRESSES as u8 {
            let at = Stations { client: HOST, server: ROUTER };
            table.carried(ip("10.0.0.9"), ip(&format!("192.0.2.{n}")), at, Nanos(2));
            let early = n + 1 < GATEWAY_ADDRESSES as u8;
            assert_eq!(table.gateway(ip("10.0.0.1"), 3, Nanos(3)).is_none(), early, "{n}");
        }
        assert!(table.gateway(ip("10.0.0.9"), 3, Nanos(3)).is_none(), "its own address only");
        assert!(table.gateway(ip("192.0.2.1"), 3, Nanos(3)).is_none(), "behind it");
        let week = Nanos(2).after(KEPT * 7);
        assert!(table.gateway(ip("10.0.0.1"), 3, week).is_none());
    }

    #[test]
    fn addresses_of_its_own_make_no_gateway() {
        let mut table = StationTable::default();
        for n in 0..40 {
            let own = ip(&format!("10.0.1.{n}"));
            let at = Stations { client: HOST, server: ROUTER };
            table.carried(own, ip("192.0.2.1"), at, Nanos(1));
            table.lives(own, HOST, false, Nanos(2));
        }
        assert!(table.gateway(ip("10.0.1.1"), 3, Nanos(3)).is_none());
        let same = Stations { client: HOST, server: HOST };
        (0..20).for_each(|n| table.carried(ip("10.0.1.1"), ip(&format!("192.0.2.{n}")), same, Nanos(3)));
        assert!(table.gateway(ip("10.0.1.1"), 3, Nanos(3)).is_none(), "it talks to itself");
    }

    #[test]
    fn a_router_that_advertises_needs_fewer_and_some() {
        let mut table = StationTable::default();
        table.lives(ip("fe80::1"), ROUTER, true, Nanos(1));
        assert!(table.gateway(ip("fe80::1"), 3, Nanos(1)).is_none(), "anybody can advertise");
        for n in 1..=3 {
            let at = Stations { client: HOST, server: ROUTER };
            table.carried(ip("2001:db8::9"), ip(&format!("2001:db8:f::{n}")), at, Nanos(2));
        }
        assert!(table.gateway(ip("fe80::1"), 3, Nanos(2)).is_some());
        assert!(table.gateway(ip("2001:db8::1"), 3, Nanos(2)).is_none());
        table.lives(ip("2001:db8::1"), ROUTER, false, Nanos(3));
        assert!(table.gateway(ip("2001:db8::1"), 3, Nanos(3)).is_some(), "the same station");
    }

    #[test]
    fn a_connection_that_comes_out_again_was_translated() {
        let mut table = StationTable::default();
        let server = (ip("192.0.2.1"), 443);
        assert_eq!(table.opened(ip("10.0.1.5"), server, opening(1, 64, true), Nanos(1)), None);
        assert_eq!(table.opened(ip("10.0.1.5"), server, opening(1, 64, true), Nanos(2)), None, "again");
        let behind = table.opened(ip("10.0.0.2"), server, opening(1, 63, true), Nanos(3)).unwrap();
        assert_eq!((behind.client, behind.nat), (ip("10.0.1.5"), ip("10.0.0.2")));
        let same = table.opened(ip("10.0.0.9"), server, opening(1, 64, true), Nanos(3));
        assert_eq!(same, None, "no hop between them");
        table.opened(ip("10.0.0.2"), server, opening(5, 63, true), Nanos(4));
        let behind = table.opened(ip("10.0.1.6"), server, opening(5, 64, true), Nanos(5)).unwrap();
        assert_eq!((behind.client, behind.nat), (ip("10.0.1.6"), ip("10.0.0.2")), "the other way about");
        let late = Nanos(3).after(TRANSLATION * 2);
        assert_eq!(table.opened(ip("10.0.0.3"), server, opening(1, 63, true), late), None);
    }

    #[test]
    fn kinds_of_hosts_behind_an_address_make_a_nat() {
        let mut table = StationTable::default();
        let open = |table: &mut StationTable, ttl, timestamps| {
            table.opened(
                ip("10.0.0.2"),
                (ip("192.0.2.1"), 443),
                opening(u32::from(ttl), ttl, timestamps),
                Nanos(1),
            );
            table.nat(ip("10.0.0.2"), 3, Nanos(1)).is_some()
        };
        // What a program can do: another time to live on each socket.
        assert!((30..60).all(|ttl| !open(&mut table, ttl, true)));
        assert!(open(&mut table, 127, false));
    }
}
