//! Alerts that lack nothing but proof that their victims took part.

use alert::Alert;
use wire::Target;

use super::{By, Held, Judge, Verdict, Withheld, asked};
use crate::rule::Then;

impl Judge {
    /// Whether the policy would isolate an alert's victim, or say that it would have been, if the alert had more proof.
    #[must_use]
    pub fn awaits_proof(&self, alert: &Alert) -> bool {
        let roles = self.roles_of(alert.victim, alert.time);
        self.policy.rule_if_proven(alert, &roles).is_some_and(|rule| rule.then != Then::Alert)
    }

    /// An alert's proof has not come: it is said once per lifetime that its victim is spared. Nothing is said of those
    /// who are isolated anyway, or who would be spared with all proof of the world.
    pub fn unproven(&mut self, alert: &Alert) -> Verdict {
        let now = alert.time;
        let roles = self.roles_of(alert.victim, now);
        let (Some(victim), Some(rule)) = (alert.victim, self.policy.rule_if_proven(alert, &roles)) else {
            return Verdict::Nothing;
        };
        if !rule.means_infrastructure() && self.policy.infrastructure.sparing(victim, &roles).next().is_some()
        {
            return Verdict::Nothing;
        }
        let (target, scope, name) = (Target::host(victim), asked(rule, alert), rule.name.clone());
        let lifetime = self.policy.lifetime_of(rule);
        let runs = self.isolated.get(target).is_some_and(|(until, _)| until > now);
        if runs || self.spares(target, &scope).is_some() {
            return Verdict::Nothing;
        }
        let held = Held { by: By::Policy, scope, lifetime, relapse: 0, since: now };
        self.withhold(target, held, name, Withheld::Unproven(alert.proof), now)
    }
}
