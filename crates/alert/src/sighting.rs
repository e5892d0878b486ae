//! What workers see of who talks to whom: facts from which the judge learns roles, contacts and forwarded questions.
//!
//! They are not alerts and are never written down. A worker makes them only when a transaction is complete, a flow is
//! answered for the first time, or a neighbor is announced; never per packet.

use core::net::{IpAddr, Ipv4Addr};

/// What a host does for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It answers DNS questions.
    Dns,
    /// It leases addresses, or relays for a server that does.
    Dhcp,
    /// It answers Kerberos or LDAP.
    DomainController,
    /// It is an HTTP or SOCKS proxy.
    Proxy,
    /// Several hosts speak from behind its address.
    Nat,
    /// It takes mail from several clients and sends mail itself.
    Mail,
    /// It carries packets of hosts on other networks.
    Gateway,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 7] =
        [Role::Dns, Role::Dhcp, Role::DomainController, Role::Proxy, Role::Nat, Role::Mail, Role::Gateway];

    /// The name in configuration and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Dns => "dns",
            Role::Dhcp => "dhcp",
            Role::DomainController => "domain_controller",
            Role::Proxy => "proxy",
            Role::Nat => "nat",
            Role::Mail => "mail",
            Role::Gateway => "gateway",
        }
    }

    /// What a host with the role is, for humans.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Role::Dns => "DNS server",
            Role::Dhcp => "DHCP server or relay",
            Role::DomainController => "domain controller",
            Role::Proxy => "proxy",
            Role::Nat => "NAT",
            Role::Mail => "mail relay",
            Role::Gateway => "gateway",
        }
    }
}

/// Names, and their parent domains, that one question can be compared by.
pub const MAX_NAMES: usize = 4;

/// A name that was asked for, with its parent domains: a resolver may ask for a part of the name first (RFC 9156).
/// Hashes, so that a sighting is small; zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names(pub [u64; MAX_NAMES]);

impl Names {
    /// Of a host name, as asked for by DNS, HTTP or SOCKS; of an address written out, that address.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let name = name.trim_end_matches('.');
        if let Ok(ip) = name.trim_matches(['[', ']']).parse() {
            return Names::of_address(ip);
        }
        let mut names = Names::default();
        let mut rest = name;
        for slot in &mut names.0 {
            *slot = hash(rest);
            match rest.split_once('.') {
                Some((_, parent)) if parent.contains('.') => rest = parent,
                _ => break,
            }
        }
        names
    }

    /// Of an address.
    #[must_use]
    pub fn of_address(ip: IpAddr) -> Self {
        let mut names = Names::default();
        names.0[0] = hash(&ip.to_canonical().to_string());
        names
    }

    /// The name itself.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.0[0]
    }
}

/// FNV-1a of a name in lower case; never zero.
fn hash(name: &str) -> u64 {
    let step = |hash: u64, byte: u8| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01b3)
    };
    name.bytes().fold(0xcbf2_9ce4_8422_2325, step).max(1)
}

/// One client of a service: by its address where that is its own, else by what sets it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    /// By its address.
    Address(IpAddr),
    /// By its hardware address (DHCP).
    Station([u8; 6]),
}

/// Hardware addresses of a flow's ends, as its frames bear them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stations {
    /// On the client's side.
    pub client: [u8; 6],
    /// On the server's side.
    pub server: [u8; 6],
}

/// The first segment after a TCP handshake, from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Opening {
    /// Sequence and acknowledgement number: address translation leaves them as they are.
    pub numbers: (u32, u32),
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Whether it carries the timestamp option (RFC 7323).
    pub timestamps: bool,
}

/// A fact. All are of flows that both sides have spoken on, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sighting {
    /// A host has answered a client as one with this role does.
    Served {
        /// The host.
        host: IpAddr,
        /// The client.
        client: Client,
        /// The role.
        role: Role,
    },
    /// A host was asked for a name; it may not have answered yet.
    Asked {
        /// The host.
        host: IpAddr,
        /// Who asks.
        client: IpAddr,
        /// For what.
        names: Names,
    },
    /// A host has answered a DNS question.
    Answered {
        /// The host.
        host: IpAddr,
        /// Who asked.
        client: IpAddr,
        /// For what.
        names: Names,
        /// The first addresses in the answer.
        addresses: [Option<IpAddr>; 2],
    },
    /// A host has sent a mail to another server.
    Mailed {
        /// The host.
        host: IpAddr,
    },
    /// A client asks for a lease; nobody has answered yet.
    LeaseAsked {
        /// The client's hardware address.
        client: [u8; 6],
        /// Transaction ID.
        id: u32,
    },
    /// A lease was granted.
    Leased {
        /// Who says so: the server, or its relay.
        host: IpAddr,
        /// The client's hardware address.
        client: [u8; 6],
        /// Transaction ID.
        id: u32,
        /// The first router that the client is told of.
        router: Option<Ipv4Addr>,
    },
    /// A flow is answered for the first time; a TCP connection is open.
    Met {
        /// Who called.
        client: IpAddr,
        /// Who answered.
        server: IpAddr,
        /// The server's port, zero if there is none.
        port: u16,
        /// Of TCP.
        opening: Option<Opening>,
        /// On Ethernet.
        stations: Option<Stations>,
    },
    /// An address is at a station: ARP or neighbor discovery says so.
    Lives {
        /// The address.
        host: IpAddr,
        /// The station.
        station: [u8; 6],
        /// It says that it is a router (RFC 4861).
        router: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_with_their_parents() {
        let asked = Names::of("A.b.Evil.Example.");
        assert_eq!(asked, Names::of("a.B.evil.example"));
        assert!(asked.0.contains(&Names::of("evil.example").whole()));
        assert!(!asked.0.contains(&Names::of("example").whole()), "a top-level domain says nothing");
        assert_eq!(Names::of("[2001:DB8::1]"), Names::of_address("2001:db8::1".parse().unwrap()));
        assert_eq!(Names::of("192.0.2.1").0[1], 0);
        assert_ne!(Names::of("").whole(), 0);
    }
}
