//! Data of the younger record types in their presentation form, with the names and addresses in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::text;
use crate::cursor::Cursor;

/// What a record says: as a zone file has it, and what of it detectors ask about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The presentation form.
    pub text: String,
    /// Names in it.
    pub names: Vec<String>,
    /// Addresses in it.
    pub addresses: Vec<IpAddr>,
}

/// Addresses that a record may hint at.
const MAX_HINTS: usize = 16;
/// Parameters of a service.
const MAX_PARAMS: usize = 32;

/// Whether records of that type are told in this form.
pub(super) fn is_told(rtype: u16) -> bool {
    matches!(rtype, 35 | 39 | 52 | 64 | 65 | 256 | 257)
}

/// Reads data whose last part is a name, or that has none; `name` reads the name that begins so many bytes from the
/// start. (Names in these records are not compressed, but some servers do it all the same.)
pub(super) fn read(
    rtype: u16,
    data: &[u8],
    name: &mut dyn FnMut(usize) -> Option<(String, usize)>,
) -> Option<Told> {
    let mut at = Cursor(data);
    let used = |at: &Cursor<'_>| data.len() - at.0.len();
    Some(match rtype {
        // RFC 3403.
        35 => {
            let (order, preference) = (at.u16()?, at.u16()?);
            let mut texts = [""; 3].map(String::from);
            for of in &mut texts {
                *of = quoted(at.prefixed8()?);
            }
            let [flags, services, pattern] = texts;
            let (target, _) = name(used(&at))?;
            let text = format!("{order} {preference} {flags} {services} {pattern} {}", or_root(&target));
            Told { text, names: named(target), ..Told::default() }
        }
        // RFC 6672.
        39 => {
            let (target, _) = name(0)?;
            Told { text: or_root(&target).to_owned(), names: named(target), ..Told::default() }
        }
        // RFC 6698.
        52 => {
            let (usage, selector, matching) = (at.u8()?, at.u8()?, at.u8()?);
            let digest: String = at.0.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
            Told { text: format!("{usage} {selector} {matching} {digest}"), ..Told::default() }
        }
        // RFC 9460.
        64 | 65 => service(data, name)?,
        // RFC 7553.
        256 => {
            let (priority, weight) = (at.u16()?, at.u16()?);
            Told { text: format!("{priority} {weight} {}", quoted(at.0)), ..Told::default() }
        }
        // RFC 8659.
        257 => {
            let (flags, tag) = (at.u8()?, at.prefixed8()?);
            Told { text: format!("{flags} {} {}", text(tag), quoted(at.0)), ..Told::default() }
        }
        _ => return None,
    })
}

/// The root is written as a dot.
fn or_root(name: &str) -> &str {
    if name.is_empty() { "." } else { name }
}

fn named(name: String) -> Vec<String> {
    if name.is_empty() { Vec::new() } else { vec![name] }
}

/// A character string (RFC 1035 5.1).
fn quoted(bytes: &[u8]) -> String {
    let bytes = bytes.get(..bytes.len().min(512)).unwrap_or_default();
    format!("\"{}\"", text(bytes).replace('\\', "\\\\").replace('"', "\\\""))
}

fn service(data: &[u8], name: &mut dyn FnMut(usize) -> Option<(String, usize)>) -> Option<Told> {
    let priority = Cursor(data).u16()?;
    let (target, end) = name(2)?;
    let mut told = Told { text: format!("{priority} {}", or_root(&target)), ..Told::default() };
    told.names = named(target);
    let mut at = Cursor(data.get(end..)?);
    for _ in 0..MAX_PARAMS {
        let Some(key) = at.u16() else { break };
        let len = usize::from(at.u16()?);
        let (key, value) = param(key, at.take(len)?, &mut told.addresses);
        told.text.push(' ');
        told.text.push_str(&key);
        if !value.is_empty() {
            told.text.push('=');
            told.text.push_str(&value);
        }
    }
    told.addresses.truncate(MAX_HINTS);
    Some(told)
}

