//! Port lists of headers.

use crate::fault::{Fault, wrong};
use crate::lists::{self, Leaves};
use crate::rule::PortSet;
use crate::settings::Settings;

/// Ports and ranges of one list.
pub const MAX_PORTS: usize = 1 << 16;

#[derive(Default)]
struct Collected {
    any_of: Vec<(u16, u16)>,
    none_of: Vec<(u16, u16)>,
}

/// Reads a port list.
pub(crate) fn parse(text: &str, settings: &Settings) -> Result<PortSet, Fault> {
    let mut found = Collected::default();
    lists::walk(text, settings, &mut found)?;
    if found.any_of.is_empty() {
        found.any_of.push((0, u16::MAX));
    }
    let ranges = subtract(&merge(found.any_of), &merge(found.none_of));
    match ranges.as_slice() {
        [] => Err(wrong(format!("no port is left of {text:?}"))),
        [(0, u16::MAX)] => Ok(PortSet::default()),
        _ => Ok(PortSet { ranges: ranges.into() }),
    }
}

impl Leaves for Collected {
    const WHAT: &'static str = "ports";
    const MAX: usize = MAX_PORTS;

    fn variable<'a>(&self, settings: &'a Settings, name: &str) -> Option<&'a str> {
        settings.port(name)
    }

    fn leaf(&mut self, text: &str, negated: bool) -> Result<(), Fault> {
        let range = one(text)?;
        if negated && range == (0, u16::MAX) {
            return Err(wrong("no port is left of !any"));
        }
        let list = if negated { &mut self.none_of } else { &mut self.any_of };
        list.push(range);
        Ok(())
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

/// In order, and such that no two touch.
fn merge(mut ranges: Vec<(u16, u16)>) -> Vec<(u16, u16)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// What is left of ranges without others; both merged.
fn subtract(ranges: &[(u16, u16)], without: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut left = Vec::new();
    for &(first, last) in ranges {
        let mut next = Some(first);
        for &(out_first, out_last) in without.iter().filter(|w| w.1 >= first && w.0 <= last) {
            let Some(from) = next else { break };
            if out_first > from {
                left.push((from, out_first - 1));
            }
            next = out_last.checked_add(1).filter(|&n| n <= last);
        }
        if let Some(from) = next {
            left.push((from, last));
        }
    }
    left
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
