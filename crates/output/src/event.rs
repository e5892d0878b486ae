//! Everything that leaves the pipeline.

use core::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::content::{Content, Ether, Macs};
use crate::files::PieceEvent;
use alert::{Alert, Forwarded, Impact, Sighting, Text};
use flow::{FlowRecord, FlowTuple};
use proto::{AppProto, Transaction};
use serde::Serialize;
use wire::{Direction, LinkType, Nanos, Outer, Scope, Target};

/// Where a packet was read: every event says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A live port (EVE `in_iface`).
    Interface(Arc<str>),
    /// A capture file (EVE `pcap_filename`).
    File(Arc<str>),
}

/// When and where an event came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The event's time: that of the packet that caused it, or the flow's last packet for records.
    pub time: Nanos,
    /// Where the packet was read.
    pub source: Source,
    /// Ordinal of the packet in its capture file, from 1 (EVE `pcap_cnt`).
    pub packet: Option<u64>,
}

/// A finished flow with what the upper rooms know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// The flow's record.
    pub record: FlowRecord,
    /// What it spoke.
    pub app: Option<AppProto>,
    /// What it spoke before it changed over to that.
    pub original: Option<AppProto>,
    /// What it should have spoken, if that is something else: what its peers agreed to change over to, or what is
    /// usual on its port.
    pub expected: Option<AppProto>,
    /// Whether any alert was raised on it.
    pub alerted: bool,
    /// Transactions logged.
    pub transactions: u64,
    /// Type and code of the first ICMP message towards the client.
    pub icmp_reply: Option<(u8, u8)>,
    /// The tunnel that its first packet came through.
    pub tunnel: Option<Outer>,
    /// The hardware addresses of its ends, if they are asked for.
    pub macs: Option<Box<Macs>>,
    /// The names of the bits that rules have set on it (`flowbits`).
    pub bits: Vec<Arc<str>>,
}

/// A logged transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionEvent {
    /// The flow it belongs to.
    pub flow: FlowTuple,
    /// Which way the packet that completed it went.
    pub direction: Direction,
    /// Ordinal within its flow, from 0.
    pub tx_id: u64,
    /// The transaction.
    pub transaction: Transaction,
    /// The tunnel that the flow's first packet came through.
    pub tunnel: Option<Outer>,
    /// The hardware addresses of the packet, if they are asked for.
    pub ether: Option<Ether>,
}

/// At which layer a rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnomalyKind {
    /// A frame that cannot be decoded.
    Decode,
    /// A TCP stream that is not as it should be.
    Stream,
    /// An application protocol.
    AppLayer,
}

impl AnomalyKind {
    /// The name in EVE `anomaly.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AnomalyKind::Decode => "decode",
            AnomalyKind::Stream => "stream",
            AnomalyKind::AppLayer => "applayer",
        }
    }
}

/// Something that the rules of a protocol do not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnomalyEvent {
    /// At which layer.
    pub kind: AnomalyKind,
    /// Which rule, by its name in EVE `anomaly.event`: "decoder.ipv4.hlen_too_small" ...
    pub event: &'static str,
    /// Application layer: who found it, by its name in EVE: "proto_parser", "proto_detect".
    pub layer: Option<&'static str>,
    /// The flow, if there is one, and which way the packet went.
    pub flow: Option<(FlowTuple, Direction)>,
    /// What the flow speaks.
    pub app: Option<AppProto>,
    /// The transaction's ordinal in its flow, if it is about one.
    pub tx_id: Option<u64>,
    /// The tunnel that the flow's first packet came through.
    pub tunnel: Option<Outer>,
    /// The hardware addresses of the packet, if they are asked for.
    pub ether: Option<Ether>,
}

impl AnomalyEvent {
    /// Of a frame that no flow is known of.
    #[must_use]
    pub fn decode(event: &'static str) -> Self {
        AnomalyEvent {
            kind: AnomalyKind::Decode,
            event,
            layer: None,
            flow: None,
            app: None,
            tx_id: None,
            tunnel: None,
            ether: None,
        }
    }
}

/// An alert with its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEvent {
    /// The flow it was raised on; none if it is about a frame without one: ARP, or what cannot be decoded.
    pub flow: Option<FlowTuple>,
    /// Type and code of the ICMP message at hand.
    pub icmp: Option<(u8, u8)>,
    /// The flow's counters so far, `[to server, to client]`.
    pub packets: [u64; 2],
    /// Bytes so far, `[to server, to client]`.
    pub bytes: [u64; 2],
    /// What the flow speaks.
    pub app: Option<AppProto>,
    /// The transaction that matched, if it was one, with its ordinal in the flow.
    pub transaction: Option<(u64, Transaction)>,
    /// The alert.
    pub alert: Alert,
    /// Who passed the question on that it is about, if its victim did not ask itself.
    pub forwarded: Option<Forwarded>,
    /// Evidence file of the flow, relative to the output directory, if packets are kept.
    pub evidence: Option<Arc<str>>,
    /// The tunnel that the flow's first packet came through.
    pub tunnel: Option<Outer>,
    /// The names of the bits that rules have set on the flow (`flowbits`).
    pub bits: Vec<Arc<str>>,
    /// The hardware addresses of the packet, if they are asked for.
    pub ether: Option<Ether>,
    /// What it was raised on, as far as is asked for.
    pub content: Option<Box<Content>>,
}

