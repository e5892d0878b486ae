//! Port lists of headers.

use crate::fault::{Fault, wrong};
use crate::lists::{self, Set};
use crate::ranges::Ranges;
use crate::rule::PortSet;
use crate::settings::Settings;

/// Ports and ranges of one list.
pub const MAX_PORTS: usize = 1 << 16;

/// Reads a port list.
pub(crate) fn parse(text: &str, settings: &Settings) -> Result<PortSet, Fault> {
    let set = lists::read::<Ranges<u16>>(text, settings)?.tidy();
    match set.as_slice() {
        [] => Err(wrong(format!("no port is left of {text:?}"))),
        [(0, u16::MAX)] => Ok(PortSet::default()),
        ranges => Ok(PortSet { ranges: ranges.into() }),
    }
}

impl Set for Ranges<u16> {
    const WHAT: &'static str = "ports";
    const MAX: usize = MAX_PORTS;

    fn variable<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
        settings.port(name)
    }

    fn leaf(text: &str) -> Result<Self, Fault> {
        one(text).map(|(first, last)| Ranges::one(first, last))
    }

    fn any() -> Self {
        Ranges::all()
    }

    fn add(&mut self, other: Self) {
        Ranges::add(self, other);
    }

    fn without(self, other: Self) -> Self {
        Ranges::without(self, other)
    }
}

fn one(text: &str) -> Result<(u16, u16), Fault> {
    let bad = || wrong(format!("{text:?} is not a port"));
    if text.eq_ignore_ascii_case("any") {
        return Ok((0, u16::MAX));
    }
    let port = |t: &str| t.trim().parse::<u16>().map_err(|_| bad());
    let (first, last) = match text.split_once(':') {
        None => (port(text)?, port(text)?),
        Some(("", last)) => (0, port(last)?),
        Some((first, "")) => (port(first)?, u16::MAX),
        Some((first, last)) => (port(first)?, port(last)?),
    };
    if first > last { Err(bad()) } else { Ok((first, last)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_ports() {
        for (text, ranges) in [
            ("any", &[] as &[(u16, u16)]),
            ("80", &[(80, 80)]),
            ("[80,81, 443]", &[(80, 81), (443, 443)]),
            ("1024:", &[(1024, 65535)]),
            (":5", &[(0, 5)]),
            ("!80", &[(0, 79), (81, 65535)]),
            ("[80:90,!85]", &[(80, 84), (86, 90)]),
            ("![80,443:65535]", &[(0, 79), (81, 442)]),
            ("$HTTP_PORTS", &[(80, 80)]),
            ("!$HTTP_PORTS", &[(0, 79), (81, 65535)]),
            ("$FILE_DATA_PORTS", &[(80, 80), (110, 110), (143, 143)]),
            ("[!80,!443]", &[(0, 79), (81, 442), (444, 65535)]),
            ("[1:100,![50:60,!55]]", &[(1, 49), (55, 55), (61, 100)]),
            ("![1:100,!50]", &[(0, 0), (50, 50), (101, 65535)]),
            ("[$HTTP_PORTS,!$HTTP_PORTS,81]", &[(81, 81)]),
            ("0:65535", &[]),
            ("!65535", &[(0, 65534)]),
        ] {
            let set = parse(text, &Settings::default()).unwrap_or_else(|err| panic!("{text}: {err:?}"));
            assert_eq!(&*set.ranges, ranges, "{text}");
        }
        for text in ["", "!any", "65536", "90:80", "[80", "x", "$NOTHING", "[80,!80]", "-1", ":"] {
            assert!(parse(text, &Settings::default()).is_err(), "{text}");
        }
    }
}
