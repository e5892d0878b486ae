//! A rule of the policy: which alerts it is about, and what is done about them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use alert::{Alert, Binding, Observation, Orientation, Role, RoleSeen, Severity, Stage, Tactic};
use ipnet::IpNet;

use crate::nets::Nets;
use crate::repeats::Repeat;

/// Who raised an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An indicator matched.
    Indicator,
    /// A rule in Suricata's language matched.
    Rule,
    /// A detector spoke without either.
    Detector,
}

impl Source {
    /// That of an alert.
    #[must_use]
    pub fn of(alert: &Alert) -> Self {
        match (&alert.hit, &alert.rule) {
            (Some(_), _) => Source::Indicator,
            (None, Some(_)) => Source::Rule,
            (None, None) => Source::Detector,
        }
    }

    /// The name in events and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Source::Indicator => "indicator",
            Source::Rule => "rule",
            Source::Detector => "detector",
        }
    }
}

/// Techniques by their identifier: one ("T1071"), or all that begin so ("T1071*").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Techniques {
    text: Arc<str>,
    begins: bool,
}

impl Techniques {
    /// Reads "T1071", "T1071.001", "T1071*", "T10*", "*".
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (id, begins) = text.strip_suffix('*').map_or((text, false), |id| (id, true));
        let id = id.to_ascii_uppercase();
        // What `id` has, against the form Tdddd.ddd.
        let form = id.len() <= 9
            && id.bytes().enumerate().all(|(i, b)| match i {
                0 => b == b'T',
                5 => b == b'.',
                _ => b.is_ascii_digit(),
            });
        if !form || !begins && ![5, 9].contains(&id.len()) {
            return Err(format!("\"{text}\" is no technique like \"T1071\", \"T1071.001\" or \"T1071*\""));
        }
        Ok(Techniques { text: id.into(), begins })
    }

    /// Whether a technique is one of these.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        let head = id.get(..self.text.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(&self.text))
            && (self.begins || id.len() == self.text.len())
    }
}

impl fmt::Display for Techniques {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.begins { "*" } else { "" })
    }
}

/// Hosts with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name.
    pub name: Arc<str>,
    nets: Nets<()>,
}

impl Group {
    /// The hosts of these networks.
    pub fn new(name: &str, nets: impl IntoIterator<Item = IpNet>) -> Self {
        let mut all = Nets::default();
        nets.into_iter().for_each(|net| all.add(net, ()));
        Group { name: name.into(), nets: all }
    }

    /// Whether a host is one of them.
    #[must_use]
    pub fn has(&self, host: IpAddr) -> bool {
        self.nets.get(host).is_some()
    }
}

/// What proves that a victim took part in the traffic that an alert is about. Nothing does while it is a guess who called
/// whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A completed TCP handshake; or another answer, unless the victim's packets come from where it does not live: one
    /// who forges a datagram gets its answer, too.
    Established,
    /// Its packets come from where it lives.
    Bound,
}

impl Evidence {
    /// The name in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Established => "established",
            Evidence::Bound => "bound",
        }
    }

    /// Whether an alert has it.
    fn is_in(self, alert: &Alert) -> bool {
        let proof = alert.proof;
        let by_handshake = proof.orientation == Orientation::Handshake;
        proof.orientation > Orientation::Guessed
            && match self {
                Evidence::Established => {
                    proof.established && (by_handshake || proof.binding != Binding::Differs)
                }
                Evidence::Bound => proof.binding == Binding::Matches,
            }
    }
}

/// What must be so for a rule to apply: all that is said, of each list one. What is not said is as it likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Who raised the alert.
    pub source: Vec<Source>,
    /// What was seen.
    pub seen: Vec<Observation>,
    /// At least so severe.
    pub min_severity: Option<Severity>,
    /// At most so severe.
    pub max_severity: Option<Severity>,
    /// At least so sure, in percent ([`Alert::confidence`]); who does not say how sure he is, is not.
    pub min_confidence: Option<u8>,
    /// The victim is at least so sure, in percent ([`Alert::victim_confidence`]).
    pub min_victim_confidence: Option<u8>,
    /// A technique that the alert names.
    pub technique: Vec<Techniques>,
    /// A tactic that it shows.
    pub tactic: Vec<Tactic>,
    /// A stage of the kill chain that one of its tactics belongs to.
    pub stage: Vec<Stage>,
    /// The victim is one of these.
    pub group: Vec<Arc<Group>>,
    /// The victim was seen doing one of these for others.
    pub role: Vec<Role>,
    /// Signature identifiers.
    pub sid: Vec<u32>,
    /// What proves that the victim took part.
    pub proof: Vec<Evidence>,
    /// So many such alerts about the same victim; counted last.
    pub repeat: Option<Repeat>,
}

