//! Times and addresses as texts.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use time::OffsetDateTime;
use wire::Nanos;

/// "2026-11-23T17:38:53.123456+0000", as EVE has it.
pub(crate) fn timestamp(at: Nanos) -> String {
    let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    let d = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // Every event has one: digits are put in place, formatting them took as long as the rest of a line.
    let mut text = String::with_capacity("2026-11-23T17:38:53.123456+0000".len());
    digits(&mut text, d.year().unsigned_abs(), 4);
    for (before, number) in
        [('-', u8::from(d.month())), ('-', d.day()), ('T', d.hour()), (':', d.minute()), (':', d.second())]
    {
        text.push(before);
        digits(&mut text, number.into(), 2);
    }
    text.push('.');
    digits(&mut text, (at.0 % 1_000_000_000 / 1_000) as u32, 6);
    text.push_str("+0000");
    text
}

/// A number of at most six digits with this many of them, zeros in front.
fn digits(text: &mut String, number: u32, count: usize) {
    let mut out = [b'0'; 6];
    let mut rest = number;
    for place in out[..count].iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text.extend(out[..count].iter().map(|&digit| char::from(digit)));
}

/// Bytes in base64 (RFC 4648 section 4), padded.
pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Bytes as text: printable ASCII and line ends as they are, a dot for every other byte, as Suricata does it.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let shown = |&byte: &u8| match byte {
        b'\r' | b'\n' | 0x20..=0x7e => char::from(byte),
        _ => '.',
    };
    bytes.iter().map(shown).collect()
}

/// "2026-11-23T17:38:53Z" (RFC 3339), for people.
#[must_use]
pub fn rfc3339(at: Nanos) -> String {
    let mut text = timestamp(at);
    text.truncate("2026-11-23T17:38:53".len());
    text.push('Z');
    text
}

/// A duration for people: the two greatest units of it, as in "3d 4h", "1h 2m", "45s".
#[must_use]
pub fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let said = parts[first..].iter().take(2).enumerate();
    let said = said.filter(|(i, (n, _))| *i == 0 || *n > 0).map(|(_, (n, unit))| format!("{n}{unit}"));
    said.collect::<Vec<_>>().join(" ")
}

/// "20261123T173853.123456Z": fit for file names, sorts by time.
pub(crate) fn compact(at: Nanos) -> String {
    timestamp(at).replace(['-', ':'], "").replace("+0000", "Z")
}

/// An address as EVE has it: IPv6 written out in full.
pub(crate) fn eve_ip(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => {
            let mut text = String::with_capacity("255.255.255.255".len());
            for (i, byte) in v4.octets().into_iter().enumerate() {
                if i > 0 {
                    text.push('.');
                }
                text.push_str(itoa::Buffer::new().format(byte));
            }
            text
        }
        IpAddr::V6(v6) => {
            let mut text = String::with_capacity(39);
            for (i, byte) in v6.octets().into_iter().enumerate() {
                if i > 0 && i % 2 == 0 {
                    text.push(':');
                }
                push_hex(&mut text, byte);
            }
            text
        }
    }
}

/// Bytes as "0a:1b".
pub(crate) fn pairs(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(3 * bytes.len());
    for (i, &byte) in bytes.iter().enumerate() {
        if i > 0 {
            text.push(':');
        }
        push_hex(&mut text, byte);
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 0x0f] {
        text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
    }
}

/// An address fit for file names.
pub(crate) fn file_ip(ip: IpAddr) -> String {
    ip.to_string().replace(':', "-")
}

/// Bytes in hexadecimal, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    bytes.iter().for_each(|&byte| push_hex(&mut text, byte));
    text
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
    fn durations_are_read_by_people() {
        for (seconds, said) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3599, "59m 59s"),
            (3720, "1h 2m"),
            (3601, "1h"),
            (273_600, "3d 4h"),
            (86_400, "1d"),
        ] {
            assert_eq!(spoken(Duration::from_secs(seconds)), said, "{seconds}");
        }
    }

    #[test]
    fn texts_are_as_eve_has_them() {
        let at = Nanos(1_417_577_703_821_897_999);
        assert_eq!(timestamp(at), "2014-12-03T03:35:03.821897+0000");
        assert_eq!(rfc3339(at), "2014-12-03T03:35:03Z");
        assert_eq!(compact(at), "20141203T033503.821897Z");
        assert_eq!(timestamp(Nanos(0)), "1970-01-01T00:00:00.000000+0000");
        assert_eq!(timestamp(Nanos(u64::MAX)), "2554-07-21T23:34:33.709551+0000");
        assert_eq!(pairs(&[0x0a, 0x1b]), "0a:1b");
        assert_eq!(hex(&[0x0a, 0xff]), "0aff");
        assert_eq!(eve_ip("10.0.200.255".parse().unwrap()), "10.0.200.255");
        assert_eq!(eve_ip("2402:f000::5555".parse().unwrap()), "2402:f000:0000:0000:0000:0000:0000:5555");
        assert_eq!(duration(38_200), "38.2 µs");
    }
}
