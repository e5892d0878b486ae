//! A worker: one packet from the ring to its events, run to completion on one core.

use std::sync::Arc;
use std::time::Duration;

use capture::BypassReason;
use detect::IndicatorDetector;
use flow::{Ended, FlowTable, FlowTuple, Timeouts};
use output::{
    AlertEvent, Event, EvidenceEvent, EvidencePacket, FlowEvent, Source, Stamp, TransactionEvent,
    evidence_name,
};
use wire::{
    Decoded, Direction, IpProto, LinkType, Malformed, Nanos, Packet, Transport, decode, decode_innermost,
};

use crate::bypass::{Bypasser, can_be_bypassed};
use crate::counters::WorkerCounters;
use crate::lookback::Lookback;
use crate::owners::Owners;
use crate::session::{Bypass, Evidence, Findings, Inspection, Moment, Session};
use crate::shed::HeavyFlows;

/// How long the heaviest flows are looked for after a ring was nearly full.
const SHEDDING: Duration = Duration::from_millis(100);

/// What a worker needs to know.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Flows that can live at once.
    pub max_flows: u32,
    /// How long silent flows live.
    pub timeouts: Timeouts,
    /// Whether a packet in a tunnel belongs to the inner flow.
    pub tunnels: bool,
    /// Bytes of recent packets kept for evidence.
    pub lookback: usize,
    /// Evidence bytes per flow.
    pub evidence_limit: u64,
    /// The monotonic clock, read only when an alert is raised; none in replay.
    pub clock: Option<fn() -> Nanos>,
}

/// A frame with everything that was noted when it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The frame.
    pub bytes: &'a [u8],
    /// How it begins.
    pub link: LinkType,
    /// Capture time (wall clock).
    pub time: Nanos,
    /// Arrival on the monotonic clock (live capture).
    pub arrival: Option<Nanos>,
    /// Length on the wire.
    pub wire_len: u32,
    /// The hash by which it was steered here (live capture).
    pub steered: Option<u32>,
    /// Ordinal in the capture file.
    pub ordinal: Option<u64>,
    /// What all frames before it cost in the lookback ring: their bytes and a fixed amount each.
    pub position: u64,
    /// Where it was read.
    pub source: &'a Source,
}

impl<'a> Input<'a> {
    /// No frame: the time has come for something else.
    pub(crate) fn nothing(time: Nanos, position: u64, source: &'a Source) -> Self {
        Input {
            bytes: &[],
            link: LinkType::Ethernet,
            time,
            arrival: None,
            wire_len: 0,
            steered: None,
            ordinal: None,
            position,
            source,
        }
    }
}

/// A worker's state: its flows, its detectors, its recent packets.
#[derive(Debug)]
pub struct Worker {
    table: FlowTable<Session>,
    rooms: Rooms,
    /// Flows that the kernel counts: slot in the table, number, slot in the bypass table.
    bypassed: Vec<(u32, u64, u32)>,
    /// Zero: it is not.
    overloaded_until: Nanos,
    heavy: HeavyFlows,
}

/// Everything but the table, so that flows that end while the table is busy can be worked on.
#[derive(Debug)]
struct Rooms {
    detector: IndicatorDetector,
    lookback: Lookback,
    findings: Findings,
    counters: Arc<WorkerCounters>,
    evidence_limit: u64,
    tunnels: bool,
    clock: Option<fn() -> Nanos>,
    /// None in replay.
    bypasser: Option<Bypasser>,
    place: Option<Place>,
}

/// Which worker this is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) index: u32,
    /// If the steering hash decides: of how many.
    pub(crate) of: Option<u32>,
    pub(crate) owners: Arc<Owners>,
}

impl Place {
    /// Whether a flow with this steering hash belongs here.
    fn is_right(&self, hash: u32) -> bool {
        self.of.is_none_or(|workers| hash % workers == self.index) && self.owners.claim(hash, self.index)
    }
}

impl Worker {
    /// A worker with no flows.
    #[must_use]
    pub fn new(options: &WorkerOptions, detector: IndicatorDetector, counters: Arc<WorkerCounters>) -> Self {
        Worker {
            table: FlowTable::new(options.max_flows, options.timeouts),
            rooms: Rooms {
                detector,
                lookback: Lookback::new(options.lookback),
                findings: Findings::default(),
                counters,
                evidence_limit: options.evidence_limit,
                tunnels: options.tunnels,
                clock: options.clock,
                bypasser: None,
                place: None,
            },
            bypassed: Vec::new(),
            overloaded_until: Nanos(0),
            heavy: HeavyFlows::default(),
        }
    }

