//! What a receiver's answer means.

use std::time::{Duration, SystemTime};

/// However long a receiver asks us to wait, it is asked again after this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The receiver has it.
    Taken,
    /// It never will, and why.
    Refused(String),
    /// It has to be tried again.
    Again {
        /// Why.
        why: String,
        /// Not before.
        after: Duration,
    },
}

impl Answer {
    /// By the status code (RFC 9110 section 15) and `Retry-After` (section 10.2.3).
    pub(super) fn of(status: u16, retry_after: Option<&str>, now: SystemTime) -> Self {
        let after = retry_after.and_then(|text| wait(text, now)).unwrap_or_default();
        match status {
            200..=299 => Answer::Taken,
            // Nobody says that what is there wants it.
            300..=399 => Answer::Again { why: format!("HTTP {status}: redirects are not followed"), after },
            408 | 425 | 429 => Answer::Again { why: format!("HTTP {status}"), after },
            400..=499 => Answer::Refused(format!("HTTP {status}")),
            _ => Answer::Again { why: format!("HTTP {status}"), after },
        }
    }
}

/// A number of seconds, or a date.
fn wait(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_apart() {
        let of = |status| Answer::of(status, None, SystemTime::UNIX_EPOCH);
        assert!([200, 202, 204].map(of).iter().all(|a| *a == Answer::Taken));
        assert!([400, 401, 403, 404, 410, 413, 422].map(of).iter().all(|a| matches!(a, Answer::Refused(_))));
        let again = [100, 301, 302, 308, 408, 425, 429, 500, 502, 503, 504, 599, 999].map(of);
        assert!(again.iter().all(|a| matches!(a, Answer::Again { .. })));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let of = |text| match Answer::of(429, Some(text), now) {
            Answer::Again { after, .. } => after.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!((of("7"), of(" 7 "), of("0")), (7, 7, 0));
        assert_eq!(of("Wed, 21 Oct 2015 07:29:30 GMT"), 90);
        // The past, nonsense, for ever.
        assert_eq!((of("Wed, 21 Oct 2015 07:00:00 GMT"), of("soon"), of("-1"), of("")), (0, 0, 0, 0));
        assert_eq!((of("99999999"), of("Wed, 21 Oct 2099 07:28:00 GMT")), (3600, 3600));
    }
}
