//! Where a syslog receiver listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a syslog receiver listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Datagrams (RFC 5426) to host and port.
    Udp(String, u16),
    /// A connection (RFC 6587, octet-counted) to host and port.
    Tcp(String, u16),
    /// The same in TLS (RFC 5425).
    Tls(String, u16),
    /// Datagrams to a UNIX socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "\"{text}\" is no address like udp://host:514, tcp://host:601, tls://host:6514 or unix:/dev/log"
            )
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() { Ok(Address::Unix(path)) } else { Err(bad()) };
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
        let (make, usual): (fn(String, u16) -> Address, u16) = match scheme {
            "udp" => (Address::Udp, 514),
            "tcp" => (Address::Tcp, 601),
            "tls" => (Address::Tls, 6514),
            _ => return Err(bad()),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            // An IPv6 address.
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or_else(bad)?)),
            None => rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Ok(usual), |port| port.parse::<u16>().map_err(|_| bad()))?;
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name =
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        if port == 0 || !(is_address || is_name) { Err(bad()) } else { Ok(make(host.to_owned(), port)) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Udp(host, port) => write!(f, "udp://{host}:{port}"),
            Address::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
            Address::Tls(host, port) => write!(f, "tls://{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let of = |text: &str| text.parse::<Address>();
        assert_eq!(of("udp://siem.example:1514"), Ok(Address::Udp("siem.example".into(), 1514)));
        assert_eq!(of("tcp://10.0.0.1"), Ok(Address::Tcp("10.0.0.1".into(), 601)));
        assert_eq!(of("tls://[fd77::1]:7000"), Ok(Address::Tls("fd77::1".into(), 7000)));
        assert_eq!(of("udp://[::1]"), Ok(Address::Udp("::1".into(), 514)));
        assert_eq!(of("unix:/dev/log"), Ok(Address::Unix("/dev/log".into())));
        let bad = ["", "host", "http://h", "udp://", "udp://:514", "udp://h:0", "udp://h:x", "udp://h:70000"];
        for text in bad.iter().chain(&["unix:log", "tcp://[::1", "tcp://[::1]x", "tcp://a b", "tcp://u@h/x"])
        {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
