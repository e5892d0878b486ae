//! Dynamic Host Configuration Protocol for IPv6 (RFC 8415).

use std::net::Ipv6Addr;

use wire::{Direction, IpProto};

use crate::datagrams::Datagrams;
use crate::dns::text;
use crate::parser::Chunk;
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

const PORTS: &[u16] = &[546, 547];
/// Options read of one message, those within others too.
const MAX_OPTIONS: usize = 128;
/// Messages of relays within each other.
const MAX_RELAYS: u8 = 32;

/// A message, without what relays have wrapped around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dhcpv6 {
    /// Which way it went.
    pub direction: Direction,
    /// Message type.
    pub message_type: u8,
    /// Transaction ID.
    pub id: u32,
    /// Relays that have passed it on.
    pub relays: u8,
    /// Who the client is.
    pub client_duid: Option<Vec<u8>>,
    /// Who the server is.
    pub server_duid: Option<Vec<u8>>,
    /// Addresses that are asked for or assigned.
    pub addresses: Vec<Ipv6Addr>,
    /// Prefixes that are asked for or delegated.
    pub prefixes: Vec<(Ipv6Addr, u8)>,
    /// Name servers.
    pub dns_servers: Vec<Ipv6Addr>,
    /// The client's name.
    pub hostname: Option<String>,
    /// 0 if all is well.
    pub status: Option<u16>,
}

/// What a message type is called.
#[must_use]
pub fn type_name(message_type: u8) -> &'static str {
    match message_type {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information_request",
        12 => "relay_forward",
        13 => "relay_reply",
        _ => "unknown",
    }
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Dhcpv6,
    transport: IpProto::UDP,
    ports: PORTS,
    probe,
    open: Some(|_| Datagrams::boxed(|chunk, limits| message(chunk, limits).map(Transaction::from))),
};

/// Its header is three bytes any of which may be anything: it is believed on its ports only.
fn probe(opening: &Opening<'_>) -> Guess {
    let chunk = Chunk { direction: opening.fresh, bytes: opening.fresh(), time: opening.tuple.start };
    let sound = opening.on_port(PORTS) && message(chunk, &mut 0).is_some();
    if sound { Guess::Yes } else { Guess::No }
}

fn message(chunk: Chunk<'_>, limits: &mut u32) -> Option<Dhcpv6> {
    let mut bytes = chunk.bytes;
    let mut relays = 0;
    // RELAY-FORW and RELAY-REPL: hops, two addresses, and the message in option 9.
    while let [12 | 13, ..] = bytes {
        if relays == MAX_RELAYS {
            *limits = limits.saturating_add(1);
            return None;
        }
        relays += 1;
        bytes = Options(bytes.get(34..)?).find_map(|option| option.filter(|o| o.0 == 9).map(|o| o.1))?;
    }
    let (&[message_type, a, b, c], options) = bytes.split_first_chunk::<4>()?;
    if !(1..=36).contains(&message_type) {
        return None;
    }
    let mut dhcp = Dhcpv6 {
        direction: chunk.direction,
        message_type,
        id: u32::from_be_bytes([0, a, b, c]),
        relays,
        client_duid: None,
        server_duid: None,
        addresses: Vec::new(),
        prefixes: Vec::new(),
        dns_servers: Vec::new(),
        hostname: None,
        status: None,
    };
    let mut room = MAX_OPTIONS;
    for option in Options(options) {
        let (code, value) = option?;
        if room == 0 {
            break;
        }
        room -= 1;
        take(&mut dhcp, code, value);
        // An identity association holds options of its own.
        let inner = match code {
            3 | 25 => value.get(12..),
            4 => value.get(4..),
            _ => None,
        };
        for option in Options(inner.unwrap_or_default()).flatten().take(room) {
            room -= 1;
            take(&mut dhcp, option.0, option.1);
        }
    }
    *limits = limits.saturating_add((room == 0).into());
    Some(dhcp)
}

fn take(dhcp: &mut Dhcpv6, code: u16, value: &[u8]) {
    let address =
        |at: usize| value.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok()).map(Ipv6Addr::from);
    match code {
        1 => dhcp.client_duid = Some(value.to_vec()),
        2 => dhcp.server_duid = Some(value.to_vec()),
        5 => dhcp.addresses.extend(address(0)),
        13 => dhcp.status = value.first_chunk().map(|b| u16::from_be_bytes(*b)),
        23 => dhcp.dns_servers = (0..value.len() / 16).filter_map(|i| address(16 * i)).collect(),
        26 => dhcp.prefixes.extend(value.get(8).copied().and_then(|len| Some((address(9)?, len)))),
        // Flags, then labels as in DNS, the last one perhaps not ended.
        39 => dhcp.hostname = value.get(1..).map(labels),
        _ => {}
    }
}

fn labels(mut rest: &[u8]) -> String {
    let mut name = Vec::new();
    while let Some((&len, tail)) = rest.split_first() {
        let Some((label, tail)) = tail.split_at_checked(len.into()) else { break };
        if len == 0 {
            break;
        }
        if !name.is_empty() {
            name.push(b'.');
        }
        name.extend_from_slice(label);
        rest = tail;
    }
    text(&name)
}

/// Options by code, `None` where one is cut off.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let split = self.0.split_first_chunk::<4>().and_then(|(&[a, b, c, d], rest)| {
            let (value, rest) = rest.split_at_checked(u16::from_be_bytes([c, d]).into())?;
            Some((u16::from_be_bytes([a, b]), value, rest))
        });
        Some(if let Some((code, value, rest)) = split {
            self.0 = rest;
            Some((code, value))
        } else {
            self.0 = &[];
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Nanos;

    #[test]
    fn an_address_is_found_within_its_association() {
        let mut bytes =
            b"\x07\x00\x00\x2a\x00\x03\x00\x28\0\0\0\x01\0\0\0\0\0\0\0\0\x00\x05\x00\x18".to_vec();
        bytes.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        bytes.extend_from_slice(&[0; 8]);
        let chunk = Chunk { direction: Direction::ToClient, bytes: &bytes, time: Nanos(0) };
        let dhcp = message(chunk, &mut 0).unwrap();
        assert_eq!((dhcp.message_type, dhcp.id, dhcp.addresses), (7, 42, vec![Ipv6Addr::LOCALHOST]));
        assert!(message(Chunk { bytes: &bytes[..bytes.len() - 1], ..chunk }, &mut 0).is_none());
        let mut relayed = vec![12; 34];
        relayed.extend_from_slice(&[0, 9, 0, bytes.len() as u8]);
        relayed.extend_from_slice(&bytes);
        assert_eq!(message(Chunk { bytes: &relayed, ..chunk }, &mut 0).unwrap().relays, 1);
    }
}
