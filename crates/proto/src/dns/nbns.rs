//! NetBIOS Name Service (RFC 1002 section 4.2): DNS's format with names of its own.

use std::net::Ipv4Addr;

use wire::{Direction, IpProto};

use super::{Dns, RData, read};
use crate::datagrams::Datagrams;
use crate::parser::Chunk;
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

const PORTS: &[u16] = &[137];
/// Letters that a name of 16 bytes is written with.
const ENCODED: usize = 32;
/// The type of general name records.
const NB: u16 = 0x20;
/// The type of node status.
const NBSTAT: u16 = 0x21;

/// A name as NetBIOS means it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name, without the blanks at its end.
    pub name: String,
    /// What is sought of it: 0x00 workstation, 0x1c domain controllers, 0x20 file server ... None if the name was not
    /// encoded as RFC 1001 says.
    pub suffix: Option<u8>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nbns {
    /// Which way it went.
    pub direction: Direction,
    /// Answer or question.
    pub response: bool,
    /// NAME_TRN_ID.
    pub id: u16,
    /// 0 query, 5 registration, 6 release, 7 wait for acknowledgement, 8 and 9 refresh.
    pub opcode: u8,
    /// 0 if all is well.
    pub rcode: u16,
    /// Names asked for, with their types.
    pub queries: Vec<(Name, u16)>,
    /// Names told, with their types and addresses.
    pub answers: Vec<(Name, u16, Vec<Ipv4Addr>)>,
}

/// What a question or record type is called.
#[must_use]
pub fn type_name(rtype: u16) -> std::borrow::Cow<'static, str> {
    match rtype {
        NB => "NB".into(),
        NBSTAT => "NBSTAT".into(),
        other => super::rtype_name(other),
    }
}

/// What an operation is called.
#[must_use]
pub fn opcode_name(opcode: u8) -> &'static str {
    match opcode {
        0 => "query",
        5 => "registration",
        6 => "release",
        7 => "wack",
        8 | 9 => "refresh",
        15 => "multihomed_registration",
        _ => "unknown",
    }
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Nbns,
    transport: IpProto::UDP,
    ports: PORTS,
    probe,
    open: Some(|_| Datagrams::boxed(message)),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let Some(message) = read(opening.fresh(), false) else { return Guess::No };
    let encoded = names(&message).all(|name| decode(name).suffix.is_some());
    let own_port = opening.on_port(PORTS) && !opening.on_port(super::PORTS);
    let own_types = message.questions.iter().any(|q| q.rtype == NB || q.rtype == NBSTAT);
    if encoded && (own_port || (own_types && message.flaw.is_none())) { Guess::Yes } else { Guess::No }
}

fn names(message: &Dns) -> impl Iterator<Item = &str> {
    let asked = message.questions.iter().map(|q| q.name.as_str());
    asked.chain(message.answers.iter().map(|r| r.name.as_str()))
}

/// First-level encoding undone (RFC 1001 section 14.1); the scope, what follows the first label, is kept.
fn decode(encoded: &str) -> Name {
    let plain = || Name { name: encoded.to_owned(), suffix: None };
    let (label, scope) = encoded.split_once('.').map_or((encoded, ""), |(label, scope)| (label, scope));
    let label = label.as_bytes();
    if label.len() != ENCODED || !label.iter().all(|letter| (b'A'..=b'P').contains(letter)) {
        return plain();
    }
    let mut bytes: Vec<u8> =
        label.chunks_exact(2).map(|pair| (pair[0] - b'A') << 4 | (pair[1] - b'A')).collect();
    let suffix = bytes.pop();
    while matches!(bytes.last(), Some(b' ' | 0)) {
        bytes.pop();
    }
    let mut name = super::text(&bytes);
    if !scope.is_empty() {
        name.push('.');
        name.push_str(scope);
    }
    Name { name, suffix }
}

/// The addresses of an NB record: flags and address, again and again.
fn addresses(data: &RData) -> Vec<Ipv4Addr> {
    let RData::Nb(entries) = data else { return Vec::new() };
    entries.clone()
}

fn message(chunk: Chunk<'_>, limits: &mut u32) -> Option<Transaction> {
    let message = read(chunk.bytes, false)?;
    *limits = limits.saturating_add(message.unread.into());
    let nbns = Nbns {
        direction: chunk.direction,
        response: message.response,
        id: message.id,
        opcode: message.opcode,
        rcode: message.rcode,
        queries: message.questions.iter().map(|q| (decode(&q.name), q.rtype)).collect(),
        // A registration tells its address in the additional section.
        answers: message
            .answers
            .iter()
            .chain(&message.additionals)
            .map(|r| (decode(&r.name), r.rtype, addresses(&r.data)))
            .collect(),
    };
    Some(nbns.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_with_their_suffix() {
        let name = decode("FHEPFCELEHFCEPFFFACACACACACACABL");
        assert_eq!((name.name.as_str(), name.suffix), ("WORKGROUP", Some(0x1b)));
        assert_eq!(decode("*SMBSERVER").suffix, None);
    }
}
