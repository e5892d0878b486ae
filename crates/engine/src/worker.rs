//! A worker: one packet from the ring to its events, run to completion on one core.

use std::sync::Arc;
use std::time::Duration;

use capture::BypassReason;
use detect::IndicatorDetector;
use flow::{FlowTable, Timeouts};
use output::{Event, Stamp};
use wire::{Decoded, LinkType, Malformed, Nanos, Packet, Transport, decode, decode_innermost};

use crate::bypass::{Bypasser, can_be_bypassed};
use crate::counters::WorkerCounters;
use crate::files::FileOptions;
use crate::input::{Input, Place};
use crate::lookback::Lookback;
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
    /// Bytes of recent packets kept for evidence.
    pub lookback: usize,
    /// What is done with files.
    pub files: FileOptions,
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
                files: options.files.clone(),
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
            files: &rooms.files,
            counters: &rooms.counters,
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
