//! Simple Network Management Protocol, versions 1, 2c and 3 (RFC 1157, RFC 3416, RFC 3412, RFC 3414).
//!
//! A community is a password in clear text: the first message with each of a flow's becomes a login, accepted once
//! somebody answers with it.

use std::net::Ipv4Addr;

use wire::{Direction, IpProto};

use crate::dns::text;
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

const PORTS: &[u16] = &[161, 162];
/// Variables that are told of one message.
const MAX_VARS: usize = 64;
/// Bytes of a number in an object identifier: 63 bits.
const MAX_DIGITS: usize = 9;
/// Bytes of an object identifier.
const MAX_OID: usize = 128;
/// Bytes of a community or user name.
const MAX_NAME: usize = 255;
/// Communities of one flow that become logins.
const MAX_COMMUNITIES: usize = 8;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PduType {
    /// By its tag, 0 to 8.
    Known(u8),
    /// Of version 3, and cannot be read.
    Encrypted,
}

impl PduType {
    /// Its name in EVE.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            PduType::Known(0) => "get_request",
            PduType::Known(1) => "get_next_request",
            PduType::Known(2) => "response",
            PduType::Known(3) => "set_request",
            PduType::Known(4) => "trap_v1",
            PduType::Known(5) => "get_bulk_request",
            PduType::Known(6) => "inform_request",
            PduType::Known(7) => "trap_v2",
            PduType::Known(_) => "report",
            PduType::Encrypted => "encrypted",
        }
    }
}

/// What a version 1 trap says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Generic trap number.
    pub generic: u8,
    /// The kind of device.
    pub enterprise: String,
    /// Which device.
    pub address: Ipv4Addr,
}

impl Trap {
    /// The name of its generic number.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.generic {
            0 => "coldStart",
            1 => "warmStart",
            2 => "linkDown",
            3 => "linkUp",
            4 => "authenticationFailure",
            5 => "egpNeighborLoss",
            _ => "enterpriseSpecific",
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snmp {
    /// Which way it went.
    pub direction: Direction,
    /// 1, 2 or 3.
    pub version: u8,
    /// What kind.
    pub pdu: PduType,
    /// Object identifiers of its variables.
    pub vars: Vec<String>,
    /// Community of versions 1 and 2.
    pub community: Option<String>,
    /// User of version 3, where it can be read.
    pub user: Option<String>,
    /// The same of an encrypted message, whose events do not tell it.
    pub sealed_user: Option<String>,
    /// What a version 1 trap says.
    pub trap: Option<Trap>,
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Snmp,
    transport: IpProto::UDP,
    ports: PORTS,
    probe,
    open: Some(|_| Box::<Messages>::default()),
};

/// Lengths within lengths that all agree, and off its ports something that is asked for or told.
fn probe(opening: &Opening<'_>) -> Guess {
    match parse(opening.fresh(), opening.fresh, &mut 0) {
        Some(message) if opening.on_port(PORTS) || !message.vars.is_empty() => Guess::Yes,
        _ => Guess::No,
    }
}

/// Elements in BER, one behind the other.
struct Ber<'a>(&'a [u8]);

impl<'a> Ber<'a> {
    /// The next element's tag and contents; definite lengths of at most four bytes.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&first, mut rest) = self.0.split_first()?;
        let mut tag = first;
        // The long form of a number that would have fitted the short one.
        if tag & LONG_TAG == LONG_TAG {
            let (&number, tail) = rest.split_first().filter(|(number, _)| **number < LONG_TAG)?;
            tag = first & !LONG_TAG | number;
            rest = tail;
        }
        let (&len, mut rest) = rest.split_first()?;
        let len = if len < 0x80 {
            usize::from(len)
        } else {
            let digits = usize::from(len & 0x7f);
            let (digits, tail) = rest.split_at_checked(digits).filter(|_| (1..=4).contains(&digits))?;
            rest = tail;
            digits.iter().fold(0, |len, &digit| len << 8 | usize::from(digit))
        };
        let (contents, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, contents))
    }

    fn of(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, contents)| contents)
    }

    fn integer(&mut self) -> Option<i64> {
        let bytes = self.of(INTEGER).filter(|b| (1..=8).contains(&b.len()))?;
        let sign = if bytes[0] & 0x80 != 0 { -1 } else { 0 };
        Some(bytes.iter().fold(sign, |n, &byte| n << 8 | i64::from(byte)))
    }
}

/// The number of a tag whose number follows.
const LONG_TAG: u8 = 0x1f;
const INTEGER: u8 = 2;
const OCTETS: u8 = 4;
const OID: u8 = 6;
const SEQUENCE: u8 = 0x30;
const IP_ADDRESS: u8 = 0x40;

