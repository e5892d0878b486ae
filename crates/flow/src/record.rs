//! What a flow is called while it lives and what is written down when it ends.

use wire::{Direction, Endpoint, IpProto, Nanos, TcpFlags, Vlans};

/// A flow's name and orientation: enough to write any event about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowTuple {
    /// Stable number of this flow: the same in every run over the same packets.
    pub id: u64,
    /// The initiator.
    pub client: Endpoint,
    /// The other side.
    pub server: Endpoint,
    /// Protocol above IP.
    pub proto: IpProto,
    /// VLAN tags, outermost first.
    pub vlans: Vlans,
    /// Capture time of the first packet.
    pub start: Nanos,
}

impl FlowTuple {
    /// Who sends and who receives what goes that way.
    #[must_use]
    pub fn ends(&self, direction: Direction) -> (Endpoint, Endpoint) {
        match direction {
            Direction::ToServer => (self.client, self.server),
            Direction::ToClient => (self.server, self.client),
        }
    }
}

/// How far a flow got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// Only one side has spoken.
    New,
    /// Both sides have spoken (TCP: the handshake is done, or data was seen both ways).
    Established,
    /// TCP closed by FIN from both sides or by RST.
    Closed,
}

impl FlowState {
    /// The name in EVE `flow.state`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FlowState::New => "new",
            FlowState::Established => "established",
            FlowState::Closed => "closed",
        }
    }
}

/// Why a flow record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// No packet for longer than the state's timeout.
    Timeout,
    /// The table was nearly full, and the state's timeout was shortened.
    Pressure,
    /// The table was full and this flow had to go.
    Evicted,
    /// A new connection began on the same 5-tuple.
    Reuse,
    /// The sensor stopped or the capture ended.
    Shutdown,
    /// None: the flow lives on, and this is how far it has come.
    Active,
}

impl EndReason {
    /// The name in EVE `flow.reason`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            EndReason::Timeout | EndReason::Pressure => "timeout",
            EndReason::Evicted => "forced",
            EndReason::Reuse => "tcp_reuse",
            EndReason::Shutdown => "shutdown",
            EndReason::Active => "active",
        }
    }
}

/// TCP's part of a flow record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpRecord {
    /// All flags seen, towards the server and towards the client.
    pub flags: [TcpFlags; 2],
    /// The connection's state by EVE's names: "new", "syn_sent", "syn_recv", "established",
    /// "fin_wait1", "closed" ...
    pub state: &'static str,
    /// Stream bytes that were never captured, per direction; parsing resumed behind them.
    pub gap_bytes: [u64; 2],
}

/// A finished flow. Arrays are `[to server, to client]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// Name and orientation.
    pub tuple: FlowTuple,
    /// Capture time of the last packet.
    pub end: Nanos,
    /// Packets per direction.
    pub packets: [u64; 2],
    /// Bytes on the wire per direction, link headers included.
    pub bytes: [u64; 2],
    /// How far it got.
    pub state: FlowState,
    /// Why it ended.
    pub reason: EndReason,
    /// TCP flows only.
    pub tcp: Option<TcpRecord>,
    /// Type and code of the first message of an ICMP flow.
    pub icmp: Option<(u8, u8)>,
}
