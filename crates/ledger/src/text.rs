//! Times as text: RFC 3339 in UTC, to the nanosecond.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wire::Nanos;

/// Nanoseconds since 1970 as "2026-11-25T03:17:49.000000001Z": always nine digits, so that text sorts as time does.
#[must_use]
pub fn rfc3339(time: Nanos) -> String {
    let (seconds, nanos) = (time.0 / 1_000_000_000, time.0 % 1_000_000_000);
    // A u64 of nanoseconds ends in 2554.
    let at = i64::try_from(seconds).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    let at = at.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{nanos:09}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// The time that an RFC 3339 text names, if it is one since 1970 that fits into nanoseconds.
#[must_use]
pub fn parse_time(text: &str) -> Option<Nanos> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos()).ok().map(Nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(Nanos(1_000_000_001)), "1970-01-01T00:00:01.000000001Z");
        assert_eq!(rfc3339(Nanos(u64::MAX)), "2554-07-21T23:34:33.709551615Z");
        assert_eq!(parse_time("2026-11-25T04:17:49+01:00"), parse_time("2026-11-25T03:17:49Z"));
        for bad in ["", "now", "2026-11-25", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn times_are_read_as_they_are_written(ns: u64) {
            prop_assert_eq!(parse_time(&rfc3339(Nanos(ns))), Some(Nanos(ns)));
        }
    }
}
