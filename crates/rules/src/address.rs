//! Address lists of headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::fault::{Fault, wrong};
use crate::rule::{Address, AddressSet};
use crate::settings::Settings;

/// Lists in lists, variables included; also what stops variables that name each other in a circle.
pub const MAX_NESTING: usize = 64;
/// Addresses and ranges of one list.
pub const MAX_ADDRESSES: usize = 1 << 16;

#[derive(Default)]
struct Collected {
    any_of: Vec<Address>,
    none_of: Vec<Address>,
    any: bool,
    /// Addresses and variables met so far: variables that name others many times do not multiply for ever.
    met: usize,
}

/// Reads an address list.
pub(crate) fn parse(text: &str, settings: &Settings) -> Result<AddressSet, Fault> {
    let mut found = Collected::default();
    collect(text, false, 0, settings, &mut found)?;
    let set = AddressSet {
        any_of: if found.any { Arc::default() } else { found.any_of.into() },
        none_of: found.none_of.into(),
    };
    if leaves_nothing(&set) {
        return Err(wrong(format!("no address is left of {text:?}")));
    }
    Ok(set)
}

/// The items of a list, with brackets counted.
pub(crate) fn items(text: &str) -> Result<Vec<&str>, Fault> {
    let mut items = Vec::new();
    let (mut depth, mut begin) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.checked_sub(1).ok_or_else(|| wrong("a bracket too much"))?,
            b',' if depth == 0 => {
                items.push(text.get(begin..at).unwrap_or_default().trim());
                begin = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return Err(wrong("a bracket is not closed"));
    }
    items.push(text.get(begin..).unwrap_or_default().trim());
    Ok(items)
}

fn collect(
    text: &str,
    negated: bool,
    depth: usize,
    settings: &Settings,
    out: &mut Collected,
) -> Result<(), Fault> {
    if depth > MAX_NESTING {
        return Err(wrong(format!("more than {MAX_NESTING} lists or variables in each other")));
    }
    out.met += 1;
    if out.met > 4 * MAX_ADDRESSES {
        return Err(wrong(format!("more than {MAX_ADDRESSES} addresses")));
    }
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('!') {
        return collect(rest, !negated, depth + 1, settings, out);
    }
    if let Some(name) = text.strip_prefix('$') {
        let value =
            settings.address(name).ok_or_else(|| wrong(format!("the variable {text} is not defined")))?;
        return collect(value, negated, depth + 1, settings, out);
    }
    if let Some(list) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        for item in items(list)? {
            collect(item, negated, depth + 1, settings, out)?;
        }
        return Ok(());
    }
    if text.contains(',') {
        // A variable's value may be a list without brackets.
        for item in items(text)? {
            collect(item, negated, depth + 1, settings, out)?;
        }
        return Ok(());
    }
    if text.eq_ignore_ascii_case("any") {
        if negated {
            return Err(wrong("no address is left of !any"));
        }
        out.any = true;
        return Ok(());
    }
    let address = one(text)?;
    let list = if negated { &mut out.none_of } else { &mut out.any_of };
    if list.len() >= MAX_ADDRESSES {
        return Err(wrong(format!("more than {MAX_ADDRESSES} addresses")));
    }
    list.push(address);
    Ok(())
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
