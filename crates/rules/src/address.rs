//! Address lists of headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::fault::{Fault, wrong};
use crate::lists::{self, Set};
use crate::ranges::Ranges;
use crate::rule::{Address, AddressSet};
use crate::settings::Settings;

/// Addresses and ranges of one list.
pub const MAX_ADDRESSES: usize = 1 << 16;

/// The addresses of both families.
#[derive(Default)]
struct Both {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// Reads an address list.
pub(crate) fn parse(text: &str, settings: &Settings) -> Result<AddressSet, Fault> {
    let set: Both = lists::read(text, settings)?;
    let taken = Both { v4: set.v4.clone().tidy(), v6: set.v6.clone().tidy() }.addresses();
    if taken.is_empty() {
        return Err(wrong(format!("no address is left of {text:?}")));
    }
    let left_out = Both { v4: set.v4.complement(), v6: set.v6.complement() }.addresses();
    // The shorter of the two says the same.
    Ok(if taken.len() <= left_out.len() {
        AddressSet { any_of: taken.into(), none_of: Arc::default() }
    } else {
        AddressSet { any_of: Arc::default(), none_of: left_out.into() }
    })
}

/// Whether an address list leaves anything out.
pub(crate) fn leaves_out(text: &str, settings: &Settings) -> bool {
    lists::leaves_out::<Both>(text, settings)
}

impl Both {
    fn addresses(&self) -> Vec<Address> {
        let v4 = self.v4.as_slice().iter().map(|&(first, last)| Address {
            first: Ipv4Addr::from_bits(first).into(),
            last: Ipv4Addr::from_bits(last).into(),
        });
        let v6 = self.v6.as_slice().iter().map(|&(first, last)| Address {
            first: Ipv6Addr::from_bits(first).into(),
            last: Ipv6Addr::from_bits(last).into(),
        });
        v4.chain(v6).collect()
    }
}

impl Set for Both {
    const WHAT: &'static str = "addresses";
    const MAX: usize = MAX_ADDRESSES;

    fn variable<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
        settings.address(name)
    }

    fn leaf(text: &str) -> Result<Self, Fault> {
        if text.eq_ignore_ascii_case("any") {
            return Ok(Both::any());
        }
        let mut set = Both::default();
        let range = one(text)?;
        match (range.first, range.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => set.v4 = Ranges::one(first.to_bits(), last.to_bits()),
            (IpAddr::V6(first), IpAddr::V6(last)) => set.v6 = Ranges::one(first.to_bits(), last.to_bits()),
            _ => return Err(wrong(format!("{text:?} is not an address"))),
        }
        Ok(set)
    }

    fn any() -> Self {
        Both { v4: Ranges::all(), v6: Ranges::all() }
    }

    fn add(&mut self, other: Self) {
        self.v4.add(other.v4);
        self.v6.add(other.v6);
    }

    fn without(self, other: Self) -> Self {
        Both { v4: self.v4.without(other.v4), v6: self.v6.without(other.v6) }
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
        settings.set_variable("BARE_NOT", "!10.0.0.1,!10.0.0.2");
        settings.set_variable("HOLED", "[10.0.0.0/8,!10.1.0.0/16]");
        settings.set_variable("NOT_HOLED", "!$HOLED");
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
            ("[10.0.0.0/8,![10.1.1.0/24,!10.1.1.11]]", "10.1.1.11", "10.1.1.12"),
            ("[10.0.0.0/8,![10.1.0.0/16,!192.0.2.1]]", "10.2.0.1", "192.0.2.1"),
            ("![10.0.0.0/8,!10.1.0.0/16]", "10.1.0.1", "10.2.0.1"),
            ("[$HOLED,192.0.2.1]", "10.0.0.1", "10.1.0.1"),
            ("!$HOLED", "10.1.0.1", "10.0.0.1"),
            ("[!$HOLED,!10.1.1.0/24]", "10.1.2.1", "10.1.1.1"),
            ("[$NOT_HOLED,!10.1.1.0/24]", "10.1.2.1", "10.1.1.1"),
            ("[$HOLED,10.1.0.1]", "10.1.0.1", "10.1.0.2"),
            ("[$HOLED,$NOT_HOLED]", "10.1.0.1", ""),
            ("!$HOLED", "2001:db8::1", "10.255.255.255"),
            ("!!10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("$BARE_NOT", "10.0.0.3", "10.0.0.2"),
            ("[![any,!10.0.0.1]]", "10.0.0.1", "10.0.0.2"),
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
            "[10.0.0.0/8,![any,!192.0.2.1]]",
        ] {
            assert!(set(text).is_err(), "{text}");
        }
        assert!(set("[!0.0.0.0/0]").is_ok());
    }
}
