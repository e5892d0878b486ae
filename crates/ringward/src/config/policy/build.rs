//! From `[policy]` to the policy that alerts are judged by.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use alert::{Observation, Severity, Stage, Tactic};
use ipnet::IpNet;
use verdict::{
    Group, Infrastructure, Limits, MAX_CLIENTS, MAX_LIMIT, MAX_REPEAT, Policy, Repeat, Techniques,
};
use wire::Target;

use super::{
    Evidence, GroupConfig, InfrastructureConfig, Mode, PolicyConfig, Reach, RepeatConfig, Role, RuleConfig,
    Seen, Source, Then, WhenConfig,
};
use crate::config::{ConfigError, Locator, lifetime, network};

/// What is wrong, and where: in which table of which list, if in one.
#[derive(Debug)]
pub struct Wrong {
    table: Option<(&'static str, usize)>,
    key: &'static str,
    what: String,
}

impl Wrong {
    fn of(key: &'static str) -> impl FnOnce(String) -> Wrong {
        move |what| Wrong { table: None, key, what }
    }

    /// With its place in the file.
    pub(in crate::config) fn at(&self, at: &Locator<'_>) -> ConfigError {
        match self.table {
            Some((table, index)) => at.error_in(table, index, self.key, &self.what),
            None => at.error(&format!("policy.{}", self.key), &self.what),
        }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "policy: {}: {}", self.key, self.what)
    }
}

impl PolicyConfig {
    /// As the verdict room has it. `remediation`: who must stay reachable from isolated hosts, and so is never isolated.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn policy(&self, remediation: &[IpNet]) -> Result<Policy, Wrong> {
        let groups = self.groups()?;
        let default = Policy::default();
        let rules = match &self.rule {
            None => default.rules,
            Some(rules) => {
                let rule = |(index, rule): (usize, &RuleConfig)| {
                    let named = rules.iter().take(index).any(|other| other.name == rule.name);
                    let wrong = |(key, what)| Wrong { table: Some(("policy.rule", index)), key, what };
                    if named || rule.name.is_empty() {
                        return Err(wrong((
                            "name",
                            format!("\"{}\": each rule needs a name of its own", rule.name),
                        )));
                    }
                    rule.rule(&groups).map_err(wrong)
                };
                rules.iter().enumerate().map(rule).collect::<Result<_, _>>()?
            }
        };
        let limit = |key, value: u32| match (1..=MAX_LIMIT).contains(&value) {
            true => Ok(value),
            false => Err(Wrong::of(key)(format!("must be 1 to {MAX_LIMIT}"))),
        };
        let mut policy = Policy {
            mode: match self.mode {
                Mode::Enforce => verdict::Mode::Enforce,
                Mode::Observe => verdict::Mode::Observe,
            },
            rules,
            lifetime: lifetime(&self.lifetime).map_err(Wrong::of("lifetime"))?,
            watch: lifetime(&self.watch).map_err(Wrong::of("watch"))?,
            relapse: self.relapse()?,
            limits: Limits {
                per_minute: limit("max_per_minute", self.max_per_minute)?,
                at_once: limit("max_isolated", self.max_isolated)?,
                reserve: self.reserve()?,
            },
            protected: default.protected,
            infrastructure: self.infrastructure.infrastructure()?,
        };
        for &net in remediation {
            policy.protected.add(net, "a remediation peer");
        }
        for text in &self.protected {
            let target = text.parse::<Target>().map_err(|_| {
                let what = format!(
                    "\"{text}\" is neither an address nor a network like 10.0.0.0/24 nor a MAC address"
                );
                Wrong::of("protected")(what)
            })?;
            policy.protected.add_target(target, "configured");
        }
        Ok(policy)
    }

    fn groups(&self) -> Result<Vec<Arc<Group>>, Wrong> {
        let mut names = BTreeSet::new();
        let group = |(index, group): (usize, &GroupConfig)| {
            let wrong = |key, what| Wrong { table: Some(("policy.group", index)), key, what };
            if group.name.is_empty() || !names.insert(group.name.clone()) {
                return Err(wrong("name", format!("\"{}\": each group needs a name of its own", group.name)));
            }
            let nets: Result<Vec<IpNet>, String> = group.nets.iter().map(|net| network(net)).collect();
            Ok(Arc::new(Group::new(&group.name, nets.map_err(|what| wrong("nets", what))?)))
        };
        self.group.iter().enumerate().map(group).collect()
    }

    fn reserve(&self) -> Result<u8, Wrong> {
        let reserve = Some(self.proven_reserve).filter(|&percent| percent <= 100);
        reserve.ok_or_else(|| Wrong::of("proven_reserve")("must be 0 to 100".into()))
    }

    fn relapse(&self) -> Result<Vec<Duration>, Wrong> {
        let wrong = Wrong::of("relapse");
        match self.relapse.iter().map(|step| lifetime(step)).collect::<Result<Vec<_>, _>>() {
            Ok(steps) if steps.is_sorted() => Ok(steps),
            Ok(_) => Err(wrong("must be in ascending order, as in [\"1h\", \"4h\", \"1d\"]".into())),
            Err(what) => Err(wrong(what)),
        }
    }
}

