//! BitTorrent: the handshake between peers (BEP 3), and the distributed hash table (BEP 5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::{Direction, Endpoint, IpProto};

use crate::datagrams::Datagrams;
use crate::dns::text;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// How a handshake begins.
const GREETING: &[u8] = b"\x13BitTorrent protocol";
/// Its length: greeting, 8 reserved bytes, hash of the torrent, number of the peer.
const HANDSHAKE: usize = 68;
/// Values within values of a message.
const MAX_DEPTH: u8 = 8;
/// Values of one message.
const MAX_VALUES: u32 = 512;
/// Nodes and peers that are told of one message.
const MAX_NODES: usize = 64;
/// Bytes of a number, a token, an error's text.
const MAX_STRING: usize = 64;

/// One peer's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitTorrent {
    /// Whose.
    pub direction: Direction,
    /// Which torrent.
    pub info_hash: [u8; 20],
    /// Which peer; its first letters name the program.
    pub peer_id: [u8; 20],
}

/// A node of the hash table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub id: [u8; 20],
    /// Where it is.
    pub at: Endpoint,
}

/// A message of the distributed hash table. Byte strings are kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitTorrentDht {
    /// Which way it went.
    pub direction: Direction,
    /// "t".
    pub transaction_id: Vec<u8>,
    /// "v".
    pub client_version: Option<Vec<u8>>,
    /// "q" of a request: "ping", "find_node", "get_peers", "announce_peer".
    pub request_type: Option<String>,
    /// It is a response.
    pub response: bool,
    /// "id" of a request or response.
    pub id: Option<Vec<u8>>,
    /// "target".
    pub target: Option<Vec<u8>>,
    /// "info_hash".
    pub info_hash: Option<Vec<u8>>,
    /// "token".
    pub token: Option<Vec<u8>>,
    /// "port".
    pub port: Option<u16>,
    /// "implied_port".
    pub implied_port: Option<u8>,
    /// "nodes" and "nodes6".
    pub nodes: [Vec<Node>; 2],
    /// "values": peers that have the torrent.
    pub values: Vec<Endpoint>,
    /// "e": number and text.
    pub error: Option<(i64, String)>,
}

pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::BitTorrent,
    transport: IpProto::TCP,
    ports: &[],
    probe: probe_stream,
    open: Some(|_| Box::<Handshakes>::default()),
};

pub(crate) static DHT: Protocol = Protocol {
    app: AppProto::BitTorrentDht,
    transport: IpProto::UDP,
    ports: &[],
    probe: probe_datagram,
    open: Some(|_| Datagrams::boxed(|chunk, limits| dht(chunk, limits).map(Transaction::from))),
};

fn probe_stream(opening: &Opening<'_>) -> Guess {
    let bytes = opening.fresh();
    match bytes.len() {
        len if len >= GREETING.len() && bytes.starts_with(GREETING) => Guess::Yes,
        _ if GREETING.starts_with(bytes) => Guess::More,
        _ => Guess::No,
    }
}

fn probe_datagram(opening: &Opening<'_>) -> Guess {
    let bytes = opening.fresh();
    if !bytes.starts_with(b"d") || !bytes.ends_with(b"e") {
        return Guess::No;
    }
    let chunk = Chunk { direction: opening.fresh, bytes, time: opening.tuple.start };
    if dht(chunk, &mut 0).is_some() { Guess::Yes } else { Guess::No }
}

/// The first bytes of both sides, until they are whole.
#[derive(Debug, Default)]
struct Handshakes {
    open: [Vec<u8>; 2],
    done: [bool; 2],
}

impl Parser for Handshakes {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        if !self.done[side] {
            let open = &mut self.open[side];
            let room = HANDSHAKE - open.len();
            open.extend_from_slice(&chunk.bytes[..chunk.bytes.len().min(room)]);
            let is_handshake = GREETING.starts_with(&open[..open.len().min(GREETING.len())]);
            if open.len() == HANDSHAKE || !is_handshake {
                self.done[side] = true;
            }
            if let (true, Ok(info_hash), Ok(peer_id)) = (
                is_handshake,
                open[open.len().min(28)..open.len().min(48)].try_into(),
                open[open.len().min(48)..].try_into(),
            ) {
                complete(BitTorrent { direction: chunk.direction, info_hash, peer_id }.into(), sink);
            }
        }
        if self.done == [true; 2] { Step::Finished } else { Step::More }
    }

    fn gap(&mut self, direction: Direction, _: u64, _: &mut dyn Sink) -> Step {
        self.done[direction.index()] = true;
        if self.done == [true; 2] { Step::Finished } else { Step::More }
    }

    fn close(&mut self, _: &mut dyn Sink) {}
}

/// A value in bencoding, read one by one.
struct Bencode<'a> {
    rest: &'a [u8],
    values: u32,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
    /// A dictionary or list begins.
    Dictionary,
    List,
    /// It ends.
    End,
}

