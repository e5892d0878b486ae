//! The handshake's messages and what is learned from them, whether they came in TLS or DTLS.

use wire::{Direction, Nanos};

use super::certificate::{self, Certificate};
use super::fingerprint::{Carrier, ja3, ja3s, ja4};
use super::hello::{client_hello, server_hello};
use super::{Tls, TlsSide};
use crate::cursor::Cursor;
use crate::parser::Sink;
use crate::transaction::Transaction;

/// Certificates of a chain that are counted.
const MAX_CHAIN: usize = 32;

/// Broken rules, by Suricata's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsEvent {
    InvalidRecordType,
    InvalidRecordLength,
    InvalidRecordVersion,
    InvalidSslV2Header,
    InvalidHandshakeMessage,
    HandshakeInvalidLength,
    InvalidCertificate,
    CertificateInvalidLength,
    CertificateInvalidVersion,
    CertificateInvalidSerial,
    CertificateInvalidDate,
    CertificateInvalidExtensions,
    CertificateInvalidDer,
}

impl TlsEvent {
    pub fn name(self) -> &'static str {
        match self {
            TlsEvent::InvalidRecordType => "INVALID_RECORD_TYPE",
            TlsEvent::InvalidRecordLength => "INVALID_RECORD_LENGTH",
            TlsEvent::InvalidRecordVersion => "INVALID_RECORD_VERSION",
            TlsEvent::InvalidSslV2Header => "INVALID_SSLV2_HEADER",
            TlsEvent::InvalidHandshakeMessage => "INVALID_HANDSHAKE_MESSAGE",
            TlsEvent::HandshakeInvalidLength => "HANDSHAKE_INVALID_LENGTH",
            TlsEvent::InvalidCertificate => "INVALID_CERTIFICATE",
            TlsEvent::CertificateInvalidLength => "CERTIFICATE_INVALID_LENGTH",
            TlsEvent::CertificateInvalidVersion => "CERTIFICATE_INVALID_VERSION",
            TlsEvent::CertificateInvalidSerial => "CERTIFICATE_INVALID_SERIAL",
            TlsEvent::CertificateInvalidDate => "CERTIFICATE_INVALID_DATE",
            TlsEvent::CertificateInvalidExtensions => "CERTIFICATE_INVALID_EXTENSIONS",
            TlsEvent::CertificateInvalidDer => "CERTIFICATE_INVALID_DER",
        }
    }
}

/// Handshake message types (IANA).
mod message {
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    /// In drafts of TLS 1.3 before the 22nd.
    pub const HELLO_RETRY_REQUEST: u8 = 6;
    pub const CERTIFICATE: u8 = 11;
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    pub const SERVER_HELLO_DONE: u8 = 14;
    pub const CLIENT_KEY_EXCHANGE: u8 = 16;
    /// The last type that is assigned (compressed_certificate).
    pub const LAST: u8 = 25;
    pub const MESSAGE_HASH: u8 = 254;
}

/// Joins messages to a [`Tls`].
#[derive(Debug)]
pub(crate) struct Handshake {
    carrier: Carrier,
    /// `Some` from the first hello until it is logged.
    current: Option<Transaction>,
    client_seen: bool,
    server_seen: bool,
    /// The server proved itself or agreed on a key anew: the session is no old one.
    full: bool,
    retry: bool,
    logged: bool,
    /// Capture time of the bytes at hand.
    pub time: Nanos,
}

impl Handshake {
    pub fn new(carrier: Carrier) -> Self {
        Handshake {
            carrier,
            current: None,
            client_seen: false,
            server_seen: false,
            full: false,
            retry: false,
            logged: false,
            time: Nanos(0),
        }
    }

    /// The handshake so far, to be filled in further.
    fn tls(&mut self) -> Option<&mut Tls> {
        match self.current.as_mut()? {
            Transaction::Tls(tls) => Some(tls),
            Transaction::Dtls(dtls) => Some(&mut dtls.0),
            _ => None,
        }
    }

    /// Begins the transaction with what is known, if that was not done.
    pub fn begin(&mut self, tls: Tls, sink: &mut dyn Sink) {
        if self.current.is_none() && !self.logged {
            let transaction = match self.carrier {
                Carrier::Dtls => super::Dtls(tls).into(),
                Carrier::Tcp | Carrier::Quic => tls.into(),
            };
            sink.inspect(&transaction);
            self.current = Some(transaction);
        }
    }

