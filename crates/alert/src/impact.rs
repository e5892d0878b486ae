//! What cutting a host off would mean for others.

use core::fmt;
use core::net::IpAddr;

use wire::Nanos;

use crate::sighting::Role;

/// A role that a host has, and what shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleSeen {
    /// The role.
    pub role: Role,
    /// How many different clients it has served.
    pub clients: u32,
    /// Whether there were more, who are not counted.
    pub more: bool,
    /// Since when.
    pub since: Nanos,
}

impl fmt::Display for RoleSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.more { " or more" } else { "" };
        let what = match self.role {
            Role::Gateway => "hosts seen behind it or led to it",
            Role::Nat => "hosts seen behind it",
            _ => "clients served",
        };
        write!(f, "{} ({}{more} {what})", self.role.about(), self.clients)
    }
}

/// Who talks to a host: what an isolation would cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impact {
    /// Answered flows of the host that began within the time.
    pub flows: u64,
    /// Different peers among those that are remembered.
    pub peers: u32,
    /// Whether there were more, who are not counted.
    pub more_peers: bool,
    /// Peers that called the host.
    pub clients: u32,
    /// The first peers, as the sensor met them.
    pub first_peers: Vec<IpAddr>,
    /// Ports that the host was seen serving on, as "53/udp".
    pub services: Vec<String>,
    /// What it does for others.
    pub roles: Vec<RoleSeen>,
    /// Since when flows were counted.
    pub since: Nanos,
}

/// Who passed a question on, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The host whose packet raised the alert.
    pub by: IpAddr,
    /// The host that had asked it.
    pub asked_by: IpAddr,
    /// When that was.
    pub asked: Nanos,
}
