//! Names on the local network: Multicast DNS (RFC 6762) and Link-Local Multicast Name Resolution (RFC 4795). Both
//! have the format of DNS and ask the neighbours, not a server: what they ask for tells nothing of the Internet.

use wire::{Direction, IpProto};

use super::{Dns, read};
use crate::datagrams::Datagrams;
use crate::parser::Chunk;
use crate::registry::{AppProto, Guess, Protocol};
use crate::transaction::Transaction;

const MDNS_PORTS: &[u16] = &[5353];
const LLMNR_PORTS: &[u16] = &[5355];

/// A Multicast DNS message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mdns {
    /// The message.
    pub message: Dns,
    /// Which way it went.
    pub direction: Direction,
}

/// A Link-Local Multicast Name Resolution message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Llmnr {
    /// The message.
    pub message: Dns,
    /// Which way it went.
    pub direction: Direction,
}

/// Multicast DNS: on its port only, whose messages look like those of DNS.
pub(crate) static MDNS: Protocol = Protocol {
    app: AppProto::Mdns,
    transport: IpProto::UDP,
    ports: MDNS_PORTS,
    probe: |opening| {
        let here = opening.on_port(MDNS_PORTS) && !opening.on_port(super::PORTS);
        if here && read(opening.fresh(), false).is_some() { Guess::Yes } else { Guess::No }
    },
    open: Some(|_| Datagrams::boxed(mdns)),
};

/// LLMNR: on its port only.
pub(crate) static LLMNR: Protocol = Protocol {
    app: AppProto::Llmnr,
    transport: IpProto::UDP,
    ports: LLMNR_PORTS,
    probe: |opening| {
        let here = opening.on_port(LLMNR_PORTS) && !opening.on_port(super::PORTS);
        if here && read(opening.fresh(), false).is_some() { Guess::Yes } else { Guess::No }
    },
    open: Some(|_| Datagrams::boxed(llmnr)),
};

fn mdns(chunk: Chunk<'_>, limits: &mut u32) -> Option<Transaction> {
    let message = read(chunk.bytes, true)?;
    *limits = limits.saturating_add(message.unread.into());
    Some(Mdns { message, direction: chunk.direction }.into())
}

fn llmnr(chunk: Chunk<'_>, limits: &mut u32) -> Option<Transaction> {
    let message = read(chunk.bytes, false)?;
    *limits = limits.saturating_add(message.unread.into());
    Some(Llmnr { message, direction: chunk.direction }.into())
}