    /// What the handshake switched over from ("smtp" ...).
    pub fn follows(&mut self, app: &'static str) {
        if let Some(tls) = self.tls() {
            tls.from_proto = Some(app);
        }
    }

    /// Whether the event is written.
    pub fn logged(&self) -> bool {
        self.logged
    }

    /// Writes the event, once.
    pub fn log(&mut self, sink: &mut dyn Sink) {
        if let Some(transaction) = self.current.take() {
            sink.log(transaction);
        }
        self.logged = true;
    }

    /// The server has said all that it says in the clear, and it was TLS 1.3 or an SSLv2 hello.
    pub fn is_1_3(&mut self) -> bool {
        let server_seen = self.server_seen;
        self.tls().is_some_and(|tls| server_seen && tls.version.is_some_and(is_1_3))
    }

    /// The server has asked for another hello: this is TLS 1.3, where ChangeCipherSpec means nothing.
    pub fn retried(&self) -> bool {
        self.retry
    }

    /// The server begins to encrypt.
    pub fn server_encrypts(&mut self) {
        let resumed = self.server_seen && !self.full;
        if let Some(tls) = self.tls() {
            tls.resumed = resumed && !tls.version.is_some_and(is_1_3);
        }
    }

    /// A whole message without its head.
    pub fn message(&mut self, direction: Direction, kind: u8, body: &[u8], sink: &mut dyn Sink) {
        let event = match (kind, direction) {
            (message::CLIENT_HELLO, _) => self.client_hello(body, sink),
            (message::SERVER_HELLO, _) => self.server_hello(body, sink),
            (message::HELLO_RETRY_REQUEST, Direction::ToClient) => {
                self.retry = true;
                None
            }
            (message::CERTIFICATE, _) => self.certificates(direction, body, sink),
            (message::SERVER_KEY_EXCHANGE | message::SERVER_HELLO_DONE, Direction::ToClient) => {
                self.full = true;
                self.key_exchange(direction, kind == message::SERVER_KEY_EXCHANGE);
                None
            }
            (message::CLIENT_KEY_EXCHANGE, Direction::ToServer) => {
                self.key_exchange(direction, true);
                None
            }
            (..=message::LAST | message::MESSAGE_HASH, _) => None,
            _ => Some(TlsEvent::InvalidHandshakeMessage),
        };
        if let Some(event) = event {
            sink.anomaly(event.name());
            // A certificate that cannot be read makes the message that carries it unreadable.
            if matches!(event, TlsEvent::InvalidCertificate | TlsEvent::CertificateInvalidLength) {
                sink.anomaly(TlsEvent::InvalidHandshakeMessage.name());
            }
        }
    }

    fn key_exchange(&mut self, direction: Direction, sent: bool) {
        if let Some(tls) = self.tls() {
            tls.sides[direction.index()].key_exchange |= sent;
        }
    }

    fn client_hello(&mut self, body: &[u8], sink: &mut dyn Sink) -> Option<TlsEvent> {
        // A second one answers a HelloRetryRequest or HelloVerifyRequest and says the same.
        if self.client_seen {
            return None;
        }
        self.client_seen = true;
        let Some(hello) = client_hello(body, self.carrier == Carrier::Dtls) else {
            self.begin(Tls::default(), sink);
            return Some(TlsEvent::HandshakeInvalidLength);
        };
        let client = TlsSide {
            version: Some(hello.preferred_version()),
            random: Some(hello.random),
            ..TlsSide::default()
        };
        let tls = Tls {
            sni: hello.sni.clone(),
            sni_as_sent: hello.sni_as_sent.clone(),
            version: Some(hello.version()),
            ja3: Some(ja3(&hello)),
            ja4: Some(ja4(&hello, self.carrier)),
            sides: [client, TlsSide::default()],
            alpns: hello.alpns,
            ..Tls::default()
        };
        if self.current.is_none() {
            self.begin(tls, sink);
        }
        hello.damaged.then_some(TlsEvent::HandshakeInvalidLength)
    }

