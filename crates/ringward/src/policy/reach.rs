//! Which rules of a policy can ever apply, over the rules and indicators that are loaded.
//!
//! A policy rule asks for several things at once. What is told here is which of them nothing that is loaded can give, each
//! taken for itself, with the numbers.

use std::sync::Arc;

use alert::{Observation, RuleAction, RuleFacts, Severity, Zone, class};
use detect::rules::RuleSet;
use verdict::{Policy, Rule, Source, Then};

use crate::Failure;
use crate::config::Config;
use crate::matching::{self, Added};

/// What the configuration loads.
#[derive(Debug, Default)]
pub struct Loaded {
    rules: Arc<RuleSet>,
    indicators: u64,
}

impl Loaded {
    /// Reads the rules and lists that a configuration names.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read(config: &Config) -> Result<Self, Failure> {
        let loaded = matching::load(config, &Added::default(), false)?;
        loaded.told.iter().for_each(|line| errln!("{line}"));
        let snapshot = loaded.snapshot;
        Ok(Loaded { indicators: snapshot.indicators.len() as u64, rules: snapshot.rules })
    }
}

/// What is asked of a rule in Suricata's language, for itself.
type Asked<'a> = (String, Box<dyn Fn(u32, Severity, &RuleFacts) -> bool + 'a>);

/// What there is to say about a policy, a line each.
pub fn warnings(policy: &Policy, loaded: &Loaded) -> Vec<String> {
    policy.rules.iter().flat_map(|rule| of_rule(rule, loaded)).collect()
}

fn of_rule(rule: &Rule, loaded: &Loaded) -> Vec<String> {
    let when = &rule.when;
    let wants = |source: Source| when.source.is_empty() || when.source.contains(&source);
    let by_rules = [Observation::Rule, Observation::RuleDrop];
    let sees = |of_rules: bool| {
        when.seen.is_empty() || when.seen.iter().any(|seen| by_rules.contains(seen) == of_rules)
    };
    let rules = wants(Source::Rule) && sees(true);
    let indicators = wants(Source::Indicator) && sees(false);
    if wants(Source::Detector) && sees(false) || indicators && loaded.indicators > 0 {
        return Vec::new();
    }
    let name = &rule.name;
    match (rules, indicators) {
        (false, true) => {
            return vec![format!(
                "policy rule \"{name}\" asks for indicators, and none is loaded (intel.files, intel.feeds)"
            )];
        }
        (false, false) => {
            return vec![format!(
                "policy rule \"{name}\" can never apply: nothing of its `source` is `seen` so"
            )];
        }
        (true, _) if loaded.rules.is_empty() => {
            return vec![format!(
                "policy rule \"{name}\" asks for alerts of rules, and none is loaded (rules.files)"
            )];
        }
        (true, _) => {}
    }
    let asked = asked(rule);
    let all = grouped(loaded.rules.facts().count() as u64);
    let count = |fits: &dyn Fn(u32, Severity, &RuleFacts) -> bool| {
        loaded.rules.facts().filter(|&(sid, severity, facts)| fits(sid, severity, facts)).count() as u64
    };
    let fitting = count(&|sid, severity, facts| asked.iter().all(|(_, fits)| fits(sid, severity, facts)));
    let mut lines = Vec::new();
    if fitting == 0 {
        let none: Vec<&str> =
            asked.iter().filter(|(_, fits)| count(fits) == 0).map(|(what, _)| what.as_str()).collect();
        let why = if none.is_empty() {
            let each = asked.iter().map(|(what, fits)| format!("{} {what}", grouped(count(fits))));
            format!("no rule is all of it: {}", each.collect::<Vec<_>>().join(", "))
        } else {
            format!("none {}", none.join(", none "))
        };
        lines.push(format!("policy rule \"{name}\" applies to 0 of {all} loaded rules: {why}"));
    } else if rule.then != Then::Alert && when.source == [Source::Rule] {
        let bases = count(&|sid, severity, facts| {
            asked.iter().all(|(_, fits)| fits(sid, severity, facts)) && surest(facts) > 30
        });
        if bases < fitting {
            lines.push(format!(
                "policy rule \"{name}\" applies to {} of {all} loaded rules; {} of them name a victim by nothing but the direction of the flow",
                grouped(fitting),
                grouped(fitting - bases)
            ));
        }
    }
    if fitting == 0 && when.min_victim_confidence.is_some() {
        let of = |least| grouped(count(&|_, _, facts| surest(facts) >= least));
        lines.push(format!(
            "of {all} loaded rules {} name a victim by target, {} also count those by attack_target, {} those by $HOME_NET in the header, {} those by class",
            of(95), of(85), of(75), of(60)
        ));
    }
    lines
}

