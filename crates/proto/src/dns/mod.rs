//! DNS messages over UDP and TCP (RFC 1035, RFC 3596, RFC 2782).
//!
//! Our own reader, because a message with one odd record must still give up its question: libraries
//! refuse the whole message. Total: compression pointers only ever lead backwards, every count is
//! checked against the bytes that are there.

mod names;

use std::net::{Ipv4Addr, Ipv6Addr};

use flow::FlowTuple;
use wire::{Direction, IpProto};

pub use names::{rcode_name, rtype_name};

use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// The port of DNS.
const PORTS: &[u16] = &[53];
/// Ports of protocols that have DNS's format and are not DNS: mDNS, LLMNR, NBNS.
const LOOKALIKE_PORTS: &[u16] = &[5353, 5355, 137];
/// Questions that are read of one message.
const MAX_QUESTIONS: u16 = 32;
/// Records that are read of each section.
const MAX_RECORDS: u16 = 256;
/// Bytes of a name on the wire (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// Compression pointers followed in one name.
const MAX_POINTERS: usize = 32;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name asked for, without the final dot; bytes that do not print as `\xNN`.
    pub name: String,
    /// QTYPE.
    pub rtype: u16,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The canonical name.
    Cname(String),
    /// A name server.
    Ns(String),
    /// A reverse name.
    Ptr(String),
    /// A mail exchange.
    Mx {
        /// Smaller is preferred.
        preference: u16,
        /// Its name.
        exchange: String,
    },
    /// Text strings.
    Txt(Vec<String>),
    /// Start of authority.
    Soa {
        /// Primary name server.
        mname: String,
        /// Mailbox of the person responsible.
        rname: String,
        /// Serial, refresh, retry, expire, minimum.
        numbers: [u32; 5],
    },
    /// A service.
    Srv {
        /// Smaller is preferred.
        priority: u16,
        /// Share among equals.
        weight: u16,
        /// Port.
        port: u16,
        /// Host.
        target: String,
    },
    /// Anything else, or something unreadable.
    Other,
}

/// A resource record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whom it is about.
    pub name: String,
    /// TYPE.
    pub rtype: u16,
    /// Seconds it may be cached.
    pub ttl: u32,
    /// What it says.
    pub data: RData,
}

/// A DNS message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Query or response.
    pub response: bool,
    /// Identifier.
    pub id: u16,
    /// The flags word as sent.
    pub flags: u16,
    /// OPCODE.
    pub opcode: u8,
    /// RCODE.
    pub rcode: u16,
    /// Questions.
    pub questions: Vec<Question>,
    /// Answer section.
    pub answers: Vec<Record>,
    /// Authority section.
    pub authorities: Vec<Record>,
    /// Every announced record was there and readable.
    complete: bool,
}

