//! A DNS message: header, questions, records.
//!
//! Our own reader, because a message with one odd record must still give up its question: libraries
//! refuse the whole message. Total: compression pointers only ever lead backwards, every count is
//! checked against the bytes that are there.

use super::rdata::{self, Told};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Questions that are read of one message.
const MAX_QUESTIONS: u16 = 32;
/// Records that are read of each section.
const MAX_RECORDS: u16 = 256;
/// Bytes of a name on the wire (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 255;
/// Bytes of a record's data that are kept as they are.
const MAX_RAW: usize = 1024;
/// Bytes of a key's fingerprint that are kept.
const MAX_FINGERPRINT: usize = 64;
/// EDNS options of one message.
const MAX_OPTIONS: usize = 32;
/// Compression pointers followed in one name.
const MAX_POINTERS: usize = 32;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name asked for, without the final dot; UTF-8 as it is, else what is not ASCII as `\xNN`.
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
    /// A key's fingerprint (RFC 4255).
    Sshfp {
        /// Of the key.
        algorithm: u8,
        /// Of the fingerprint.
        kind: u8,
        /// The fingerprint.
        fingerprint: Vec<u8>,
    },
    /// Experimental, any bytes.
    Null(String),
    /// EDNS options by code (RFC 6891).
    Opt(Vec<(u16, Vec<u8>)>),
    /// Addresses of a NetBIOS name (RFC 1002 section 4.2.1.3).
    Nb(Vec<Ipv4Addr>),
    /// Another type in its presentation form.
    Told(Box<Told>),
    /// Another type's bytes as text, at most [`MAX_RAW`]; kept where the protocol's events show them.
    Raw(String),
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
    /// Additional section.
    pub additionals: Vec<Record>,
    /// The first section that could not be read to its end, by its name in Suricata's events.
    pub flaw: Option<&'static str>,
    /// Questions and records that are there and were not read: more than this message may bring.
    pub(crate) unread: bool,
}

impl Dns {
    /// Strict enough to believe that it is DNS on any port.
    pub(crate) fn is_plausible(&self) -> bool {
        self.flaw.is_none()
            && self.questions.len() == 1
            && self.opcode == 0
            && self.flags & 0x0040 == 0
            && self.questions.iter().all(|q| q.name.contains('.') && !q.name.contains('\\'))
    }
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
    raw: bool,
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
        let mut name = [0; MAX_NAME];
        let mut length = 0;
        // A label has a dot or a backslash of its own.
        let mut odd = false;
        let start = self.at;
        let mut at = start;
        let mut end = None;
        let mut pointers = 0;
        loop {
            let len = usize::from(*self.message.get(at)?);
            match len >> 6 {
                0 if len == 0 => {
                    self.at = end.unwrap_or(at + 1);
                    let name = name.get(..length).unwrap_or_default();
                    return Some(if odd {
                        self.escaped(start)?
                    } else {
                        text(name.get(1..).unwrap_or_default())
                    });
                }
                0 => {
                    let label = self.message.get(at + 1..at + 1 + len)?;
                    odd |= label.iter().any(|byte| matches!(byte, b'.' | b'\\'));
                    let room = name.get_mut(length..length + 1 + len)?;
                    room[0] = b'.';
                    room[1..].copy_from_slice(label);
                    length += 1 + len;
                    at += 1 + len;
                }
                3 => {
                    let low = usize::from(*self.message.get(at + 1)?);
                    let target = (len & 0x3f) << 8 | low;
                    end.get_or_insert(at + 2);
                    pointers += 1;
                    // Forward ones are odd, and are followed by those whom they are meant for.
                    if pointers > MAX_POINTERS {
                        return None;
                    }
                    at = target;
                }
                _ => return None,
            }
        }
    }

    /// The name at that place, known to be whole, with dots and backslashes inside of labels escaped (RFC 1035 5.1): else
    /// two names would be written alike.
    fn escaped(&self, mut at: usize) -> Option<String> {
        let mut labels = Vec::new();
        loop {
            let len = usize::from(*self.message.get(at)?);
            match len {
                0 => return Some(labels.join(".")),
                0xc0.. => at = (len & 0x3f) << 8 | usize::from(*self.message.get(at + 1)?),
                _ => {
                    let label = text(self.message.get(at + 1..at + 1 + len)?);
                    // What `text` has escaped is no backslash of the label's.
                    let whole = std::str::from_utf8(self.message.get(at + 1..at + 1 + len)?).is_ok();
                    let label = if whole { label.replace('\\', "\\\\") } else { label };
                    labels.push(label.replace('.', "\\."));
                    at += 1 + len;
                }
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
        // An empty one (RFC 2136 deletes with such) would be read from what follows.
        if bytes.is_empty() {
            return None;
        }
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
            10 => RData::Null(text(&bytes[..bytes.len().min(MAX_RAW)])),
            // NIMLOC in DNS, where nobody uses it; NB in NetBIOS.
            0x20 => RData::Nb(
                bytes.chunks_exact(6).take(MAX_OPTIONS).map(|e| [e[2], e[3], e[4], e[5]].into()).collect(),
            ),
            41 => RData::Opt(options(bytes)),
            44 => RData::Sshfp {
                algorithm: bytes[0],
                kind: *bytes.get(1)?,
                fingerprint: bytes[2..bytes.len().min(2 + MAX_FINGERPRINT)].to_vec(),
            },
            _ if rdata::is_told(rtype) => {
                let start = self.at;
                let mut name = |offset: usize| {
                    self.at = start + offset;
                    let name = self.name()?;
                    Some((name, self.at - start)).filter(|(_, used)| *used <= bytes.len())
                };
                RData::Told(Box::new(rdata::read(rtype, bytes, &mut name)?))
            }
            _ if self.raw => RData::Raw(text(&bytes[..bytes.len().min(MAX_RAW)])),
            _ => RData::Other,
        })
    }
}

