//! Memcached: the text and the binary protocol over TCP, the text protocol over UDP.

mod binary;
mod text;

use wire::IpProto;

use self::binary::BinaryParser;
use self::text::{Datagrams, TextParser};
use crate::lines::{begins, may_begin};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes kept of a key or a line.
pub const MAX_KEY: usize = 250;
/// Commands that may wait for their reply; the oldest is logged without.
pub const MAX_PENDING: usize = 64;

/// A command with its reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memcached {
    /// Binary or text.
    pub binary: bool,
    /// The command: a word, or the number of one that has no name here.
    pub command: String,
    /// The first key.
    pub key: Option<String>,
    /// Bytes of the value that was sent to be stored.
    pub value_length: Option<u64>,
    /// How it ended: "STORED", "END", "ERROR", or the number of a binary status.
    pub status: Option<String>,
}

/// Commands of the text protocol: with a value behind them, and without.
const STORES: [&[u8]; 6] = [b"set ", b"add ", b"replace ", b"append ", b"prepend ", b"cas "];
const OTHERS: [&[u8]; 13] = [
    b"get ",
    b"gets ",
    b"gat ",
    b"delete ",
    b"incr ",
    b"decr ",
    b"touch ",
    b"stats\r\n",
    b"stats ",
    b"version\r\n",
    b"flush_all",
    b"verbosity ",
    b"quit\r\n",
];

static PORTS: &[u16] = &[11211];

/// Over TCP, the text protocol.
pub(crate) static TEXT: Protocol = Protocol {
    app: AppProto::Memcached,
    transport: IpProto::TCP,
    ports: PORTS,
    probe: probe_text,
    open: Some(|_| Box::<TextParser>::default()),
};

/// Over TCP, the binary protocol.
pub(crate) static BINARY: Protocol = Protocol {
    app: AppProto::Memcached,
    transport: IpProto::TCP,
    ports: PORTS,
    probe: probe_binary,
    open: Some(|_| Box::<BinaryParser>::default()),
};

/// Over UDP: a header of eight bytes, then text.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Memcached,
    transport: IpProto::UDP,
    ports: PORTS,
    probe: |opening| match opening.fresh() {
        [_, _, _, _, _, _, 0, 0, rest @ ..] if opening.on_port(PORTS) && is_text(rest) == Guess::Yes => {
            Guess::Yes
        }
        _ => Guess::No,
    },
    open: Some(|_| Box::<Datagrams>::default()),
};

fn is_text(client: &[u8]) -> Guess {
    let mut known = STORES.iter().chain(&OTHERS);
    if known.clone().any(|k| begins(client, k)) {
        Guess::Yes
    } else if known.any(|k| may_begin(client, k)) {
        Guess::More
    } else {
        Guess::No
    }
}

/// The words are usual ones: off the port the server's reply must fit them.
fn probe_text(opening: &Opening<'_>) -> Guess {
    let guess = if opening.client().is_empty() { Guess::More } else { is_text(opening.client()) };
    if guess != Guess::Yes || opening.on_port(PORTS) {
        return guess;
    }
    let replies =
        [&b"VALUE "[..], b"END\r\n", b"STORED\r\n", b"NOT_STORED\r\n", b"STAT ", b"VERSION ", b"DELETED\r\n"];
    if replies.iter().any(|r| opening.server().starts_with(r)) {
        return Guess::Yes;
    }
    let open = opening.server().is_empty() || replies.iter().any(|r| r.starts_with(opening.server()));
    if open { Guess::More } else { Guess::No }
}

/// A header that is right in all that can be checked.
fn probe_binary(opening: &Opening<'_>) -> Guess {
    let client = opening.client();
    let Some(head) = client.first_chunk::<24>() else {
        return if client.is_empty() || client[0] == 0x80 { Guess::More } else { Guess::No };
    };
    let head = binary::Head::parse(head);
    if !head.is_request() || !head.is_plausible() {
        return Guess::No;
    }
    if opening.on_port(PORTS) {
        return Guess::Yes;
    }
    match opening.server() {
        [] | [0x81] => Guess::More,
        [0x81, opcode, ..] if *opcode == head.opcode => Guess::Yes,
        _ => Guess::No,
    }
}

#[cfg(test)]
#[path = "memcached_tests.rs"]
mod tests;