    /// Says which of how many workers this is.
    pub(crate) fn steered_to(mut self, place: Place) -> Self {
        self.rooms.place = Some(place);
        self
    }

    /// Lets flows be handed over to the kernel.
    pub(crate) fn with_bypass(mut self, bypasser: Bypasser) -> Self {
        self.bypassed.reserve(bypasser.table.capacity() as usize);
        self.rooms.bypasser = Some(bypasser);
        self
    }

    /// More comes at `now` than can be worked on: for a while the heaviest flows are given up.
    pub(crate) fn overloaded(&mut self, now: Nanos) {
        if self.rooms.bypasser.as_ref().is_some_and(|b| b.shed) {
            self.overloaded_until = now.after(SHEDDING);
        }
    }

    /// Ends shedding when its time is over.
    pub(crate) fn relax(&mut self, now: Nanos) {
        if self.overloaded_until.0 > 0 && now > self.overloaded_until {
            self.overloaded_until = Nanos(0);
            self.heavy.reset();
        }
    }

    /// Notes when the last packets of bypassed flows passed, so that they live as long as others. `wall` turns
    /// monotonic times into those of packets.
    pub(crate) fn look_after_bypassed(&mut self, wall: impl Fn(Nanos) -> Nanos) {
        let Some(bypasser) = &self.rooms.bypasser else { return };
        let table = &mut self.table;
        self.bypassed.retain(|&(slot, id, bypass_slot)| {
            let last = bypasser.table.counts(bypass_slot).last_ns;
            table.seen(slot, id, if last > 0 { wall(Nanos(last)) } else { Nanos(0) })
        });
    }

    /// Works on one frame; what it causes goes to `emit`.
    pub fn process(&mut self, input: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let counters = &self.rooms.counters;
        counters.packets.add(1);
        counters.bytes.add(u64::from(input.wire_len));
        match decode_as(self.rooms.tunnels, input.link, input.bytes) {
            Ok(Decoded::Ip(packet)) => self.packet(&packet, input, emit),
            Ok(Decoded::NonIp(_)) => counters.non_ip.add(1),
            Err(reason) => {
                counters.invalid.add(1);
                counters.malformed[reason as usize].add(1);
            }
        }
    }

    /// Ends flows that have been silent for too long at `now`.
    pub fn expire(&mut self, now: Nanos, at: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let rooms = &mut self.rooms;
        self.table.expire(now, &mut |ended| rooms.finish(ended, at, emit));
        self.publish();
    }

    /// Ends every flow.
    pub fn drain(&mut self, at: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let rooms = &mut self.rooms;
        self.table.drain(&mut |ended| rooms.finish(ended, at, emit));
        self.publish();
    }

    /// Makes the table's counters readable.
    fn publish(&self) {
        let flows = self.table.counters();
        self.rooms.counters.flows.set(flows.created);
        self.rooms.counters.flows_active.set(flows.active);
        self.rooms.counters.flows_evicted.set(flows.evicted);
    }

    fn packet(&mut self, packet: &Packet<'_>, input: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let rooms = &mut self.rooms;
        rooms.count(packet);
        let tracked = self.table.track(packet, input.time, input.wire_len, Session::new, &mut |ended| {
            rooms.finish(ended, input, emit);
        });
        let Some(flow) = self.table.get_mut(tracked.slot) else { return };
        rooms.keep(&mut flow.app, input);
        let moment = Moment { time: input.time, arrival: input.arrival, direction: tracked.direction };
        let mut inspection = Inspection {
            tuple: &flow.tuple,
            moment,
            detector: &rooms.detector,
            findings: &mut rooms.findings,
        };
        if tracked.is_new {
            rooms.counters.opened(flow.tuple.proto);
            if let (Some(hash), Some(place)) = (input.steered, &rooms.place)
                && !(place.is_right(hash) && (hash == 0 || hash == packet.steering_hash()))
            {
                rooms.counters.wrong_worker.add(1);
            }
            inspection.flow_start();
        }
        let session = &mut flow.app;
        match packet.transport {
            Transport::Tcp(header) => {
                flow.tcp.segment(&header, tracked.direction, packet.payload, packet.missing, &mut |event| {
                    inspection.stream(session, event);
                });
                if session.layer.finished() {
                    flow.tcp.ignore_payload();
                }
            }
            Transport::Udp { .. } if !packet.fragment => inspection.datagram(session, packet.payload),
            _ => {}
        }
        let subject = Subject { tuple: flow.tuple, packets: flow.packets, bytes: flow.bytes };
        rooms.report(&subject, &mut flow.app, moment.direction, input, emit);
        let id = flow.tuple.id;
        if rooms.nothing_more_to_learn(&flow.app) {
            self.bypass(tracked.slot, id, BypassReason::Inspected);
        }
        if self.overloaded_until.0 > 0
            && let Some(heavy) = self.heavy.note((tracked.slot, id))
        {
            for (slot, id) in heavy.into_iter().flatten() {
                self.bypass(slot, id, BypassReason::Shed);
            }
        }
        self.table.touch(tracked.slot);
    }

