//! What the operator wants done about which alerts.

use std::sync::Arc;
use std::time::Duration;

use alert::{Alert, RoleSeen};

use crate::brake::Limits;
use crate::network::Infrastructure;
use crate::protected::Protected;
use crate::repeats::Repeats;
use crate::rule::{Reach, Rule};

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Isolate.
    Enforce,
    /// Record what would have been done.
    #[default]
    Observe,
}

impl Mode {
    /// The name in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Mode::Enforce => "enforce",
            Mode::Observe => "observe",
        }
    }
}

/// The isolation policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether verdicts are enforced.
    pub mode: Mode,
    /// Asked in this order; the first that applies decides. An alert that none applies to is only told.
    pub rules: Vec<Rule>,
    /// How long an isolation lasts, where neither its rule nor the operator says so.
    pub lifetime: Duration,
    /// How long a host is watched when its isolation is over.
    pub watch: Duration,
    /// Lifetimes of hosts that relapse while they are watched, in ascending order: the next one that is longer than the
    /// last isolation was, at most the last.
    pub relapse: Vec<Duration>,
    /// How many hosts alerts may isolate.
    pub limits: Limits,
    /// Who is never isolated.
    pub protected: Protected,
    /// Who is not isolated by alerts because others need it.
    pub infrastructure: Infrastructure,
}

impl Default for Policy {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Policy {
            mode: Mode::default(),
            rules: vec![Rule::command_and_control()],
            lifetime: hours(1),
            watch: hours(24),
            relapse: vec![hours(1), hours(4), hours(24)],
            limits: Limits { per_minute: 30, at_once: 500, reserve: 50 },
            protected: Protected::default(),
            infrastructure: Infrastructure::default(),
        }
    }
}

impl Policy {
    /// The first rule that applies to an alert whose victim has these roles. Rules that count alerts, and are asked,
    /// count it.
    pub(crate) fn rule(&self, alert: &Alert, roles: &[RoleSeen], repeats: &mut Repeats) -> Option<&Rule> {
        let victim = alert.victim?;
        let mut rules = self.rules.iter().enumerate();
        let (_, rule) = rules.find(|(number, rule)| {
            // Without a peer there is nobody to isolate the victim from.
            (rule.reach != Reach::Peers || alert.peer.is_some())
                && rule.when.applies(alert, victim)
                && rule.when.has_role(roles)
                && rule.when.repeat.is_none_or(|wanted| repeats.reached(*number, victim, alert.time, wanted))
        })?;
        Some(rule)
    }

    /// The rule that would decide over an alert that has the proof which it lacks.
    pub(crate) fn rule_if_proven(&self, alert: &Alert, roles: &[RoleSeen]) -> Option<&Rule> {
        let victim = alert.victim?;
        let suits = |rule: &&Rule| {
            (rule.reach != Reach::Peers || alert.peer.is_some())
                && rule.when.suits(alert, victim)
                && rule.when.has_role(roles)
        };
        self.rules.iter().find(suits).filter(|rule| !rule.when.is_proven(alert))
    }

    /// How long a host is isolated that was isolated for `before` when it was released last.
    pub(crate) fn lifetime_after(&self, before: Duration, wanted: Duration) -> Duration {
        let step = self.relapse.iter().find(|&&step| step > before).or(self.relapse.last());
        step.map_or(wanted, |&step| step.max(wanted))
    }

    /// A rule's lifetime.
    pub(crate) fn lifetime_of(&self, rule: &Rule) -> Duration {
        rule.lifetime.unwrap_or(self.lifetime)
    }
}

/// The policy's rule that led to a verdict.
pub type RuleName = Arc<str>;
