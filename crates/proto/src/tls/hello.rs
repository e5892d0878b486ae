//! ClientHello and ServerHello, as TLS, DTLS and QUIC all send them (RFC 8446, RFC 5246, RFC 6347, RFC 6066).
//!
//! They are read leniently: what cannot be read of an extension is left out, and the rest of the hello still counts,
//! for what an attacker's client sends is read by servers just as lenient.

use crate::cursor::{Cursor, u16s};

/// Extensions of a hello that are kept; real ones have some twenty.
pub(crate) const MAX_EXTENSIONS: usize = 128;
/// Cipher suites, groups, signature algorithms that are kept, each; JA4 counts no further than 99.
pub(crate) const MAX_LIST: usize = 512;
/// Protocols offered that are kept.
pub(crate) const MAX_ALPNS: usize = 32;

/// Extension types (IANA).
pub(crate) mod extension {
    pub const SERVER_NAME: u16 = 0;
    pub const SUPPORTED_GROUPS: u16 = 10;
    pub const EC_POINT_FORMATS: u16 = 11;
    pub const SIGNATURE_ALGORITHMS: u16 = 13;
    pub const ALPN: u16 = 16;
    pub const SUPPORTED_VERSIONS: u16 = 43;
}

/// Stands for drafts of TLS 1.3 before the 16th, which have no number of their own.
const EARLY_DRAFT: u16 = 0x7f00;

/// The `random` of a ServerHello that is a HelloRetryRequest: SHA-256 of those words (RFC 8446 4.1.3).
const HELLO_RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What a client offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The version in the hello itself: frozen at TLS 1.2 for later ones.
    pub legacy_version: u16,
    /// `random`.
    pub random: [u8; 32],
    /// Cipher suites in their order, GREASE (RFC 8701) among them.
    pub ciphers: Vec<u16>,
    /// Extension types in their order, GREASE among them.
    pub extensions: Vec<u16>,
    /// `server_name`, lower case.
    pub sni: Option<String>,
    /// The same in the client's own letters, if they are not all small.
    pub sni_as_sent: Option<String>,
    /// `application_layer_protocol_negotiation`, bytes that are no UTF-8 replaced.
    pub alpns: Vec<String>,
    /// The first of them as it was sent, for its fingerprint.
    pub(crate) first_alpn: Vec<u8>,
    /// `supported_versions`.
    pub versions: Vec<u16>,
    /// `supported_groups`.
    pub groups: Vec<u16>,
    /// `ec_point_formats`.
    pub point_formats: Vec<u8>,
    /// `signature_algorithms`.
    pub signatures: Vec<u16>,
    /// Its lengths contradict each other.
    pub damaged: bool,
}

impl ClientHello {
    /// The highest version that it offers. Those of DTLS count downwards; a vendor's own are no higher than any.
    #[must_use]
    pub fn version(&self) -> u16 {
        let age = |v: &u16| if v >> 8 == 0xfe { !v } else { *v };
        let offered = self.versions.iter().copied().filter(|&v| !is_grease(v) && v >> 8 != 0xfb);
        offered.max_by_key(age).unwrap_or(self.legacy_version)
    }

    /// The first version that it offers and that exists: the one that it likes best.
    #[must_use]
    pub fn preferred_version(&self) -> u16 {
        let exists = |v: &u16| matches!(v, 0x0300..=0x0304) || matches!(v >> 8, 0x7f | 0xfe);
        self.versions.iter().copied().find(exists).unwrap_or(self.legacy_version)
    }
}

/// What a server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerHello {
    /// The version in the hello itself.
    pub legacy_version: u16,
    /// `random`.
    pub random: [u8; 32],
    /// The cipher suite.
    pub cipher: u16,
    /// Extension types in their order.
    pub extensions: Vec<u16>,
    /// The version that `supported_versions` names.
    pub selected_version: Option<u16>,
    /// The protocol chosen, where it is said in the clear.
    pub alpn: Option<String>,
    /// It is no answer yet but asks for another ClientHello.
    pub retry: bool,
    /// Its lengths contradict each other.
    pub damaged: bool,
}

impl ServerHello {
    /// The version agreed on. Early drafts of TLS 1.3 named it where the standard never does.
    #[must_use]
    pub fn version(&self) -> u16 {
        let legacy = if self.legacy_version == 0x0304 { EARLY_DRAFT } else { self.legacy_version };
        self.selected_version.unwrap_or(legacy)
    }
}

/// Whether a value is one of those that clients sprinkle in to keep servers tolerant (RFC 8701).
#[must_use]
pub fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

