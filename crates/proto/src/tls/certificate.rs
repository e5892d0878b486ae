//! X.509 certificates (RFC 5280): who is who, and for how long.

use sha1::{Digest as _, Sha1};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name};

use super::handshake::TlsEvent;

/// Alternative names that are kept of a certificate.
const MAX_NAMES: usize = 512;
/// Bytes of a name that are kept.
const MAX_TEXT: usize = 4096;
/// Bytes of a serial number that are kept; RFC 5280 allows 20.
const MAX_SERIAL: usize = 64;

/// What is kept of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for: "C=US, O=Example, CN=example.org", in the order of the certificate.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Serial number: hexadecimal bytes in upper case, colons between.
    pub serial: String,
    /// SHA-1 of the whole certificate: hexadecimal bytes in lower case, colons between.
    pub fingerprint: String,
    /// Valid from, in seconds since 1970.
    pub not_before: i64,
    /// Valid until, in seconds since 1970.
    pub not_after: i64,
    /// Subject alternative names: host names, URIs, addresses.
    pub names: Vec<String>,
    /// All of it, as sent: further hashes are made of it only where somebody asks for them.
    pub der: Box<[u8]>,
}

/// Reads a certificate; the event says what is wrong with it.
pub(crate) fn read(der: &[u8]) -> Result<Certificate, TlsEvent> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| match error {
        x509_parser::nom::Err::Incomplete(_) => TlsEvent::CertificateInvalidLength,
        _ if announced(der).is_none_or(|len| len > der.len()) => TlsEvent::CertificateInvalidLength,
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => match error {
            x509_parser::error::X509Error::InvalidVersion => TlsEvent::CertificateInvalidVersion,
            x509_parser::error::X509Error::InvalidSerial => TlsEvent::CertificateInvalidSerial,
            x509_parser::error::X509Error::InvalidDate => TlsEvent::CertificateInvalidDate,
            x509_parser::error::X509Error::InvalidExtensions
            | x509_parser::error::X509Error::DuplicateExtensions => TlsEvent::CertificateInvalidExtensions,
            x509_parser::error::X509Error::InvalidX509Name => TlsEvent::CertificateInvalidDer,
            _ => TlsEvent::InvalidCertificate,
        },
    })?;
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(list) = extension.parsed_extension() {
            names.extend(list.general_names.iter().take(MAX_NAMES - names.len()).map(alternative));
        }
    }
    let serial = certificate.raw_serial();
    Ok(Certificate {
        subject: name(certificate.subject()),
        issuer: name(certificate.issuer()),
        serial: colons(&serial[..serial.len().min(MAX_SERIAL)]).to_ascii_uppercase(),
        fingerprint: colons(&Sha1::digest(der)),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        names,
        der: der.into(),
    })
}

/// Length of the outermost DER element with its head, if that can be read.
fn announced(der: &[u8]) -> Option<usize> {
    let (&length, rest) = der.get(1..)?.split_first()?;
    if length < 0x80 {
        return Some(2 + usize::from(length));
    }
    let count = usize::from(length & 0x7f);
    let bytes = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
    Some(2 + count + bytes.iter().fold(0, |sum, &b| sum << 8 | usize::from(b)))
}

fn name(name: &X509Name<'_>) -> String {
    bounded(name.to_string())
}

fn alternative(name: &GeneralName<'_>) -> String {
    bounded(match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
            (*text).to_owned()
        }
        GeneralName::IPAddress(bytes) => address(bytes),
        other => other.to_string(),
    })
}

fn address(bytes: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(v4).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(v6) => std::net::Ipv6Addr::from(v6).to_string(),
        Err(_) => colons(bytes),
    }
}

fn bounded(mut text: String) -> String {
    let mut end = MAX_TEXT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn colons(bytes: &[u8]) -> String {
    let digits = super::fingerprint::hex(bytes);
    let mut out = String::with_capacity(3 * bytes.len());
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at.is_multiple_of(2) {
            out.push(':');
        }
        out.push(digit);
    }
    out
}
