//! What is known of the network beyond alerts: roles of hosts, who talks to whom, who asks on whose behalf.
//!
//! In: sightings, in the order in which they were made. Out: answers to the judge. All of it is bounded, and forgets what
//! was quiet for longest.

mod contacts;
mod forwarding;
mod recent;
mod roles;
mod stations;

use std::net::IpAddr;
use std::time::Duration;

use alert::{Client, Forwarded, Impact, Names, Role, RoleSeen, Sighting};
use ipnet::IpNet;
use wire::Nanos;

use self::contacts::ContactBook;
use self::forwarding::Forwarding;
use self::recent::Recent;
use self::roles::Roles;
use self::stations::StationTable;
use crate::nets::Nets;

pub use contacts::MAX_HOSTS;
pub use forwarding::{FORWARD_WINDOW, MAX_QUESTIONS};
pub use roles::{MAX_CANDIDATES, MAX_CLIENTS, MAX_ROLES};
pub use stations::{GATEWAY_ADDRESSES, MAX_BINDINGS, MAX_OPENINGS, MAX_STATIONS};

/// Requests for leases that wait for their answer.
const MAX_LEASES: usize = 8192;
/// A lease is granted within this time.
const LEASE_WINDOW: Duration = Duration::from_secs(30);
/// New roles that wait to be told.
const MAX_UNTOLD: usize = 256;

/// Which hosts are taken for infrastructure, and whether that spares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Infrastructure {
    /// Roles that spare a host from isolation by alerts.
    pub spare: Vec<Role>,
    /// Different clients that make a server.
    pub min_clients: u32,
    /// Hosts that no role spares.
    not: Nets<()>,
}

impl Default for Infrastructure {
    fn default() -> Self {
        Infrastructure { spare: Role::ALL.to_vec(), min_clients: 3, not: Nets::default() }
    }
}

impl Infrastructure {
    /// No role spares these.
    pub fn add_exception(&mut self, net: IpNet) {
        self.not.add(net, ());
    }

    /// Hosts that no role spares.
    pub fn exceptions(&self) -> impl Iterator<Item = IpNet> {
        self.not.iter().map(|&(net, ())| net)
    }

    /// Of a host's roles those that spare it.
    pub(crate) fn sparing<'a>(
        &self,
        host: IpAddr,
        roles: &'a [RoleSeen],
    ) -> impl Iterator<Item = &'a RoleSeen> {
        let spared = self.not.get(host).is_none();
        roles.iter().filter(move |seen| spared && self.spare.contains(&seen.role))
    }
}

/// A host has a role from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewRole {
    /// The host.
    pub host: IpAddr,
    /// Its role.
    pub seen: RoleSeen,
}

/// What the network's memory counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkTally {
    /// Roles held now.
    pub roles: u64,
    /// Candidates and roles forgotten for want of room.
    pub roles_forgotten: u64,
    /// Questions forgotten for want of room.
    pub questions_forgotten: u64,
    /// Stations, addresses and connections forgotten for want of room.
    pub stations_forgotten: u64,
    /// Contacts not kept for want of room.
    pub contacts_refused: u64,
    /// Alerts about questions that were passed on.
    pub forwarded: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Network {
    roles: Roles,
    stations: StationTable,
    forwarding: Forwarding,
    contacts: ContactBook,
    /// By transaction ID and hardware address of the client.
    leases: Recent<(u32, [u8; 6]), ()>,
    untold: Vec<NewRole>,
    forwarded: u64,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            roles: Roles::default(),
            stations: StationTable::default(),
            forwarding: Forwarding::default(),
            contacts: ContactBook::default(),
            leases: Recent::new(MAX_LEASES),
            untold: Vec::new(),
            forwarded: 0,
        }
    }
}

impl Network {
    /// Takes a sighting in.
    pub(crate) fn sight(&mut self, sighting: &Sighting, least: u32, now: Nanos) {
        match *sighting {
            Sighting::Served { host, client, role } => self.served(host, client, role, least, now),
            Sighting::Asked { host, client, names } => self.forwarding.asked(host, client, &names, now),
            Sighting::Answered { host, client, names, addresses } => {
                self.forwarding.answered(host, client, &names, &addresses, now);
                self.served(host, Client::Address(client), Role::Dns, least, now);
            }
            Sighting::Mailed { host } => {
                if let Some(seen) = self.roles.mailed(host, least, now) {
                    self.tell(host, seen);
                }
            }
            Sighting::LeaseAsked { client, id } => {
                self.leases.touch((id, client), now, LEASE_WINDOW);
            }
            Sighting::Leased { host, client, id, router } => {
                let asked =
                    self.leases.get((id, client)).is_some_and(|(at, ())| now.since(at) <= LEASE_WINDOW);
                if asked {
                    self.served(host, Client::Station(client), Role::Dhcp, least, now);
                    let serves = self.roles.of(host, now).iter().any(|seen| seen.role == Role::Dhcp);
                    if let (Some(router), true) = (router, serves) {
                        self.served(router.into(), Client::Station(client), Role::Gateway, least, now);
                    }
                }
            }
            Sighting::Met { client, server, port, opening, stations } => {
                self.contacts.met(client, server, (port != 0).then_some((port, opening.is_some())), now);
                if let Some(by) = stations {
                    self.stations.carried(client, server, by, now);
                }
                if let Some(opening) = opening
                    && let Some(behind) = self.stations.opened(client, (server, port), opening, now)
                {
                    self.served(behind.nat, Client::Address(behind.client), Role::Nat, least, now);
                }
            }
            Sighting::Lives { host, station, router } => self.stations.lives(host, station, router, now),
        }
    }