impl InfrastructureConfig {
    fn infrastructure(&self) -> Result<Infrastructure, Wrong> {
        if !(2..=MAX_CLIENTS as u32).contains(&self.min_clients) {
            return Err(Wrong::of("infrastructure.min_clients")(format!("must be 2 to {MAX_CLIENTS}")));
        }
        let mut infrastructure = Infrastructure::default();
        infrastructure.spare = self.spare.iter().map(|&of| role(of)).collect();
        infrastructure.min_clients = self.min_clients;
        for net in &self.not {
            infrastructure.add_exception(network(net).map_err(Wrong::of("infrastructure.not"))?);
        }
        Ok(infrastructure)
    }
}

/// A key and what is wrong with it.
type Fault = (&'static str, String);

impl RuleConfig {
    fn rule(&self, groups: &[Arc<Group>]) -> Result<verdict::Rule, Fault> {
        let own = self.lifetime.as_deref().map(lifetime).transpose();
        Ok(verdict::Rule {
            name: self.name.as_str().into(),
            when: self.when.when(groups)?,
            then: match self.then {
                Then::Alert => verdict::Then::Alert,
                Then::Observe => verdict::Then::Observe,
                Then::Isolate => verdict::Then::Isolate,
            },
            reach: match self.scope {
                Reach::Both => verdict::Reach::Both,
                Reach::Outbound => verdict::Reach::Outbound,
                Reach::Peers => verdict::Reach::Peers,
            },
            lifetime: own.map_err(|what| ("lifetime", what))?,
            infrastructure: self.infrastructure,
        })
    }
}

impl WhenConfig {
    fn when(&self, groups: &[Arc<Group>]) -> Result<verdict::When, Fault> {
        let tactic = |text: &String| {
            let names = || Tactic::ALL.map(Tactic::name).join(", ");
            Tactic::named(text).ok_or_else(|| format!("\"{text}\" is no tactic; there are {}", names()))
        };
        let stage = |text: &String| {
            let names = || Stage::ALL.map(Stage::name).join(", ");
            Stage::named(text).ok_or_else(|| format!("\"{text}\" is no stage; there are {}", names()))
        };
        let group = |name: &String| {
            let known = groups.iter().find(|group| *group.name == **name).cloned();
            known.ok_or_else(|| format!("there is no [[policy.group]] \"{name}\""))
        };
        if self.min_confidence.is_some_and(|percent| percent > 100) {
            return Err(("when.min_confidence", "must be 0 to 100".into()));
        }
        if self.min_victim_confidence.is_some_and(|percent| percent > 100) {
            return Err(("when.min_victim_confidence", "must be 0 to 100".into()));
        }
        Ok(verdict::When {
            source: list("when.source", &self.source, |&of| Ok(source(of)))?,
            seen: list("when.seen", &self.seen, |&seen| Ok(observation(seen)))?,
            min_severity: self.min_severity.map(|n| severity("when.min_severity", n)).transpose()?,
            max_severity: self.max_severity.map(|n| severity("when.max_severity", n)).transpose()?,
            min_confidence: self.min_confidence,
            min_victim_confidence: self.min_victim_confidence,
            technique: list("when.technique", &self.technique, |text| Techniques::parse(text))?,
            tactic: list("when.tactic", &self.tactic, tactic)?,
            stage: list("when.stage", &self.stage, stage)?,
            group: list("when.group", &self.group, group)?,
            role: list("when.role", &self.role, |&of| Ok(role(of)))?,
            sid: list("when.sid", &self.sid, |&sid| Ok(sid))?,
            proof: list("when.proof", &self.proof, |&of| Ok(evidence(of)))?,
            repeat: self.repeat.as_ref().map(RepeatConfig::repeat).transpose()?,
        })
    }
}

impl RepeatConfig {
    fn repeat(&self) -> Result<Repeat, Fault> {
        if !(2..=MAX_REPEAT).contains(&self.count) {
            return Err(("when.repeat.count", format!("must be 2 to {MAX_REPEAT}")));
        }
        let within = lifetime(&self.within).map_err(|what| ("when.repeat.within", what))?;
        Ok(Repeat { count: self.count, within })
    }
}

/// A condition that is a list. An empty one would apply to nothing, or, taken as not said, to everything.
fn list<T, U>(
    key: &'static str,
    values: &Option<Vec<T>>,
    read: impl Fn(&T) -> Result<U, String>,
) -> Result<Vec<U>, Fault> {
    match values.as_deref() {
        None => Ok(Vec::new()),
        Some([]) => {
            Err((key, "an empty list applies to nothing; leave the key out, or name something".into()))
        }
        Some(values) => values.iter().map(read).collect::<Result<_, _>>().map_err(|what| (key, what)),
    }
}

fn severity(key: &'static str, number: u8) -> Result<Severity, Fault> {
    match number {
        1 => Ok(Severity::High),
        2 => Ok(Severity::Medium),
        3 => Ok(Severity::Low),
        4 => Ok(Severity::Informational),
        _ => Err((key, "must be 1 (high) to 4 (informational)".into())),
    }
}

fn role(role: Role) -> alert::Role {
    match role {
        Role::Dns => alert::Role::Dns,
        Role::Dhcp => alert::Role::Dhcp,
        Role::DomainController => alert::Role::DomainController,
        Role::Proxy => alert::Role::Proxy,
        Role::Nat => alert::Role::Nat,
        Role::Mail => alert::Role::Mail,
        Role::Gateway => alert::Role::Gateway,
    }
}

fn source(source: Source) -> verdict::Source {
    match source {
        Source::Indicator => verdict::Source::Indicator,
        Source::Rule => verdict::Source::Rule,
        Source::Detector => verdict::Source::Detector,
    }
}

fn evidence(of: Evidence) -> verdict::Evidence {
    match of {
        Evidence::Established => verdict::Evidence::Established,
        Evidence::Bound => verdict::Evidence::Bound,
    }
}

fn observation(seen: Seen) -> Observation {
    match seen {
        Seen::Dns => Observation::Dns,
        Seen::Http => Observation::Http,
        Seen::Tls => Observation::Tls,
        Seen::Ip => Observation::Ip,
        Seen::Url => Observation::Url,
        Seen::File => Observation::File,
        Seen::Certificate => Observation::Certificate,
        Seen::Fingerprint => Observation::Fingerprint,
        Seen::UserAgent => Observation::UserAgent,
        Seen::Email => Observation::Email,
        Seen::Rule => Observation::Rule,
        Seen::RuleDrop => Observation::RuleDrop,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
