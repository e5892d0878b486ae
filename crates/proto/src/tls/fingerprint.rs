//! Fingerprints of hellos: JA3 and JA3S (Salesforce, 2017) and JA4 (FoxIO, BSD-licensed part of the suite only).

use core::fmt::Write as _;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::hello::{ClientHello, ServerHello, extension, is_grease};

/// A string that tells implementations apart, and its MD5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// What is hashed.
    pub string: String,
    /// MD5 of it, in lower case hexadecimal.
    pub hash: String,
}

impl Fingerprint {
    /// The fingerprint that this string makes.
    #[must_use]
    pub fn md5(string: String) -> Self {
        Fingerprint { hash: hex(&Md5::digest(&string)), string }
    }
}

/// Lower case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// What the hello travels in: the first letter of its JA4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// TLS over a stream.
    Tcp,
    /// QUIC.
    Quic,
    /// DTLS.
    Dtls,
}

fn dashed(values: impl Iterator<Item = u16>) -> String {
    joined(values, '-', |out, value| {
        let _ = write!(out, "{value}");
    })
}

fn joined(values: impl Iterator<Item = u16>, between: char, write: fn(&mut String, u16)) -> String {
    let mut out = String::new();
    for value in values {
        if !out.is_empty() {
            out.push(between);
        }
        write(&mut out, value);
    }
    out
}

fn real(values: &[u16]) -> impl Iterator<Item = u16> + Clone + '_ {
    values.iter().copied().filter(|&v| !is_grease(v))
}

/// JA3: version, ciphers, extensions, groups, point formats, in decimal and without GREASE.
#[must_use]
pub fn ja3(hello: &ClientHello) -> Fingerprint {
    Fingerprint::md5(format!(
        "{},{},{},{},{}",
        hello.legacy_version,
        dashed(real(&hello.ciphers)),
        dashed(real(&hello.extensions)),
        dashed(real(&hello.groups)),
        dashed(hello.point_formats.iter().copied().map(u16::from)),
    ))
}

/// JA3S: version, cipher, extensions.
#[must_use]
pub fn ja3s(hello: &ServerHello) -> Fingerprint {
    let extensions = dashed(hello.extensions.iter().copied());
    Fingerprint::md5(format!("{},{},{extensions}", hello.legacy_version, hello.cipher))
}

/// JA4: what it is in ten characters, then the sorted ciphers and the sorted extensions with the signature algorithms,
/// each as the first twelve digits of its SHA-256.
#[must_use]
pub fn ja4(hello: &ClientHello, carrier: Carrier) -> String {
    let letter = match carrier {
        Carrier::Tcp => 't',
        Carrier::Quic => 'q',
        Carrier::Dtls => 'd',
    };
    let version = match hello.version() {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    };
    let to = if hello.extensions.contains(&extension::SERVER_NAME) { 'd' } else { 'i' };
    let count = |of: &[u16]| real(of).count().min(99);
    let [first, last] = alpn(&hello.first_alpn);

    let mut ciphers: Vec<u16> = real(&hello.ciphers).collect();
    ciphers.sort_unstable();
    let mut extensions: Vec<u16> =
        real(&hello.extensions).filter(|&e| e != extension::SERVER_NAME && e != extension::ALPN).collect();
    extensions.sort_unstable();
    let mut c = digits(&extensions);
    if !c.is_empty() && !hello.signatures.is_empty() {
        c.push('_');
        c.push_str(&digits(&hello.signatures));
    }
    format!(
        "{letter}{version}{to}{:02}{:02}{first}{last}_{}_{}",
        count(&hello.ciphers),
        count(&hello.extensions),
        twelve(&digits(&ciphers)),
        twelve(&c),
    )
}

fn digits(values: &[u16]) -> String {
    joined(real(values), ',', |out, value| {
        let _ = write!(out, "{value:04x}");
    })
}

fn twelve(of: &str) -> String {
    if of.is_empty() { "0".repeat(12) } else { hex(&Sha256::digest(of)[..6]) }
}

/// First and last character of the first protocol that is offered. If one is neither letter nor digit, those of its
/// hexadecimal form.
fn alpn(name: &[u8]) -> [char; 2] {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else { return ['0', '0'] };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)];
    }
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 0x0f)]
}

#[cfg(test)]
pub(super) fn tests_sha(of: &str) -> String {
    twelve(of)
}
