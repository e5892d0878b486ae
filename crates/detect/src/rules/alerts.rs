//! From a rule that matched to an alert.

use alert::{Alert, Ends, Observation, Parties, Proof, RuleAction, choose};
use wire::{Direction, IpProto, Nanos};

use super::compiled::Compiled;
use super::context::PacketContext;
use super::matcher::{Hit, Matcher};
use crate::Home;

impl Matcher {
    /// The alert of a hit. Ours are the hosts of the home networks and those of `HOME_NET`.
    #[must_use]
    pub fn alert(&self, hit: &Hit, cx: &PacketContext<'_>, home: &Home) -> Option<Alert> {
        let rule = self.set().rules.get(hit.rule as usize)?;
        let (source, destination) = cx.tuple.ends(hit.direction);
        let header = self.set().headers.get(rule.header as usize)?;
        let ports = matches!(cx.tuple.proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP);
        let ends = Ends {
            ips: [source.ip, destination.ip],
            ours: [source.ip, destination.ip].map(|ip| home.has(ip) || self.set().is_ours(ip)),
            from_client: hit.direction == Direction::ToServer,
            turned: header.is_turned(source, destination, ports),
        };
        let (chosen, parties) = choose(&rule.facts, &ends);
        let peer = match chosen {
            Some((victim, _)) if victim == source.ip => destination.ip,
            Some(_) => source.ip,
            None => cx.tuple.server.ip,
        };
        Some(Alert {
            direction: hit.direction,
            victim: chosen.map(|(victim, _)| victim),
            basis: chosen.map(|(_, basis)| basis),
            parties,
            peer: Some(peer),
            ..base(rule, cx.time)
        })
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
