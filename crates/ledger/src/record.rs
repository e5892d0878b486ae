//! One step of an isolation, as it is written down.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use wire::{Nanos, Scope, Target};

use crate::text::{parse_time, rfc3339};

/// Bytes of a reason; what is longer is cut, and ends in "…".
pub const MAX_REASON: usize = 4096;
/// The same for names: who decided, why it is not enforced.
pub const MAX_WORD: usize = 1024;

/// A step in the life of an isolation, or a verdict that led to none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub struct Record {
    /// When (wall clock).
    pub time: Nanos,
    /// What: "isolate", "extend", "restore", "adopt", "first_drop", "expire", "release", "withhold" ... What others there
    /// are is kept and shown, and changes nobody's isolation.
    pub action: String,
    /// Which isolation: all of its steps have the same number.
    pub verdict: u64,
    /// Whom.
    pub target: Target,
    /// How far.
    pub scope: Scope,
    /// Who decided: "indicator", "rule", "detector", "operator" ...
    pub by: String,
    /// Who exactly, as far as is known.
    pub who: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether it is in force.
    pub enforced: bool,
    /// Why not.
    pub not_enforced_because: Option<String>,
    /// When it ends (wall clock).
    pub until: Option<Nanos>,
    /// In which map it is in force: another after a reboot.
    pub map: String,
    /// The other side of the flow that led to it.
    pub peer: Option<IpAddr>,
    /// Packets dropped so far.
    pub dropped_packets: u64,
    /// Bytes of these.
    pub dropped_bytes: u64,
    /// Set if this is no step of an isolation, but something an operator did or was refused: `action` begins with
    /// [`AUDIT`] then, and `target` is [`NOBODY`] where it is about no target.
    pub audit: Option<Audit>,
}

/// What the actions of operators begin with.
pub const AUDIT: &str = "audit.";
/// The target of an operator's action that has none.
pub const NOBODY: &str = "0.0.0.0";

/// What is known of an operator's action beside what every record has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// From where: a process, an address with a port, a signal.
    pub from: Option<String>,
    /// How many actions this line stands for: more than one in a summary.
    pub count: u64,
}

/// What a record does to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is isolated from now on, or with another end.
    Opens,
    /// It is not any more.
    Closes,
    /// Nothing.
    None,
}

impl Record {
    pub(crate) fn effect(&self) -> Effect {
        match (self.action.as_str(), self.enforced) {
            ("isolate" | "extend" | "restore" | "adopt", true) => Effect::Opens,
            // What could not be put back into the map is not in force.
            ("expire" | "release", _) | ("restore", false) => Effect::Closes,
            _ => Effect::None,
        }
    }

    /// The same with texts that fit.
    pub(crate) fn cut(mut self) -> Self {
        self.action = cut(self.action, MAX_WORD);
        self.by = cut(self.by, MAX_WORD);
        self.map = cut(self.map, MAX_WORD);
        self.who = self.who.map(|who| cut(who, MAX_WORD));
        if let Some(audit) = &mut self.audit {
            audit.from = audit.from.take().map(|from| cut(from, MAX_WORD));
        }
        self.not_enforced_because = self.not_enforced_because.map(|why| cut(why, MAX_WORD));
        self.reason = cut(self.reason, MAX_REASON);
        self
    }
}

fn cut(mut text: String, max: usize) -> String {
    const MARK: &str = "…";
    if text.len() > max {
        let mut end = max - MARK.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

/// What a record of an operator's action says it is.
const KIND: &str = "audit";

/// A record in JSON.
#[derive(Clone, Serialize, Deserialize)]
struct Form {
    /// "audit" for operators' actions. Earlier versions pass it over, and show the record by what they know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    time: String,
    action: String,
    verdict: u64,
    host: String,
    scope: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    peers: Vec<IpAddr>,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    who: Option<String>,
    reason: String,
    enforced: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_enforced_because: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    map: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped_packets: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    count: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl From<Record> for Form {
    fn from(record: Record) -> Self {
        let scope = record.scope.name().to_owned();
        let kind = record.audit.as_ref().map(|_| KIND.to_owned());
        let Audit { from, count } = record.audit.unwrap_or_default();
        Form {
            kind,
            time: rfc3339(record.time),
            action: record.action,
            verdict: record.verdict,
            host: record.target.to_string(),
            scope,
            peers: if let Scope::Peers(peers) = record.scope { peers } else { Vec::new() },
            by: record.by,
            who: record.who,
            reason: record.reason,
            enforced: record.enforced,
            not_enforced_because: record.not_enforced_because,
            until: record.until.map(rfc3339),
            map: record.map,
            peer: record.peer,
            dropped_packets: record.dropped_packets,
            dropped_bytes: record.dropped_bytes,
            from,
            count,
        }
    }
}

impl TryFrom<Form> for Record {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let time = |text: &str| parse_time(text).ok_or_else(|| format!("\"{text}\" is no time"));
        Ok(Record {
            time: time(&form.time)?,
            action: form.action,
            verdict: form.verdict,
            target: form.host.parse().map_err(|err: wire::NoTarget| err.to_string())?,
            scope: match form.scope.as_str() {
                "both" => Scope::Both,
                "outbound" => Scope::Outbound,
                "peers" => Scope::Peers(form.peers),
                other => return Err(format!("\"{other}\" is no scope")),
            },
            by: form.by,
            who: form.who,
            reason: form.reason,
            enforced: form.enforced,
            not_enforced_because: form.not_enforced_because,
            until: form.until.as_deref().map(time).transpose()?,
            map: form.map,
            peer: form.peer,
            dropped_packets: form.dropped_packets,
            dropped_bytes: form.dropped_bytes,
            audit: form
                .kind
                .is_some_and(|kind| kind == KIND)
                .then_some(Audit { from: form.from, count: form.count }),
        })
    }
}
