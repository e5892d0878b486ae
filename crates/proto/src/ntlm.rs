//! NTLMSSP messages (MS-NLMP), whatever carries them: SMB, HTTP, DCE/RPC, LDAP, SMTP.

use memchr::memmem;

use crate::bytes::{self, le16, le32};
use crate::parser::{Sink, complete};

/// How every message begins.
const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Characters kept of a name.
const MAX_NAME: usize = 256;
const NEGOTIATE_UNICODE: u32 = 0x0000_0001;
const NEGOTIATE_VERSION: u32 = 0x0200_0000;
/// Bytes of an NTLMv1 response; whatever is longer is NTLMv2.
const V1_RESPONSE: usize = 24;

/// Version of an operating system, as it calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major and minor.
    pub number: (u8, u8),
    /// Build.
    pub build: u16,
    /// NTLMSSP revision.
    pub revision: u8,
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{} build {} rev {}", self.number.0, self.number.1, self.build, self.revision)
    }
}

/// Which of the three messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The client's offer.
    Negotiate,
    /// The server's question.
    Challenge,
    /// The client's answer.
    Authenticate,
}

/// An NTLMSSP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ntlm {
    /// Which.
    pub step: Step,
    /// The user's domain, or the server's name in a challenge; empty if not told.
    pub domain: String,
    /// Who logs in; empty for nobody (anonymous) and before the third message.
    pub user: String,
    /// The client's own name; empty if not told.
    pub host: String,
    /// The sender's operating system, if told.
    pub version: Option<Version>,
    /// The answer is of NTLMv2: 1 or 2 in the third message if there is an answer.
    pub response_version: Option<u8>,
}

/// The first NTLMSSP message anywhere in `carrier` (a SPNEGO token, an authentication trailer).
#[must_use]
pub fn find(carrier: &[u8]) -> Option<Ntlm> {
    memmem::find(carrier, SIGNATURE).and_then(|at| parse(&carrier[at..]))
}

/// Reads a message from its signature on; `None` if it is none or too short to say which it is.
#[must_use]
pub fn parse(message: &[u8]) -> Option<Ntlm> {
    let kind = le32(message.strip_prefix(SIGNATURE)?, 0)?;
    // Where the flags stand, and where the version.
    let (step, flags_at, version_at) = match kind {
        1 => (Step::Negotiate, 12, 32),
        2 => (Step::Challenge, 20, 48),
        3 => (Step::Authenticate, 60, 64),
        _ => return None,
    };
    let flags = le32(message, flags_at).unwrap_or(0);
    // Names of the first message are in the client's code page always.
    let unicode = flags & NEGOTIATE_UNICODE != 0 && step != Step::Negotiate;
    let name = |at| field(message, at).map(|raw| bytes::text(raw, unicode, MAX_NAME)).unwrap_or_default();
    let (domain, user, host) = match step {
        Step::Negotiate => (name(16), String::new(), name(24)),
        Step::Challenge => (name(12), String::new(), String::new()),
        Step::Authenticate => (name(28), name(36), name(44)),
    };
    let version = (flags & NEGOTIATE_VERSION != 0).then(|| version(message.get(version_at..)?)).flatten();
    let response_version = match step {
        Step::Authenticate => field(message, 20).map(<[u8]>::len).filter(|&len| len >= V1_RESPONSE),
        _ => None,
    };
    let response_version = response_version.map(|len| if len > V1_RESPONSE { 2 } else { 1 });
    Some(Ntlm { step, domain, user, host, version, response_version })
}

/// Who logged in last on a flow: clients log in anew for every pipe and every context, as the same person.
#[derive(Debug, Default)]
pub(crate) struct Who(Option<Ntlm>);

impl Who {
    /// Tells who logs in with the message that `carrier` holds, if there is one and it is somebody else.
    pub fn told(&mut self, carrier: &[u8], sink: &mut dyn Sink) {
        let message = find(carrier).filter(|n| n.step == Step::Authenticate);
        if message.is_some() && message != self.0 {
            self.0.clone_from(&message);
            message.into_iter().for_each(|ntlm| complete(ntlm.into(), sink));
        }
    }
}

fn version(raw: &[u8]) -> Option<Version> {
    let raw = raw.first_chunk::<8>()?;
    let build = u16::from_le_bytes([raw[2], raw[3]]);
    Some(Version { number: (raw[0], raw[1]), build, revision: raw[7] })
}

/// A field that is told by length and offset.
fn field(message: &[u8], at: usize) -> Option<&[u8]> {
    let (len, offset) = (usize::from(le16(message, at)?), le32(message, at + 4)?);
    let offset = usize::try_from(offset).ok()?;
    message.get(offset..offset.checked_add(len)?)
}

#[cfg(test)]
#[path = "ntlm_tests.rs"]
pub(crate) mod tests;
