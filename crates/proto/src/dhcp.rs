//! Dynamic Host Configuration Protocol for IPv4 (RFC 2131, RFC 2132): what a server has acknowledged. As Suricata
//! does unless told otherwise, the messages that lead to it are read and not logged.

use std::net::Ipv4Addr;

use wire::{Direction, IpProto};

use crate::dns::text;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

const PORTS: &[u16] = &[67, 68];
/// Where the options' cookie lies, and what it is.
const COOKIE_AT: usize = 236;
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Options read of one message.
const MAX_OPTIONS: usize = 128;
/// DHCPACK.
const ACK: u8 = 5;

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dhcp {
    /// Which way it went.
    pub direction: Direction,
    /// BOOTREPLY, not BOOTREQUEST.
    pub reply: bool,
    /// Transaction ID.
    pub id: u32,
    /// The client's hardware address.
    pub client_mac: Vec<u8>,
    /// `ciaddr`, `yiaddr`, `siaddr`, `giaddr`.
    pub addresses: [Ipv4Addr; 4],
    /// DHCP message type.
    pub message_type: u8,
    /// Client identifier without its type.
    pub client_id: Option<Vec<u8>>,
    /// Host name as sent.
    pub hostname: Option<String>,
    /// The address the client wants.
    pub requested_ip: Option<Ipv4Addr>,
    /// Lease, renewal and rebinding time in seconds.
    pub times: [Option<u32>; 3],
    /// Subnet mask.
    pub subnet_mask: Option<Ipv4Addr>,
    /// Routers.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Options that are asked for.
    pub params: Vec<u8>,
    /// Vendor class identifier.
    pub vendor_class: Option<String>,
}

/// What a message type is called.
#[must_use]
pub fn type_name(message_type: u8) -> &'static str {
    const NAMES: [&str; 18] = [
        "discover",
        "offer",
        "request",
        "decline",
        "ack",
        "nak",
        "release",
        "inform",
        "force_renew",
        "lease_query",
        "lease_unassigned",
        "lease_unknown",
        "lease_active",
        "bulk_lease_query",
        "lease_query_done",
        "active_lease_query",
        "lease_query_status",
        "tls",
    ];
    usize::from(message_type).checked_sub(1).and_then(|at| NAMES.get(at)).copied().unwrap_or("unknown")
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Dhcp,
    transport: IpProto::UDP,
    ports: PORTS,
    probe,
    open: Some(|_| Box::new(Messages::default())),
};

/// The cookie is sign enough on any port.
fn probe(opening: &Opening<'_>) -> Guess {
    if parse(opening.fresh(), opening.fresh).is_some() { Guess::Yes } else { Guess::No }
}

/// What else is said of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// The options end before their end mark.
    truncated: bool,
    /// There were more than are read.
    unread: bool,
}

fn parse(bytes: &[u8], direction: Direction) -> Option<(Dhcp, Reading)> {
    let options = bytes.get(COOKIE_AT + 4..)?;
    if bytes[COOKIE_AT..COOKIE_AT + 4] != COOKIE || !matches!(bytes[0], 1 | 2) || bytes[2] > 16 {
        return None;
    }
    let mut dhcp = Dhcp {
        direction,
        reply: bytes[0] == 2,
        id: u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        client_mac: bytes[28..28 + usize::from(bytes[2])].to_vec(),
        addresses: [12, 16, 20, 24]
            .map(|at| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])),
        message_type: 0,
        client_id: None,
        hostname: None,
        requested_ip: None,
        times: [None; 3],
        subnet_mask: None,
        routers: Vec::new(),
        dns_servers: Vec::new(),
        params: Vec::new(),
        vendor_class: None,
    };
    let mut reading = Reading::default();
    let mut overload = 0;
    read_options(options, &mut dhcp, &mut reading, &mut overload);
    // Options may go on in the fields of the boot file and the server's name (RFC 2132 section 9.3).
    let mut ignored = 0;
    if overload & 1 != 0 {
        read_options(&bytes[108..COOKIE_AT], &mut dhcp, &mut Reading::default(), &mut ignored);
    }
    if overload & 2 != 0 {
        read_options(&bytes[44..108], &mut dhcp, &mut Reading::default(), &mut ignored);
    }
    Some((dhcp, reading))
}