/// An object identifier in numbers and dots. `None` if a number has no end or is too long.
fn dotted(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.get(..bytes.len().min(MAX_OID)).filter(|b| !b.is_empty())?;
    let mut out = String::with_capacity(3 * bytes.len());
    let mut number = 0u64;
    let mut digits = 0;
    for &byte in bytes {
        digits += 1;
        if digits > MAX_DIGITS {
            return None;
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if out.is_empty() {
            let first = (number / 40).min(2);
            out.push_str(&format!("{first}.{}", number - 40 * first));
        } else {
            out.push_str(&format!(".{number}"));
        }
        (number, digits) = (0, 0);
    }
    (digits == 0).then_some(out)
}

/// What is no object identifier, byte by byte: "2b 80 00".
fn bytewise(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(MAX_OID)];
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn parse(bytes: &[u8], direction: Direction, limits: &mut u32) -> Option<Snmp> {
    let mut message = Ber(Ber(bytes).of(SEQUENCE)?);
    let version = message.integer()?;
    let mut snmp = Snmp {
        direction,
        version: match version {
            0 => 1,
            1 => 2,
            3 => 3,
            _ => return None,
        },
        pdu: PduType::Encrypted,
        vars: Vec::new(),
        community: None,
        user: None,
        sealed_user: None,
        trap: None,
    };
    if version == 3 {
        let mut header = Ber(message.of(SEQUENCE)?);
        let (_id, _size) = (header.integer()?, header.integer()?);
        let _flags = header.of(OCTETS).filter(|flags| flags.len() == 1)?;
        let model = header.integer()?;
        let security = message.of(OCTETS)?;
        match message.next()? {
            (OCTETS, _) => {
                snmp.sealed_user = if model == 3 { user(security) } else { None };
                return Some(snmp);
            }
            (SEQUENCE, scoped) => {
                if model == 3 {
                    snmp.user = user(security);
                }
                message = Ber(scoped);
                let (_engine, _context) = (message.of(OCTETS)?, message.of(OCTETS)?);
            }
            _ => return None,
        }
    } else {
        snmp.community = Some(name(message.of(OCTETS)?));
    }
    let (tag, pdu) = message.next().filter(|(tag, _)| (0xa0..=0xa8).contains(tag))?;
    snmp.pdu = PduType::Known(tag & 0x0f);
    let mut pdu = Ber(pdu);
    if tag == 0xa4 {
        let enterprise = dotted(pdu.of(OID)?)?;
        let address = Ipv4Addr::from(<[u8; 4]>::try_from(pdu.of(IP_ADDRESS)?).ok()?);
        let generic = u8::try_from(pdu.integer()?).ok()?;
        let _specific = pdu.integer()?;
        pdu.next()?;
        snmp.trap = Some(Trap { generic, enterprise, address });
    } else {
        let (_id, _status, _index) = (pdu.integer()?, pdu.integer()?, pdu.integer()?);
    }
    let mut list = Ber(pdu.of(SEQUENCE)?);
    while let Some(var) = list.of(SEQUENCE) {
        if snmp.vars.len() == MAX_VARS {
            *limits = limits.saturating_add(1);
            break;
        }
        // Senders err in the tag of a name.
        let (_, name) = Ber(var).next()?;
        snmp.vars.push(dotted(name).unwrap_or_else(|| bytewise(name)));
    }
    Some(snmp)
}

fn name(bytes: &[u8]) -> String {
    text(&bytes[..bytes.len().min(MAX_NAME)])
}

/// The user in the parameters of the user-based security model.
fn user(security: &[u8]) -> Option<String> {
    let mut usm = Ber(Ber(security).of(SEQUENCE)?);
    let _engine = usm.of(OCTETS)?;
    let (_boots, _time) = (usm.integer()?, usm.integer()?);
    Some(name(usm.of(OCTETS)?))
}

#[derive(Debug, Default)]
struct Messages {
    /// Communities that were seen, and whether an answer came with them.
    communities: Vec<(String, bool)>,
    limits_hit: u32,
}

fn login(community: String, outcome: Outcome) -> Login {
    let secret = Some(Secret::new(community));
    Login { service: AppProto::Snmp, method: "community", user: None, secret, outcome }
}

impl Messages {
    fn community(&mut self, community: &str, answer: bool, sink: &mut dyn Sink) {
        let full = self.communities.len() == MAX_COMMUNITIES;
        let known = self.communities.iter_mut().find(|(known, _)| known == community);
        match known {
            Some((_, accepted)) if answer && !*accepted => {
                *accepted = true;
                complete(login(community.to_owned(), Outcome::Accepted).into(), sink);
            }
            Some(_) => {}
            None if full => {
                self.limits_hit = self.limits_hit.saturating_add(1);
            }
            None => {
                self.communities.push((community.to_owned(), answer));
                if answer {
                    complete(login(community.to_owned(), Outcome::Accepted).into(), sink);
                }
            }
        }
    }
}

impl Parser for Messages {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let Some(snmp) = parse(chunk.bytes, chunk.direction, &mut self.limits_hit) else {
            sink.anomaly("malformed_data");
            return Step::More;
        };
        let community = snmp.community.clone();
        let answer = snmp.pdu == PduType::Known(2);
        complete(snmp.into(), sink);
        if let Some(community) = community.filter(|community| !community.is_empty()) {
            self.community(&community, answer, sink);
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for (community, accepted) in self.communities.drain(..) {
            if !accepted {
                complete(login(community, Outcome::Unknown).into(), sink);
            }
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x07\x02\x01\x00\x02\x01\x00\
        \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00";

    #[test]
    fn a_request_tells_community_and_objects() {
        let snmp = parse(GET, Direction::ToServer, &mut 0).unwrap();
        assert_eq!((snmp.version, snmp.pdu.name()), (2, "get_request"));
        assert_eq!(
            (snmp.community.as_deref(), snmp.vars),
            (Some("public"), vec!["1.3.6.1.2.1.1.1.0".to_owned()])
        );
        for len in 0..GET.len() {
            assert_eq!(parse(&GET[..len], Direction::ToServer, &mut 0), None, "{len}");
        }
    }

    #[test]
    fn numbers_that_are_too_long_are_refused() {
        assert_eq!(dotted(&[0x2b, 0x81, 0x00]).as_deref(), Some("1.3.128"));
        assert_eq!(dotted(&[0x88, 0x37]).as_deref(), Some("2.999"));
        assert_eq!(dotted(&[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), None);
        assert_eq!(dotted(&[0x2b, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), None);
        assert_eq!(dotted(&[0x2b, 0x80]), None);
    }
}
