//! Values that stand beside indicators: how sure, until when.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

/// Texts that say "nothing".
pub(crate) fn is_nothing(text: &str) -> bool {
    let text = text.trim();
    ["", "-", "n/a", "none", "null", "nan", "unknown", "0000-00-00 00:00:00"]
        .iter()
        .any(|nothing| text.eq_ignore_ascii_case(nothing))
}

/// "75", "75%", "0.75"; "low", "medium", "high" by STIX's scale (2.1, appendix A).
pub(crate) fn confidence(text: &str) -> Option<u8> {
    let text = text.trim().trim_end_matches('%').trim_end();
    match text.to_ascii_lowercase().as_str() {
        "low" => return Some(15),
        "med" | "medium" => return Some(50),
        "high" => return Some(85),
        _ => {}
    }
    match text.parse::<u64>() {
        Ok(percent) => Some(percent.min(100) as u8),
        Err(_) => {
            let share = text.parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share))?;
            // Rounded, and within bounds already.
            Some((if share <= 1.0 { share * 100.0 } else { share }).round() as u8)
        }
    }
}

/// Seconds since 1970: RFC 3339, "2026-01-31 12:00:00 UTC", "2026-01-31", or seconds.
pub(crate) fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(time.unix_timestamp());
    }
    let text = text.trim_end_matches("UTC").trim_end_matches('Z').trim_end();
    let with_time = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    if let Ok(time) = PrimitiveDateTime::parse(&text.replace('T', " "), with_time) {
        return Some(time.assume_utc().unix_timestamp());
    }
    let day = format_description!("[year]-[month]-[day]");
    if let Ok(date) = Date::parse(text, day) {
        return Some(date.midnight().assume_utc().unix_timestamp());
    }
    text.parse::<u32>().ok().map(i64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidences_are_percent() {
        for (text, percent) in
            [("75", Some(75)), (" 75 %", Some(75)), ("0.5", Some(50)), ("High", Some(85)), ("999", Some(100))]
        {
            assert_eq!(confidence(text), percent, "{text}");
        }
        assert_eq!([confidence("x"), confidence("-1"), confidence("NaN")], [None; 3]);
    }

    #[test]
    fn times_are_read_in_the_forms_of_feeds() {
        for text in [
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.000Z",
            "2026-01-31 12:00:00",
            "2026-01-31 12:00:00 UTC",
            "1769860800",
        ] {
            assert_eq!(time(text), Some(1_769_860_800), "{text}");
        }
        assert_eq!(time("2026-01-31"), Some(1_769_817_600));
        assert_eq!([time("soon"), time("2026-13-01"), time("")], [None; 3]);
    }
}