impl AlertEvent {
    /// About a frame that belongs to no flow: nobody is the victim, and there are no packets of the flow to be kept.
    #[must_use]
    pub fn of_frame(alert: Alert) -> Self {
        AlertEvent {
            icmp: None,
            flow: None,
            packets: [0; 2],
            bytes: [0; 2],
            app: None,
            transaction: None,
            alert,
            forwarded: None,
            evidence: None,
            tunnel: None,
            bits: Vec::new(),
            ether: None,
            content: None,
        }
    }
}

/// What happened to a host's isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationAction {
    /// The verdict was to isolate.
    Isolate,
    /// A running isolation got a later end.
    Extend,
    /// It was in force before a reboot, and is again: put back into a new map.
    Restore,
    /// It was found in force, and is taken over: nobody here had heard of it, or not of all that was done to it.
    Adopt,
    /// The first packet of the host was dropped.
    FirstDrop,
    /// The lifetime ended.
    Expire,
    /// An operator released the host.
    Release,
    /// The verdict would have been to isolate, but the host is protected, the mode is "observe" or the brake is on.
    Withhold,
}

impl IsolationAction {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            IsolationAction::Isolate => "isolate",
            IsolationAction::Extend => "extend",
            IsolationAction::Restore => "restore",
            IsolationAction::Adopt => "adopt",
            IsolationAction::FirstDrop => "first_drop",
            IsolationAction::Expire => "expire",
            IsolationAction::Release => "release",
            IsolationAction::Withhold => "withhold",
        }
    }
}

/// Latencies of one isolation in nanoseconds, each since the arrival of the packet that matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Until the detector spoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert_ns: Option<u64>,
    /// Until the map entry was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_ns: Option<u64>,
    /// Until the first packet was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_drop_ns: Option<u64>,
}

/// A step in the life of an isolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolationEvent {
    /// Which isolation: the wall clock's nanoseconds when it was decided, made unique within the sensor. All steps of an
    /// isolation have the same.
    pub verdict: u64,
    /// Whom.
    pub target: Target,
    /// How far.
    pub scope: Scope,
    /// What happened.
    pub action: IsolationAction,
    /// Who decided: "indicator", "rule", "detector", "operator" ...
    pub by: Text,
    /// Which operator, as far as is known: "uid 0", "token soc", "site berlin" ...
    pub who: Option<Arc<str>>,
    /// Why, for humans.
    pub reason: String,
    /// Whether the kernel enforces it. False in replay, for withheld verdicts, and on failure.
    pub enforced: bool,
    /// Why it is not enforced, if so: "replay", "protected host ...", "isolation map is full" ...
    pub not_enforced_because: Option<String>,
    /// When the isolation ends (wall clock), or would.
    pub until: Option<Nanos>,
    /// How often the host relapsed while it was watched: 0 for the first isolation, 1 for the first that lasts longer.
    pub relapse: u32,
    /// Name of the policy's rule, if an alert led to it.
    pub rule: Option<Arc<str>>,
    /// Packets dropped so far.
    pub dropped_packets: u64,
    /// Bytes dropped so far.
    pub dropped_bytes: u64,
    /// How fast it went (live only).
    pub latency: Latency,
    /// The flow and evidence that led to it, if an alert did.
    pub flow: Option<FlowTuple>,
    /// The C2 peer, for the record.
    pub peer: Option<IpAddr>,
    /// Where it is enforced, if that is in the kernel.
    pub places: Option<Places>,
    /// Of a verdict that was withheld: what it would have cut off.
    pub impact: Option<Box<Impact>>,
}

/// Ports of this sensor on which isolations are enforced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Guard and inline ports that are in force.
    pub enforced_on: Vec<Arc<str>>,
    /// Those that are configured and not in force.
    pub missing: Vec<Arc<str>>,
}

/// A guard or inline port enforces nothing any more, or does so again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortEvent {
    /// Interface name; both names with a plus between them for an inline pair.
    pub port: String,
    /// "guard" or "inline".
    pub role: &'static str,
    /// Whether it is in force from now on.
    pub in_force: bool,
    /// Why it was not.
    pub reason: String,
    /// For how long it was not; told when it is back.
    pub gap: Option<std::time::Duration>,
    /// Where isolations are in force now.
    pub places: Places,
}

