//! Times and addresses as texts.

use std::net::IpAddr;

use time::OffsetDateTime;
use wire::Nanos;

fn date(at: Nanos) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// "2026-11-23T17:38:53.123456+0000", as EVE has it.
pub(crate) fn timestamp(at: Nanos) -> String {
    let d = date(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+0000",
        d.year(),
        u8::from(d.month()),
        d.day(),
        d.hour(),
        d.minute(),
        d.second(),
        d.microsecond()
    )
}

/// "20261123T173853.123456Z": fit for file names, sorts by time.
pub(crate) fn compact(at: Nanos) -> String {
    timestamp(at).replace(['-', ':'], "").replace("+0000", "Z")
}

/// An address as EVE has it: IPv6 written out in full.
pub(crate) fn eve_ip(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|s| format!("{s:04x}")).join(":"),
    }
}

/// Bytes as "0a:1b".
pub(crate) fn pairs(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// An address fit for file names.
pub(crate) fn file_ip(ip: IpAddr) -> String {
    ip.to_string().replace(':', "-")
}

/// Bytes in hexadecimal, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Nanoseconds for people: "412 ns", "38.2 µs", "1.24 ms", "2.00 s".
pub(crate) fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_eve_has_them() {
        let at = Nanos(1_417_577_703_821_897_999);
        assert_eq!(timestamp(at), "2014-12-03T03:35:03.821897+0000");
        assert_eq!(compact(at), "20141203T033503.821897Z");
        assert_eq!(eve_ip("2402:f000::5555".parse().unwrap()), "2402:f000:0000:0000:0000:0000:0000:5555");
        assert_eq!(duration(38_200), "38.2 µs");
    }
}
