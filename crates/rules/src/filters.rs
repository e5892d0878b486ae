//! `threshold.config`: which alerts are suppressed, thinned out or turned into another action.

use std::net::IpAddr;
use std::path::Path;

use crate::address;
use crate::build;
use crate::fault::{Fault, unsupported, wrong};
use crate::lines::Lines;
use crate::lists;
use crate::number;
use crate::rule::{Action, AddressSet, RejectTo, Threshold, ThresholdKind, Track};
use crate::settings::{LoadError, Settings, read};

/// Lines of a threshold file that say something.
pub const MAX_FILTERS: usize = 1 << 20;

/// Which rules a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleIds {
    /// Generator; 0: all.
    pub gid: u32,
    /// Signature id; 0: all of the generator.
    pub sid: u32,
}

impl RuleIds {
    /// Whether a rule is one of them.
    #[must_use]
    pub fn contains(self, gid: u32, sid: u32) -> bool {
        (self.gid == 0 || self.gid == gid) && (self.sid == 0 || self.sid == sid)
    }
}

/// Whose address a suppression looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SuppressBy {
    Source,
    Destination,
    Either,
}

/// `suppress`: alerts that are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppress {
    /// Of which rules.
    pub rules: RuleIds,
    /// Only with these addresses on that side; none: always.
    pub only: Option<(SuppressBy, AddressSet)>,
}

impl Suppress {
    /// Whether an alert of these rules between these addresses is not told.
    #[must_use]
    pub fn holds(&self, src: IpAddr, dst: IpAddr) -> bool {
        match &self.only {
            None => true,
            Some((SuppressBy::Source, set)) => set.contains(src),
            Some((SuppressBy::Destination, set)) => set.contains(dst),
            Some((SuppressBy::Either, set)) => set.contains(src) || set.contains(dst),
        }
    }
}

/// `threshold` and `event_filter`: how many alerts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Of which rules.
    pub rules: RuleIds,
    /// How many.
    pub threshold: Threshold,
}

/// `rate_filter`: what rules do once they match too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateFilter {
    /// Which rules.
    pub rules: RuleIds,
    /// What is counted together.
    pub track: Track,
    /// Matches that are as many as can be.
    pub count: u32,
    /// In how many seconds.
    pub seconds: u32,
    /// What is done beyond that.
    pub action: Action,
    /// For how many seconds.
    pub timeout: u32,
}

/// What a threshold file says, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// `suppress`
    pub suppress: Vec<Suppress>,
    /// `threshold` and `event_filter`
    pub thresholds: Vec<EventFilter>,
    /// `rate_filter`
    pub rates: Vec<RateFilter>,
}

impl Filters {
    /// Reads a file on top of what is there already.
    ///
    /// # Errors
    /// The file cannot be read, or a line is broken: nothing of the file counts then.
    pub fn file(&mut self, path: &Path, settings: &Settings) -> Result<(), LoadError> {
        let text = read(path)?;
        let at = |(line, why)| LoadError::Line { path: path.to_owned(), line, why };
        let read = Self::parse(text.as_bytes(), settings).map_err(at)?;
        self.suppress.extend(read.suppress);
        self.thresholds.extend(read.thresholds);
        self.rates.extend(read.rates);
        Ok(())
    }

    /// Reads what is in memory already.
    ///
    /// # Errors
    /// The first line that is broken, and why.
    pub fn parse(bytes: &[u8], settings: &Settings) -> Result<Self, (u32, String)> {
        let mut filters = Filters::default();
        for line in Lines::new(bytes) {
            // No word of a line has a hash in it: a comment may stand behind them.
            let text = line.text.split('#').next().unwrap_or_default().trim();
            if text.is_empty() {
                continue;
            }
            let added =
                if line.too_long { Err(wrong("the line is too long")) } else { filters.line(text, settings) };
            added.map_err(|fault| match fault {
                Fault::Unsupported(why) | Fault::Wrong(why) => (line.number, why),
                Fault::NotRequired => (line.number, String::new()),
            })?;
        }
        Ok(filters)
    }