    fn served(&mut self, host: IpAddr, client: Client, role: Role, least: u32, now: Nanos) {
        if let Some(seen) = self.roles.served(host, client, role, least, now) {
            self.tell(host, seen);
        }
    }

    fn tell(&mut self, host: IpAddr, seen: RoleSeen) {
        if self.untold.len() < MAX_UNTOLD {
            self.untold.push(NewRole { host, seen });
        }
    }

    /// Roles that hosts have got and that were not asked for yet.
    pub(crate) fn new_roles(&mut self) -> Vec<NewRole> {
        std::mem::take(&mut self.untold)
    }

    /// The roles of a host.
    pub(crate) fn roles(&self, host: IpAddr, least: u32, now: Nanos) -> Vec<RoleSeen> {
        let mut roles = self.roles.of(host, now);
        for seen in [self.stations.nat(host, least, now), self.stations.gateway(host, least, now)] {
            roles.extend(seen.filter(|seen| !roles.iter().any(|known| known.role == seen.role)));
        }
        roles
    }

    /// What an isolation of the host would cut off.
    pub(crate) fn impact(&self, host: IpAddr, least: u32, now: Nanos) -> Impact {
        Impact { roles: self.roles(host, least, now), ..self.contacts.impact(host, now) }
    }

    /// For whom a host asks for one of these names, if not for itself.
    pub(crate) fn passed_on(
        &mut self,
        host: IpAddr,
        names: &[Names],
        least: u32,
        now: Nanos,
        can_be_answered: impl Fn(IpAddr) -> bool,
    ) -> Option<Forwarded> {
        let trusted = self
            .roles(host, least, now)
            .iter()
            .any(|seen| matches!(seen.role, Role::Dns | Role::Proxy | Role::DomainController));
        let forwarded = self.forwarding.passed_on(host, names, trusted, now, can_be_answered);
        match forwarded {
            Some(_) => self.forwarded += 1,
            None => self.forwarding.was_own(host, names, now),
        }
        forwarded
    }

    /// When a host was alerted on for a question that was a client's, who asked it at `asked`.
    pub(crate) fn told_late(&self, host: IpAddr, names: &Names, asked: Nanos) -> Option<Nanos> {
        self.forwarding.told_late(host, names, asked)
    }

    pub(crate) fn tally(&self) -> NetworkTally {
        let (roles, roles_forgotten) = self.roles.counts();
        NetworkTally {
            roles,
            roles_forgotten,
            questions_forgotten: self.forwarding.forgotten(),
            stations_forgotten: self.stations.forgotten() + self.leases.forgotten,
            contacts_refused: self.contacts.refused,
            forwarded: self.forwarded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn names_of(network: &Network, host: &str) -> Vec<&'static str> {
        network.roles(ip(host), 3, Nanos(9)).iter().map(|seen| seen.role.name()).collect()
    }

    #[test]
    fn leases_count_if_somebody_asked_for_them() {
        let mut network = Network::default();
        for n in 0..6_u8 {
            let client = [2, 0, 0, 0, 1, n];
            let router = Some("10.0.0.1".parse().unwrap());
            let leased = Sighting::Leased { host: ip("10.0.0.67"), client, id: n.into(), router };
            network.sight(&leased, 3, Nanos(1));
            assert_eq!(network.new_roles().len(), 0, "nobody asked");
            network.sight(&Sighting::LeaseAsked { client, id: n.into() }, 3, Nanos(2));
            network.sight(&leased, 3, Nanos(3));
            assert_eq!(network.new_roles().len(), usize::from(n == 2 || n == 4), "{n}");
        }
        assert_eq!(names_of(&network, "10.0.0.67"), ["dhcp"]);
        assert_eq!(names_of(&network, "10.0.0.1"), ["gateway"], "the server says so to several");
    }

    #[test]
    fn exceptions_and_roles_that_do_not_spare() {
        let mut infrastructure = Infrastructure { spare: vec![Role::Dns], ..Infrastructure::default() };
        infrastructure.add_exception("10.0.0.53/32".parse().unwrap());
        let seen = |role| RoleSeen { role, clients: 3, more: false, since: Nanos(0) };
        let roles = [seen(Role::Dns), seen(Role::Proxy)];
        assert_eq!(infrastructure.sparing(ip("10.0.0.54"), &roles).count(), 1);
        assert_eq!(infrastructure.sparing(ip("10.0.0.53"), &roles).count(), 0);
    }

    #[test]
    fn translated_connections_of_several_hosts_make_a_nat() {
        let mut network = Network::default();
        for n in 1..=3_u8 {
            for (client, ttl) in [(format!("10.0.1.{n}"), 64), ("10.0.0.2".into(), 63)] {
                let opening = Some(alert::Opening { numbers: (n.into(), 1), ttl, timestamps: true });
                let (client, server) = (ip(&client), ip("192.0.2.1"));
                let met = Sighting::Met { client, server, port: 443, opening, stations: None };
                network.sight(&met, 3, Nanos(n.into()));
            }
        }
        assert_eq!(names_of(&network, "10.0.0.2"), ["nat"]);
        assert!(names_of(&network, "10.0.1.1").is_empty());
        let impact = network.impact(ip("10.0.0.2"), 3, Nanos(9));
        assert_eq!((impact.flows, impact.peers, impact.roles.len()), (3, 1, 1));
    }
}
