//! What an incident says.

use alert::CheckIn;
use serde::{Deserialize, Serialize};

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

/// The verdict and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSeen {
    /// "isolate", "withhold" or "none".
    pub action: String,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Whether the kernel enforces it.
    pub enforced: bool,
    /// Why not, if not.
    pub not_enforced_because: Option<String>,
    /// Until when.
    pub until: Option<String>,
    /// Nanoseconds from the packet's arrival to the alert.
    pub alert_ns: Option<u64>,
    /// Nanoseconds from the packet's arrival to the entry in the isolation map.
    pub map_ns: Option<u64>,
    /// Nanoseconds from the packet's arrival to the first dropped packet.
    pub first_drop_ns: Option<u64>,
    /// Packets dropped, as far as known.
    pub dropped_packets: u64,
    /// Bytes dropped, as far as known.
    pub dropped_bytes: u64,
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
    /// One sentence.
    pub summary: String,
    /// The worst alert's severity: 1 high to 4 informational.
    pub severity: u8,
    /// "observed", "isolated", "not isolated", "released", "expired".
    pub status: String,
    /// When it began (EVE form).
    pub first: String,
    /// When it was last heard of.
    pub last: String,
    /// Alerts.
    pub alerts: u64,
    /// Who took part.
    pub hosts: Vec<Host>,
    /// What matched.
    pub indicators: Vec<IndicatorSeen>,
    /// What the C2 was told.
    pub disclosed: Vec<Disclosed>,
    /// What was shown, by ATT&CK.
    pub techniques: Vec<TechniqueSeen>,
    /// The furthest kill-chain stage.
    pub kill_chain_stage: String,
    /// What was done.
    pub verdict: VerdictSeen,
    /// Packets.
    pub evidence: Vec<EvidenceFile>,
    /// What happened, in order.
    pub timeline: Vec<Step>,
    /// Steps beyond the limit of the timeline.
    pub steps_omitted: u64,
}
