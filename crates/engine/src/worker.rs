//! A worker: one packet from the ring to its events, run to completion on one core.

use std::sync::Arc;
use std::time::Duration;

use capture::BypassReason;
use detect::IndicatorDetector;
use flow::defrag::DefragOptions;
use flow::{FlowTable, Timeouts, Tracked};
use output::{Event, Stamp};
use wire::{Decoded, LinkType, Malformed, Nanos, Packet, Transport, decode, decode_innermost};

use crate::bypass::{Bypasser, can_be_bypassed};
use crate::counters::WorkerCounters;
use crate::handover::Handover;
use crate::input::{Input, Place};
use crate::lookback::Lookback;
use crate::reassembly::{Merged, Reassembly};
use crate::rooms::{Rooms, Subject};
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
    /// Reassembly of fragments.
    pub defrag: DefragOptions,
    /// Bytes of recent packets kept for evidence.
    pub lookback: usize,
    /// Evidence bytes per flow.
    pub evidence_limit: u64,
    /// The monotonic clock, read only when an alert is raised; none in replay.
    pub clock: Option<fn() -> Nanos>,
}

/// A worker's state: its flows, its detectors, its recent packets.
#[derive(Debug)]
pub struct Worker {
    table: FlowTable<Session>,
    rooms: Rooms,
    /// None while it is at work.
    reassembly: Option<Box<Reassembly>>,
    /// Where datagrams of other workers' flows go.
    handover: Option<Handover>,
    /// Flows that the kernel counts: slot in the table, number, slot in the bypass table.
    bypassed: Vec<(u32, u64, u32)>,
    /// Zero: it is not.
    overloaded_until: Nanos,
    heavy: HeavyFlows,
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
            reassembly: Some(Box::new(Reassembly::new(options.defrag.clone(), options.tunnels))),
            handover: None,
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

    /// Lets datagrams be handed over to the workers that have their flows.
    pub(crate) fn with_handover(mut self, handover: Handover) -> Self {
        self.handover = Some(handover);
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
            Ok(Decoded::Ip(packet)) if packet.fragment => {
                counters.network(&packet);
                self.fragment(input, emit);
            }
            Ok(Decoded::Ip(packet)) => {
                self.rooms.count(&packet);
                self.packet(&packet, input, emit);
            }
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
        if let Some(reassembly) = &mut self.reassembly {
            reassembly.expire(now, &rooms.counters);
        }
        self.table.expire(now, &mut |ended| rooms.finish(ended, at, emit));
        self.publish();
    }

    /// Ends every flow.
    pub fn drain(&mut self, at: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let rooms = &mut self.rooms;
        if let Some(reassembly) = &mut self.reassembly {
            reassembly.flush(&rooms.counters);
        }
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
        let began = input.frames().start;
        let tracked = self.table.track(packet, began, input.wire_len, Session::new, &mut |ended| {
            rooms.finish(ended, input, emit);
        });
        if let Some(merged) = &input.merged {
            self.count_all(tracked, merged, input);
        }
        let rooms = &mut self.rooms;
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
            Transport::Udp { .. } => inspection.datagram(session, packet.payload),
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

    /// Takes a fragment, and the datagram that it makes whole.
    fn fragment(&mut self, input: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let Some(mut reassembly) = self.reassembly.take() else { return };
        let merged = reassembly.take(input, &self.rooms.counters);
        let frame = std::mem::take(&mut reassembly.whole);
        self.reassembly = Some(reassembly);
        if let Some(merged) = merged {
            let wire_len = u32::try_from(merged.frames.wire_bytes).unwrap_or(u32::MAX);
            self.datagram(&Input { bytes: &frame, wire_len, merged: Some(merged), ..*input }, emit);
        }
        if let Some(reassembly) = &mut self.reassembly {
            reassembly.whole = frame;
        }
    }

    /// Works on a datagram that was put together from fragments, here or by another worker. Its frames are counted
    /// already; it is a packet like any other then, for the worker that has its flow.
    pub(crate) fn datagram(&mut self, input: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let Some(merged) = input.merged else { return };
        let packets = u64::from(merged.frames.packets);
        let counters = &self.rooms.counters;
        let packet = match decode_as(self.rooms.tunnels, input.link, input.bytes) {
            Ok(Decoded::Ip(packet)) => packet,
            Ok(Decoded::NonIp(_)) => return counters.non_ip.add(packets),
            Err(reason) => {
                counters.invalid.add(packets);
                return counters.malformed[reason as usize].add(packets);
            }
        };
        let hash = packet.steering_hash();
        if let Some(handover) = &self.handover
            && let Some(owner) = handover.other_owner(hash)
        {
            let given = handover.give(owner, hash, input, merged);
            return if given { counters.handed_over.add(1) } else { counters.handover_full.add(packets) };
        }
        if packet.fragment {
            return self.fragment(input, emit);
        }
        counters.transport(&packet);
        self.packet(&packet, &Input { steered: input.steered.map(|_| hash), ..*input }, emit);
    }

    /// The flow has one packet of the datagram; all others, too, are its.
    fn count_all(&mut self, tracked: Tracked, merged: &Merged, input: &Input<'_>) {
        let Some(flow) = self.table.get_mut(tracked.slot) else { return };
        let (way, id) = (tracked.direction.index(), flow.tuple.id);
        flow.packets[way] += u64::from(merged.frames.packets.saturating_sub(1));
        flow.bytes[way] += merged.frames.wire_bytes.saturating_sub(u64::from(input.wire_len));
        self.table.seen(tracked.slot, id, input.time);
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