/// A ClientHello's body; `cookie` says that it is DTLS and has one. `None` if not even the cipher suites are there.
pub(crate) fn client_hello(body: &[u8], cookie: bool) -> Option<ClientHello> {
    let mut at = Cursor(body);
    let legacy_version = at.u16()?;
    let random = *at.array::<32>()?;
    at.prefixed8().filter(|id| id.len() <= 32)?;
    if cookie {
        at.prefixed8()?;
    }
    let ciphers = at.prefixed16()?;
    let mut hello = ClientHello {
        legacy_version,
        random,
        ciphers: u16s(ciphers).take(MAX_LIST).collect(),
        ..ClientHello::default()
    };
    hello.damaged = !ciphers.len().is_multiple_of(2) || at.prefixed8().is_none();
    if !hello.damaged && !at.is_empty() {
        let sound = extensions(&mut at, |kind, content| {
            hello.extensions.push(kind);
            client_extension(&mut hello, kind, content)
        });
        hello.damaged = !sound;
    }
    Some(hello)
}

/// Hands each extension to `each`, which says whether it could read it; whether all were sound.
fn extensions(at: &mut Cursor<'_>, mut each: impl FnMut(u16, &[u8]) -> bool) -> bool {
    let Some(list) = at.u16() else { return false };
    let mut sound = usize::from(list) == at.0.len();
    let mut list = Cursor(&at.0[..at.0.len().min(list.into())]);
    for _ in 0..MAX_EXTENSIONS {
        if list.is_empty() {
            break;
        }
        let Some((kind, content)) = list.u16().and_then(|kind| Some((kind, list.prefixed16()?))) else {
            return false;
        };
        sound &= each(kind, content);
    }
    sound
}

fn client_extension(hello: &mut ClientHello, kind: u16, content: &[u8]) -> bool {
    let mut at = Cursor(content);
    match kind {
        extension::SERVER_NAME => {
            // Some clients send it empty.
            let Some(names) = at.prefixed16() else { return content.is_empty() };
            let mut names = Cursor(names);
            // The first name of type host_name.
            while let (Some(kind), Some(name)) = (names.u8(), names.prefixed16()) {
                if kind == 0 && !name.is_empty() && hello.sni.is_none() {
                    let name = String::from_utf8_lossy(name);
                    hello.sni = Some(name.to_ascii_lowercase());
                    hello.sni_as_sent =
                        name.bytes().any(|b| b.is_ascii_uppercase()).then(|| name.into_owned());
                }
            }
            names.is_empty()
        }
        extension::ALPN => {
            let Some(names) = at.prefixed16() else { return false };
            let mut names = Cursor(names);
            while let Some(name) = names.prefixed8() {
                if hello.alpns.len() < MAX_ALPNS {
                    if hello.alpns.is_empty() {
                        hello.first_alpn = name.to_vec();
                    }
                    hello.alpns.push(String::from_utf8_lossy(name).into_owned());
                }
            }
            names.is_empty()
        }
        extension::SUPPORTED_VERSIONS => list(&mut hello.versions, at.prefixed8()),
        extension::SUPPORTED_GROUPS => list(&mut hello.groups, at.prefixed16()),
        extension::SIGNATURE_ALGORITHMS => list(&mut hello.signatures, at.prefixed16()),
        extension::EC_POINT_FORMATS => {
            hello.point_formats = at.prefixed8().unwrap_or_default().to_vec();
            true
        }
        _ => true,
    }
}

fn list(into: &mut Vec<u16>, from: Option<&[u8]>) -> bool {
    *into = u16s(from.unwrap_or_default()).take(MAX_LIST).collect();
    from.is_some_and(|from| from.len().is_multiple_of(2))
}

/// A ServerHello's body; `None` if not even the cipher suite is there.
pub(crate) fn server_hello(body: &[u8]) -> Option<ServerHello> {
    let mut at = Cursor(body);
    let legacy_version = at.u16()?;
    let random = *at.array::<32>()?;
    let retry = random == HELLO_RETRY;
    // Drafts of TLS 1.3 before the 22nd had neither session nor compression.
    let short = legacy_version == 0x0304 || (legacy_version >> 8 == 0x7f && legacy_version & 0xff < 22);
    if !short {
        at.prefixed8().filter(|id| id.len() <= 32)?;
    }
    let cipher = at.u16()?;
    let mut hello = ServerHello { legacy_version, random, cipher, retry, ..ServerHello::default() };
    if !short && at.u8().is_none() {
        hello.damaged = true;
    } else if !at.is_empty() {
        let sound = extensions(&mut at, |kind, content| {
            hello.extensions.push(kind);
            let mut at = Cursor(content);
            match kind {
                extension::SUPPORTED_VERSIONS => hello.selected_version = at.u16(),
                extension::ALPN => {
                    let name = at.prefixed16().and_then(|names| Cursor(names).prefixed8());
                    hello.alpn = name.map(|name| String::from_utf8_lossy(name).into_owned());
                }
                _ => {}
            }
            true
        });
        hello.damaged = !sound;
    }
    Some(hello)
}
