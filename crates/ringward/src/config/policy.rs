//! `[policy]`: what is done about which alerts, and who is never isolated.

mod build;

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Who is isolated, and who never is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// "observe": alerts isolate nobody; each host that they would have isolated is told, with what that would have cut
    /// off. "enforce": isolate.
    pub mode: Mode,
    /// How long a host stays isolated where neither its rule nor an operator says so: a number with s, m, h or d.
    pub lifetime: String,
    /// Hosts, networks and MAC addresses that are never isolated. Addresses of this machine, its gateways and DNS servers
    /// always are protected.
    pub protected: Vec<String>,
    /// Hosts that alerts may isolate within a minute; beyond that a brake withholds all such verdicts until things calm
    /// down.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_per_minute: u32,
    /// Hosts that may be isolated at once, whoever decided, for an alert to isolate another; beyond that the brake.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_isolated: u32,
    /// Percent of both limits that alerts may only use whose victim is proven to have taken part: its flow is established,
    /// or its packet comes from where it lives. The others never hold these back.
    #[schemars(range(max = 100))]
    pub proven_reserve: u8,
    /// How long a host is watched when its isolation is over.
    pub watch: String,
    /// Lifetimes of hosts that relapse while they are watched, in ascending order: the next that is longer than the last
    /// isolation was. Empty: as long as the first time.
    pub relapse: Vec<String>,
    /// Rules, one `[[policy.rule]]` table each, asked in order: the first that applies to an alert decides. An alert that
    /// none applies to is only told. If there are none, the one that docs/policy.md begins with.
    pub rule: Option<Vec<RuleConfig>>,
    /// Groups of hosts for rules, one `[[policy.group]]` table each.
    pub group: Vec<GroupConfig>,
    /// Hosts that others need.
    pub infrastructure: InfrastructureConfig,
}

/// Which hosts are taken for infrastructure, which alerts do not isolate unless a rule means it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InfrastructureConfig {
    /// Roles that spare a host which was seen in them; an empty list spares nobody.
    pub spare: Vec<Role>,
    /// Different clients that a host must have served for a role.
    #[schemars(range(min = 2, max = 64))]
    pub min_clients: u32,
    /// Hosts and networks that no role spares.
    pub not: Vec<String>,
}

impl Default for InfrastructureConfig {
    fn default() -> Self {
        use Role::{Dhcp, Dns, DomainController, Gateway, Mail, Nat, Proxy};
        InfrastructureConfig {
            spare: vec![Dns, Dhcp, DomainController, Proxy, Nat, Mail, Gateway],
            min_clients: 3,
            not: Vec::new(),
        }
    }
}

/// What a host does for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers DNS.
    Dns,
    /// Leases addresses, or relays.
    Dhcp,
    /// Answers Kerberos or LDAP.
    DomainController,
    /// Passes HTTP or SOCKS on.
    Proxy,
    /// Others speak from behind its address.
    Nat,
    /// Takes mail and sends it on.
    Mail,
    /// Carries packets of other networks.
    Gateway,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        PolicyConfig {
            mode: Mode::Observe,
            lifetime: "1h".into(),
            protected: Vec::new(),
            max_per_minute: 30,
            max_isolated: 500,
            proven_reserve: 50,
            watch: "1d".into(),
            relapse: ["1h", "4h", "1d"].map(Into::into).into(),
            rule: None,
            group: Vec::new(),
            infrastructure: InfrastructureConfig::default(),
        }
    }
}

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Isolate.
    Enforce,
    /// Only record.
    Observe,
}

/// A rule.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Its name, in events.
    pub name: String,
    /// What must be so for it to apply: all that is said, of each list one.
    #[serde(default)]
    pub when: WhenConfig,
    /// "isolate": isolate the victim. "observe": record that it would have been. "alert": nothing beyond the alert.
    pub then: Then,
    /// "both": the victim is cut off. "outbound": nothing from it passes. "peers": nothing passes between it and the other
    /// side of the alert.
    #[serde(default)]
    pub scope: Reach,
    /// How long the victim is isolated, as in "1h"; `policy.lifetime` if not said.
    pub lifetime: Option<String>,
    /// Whether it isolates hosts, too, that `policy.infrastructure` would spare. A rule with `when.role` does.
    #[serde(default)]
    pub infrastructure: bool,
}