    /// Hands a flow over to the kernel, unless its packets are evidence.
    fn bypass(&mut self, slot: u32, id: u64, reason: BypassReason) {
        let Some(flow) = self.table.get_mut(slot).filter(|flow| flow.tuple.id == id) else { return };
        let session = &mut flow.app;
        if session.evidence != Evidence::None || session.bypass != Bypass::No || !can_be_bypassed(&flow.tuple)
        {
            return;
        }
        let Some(bypasser) = &self.rooms.bypasser else { return };
        let counters = &self.rooms.counters;
        match bypasser.begin(&flow.tuple, reason) {
            Some(bypass_slot) => {
                session.bypass = Bypass::At(bypass_slot);
                flow.tcp.lose_track();
                self.bypassed.push((slot, id, bypass_slot));
                match reason {
                    BypassReason::Inspected => counters.bypass_inspected.add(1),
                    BypassReason::Shed => counters.bypass_shed.add(1),
                }
            }
            None => {
                // Not asked again for every packet.
                session.bypass = Bypass::Refused;
                counters.bypass_refused.add(1);
            }
        }
    }
}

/// Decodes a frame, or the innermost packet in it.
#[inline]
pub(crate) fn decode_as(innermost: bool, link: LinkType, frame: &[u8]) -> Result<Decoded<'_>, Malformed> {
    if innermost { decode_innermost(link, frame) } else { decode(link, frame) }
}

/// The flow that events are about.
struct Subject {
    tuple: FlowTuple,
    packets: [u64; 2],
    bytes: [u64; 2],
}

impl Rooms {
    fn count(&self, packet: &Packet<'_>) {
        let c = &self.counters;
        if packet.src.is_ipv4() { &c.ipv4 } else { &c.ipv6 }.add(1);
        match packet.proto {
            IpProto::TCP => c.tcp.add(1),
            IpProto::UDP => c.udp.add(1),
            IpProto::ICMP => c.icmpv4.add(1),
            IpProto::ICMPV6 => c.icmpv6.add(1),
            _ => {}
        }
        if !packet.vlans.ids().is_empty() {
            c.vlan.add(1);
        }
        if packet.fragment {
            c.fragments.add(1);
        }
        if packet.missing > 0 {
            c.cut_short.add(1);
        }
    }

    /// Whether this flow's packets need not come here any more.
    fn nothing_more_to_learn(&self, session: &Session) -> bool {
        session.bypass == Bypass::No
            && session.layer.finished()
            && session.evidence == Evidence::None
            && self.bypasser.as_ref().is_some_and(|b| b.inspected)
    }

    /// Keeps the frame for evidence while its flow may still be alerted on.
    fn keep(&mut self, session: &mut Session, input: &Input<'_>) {
        if session.evidence == Evidence::None && !session.layer.finished() {
            self.lookback.keep(&mut session.chain, input.position, input.time, input.wire_len, input.bytes);
        }
    }