impl Dns {
    /// Strict enough to believe that it is DNS on any port.
    pub(crate) fn is_plausible(&self) -> bool {
        self.complete
            && self.questions.len() == 1
            && self.opcode == 0
            && self.flags & 0x0040 == 0
            && self.questions.iter().all(|q| q.name.contains('.') && !q.name.contains('\\'))
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn u16(&mut self) -> Option<u16> {
        let bytes = self.message.get(self.at..self.at + 2)?;
        self.at += 2;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// A name at the present place, wherever its parts lie.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut at = self.at;
        let mut end = None;
        let mut length = 0;
        let mut pointers = 0;
        loop {
            let len = usize::from(*self.message.get(at)?);
            match len >> 6 {
                0 if len == 0 => {
                    self.at = end.unwrap_or(at + 1);
                    return Some(name);
                }
                0 => {
                    length += len + 1;
                    if length > MAX_NAME {
                        return None;
                    }
                    if !name.is_empty() {
                        name.push('.');
                    }
                    push_label(&mut name, self.message.get(at + 1..at + 1 + len)?);
                    at += 1 + len;
                }
                3 => {
                    let low = usize::from(*self.message.get(at + 1)?);
                    let target = (len & 0x3f) << 8 | low;
                    end.get_or_insert(at + 2);
                    pointers += 1;
                    if target >= at || pointers > MAX_POINTERS {
                        return None;
                    }
                    at = target;
                }
                _ => return None,
            }
        }
    }

    fn question(&mut self) -> Option<Question> {
        let name = self.name()?;
        let rtype = self.u16()?;
        self.u16()?;
        Some(Question { name, rtype })
    }

    fn record(&mut self) -> Option<Record> {
        let name = self.name()?;
        let rtype = self.u16()?;
        self.u16()?;
        let ttl = self.u32()?;
        let len = usize::from(self.u16()?);
        let end = self.at + len;
        if end > self.message.len() {
            return None;
        }
        let data = self.rdata(rtype, end).unwrap_or(RData::Other);
        self.at = end;
        Some(Record { name, rtype, ttl, data })
    }

    fn rdata(&mut self, rtype: u16, end: usize) -> Option<RData> {
        let bytes: &'a [u8] = self.message.get(self.at..end)?;
        Some(match rtype {
            1 => RData::A(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
            28 => RData::Aaaa(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
            2 => RData::Ns(self.name()?),
            5 => RData::Cname(self.name()?),
            12 => RData::Ptr(self.name()?),
            15 => RData::Mx { preference: self.u16()?, exchange: self.name()? },
            16 => RData::Txt(texts(bytes)),
            6 => {
                let (mname, rname) = (self.name()?, self.name()?);
                let mut numbers = [0; 5];
                for number in &mut numbers {
                    *number = self.u32()?;
                }
                RData::Soa { mname, rname, numbers }
            }
            33 => RData::Srv {
                priority: self.u16()?,
                weight: self.u16()?,
                port: self.u16()?,
                target: self.name()?,
            },
            _ => RData::Other,
        })
    }
}

fn push_label(name: &mut String, label: &[u8]) {
    for &byte in label {
        match byte {
            b'\\' => name.push_str("\\\\"),
            0x20..=0x7e => name.push(char::from(byte)),
            other => name.push_str(&format!("\\x{other:02x}")),
        }
    }
}

fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((&len, rest)) = bytes.split_first() {
        let len = usize::from(len).min(rest.len());
        found.push(String::from_utf8_lossy(&rest[..len]).into_owned());
        bytes = &rest[len..];
    }
    found
}

/// Reads a message as far as it goes. `None` without a header and, if one is announced, a question.
#[must_use]
pub fn parse(message: &[u8]) -> Option<Dns> {
    let mut reader = Reader { message, at: 0 };
    let (id, flags) = (reader.u16()?, reader.u16()?);
    let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    let mut dns = Dns {
        response: flags & 0x8000 != 0,
        id,
        flags,
        opcode: (flags >> 11 & 0x0f) as u8,
        rcode: flags & 0x000f,
        questions: Vec::new(),
        answers: Vec::new(),
        authorities: Vec::new(),
        complete: false,
    };
    for _ in 0..counts[0].min(MAX_QUESTIONS) {
        match reader.question() {
            Some(question) => dns.questions.push(question),
            None if dns.questions.is_empty() => return None,
            None => return Some(dns),
        }
    }
    if dns.questions.is_empty() && counts[1] == 0 && counts[2] == 0 {
        return None;
    }
    for section in 0..2 {
        for _ in 0..counts[section + 1].min(MAX_RECORDS) {
            let Some(record) = reader.record() else { return Some(dns) };
            if section == 0 { &mut dns.answers } else { &mut dns.authorities }.push(record);
        }
    }
    dns.complete = true;
    Some(dns)
}

/// DNS over TCP, on its port.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Dns,
    transport: IpProto::TCP,
    ports: PORTS,
    probe: |opening| if opening.on_port(PORTS) { Guess::Yes } else { Guess::No },
    open: Some(|_| Box::<DnsStream>::default()),
};

/// DNS over UDP, on any port but those of its relatives.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Dns,
    transport: IpProto::UDP,
    ports: PORTS,
    probe: probe_datagram,
    open: Some(open_datagrams),
};

