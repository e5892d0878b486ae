//! What one site has decided about one target, and which of two decisions holds.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use wire::{Nanos, Scope, Target};

/// Version of the format that is written. A later one is refused, not guessed at.
const VERSION: u32 = 1;
/// Bytes of a value; a longer one is refused.
pub(crate) const MAX_VALUE: usize = 64 * 1024;
/// Bytes of the reason that are kept.
const MAX_REASON: usize = 1024;
/// Bytes of "by" that are kept.
const MAX_BY: usize = 64;
/// Peers that an isolation may name.
const MAX_PEERS: usize = 256;
/// Bytes of a site's name.
pub const MAX_SITE: usize = 64;

/// Whether a target is isolated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Isolated,
    /// Its isolation was ended before its time. The record stays until that time, so that nobody who was away meanwhile
    /// brings the isolation back.
    Released,
}

/// What a site says about a target, before it is known when (see [`Table::decide`](crate::Table::decide)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whom.
    pub target: Target,
    /// What is decided.
    pub state: State,
    /// How far.
    pub scope: Scope,
    /// Which isolation: as in the events of the site.
    pub verdict: u64,
    /// Who decided: "indicator", "operator" ...
    pub by: String,
    /// Why, for humans.
    pub reason: String,
    /// When (wall clock of the site).
    pub at: Nanos,
    /// When the isolation ends, or would have ended (wall clock).
    pub until: Nanos,
}

/// What the fleet knows about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who says so.
    pub site: Arc<str>,
    /// What; `at` is never earlier than that of a record which the site knew of when it decided.
    pub decision: Decision,
}

/// A message that is no record, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadRecord {
    /// Too long.
    #[error("{0} bytes are more than a record has")]
    TooLong(usize),
    /// Not JSON, or a field is missing or of another type.
    #[error("{0}")]
    Json(String),
    /// Written by a later version.
    #[error("format version {0} is not known here")]
    Version(u32),
    /// A field makes no sense.
    #[error("{field}: {what}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

/// The JSON of a record. Unknown fields are passed over: a later version of the same format may add some.
#[derive(Debug, Serialize, Deserialize)]
struct Value {
    v: u32,
    verdict: u64,
    site: String,
    target: String,
    state: State,
    scope: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peers: Vec<IpAddr>,
    by: String,
    reason: String,
    decided_at: String,
    until: String,
}

impl Record {
    /// Of two records of a target, the one that holds is the greater. First by time; a release before an isolation of the
    /// same instant; the rest only makes sure that everybody picks the same.
    fn rank(&self) -> impl Ord + '_ {
        let d = &self.decision;
        let peers = match &d.scope {
            Scope::Peers(peers) => peers.as_slice(),
            Scope::Both | Scope::Outbound => &[],
        };
        (d.at, d.state, &*self.site, d.verdict, d.until, d.scope.name(), peers, &d.by, &d.reason)
    }

    /// Whether this record holds and the other does not.
    #[must_use]
    pub fn beats(&self, other: &Record) -> bool {
        self.rank() > other.rank()
    }

    /// Whether it has nothing to say any more.
    #[must_use]
    pub fn is_over(&self, now: Nanos) -> bool {
        self.decision.until <= now
    }

    /// The key in the bucket: "host.10.0.0.5", "host.10.0.0.5.vlan.100", "host.2001-db8--5", "net.10.1.0.0/16",
    /// "mac.02-00-00-00-00-01".
    #[must_use]
    pub fn key(target: &Target) -> String {
        let plain = |text: String| text.replace(':', "-");
        match target {
            Target::Host { host, vlan: None } => plain(format!("host.{host}")),
            Target::Host { host, vlan: Some(vlan) } => plain(format!("host.{host}.vlan.{vlan}")),
            Target::Network(_) => plain(format!("net.{target}")),
            Target::Mac(_) => plain(format!("mac.{target}")),
        }
    }

    /// The value in the bucket.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let d = &self.decision;
        let value = Value {
            v: VERSION,
            verdict: d.verdict,
            site: self.site.to_string(),
            target: d.target.to_string(),
            state: d.state,
            scope: d.scope.name().to_owned(),
            peers: match &d.scope {
                Scope::Peers(peers) => peers.clone(),
                Scope::Both | Scope::Outbound => Vec::new(),
            },
            by: d.by.clone(),
            reason: d.reason.clone(),
            decided_at: rfc3339(d.at),
            until: rfc3339(d.until),
        };
        // No map with keys that are not strings and nothing else in it that could fail.
        serde_json::to_vec(&value).unwrap_or_default()
    }

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, BadRecord> {
        if bytes.len() > MAX_VALUE {
            return Err(BadRecord::TooLong(bytes.len()));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(|err| BadRecord::Json(err.to_string()))?;
        let bad = |field, what: &str| BadRecord::Field { field, what: what.to_owned() };
        if value.v > VERSION {
            return Err(BadRecord::Version(value.v));
        }
        if !is_site(&value.site) {
            return Err(bad("site", "is no name of a site"));
        }
        let target: Target =
            value.target.parse().map_err(|err: wire::NoTarget| bad("target", &err.to_string()))?;
        let scope = match value.scope.as_str() {
            "both" => Scope::Both,
            "outbound" => Scope::Outbound,
            "peers" if value.peers.is_empty() => return Err(bad("peers", "are missing")),
            "peers" if value.peers.len() > MAX_PEERS => return Err(bad("peers", "are too many")),
            "peers" => Scope::Peers(value.peers),
            _ => return Err(bad("scope", "is none that is known here")),
        };
        let at = nanos(&value.decided_at).ok_or_else(|| bad("decided_at", "is no time"))?;
        let until = nanos(&value.until).ok_or_else(|| bad("until", "is no time"))?;
        let decision = Decision {
            target,
            state: value.state,
            scope,
            verdict: value.verdict,
            by: value.by,
            reason: value.reason,
            at,
            until,
        };
        Ok(Record { site: value.site.into(), decision: decision.cut() })
    }
}

impl Decision {
    /// With texts no longer than they may be, and peers in order.
    pub(crate) fn cut(mut self) -> Self {
        cut(&mut self.by, MAX_BY);
        cut(&mut self.reason, MAX_REASON);
        if let Scope::Peers(peers) = &mut self.scope {
            peers.sort_unstable();
            peers.dedup();
        }
        self
    }
}

/// Whether a text can name a site: letters, digits, "-" and "_". It is a part of subjects.
#[must_use]
pub fn is_site(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.len() <= MAX_SITE && text.bytes().all(good)
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}

fn rfc3339(at: Nanos) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0));
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

fn nanos(text: &str) -> Option<Nanos> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos()).ok().map(Nanos)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