/// The brake on isolations tripped, or let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrakeEvent {
    /// Whether it is on now.
    pub on: bool,
    /// What it tripped over, for humans.
    pub reason: String,
    /// Verdicts withheld since it tripped; told when it lets go.
    pub withheld: u64,
}

/// What an operator, or somebody who would like to be one, did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// The sensor started.
    Start,
    /// The sensor stops.
    Stop,
    /// A target was to be isolated.
    Isolate,
    /// A target was to be released.
    Release,
    /// Everybody was released.
    Flush,
    /// The kill switch was turned on.
    Hold,
    /// The kill switch was turned off.
    Resume,
    /// Indicators, rules and policy were loaded anew.
    Reload,
    /// A token or certificate was used for the first time from somewhere.
    Login,
    /// Somebody showed no token, a wrong one, or no certificate.
    LoginRefused,
    /// Somebody asked for more than the token or certificate is good for.
    Forbidden,
    /// Somebody was refused unheard after too many failures.
    Throttled,
}

impl AuditAction {
    /// The name in events and in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AuditAction::Start => "start",
            AuditAction::Stop => "stop",
            AuditAction::Isolate => "isolate",
            AuditAction::Release => "release",
            AuditAction::Flush => "flush",
            AuditAction::Hold => "hold",
            AuditAction::Resume => "resume",
            AuditAction::Reload => "reload",
            AuditAction::Login => "login",
            AuditAction::LoginRefused => "login_refused",
            AuditAction::Forbidden => "forbidden",
            AuditAction::Throttled => "throttled",
        }
    }
}

/// Something for the record of what operators do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// What.
    pub action: AuditAction,
    /// In what role: "operator", "fleet", "sensor".
    pub by: Text,
    /// Who exactly, as far as is known: "uid 0", "token soc" ...
    pub who: Option<Arc<str>>,
    /// From where: "pid 4711", "192.0.2.1:50000", "SIGHUP" ...
    pub from: Option<Arc<str>>,
    /// Whom it was about.
    pub target: Option<Target>,
    /// What was asked for and what came of it, for humans.
    pub detail: String,
    /// Why it was not done; `None` if it was.
    pub refused: Option<String>,
    /// How many actions this stands for: more than one in a summary.
    pub count: u64,
}

impl AuditEvent {
    /// One action that was done, of which nothing else is known.
    #[must_use]
    pub fn new(action: AuditAction, by: Text) -> Self {
        AuditEvent {
            action,
            by,
            who: None,
            from: None,
            target: None,
            detail: String::new(),
            refused: None,
            count: 1,
        }
    }
}

/// A packet to be written as evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidencePacket {
    /// Capture time.
    pub time: Nanos,
    /// Length on the wire, which may exceed the bytes captured.
    pub wire_len: u32,
    /// The frame.
    pub frame: Vec<u8>,
}

/// Packets of an alerted flow, to be appended to its evidence file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceEvent {
    /// The file, relative to the output directory ([`crate::evidence_name`]).
    pub file: Arc<str>,
    /// The flow.
    pub flow: FlowTuple,
    /// How its frames begin.
    pub link: LinkType,
    /// Oldest first.
    pub packets: Vec<EvidencePacket>,
    /// True once for every flow, when it ended or its byte limit was reached: the file is complete.
    pub complete: bool,
}

/// Counters of the sensor, read at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatsEvent {
    /// Seconds since start.
    pub uptime: u64,
    /// Counters by dotted name ("capture.received" ...), in declaration order.
    pub counters: Vec<(String, u64)>,
}

/// One thing to write down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A finished flow.
    Flow(Box<FlowEvent>),
    /// A logged transaction.
    Transaction(Box<TransactionEvent>),
    /// Something that a protocol does not allow.
    Anomaly(Box<AnomalyEvent>),
    /// A finding.
    Alert(Box<AlertEvent>),
    /// A step in an isolation.
    Isolation(Box<IsolationEvent>),
    /// What an operator did, or was refused.
    Audit(Box<AuditEvent>),
    /// Isolations are withheld from now on, or not any more.
    Brake(BrakeEvent),
    /// A port that enforces isolations was lost, or is back.
    Port(PortEvent),
    /// Packets of an alerted flow.
    Evidence(Box<EvidenceEvent>),
    /// Bytes of a file that is to be stored.
    Piece(Box<PieceEvent>),
    /// Counters.
    Stats(Box<StatsEvent>),
    /// A fact for the judge; never written down.
    Sighting(Sighting),
}

/// Files that a recorder has written, for whoever tells the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines in eve.json.
    pub lines: u64,
    /// Evidence files, relative to the output directory.
    pub evidence: Vec<PathBuf>,
    /// Stored files, relative to the output directory.
    pub files: Vec<PathBuf>,
    /// Incident report files, relative to the output directory.
    pub incidents: Vec<PathBuf>,
}
