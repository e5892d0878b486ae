//! One indicator, read from text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::fang::refang;
use crate::kind::Kind;
use crate::malformed::{Malformed, quoted};
use crate::normal;

/// Characters of an indicator; longer texts are refused.
pub const MAX_INDICATOR: usize = 2048;
/// RFC 1035, 2.3.4.
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;
/// RFC 5321, 4.5.3.1.1.
const MAX_LOCAL_PART: usize = 64;
/// Shortest prefixes of listed networks: a feed with a slip must not match half the Internet.
const MIN_PREFIX: (u8, u8) = (8, 16);

/// An indicator in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Indicator {
    /// What it is.
    pub kind: Kind,
    /// Texts in lower case (the target of a URL as it is; no scheme, no default port, no fragment), addresses and
    /// hashes as bytes in network order, networks as the prefix length and the address.
    pub key: Vec<u8>,
}

impl Indicator {
    fn text(kind: Kind, text: String) -> Self {
        Indicator { kind, key: text.into_bytes() }
    }

    /// Reads one indicator; the kind follows from the text. Defanged forms (`hxxp`, `[.]`) are understood, and so is
    /// the kind before it (`ja3:...`), without which 32 hexadecimal digits are the MD5 of a file.
    ///
    /// # Errors
    /// Why the text is none.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Form::Any.read(text)
    }

    /// A network that is allowed: of any size.
    pub(crate) fn allowed_network(text: &str) -> Option<Self> {
        network(text.trim(), (0, 0)).and_then(Result::ok)
    }
}

/// What a text is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Whatever its form tells.
    Any,
    /// A domain.
    Domain,
    /// A domain or an address.
    Host,
    /// An address or a network; a port behind it is no part of it.
    Address,
    /// A URL.
    Url,
    /// The hash of a file; its length tells which.
    FileHash,
    /// JA3.
    Ja3,
    /// JA4.
    Ja4,
    /// The hash of a certificate; its length tells which.
    Certificate,
    /// HASSH.
    Hassh,
    /// A user agent.
    UserAgent,
    /// An e-mail address.
    Email,
}

impl Form {
    /// What feeds call it: in type columns, before a value, in a configuration.
    #[must_use]
    pub fn named(name: &str) -> Option<Form> {
        let name = name.trim().to_ascii_lowercase().replace(['-', ' '], "_");
        Some(match name.as_str() {
            "any" | "auto" => Form::Any,
            "domain" | "fqdn" | "domain_name" | "domain:port" => Form::Domain,
            "host" | "hostname" | "host:port" | "hostname:port" => Form::Host,
            "ip" | "ipv4" | "ipv6" | "ip_addr" | "ip_address" | "ipv4_addr" | "ipv6_addr"
            | "ipv4_address" | "ipv6_address" | "address" | "ip_src" | "ip_dst" | "ip:port" | "ipv4:port"
            | "ipv6:port" | "ip_dst|port" | "ip_src|port" | "addr" | "subnet" | "cidr" | "network"
            | "netblock" | "dst_ip" | "dstip" | "src_ip" | "c2_ip" => Form::Address,
            "url" | "uri" => Form::Url,
            "md5" | "sha1" | "sha_1" | "sha256" | "sha_256" | "hash" | "file_hash" | "filehash"
            | "md5_hash" | "sha1_hash" | "sha256_hash" | "filehash_md5" | "filehash_sha1"
            | "filehash_sha256" => Form::FileHash,
            "ja3" | "ja3_md5" | "ja3_hash" | "ja3_fingerprint" | "ja3_fingerprint_md5" => Form::Ja3,
            "ja4" | "ja4_fingerprint" => Form::Ja4,
            "cert"
            | "certificate"
            | "x509"
            | "x509_fingerprint_sha1"
            | "x509_fingerprint_sha256"
            | "cert_sha1"
            | "cert_sha256"
            | "certificate_sha1"
            | "certificate_sha256"
            | "ssl_cert_fingerprint"
            | "tls_fingerprint" => Form::Certificate,
            "hassh" | "hassh_md5" | "hasshserver" | "hasshserver_md5" | "hassh_server" => Form::Hassh,
            "user_agent" | "useragent" | "http_user_agent" | "ua" => Form::UserAgent,
            "email" | "e_mail" | "mail" | "email_src" | "email_dst" | "email_addr" | "email_address"
            | "email_reply_to" | "envelope_from" | "body_from" => Form::Email,
            _ => return None,
        })
    }

