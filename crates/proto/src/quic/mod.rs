//! QUIC (RFC 9000, RFC 9001, RFC 9369, drafts from the 21st, Google's Q0xx and T05x).
//!
//! Every packet with a long header makes a transaction until the hello of its direction is found, as in Suricata:
//! what the hello says is in the transaction of the packet that completed it.

mod crypto;
mod frames;
mod google;
mod header;

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::tls::Fingerprint;
use crate::tls::fingerprint::{Carrier, ja3, ja3s, ja4};
use crate::tls::hello::{self, ClientHello, ServerHello, extension};
use crypto::Keys;
use frames::CryptoStream;
use header::{Kind, Packet};

/// Packets with long headers that are looked at on a flow.
const MAX_PACKETS: u32 = 64;
/// Packets with short headers after which no long one is waited for.
const MAX_SHORT: u32 = 16;
/// How often keys are made anew on a flow: for a Retry, and for each connection that uses the same socket.
const MAX_KEYS: u32 = 32;

/// QUIC over UDP, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Quic,
    transport: IpProto::UDP,
    ports: &[443],
    probe,
    open: Some(|_| Box::<QuicParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    if header::looks_like(opening.fresh()) { Guess::Yes } else { Guess::No }
}

/// A TLS extension of a hello, with the values that are worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its type (IANA).
    pub kind: u16,
    /// Host name, protocols, signature algorithms, versions; empty for other extensions.
    pub values: Vec<String>,
}

/// A packet of a QUIC handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quic {
    /// The version of its header; 0 is a negotiation.
    pub version: u32,
    /// The server sent it.
    pub response: bool,
    /// The server's name as the client calls it, lower case.
    pub sni: Option<String>,
    /// The same in the client's own letters, if they are not all small.
    pub sni_as_sent: Option<String>,
    /// Protocols that the client offers.
    pub alpns: Vec<String>,
    /// What the client calls itself (Google's versions only).
    pub user_agent: Option<String>,
    /// CYU (Google's versions only).
    pub cyu: Option<Fingerprint>,
    /// JA3 of the client.
    pub ja3: Option<Fingerprint>,
    /// JA3S of the server.
    pub ja3s: Option<Fingerprint>,
    /// JA4 of the client.
    pub ja4: Option<String>,
    /// Extensions of the hello in their order.
    pub extensions: Vec<Extension>,
}

impl Quic {
    /// The version as EVE writes it: "1", "v2", "Q043", the number in hexadecimal.
    #[must_use]
    pub fn version_name(&self) -> String {
        header::version_name(self.version)
    }

    fn client(&mut self, hello: &ClientHello) {
        self.sni.clone_from(&hello.sni);
        self.sni_as_sent.clone_from(&hello.sni_as_sent);
        self.alpns.clone_from(&hello.alpns);
        self.ja3 = Some(ja3(hello));
        self.ja4 = Some(ja4(hello, Carrier::Quic));
        self.extensions = list(&hello.extensions, |kind| match kind {
            extension::SERVER_NAME => hello.sni.iter().cloned().collect(),
            extension::ALPN => hello.alpns.clone(),
            extension::SIGNATURE_ALGORITHMS => hello.signatures.iter().map(u16::to_string).collect(),
            extension::SUPPORTED_VERSIONS => hello.versions.iter().copied().map(version).collect(),
            _ => Vec::new(),
        });
    }

    fn server(&mut self, hello: &ServerHello) {
        self.ja3s = Some(ja3s(hello));
        self.extensions = list(&hello.extensions, |kind| match kind {
            extension::SUPPORTED_VERSIONS => hello.selected_version.into_iter().map(version).collect(),
            _ => Vec::new(),
        });
    }
}

/// GREASE changes with every hello and says nothing: it is left out.
fn list(kinds: &[u16], values: impl Fn(u16) -> Vec<String>) -> Vec<Extension> {
    kinds
        .iter()
        .copied()
        .filter(|&k| !hello::is_grease(k))
        .map(|kind| Extension { kind, values: values(kind) })
        .collect()
}

