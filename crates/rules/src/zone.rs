//! Which side of the border a rule's author means by an address of a header.
//!
//! With `EXTERNAL_NET` set to `any` the addresses of `$HOME_NET -> $EXTERNAL_NET` no longer say which end is outside; the
//! names still do.

use std::net::IpAddr;

use crate::address;
use crate::lists::{self, MAX_NESTING};
use crate::settings::Settings;

/// A side of the border.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Ours: `$HOME_NET`, and variables that stand for a part of it.
    Home,
    /// Not ours: `$EXTERNAL_NET`, `!$HOME_NET`, public addresses.
    Outside,
    /// Either.
    #[default]
    Any,
}

/// Whether an address is private: RFC 1918, RFC 4193, link-local.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => {
            ip.to_ipv4_mapped().map_or(ip.is_unique_local() || ip.is_unicast_link_local(), |ip| {
                ip.is_private() || ip.is_link_local()
            })
        }
    }
}

/// The zone of an address list of a header.
pub(crate) fn of(text: &str, settings: &Settings) -> Zone {
    zone(text, settings, 0)
}

fn zone(text: &str, settings: &Settings, depth: usize) -> Zone {
    let text = text.trim();
    if depth > MAX_NESTING || text.eq_ignore_ascii_case("any") {
        return Zone::Any;
    }
    if let Some(rest) = text.strip_prefix('!') {
        // What is left when a few addresses are taken away can be anywhere.
        return match rest.trim().starts_with('$').then(|| zone(rest, settings, depth + 1)) {
            Some(Zone::Home) => Zone::Outside,
            Some(Zone::Outside) => Zone::Home,
            Some(Zone::Any) | None => Zone::Any,
        };
    }
    match text.strip_prefix('$') {
        Some("HOME_NET") => return Zone::Home,
        Some("EXTERNAL_NET") => return Zone::Outside,
        Some(name) => {
            return settings.address(name).map_or(Zone::Any, |value| zone(value, settings, depth + 1));
        }
        None => {}
    }
    let list = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(list) = list.or_else(|| text.contains(',').then_some(text)) {
        let Ok(items) = lists::items(list) else { return Zone::Any };
        let (out, taken): (Vec<&str>, Vec<&str>) =
            items.into_iter().partition(|item| item.trim().starts_with('!'));
        let mut zones = if taken.is_empty() { out } else { taken }
            .into_iter()
            .map(|item| zone(item, settings, depth + 1));
        let first = zones.next().unwrap_or_default();
        return if zones.all(|zone| zone == first) { first } else { Zone::Any };
    }
    match address::one(text) {
        Ok(range) if [range.first, range.last].into_iter().all(is_private) => Zone::Home,
        Ok(range) if range.first.is_unspecified() || range.first.is_multicast() => Zone::Any,
        Ok(_) => Zone::Outside,
        Err(_) => Zone::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_side_whatever_they_stand_for() {
        let mut settings = Settings::default();
        settings.set_variable("EXTERNAL_NET", "any");
        settings.set_variable("LOOP", "[$LOOP]");
        for (text, expected) in [
            ("$HOME_NET", Zone::Home),
            ("[$HTTP_SERVERS,$HOME_NET]", Zone::Home),
            ("$SQL_SERVERS", Zone::Home),
            ("$EXTERNAL_NET", Zone::Outside),
            ("$AIM_SERVERS", Zone::Outside),
            ("!$HOME_NET", Zone::Outside),
            ("[$EXTERNAL_NET,!192.0.2.1]", Zone::Outside),
            ("any", Zone::Any),
            ("[$HOME_NET,$EXTERNAL_NET]", Zone::Any),
            ("[198.51.100.7,203.0.113.0/24]", Zone::Outside),
            ("10.1.0.0/16", Zone::Home),
            ("!10.1.0.0/16", Zone::Any),
            ("224.0.0.2", Zone::Any),
            ("0.0.0.0/0", Zone::Any),
            ("$LOOP", Zone::Any),
            ("$NOTHING", Zone::Any),
        ] {
            assert_eq!(of(text, &settings), expected, "{text}");
        }
    }

    #[test]
    fn private_addresses_are_those_of_no_provider() {
        for (ip, expected) in [
            ("10.0.0.1", true),
            ("172.31.0.1", true),
            ("169.254.3.4", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:192.168.0.1", true),
            ("172.32.0.1", false),
            ("8.8.8.8", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
