//! What an incident says.

use alert::CheckIn;
use serde::{Deserialize, Serialize};

use super::verdicts::VerdictSeen;

/// A step of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When (EVE form).
    pub time: String,
    /// The same in nanoseconds since the epoch.
    pub time_ns: u64,
    /// "dns", "http", "tls", "alert", "isolation", "evidence".
    pub kind: String,
    /// One line.
    pub what: String,
}

/// A host that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its address.
    pub ip: String,
    /// "victim", "C2 server", "resolver" ...
    pub role: String,
}

/// An indicator that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndicatorSeen {
    /// "domain", "ip", "sha256" ...
    pub kind: String,
    /// As listed.
    pub value: String,
    /// What was on the wire the first time.
    pub observed: String,
    /// What its list says.
    pub description: Option<String>,
    /// "FILE:LINE".
    pub source: String,
    /// What was seen the first time: "dns", "http", "ip" ...
    #[serde(default)]
    pub seen: String,
    /// How often it matched.
    pub hits: u64,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSeen {
    /// Generator.
    pub gid: u32,
    /// Signature.
    pub sid: u32,
    /// Its text.
    pub signature: String,
    /// Its class's description.
    pub category: String,
    /// 1 high to 4 informational.
    pub severity: u8,
    /// "FILE:LINE".
    pub source: String,
    /// How often it matched.
    pub hits: u64,
}

/// An ATT&CK technique that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TechniqueSeen {
    /// "T1071.001".
    pub id: String,
    /// Its name.
    pub name: String,
    /// The tactic's identifier.
    pub tactic_id: String,
    /// The tactic's name.
    pub tactic: String,
    /// The kill-chain stage.
    pub stage: String,
    /// Who says so: "finding" (what was seen shows it), "list", "author" (of a rule), or "class" if only the rule's class
    /// stands for it.
    #[serde(default)]
    pub source: String,
}

/// What was disclosed in a C2 request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosed {
    /// The URI as sent.
    pub uri: String,
    /// What was told: "host name", "user name" or "operating system", the value, where, how hidden.
    pub told: Vec<Told>,
}

/// One thing that was disclosed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// "host_name", "user_name" or "operating_system".
    pub what: String,
    /// The decoded value.
    pub value: String,
    /// Where in the request.
    pub found_in: String,
    /// Encodings taken off, outermost first.
    pub encodings: Vec<String>,
}

impl Disclosed {
    pub(crate) fn new(checkin: &CheckIn) -> Self {
        let fields = [
            ("host_name", &checkin.host_name),
            ("user_name", &checkin.user_name),
            ("operating_system", &checkin.operating_system),
        ];
        let told = fields.into_iter().filter_map(|(what, d)| {
            let d = d.as_ref()?;
            Some(Told {
                what: what.to_owned(),
                value: d.value.clone(),
                found_in: d.found_in.clone(),
                encodings: d.encodings.iter().map(|e| (*e).to_owned()).collect(),
            })
        });
        Disclosed { uri: checkin.uri.clone(), told: told.collect() }
    }
}

/// A sentence of a summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    /// Which fact: "indicator", "indicators", "rules", "disclosure", "accounts", "stage", "isolated", "not_enforced",
    /// "withheld", "verdicts" or "no_verdict".
    pub fact: String,
    /// The sentence.
    pub text: String,
}

/// An evidence file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceFile {
    /// Relative to the output directory.
    pub file: String,
    /// Packets in it so far.
    pub packets: u64,
    /// Bytes of these packets.
    pub bytes: u64,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its name, fit for files.
    pub id: String,
    /// The host in trouble.
    pub victim: String,
    /// Its sentences in one text.
    pub summary: String,
    /// What the summary says, each sentence with the fact that it is made from.
    #[serde(default)]
    pub sentences: Vec<Sentence>,
    /// The worst alert's severity: 1 high to 4 informational.
    pub severity: u8,
    /// "observed", "isolated", "not isolated", "released", "expired".
    pub status: String,
    /// When it began (EVE form).
    pub first: String,
    /// When it was last heard of.
    pub last: String,
    /// Alerts of which it is the victim, or that name it as actor or target.
    pub alerts: u64,
    /// Those of rules.
    #[serde(default)]
    pub rule_alerts: u64,
    /// Who took part.
    pub hosts: Vec<Host>,
    /// Accounts that were named in the traffic, as on the wire.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// What matched.
    pub indicators: Vec<IndicatorSeen>,
    /// Which rules matched.
    #[serde(default)]
    pub rules: Vec<RuleSeen>,
    /// What the C2 was told.
    pub disclosed: Vec<Disclosed>,
    /// What was shown, by ATT&CK.
    pub techniques: Vec<TechniqueSeen>,
    /// The furthest kill-chain stage.
    pub kill_chain_stage: String,
    /// The verdict of the headline: the first that was enforced, or else the first.
    pub verdict: VerdictSeen,
    /// Every verdict, in order. What is in it is only ever added to.
    #[serde(default)]
    pub verdicts: Vec<VerdictSeen>,
    /// Verdicts beyond the limit of the list.
    #[serde(default)]
    pub verdicts_omitted: u64,
    /// Packets.
    pub evidence: Vec<EvidenceFile>,
    /// What happened, in order.
    pub timeline: Vec<Step>,
    /// Steps beyond the limit of the timeline.
    pub steps_omitted: u64,
}