    /// Reads a text that is said to be this.
    ///
    /// # Errors
    /// Why it is not.
    pub fn read(self, text: &str) -> Result<Indicator, Malformed> {
        let text = text.trim().trim_matches(['"', '\'']).trim();
        if text.is_empty() {
            return Err(Malformed::Empty);
        }
        if text.len() > MAX_INDICATOR {
            return Err(Malformed::TooLong);
        }
        if self == Form::UserAgent {
            return user_agent(text);
        }
        let text = &refang(text);
        match self {
            Form::Any => any(text),
            Form::Domain => domain(text).map(|name| Indicator::text(Kind::Domain, name)),
            Form::Host => match address(text) {
                Some(found) => found,
                None => domain(text).map(|name| Indicator::text(Kind::Domain, name)),
            },
            Form::Address => address(text)
                .or_else(|| network(text, MIN_PREFIX))
                .or_else(|| address_with_port(text))
                .unwrap_or_else(|| Err(Malformed::not("address", text))),
            Form::Url => url(text),
            Form::FileHash => digest(text, &[Kind::Md5, Kind::Sha1, Kind::Sha256])
                .ok_or_else(|| Malformed::not("MD5, SHA-1 or SHA-256", text)),
            Form::Ja3 => digest(text, &[Kind::Ja3]).ok_or_else(|| Malformed::not("JA3", text)),
            Form::Ja4 => ja4(text).ok_or_else(|| Malformed::not("JA4", text)),
            Form::Certificate => digest(text, &[Kind::CertificateSha1, Kind::CertificateSha256])
                .ok_or_else(|| Malformed::not("SHA-1 or SHA-256 of a certificate", text)),
            Form::Hassh => digest(text, &[Kind::Hassh]).ok_or_else(|| Malformed::not("HASSH", text)),
            Form::Email => email(text).ok_or_else(|| Malformed::not("e-mail address", text)),
            // Read above.
            Form::UserAgent => user_agent(text),
        }
    }
}

fn any(text: &str) -> Result<Indicator, Malformed> {
    if let Some((name, value)) = text.split_once(':')
        && let Some(form) = Form::named(name)
        && !matches!(form, Form::Any | Form::Host)
    {
        return form.read(value);
    }
    let by_form = address(text)
        .or_else(|| network(text, MIN_PREFIX))
        .or_else(|| address_with_port(text))
        .or_else(|| digest_by_form(text).map(Ok))
        .or_else(|| ja4(text).map(Ok));
    if let Some(found) = by_form {
        return found;
    }
    if text.contains(['/']) {
        return url(text);
    }
    if text.contains('@') {
        return email(text).ok_or_else(|| Malformed::not("e-mail address", text));
    }
    domain(text).map(|name| Indicator::text(Kind::Domain, name))
}

fn address(text: &str) -> Option<Result<Indicator, Malformed>> {
    text.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(host)
}

fn host(ip: IpAddr) -> Result<Indicator, Malformed> {
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || broadcast {
        return Err(Malformed::NotAHost(ip));
    }
    Ok(Indicator { kind: Kind::Ip, key: octets(ip) })
}

pub(crate) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// "192.0.2.1:443", "[2001:db8::1]:443".
fn address_with_port(text: &str) -> Option<Result<Indicator, Malformed>> {
    let (ip, port) = text.rsplit_once(':')?;
    let ip = match ip.strip_prefix('[') {
        Some(ip) => IpAddr::V6(ip.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(ip.parse::<Ipv4Addr>().ok()?),
    };
    port.parse::<u16>().ok()?;
    Some(host(ip))
}

/// `None`: this is no network at all. One host makes an address.
fn network(text: &str, least: (u8, u8)) -> Option<Result<Indicator, Malformed>> {
    let (ip, bits) = text.split_once('/')?;
    let ip = ip.parse::<IpAddr>().ok()?;
    if bits.is_empty() || bits.len() > 3 || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits = bits.parse::<u16>().ok()?;
    let mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    let (ip, bits) = if mapped && bits >= 96 { (ip.to_canonical(), bits - 96) } else { (ip, bits) };
    let (all, least) = if ip.is_ipv4() { (32, least.0) } else { (128, least.1) };
    let Ok(bits) = u8::try_from(bits) else { return Some(Err(Malformed::not("network", text))) };
    if bits > all {
        return Some(Err(Malformed::not("network", text)));
    }
    if bits < least {
        return Some(Err(Malformed::TooLargeNetwork(quoted(text))));
    }
    if bits == all {
        return Some(host(ip));
    }
    let (key, len) = network_key(ip, bits);
    Some(Ok(Indicator { kind: Kind::Network, key: key[..len].to_vec() }))
}

/// The key of the network of that prefix that an address is in, and its length.
pub(crate) fn network_key(ip: IpAddr, bits: u8) -> ([u8; 17], usize) {
    let mut key = [0; 17];
    key[0] = bits;
    let len = match ip {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            key[1..5].copy_from_slice(&(v4.to_bits() & mask).to_be_bytes());
            5
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            key[1..].copy_from_slice(&(v6.to_bits() & mask).to_be_bytes());
            17
        }
    };
    (key, len)
}

