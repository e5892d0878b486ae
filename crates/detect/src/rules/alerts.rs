//! From a rule that matched to an alert.

use alert::{Alert, Observation, Parties, Proof, RuleAction};
use wire::{Direction, Nanos};

use super::compiled::Compiled;
use super::context::PacketContext;
use super::matcher::{Hit, Matcher};

impl Matcher {
    /// The alert of a hit.
    #[must_use]
    pub fn alert(&self, hit: &Hit, cx: &PacketContext<'_>) -> Option<Alert> {
        let rule = self.set().rules.get(hit.rule as usize)?;
        let (source, destination) = cx.tuple.ends(hit.direction);
        let (victim, peer) = match rule.facts.target {
            Some(alert::Side::Source) => (Some(source.ip), destination.ip),
            Some(alert::Side::Destination) => (Some(destination.ip), source.ip),
            None => (None, cx.tuple.server.ip),
        };
        Some(Alert { direction: hit.direction, victim, peer: Some(peer), ..base(rule, cx.time) })
    }
}

/// What alerts of a rule have in common.
pub(super) fn base(rule: &Compiled, time: Nanos) -> Alert {
    Alert {
        time,
        arrival: None,
        raised: None,
        gid: rule.gid,
        sid: rule.sid,
        rev: rule.rev,
        signature: rule.msg.clone().into(),
        category: rule.category.clone().into(),
        severity: rule.severity,
        observation: match rule.facts.action {
            RuleAction::Alert => Observation::Rule,
            RuleAction::Drop | RuleAction::Reject => Observation::RuleDrop,
        },
        direction: Direction::ToServer,
        victim: None,
        basis: None,
        proof: Proof::default(),
        parties: Parties::default(),
        peer: None,
        hit: None,
        rule: Some(rule.facts.clone()),
        techniques: Vec::new(),
        checkin: None,
    }
}
