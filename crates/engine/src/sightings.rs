//! What transactions, flows and neighbors say about who serves whom: facts for the judge.
//!
//! A worker makes them of what it has parsed anyway, when a transaction is complete, a request is whole, or a flow is
//! answered for the first time. They go to the warden over a queue of their own: what does not fit is counted, and no
//! worker waits.

use std::net::IpAddr;
use std::time::Duration;

use alert::{Client, MAX_NAMES, Names, Opening, Role, Sighting, Stations};
use flow::FlowTuple;
use output::AlertEvent;
use proto::dns::{Dns, RData};
use proto::ldap::{Ldap, Operation, Reply};
use proto::{Http, Transaction};
use wire::{Arp, IpProto, LinkType, Nanos, Packet, TcpOption, TcpOptions, Transport};

use crate::input::Input;

/// Ethernet's header without tags.
const ETHERNET: usize = 14;
/// DHCP message types (RFC 2132 section 9.6).
const DHCP_REQUEST: u8 = 3;
const DHCP_ACK: u8 = 5;
/// SOCKS 4 and 5: granted.
const SOCKS_GRANTED: [Option<u8>; 2] = [Some(90), Some(0)];
/// DNS response codes: no error, and no such name. Both are answers.
const DNS_ANSWERS: [u16; 2] = [0, 3];
/// Neighbor discovery (RFC 4861).
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// TCP's header without options.
const TCP_HEADER: usize = 20;

/// What a request says before it is answered.
pub(crate) fn of_request(tuple: &FlowTuple, transaction: &Transaction, into: &mut Vec<Sighting>) {
    let (client, host) = (tuple.client.ip, tuple.server.ip);
    let name = match transaction {
        Transaction::Http(http) if is_proxied(http) => http.host.as_deref(),
        Transaction::Socks(socks) => Some(socks.host.as_str()),
        Transaction::Dhcp(dhcp) if !dhcp.reply && dhcp.message_type == DHCP_REQUEST => {
            let client = dhcp.client_mac.as_slice().try_into();
            into.extend(client.ok().map(|client| Sighting::LeaseAsked { client, id: dhcp.id }));
            return;
        }
        _ => None,
    };
    into.extend(name.map(|name| Sighting::Asked { host, client, names: Names::of(name) }));
}

/// What a complete transaction says; `answered`: both sides have spoken on its flow, after a handshake if it is TCP's.
pub(crate) fn of_transaction(
    tuple: &FlowTuple,
    answered: bool,
    transaction: &Transaction,
    into: &mut Vec<Sighting>,
) {
    let (client, host) = (tuple.client.ip, tuple.server.ip);
    let role = match transaction {
        Transaction::Dns(dns) => return of_dns(dns, tuple, answered, into),
        Transaction::Dhcp(dhcp) => {
            if dhcp.reply
                && dhcp.message_type == DHCP_ACK
                && let Ok(client) = dhcp.client_mac.as_slice().try_into()
            {
                // A server that nobody called is the one that speaks: its flow begins with the answer.
                let host = tuple.ends(dhcp.direction).0.ip;
                let router = dhcp.routers.first().copied();
                into.push(Sighting::Leased { host, client, id: dhcp.id, router });
            }
            return;
        }
        Transaction::Http(http) if is_proxied(http) => {
            http.status.is_some_and(|status| (200..400).contains(&status)).then_some(Role::Proxy)
        }
        Transaction::Socks(socks) => SOCKS_GRANTED.contains(&socks.reply).then_some(Role::Proxy),
        Transaction::Krb5(krb5) => krb5.is_answer().then_some(Role::DomainController),
        Transaction::Ldap(ldap) => is_directory(ldap).then_some(Role::DomainController),
        Transaction::Smtp(smtp) if smtp.email.is_some() && answered => {
            into.push(Sighting::Mailed { host: client });
            Some(Role::Mail)
        }
        _ => None,
    };
    if let (Some(role), true) = (role, answered) {
        into.push(Sighting::Served { host, client: Client::Address(client), role });
    }
}

