//! How long a silent flow is kept.

use std::time::Duration;

use wire::{IpProto, Nanos};

use crate::record::FlowState;

/// Timeouts of one protocol, by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateTimeouts {
    /// Only one side has spoken.
    pub new: Duration,
    /// Both sides have spoken.
    pub established: Duration,
    /// TCP only: closed by FIN or RST.
    pub closed: Duration,
}

/// Timeouts of all protocols. The defaults are those that IDS operators are used to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connections.
    pub tcp: StateTimeouts,
    /// UDP exchanges.
    pub udp: StateTimeouts,
    /// ICMP and ICMPv6 exchanges.
    pub icmp: StateTimeouts,
    /// Everything else above IP.
    pub other: StateTimeouts,
}

impl Default for Timeouts {
    fn default() -> Self {
        let of = |new, established, closed| StateTimeouts {
            new: Duration::from_secs(new),
            established: Duration::from_secs(established),
            closed: Duration::from_secs(closed),
        };
        Timeouts { tcp: of(60, 600, 60), udp: of(30, 300, 0), icmp: of(30, 300, 0), other: of(30, 300, 0) }
    }
}

impl Timeouts {
    /// The timeout of a flow in its present state.
    #[must_use]
    pub fn of(&self, proto: IpProto, state: FlowState) -> Duration {
        let states = match proto {
            IpProto::TCP => &self.tcp,
            IpProto::UDP => &self.udp,
            IpProto::ICMP | IpProto::ICMPV6 => &self.icmp,
            _ => &self.other,
        };
        match state {
            FlowState::New => states.new,
            FlowState::Established => states.established,
            FlowState::Closed => states.closed,
        }
    }

    /// Until when a flow may be silent.
    pub(crate) fn deadline(&self, proto: IpProto, state: FlowState, last: Nanos) -> Nanos {
        last.after(self.of(proto, state))
    }
}

/// When a table is under pressure, and what it does then: unanswered and closed flows are given less time,
/// so that they are gone before an established one has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Percent of the capacity that live flows must reach.
    pub percent: u8,
    /// The timeouts of unanswered and closed flows are divided by this.
    pub divisor: u32,
}

impl Default for Pressure {
    fn default() -> Self {
        Pressure { percent: 90, divisor: 10 }
    }
}
