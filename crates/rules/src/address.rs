//! Address lists of headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::fault::{Fault, wrong};
use crate::lists::{self, Leaves};
use crate::rule::{Address, AddressSet};
use crate::settings::Settings;

/// Addresses and ranges of one list.
pub const MAX_ADDRESSES: usize = 1 << 16;

#[derive(Default)]
struct Collected {
    any_of: Vec<Address>,
    none_of: Vec<Address>,
    any: bool,
}

/// Reads an address list.
pub(crate) fn parse(text: &str, settings: &Settings) -> Result<AddressSet, Fault> {
    let mut found = Collected::default();
    lists::walk(text, settings, &mut found)?;
    let set = AddressSet {
        any_of: if found.any { Arc::default() } else { found.any_of.into() },
        none_of: found.none_of.into(),
    };
    if leaves_nothing(&set) {
        return Err(wrong(format!("no address is left of {text:?}")));
    }
    Ok(set)
}

impl Leaves for Collected {
    const WHAT: &'static str = "addresses";
    const MAX: usize = MAX_ADDRESSES;

    fn variable<'a>(&self, settings: &'a Settings, name: &str) -> Option<&'a str> {
        settings.address(name)
    }

    fn leaf(&mut self, text: &str, negated: bool) -> Result<(), Fault> {
        if text.eq_ignore_ascii_case("any") {
            if negated {
                return Err(wrong("no address is left of !any"));
            }
            self.any = true;
            return Ok(());
        }
        let list = if negated { &mut self.none_of } else { &mut self.any_of };
        list.push(one(text)?);
        Ok(())
    }
}

/// One address, network or range.
pub(crate) fn one(text: &str) -> Result<Address, Fault> {
    let bad = || wrong(format!("{text:?} is not an address"));
    let ip = |t: &str| t.trim().parse::<IpAddr>().map_err(|_| bad());
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (ip(first)?, ip(last)?);
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(bad());
        }
        return Ok(Address { first, last });
    }
    let Some((base, length)) = text.split_once('/') else {
        let ip = ip(text)?;
        return Ok(Address { first: ip, last: ip });
    };
    match ip(base)? {
        IpAddr::V4(base) => {
            let length = match length.parse::<Ipv4Addr>() {
                Ok(mask) if mask.to_bits().leading_ones() + mask.to_bits().trailing_zeros() >= 32 => {
                    mask.to_bits().leading_ones()
                }
                Ok(_) => return Err(bad()),
                Err(_) => length.trim().parse().ok().filter(|&l| l <= 32).ok_or_else(bad)?,
            };
            let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
            let first = base.to_bits() & !hosts;
            Ok(Address {
                first: Ipv4Addr::from_bits(first).into(),
                last: Ipv4Addr::from_bits(first | hosts).into(),
            })
        }
        IpAddr::V6(base) => {
            let length: u32 = length.trim().parse().ok().filter(|&l| l <= 128).ok_or_else(bad)?;
            let hosts = u128::MAX.checked_shr(length).unwrap_or(0);
            let first = base.to_bits() & !hosts;
            Ok(Address {
                first: Ipv6Addr::from_bits(first).into(),
                last: Ipv6Addr::from_bits(first | hosts).into(),
            })
        }
    }
}

/// Whether what is left out takes all of what is taken.
fn leaves_nothing(set: &AddressSet) -> bool {
    if set.none_of.is_empty() {
        return false;
    }
    let all = [
        Address { first: Ipv4Addr::UNSPECIFIED.into(), last: Ipv4Addr::BROADCAST.into() },
        Address { first: Ipv6Addr::UNSPECIFIED.into(), last: Ipv6Addr::from_bits(u128::MAX).into() },
    ];
    let taken: &[Address] = if set.any_of.is_empty() { &all } else { &set.any_of };
    let out = merge(set.none_of.to_vec());
    taken.iter().all(|range| {
        let at = out.partition_point(|hole| hole.last < range.first);
        out.get(at).is_some_and(|hole| hole.first <= range.first && range.last <= hole.last)
    })
}

/// In order, and such that no two touch. IPv4 stands before IPv6.
fn merge(mut ranges: Vec<Address>) -> Vec<Address> {
    ranges.sort_unstable_by_key(|range| (range.first, range.last));
    let mut merged: Vec<Address> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(before) if touches(before.last, range.first) => before.last = before.last.max(range.last),
            _ => merged.push(range),
        }
    }
    merged
}

/// Whether no address is between the end of a range and the beginning of a later one.
fn touches(last: IpAddr, first: IpAddr) -> bool {
    match (last, first) {
        (IpAddr::V4(last), IpAddr::V4(first)) => first.to_bits() <= last.to_bits().saturating_add(1),
        (IpAddr::V6(last), IpAddr::V6(first)) => first.to_bits() <= last.to_bits().saturating_add(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Result<AddressSet, Fault> {
        let mut settings = Settings::default();
        settings.set_variable("LOOP_A", "$LOOP_B");
        settings.set_variable("LOOP_B", "[$LOOP_A]");
        settings.set_variable("MANY_0", "any");
        for i in 0..60 {
            settings.set_variable(&format!("MANY_{}", i + 1), &format!("[$MANY_{i},$MANY_{i}]"));
        }
        settings.set_variable("BARE", "10.0.0.1,10.0.0.2");
        parse(text, &settings)
    }

    #[test]
    fn lists_take_and_leave_addresses() {
        for (text, inside, outside) in [
            ("any", "192.0.2.1", ""),
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7/255.255.255.0", "192.0.2.1", "192.0.3.0"),
            ("[192.0.2.1, 192.0.2.5-192.0.2.9]", "192.0.2.7", "192.0.2.4"),
            ("!192.0.2.0/24", "2001:db8::1", "192.0.2.1"),
            ("[10.0.0.0/8,![10.1.0.0/16,10.2.0.0/16]]", "10.3.0.1", "10.2.0.1"),
            ("[10.0.0.0/8,![10.1.0.0/16,!192.0.2.1]]", "192.0.2.1", "10.1.0.1"),
            ("$HOME_NET", "172.31.0.1", "172.32.0.1"),
            ("!$HOME_NET", "172.32.0.1", "10.0.0.1"),
            ("$EXTERNAL_NET", "10.0.0.1", ""),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("[any,!::1]", "::2", "::1"),
            ("$BARE", "10.0.0.2", "10.0.0.3"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
        ] {
            let set = set(text).unwrap_or_else(|err| panic!("{text}: {err:?}"));
            assert!(set.contains(inside.parse().unwrap()), "{text} {inside}");
            if !outside.is_empty() {
                assert!(!set.contains(outside.parse().unwrap()), "{text} {outside}");
            }
        }
    }

    #[test]
    fn impossible_lists_are_refused() {
        let deep = "[".repeat(100) + "10.0.0.1" + &"]".repeat(100);
        for text in [
            "!any",
            "",
            "[]",
            "[10.0.0.1",
            "10.0.0.1]",
            "10.0.0.0/33",
            "10.0.0.9-10.0.0.1",
            "$NOTHING",
            "$LOOP_A",
            "$MANY_60",
            "[10.0.0.0/8,!10.0.0.0/9,!10.128.0.0/9]",
            "!$EXTERNAL_NET",
            "10.0.0.1/255.0.255.0",
            "10.0.0.1-::1",
            &deep,
            "[!0.0.0.0/0,!::/0]",
            // What is left out is left out of all, as in Suricata.
            "![10.0.0.0/8,!10.1.0.0/16]",
        ] {
            assert!(set(text).is_err(), "{text}");
        }
        assert!(set("[!0.0.0.0/0]").is_ok());
    }
}