/// A hash that is one of `kinds`, with or without colons.
fn digest(text: &str, kinds: &[Kind]) -> Option<Indicator> {
    let mut bytes = [0; 32];
    let len = unhex(text, &mut bytes)?;
    let kind = kinds.iter().copied().find(|kind| kind.digest_len() == Some(len))?;
    Some(Indicator { kind, key: bytes.get(..len)?.to_vec() })
}

/// Bytes in hexadecimal, with or without colons between; how many they are.
pub(crate) fn unhex(text: &str, out: &mut [u8; 32]) -> Option<usize> {
    let colons = text.as_bytes().get(2) == Some(&b':');
    let (mut len, mut rest) = (0, text.as_bytes());
    while let Some((pair, tail)) = rest.split_first_chunk::<2>() {
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
        *out.get_mut(len)? = value(pair[0])? << 4 | value(pair[1])?;
        len += 1;
        rest = match tail.split_first() {
            Some((b':', after)) if colons && !after.is_empty() => after,
            Some(_) if colons => return None,
            _ => tail,
        };
    }
    (rest.is_empty() && len > 0).then_some(len)
}

/// Hexadecimal digits are the hash of a file; with colons between bytes, that of a certificate.
fn digest_by_form(text: &str) -> Option<Indicator> {
    if text.contains(':') {
        digest(text, &[Kind::CertificateSha1, Kind::CertificateSha256])
    } else {
        digest(text, &[Kind::Md5, Kind::Sha1, Kind::Sha256])
    }
}

/// "t13d1516h2_8daaf6152771_e5627efa2ab1": transport, version, SNI or not, two counts, ALPN; two hashes.
fn ja4(text: &str) -> Option<Indicator> {
    let text = text.to_ascii_lowercase();
    let mut parts = text.split('_');
    let (a, b, c) = (parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str| part.len() == 12 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let head = a.as_bytes();
    let fits = parts.next().is_none()
        && head.len() == 10
        && matches!(head.first(), Some(b't' | b'q' | b'd'))
        && matches!(head.get(3), Some(b'd' | b'i'))
        && head.get(4..8).is_some_and(|counts| counts.iter().all(u8::is_ascii_digit))
        && hex(b)
        && hex(c);
    fits.then(|| Indicator::text(Kind::Ja4, text))
}

fn user_agent(text: &str) -> Result<Indicator, Malformed> {
    if text.chars().any(char::is_control) {
        return Err(Malformed::not("user agent", text));
    }
    Ok(Indicator::text(Kind::UserAgent, text.to_ascii_lowercase()))
}

fn email(text: &str) -> Option<Indicator> {
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let text = text.strip_prefix('<').and_then(|t| t.strip_suffix('>')).unwrap_or(text);
    let (local, name) = text.rsplit_once('@')?;
    let local_ok = (1..=MAX_LOCAL_PART).contains(&local.len())
        && !local.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '@' | ','));
    let name = domain(name).ok().filter(|_| local_ok)?;
    Some(Indicator::text(Kind::Email, format!("{}@{name}", local.to_ascii_lowercase())))
}

fn domain(text: &str) -> Result<String, Malformed> {
    let bad = || Malformed::NotADomain(quoted(text));
    let is_port = |port: &str| port.parse::<u16>().is_ok();
    let text = text.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(text, |(name, _)| name);
    let name = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(name).map_err(|_| bad())?
    };
    let label_ok = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.is_empty() || name.len() > MAX_DOMAIN || !name.split('.').all(label_ok) {
        return Err(bad());
    }
    let Some((_, top)) = name.rsplit_once('.') else { return Err(Malformed::TooBroad(name)) };
    // "1.2.3" and "300.1.1.1" are addresses gone wrong.
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    Ok(name)
}

fn url(text: &str) -> Result<Indicator, Malformed> {
    let bad = || Malformed::NotADomain(quoted(text));
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => rest,
        Some((scheme, _)) if !scheme.contains(['/', '?']) => return Err(bad()),
        _ => text,
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(at);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port) = split_port(authority).ok_or_else(bad)?;
    let host = match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().to_string(),
        Err(_) => domain(host).map_err(|_| bad())?,
    };
    let slash = if target.starts_with('/') { "" } else { "/" };
    let target = normal::target(target);
    let key = match port {
        None | Some(80 | 443) => format!("{host}{slash}{target}"),
        Some(port) => format!("{host}:{port}{slash}{target}"),
    };
    Ok(Indicator::text(Kind::Url, key))
}

/// RFC 3986 3.1. "2026-01-31,http" is none.
fn is_scheme(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// "host:port" taken apart; an IPv6 address must be in brackets.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

#[cfg(test)]
#[path = "indicator_tests.rs"]
mod tests;
