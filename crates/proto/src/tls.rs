//! TLS handshakes up to the ServerHello (RFC 8446, RFC 5246, RFC 6066).

use tls_parser::{
    TlsExtension, TlsMessage, TlsMessageHandshake, parse_tls_extensions, parse_tls_message_handshake,
};
use wire::{Direction, IpProto};

use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// Bytes of handshake messages that are assembled per direction; larger ones are given up.
const MAX_HANDSHAKE: usize = 64 * 1024;
const RECORD_HEADER: usize = 5;
const HANDSHAKE: u8 = 0x16;

/// A TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The server's name as the client calls it, lower case.
    pub sni: Option<String>,
    /// The version agreed on; the client's highest if no ServerHello was seen.
    pub version: Option<u16>,
    /// Protocols that the client offers.
    pub alpns: Vec<String>,
    /// The protocol that the server chose, where it says so in the clear.
    pub server_alpn: Option<String>,
}

impl Tls {
    /// The version as EVE writes it.
    #[must_use]
    pub fn version_name(&self) -> Option<String> {
        Some(match self.version? {
            0x0300 => "SSLv3".to_owned(),
            0x0301 => "TLSv1".to_owned(),
            0x0302 => "TLS 1.1".to_owned(),
            0x0303 => "TLS 1.2".to_owned(),
            0x0304 => "TLS 1.3".to_owned(),
            other => format!("0x{other:04x}"),
        })
    }
}

/// A handshake record that begins with a ClientHello or ServerHello.
fn guess(seen: &[u8]) -> Guess {
    let fits = |at: usize, ok: fn(u8) -> bool| seen.get(at).copied().is_none_or(ok);
    let possible = fits(0, |b| b == HANDSHAKE)
        && fits(1, |b| b == 3)
        && fits(2, |b| b <= 4)
        && fits(3, |b| b <= 0x48)
        && fits(5, |b| b == 1 || b == 2);
    match (possible, seen.len() > RECORD_HEADER) {
        (true, true) => Guess::Yes,
        (true, false) => Guess::More,
        (false, _) => Guess::No,
    }
}

/// TLS, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Tls,
    transport: IpProto::TCP,
    ports: &[443, 465, 563, 636, 853, 989, 990, 992, 993, 995, 8443],
    probe,
    open: Some(|_| Box::<TlsParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    guess(opening.fresh())
}

/// One direction: bytes of the record at hand, then of the handshake message at hand.
#[derive(Debug, Default)]
struct Side {
    header: Vec<u8>,
    record_left: usize,
    record_type: u8,
    handshake: Vec<u8>,
    done: bool,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct TlsParser {
    sides: [Side; 2],
    current: Option<Tls>,
    logged: bool,
    limits_hit: u32,
}

impl TlsParser {
    fn step(&self) -> Step {
        if self.logged { Step::Finished } else { Step::More }
    }

    fn log(&mut self, sink: &mut dyn Sink) {
        if let Some(tls) = self.current.take() {
            sink.log(tls.into());
        }
        self.logged = true;
    }

    /// Complete messages of a direction; the rest waits.
    fn messages(&mut self, side: usize, sink: &mut dyn Sink) {
        while !self.logged && !self.sides[side].done {
            let buffer = &mut self.sides[side].handshake;
            let Some(&[kind, a, b, c]) = buffer.first_chunk::<4>() else { return };
            let len = 4 + usize::from(a) * 0x1_0000 + usize::from(b) * 0x100 + usize::from(c);
            if len > MAX_HANDSHAKE {
                self.limits_hit += 1;
                self.sides[side].done = true;
                return self.log(sink);
            }
            if buffer.len() < len {
                return;
            }
            let message: Vec<u8> = buffer.drain(..len).collect();
            match kind {
                1 => self.client_hello(&message, sink),
                2 => self.server_hello(&message, sink),
                _ => self.sides[side].done = true,
            }
        }
    }

    fn client_hello(&mut self, message: &[u8], sink: &mut dyn Sink) {
        // A second one answers a HelloRetryRequest and says the same.
        if self.current.is_some() {
            return;
        }
        let mut tls = Tls::default();
        if let Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)))) =
            parse_tls_message_handshake(message)
        {
            tls.version = Some(hello.version.0);
            for extension in extensions(hello.ext) {
                match extension {
                    TlsExtension::SNI(names) => {
                        tls.sni = names
                            .first()
                            .map(|(_, name)| String::from_utf8_lossy(name).to_ascii_lowercase())
                            .filter(|name| !name.is_empty());
                    }
                    TlsExtension::ALPN(names) => {
                        tls.alpns = names.iter().map(|n| String::from_utf8_lossy(n).into_owned()).collect();
                    }
                    TlsExtension::SupportedVersions(versions) => {
                        // GREASE values (RFC 8701) are no versions.
                        let real = versions.iter().map(|v| v.0).filter(|v| v & 0x0f0f != 0x0a0a);
                        tls.version = real.max().or(tls.version);
                    }
                    _ => {}
                }
            }
        }
        let transaction = Transaction::from(tls);
        sink.inspect(&transaction);
        if let Transaction::Tls(tls) = transaction {
            self.current = Some(*tls);
        }
    }

    fn server_hello(&mut self, message: &[u8], sink: &mut dyn Sink) {
        if self.current.is_none() {
            // The client's side was missed: what the server says is all there is.
            sink.inspect(&Tls::default().into());
            self.current = Some(Tls::default());
        }
        let Some(tls) = &mut self.current else { return };
        if let Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ServerHello(hello)))) =
            parse_tls_message_handshake(message)
        {
            tls.version = Some(hello.version.0);
            for extension in extensions(hello.ext) {
                match extension {
                    TlsExtension::SupportedVersions(versions) => {
                        tls.version = versions.first().map(|v| v.0).or(tls.version);
                    }
                    TlsExtension::ALPN(names) => {
                        tls.server_alpn = names.first().map(|n| String::from_utf8_lossy(n).into_owned());
                    }
                    _ => {}
                }
            }
        }
        self.log(sink);
    }
}

/// A hello's extensions; none if they cannot be read.
fn extensions(raw: Option<&[u8]>) -> Vec<TlsExtension<'_>> {
    raw.and_then(|raw| parse_tls_extensions(raw).ok()).map(|(_, list)| list).unwrap_or_default()
}

impl Parser for TlsParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        while !bytes.is_empty() && !self.logged && !self.sides[side].done {
            let s = &mut self.sides[side];
            if s.record_left == 0 {
                let take = (RECORD_HEADER - s.header.len()).min(bytes.len());
                s.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                if let [kind, major, _, high, low] = s.header[..] {
                    s.header.clear();
                    s.record_type = kind;
                    s.record_left = usize::from(high) << 8 | usize::from(low);
                    // Encrypted from here on, or no TLS at all.
                    if kind != HANDSHAKE || major != 3 {
                        s.done = true;
                        if kind != 0x14 {
                            self.log(sink);
                        }
                    }
                }
                continue;
            }
            let take = s.record_left.min(bytes.len());
            s.record_left -= take;
            s.handshake.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            self.messages(side, sink);
        }
        self.step()
    }

    fn gap(&mut self, _direction: Direction, _missing: u64, sink: &mut dyn Sink) -> Step {
        self.log(sink);
        Step::Finished
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.log(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}
