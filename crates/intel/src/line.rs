//! One indicator, read from text.

use std::net::IpAddr;

use thiserror::Error;

/// Characters of an indicator; longer lines are refused.
pub const MAX_INDICATOR: usize = 2048;
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// An indicator in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Indicator {
    /// A domain: itself and everything below it. Lower case, no dot at either end.
    Domain(String),
    /// An address.
    Ip(IpAddr),
    /// A URL without scheme and fragment; host lower case, default port left out.
    Url(String),
}

/// Why a text is no indicator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// Longer than any indicator.
    #[error("longer than {MAX_INDICATOR} characters")]
    TooLong,
    /// A network.
    #[error("networks are not supported, only single addresses")]
    Network,
    /// An address that is no single host on the wire.
    #[error("{0} is no address of a single host")]
    NotAHost(IpAddr),
    /// A name without a dot would match a whole top-level domain.
    #[error("\"{0}\" has only one label: it would match a whole top-level domain")]
    TooBroad(String),
    /// Not a name.
    #[error("\"{0}\" is neither a domain, an address nor a URL")]
    NotADomain(String),
}

impl Indicator {
    /// Reads one indicator; the kind follows from the text. Defanged forms (`hxxp`, `[.]`) are
    /// understood.
    ///
    /// # Errors
    /// Why the text is none.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim().trim_matches(['"', '\'']);
        if text.is_empty() {
            return Err(Malformed::Empty);
        }
        if text.len() > MAX_INDICATOR {
            return Err(Malformed::TooLong);
        }
        let text = refang(text);
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return address(ip);
        }
        if let Some((head, tail)) = text.split_once('/') {
            if head.parse::<IpAddr>().is_ok()
                && !tail.is_empty()
                && tail.len() <= 3
                && tail.bytes().all(|b| b.is_ascii_digit())
            {
                return Err(Malformed::Network);
            }
            return url(&text);
        }
        if text.contains("://") {
            return url(&text);
        }
        domain(&text).map(Indicator::Domain)
    }
}

fn refang(text: &str) -> String {
    let text = text.replace("[.]", ".").replace("(.)", ".").replace("[:]", ":");
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("hxxp") => format!("http://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("hxxps") => format!("https://{rest}"),
        _ => text,
    }
}

fn address(ip: IpAddr) -> Result<Indicator, Malformed> {
    let ip = ip.to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || broadcast {
        return Err(Malformed::NotAHost(ip));
    }
    Ok(Indicator::Ip(ip))
}

fn domain(text: &str) -> Result<String, Malformed> {
    let bad = || Malformed::NotADomain(text.chars().take(80).collect());
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
    let bad = || Malformed::NotADomain(text.chars().take(80).collect());
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or(rest);
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(at);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port) = split_port(authority).ok_or_else(bad)?;
    let host = match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().to_string(),
        Err(_) => domain(host).map_err(|_| bad())?,
    };
    let target = match target.as_bytes().first() {
        None => "/".to_owned(),
        Some(b'?') => format!("/{target}"),
        Some(_) => target.to_owned(),
    };
    Ok(Indicator::Url(url_key(&host, port, &target)))
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

/// The form in which URLs are compared.
pub(crate) fn url_key(host: &str, port: Option<u16>, target: &str) -> String {
    match port {
        None | Some(80 | 443) => format!("{host}{target}"),
        Some(port) => format!("{host}:{port}{target}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(name: &str) -> Indicator {
        Indicator::Domain(name.into())
    }

    #[test]
    fn kinds_follow_from_the_text() {
        for (text, expected) in [
            (" Evil.Example. ", domain("evil.example")),
            ("*.evil.example", domain("evil.example")),
            ("evil[.]example", domain("evil.example")),
            ("bücher.example", domain("xn--bcher-kva.example")),
            ("_dmarc.evil.example", domain("_dmarc.evil.example")),
            ("192.0.2.7", Indicator::Ip("192.0.2.7".parse().unwrap())),
            ("192[.]0[.]2[.]7", Indicator::Ip("192.0.2.7".parse().unwrap())),
            ("2001:DB8::1", Indicator::Ip("2001:db8::1".parse().unwrap())),
            ("::ffff:192.0.2.7", Indicator::Ip("192.0.2.7".parse().unwrap())),
            ("hxxp://Evil[.]example/A?b#c", Indicator::Url("evil.example/A?b".into())),
            ("http://evil.example", Indicator::Url("evil.example/".into())),
            ("https://u:p@evil.example:8443/x", Indicator::Url("evil.example:8443/x".into())),
            ("evil.example/gate.php", Indicator::Url("evil.example/gate.php".into())),
            ("http://[2001:db8::1]:81/x", Indicator::Url("2001:db8::1:81/x".into())),
            ("http://192.0.2.7:80/x", Indicator::Url("192.0.2.7/x".into())),
        ] {
            assert_eq!(Indicator::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_would_match_too_much_or_nothing_is_refused() {
        for text in [
            "",
            "com",
            "localhost",
            "0.0.0.0",
            "127.0.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "10.0.0.0/8",
            "300.1.1.1",
            "a..b",
            "a b.example",
            "-",
            "http://",
            "http://x:99999/",
            "evil.example:80:90/",
            "\u{1F600}",
            &"a".repeat(3000),
            &format!("{}.example", "a".repeat(64)),
        ] {
            assert!(Indicator::parse(text).is_err(), "{text:?}");
        }
    }
}
