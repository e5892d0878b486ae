//! Where the data connection goes: PORT and PASV (RFC 959), EPRT and EPSV (RFC 2428).

use std::net::{IpAddr, Ipv4Addr};

use wire::Endpoint;

/// `h1,h2,h3,h4,p1,p2`.
pub(super) fn port(argument: &[u8]) -> Option<Endpoint> {
    let text = std::str::from_utf8(argument).ok()?;
    let mut numbers = [0u8; 6];
    let mut parts = text.split(',');
    for number in &mut numbers {
        *number = parts.next()?.trim().parse().ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    Some(Endpoint { ip: Ipv4Addr::new(a, b, c, d).into(), port: u16::from_be_bytes([high, low]) })
}

/// `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)`; the brackets are left out by some.
pub(super) fn pasv(reply: &[u8]) -> Option<Endpoint> {
    let inside = |b: &u8| b.is_ascii_digit() || *b == b',';
    let mut rest = reply.get(4..)?;
    loop {
        let from = rest.iter().position(u8::is_ascii_digit)?;
        let len = rest[from..].iter().take_while(|b| inside(b)).count();
        if let Some(end) = port(&rest[from..from + len]) {
            return Some(end);
        }
        rest = &rest[from + len..];
    }
}

/// `|1|132.235.1.2|6275|` with any delimiter.
pub(super) fn eprt(argument: &[u8]) -> Option<Endpoint> {
    let text = std::str::from_utf8(argument).ok()?;
    let delimiter = text.chars().next()?;
    let mut parts = text.split(delimiter).skip(2);
    let ip: IpAddr = parts.next()?.parse().ok()?;
    Some(Endpoint { ip, port: parts.next()?.parse().ok()? })
}

/// `229 Entering Extended Passive Mode (|||6446|)`.
pub(super) fn epsv(reply: &[u8]) -> Option<u16> {
    let open = reply.iter().position(|&b| b == b'(')?;
    let text = std::str::from_utf8(reply.get(open + 1..)?).ok()?;
    let delimiter = text.chars().next()?;
    text.split(delimiter).nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ip: &str, port: u16) -> Option<Endpoint> {
        Some(Endpoint { ip: ip.parse().unwrap(), port })
    }

    #[test]
    fn all_four_forms_are_read() {
        assert_eq!(port(b"10,0,0,1,4,2"), end("10.0.0.1", 1026));
        assert_eq!(pasv(b"227 Entering Passive Mode (10,0,0,2,82,16)."), end("10.0.0.2", 21008));
        assert_eq!(pasv(b"227 Mode 2 =10,0,0,2,82,16"), end("10.0.0.2", 21008));
        assert_eq!(eprt(b"|2|2001:db8::1|5282|"), end("2001:db8::1", 5282));
        assert_eq!(epsv(b"229 Entering Extended Passive Mode (|||6446|)"), Some(6446));
    }

    #[test]
    fn what_is_none_of_them_is_refused() {
        for bad in [&b""[..], b"1,2,3,4,5", b"256,0,0,1,0,1", b"a,b", b"\xff"] {
            assert_eq!((port(bad), eprt(bad), pasv(bad), epsv(bad)), (None, None, None, None));
        }
        assert_eq!((epsv(b"229 (|||99999|)"), eprt(b"|1|x|1|")), (None, None));
    }
}