/// How sure a rule's victim can be at best, in percent.
fn surest(facts: &RuleFacts) -> u8 {
    use alert::Basis;
    let homes = facts.zones.iter().filter(|&&zone| zone == Zone::Home).count();
    let basis = if facts.target.is_some() {
        Basis::Target
    } else if facts.values("attack_target").any(|of| !of.eq_ignore_ascii_case("client_and_server")) {
        Basis::AttackTarget
    } else if homes == 1 {
        Basis::Networks
    } else if class(&facts.class).is_some_and(|class| class.role.is_some()) {
        Basis::Class
    } else {
        Basis::Flow
    };
    basis.confidence()
}

/// The conditions of a policy rule that a rule in Suricata's language can meet or not, whatever the traffic.
fn asked(rule: &Rule) -> Vec<Asked<'_>> {
    let when = &rule.when;
    let mut asked: Vec<Asked<'_>> = Vec::new();
    let of_both = when.seen.contains(&Observation::Rule) && when.seen.contains(&Observation::RuleDrop);
    if !(when.seen.is_empty() || of_both) {
        let drops = when.seen.contains(&Observation::RuleDrop);
        let what = if drops { "has action drop or reject" } else { "has action alert" };
        asked.push((what.into(), Box::new(move |_, _, facts| (facts.action != RuleAction::Alert) == drops)));
    }
    if let Some(least) = when.min_severity {
        let what = format!("is of severity {} or worse", least as u8);
        asked.push((what, Box::new(move |_, severity, _| severity <= least)));
    }
    if let Some(most) = when.max_severity {
        let what = format!("is of severity {} or milder", most as u8);
        asked.push((what, Box::new(move |_, severity, _| severity >= most)));
    }
    if let Some(least) = when.min_confidence {
        let what = format!("has metadata: confidence of {least} % or more");
        asked.push((what, Box::new(move |_, _, facts| facts.confidence().is_some_and(|sure| sure >= least))));
    }
    if let Some(least) = when.min_victim_confidence {
        let what = format!("names a victim with {least} % or more");
        asked.push((what, Box::new(move |_, _, facts| surest(facts) >= least)));
    }
    if !when.sid.is_empty() {
        asked.push(("has one of its sids".into(), Box::new(|sid, _, _| when.sid.contains(&sid))));
    }
    if !when.technique.is_empty() {
        let what = "has one of its techniques, by author or class".into();
        asked.push((
            what,
            Box::new(|_, _, facts| {
                when.technique.iter().any(|wanted| facts.technique_ids().any(|id| wanted.has(id)))
            }),
        ));
    }
    if !when.tactic.is_empty() {
        let what = "has one of its tactics, by author or class".into();
        asked.push((
            what,
            Box::new(|_, _, facts| facts.tactics().any(|tactic| when.tactic.contains(&tactic))),
        ));
    }
    if !when.stage.is_empty() {
        let what = "has one of its stages, by author or class".into();
        asked.push((
            what,
            Box::new(|_, _, facts| facts.tactics().any(|tactic| when.stage.contains(&tactic.stage()))),
        ));
    }
    asked
}

/// "31,994".
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