fn read_options(mut rest: &[u8], dhcp: &mut Dhcp, reading: &mut Reading, overload: &mut u8) {
    for _ in 0..MAX_OPTIONS {
        let Some((&code, tail)) = rest.split_first() else {
            reading.truncated = true;
            return;
        };
        match code {
            0 => rest = tail,
            255 => return,
            _ => {
                let split = tail.split_first().and_then(|(&len, tail)| tail.split_at_checked(len.into()));
                let Some((value, tail)) = split else {
                    reading.truncated = true;
                    return;
                };
                take_option(code, value, dhcp, overload);
                rest = tail;
                // Padding does not count.
                while let [0, tail @ ..] = rest {
                    rest = tail;
                }
            }
        }
    }
    reading.unread = true;
}

fn take_option(code: u8, value: &[u8], dhcp: &mut Dhcp, overload: &mut u8) {
    let four = || <[u8; 4]>::try_from(value).ok();
    let list = || value.chunks_exact(4).map(|ip| Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3])).collect();
    let seconds = || four().map(u32::from_be_bytes);
    match code {
        1 => dhcp.subnet_mask = four().map(Ipv4Addr::from),
        3 => dhcp.routers = list(),
        6 => dhcp.dns_servers = list(),
        12 => dhcp.hostname = Some(text(value)),
        50 => dhcp.requested_ip = four().map(Ipv4Addr::from),
        51 => dhcp.times[0] = seconds(),
        52 => *overload = value.first().copied().unwrap_or(0),
        53 => dhcp.message_type = value.first().copied().unwrap_or(0),
        55 => dhcp.params = value.to_vec(),
        58 => dhcp.times[1] = seconds(),
        59 => dhcp.times[2] = seconds(),
        60 => dhcp.vendor_class = Some(text(value)),
        61 => dhcp.client_id = value.split_first().map(|(_, id)| id.to_vec()),
        _ => {}
    }
}

#[derive(Debug, Default)]
struct Messages {
    unread: u32,
}

impl Parser for Messages {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        match parse(chunk.bytes, chunk.direction) {
            Some((dhcp, reading)) => {
                self.unread = self.unread.saturating_add(reading.unread.into());
                if reading.truncated {
                    sink.anomaly("truncated_options");
                }
                if dhcp.message_type == ACK {
                    complete(dhcp.into(), sink);
                } else {
                    sink.pass(&dhcp.into());
                }
            }
            None => sink.anomaly("malformed_data"),
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.unread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(options: &[u8]) -> Vec<u8> {
        let mut m = vec![0; COOKIE_AT];
        (m[0], m[1], m[2], m[19]) = (2, 1, 6, 9);
        m[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        m.extend_from_slice(&COOKIE);
        m.extend_from_slice(options);
        m
    }

    #[test]
    fn an_acknowledgement_tells_host_and_address() {
        let m = message(b"\x35\x01\x05\x0c\x02pc\x3a\x04\x00\x00\x00\x3c\xff");
        let (dhcp, reading) = parse(&m, Direction::ToClient).unwrap();
        assert_eq!((dhcp.message_type, dhcp.hostname.as_deref(), dhcp.times[1]), (ACK, Some("pc"), Some(60)));
        assert_eq!((dhcp.addresses[1], reading), (Ipv4Addr::new(0, 0, 0, 9), Reading::default()));
        let (_, reading) = parse(&m[..m.len() - 1], Direction::ToClient).unwrap();
        assert!(reading.truncated);
    }

    #[test]
    fn options_go_on_in_the_servers_name() {
        let mut m = message(b"\x34\x01\x02\x35\x01\x05\xff");
        m[44..50].copy_from_slice(b"\x03\x04\x0a\x00\x00\x01");
        let (dhcp, _) = parse(&m, Direction::ToClient).unwrap();
        assert_eq!(dhcp.routers, [Ipv4Addr::new(10, 0, 0, 1)]);
    }
}
