//! What hosts do for others, learned from answers that they gave to several clients.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use alert::{Client, Role, RoleSeen};
use wire::Nanos;

use super::recent::Recent;

/// Hosts that may get a role, and are watched for it at once; beyond that the one that was quiet for longest is forgotten
/// (`policy.roles_forgotten`).
pub const MAX_CANDIDATES: usize = 32_768;
/// Roles of hosts that are remembered; beyond that the one that was not seen for longest is forgotten.
pub const MAX_ROLES: usize = 16_384;
/// Different clients that are counted for one role of a host.
pub const MAX_CLIENTS: usize = 64;
/// The clients of a candidate must be seen within this time of each other.
const CANDIDATE_KEPT: Duration = Duration::from_secs(24 * 3600);
/// A role that was not seen for this long is forgotten.
const ROLE_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Who was served.
#[derive(Debug, Default)]
struct Served {
    since: Nanos,
    clients: BTreeSet<u64>,
    more: bool,
}

impl Served {
    fn count(&mut self, client: u64, now: Nanos) {
        if self.clients.is_empty() {
            self.since = now;
        }
        if self.clients.len() < MAX_CLIENTS {
            self.clients.insert(client);
        } else {
            self.more |= !self.clients.contains(&client);
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Roles {
    candidates: Recent<(IpAddr, Role), Served>,
    held: Recent<(IpAddr, Role), Served>,
    /// Hosts that sent mail to other servers.
    mailers: Recent<IpAddr, ()>,
}

impl Default for Roles {
    fn default() -> Self {
        Roles {
            candidates: Recent::new(MAX_CANDIDATES),
            held: Recent::new(MAX_ROLES),
            mailers: Recent::new(MAX_CANDIDATES),
        }
    }
}

impl Roles {
    /// A host has served a client. Whether it has the role from now on, and had not before.
    pub(crate) fn served(
        &mut self,
        host: IpAddr,
        client: Client,
        role: Role,
        least: u32,
        now: Nanos,
    ) -> Option<RoleSeen> {
        let host = host.to_canonical();
        let client = match client {
            Client::Address(ip) => {
                let ip = ip.to_canonical();
                if ip == host || !counts(host, ip, role) {
                    return None;
                }
                Client::Address(ip)
            }
            station @ Client::Station(_) => station,
        };
        let (key, client) = ((host, role), hash(client));
        if self.held.get(key).is_some_and(|(last, _)| now.since(last) <= ROLE_KEPT) {
            self.held.touch(key, now, ROLE_KEPT).count(client, now);
            return None;
        }
        let served = self.candidates.touch(key, now, CANDIDATE_KEPT);
        served.count(client, now);
        self.promote(key, least, now)
    }

    /// A host has sent a mail itself.
    pub(crate) fn mailed(&mut self, host: IpAddr, least: u32, now: Nanos) -> Option<RoleSeen> {
        let host = host.to_canonical();
        self.mailers.touch(host, now, ROLE_KEPT);
        self.promote((host, Role::Mail), least, now)
    }

    fn promote(&mut self, key: (IpAddr, Role), least: u32, now: Nanos) -> Option<RoleSeen> {
        let (_, served) = self.candidates.get(key)?;
        let sends = key.1 != Role::Mail || self.mailers.get(key.0).is_some();
        if served.clients.len() < (least.max(1) as usize).min(MAX_CLIENTS) || !sends {
            return None;
        }
        let served = self.candidates.remove(key)?;
        let seen = seen(key.1, &served);
        *self.held.touch(key, now, ROLE_KEPT) = served;
        Some(seen)
    }

    /// The roles of a host.
    pub(crate) fn of(&self, host: IpAddr, now: Nanos) -> Vec<RoleSeen> {
        let host = host.to_canonical();
        let held = |role| {
            let (last, served) = self.held.get((host, role))?;
            (now.since(last) <= ROLE_KEPT).then(|| seen(role, served))
        };
        Role::ALL.into_iter().filter_map(held).collect()
    }

    /// Roles held, and what was forgotten for want of room.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let forgotten = self.candidates.forgotten + self.held.forgotten + self.mailers.forgotten;
        (self.held.len() as u64, forgotten)
    }
}

fn seen(role: Role, served: &Served) -> RoleSeen {
    RoleSeen { role, clients: served.clients.len() as u32, more: served.more, since: served.since }
}

/// Whether a client counts: a host that an attacker has outside must not make its implant inside a server. Mail comes
/// from outside.
fn counts(host: IpAddr, client: IpAddr, role: Role) -> bool {
    let nobody = client.is_unspecified()
        || client.is_multicast()
        || client.is_loopback()
        || matches!(client, IpAddr::V4(v4) if v4.is_broadcast());
    !nobody && (matches!(role, Role::Mail | Role::Gateway) || is_private(client) || is_near(host, client))
}

/// Private use (RFC 1918, 4193), shared (RFC 6598) or link-local.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || matches!(v4.octets(), [100, 64..=127, ..]),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether both have the same first 16 (IPv4) or 32 (IPv6) bits, as the hosts of one organization with public addresses.
fn is_near(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..2] == b.octets()[..2],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.octets()[..4] == b.octets()[..4],
        _ => false,
    }
}

