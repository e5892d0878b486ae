//! Reading a Kerberos message.

use memchr::memmem;

use crate::ber;
use crate::bytes;
use crate::registry::Guess;

/// Characters kept of a name or realm.
const MAX_NAME: usize = 256;
/// Parts read of a principal's name.
const MAX_PARTS: usize = 16;

pub(crate) const AS_REQ: u8 = 10;
pub(crate) const AS_REP: u8 = 11;
pub(crate) const TGS_REQ: u8 = 12;
pub(crate) const TGS_REP: u8 = 13;
pub(crate) const AP_REQ: u8 = 14;
pub(crate) const ERROR: u8 = 30;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const GENERAL_STRING: u8 = 0x1b;
/// Constructed, application class.
const APPLICATION: u8 = 0x60;
/// Constructed, context class.
const CONTEXT: u8 = 0xa0;

/// A message between a client and its KDC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Krb5 {
    /// Message type, 10 (AS-REQ) to 30 (KRB-ERROR).
    pub msg_type: u8,
    /// Who asks, its parts joined by slashes.
    pub cname: Option<String>,
    /// The client's realm.
    pub realm: Option<String>,
    /// Which service is asked for.
    pub sname: Option<String>,
    /// Encryption type of a reply's part for the client.
    pub encryption: Option<i32>,
    /// Encryption type of the ticket in a reply.
    pub ticket_encryption: Option<i32>,
    /// What went wrong.
    pub error_code: Option<i32>,
    /// Type of the message that an error answers.
    pub failed_request: Option<u8>,
    /// Encryption types that the client offers, the preferred first.
    pub offered: Vec<i32>,
}

impl Krb5 {
    /// Whether the KDC sent it.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        matches!(self.msg_type, AS_REP | TGS_REP | 15 | ERROR)
    }
}

/// The first octets of a message: its type twice, once as a tag, and protocol version 5.
pub(super) fn guess(seen: &[u8]) -> Guess {
    let Some(&tag) = seen.first() else { return Guess::More };
    if !matches!(tag & 0x1f, AS_REQ..=16 | ERROR) || tag & 0xe0 != APPLICATION {
        return Guess::No;
    }
    let mut at = 0;
    for wanted in [tag, SEQUENCE] {
        match ber::head(&seen[at..]) {
            ber::Head::Is(tag, head, _) if tag == wanted => at += head,
            ber::Head::More => return Guess::More,
            _ => return Guess::No,
        }
    }
    // pvno stands first in all messages; its tag is [1] in requests, [0] in others.
    let version = [3, 2, 1, 5];
    let rest = &seen[at..];
    match rest {
        [] => Guess::More,
        [0xa0 | 0xa1, rest @ ..] if rest.starts_with(&version) => Guess::Yes,
        [0xa0 | 0xa1, rest @ ..] if version.starts_with(rest) => Guess::More,
        _ => Guess::No,
    }
}

/// Reads a message; `None` if it is none.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Krb5> {
    let outer = ber::take(&mut bytes)?;
    let msg_type = outer.tag & 0x1f;
    let fields = ber::expect(&mut &*outer.body, SEQUENCE)?;
    let mut message = Krb5 { msg_type, ..Krb5::default() };
    match (outer.tag & 0xe0, msg_type) {
        (APPLICATION, AS_REQ | TGS_REQ) => {
            let body = ber::expect(&mut field(fields, 4)?, SEQUENCE)?;
            message.cname = field(body, 1).and_then(principal);
            message.realm = field(body, 2).and_then(realm);
            message.sname = field(body, 3).and_then(principal);
            message.offered = field(body, 8).map(offered).unwrap_or_default();
        }
        (APPLICATION, AS_REP | TGS_REP) => {
            message.realm = field(fields, 3).and_then(realm);
            message.cname = field(fields, 4).and_then(principal);
            let ticket = field(fields, 5).and_then(ticket);
            if let Some((_, sname, encryption)) = ticket {
                message.sname = sname;
                message.ticket_encryption = encryption;
            }
            message.encryption = field(fields, 6).and_then(encrypted);
        }
        (APPLICATION, AP_REQ) => {
            let (realm, sname, encryption) = ticket(field(fields, 3)?)?;
            message.realm = realm;
            message.sname = sname;
            message.ticket_encryption = encryption;
        }
        (APPLICATION, ERROR) => {
            message.error_code = field(fields, 6).and_then(number);
            message.realm = field(fields, 7).and_then(realm);
            message.cname = field(fields, 8).and_then(principal);
            message.sname = field(fields, 10).and_then(principal);
        }
        (APPLICATION, 15 | 16) => {}
        _ => return None,
    }
    Some(message)
}