impl When {
    /// Whether all is so but the number of alerts. Severity 1 is worse than 2.
    pub(crate) fn applies(&self, alert: &Alert, victim: IpAddr) -> bool {
        self.suits(alert, victim) && self.is_proven(alert)
    }

    /// Whether the alert has the proof that is asked for.
    pub(crate) fn is_proven(&self, alert: &Alert) -> bool {
        any(&self.proof, |evidence| evidence.is_in(alert))
    }

    /// Whether all is so but the number of alerts and the proof.
    pub(crate) fn suits(&self, alert: &Alert, victim: IpAddr) -> bool {
        any(&self.source, |&source| source == Source::of(alert))
            && any(&self.seen, |&seen| seen == alert.observation)
            && self.min_severity.is_none_or(|least| alert.severity <= least)
            && self.max_severity.is_none_or(|most| alert.severity >= most)
            && self.min_confidence.is_none_or(|least| alert.confidence().is_some_and(|sure| sure >= least))
            && self
                .min_victim_confidence
                .is_none_or(|least| alert.victim_confidence().is_some_and(|sure| sure >= least))
            && any(&self.sid, |&sid| sid == alert.sid)
            && any(&self.technique, |wanted| alert.technique_ids().any(|id| wanted.has(id)))
            && any(&self.tactic, |&wanted| alert.tactics().any(|tactic| tactic == wanted))
            && any(&self.stage, |&wanted| alert.tactics().any(|tactic| tactic.stage() == wanted))
            && any(&self.group, |group| group.has(victim))
    }

    /// Whether the victim's roles are among those wanted.
    pub(crate) fn has_role(&self, roles: &[RoleSeen]) -> bool {
        any(&self.role, |&wanted| roles.iter().any(|seen| seen.role == wanted))
    }
}

fn any<T>(wanted: &[T], is: impl Fn(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(is)
}

/// What is done about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is told, and nothing else.
    Alert,
    /// It is told, and that its victim would have been isolated.
    Observe,
    /// Its victim is isolated.
    Isolate,
}

impl Then {
    /// The name in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Then::Alert => "alert",
            Then::Observe => "observe",
            Then::Isolate => "isolate",
        }
    }
}

/// How far the victim is isolated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// From everybody, both ways.
    #[default]
    Both,
    /// It sends to nobody.
    Outbound,
    /// From the alert's peer, both ways.
    Peers,
}

impl Reach {
    /// The name in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reach::Both => "both",
            Reach::Outbound => "outbound",
            Reach::Peers => "peers",
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, in events.
    pub name: Arc<str>,
    /// Which alerts it is about.
    pub when: When,
    /// What is done about them.
    pub then: Then,
    /// How far the victim is isolated.
    pub reach: Reach,
    /// For how long; the policy's lifetime if not said.
    pub lifetime: Option<Duration>,
    /// Whether hosts that others need are isolated, too. A rule that asks for a role means them.
    pub infrastructure: bool,
}

impl Rule {
    /// Whether it isolates hosts that others need.
    pub(crate) fn means_infrastructure(&self) -> bool {
        self.infrastructure || !self.when.role.is_empty()
    }

    /// What applies if no rule is configured: indicators of command and control, of which their lists are sure
    /// (70 % or more, or nothing said), as severe as can be, if it is proven that the victim took part.
    #[must_use]
    pub fn command_and_control() -> Self {
        Rule {
            name: "c2-indicators".into(),
            when: When {
                source: vec![Source::Indicator],
                seen: vec![
                    Observation::Dns,
                    Observation::Http,
                    Observation::Tls,
                    Observation::Ip,
                    Observation::Url,
                    Observation::Certificate,
                ],
                min_severity: Some(Severity::High),
                min_confidence: Some(70),
                tactic: vec![Tactic::CommandAndControl],
                proof: vec![Evidence::Established, Evidence::Bound],
                ..When::default()
            },
            then: Then::Isolate,
            reach: Reach::Both,
            lifetime: None,
            infrastructure: false,
        }
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
