//! What can be set of threat intelligence, with its default.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::{ConfigError, Locator};

/// Threat intelligence. `ringward reload` and SIGHUP read this table anew.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Intel {
    /// Indicator lists, whose format follows from their contents: plain text, hosts files, CSV (with a header, or as
    /// abuse.ch has it), MISP events, STIX 2.1 bundles, datasets and reputation lists of Suricata, compressed or not; a folder
    /// is a MISP feed. Relative paths are relative to this file.
    pub files: Vec<PathBuf>,
    /// Lists of which more is known.
    pub feeds: Vec<FeedConfig>,
    /// Lists of what is never an indicator, in the same formats: domains with everything below them, addresses,
    /// networks, URLs, hashes and all others. They win over every list.
    pub allow: Vec<PathBuf>,
    /// Indicators that may be loaded, those that are allowed among them. More are refused: the sensor does not start, or
    /// keeps what it had.
    #[schemars(range(min = 1))]
    pub max_indicators: u32,
    /// Refuse to start if any line of a list cannot be read; otherwise such lines are skipped and counted.
    pub strict: bool,
}

impl Default for Intel {
    fn default() -> Self {
        Intel {
            files: Vec::new(),
            feeds: Vec::new(),
            allow: Vec::new(),
            max_indicators: intel::MAX_INDICATORS as u32,
            strict: false,
        }
    }
}

/// A list of which more is known.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeedConfig {
    /// Lists of which more is known, as `[[intel.feeds]]` tables: the list, as in `files`.
    pub file: PathBuf,
    /// What its values are, if the list does not say so itself: "domain", "ip", "url", "md5", "sha1", "sha256", "ja3",
    /// "ja4", "hassh", "certificate", "user_agent", "email". Empty: what their form tells; 32 hexadecimal digits are an
    /// MD5 then.
    pub kind: String,
    /// How sure it is of its indicators, in percent, where it does not say so itself. Below 70 alerts are of medium
    /// severity at most, below 40 of low.
    pub confidence: Option<u8>,
    /// Until when its indicators hold, where it does not say so itself: a date, or a time in RFC 3339. Empty: for ever.
    pub expires: String,
    /// Tags, beside its own.
    pub tags: Vec<String>,
    /// ATT&CK techniques, beside its own, as in ["T1071.001"].
    pub techniques: Vec<String>,
}

impl Intel {
    pub(super) fn resolve(&mut self, folder: &Path) {
        let feeds = self.feeds.iter_mut().map(|feed| &mut feed.file);
        for file in self.files.iter_mut().chain(&mut self.allow).chain(feeds) {
            *file = folder.join(&*file);
        }
    }

    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        if self.max_indicators == 0 {
            return Err(at.error("intel.max_indicators", "must be at least 1"));
        }
        for feed in &self.feeds {
            if feed.file.as_os_str().is_empty() {
                return Err(at.error("intel.feeds.file", "a feed needs its file"));
            }
            if feed.confidence.is_some_and(|percent| percent > 100) {
                return Err(at.error("intel.feeds.confidence", "must be 0 to 100"));
            }
            if !feed.kind.is_empty() && intel::Form::named(&feed.kind).is_none() {
                let what = format!("\"{}\" is no kind of indicators", feed.kind);
                return Err(at.error("intel.feeds.kind", &what));
            }
            if !feed.expires.is_empty() && expiry(&feed.expires).is_none() {
                let what = format!("\"{}\" is no date like 2030-01-31", feed.expires);
                return Err(at.error("intel.feeds.expires", &what));
            }
        }
        Ok(())
    }
}

impl FeedConfig {
    /// As the intel room has it.
    pub fn feed(&self) -> intel::Feed {
        intel::Feed {
            form: intel::Form::named(&self.kind).unwrap_or(intel::Form::Any),
            confidence: self.confidence,
            tags: self.tags.clone(),
            techniques: self.techniques.clone(),
            expires: expiry(&self.expires),
            ..intel::Feed::new(&self.file)
        }
    }
}

/// Seconds since 1970.
fn expiry(text: &str) -> Option<i64> {
    if let Ok(date) = Date::parse(text, format_description!("[year]-[month]-[day]")) {
        return Some(date.midnight().assume_utc().unix_timestamp());
    }
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}
