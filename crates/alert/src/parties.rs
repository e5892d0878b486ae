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