impl<'a> Bencode<'a> {
    fn next(&mut self) -> Option<Value<'a>> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return None;
        }
        let (&first, tail) = self.rest.split_first()?;
        match first {
            b'd' => self.rest = tail,
            b'l' => self.rest = tail,
            b'e' => self.rest = tail,
            b'i' => {
                let end = tail.iter().take(20).position(|&byte| byte == b'e')?;
                let number = std::str::from_utf8(&tail[..end]).ok()?.parse().ok()?;
                self.rest = &tail[end + 1..];
                return Some(Value::Number(number));
            }
            b'0'..=b'9' => {
                let colon = self.rest.iter().take(6).position(|&byte| byte == b':')?;
                let len: usize = std::str::from_utf8(&self.rest[..colon]).ok()?.parse().ok()?;
                let (bytes, tail) = self.rest[colon + 1..].split_at_checked(len)?;
                self.rest = tail;
                return Some(Value::Bytes(bytes));
            }
            _ => return None,
        }
        Some(match first {
            b'd' => Value::Dictionary,
            b'l' => Value::List,
            _ => Value::End,
        })
    }

    /// Passes over the rest of a value that begins with this.
    fn skip(&mut self, value: Value<'a>) -> Option<()> {
        let mut depth = match value {
            Value::Dictionary | Value::List => 1,
            Value::End => return None,
            _ => 0u8,
        };
        while depth > 0 {
            match self.next()? {
                Value::Dictionary | Value::List if depth == MAX_DEPTH => return None,
                Value::Dictionary | Value::List => depth += 1,
                Value::End => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }
}

fn short(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(MAX_STRING)].to_vec()
}

/// A compact address: 4 or 16 bytes, then the port.
fn endpoint(bytes: &[u8]) -> Option<Endpoint> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip = match ip.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        _ => return None,
    };
    Some(Endpoint { ip, port: u16::from_be_bytes(*port) })
}

fn nodes(bytes: &[u8], size: usize, limits: &mut u32) -> Vec<Node> {
    *limits = limits.saturating_add((bytes.len() / size > MAX_NODES).into());
    let node = |entry: &[u8]| Some(Node { id: *entry.first_chunk()?, at: endpoint(&entry[20..])? });
    bytes.chunks_exact(size).take(MAX_NODES).filter_map(node).collect()
}

fn dht(chunk: Chunk<'_>, limits: &mut u32) -> Option<BitTorrentDht> {
    let mut dht = BitTorrentDht { direction: chunk.direction, ..BitTorrentDht::default() };
    let mut reader = Bencode { rest: chunk.bytes, values: 0 };
    let Value::Dictionary = reader.next()? else { return None };
    let (mut kind, mut transaction) = (0, false);
    loop {
        let key = match reader.next()? {
            Value::Bytes(key) => key,
            Value::End => break,
            _ => return None,
        };
        match (key, reader.next()?) {
            (b"t", Value::Bytes(id)) => (dht.transaction_id, transaction) = (short(id), true),
            (b"v", Value::Bytes(version)) => dht.client_version = Some(short(version)),
            (b"y", Value::Bytes(&[y])) => kind = y,
            (b"q", Value::Bytes(q)) => dht.request_type = Some(text(&short(q))),
            (b"a" | b"r", Value::Dictionary) => arguments(&mut reader, &mut dht, limits)?,
            (b"e", Value::List) => dht.error = Some(error(&mut reader)?),
            (_, other) => reader.skip(other)?,
        }
    }
    dht.response = kind == b'r';
    let sound = match kind {
        b'q' => dht.request_type.is_some() && dht.id.is_some(),
        b'r' => dht.id.is_some(),
        b'e' => dht.error.is_some(),
        _ => false,
    };
    (sound && transaction && reader.rest.is_empty()).then_some(dht)
}

fn arguments(reader: &mut Bencode<'_>, dht: &mut BitTorrentDht, limits: &mut u32) -> Option<()> {
    loop {
        let key = match reader.next()? {
            Value::Bytes(key) => key,
            Value::End => return Some(()),
            _ => return None,
        };
        match (key, reader.next()?) {
            (b"id", Value::Bytes(id)) => dht.id = Some(short(id)),
            (b"target", Value::Bytes(id)) => dht.target = Some(short(id)),
            (b"info_hash", Value::Bytes(id)) => dht.info_hash = Some(short(id)),
            (b"token", Value::Bytes(token)) => dht.token = Some(short(token)),
            (b"port", Value::Number(port)) => dht.port = u16::try_from(port).ok(),
            (b"implied_port", Value::Number(n)) => dht.implied_port = u8::try_from(n).ok(),
            (b"nodes", Value::Bytes(list)) => dht.nodes[0] = nodes(list, 26, limits),
            (b"nodes6", Value::Bytes(list)) => dht.nodes[1] = nodes(list, 38, limits),
            (b"values", Value::List) => loop {
                match reader.next()? {
                    Value::Bytes(peer) if dht.values.len() < MAX_NODES => dht.values.extend(endpoint(peer)),
                    Value::End => break,
                    other => reader.skip(other)?,
                }
            },
            (_, other) => reader.skip(other)?,
        }
    }
}

fn error(reader: &mut Bencode<'_>) -> Option<(i64, String)> {
    let (Value::Number(number), Value::Bytes(message)) = (reader.next()?, reader.next()?) else {
        return None;
    };
    loop {
        match reader.next()? {
            Value::End => return Some((number, text(&short(message)))),
            other => reader.skip(other)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Nanos;

    #[test]
    fn a_request_to_find_a_node() {
        let bytes =
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe";
        let chunk = Chunk { direction: Direction::ToServer, bytes, time: Nanos(0) };
        let message = dht(chunk, &mut 0).unwrap();
        assert_eq!(message.request_type.as_deref(), Some("find_node"));
        assert_eq!((message.transaction_id.as_slice(), message.target.unwrap().len()), (&b"aa"[..], 20));
        for len in 0..bytes.len() {
            assert_eq!(dht(Chunk { bytes: &bytes[..len], ..chunk }, &mut 0), None, "{len}");
        }
        let deep = [b"d1:y1:q1:x".as_slice(), &[b'l'; 1000]].concat();
        assert_eq!(dht(Chunk { bytes: &deep, ..chunk }, &mut 0), None);
    }
}