/// Bytes as text: as they are if they are UTF-8, else what is not ASCII as `\xNN`.
pub(crate) fn text(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for &byte in bytes {
        if byte.is_ascii() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// EDNS options, as many as are whole.
fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((&[a, b, c, d], rest)) = bytes.split_first_chunk::<4>() {
        let Some((data, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes([c, d]))) else {
            break;
        };
        if found.len() == MAX_OPTIONS {
            break;
        }
        found.push((u16::from_be_bytes([a, b]), data.to_vec()));
        bytes = rest;
    }
    found
}

fn texts(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some((&len, rest)) = bytes.split_first() {
        let len = usize::from(len).min(rest.len());
        found.push(text(&rest[..len]));
        bytes = &rest[len..];
    }
    found
}

/// Reads a message as far as it goes. `None` without a header and, if one is announced, a question.
#[must_use]
pub fn parse(message: &[u8]) -> Option<Dns> {
    read(message, false)
}

/// The same; with `raw`, the bytes of types that have no form of their own are kept.
pub(crate) fn read(message: &[u8], raw: bool) -> Option<Dns> {
    let mut reader = Reader { message, at: 0, raw };
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
        additionals: Vec::new(),
        flaw: None,
        unread: counts[0] > MAX_QUESTIONS || counts[1..].iter().any(|&n| n > MAX_RECORDS),
    };
    for _ in 0..counts[0].min(MAX_QUESTIONS) {
        match reader.question() {
            Some(question) => dns.questions.push(question),
            None if dns.questions.is_empty() => return None,
            None => {
                dns.flaw = Some("malformed_data");
                return Some(dns);
            }
        }
    }
    // An error may be all there is to say (RFC 6895 2.3).
    let bare_error = dns.response && dns.rcode != 0 && dns.opcode == 0;
    if dns.questions.is_empty() && counts[1] == 0 && counts[2] == 0 && !bare_error {
        return None;
    }
    let flaws = ["malformed_data", "invalid_authorities", "invalid_additionals"];
    for (section, flaw) in flaws.into_iter().enumerate() {
        for _ in 0..counts[section + 1].min(MAX_RECORDS) {
            let Some(record) = reader.record() else {
                dns.flaw = Some(flaw);
                return Some(dns);
            };
            match section {
                0 => &mut dns.answers,
                1 => &mut dns.authorities,
                _ => &mut dns.additionals,
            }
            .push(record);
        }
    }
    // Its upper bits are where other records have the first byte of their lifetime (RFC 6891 6.1.3).
    if let Some(opt) = dns.additionals.iter().find(|record| record.rtype == 41) {
        dns.rcode |= (opt.ttl >> 24 << 4) as u16;
    }
    Some(dns)
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
    fn dots_and_backslashes_inside_a_label_are_escaped() {
        let name = |m: &[u8]| parse(&query(m)).unwrap().questions[0].name.clone();
        assert_eq!(name(b"\x05a.b\\c\x07example\x00"), "a\\.b\\\\c.example");
        assert_ne!(name(b"\x03a.b\x00"), name(b"\x01a\x01b\x00"));
        assert_eq!(name(b"\x04\\xff\x00"), "\\\\xff");
    }

    #[test]
    fn an_error_may_be_all_there_is() {
        let dns = parse(b"\x00\x01\x80\x01\x00\x00\x00\x00\x00\x00\x00\x00").unwrap();
        assert_eq!((dns.response, dns.rcode, dns.questions.len()), (true, 1, 0));
        assert!(parse(b"\x00\x01\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00").is_none(), "says nothing");
    }

    #[test]
    fn the_code_of_an_answer_has_upper_bits() {
        let mut m = query(b"\x01a\x07example\x00");
        (m[2], m[11]) = (0x81, 1);
        m.extend_from_slice(b"\x00\x00\x29\x04\xd0\x01\x00\x00\x00\x00\x00");
        assert_eq!(parse(&m).unwrap().rcode, 16);
    }

    #[test]
    fn a_pointer_may_point_forward() {
        let mut m = query(b"\xc0\x12");
        m.extend_from_slice(b"\x04late\x07example\x00");
        assert_eq!(parse(&m).unwrap().questions[0].name, "late.example");
    }

    #[test]
    fn odd_bytes_in_names_are_escaped() {
        assert_eq!(parse(&query(b"\x02\xff\\\x00")).unwrap().questions[0].name, "\\xff\\");
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