fn of_dns(dns: &Dns, tuple: &FlowTuple, answered: bool, into: &mut Vec<Sighting>) {
    let Some(question) = dns.questions.first() else { return };
    let (client, host, names) = (tuple.client.ip, tuple.server.ip, Names::of(&question.name));
    if !dns.response {
        into.push(Sighting::Asked { host, client, names });
    } else if answered && DNS_ANSWERS.contains(&dns.rcode) {
        let mut addresses = [None; 2];
        let found = dns.answers.iter().filter_map(|record| match record.data {
            RData::A(ip) => Some(IpAddr::from(ip)),
            RData::Aaaa(ip) => Some(ip.into()),
            _ => None,
        });
        addresses.iter_mut().zip(found).for_each(|(slot, ip)| *slot = Some(ip));
        into.push(Sighting::Answered { host, client, names, addresses });
    }
}

/// Whether it asks a proxy: CONNECT, or a target in absolute form (RFC 9112 section 3.2.2).
fn is_proxied(http: &Http) -> bool {
    let begins =
        |scheme: &str| http.uri.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    http.method.eq_ignore_ascii_case("CONNECT")
        || !http.is_http2() && (begins("http://") || begins("https://"))
}

/// Whether a directory has answered: to a client that said who it is, or with entries; not with Java objects, which is
/// how a client is attacked that looks a name up.
fn is_directory(ldap: &Ldap) -> bool {
    let Some(request) = &ldap.request else { return false };
    let done = |code| {
        ldap.responses.iter().any(|response| match &response.reply {
            Reply::Bind(result, _) | Reply::Done(_, result) => result.code == code,
            _ => false,
        })
    };
    match &request.operation {
        // 14: more to come of a SASL exchange (RFC 4511 section 4.2.2).
        Operation::Bind { name, sasl, .. } => (!name.is_empty() || sasl.is_some()) && (done(0) || done(14)),
        Operation::Search { .. } => {
            let mut entries = ldap.responses.iter().filter_map(|response| match &response.reply {
                Reply::Entry { attributes, .. } => Some(attributes),
                _ => None,
            });
            let java = |name: &str| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("java"));
            let first = entries.next();
            first.is_some()
                && !first.into_iter().chain(entries).flatten().any(|attribute| java(&attribute.name))
        }
        _ => false,
    }
}

/// A flow was answered for the first time, by the packet at hand.
pub(crate) fn of_meeting(tuple: &FlowTuple, packet: &Packet<'_>, input: &Input<'_>) -> Sighting {
    let opening = match packet.transport {
        Transport::Tcp(header) => Some(Opening {
            numbers: (header.seq, header.ack),
            ttl: hops(packet),
            timestamps: has_timestamps(packet.header),
        }),
        _ => None,
    };
    let stations = frame_stations(packet, input).map(|(to, from)| {
        let from_client = packet.src == tuple.client.ip;
        let (client, server) = if from_client { (from, to) } else { (to, from) };
        Stations { client, server }
    });
    Sighting::Met {
        client: tuple.client.ip,
        server: tuple.server.ip,
        port: tuple.server.port,
        opening,
        stations,
    }
}

/// Destination and source of the frame, on Ethernet and outside of tunnels.
fn frame_stations(packet: &Packet<'_>, input: &Input<'_>) -> Option<([u8; 6], [u8; 6])> {
    if input.link != LinkType::Ethernet || packet.tunnel.is_some() || input.bytes.len() < ETHERNET {
        return None;
    }
    Some((input.bytes[..6].try_into().ok()?, input.bytes[6..12].try_into().ok()?))
}

fn hops(packet: &Packet<'_>) -> u8 {
    let at = if packet.src.is_ipv4() { 8 } else { 7 };
    packet.network.get(at).copied().unwrap_or(0)
}