    /// Emits what the packet at hand brought: alerts first, because somebody waits for them.
    fn report(
        &mut self,
        flow: &Subject,
        session: &mut Session,
        direction: Direction,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let Findings { alerts, logged, gaps, .. } = &mut self.findings;
        self.counters.gaps.add(std::mem::take(gaps));
        let alerted = !alerts.is_empty();
        for (mut alert, transaction) in alerts.drain(..) {
            self.counters.alerts.add(1);
            alert.raised = self.clock.map(|now| now());
            let event = AlertEvent {
                flow: flow.tuple,
                packets: flow.packets,
                bytes: flow.bytes,
                app: session.layer.protocol(),
                transaction,
                alert,
                evidence: Some(evidence_name(&flow.tuple)),
            };
            emit(stamp(input, input.time), Event::Alert(Box::new(event)));
        }
        self.counters.transactions.add(logged.len() as u64);
        for (tx_id, transaction) in logged.drain(..) {
            let event = TransactionEvent { flow: flow.tuple, direction, tx_id, transaction };
            emit(stamp(input, input.time), Event::Transaction(Box::new(event)));
        }
        if alerted || session.evidence != Evidence::None {
            self.evidence(&flow.tuple, session, input, emit);
        }
    }

    /// The packets of an alerted flow: first those from before the alert, then each as it comes.
    fn evidence(
        &mut self,
        tuple: &FlowTuple,
        session: &mut Session,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let (so_far, mut packets) = match session.evidence {
            Evidence::None => (0, self.lookback.collect(session.chain, input.position)),
            Evidence::Open(so_far) => (so_far, Vec::new()),
            Evidence::Complete => return,
        };
        // Nothing is kept of flows that are not inspected, and of any once they are alerted on.
        if packets.is_empty() && !input.bytes.is_empty() {
            packets.push(EvidencePacket {
                time: input.time,
                wire_len: input.wire_len,
                frame: input.bytes.to_vec(),
            });
        }
        let total = so_far + packets.iter().map(|p| p.frame.len() as u64).sum::<u64>();
        let complete = total >= self.evidence_limit;
        session.evidence = if complete { Evidence::Complete } else { Evidence::Open(total) };
        emit_evidence(tuple, input, packets, complete, emit);
    }

    /// Writes a flow's record and what its parsers still held.
    fn finish(&mut self, ended: Ended<Session>, at: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let Ended { record, mut tcp, app: mut session } = ended;
        let mut inspection = Inspection {
            tuple: &record.tuple,
            moment: Moment { time: record.end, arrival: None, direction: Direction::ToServer },
            detector: &self.detector,
            findings: &mut self.findings,
        };
        inspection.close(&mut session, &mut tcp);
        // What comes to light at the end belongs to the flow's last packet, not to the one at hand.
        let last = Input { bytes: &[], time: record.end, arrival: None, wire_len: 0, ordinal: None, ..*at };
        let subject = Subject { tuple: record.tuple, packets: record.packets, bytes: record.bytes };
        let was_open = matches!(session.evidence, Evidence::Open(_));
        if was_open {
            session.evidence = Evidence::Complete;
        }
        self.report(&subject, &mut session, Direction::ToServer, &last, emit);
        if was_open || matches!(session.evidence, Evidence::Open(_)) {
            emit_evidence(&record.tuple, &last, Vec::new(), true, emit);
        }
        self.counters.parser_limits.add(u64::from(session.layer.limits_hit()));
        let event = FlowEvent {
            app: session.layer.protocol(),
            alerted: session.evidence != Evidence::None,
            transactions: session.transactions(),
            record,
        };
        let (stamp, event) = (stamp(&last, last.time), Box::new(event));
        // What the kernel counted is added by the keeper, who has to wait for it.
        let unkept = match (session.bypass, &self.bypasser) {
            (Bypass::At(slot), Some(bypasser)) => bypasser.end(slot, stamp, event).err(),
            _ => Some((stamp, event)),
        };
        if let Some((stamp, event)) = unkept {
            emit(stamp, Event::Flow(event));
        }
    }
}

fn stamp(input: &Input<'_>, time: Nanos) -> Stamp {
    Stamp { time, source: input.source.clone(), packet: input.ordinal }
}

fn emit_evidence(
    tuple: &FlowTuple,
    input: &Input<'_>,
    packets: Vec<EvidencePacket>,
    complete: bool,
    emit: &mut impl FnMut(Stamp, Event),
) {
    let event =
        EvidenceEvent { file: evidence_name(tuple), flow: *tuple, link: input.link, packets, complete };
    emit(stamp(input, input.time), Event::Evidence(Box::new(event)));
}

impl WorkerCounters {
    fn opened(&self, proto: IpProto) {
        match proto {
            IpProto::TCP => self.flows_tcp.add(1),
            IpProto::UDP => self.flows_udp.add(1),
            _ => {}
        }
    }
}