/// Off its port a message must be without a flaw to be taken for DNS.
fn probe_datagram(opening: &Opening<'_>) -> Guess {
    let known = opening.on_port(PORTS);
    match parse(opening.fresh()) {
        Some(message) if known || (message.is_plausible() && !opening.on_port(LOOKALIKE_PORTS)) => Guess::Yes,
        _ => Guess::No,
    }
}

fn open_datagrams(_: &FlowTuple) -> Box<dyn Parser> {
    Box::new(DnsDatagrams)
}

/// DNS over UDP: every datagram is a message. What is none is passed over.
#[derive(Debug)]
struct DnsDatagrams;

impl Parser for DnsDatagrams {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        if let Some(message) = parse(chunk.bytes) {
            complete(message.into(), sink);
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _: &mut dyn Sink) {}
}

/// DNS over TCP: messages with their length before them (RFC 1035 section 4.2.2).
#[derive(Debug, Default)]
pub struct DnsStream {
    buffers: [Vec<u8>; 2],
    lost: [bool; 2],
}

impl DnsStream {
    fn step(&self) -> Step {
        if self.lost == [true; 2] { Step::Finished } else { Step::More }
    }
}

impl Parser for DnsStream {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        if self.lost[side] {
            return Step::More;
        }
        let buffer = &mut self.buffers[side];
        buffer.extend_from_slice(chunk.bytes);
        let mut at = 0;
        while let Some(len) = buffer.get(at..at + 2).map(|l| usize::from(u16::from_be_bytes([l[0], l[1]]))) {
            let Some(message) = buffer.get(at + 2..at + 2 + len) else { break };
            match parse(message) {
                Some(message) => {
                    complete(message.into(), sink);
                }
                // Not DNS after all, or out of step: nothing later can be trusted.
                None => {
                    self.lost[side] = true;
                    break;
                }
            }
            at += 2 + len;
        }
        // What stays is less than one message, 64 KiB at most.
        buffer.drain(..at);
        self.step()
    }

    fn gap(&mut self, direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        self.lost[direction.index()] = true;
        self.buffers[direction.index()] = Vec::new();
        self.step()
    }

    fn close(&mut self, _sink: &mut dyn Sink) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &[u8]) -> Vec<u8> {
        let mut m = vec![0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        m.extend_from_slice(name);
        m.extend_from_slice(&[0, 1, 0, 1]);
        m
    }

    #[test]
    fn a_query_gives_its_name() {
        let dns = parse(&query(b"\x03www\x07example\x00")).unwrap();
        assert_eq!((dns.id, dns.response, dns.questions[0].name.as_str()), (0x1234, false, "www.example"));
        assert!(dns.is_plausible());
    }

    #[test]
    fn answers_follow_pointers_backwards_only() {
        let mut m = query(b"\x03www\x07example\x00");
        m[2] = 0x81;
        m[7] = 2;
        m.extend_from_slice(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03cdn\xc0\x10");
        m.extend_from_slice(b"\xc0\x29\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01");
        let dns = parse(&m).unwrap();
        assert_eq!(dns.answers[0].data, RData::Cname("cdn.example".into()));
        assert_eq!(dns.answers[1].data, RData::A(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(dns.answers[1].name, "cdn.example");
        assert!(parse(&query(b"\xc0\x0c")).is_none(), "a pointer to itself");
    }

    #[test]
    fn odd_bytes_in_names_are_escaped() {
        assert_eq!(parse(&query(b"\x02\xff\\\x00")).unwrap().questions[0].name, "\\xff\\\\");
        assert!(parse(&query(&[1, b'a'].repeat(128))).is_none(), "a name of 256 bytes");
    }

    #[test]
    fn a_broken_record_does_not_hide_the_question() {
        let mut m = query(b"\x01a\x01b\x00");
        m[7] = 9;
        let dns = parse(&m).unwrap();
        assert_eq!(dns.questions[0].name, "a.b");
        assert!(!dns.is_plausible());
    }
}
