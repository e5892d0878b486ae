//! What the judge says: isolate, or why not.

use std::fmt;

use alert::{Binding, Proof, RoleSeen};
use wire::{Nanos, Scope, Target};

use crate::brake::Limit;
use crate::policy::RuleName;

/// What is to be done about a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the policy does not ask for it, the victim is unknown, or it is isolated already.
    Nothing,
    /// Isolate the host.
    Isolate {
        /// Whom.
        target: Target,
        /// How far.
        scope: Scope,
        /// Until when (wall clock).
        until: Nanos,
        /// How often it relapsed while it was watched.
        relapse: u32,
        /// The policy's rule, if an alert led to it.
        rule: Option<RuleName>,
    },
    /// The policy, or an operator, asks for isolation, but the host is spared.
    Withhold {
        /// Whom.
        target: Target,
        /// How far it would have been isolated.
        scope: Scope,
        /// Until when it would have been, if that is the only reason why it is not.
        until: Option<Nanos>,
        /// How often it would have relapsed while it was watched.
        relapse: u32,
        /// The policy's rule, if an alert led to it.
        rule: Option<RuleName>,
        /// Why it is spared.
        why: Withheld,
    },
}

/// Why a host was spared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It is protected; the text says by what.
    Protected(String),
    /// The policy's mode is "observe".
    ObserveMode,
    /// The policy's rule only observes.
    ObserveRule,
    /// Others need it: what it was seen doing for them.
    Infrastructure(Vec<RoleSeen>),
    /// Too many hosts would be isolated.
    Brake(Limit),
    /// It is not proven that it took part.
    Unproven(Proof),
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Withheld::Protected(why) => f.write_str(why),
            Withheld::ObserveMode => f.write_str("policy mode is \"observe\""),
            Withheld::ObserveRule => f.write_str("the policy's rule says \"observe\""),
            Withheld::Infrastructure(roles) => {
                f.write_str("infrastructure: others need this host, which is a ")?;
                for (number, seen) in roles.iter().enumerate() {
                    write!(f, "{}{seen}", if number > 0 { " and a " } else { "" })?;
                }
                f.write_str(
                    "; to isolate it, name it in policy.infrastructure.not, or write a rule with \
                     `infrastructure = true`",
                )
            }
            Withheld::Brake(limit) => write!(f, "brake: {limit}"),
            Withheld::Unproven(proof) => f.write_str(match proof.binding {
                Binding::Differs => {
                    "not proven that it took part: the packets come from another MAC address or VLAN than its own"
                }
                _ if proof.established => {
                    "not proven that it took part: the proof that the policy asks for is missing"
                }
                _ => "not proven that it took part: nobody answered, and its MAC address is not known",
            }),
        }
    }
}

/// What the judge counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Verdicts withheld because the host is protected.
    pub withheld_protected: u64,
    /// Verdicts withheld because mode or rule only observe.
    pub withheld_observe: u64,
    /// Verdicts withheld because others need the host.
    pub withheld_infrastructure: u64,
    /// Verdicts withheld for want of proof.
    pub withheld_proof: u64,
    /// Verdicts withheld by the brake.
    pub withheld_brake: u64,
    /// Those among them about victims that were not proven.
    pub withheld_unproven: u64,
    /// Times the brake tripped.
    pub brakes: u64,
    /// 1 while it is on.
    pub brake_on: u64,
    /// Hosts that had to be isolated again while they were watched.
    pub relapses: u64,
    /// Counts of alerts given up ([`MAX_COUNTED`](crate::MAX_COUNTED)).
    pub repeats_forgotten: u64,
}