/// Conditions of a rule.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WhenConfig {
    /// Who raised the alert: an indicator, a rule in Suricata's language, another detector.
    pub source: Option<Vec<Source>>,
    /// What was seen; "rule" and "rule_drop" are matches of rules with the action "alert", and "drop" or "reject".
    pub seen: Option<Vec<Seen>>,
    /// How severe the alert must at least be: 1 high, 2 medium, 3 low, 4 informational.
    #[schemars(range(min = 1, max = 4))]
    pub min_severity: Option<u8>,
    /// How severe it may be at most.
    #[schemars(range(min = 1, max = 4))]
    pub max_severity: Option<u8>,
    /// How sure it must be in percent: the indicator's list (100 if it says nothing), or the rule's author (`metadata:
    /// confidence`: High is 90, Medium 60, Low 30; not at all if he says nothing).
    #[schemars(range(max = 100))]
    pub min_confidence: Option<u8>,
    /// How sure it must be that the victim is the host in trouble, in percent. Indicators and detectors are (100); of rules
    /// it depends on what names the victim: `target` 95, `metadata: attack_target` 85, the header's `$HOME_NET` 75, the class
    /// 60, the direction of the flow alone 30.
    #[schemars(range(max = 100))]
    pub min_victim_confidence: Option<u8>,
    /// ATT&CK techniques, one of which it must name, as in "T1071.001", or in "T1071*" for all that begin so.
    pub technique: Option<Vec<String>>,
    /// ATT&CK tactics, by name or identifier, as in "Command and Control" or "TA0011".
    pub tactic: Option<Vec<String>>,
    /// Stages of the kill chain, as in "Actions on Objectives".
    pub stage: Option<Vec<String>>,
    /// Groups, one of which the victim must be in.
    pub group: Option<Vec<String>>,
    /// What the victim was seen doing for others, one of it.
    pub role: Option<Vec<Role>>,
    /// Signature identifiers.
    pub sid: Option<Vec<u32>>,
    /// What must prove that the victim took part, one or a list of which one is enough: "established", a completed TCP
    /// handshake or another answer, and "bound", MAC address and VLAN are those last seen with its address by ARP, neighbor
    /// discovery or DHCP. Without it an alert on one forged packet is enough.
    #[serde(deserialize_with = "one_or_many")]
    pub proof: Option<Vec<Evidence>>,
    /// So many such alerts about the victim within so long, as in { count = 3, within = "10m" }.
    pub repeat: Option<RepeatConfig>,
}

/// What proves that a victim took part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// A completed handshake, or another answer.
    Established,
    /// The MAC address and VLAN of its own.
    Bound,
}

/// A word, or a list of words.
fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Evidence>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    let words = match Words::deserialize(from)? {
        Words::One(word) => vec![word],
        Words::Many(words) => words,
    };
    let evidence = |word: &String| {
        let known = [Evidence::Established, Evidence::Bound];
        let found = known.into_iter().zip(["established", "bound"]).find(|(_, name)| name == word);
        let wrong =
            || D::Error::custom(format!("\"{word}\" is no proof; there are \"established\" and \"bound\""));
        found.map(|(evidence, _)| evidence).ok_or_else(wrong)
    };
    words.iter().map(evidence).collect::<Result<_, _>>().map(Some)
}

/// So many alerts within so long.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatConfig {
    /// How many.
    #[schemars(range(min = 2, max = 100))]
    pub count: u32,
    /// Within how long.
    pub within: String,
}

/// Hosts with a name.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// The name.
    pub name: String,
    /// Addresses and networks.
    pub nets: Vec<String>,
}

/// Who raised an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An indicator.
    Indicator,
    /// A rule.
    Rule,
    /// Another detector.
    Detector,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// A lookup of the name.
    Dns,
    /// An HTTP request to the host.
    Http,
    /// A TLS ClientHello for the name.
    Tls,
    /// A packet to the address.
    Ip,
    /// An HTTP request for the URL.
    Url,
    /// A transfer of the file.
    File,
    /// A TLS server with the certificate.
    Certificate,
    /// A program with the fingerprint (JA3, JA4, HASSH).
    Fingerprint,
    /// A client with the user agent.
    UserAgent,
    /// A mail or a login with the address.
    Email,
    /// A match of a rule with the action "alert".
    Rule,
    /// A match of a rule with the action "drop" or "reject".
    RuleDrop,
}

/// What is done about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Nothing more.
    Alert,
    /// Record.
    Observe,
    /// Isolate.
    Isolate,
}

/// How far a host is isolated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// From everybody.
    #[default]
    Both,
    /// It sends nothing.
    Outbound,
    /// From the alert's other side.
    Peers,
}
