//! Who is who in an alert, beside the one host that policy acts on.

use core::net::IpAddr;

/// What the choice of an alert's victim rests on, from the surest to the weakest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// A detector or an indicator: it knows which side gave itself away.
    Detector,
    /// The rule's `target`.
    Target,
    /// The rule's `metadata: attack_target`.
    AttackTarget,
    /// The rule's direction against the home and the external network.
    Networks,
    /// The rule's class ("trojan-activity", "attempted-admin" ...).
    Class,
    /// The direction of the flow alone.
    Flow,
}

impl Basis {
    /// Every basis, the surest first.
    pub const ALL: [Basis; 6] =
        [Basis::Detector, Basis::Target, Basis::AttackTarget, Basis::Networks, Basis::Class, Basis::Flow];

    /// The name in events and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Basis::Detector => "detector",
            Basis::Target => "target",
            Basis::AttackTarget => "attack_target",
            Basis::Networks => "networks",
            Basis::Class => "class",
            Basis::Flow => "flow",
        }
    }

    /// How sure a victim is that was chosen so, in percent.
    #[must_use]
    pub fn confidence(self) -> u8 {
        match self {
            Basis::Detector => 100,
            Basis::Target => 95,
            Basis::AttackTarget => 85,
            Basis::Networks => 75,
            Basis::Class => 60,
            Basis::Flow => 30,
        }
    }
}

/// Accounts that one alert names; what comes after is left out.
pub const MAX_ACCOUNTS: usize = 8;

/// The hosts and accounts of an alert. One host may be several of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parties {
    /// Who acts: the attacker, or the implant that calls home.
    pub actor: Option<IpAddr>,
    /// Whom it is done to.
    pub target: Option<IpAddr>,
    /// The end that is not one of ours.
    pub outside: Option<IpAddr>,
    /// Accounts that are named in the traffic (Kerberos, NTLM, a log-in), as on the wire.
    pub accounts: Vec<String>,
}

impl Parties {
    /// Adds an account, once, if there is room.
    pub fn account(&mut self, name: &str) {
        if !name.is_empty()
            && self.accounts.len() < MAX_ACCOUNTS
            && !self.accounts.iter().any(|known| known == name)
        {
            self.accounts.push(name.to_owned());
        }
    }
}
