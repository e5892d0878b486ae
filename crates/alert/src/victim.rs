//! Whose host a rule's alert is about.
//!
//! Few authors say it with `target`. The others leave it to what they write of the attack: in `metadata: attack_target`, in
//! the variables of the header, in the class. These are asked in this order, and the first that names a host of ours
//! decides; an outsider is nobody's victim. What is left is the direction of the flow.

use core::net::IpAddr;

use crate::class::Role;
use crate::{Basis, Parties, RuleFacts, Side, Zone, class};

/// The ends of the packet that completed a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who sent it, and who receives it.
    pub ips: [IpAddr; 2],
    /// Which of these are ours.
    pub ours: [bool; 2],
    /// Whether the flow's client sent it.
    pub from_client: bool,
    /// Whether it matched the other way round than the header stands: `<>` takes both.
    pub turned: bool,
}

impl Ends {
    fn ip(&self, side: Side) -> IpAddr {
        let [source, destination] = self.ips;
        if side == Side::Source { source } else { destination }
    }

    fn is_ours(&self, side: Side) -> bool {
        let [source, destination] = self.ours;
        if side == Side::Source { source } else { destination }
    }

    /// The flow's client.
    fn client(&self) -> Side {
        if self.from_client { Side::Source } else { Side::Destination }
    }

    /// The end that the header calls home, if it is one and no more.
    fn home(&self, zones: [Zone; 2]) -> Option<Side> {
        let side = match zones.map(|zone| zone == Zone::Home) {
            [true, false] => Side::Source,
            [false, true] => Side::Destination,
            _ => return None,
        };
        Some(if self.turned { side.other() } else { side })
    }
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Side::Source => Side::Destination,
            Side::Destination => Side::Source,
        }
    }
}

/// Which machine `attack_target` names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Machine {
    Client,
    Server,
    /// One that may be either.
    Device,
}

/// The values that Emerging Threats and others use. `Client_and_Server` says that it can be either, so it says nothing.
fn machine(attack_target: &str) -> Option<Machine> {
    const CLIENTS: [&str; 5] = ["client", "client_endpoint", "mobile_client", "smb_client", "web_client"];
    const DEVICES: [&str; 7] =
        ["iot", "networking_equipment", "linux_unix", "mac", "windows", "ics", "virtual_machine"];
    let name = attack_target.trim();
    let one_of = |names: &[&str]| names.iter().any(|of| of.eq_ignore_ascii_case(name));
    // Web_Server, SMTP_Server, SQL_Server, DNS_Server, SMB_Server, FTP_Server ...
    let ends_in = |end: &str| name.len().checked_sub(end.len()).and_then(|at| name.get(at..));
    let server = ends_in("server").is_some_and(|end| end.eq_ignore_ascii_case("server"));
    if name.eq_ignore_ascii_case("client_and_server") {
        None
    } else if one_of(&CLIENTS) {
        Some(Machine::Client)
    } else if server {
        Some(Machine::Server)
    } else {
        one_of(&DEVICES).then_some(Machine::Device)
    }
}

/// The side that the author's `attack_target` is on. The header tells it best; "client" and "server" are kinds of machines
/// first, and roles in a flow only where nothing else is said.
fn attack_target(facts: &RuleFacts, ends: &Ends, role: Option<Role>) -> Option<Side> {
    let machine = facts.values("attack_target").find_map(machine)?;
    ends.home(facts.zones).or_else(|| match (role, machine) {
        (Some(Role::Attacked), _) => Some(Side::Destination),
        (Some(Role::Yielded), _) => Some(Side::Source),
        (_, Machine::Client) => Some(ends.client()),
        (_, Machine::Server) => Some(ends.client().other()),
        (Some(Role::Compromised), Machine::Device) => Some(ends.client()),
        (None, Machine::Device) => None,
    })
}

/// The side that a class is about.
fn by_class(role: Role, ends: &Ends) -> Side {
    match role {
        Role::Attacked => Side::Destination,
        Role::Yielded => Side::Source,
        // Of one that listens, the client is the operator.
        Role::Compromised if !ends.is_ours(ends.client()) => ends.client().other(),
        Role::Compromised => ends.client(),
    }
}

/// The victim of a rule's alert, what that rests on, and who is who.
#[must_use]
pub fn choose(facts: &RuleFacts, ends: &Ends) -> (Option<(IpAddr, Basis)>, Parties) {
    let role = class(&facts.class).and_then(|class| class.role);
    let client = ends.client();
    let asked = [
        (facts.target, Basis::Target),
        (attack_target(facts, ends, role), Basis::AttackTarget),
        (ends.home(facts.zones), Basis::Networks),
        (role.map(|role| by_class(role, ends)), Basis::Class),
        (Some(client), Basis::Flow),
        (Some(client.other()), Basis::Flow),
    ];
    let chosen =
        asked.into_iter().find_map(|(side, basis)| Some((side.filter(|&side| ends.is_ours(side))?, basis)));
    (
        chosen.map(|(side, basis)| (ends.ip(side), basis)),
        parties(facts, ends, role, chosen.map(|(side, _)| side)),
    )
}

/// Who acts and whom it is done to. Whoever is compromised acts where it speaks itself.
fn parties(facts: &RuleFacts, ends: &Ends, role: Option<Role>, victim: Option<Side>) -> Parties {
    let target = match (facts.target, role) {
        (Some(side), _) => side,
        (None, Some(Role::Attacked)) => Side::Destination,
        (None, Some(Role::Yielded)) => Side::Source,
        // A check-in is an implant's act towards its operator; what comes back is the operator's.
        (None, Some(Role::Compromised)) => Side::Destination,
        (None, None) => victim.unwrap_or(ends.client().other()),
    };
    let outside = [Side::Source, Side::Destination].into_iter().find(|&side| !ends.is_ours(side));
    Parties {
        actor: Some(ends.ip(target.other())),
        target: Some(ends.ip(target)),
        outside: outside.filter(|side| ends.is_ours(side.other())).map(|side| ends.ip(side)),
        accounts: Vec::new(),
    }
}

#[cfg(test)]
#[path = "victim_tests.rs"]
mod tests;
