//! With whom hosts talk: what an isolation would cut off.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use alert::Impact;
use wire::Nanos;

/// Hosts whose contacts are kept in each half of the time; of others only those in the next half are.
pub const MAX_HOSTS: usize = 8192;
/// Different peers, and ports, kept of a host in each half of the time.
const MAX_CONTACTS: usize = 32;
/// Contacts are told of the last 5 to 10 minutes.
const HALF: Duration = Duration::from_secs(300);
/// First peers and services that are told.
const MAX_TOLD: usize = 8;

/// A port that was served on, and whether it is TCP's.
type Service = (u16, bool);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Contact {
    peer: IpAddr,
    /// The peer called.
    called: bool,
    /// On which port, if so.
    service: Option<Service>,
}

#[derive(Debug, Default)]
struct Contacts {
    flows: u64,
    list: Vec<Contact>,
    more: bool,
}

#[derive(Debug, Default)]
struct Half {
    since: Nanos,
    hosts: BTreeMap<IpAddr, Contacts>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct ContactBook {
    now: Half,
    before: Half,
    /// Hosts that there was no room for.
    pub(crate) refused: u64,
}

impl ContactBook {
    /// A flow between two hosts was answered.
    pub(crate) fn met(&mut self, client: IpAddr, server: IpAddr, service: Option<Service>, now: Nanos) {
        if now.since(self.now.since) > HALF {
            let next = Half { since: now, hosts: BTreeMap::new() };
            self.before = std::mem::replace(&mut self.now, next);
        }
        let (client, server) = (client.to_canonical(), server.to_canonical());
        self.add(client, Contact { peer: server, called: false, service: None });
        self.add(server, Contact { peer: client, called: true, service });
    }

    fn add(&mut self, host: IpAddr, contact: Contact) {
        let hosts = &mut self.now.hosts;
        if hosts.len() >= MAX_HOSTS && !hosts.contains_key(&host) {
            self.refused += 1;
            return;
        }
        let contacts = hosts.entry(host).or_default();
        contacts.flows += 1;
        if !contacts.list.contains(&contact) {
            if contacts.list.len() < MAX_CONTACTS {
                contacts.list.push(contact);
            } else {
                contacts.more = true;
            }
        }
    }

    /// What is known of a host; its roles are to be added.
    pub(crate) fn impact(&self, host: IpAddr, now: Nanos) -> Impact {
        let host = host.to_canonical();
        let mut impact = Impact { since: now, ..Impact::default() };
        let (mut peers, mut clients): (Vec<IpAddr>, Vec<IpAddr>) = Default::default();
        let recent = [&self.before, &self.now].into_iter().filter(|half| now.since(half.since) <= HALF * 2);
        for half in recent {
            impact.since = impact.since.min(half.since);
            let Some(contacts) = half.hosts.get(&host) else { continue };
            impact.flows += contacts.flows;
            impact.more_peers |= contacts.more;
            for contact in &contacts.list {
                if !peers.contains(&contact.peer) {
                    peers.push(contact.peer);
                }
                if contact.called && !clients.contains(&contact.peer) {
                    clients.push(contact.peer);
                }
                let service = contact.service.map(|(port, tcp)| {
                    let proto = if tcp { "tcp" } else { "udp" };
                    format!("{port}/{proto}")
                });
                impact.services.extend(service);
            }
        }
        impact.services.sort();
        impact.services.dedup();
        impact.services.truncate(MAX_TOLD);
        (impact.peers, impact.clients) = (peers.len() as u32, clients.len() as u32);
        peers.truncate(MAX_TOLD);
        impact.first_peers = peers;
        impact
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn second(n: u64) -> Nanos {
        Nanos(1_700_000_000_000_000_000 + n * 1_000_000_000)
    }

    #[test]
    fn peers_and_services_of_the_last_minutes_are_told() {
        let mut book = ContactBook::default();
        let server = ip("10.0.0.10");
        for n in 1..=3 {
            let client = ip(&format!("10.0.0.{n}"));
            book.met(client, server, Some((389, true)), second(0));
            book.met(client, server, Some((53, false)), second(1));
        }
        book.met(server, ip("192.0.2.1"), Some((443, true)), second(2));
        let told = book.impact(server, second(60));
        assert_eq!((told.flows, told.peers, told.clients, told.more_peers), (7, 4, 3, false));
        assert_eq!(told.services, ["389/tcp", "53/udp"]);
        assert_eq!(told.first_peers, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.1"].map(ip));
        assert_eq!(told.since, second(0));
        book.met(ip("10.0.0.1"), server, Some((389, true)), second(400));
        assert_eq!(book.impact(server, second(400)).peers, 4, "with what was before");
        book.met(ip("10.0.0.1"), server, Some((389, true)), second(800));
        assert_eq!(book.impact(server, second(800)).peers, 1);
        assert_eq!(book.impact(server, second(9000)).flows, 0);
    }

    #[test]
    fn a_flood_takes_no_more_room() {
        let mut book = ContactBook::default();
        for n in 0..MAX_HOSTS as u32 * 2 {
            book.met(IpAddr::from(n.to_be_bytes()), ip("10.0.0.10"), Some((80, true)), second(0));
        }
        assert_eq!(book.now.hosts.len(), MAX_HOSTS);
        assert!(book.refused > 0);
        let told = book.impact(ip("10.0.0.10"), second(1));
        assert!(told.more_peers && told.first_peers.len() == MAX_TOLD && told.peers == MAX_CONTACTS as u32);
    }
}
