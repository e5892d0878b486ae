//! What a rule may ask of the packet at hand and its flow.

use flow::FlowTuple;
use proto::AppProto;
use wire::{Direction, Endpoint, Nanos, Packet};

/// The packet at hand and its flow as they are now.
#[derive(Clone, Copy, Debug)]
pub struct PacketContext<'a> {
    /// The flow.
    pub tuple: &'a FlowTuple,
    /// Which way the packet went, or what is inspected belongs.
    pub direction: Direction,
    /// Capture time.
    pub time: Nanos,
    /// The packet; none at the end of a flow.
    pub packet: Option<&'a Packet<'a>>,
    /// What it carries is encrypted by now: its payload is not looked into.
    pub encrypted: bool,
    /// Both sides have spoken (TCP: the handshake was seen).
    pub established: bool,
    /// What the flow speaks, once known.
    pub app: Option<AppProto>,
    /// What it speaks was known before this packet came.
    pub known_before: bool,
    /// What it spoke before it changed over.
    pub original: Option<AppProto>,
    /// Sequence numbers that each side has used so far, its SYN among them, `[to server, to client]`: what
    /// `stream_size` asks.
    pub stream_sizes: [u64; 2],
    /// Packets of each side so far, this one counted.
    pub packets: [u64; 2],
    /// Wire bytes of each side so far, this packet counted.
    pub bytes: [u64; 2],
    /// Anomalies of the flow's transactions so far, by Suricata's names.
    pub events: &'a [&'static str],
}

impl PacketContext<'_> {
    /// Who sends.
    #[must_use]
    pub fn source(&self) -> Endpoint {
        self.tuple.ends(self.direction).0
    }

    /// Who receives.
    #[must_use]
    pub fn destination(&self) -> Endpoint {
        self.tuple.ends(self.direction).1
    }
}