/// Whether a TCP header carries the timestamp option (RFC 7323).
fn has_timestamps(header: &[u8]) -> bool {
    let options = header.get(TCP_HEADER..).unwrap_or_default();
    TcpOptions::new(options).any(|option| matches!(option, TcpOption::Timestamps(..)))
}

/// An ARP packet says where its sender is.
pub(crate) fn of_arp(arp: &Arp) -> Option<Sighting> {
    let nobody = arp.sender_ip.is_unspecified() || arp.sender_ip.is_multicast() || arp.sender_mac[0] & 1 == 1;
    let (host, station) = (arp.sender_ip.into(), arp.sender_mac);
    (!nobody).then_some(Sighting::Lives { host, station, router: false })
}

/// A message of neighbor discovery says where its sender is. It has crossed no router: its hop limit is 255.
pub(crate) fn of_neighbor(packet: &Packet<'_>, input: &Input<'_>) -> Option<Sighting> {
    let Transport::Icmp { kind, .. } = packet.transport else { return None };
    let known = matches!(kind, ROUTER_ADVERTISEMENT | NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT);
    if packet.proto != IpProto::ICMPV6 || !known || hops(packet) != 255 {
        return None;
    }
    let (_, station) = frame_stations(packet, input)?;
    let host = match (kind, packet.payload.first_chunk::<16>()) {
        (NEIGHBOR_ADVERTISEMENT, Some(target)) => IpAddr::from(*target),
        (NEIGHBOR_ADVERTISEMENT, None) => return None,
        _ => packet.src,
    };
    let nobody = host.is_unspecified() || host.is_multicast() || station[0] & 1 == 1;
    (!nobody).then_some(Sighting::Lives { host, station, router: kind == ROUTER_ADVERTISEMENT })
}

/// By what an alert's question can be found again with the host that passed it on.
pub(crate) fn names(event: &AlertEvent) -> Vec<Names> {
    let Some(flow) = &event.flow else { return Vec::new() };
    // Only what its victim asks can be somebody else's question.
    if event.alert.victim.map(|ip| ip.to_canonical()) != Some(flow.client.ip.to_canonical()) {
        return Vec::new();
    }
    let mut names = Vec::with_capacity(MAX_NAMES);
    match event.transaction.as_ref().map(|(_, transaction)| transaction) {
        Some(Transaction::Dns(dns)) => {
            names.extend(dns.questions.first().map(|question| Names::of(&question.name)));
            // Who asks a resolver has nothing to do with the resolver's address.
            return names;
        }
        Some(Transaction::Http(http)) => names.extend(http.host.as_deref().map(Names::of)),
        Some(Transaction::Tls(tls)) => names.extend(tls.sni.as_deref().map(Names::of)),
        Some(Transaction::Quic(quic)) => names.extend(quic.sni.as_deref().map(Names::of)),
        _ => {}
    }
    names.push(Names::of_address(flow.server.ip));
    names
}

/// Neighbors that were told of a moment ago, so that a flood of announcements does not become one of sightings.
#[derive(Debug)]
pub(crate) struct Neighbors {
    known: Box<[Option<(Sighting, Nanos)>]>,
}

/// How long an announcement stands.
const STANDS: Duration = Duration::from_secs(30);
/// Neighbors that are remembered by a worker.
const NEIGHBORS: usize = 256;

impl Default for Neighbors {
    fn default() -> Self {
        Neighbors { known: vec![None; NEIGHBORS].into() }
    }
}

impl Neighbors {
    /// Whether this is news.
    pub(crate) fn is_news(&mut self, sighting: &Sighting, now: Nanos) -> bool {
        let Sighting::Lives { host, .. } = sighting else { return true };
        let last = match host {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(v6) => v6.octets()[15] ^ v6.octets()[13],
        };
        let slot = &mut self.known[usize::from(last) % NEIGHBORS];
        let known = slot.is_some_and(|(known, at)| known == *sighting && now.since(at) < STANDS);
        if !known {
            *slot = Some((*sighting, now));
        }
        !known
    }
}

#[cfg(test)]
#[path = "sightings_tests.rs"]
mod tests;