/// Realm and service of the ticket in a GSS-API token with an AP-REQ (RFC 4121 section 4.1), wherever it lies in `blob`.
pub(crate) fn service_ticket(blob: &[u8]) -> Option<(String, Vec<String>)> {
    // 1.2.840.113554.1.2.2 and the token's identifier.
    const TOKEN: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
    let at = memmem::find(blob, TOKEN)? + TOKEN.len();
    let message = ber::expect(&mut &blob[at..], APPLICATION | AP_REQ)?;
    let fields = ber::expect(&mut &*message, SEQUENCE)?;
    let ticket = ber::expect(&mut field(fields, 3)?, APPLICATION | 1)?;
    let ticket = ber::expect(&mut &*ticket, SEQUENCE)?;
    Some((field(ticket, 1).and_then(realm)?, field(ticket, 2).map(parts)?))
}

fn field(fields: &[u8], number: u8) -> Option<&[u8]> {
    ber::find(fields, CONTEXT | number)
}

fn number(mut field: &[u8]) -> Option<i32> {
    ber::expect(&mut field, INTEGER).and_then(ber::integer).and_then(|n| i32::try_from(n).ok())
}

fn realm(mut field: &[u8]) -> Option<String> {
    ber::expect(&mut field, GENERAL_STRING).map(|text| bytes::text(text, false, MAX_NAME))
}

fn parts(mut field: &[u8]) -> Vec<String> {
    let mut parts = Vec::new();
    let strings = ber::expect(&mut field, SEQUENCE)
        .and_then(|name| self::field(name, 1))
        .and_then(|mut list| ber::expect(&mut list, SEQUENCE));
    let mut strings = strings.unwrap_or_default();
    while let Some(part) = ber::take(&mut strings).filter(|_| parts.len() < MAX_PARTS) {
        parts.push(bytes::text(part.body, false, MAX_NAME));
    }
    parts
}

fn principal(field: &[u8]) -> Option<String> {
    let parts = parts(field);
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn offered(mut field: &[u8]) -> Vec<i32> {
    let mut list = ber::expect(&mut field, SEQUENCE).unwrap_or_default();
    let mut offered = Vec::new();
    while let Some(one) = ber::expect(&mut list, INTEGER).filter(|_| offered.len() < MAX_PARTS) {
        offered.extend(ber::integer(one).and_then(|n| i32::try_from(n).ok()));
    }
    offered
}

/// Encryption type of an EncryptedData.
fn encrypted(mut field: &[u8]) -> Option<i32> {
    ber::expect(&mut field, SEQUENCE).and_then(|data| self::field(data, 0)).and_then(number)
}

/// Realm, service and encryption type of a ticket.
#[allow(clippy::type_complexity, reason = "three parts of one thing, used twice")]
fn ticket(mut field: &[u8]) -> Option<(Option<String>, Option<String>, Option<i32>)> {
    let ticket = ber::expect(&mut field, APPLICATION | 1)?;
    let ticket = ber::expect(&mut &*ticket, SEQUENCE)?;
    let part = |number| self::field(ticket, number);
    Some((part(1).and_then(realm), part(2).and_then(principal), part(3).and_then(encrypted)))
}