/// A TLS version in Suricata's form.
fn version(number: u16) -> String {
    match number {
        0x0303 => "Tls12".to_owned(),
        0x0304 => "Tls13".to_owned(),
        other => format!("TlsVersion({other} / {other:#06x})"),
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct QuicParser {
    keys: Option<Keys>,
    /// The identifier that the client invented, of which the keys were made.
    dcid: Vec<u8>,
    /// And their version.
    version: u32,
    /// What the server wants to be called by: what goes there belongs to the connection at hand.
    scid: Vec<u8>,
    keys_made: u32,
    crypto: [CryptoStream; 2],
    hello_seen: [bool; 2],
    packets: u32,
    short: u32,
    /// Frames of the packet at hand.
    opened: Vec<u8>,
    limits_hit: u32,
}

impl QuicParser {
    /// Opens an Initial packet's frames into `self.opened`.
    fn open(&mut self, direction: Direction, packet: &Packet<'_>) -> bool {
        if let Some(keys) = &self.keys {
            if keys.open(direction, packet, &mut self.opened) {
                return true;
            }
            // The server may have chosen another version, whose keys follow from the same identifier (RFC 9368 2.3).
            if packet.version != self.version
                && let Some(keys) = Keys::new(packet.version, &self.dcid)
                && keys.open(direction, packet, &mut self.opened)
            {
                (self.keys, self.version) = (Some(keys), packet.version);
                return true;
            }
        }
        // The first one of a client, or the first one after a Retry.
        if direction == Direction::ToClient || self.keys_made >= MAX_KEYS {
            return false;
        }
        // With another identifier it may be another connection (RFC 9000 5.1); with the server's it is not.
        if self.keys.is_some() && (packet.dcid == self.dcid || packet.dcid == self.scid) {
            return false;
        }
        self.keys_made += 1;
        let Some(keys) = Keys::new(packet.version, packet.dcid) else { return false };
        let opened = keys.open(direction, packet, &mut self.opened);
        if opened || self.keys.is_none() {
            self.keys = Some(keys);
            (self.dcid, self.version) = (packet.dcid.to_vec(), packet.version);
            self.scid.clear();
            self.hello_seen = [false; 2];
            self.short = 0;
            self.crypto.iter_mut().for_each(CryptoStream::clear);
        }
        opened
    }

    /// The hello in the CRYPTO stream, once it is whole.
    fn hello(&mut self, side: usize, quic: &mut Quic) {
        let mut at = Cursor(self.crypto[side].bytes());
        let Some(kind) = at.u8() else { return };
        if quic.version == u32::from_be_bytes(*b"Q050") {
            if let Some(hello) = google::client_hello(self.crypto[side].bytes(), quic.version) {
                self.hello_seen[side] = true;
                (quic.sni, quic.user_agent, quic.cyu) = (hello.sni, hello.user_agent, hello.cyu);
            }
            return;
        }
        let Some(body) = at.prefixed24() else { return };
        match (kind, side) {
            (1, 0) => {
                if let Some(hello) = hello::client_hello(body, false) {
                    quic.client(&hello);
                }
            }
            (2, 1) => {
                if let Some(hello) = hello::server_hello(body) {
                    quic.server(&hello);
                }
            }
            _ => return,
        }
        self.hello_seen[side] = true;
        self.crypto[side].clear();
    }

    fn packet(&mut self, direction: Direction, packet: &Packet<'_>, sink: &mut dyn Sink) {
        let side = direction.index();
        let response = direction == Direction::ToClient;
        let mut quic = Quic { version: packet.version, response, ..Quic::default() };
        match packet.kind {
            Kind::Initial => {
                if self.open(direction, packet) {
                    let letter = packet.version >> 24;
                    let google = letter == u32::from(b'Q') || letter == u32::from(b'T');
                    if !frames::read(&self.opened, google, &mut self.crypto[side]) {
                        sink.anomaly("error_on_data");
                    }
                    self.hello(side, &mut quic);
                } else if self.keys.is_some() {
                    sink.anomaly("failed_decrypt");
                }
            }
            Kind::Google if direction == Direction::ToServer => {
                if let Some(hello) = google::client_hello(&packet.bytes[packet.head..], packet.version) {
                    (quic.sni, quic.user_agent, quic.cyu) = (hello.sni, hello.user_agent, hello.cyu);
                }
            }
            // The client begins anew, with other keys.
            Kind::Retry if response => {
                self.keys = None;
                self.hello_seen = [false; 2];
                self.crypto.iter_mut().for_each(CryptoStream::clear);
            }
            // So it does with another version.
            Kind::VersionNegotiation => {
                self.keys = None;
                self.hello_seen = [false; 2];
            }
            _ => {}
        }
        if response {
            self.scid = packet.scid.to_vec();
        }
        complete(quic.into(), sink);
    }
}

impl Parser for QuicParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut rest = chunk.bytes;
        while let Some((packet, behind)) = header::long_header(rest) {
            // What follows a hello says nothing, unless it begins another connection on the same sockets.
            let begins = chunk.direction == Direction::ToServer
                && packet.kind == Kind::Initial
                && packet.dcid != self.dcid
                && packet.dcid != self.scid;
            if self.hello_seen[side] && !begins {
                break;
            }
            self.packets += 1;
            if self.packets > MAX_PACKETS {
                self.limits_hit += 1;
                return Step::Finished;
            }
            self.packet(chunk.direction, &packet, sink);
            rest = behind;
        }
        // Only what is protected for the two peers follows.
        if chunk.bytes[0] & 0x80 == 0 && rest.len() == chunk.bytes.len() {
            self.short += 1;
        }
        if self.short >= MAX_SHORT { Step::Finished } else { Step::More }
    }

    fn gap(&mut self, _direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _sink: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.limits_hit + self.crypto.iter().map(|c| c.limits_hit).sum::<u32>()
    }
}

#[cfg(test)]
mod tests;
