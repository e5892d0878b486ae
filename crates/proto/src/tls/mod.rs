//! TLS (RFC 8446, RFC 5246 and before, SSL 2 and 3): hellos, certificates, and how the handshake ended.
//!
//! What is parsed is what both sides say in the clear. The event is written when the first of them has turned to
//! encryption for good, when one gives up with an alert, or when the flow ends; then the flow needs no parser any more.

mod certificate;
pub mod fingerprint;
mod handshake;
pub mod hello;
mod record;

pub use certificate::Certificate;
pub use fingerprint::Fingerprint;
pub(crate) use handshake::{Handshake, TlsEvent};
pub(crate) use record::PROTOCOL;

/// A TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The server's name as the client calls it, lower case.
    pub sni: Option<String>,
    /// The same in the client's own letters, if they are not all small.
    pub sni_as_sent: Option<String>,
    /// The version agreed on; the client's highest if no ServerHello was seen.
    pub version: Option<u16>,
    /// The cipher suite agreed on.
    pub cipher: Option<u16>,
    /// Protocols that the client offers.
    pub alpns: Vec<String>,
    /// The protocol that the server chose, where it says so in the clear.
    pub server_alpn: Option<String>,
    /// JA3 of the client.
    pub ja3: Option<Fingerprint>,
    /// JA3S of the server.
    pub ja3s: Option<Fingerprint>,
    /// JA4 of the client.
    pub ja4: Option<String>,
    /// The server's own certificate.
    pub certificate: Option<Certificate>,
    /// The client's own certificate.
    pub client_certificate: Option<Certificate>,
    /// An earlier session is taken up again, so that no certificate is shown.
    pub resumed: bool,
    /// The protocol that changed over to TLS (STARTTLS), by its name.
    pub from_proto: Option<&'static str>,
    /// What each side said, `[client, server]`: what rules ask for and events do not tell.
    pub sides: [TlsSide; 2],
}

/// What one side said in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSide {
    /// A client's first choice among the versions that exist; a server's choice.
    pub version: Option<u16>,
    /// `random` of its hello.
    pub random: Option<[u8; 32]>,
    /// Certificates of its chain, as far as they were counted.
    pub chain_length: u32,
    /// DER of each of them, if the sink wants payloads kept.
    pub chain: Vec<Vec<u8>>,
    /// When its certificates were shown: seconds since 1970.
    pub shown: Option<i64>,
    /// It sent its half of a key exchange in a message of its own.
    pub key_exchange: bool,
}

impl Tls {
    /// The version as EVE writes it.
    #[must_use]
    pub fn version_name(&self) -> Option<String> {
        self.version.map(version_name)
    }
}

/// A handshake over datagrams: the same in all its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dtls(pub Tls);

/// A version's name in Suricata's form.
fn version_name(version: u16) -> String {
    match version {
        0x0002 => "SSLv2".to_owned(),
        0x0300 => "SSLv3".to_owned(),
        0x0301 => "TLSv1".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        0x7f00..=0x7f0f => "TLS 1.3 draft-<16".to_owned(),
        0x7f10..=0x7fff => format!("TLS 1.3 draft-{}", version & 0xff),
        0xfb17 | 0xfb1a => format!("TLS 1.3 draft-{}-fb", version & 0xff),
        0x0100 => "DTLS 0.9".to_owned(),
        0xfeff => "DTLS 1.0".to_owned(),
        0xfefd => "DTLS 1.2".to_owned(),
        0xfefc => "DTLS 1.3".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
