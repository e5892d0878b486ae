//! A tracked flow, as it lies in the slab: what every packet needs comes first.

use std::time::Duration;

use alert::Orientation;
use wire::{Direction, Endpoint, IpProto, Nanos, Packet, Transport};

use super::orientation::{is_call, orient};
use super::wheel::{Links, ListNumber};
use crate::record::{EndReason, FlowRecord, FlowState, FlowTuple};
use crate::tcp::TcpConnection;

/// A live flow with what the upper rooms keep on it.
#[derive(Debug)]
#[repr(C)]
pub struct Flow<A> {
    /// Name and orientation. It is the key as well: nothing of it is stored twice.
    pub tuple: FlowTuple,
    pub(super) last: Nanos,
    /// Packets so far, `[to server, to client]`.
    pub packets: [u64; 2],
    /// Bytes on the wire so far, `[to server, to client]`.
    pub bytes: [u64; 2],
    pub(super) links: Links,
    /// The list of the wheels that it is in.
    pub(super) list: ListNumber,
    /// Interim records that were due so far.
    pub(super) interims: u16,
    pub(super) state: FlowState,
    /// Type and code of the first message, of ICMP flows.
    icmp: (u8, u8),
    /// How certain it is that the client called.
    pub orientation: Orientation,
    /// The connection, if it is TCP.
    pub tcp: TcpConnection,
    /// What the upper rooms know of it.
    pub app: A,
}

impl<A> Flow<A> {
    /// The flow that a packet opens.
    pub(super) fn open(packet: &Packet<'_>, start: Nanos, app: impl FnOnce(&FlowTuple) -> A) -> Self {
        let (tuple, orientation) = orient(packet, start);
        Flow {
            app: app(&tuple),
            tuple,
            last: start,
            packets: [0; 2],
            bytes: [0; 2],
            links: Links::default(),
            list: 0,
            interims: 0,
            state: FlowState::New,
            icmp: match packet.transport {
                Transport::Icmp { kind, code } => (kind, code),
                _ => (0, 0),
            },
            orientation,
            tcp: TcpConnection::default(),
        }
    }

    /// Counts a packet. Which way it goes.
    #[inline]
    pub(super) fn count(&mut self, packet: &Packet<'_>, time: Nanos, wire_len: u32) -> Direction {
        // An endpoint talking to itself (same address and port) has only one direction.
        let from_client = is(&packet.source(), &self.tuple.client);
        let direction = if from_client { Direction::ToServer } else { Direction::ToClient };
        self.packets[direction.index()] += 1;
        self.bytes[direction.index()] += u64::from(wire_len);
        self.last = self.last.max(time);
        if self.orientation == Orientation::Guessed && from_client && is_call(packet) {
            self.orientation = Orientation::Handshake;
        }
        direction
    }

    /// Whether a SYN of the supposed server shows that the guess at who called is wrong. In an established connection it
    /// shows nothing: its receiver does not believe it either (RFC 5961, section 4).
    pub(super) fn is_contradicted(&self, packet: &Packet<'_>) -> bool {
        self.orientation == Orientation::Guessed
            && self.tcp.state() != FlowState::Established
            && !is(&packet.source(), &self.tuple.client)
    }

    /// Whether the flow has come into another interval since it was asked last.
    pub(super) fn interim_due(&mut self, interval: Duration) -> bool {
        let age = self.last.since(self.tuple.start).as_nanos() / interval.as_nanos().max(1);
        let age = u16::try_from(age).unwrap_or(u16::MAX);
        let is_due = age > self.interims;
        self.interims = self.interims.max(age);
        is_due
    }

    /// Whether this is the flow of a packet's key.
    #[inline]
    pub(super) fn is_of(&self, packet: &Packet<'_>) -> bool {
        let (src, dst) = (packet.source(), packet.destination());
        let t = &self.tuple;
        let same =
            (is(&src, &t.client) && is(&dst, &t.server)) || (is(&src, &t.server) && is(&dst, &t.client));
        same && packet.proto == t.proto && packet.vlans == t.vlans
    }

    /// How far it got, judged by what was seen so far.
    pub(super) fn judge(&self) -> FlowState {
        if self.tuple.proto == IpProto::TCP {
            self.tcp.state()
        } else if self.packets[0] > 0 && self.packets[1] > 0 {
            FlowState::Established
        } else {
            self.state
        }
    }

    /// What can be written down of it now.
    #[must_use]
    pub fn record(&self, reason: EndReason) -> FlowRecord {
        FlowRecord {
            tuple: self.tuple,
            end: self.last,
            packets: self.packets,
            bytes: self.bytes,
            state: self.state,
            reason,
            tcp: (self.tuple.proto == IpProto::TCP).then(|| self.tcp.record()),
            icmp: matches!(self.tuple.proto, IpProto::ICMP | IpProto::ICMPV6).then_some(self.icmp),
        }
    }
}

/// Whether two endpoints are one. An IPv4 address and its v4-mapped form are the same host.
#[inline]
fn is(a: &Endpoint, b: &Endpoint) -> bool {
    a.port == b.port && super::key::words(a.ip) == super::key::words(b.ip)
}