    fn server_hello(&mut self, body: &[u8], sink: &mut dyn Sink) -> Option<TlsEvent> {
        // The client's side may have been missed: what the server says is all there is then.
        self.begin(Tls::default(), sink);
        let Some(hello) = server_hello(body) else { return Some(TlsEvent::HandshakeInvalidLength) };
        // As Suricata has it, JA3S is that of the first answer, be it no more than the wish for another hello.
        let fingerprint = ja3s(&hello);
        if let Some(tls) = self.tls() {
            tls.ja3s.get_or_insert(fingerprint);
        }
        self.retry |= hello.retry;
        if hello.retry || self.server_seen {
            return None;
        }
        self.server_seen = true;
        let tls = self.tls()?;
        tls.version = Some(hello.version());
        tls.sides[1].version = Some(hello.version());
        tls.sides[1].random = Some(hello.random);
        tls.cipher = Some(hello.cipher);
        tls.server_alpn = hello.alpn;
        hello.damaged.then_some(TlsEvent::HandshakeInvalidLength)
    }

    fn certificates(&mut self, direction: Direction, body: &[u8], sink: &mut dyn Sink) -> Option<TlsEvent> {
        self.begin(Tls::default(), sink);
        if direction == Direction::ToClient {
            self.full = true;
        }
        let Some(list) = Cursor(body).prefixed24() else { return Some(TlsEvent::InvalidHandshakeMessage) };
        let mut list = Cursor(list);
        // A client without a certificate sends an empty list.
        if list.is_empty() {
            return None;
        }
        let Some(first) = list.prefixed24() else { return Some(TlsEvent::InvalidHandshakeMessage) };
        let read = certificate::read(first);
        let (certificate, mut event) = match read {
            Ok(certificate) => (Some(certificate), None),
            Err(event) => (None, Some(event)),
        };
        let limit = sink.keep().payloads;
        let mut chain = Chain::default();
        chain.add(first, limit);
        while (chain.length as usize) < MAX_CHAIN && !list.is_empty() {
            let Some(next) = list.prefixed24() else {
                event = Some(TlsEvent::InvalidHandshakeMessage);
                break;
            };
            chain.add(next, limit);
        }
        let shown = seconds(self.time);
        let tls = self.tls()?;
        chain.put(&mut tls.sides[direction.index()], shown);
        match direction {
            Direction::ToClient => keep(&mut tls.certificate, certificate),
            Direction::ToServer => keep(&mut tls.client_certificate, certificate),
        }
        event
    }

    /// An SSLv2 server's hello, which holds all that it says.
    pub fn ssl2_server(&mut self, cert: &[u8], version: u16, sink: &mut dyn Sink) {
        self.begin(Tls::default(), sink);
        self.server_seen = true;
        self.full = true;
        let read = (!cert.is_empty()).then(|| certificate::read(cert));
        if let Some(Err(event)) = read {
            sink.anomaly(event.name());
        }
        let (limit, shown) = (sink.keep().payloads, seconds(self.time));
        if let Some(tls) = self.tls() {
            tls.version = Some(version);
            tls.sides[1].version = Some(version);
            if !cert.is_empty() {
                let mut chain = Chain::default();
                chain.add(cert, limit);
                chain.put(&mut tls.sides[1], shown);
            }
            keep(&mut tls.certificate, read.and_then(Result::ok));
        }
    }

    /// An SSLv2 client's hello: it names no server, and its ciphers are others than those that JA3 counts.
    pub fn ssl2_client(&mut self, version: u16, sink: &mut dyn Sink) {
        self.client_seen = true;
        let client = TlsSide { version: Some(version), ..TlsSide::default() };
        self.begin(
            Tls { version: Some(version), sides: [client, TlsSide::default()], ..Tls::default() },
            sink,
        );
    }
}

fn seconds(time: Nanos) -> i64 {
    i64::try_from(time.0 / 1_000_000_000).unwrap_or(i64::MAX)
}

/// Certificates of one message.
#[derive(Default)]
struct Chain {
    length: u32,
    kept: Vec<Vec<u8>>,
}

impl Chain {
    fn add(&mut self, der: &[u8], limit: usize) {
        self.length += 1;
        if limit > 0 {
            self.kept.push(der.get(..limit).unwrap_or(der).to_vec());
        }
    }

    /// The first chain counts: a later one belongs to a renegotiation.
    fn put(self, side: &mut TlsSide, shown: i64) {
        if side.shown.is_none() {
            side.chain_length = self.length;
            side.chain = self.kept;
            side.shown = Some(shown);
        }
    }
}

/// The first certificate counts: a later one belongs to a renegotiation.
fn keep(place: &mut Option<Certificate>, certificate: Option<Certificate>) {
    if place.is_none() {
        *place = certificate;
    }
}

fn is_1_3(version: u16) -> bool {
    version == 0x0304 || matches!(version >> 8, 0x7f | 0xfb) || version == 0xfefc
}