/// FNV-1a: the same in every run.
fn hash(client: Client) -> u64 {
    let of = |bytes: &[u8]| {
        let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
    };
    match client {
        Client::Address(IpAddr::V4(v4)) => of(&v4.octets()),
        Client::Address(IpAddr::V6(v6)) => of(&v6.octets()),
        Client::Station(mac) => of(&mac),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn serve(roles: &mut Roles, host: &str, client: &str, role: Role, second: u64) -> bool {
        let at = Nanos(second * 1_000_000_000);
        roles.served(ip(host), Client::Address(ip(client)), role, 3, at).is_some()
    }

    #[test]
    fn several_clients_make_a_server_and_one_does_not() {
        let mut roles = Roles::default();
        for second in 0..100 {
            assert!(!serve(&mut roles, "10.0.0.53", "10.0.0.5", Role::Dns, second));
        }
        for outsider in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "10.0.0.53", "224.0.0.1", "0.0.0.0"]
        {
            assert!(!serve(&mut roles, "10.0.0.53", outsider, Role::Dns, 100), "{outsider}");
        }
        assert!(!serve(&mut roles, "10.0.0.53", "10.0.0.6", Role::Dns, 100));
        assert!(!serve(&mut roles, "10.0.0.53", "10.0.0.7", Role::Proxy, 100), "another role");
        assert!(roles.of(ip("10.0.0.53"), Nanos(0)).is_empty());
        assert!(serve(&mut roles, "10.0.0.53", "10.0.0.7", Role::Dns, 101));
        assert!(!serve(&mut roles, "10.0.0.53", "10.0.0.8", Role::Dns, 102), "it has the role already");
        let [seen] = roles.of(ip("::ffff:10.0.0.53"), Nanos(102_000_000_000))[..] else { panic!() };
        assert_eq!((seen.role, seen.clients, seen.since), (Role::Dns, 4, Nanos(0)));
        assert_eq!(seen.to_string(), "DNS server (4 clients served)");
        let week = Nanos(103_000_000_000).after(ROLE_KEPT);
        assert!(roles.of(ip("10.0.0.53"), week).is_empty(), "not seen for a week");
    }

    #[test]
    fn clients_must_come_within_a_day() {
        let mut roles = Roles::default();
        for (client, day) in [("10.0.0.1", 0), ("10.0.0.2", 2), ("10.0.0.3", 4), ("10.0.0.4", 6)] {
            assert!(!serve(&mut roles, "10.0.0.9", client, Role::Dns, day * 86_400));
        }
    }

    #[test]
    fn a_mail_relay_sends_itself() {
        let mut roles = Roles::default();
        for client in ["198.51.100.1", "203.0.113.2", "10.0.0.3", "10.0.0.4"] {
            assert!(!serve(&mut roles, "10.0.0.25", client, Role::Mail, 1), "a server for mail");
        }
        let seen = roles.mailed(ip("10.0.0.25"), 3, Nanos(2)).expect("a relay");
        assert_eq!((seen.role, seen.clients), (Role::Mail, 4));
    }

    #[test]
    fn a_flood_of_candidates_costs_no_role() {
        let mut roles = Roles::default();
        for client in ["10.0.0.1", "10.0.0.2", "10.0.0.3"] {
            serve(&mut roles, "10.0.0.53", client, Role::Dns, 0);
        }
        for n in 0..MAX_CANDIDATES as u32 + 10 {
            let host = IpAddr::from((0x0b00_0000 + n).to_be_bytes());
            roles.served(host, Client::Address(ip("10.0.0.1")), Role::Dns, 3, Nanos(1));
        }
        assert_eq!((roles.candidates.len(), roles.counts()), (MAX_CANDIDATES, (1, 10)));
        assert_eq!(roles.of(ip("10.0.0.53"), Nanos(1)).len(), 1);
    }

    #[test]
    fn clients_beyond_the_limit_are_not_counted() {
        let mut roles = Roles::default();
        for n in 0..200_u32 {
            let client = Client::Address(IpAddr::from((0x0a01_0000 + n).to_be_bytes()));
            roles.served(ip("10.0.0.53"), client, Role::Dns, 3, Nanos(1));
        }
        let seen = roles.of(ip("10.0.0.53"), Nanos(1))[0];
        assert_eq!((seen.clients, seen.more), (MAX_CLIENTS as u32, true));
        assert_eq!(seen.to_string(), "DNS server (64 or more clients served)");
    }
}
