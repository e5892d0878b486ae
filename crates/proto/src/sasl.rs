//! SASL exchanges in clear text (RFC 4422) as SMTP, POP3 and IMAP carry them: base64 in lines.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::lines::text;
use crate::login::{Login, Outcome, Secret};
use crate::registry::AppProto;

/// Characters kept of a user name, and of a secret.
const MAX_CREDENTIAL: usize = 256;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes one line of base64.
pub(crate) fn decode(line: &[u8]) -> Option<Vec<u8>> {
    LENIENT.decode(line.trim_ascii()).ok()
}

/// A user name or a secret, cut to what is kept.
pub(crate) fn credential(bytes: &[u8]) -> String {
    text(&bytes[..bytes.len().min(MAX_CREDENTIAL)])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Login,
    CramMd5,
    DigestMd5,
    Ntlm,
    Bearer,
    Other,
}

/// An exchange that goes on.
#[derive(Debug)]
pub(crate) struct Sasl {
    mechanism: Mechanism,
    user: Option<String>,
    secret: Option<Secret>,
}

impl Sasl {
    /// The client asked for a mechanism, perhaps with its first response.
    pub fn new(name: &[u8], initial: &[u8]) -> Self {
        let known: [(&[u8], Mechanism); 7] = [
            (b"PLAIN", Mechanism::Plain),
            (b"LOGIN", Mechanism::Login),
            (b"CRAM-MD5", Mechanism::CramMd5),
            (b"DIGEST-MD5", Mechanism::DigestMd5),
            (b"NTLM", Mechanism::Ntlm),
            (b"XOAUTH2", Mechanism::Bearer),
            (b"OAUTHBEARER", Mechanism::Bearer),
        ];
        let mechanism = known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut sasl =
            Sasl { mechanism: mechanism.map_or(Mechanism::Other, |(_, m)| *m), user: None, secret: None };
        if !initial.is_empty() && initial != b"=" {
            sasl.response(initial);
        }
        sasl
    }

    /// A line of the client.
    pub fn response(&mut self, line: &[u8]) {
        let Some(said) = decode(line) else { return };
        match self.mechanism {
            Mechanism::Plain => {
                let mut parts = said.split(|&b| b == 0);
                let (authorize, user, secret) = (parts.next(), parts.next(), parts.next());
                self.user = user.filter(|u| !u.is_empty()).or(authorize).map(credential);
                self.secret = secret.map(|s| Secret::new(credential(s)));
            }
            Mechanism::Login if self.user.is_none() => self.user = Some(credential(&said)),
            Mechanism::Login => self.secret = Some(Secret::new(credential(&said))),
            Mechanism::CramMd5 => {
                let user = said.iter().rposition(|&b| b == b' ').map_or(&said[..], |at| &said[..at]);
                self.user = Some(credential(user));
            }
            Mechanism::DigestMd5 => {
                let text = String::from_utf8_lossy(&said);
                if let Some((_, rest)) = text.split_once("username=\"") {
                    self.user = rest.split('"').next().map(|user| credential(user.as_bytes()));
                }
            }
            Mechanism::Ntlm => self.user = ntlm_user(&said).or(self.user.take()),
            Mechanism::Bearer => {
                let text = String::from_utf8_lossy(&said).into_owned();
                for part in text.split(['\u{1}', ',']) {
                    if let Some(user) = part.strip_prefix("user=").or(part.strip_prefix("a=")) {
                        self.user = Some(credential(user.as_bytes()));
                    } else if let Some(token) = part.strip_prefix("auth=Bearer ") {
                        self.secret = Some(Secret::new(credential(token.as_bytes())));
                    }
                }
            }
            Mechanism::Other => {}
        }
    }

    /// What was learned of it, if anything.
    pub fn login(self, service: AppProto, outcome: Outcome) -> Option<Login> {
        if self.user.is_none() && self.secret.is_none() {
            return None;
        }
        let method = match self.mechanism {
            Mechanism::Plain => "plain",
            Mechanism::Login => "login",
            Mechanism::CramMd5 => "cram-md5",
            Mechanism::DigestMd5 => "digest-md5",
            Mechanism::Ntlm => "ntlm",
            Mechanism::Bearer => "bearer",
            Mechanism::Other => "sasl",
        };
        Some(Login { service, method, user: self.user, secret: self.secret, outcome })
    }
}

/// `DOMAIN\user` of an NTLM AUTHENTICATE message (MS-NLMP section 2.2.1.3).
fn ntlm_user(message: &[u8]) -> Option<String> {
    if !message.starts_with(b"NTLMSSP\0\x03\0\0\0") {
        return None;
    }
    let number = |at: usize| Some(u16::from_le_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let unicode = number(60)? & 1 != 0;
    let field = |at: usize| {
        let (length, from) = (usize::from(number(at)?), usize::from(number(at + 4)?));
        let bytes = message.get(from..from.checked_add(length)?)?;
        let bytes = &bytes[..bytes.len().min(2 * MAX_CREDENTIAL)];
        Some(if unicode {
            let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
        } else {
            text(bytes)
        })
    };
    let (domain, user) = (field(28)?, field(36)?);
    Some(if domain.is_empty() { user } else { format!("{domain}\\{user}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn b64(bytes: &[u8]) -> Vec<u8> {
        LENIENT.encode(bytes).into_bytes()
    }

    fn learned(name: &[u8], lines: &[&[u8]]) -> (Option<String>, Option<String>) {
        let mut sasl = Sasl::new(name, b"");
        for line in lines {
            sasl.response(&b64(line));
        }
        let login = sasl.login(AppProto::Smtp, Outcome::Accepted).unwrap();
        (login.user, login.secret.map(|s| s.reveal().to_owned()))
    }

    #[test]
    fn who_logs_in_with_what_is_read_of_every_mechanism() {
        let both = |user: &str, secret: &str| (Some(user.to_owned()), Some(secret.to_owned()));
        let user = |user: &str| (Some(user.to_owned()), None);
        assert_eq!(learned(b"plain", &[b"\0alice\0pa55"]), both("alice", "pa55"));
        assert_eq!(learned(b"PLAIN", &[b"bob\0\0pa55"]), both("bob", "pa55"));
        assert_eq!(learned(b"LOGIN", &[b"alice", b"pa55"]), both("alice", "pa55"));
        assert_eq!(learned(b"CRAM-MD5", &[b"alice 0123456789abcdef"]), user("alice"));
        assert_eq!(learned(b"DIGEST-MD5", &[b"charset=utf-8,username=\"alice\",realm=x"]), user("alice"));
        assert_eq!(learned(b"XOAUTH2", &[b"user=alice\x01auth=Bearer tok\x01\x01"]), both("alice", "tok"));
        let mut ntlm = b"NTLMSSP\0\x03\0\0\0".to_vec();
        ntlm.resize(64, 0);
        ntlm[28..34].copy_from_slice(&[6, 0, 6, 0, 64, 0]);
        ntlm[36..42].copy_from_slice(&[4, 0, 4, 0, 70, 0]);
        ntlm[60] = 1;
        ntlm.extend_from_slice(b"L\0A\0B\0m\0e\0");
        assert_eq!(learned(b"NTLM", &[b"NTLMSSP\0\x01\0\0\0", &ntlm]), user("LAB\\me"));
    }

    #[test]
    fn what_says_nothing_is_no_login() {
        assert_eq!(Sasl::new(b"GSSAPI", b"YWJj").login(AppProto::Pop3, Outcome::Refused), None);
        assert_eq!(Sasl::new(b"PLAIN", b"!!").login(AppProto::Pop3, Outcome::Refused), None);
    }
}
