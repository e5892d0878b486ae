//! How long a silent flow is kept.

use std::time::Duration;

use wire::IpProto;

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

/// Flows that share a timeout; their list in order of last packet is also in order of expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    pub(crate) const COUNT: usize = 12;

    pub(crate) fn of(proto: IpProto, state: FlowState) -> Self {
        let row = match proto {
            IpProto::TCP => 0,
            IpProto::UDP => 1,
            IpProto::ICMP | IpProto::ICMPV6 => 2,
            _ => 3,
        };
        let column = match state {
            FlowState::New => 0,
            FlowState::Closed => 1,
            FlowState::Established => 2,
        };
        // State-major: the order in which a full table gives flows up.
        Class(column * 4 + row)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
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
}