/// A parameter's name and value (RFC 9460 14.3.2).
fn param(key: u16, value: &[u8], addresses: &mut Vec<IpAddr>) -> (String, String) {
    let list = |texts: Vec<String>| texts.join(",");
    let mut hints = |found: Vec<IpAddr>| {
        addresses.extend(&found);
        list(found.iter().map(ToString::to_string).collect())
    };
    let (name, value) = match key {
        0 => (
            "mandatory",
            list(value.chunks_exact(2).map(|k| format!("key{}", u16::from_be_bytes([k[0], k[1]]))).collect()),
        ),
        1 => {
            let (mut at, mut names) = (Cursor(value), Vec::new());
            while let Some(name) = at.prefixed8() {
                names.push(text(name));
            }
            ("alpn", format!("\"{}\"", list(names)))
        }
        2 => ("no-default-alpn", String::new()),
        3 => {
            ("port", value.try_into().map(u16::from_be_bytes).map_or(String::new(), |port| port.to_string()))
        }
        4 => {
            let four = |b: &[u8]| <[u8; 4]>::try_from(b).ok().map(|b| IpAddr::from(Ipv4Addr::from(b)));
            ("ipv4hint", hints(value.chunks_exact(4).take(MAX_HINTS).filter_map(four).collect()))
        }
        5 => ("ech", format!("({} bytes)", value.len())),
        6 => {
            let sixteen = |b: &[u8]| <[u8; 16]>::try_from(b).ok().map(|b| IpAddr::from(Ipv6Addr::from(b)));
            ("ipv6hint", hints(value.chunks_exact(16).take(MAX_HINTS).filter_map(sixteen).collect()))
        }
        7 => ("dohpath", quoted(value)),
        other => return (format!("key{other}"), quoted(value)),
    };
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::super::message::{RData, parse};

    fn answer(rtype: u16, data: &[u8]) -> RData {
        let mut m =
            b"\x00\x01\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01\xc0\x0c"
                .to_vec();
        m.extend_from_slice(&rtype.to_be_bytes());
        m.extend_from_slice(b"\x00\x01\x00\x00\x00\x3c");
        m.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        m.extend_from_slice(data);
        parse(&m).unwrap().answers.remove(0).data
    }

    fn told(rtype: u16, data: &[u8]) -> (String, Vec<String>, Vec<String>) {
        let RData::Told(told) = answer(rtype, data) else { panic!("{rtype}") };
        (told.text.clone(), told.names.clone(), told.addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn data_is_told_as_zone_files_have_it() {
        let none = Vec::<String>::new;
        let evil = || vec!["evil.example".to_owned()];
        assert_eq!(told(257, b"\x00\x05issueca.\"x"), ("0 issue \"ca.\\\"x\"".into(), none(), none()));
        assert_eq!(told(39, b"\x04evil\x07example\x00"), ("evil.example".into(), evil(), none()));
        assert_eq!(told(256, b"\x00\x0a\x00\x01http://e/"), ("10 1 \"http://e/\"".into(), none(), none()));
        assert_eq!(told(52, b"\x03\x01\x01\xab\xcd"), ("3 1 1 abcd".into(), none(), none()));
        assert_eq!(
            told(35, b"\x00\x64\x00\x0a\x01S\x07SIP+D2U\x00\x04evil\x07example\x00"),
            ("100 10 \"S\" \"SIP+D2U\" \"\" evil.example".into(), evil(), none())
        );
        let service = b"\x00\x01\x04evil\xc0\x0e\x00\x01\x00\x06\x02h3\x02h2\x00\x04\x00\x04\xcb\x00\x71\x32";
        assert_eq!(
            told(65, service),
            (
                "1 evil.example alpn=\"h3,h2\" ipv4hint=203.0.113.50".into(),
                evil(),
                vec!["203.0.113.50".into()]
            )
        );
        assert_eq!(told(64, b"\x00\x00\x00").0, "0 .");
        assert_eq!(answer(65, b"\x00\x01\x00\x00\x04\x00\xff"), RData::Other, "a parameter that is cut");
    }
}
