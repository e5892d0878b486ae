//! What an alert is: the one type that detection, verdict and output share.
//!
//! A detector makes an [`Alert`]; the verdict room reads who is the victim, how severe it is and what
//! was observed; the output room writes all of it down. Plain data, no behaviour of its own beyond
//! naming things: severities, kill-chain stages and ATT&CK techniques.
#![forbid(unsafe_code)]

mod attack;
mod checkin;
mod class;
mod facts;
mod impact;
mod parties;
mod proof;
mod rule;
mod sighting;
mod text;
mod victim;

use core::fmt;
use core::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use wire::{Direction, Nanos};

pub use attack::{Stage, Tactic, Technique};
pub use checkin::{CheckIn, Disclosure};
pub use class::{CLASSES, Class, ClassTechnique, Role as ClassRole, class};
pub use impact::{Forwarded, Impact, RoleSeen};
pub use parties::{Basis, MAX_ACCOUNTS, Parties};
pub use proof::{Binding, Orientation, Proof};
pub use rule::{RuleAction, RuleFacts, Side, Zone};
pub use sighting::{Client, MAX_NAMES, Names, Opening, Role, Sighting, Stations};
pub use text::Text;
pub use victim::{Ends, choose};

/// Generator id of Ringward's own detectors; rules keep the gid of their author.
pub const RINGWARD_GID: u32 = 7737;

/// How bad it is; numbers as EVE has them, 1 is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Severity {
    /// Act now.
    High = 1,
    /// Look at it today.
    Medium = 2,
    /// Worth knowing.
    Low = 3,
    /// For the record.
    Informational = 4,
}

/// What was seen that made the detector speak; policies choose by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Observation {
    /// A name was asked for (DNS); nobody has spoken to it yet.
    Dns,
    /// An HTTP request names the host.
    Http,
    /// A TLS ClientHello names the host (SNI).
    Tls,
    /// Packets go to or come from the address.
    Ip,
    /// An HTTP request for exactly that URL.
    Url,
    /// A file is transferred.
    File,
    /// A TLS server shows the certificate.
    Certificate,
    /// A client or server of TLS or SSH offers what this fingerprint is made of (JA3, JA4, HASSH).
    Fingerprint,
    /// An HTTP client calls itself so.
    #[serde(rename = "user_agent")]
    UserAgent,
    /// A mail is from or to the address, or somebody logs in with it.
    Email,
    /// A rule with the action "alert" matched.
    Rule,
    /// A rule with the action "drop" or "reject" matched.
    #[serde(rename = "rule_drop")]
    RuleDrop,
}

impl Observation {
    /// Every kind, in the order of the configuration reference.
    pub const ALL: [Observation; 12] = [
        Observation::Dns,
        Observation::Http,
        Observation::Tls,
        Observation::Ip,
        Observation::Url,
        Observation::File,
        Observation::Certificate,
        Observation::Fingerprint,
        Observation::UserAgent,
        Observation::Email,
        Observation::Rule,
        Observation::RuleDrop,
    ];

    /// The name in configuration, alerts and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Observation::Dns => "dns",
            Observation::Http => "http",
            Observation::Tls => "tls",
            Observation::Ip => "ip",
            Observation::Url => "url",
            Observation::File => "file",
            Observation::Certificate => "certificate",
            Observation::Fingerprint => "fingerprint",
            Observation::UserAgent => "user_agent",
            Observation::Email => "email",
            Observation::Rule => "rule",
            Observation::RuleDrop => "rule_drop",
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The indicator that matched and what it matched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndicatorHit {
    /// "domain", "ip", "sha256" ...
    pub kind: &'static str,
    /// The indicator as listed.
    pub indicator: Arc<str>,
    /// What was on the wire (a sub-domain, the whole URL ...).
    pub observed: String,
    /// The list's own words on it, if any.
    pub description: Option<Arc<str>>,
    /// File and line of the indicator, as "FILE:LINE".
    pub source: String,
    /// How sure the list is of it, in percent, if it says so. The alert's severity takes it into account.
    pub confidence: Option<u8>,
    /// The list's tags.
    pub tags: Vec<String>,
    /// ATT&CK techniques that the list names, by their identifiers: beside those that the finding itself shows.
    pub techniques: Vec<String>,
}

/// One finding of one detector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When the packet that completed the finding was captured.
    pub time: Nanos,
    /// The same packet's arrival on the monotonic clock, where there is one (live capture).
    pub arrival: Option<Nanos>,
    /// When the detector spoke, on the same monotonic clock (live capture).
    pub raised: Option<Nanos>,
    /// Generator id ([`RINGWARD_GID`] for own detectors).
    pub gid: u32,
    /// Signature id.
    pub sid: u32,
    /// Signature revision.
    pub rev: u32,
    /// One line for humans, the same for every hit of the signature.
    pub signature: Text,
    /// The classification's text.
    pub category: Text,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen.
    pub observation: Observation,
    /// Which way the packet went.
    pub direction: Direction,
    /// The host on our side that is in trouble: the one to isolate. `None` if that is not clear (for
    /// example a listed address that scans us from outside).
    pub victim: Option<IpAddr>,
    /// What the choice of the victim rests on; `None` without a victim.
    pub basis: Option<Basis>,
    /// How well it is established that the victim took part.
    pub proof: Proof,
    /// Who is who, beside the victim.
    pub parties: Parties,
    /// The other side: the listed address, the C2 server, or the resolver asked. `None` of a frame that has no
    /// addresses.
    pub peer: Option<IpAddr>,
    /// The matched indicator, of alerts that one made.
    pub hit: Option<IndicatorHit>,
    /// The rule that matched, of alerts that one made.
    pub rule: Option<Arc<RuleFacts>>,
    /// ATT&CK techniques that the finding shows.
    pub techniques: Vec<Technique>,
    /// What a C2 request gave away about the victim.
    pub checkin: Option<CheckIn>,
}
