//! Ranges of addresses, "192.0.2.10-192.0.2.99", as the networks that they are made of.

use std::net::IpAddr;

/// The networks from the first to the last address, as address and prefix length; `None` if the text is no range.
pub(crate) fn read(text: &str) -> Option<Vec<(IpAddr, u8)>> {
    let (first, last) = text.split_once(['-', '\u{2013}'])?;
    let first: IpAddr = first.trim().parse().ok()?;
    let last = last.trim();
    // "192.0.2.10-99".
    let short = || Some(format!("{}.{last}", first.to_string().rsplit_once('.')?.0));
    let last: IpAddr = last.parse().ok().or_else(|| short()?.parse().ok())?;
    let (width, from, to) = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            (32, u128::from(first.to_bits()), u128::from(last.to_bits()))
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => (128, first.to_bits(), last.to_bits()),
        _ => return None,
    };
    let mut networks = Vec::new();
    let mut next = Some(from).filter(|&from| from <= to)?;
    // The largest network that begins here and does not go too far; there are at most twice as many as bits.
    loop {
        let mut bits = next.trailing_zeros().min(width);
        let last_of = |bits: u32| next | 1_u128.checked_shl(bits).map_or(u128::MAX, |size| size - 1);
        while bits > 0 && last_of(bits) > to {
            bits -= 1;
        }
        let address = match u32::try_from(next) {
            Ok(v4) if width == 32 => IpAddr::V4(v4.into()),
            _ => IpAddr::V6(next.into()),
        };
        networks.push((address, (width - bits) as u8));
        match last_of(bits).checked_add(1) {
            Some(after) if after <= to => next = after,
            _ => return Some(networks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_networks() {
        let told = |text: &str| {
            let networks = read(text)?;
            Some(networks.iter().map(|(ip, bits)| format!("{ip}/{bits}")).collect::<Vec<_>>().join(" "))
        };
        for (text, networks) in [
            ("192.0.2.0-192.0.2.255", Some("192.0.2.0/24")),
            ("192.0.2.1 - 192.0.2.4", Some("192.0.2.1/32 192.0.2.2/31 192.0.2.4/32")),
            ("192.0.2.10-11", Some("192.0.2.10/31")),
            ("192.0.2.7-192.0.2.7", Some("192.0.2.7/32")),
            ("255.255.255.254-255.255.255.255", Some("255.255.255.254/31")),
            ("0.0.0.0-255.255.255.255", Some("0.0.0.0/0")),
            ("2001:db8::-2001:db8::ffff", Some("2001:db8::/112")),
            ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("::/0")),
            ("192.0.2.9-192.0.2.1", None),
            ("192.0.2.1-2001:db8::1", None),
            ("evil-host.example", None),
        ] {
            assert_eq!(told(text).as_deref(), networks, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_networks_are_the_range_and_no_more(a: u32, b: u32) {
            let (first, last) = (a.min(b), a.max(b));
            let text = format!("{}-{}", IpAddr::V4(first.into()), IpAddr::V4(last.into()));
            let mut next = u64::from(first);
            for (ip, bits) in read(&text).unwrap() {
                let IpAddr::V4(ip) = ip else { panic!() };
                proptest::prop_assert_eq!(u64::from(ip.to_bits()), next);
                next += 1 << (32 - bits);
            }
            proptest::prop_assert_eq!(next, u64::from(last) + 1);
        }
    }
}