    /// Whether an alert is not told.
    #[must_use]
    pub fn suppressed(&self, gid: u32, sid: u32, src: IpAddr, dst: IpAddr) -> bool {
        self.suppress.iter().any(|s| s.rules.contains(gid, sid) && s.holds(src, dst))
    }

    fn line(&mut self, text: &str, settings: &Settings) -> Result<(), Fault> {
        if self.suppress.len() + self.thresholds.len() + self.rates.len() >= MAX_FILTERS {
            return Err(wrong(format!("more than {MAX_FILTERS} lines")));
        }
        let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let words = Words::new(rest)?;
        match kind {
            "suppress" => self.suppress.push(suppress(&words, settings)?),
            "threshold" | "event_filter" => {
                let threshold = build::threshold(&words.others.join(","))?;
                if matches!(threshold.kind, ThresholdKind::Backoff { .. }) {
                    return Err(unsupported("backoff is of rules only"));
                }
                self.thresholds.push(EventFilter { rules: words.rules, threshold });
            }
            "rate_filter" => self.rates.push(rate(&words)?),
            _ => {
                return Err(wrong(format!(
                    "there is no {kind}: expected suppress, threshold or rate_filter"
                )));
            }
        }
        Ok(())
    }
}

/// A line's words: `gen_id` and `sig_id`, and the others.
struct Words<'a> {
    rules: RuleIds,
    others: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Result<Self, Fault> {
        let (mut gid, mut sid, mut others) = (None, None, Vec::new());
        for word in lists::items(text)? {
            match word.split_once(char::is_whitespace) {
                Some(("gen_id", value)) if gid.is_none() => gid = Some(number::small(value)?),
                Some(("sig_id", value)) if sid.is_none() => sid = Some(number::small(value)?),
                _ => others.push(word),
            }
        }
        let (Some(gid), Some(sid)) = (gid, sid) else { return Err(wrong("expected gen_id and sig_id")) };
        if gid == 0 && sid != 0 {
            return Err(wrong("gen_id 0 is all rules: sig_id has to be 0 too"));
        }
        Ok(Words { rules: RuleIds { gid, sid }, others })
    }

    /// The values of these names, each of which has to be there, and nothing else.
    fn values<const N: usize>(&self, names: [&str; N]) -> Result<[&'a str; N], Fault> {
        let mut values = [""; N];
        for word in &self.others {
            let (name, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            let place = names.iter().position(|known| *known == name).and_then(|at| values.get_mut(at));
            match place {
                Some(place) if place.is_empty() => *place = value.trim(),
                _ => return Err(wrong(format!("{word:?} is not one of its words, or stands twice"))),
            }
        }
        if values.contains(&"") { Err(wrong(format!("expected {}", names.join(", ")))) } else { Ok(values) }
    }
}

fn suppress(words: &Words<'_>, settings: &Settings) -> Result<Suppress, Fault> {
    if words.others.is_empty() {
        return Ok(Suppress { rules: words.rules, only: None });
    }
    let [track, ip] = words.values(["track", "ip"])?;
    let by = match track {
        "by_src" => SuppressBy::Source,
        "by_dst" => SuppressBy::Destination,
        "by_either" => SuppressBy::Either,
        _ => return Err(wrong(format!("{track:?} is no side"))),
    };
    Ok(Suppress { rules: words.rules, only: Some((by, address::parse(ip, settings)?)) })
}

fn rate(words: &Words<'_>) -> Result<RateFilter, Fault> {
    let [track, count, seconds, action, timeout] =
        words.values(["track", "count", "seconds", "new_action", "timeout"])?;
    let action = match action {
        "alert" => Action::Alert,
        "drop" => Action::Drop,
        "pass" => Action::Pass,
        "reject" => Action::Reject(RejectTo::Source),
        _ => return Err(wrong(format!("there is no action {action}"))),
    };
    let track = build::track(track)?;
    if track == Track::Flow {
        return Err(wrong("rates are not counted by_flow"));
    }
    let (count, seconds) = (build::nonzero(count)?, build::nonzero(seconds)?);
    Ok(RateFilter { rules: words.rules, track, count, seconds, action, timeout: number::small(timeout)? })
}

#[cfg(test)]
#[path = "filters_tests.rs"]
mod tests;
