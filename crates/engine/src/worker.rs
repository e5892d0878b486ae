//! A worker: one packet from the ring to its events, run to completion on one core.

use std::sync::Arc;
use std::time::Duration;

use alert::Severity;
use capture::BypassReason;
use detect::{IndicatorDetector, Turn};
use flow::defrag::DefragOptions;
use flow::{FlowTable, KeyHash, Pressure, Segment, StreamOptions, Streams, Timeouts, Tracked};
use output::{Event, Shown, Stamp};
use wire::{Decoded, Direction, LinkType, Malformed, Nanos, Packet, Transport, decode, decode_innermost};

use crate::anomalies::Limiter;
use crate::bindings::{Bindings, Learned, Sighting, may_tell, sighting};
use crate::bypass::{Bypasser, can_be_bypassed};
use crate::counters::WorkerCounters;
use crate::expectations::Expectations;
use crate::files::FileOptions;
use crate::handover::Handover;
use crate::input::{Input, Place};
use crate::lookback::Lookback;
use crate::notes::Note;
use crate::reassembly::{Merged, Reassembly};
use crate::rooms::{Rooms, Subject, is_established, stamp};
use crate::session::{Bypass, Evidence, Findings, Inspection, Moment, Session, Standing, look_on};
use crate::shed::HeavyFlows;
use crate::sightings::{self, Neighbors};
use crate::snapshot::{Snapshot, Snapshots};

/// Frames that are decoded before the first of them is worked on: enough to hide the way to memory, few enough
/// for the first one's flow to be still in the cache when its turn comes.
const BATCH: usize = 32;
/// Flows that a step of the sweep looks at: some tens of microseconds.
const SWEEP: usize = 512;
/// How long the heaviest flows are looked for after a ring was nearly full.
const SHEDDING: Duration = Duration::from_millis(100);

/// What a worker needs to know.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Flows that can live at once.
    pub max_flows: u32,
    /// How long silent flows live.
    pub timeouts: Timeouts,
    /// How TCP streams are followed.
    pub streams: StreamOptions,
    /// When the flow table is nearly full, and what it does then.
    pub pressure: Pressure,
    /// How often long flows get an interim record; zero: never.
    pub interim: Duration,
    /// Whether a packet in a tunnel belongs to the inner flow.
    pub tunnels: bool,
    /// Reassembly of fragments.
    pub defrag: DefragOptions,
    /// Bytes of recent packets kept for evidence.
    pub lookback: usize,
    /// What is done with files.
    pub files: FileOptions,
    /// Evidence bytes per flow.
    pub evidence_limit: u64,
    /// Bytes of streams kept for rules.
    pub rule_windows: u64,
    /// How severe a rule's alert must at least be for its flow's packets to be kept.
    pub evidence_severity: Severity,
    /// What events show of frames.
    pub shown: Shown,
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
    /// None in replay.
    snapshots: Option<Arc<Snapshots>>,
    /// Of the snapshot that is matched with.
    generation: u64,
    /// In a replay by several workers.
    turn: Option<Turn>,
}

impl Worker {
    /// A worker with no flows.
    #[must_use]
    pub fn new(options: &WorkerOptions, snapshot: &Snapshot, counters: Arc<WorkerCounters>) -> Self {
        Worker {
            table: FlowTable::new(options.max_flows, options.timeouts)
                .with_pressure(options.pressure)
                .with_interim(options.interim),
            rooms: Rooms {
                detector: IndicatorDetector::new(snapshot.indicators.clone()),
                matcher: snapshot.matcher().with_window_memory(options.rule_windows),
                lookback: Lookback::new(options.lookback),
                streams: Streams::new(options.streams.clone()),
                findings: Findings::showing(options.shown),
                counters,
                files: snapshot.files(&options.files),
                configured_files: options.files.clone(),
                // A replay limits them where all are in order, so that the number of workers does not show.
                anomalies: if options.clock.is_some() { Limiter::default() } else { Limiter::open() },
                evidence_limit: options.evidence_limit,
                evidence_severity: options.evidence_severity,
                tunnels: options.tunnels,
                clock: options.clock,
                bypasser: None,
                expectations: Expectations::default(),
                home: snapshot.home.clone(),
                bindings: Bindings::default(),
                learns: true,
                counts_bindings: true,
                notes: Vec::new(),
                place: None,
                neighbors: Neighbors::default(),
            },
            reassembly: Some(Box::new(Reassembly::new(options.defrag.clone(), options.tunnels))),
            handover: None,
            bypassed: Vec::new(),
            overloaded_until: Nanos(0),
            heavy: HeavyFlows::default(),
            snapshots: None,
            generation: 0,
            turn: None,
        }
    }

    /// Lets what detectors match with be swapped.
    pub(crate) fn with_snapshots(mut self, snapshots: Arc<Snapshots>) -> Self {
        self.snapshots = Some(snapshots);
        self
    }

    /// Takes on what detectors are to match with, if it is new.
    pub(crate) fn refresh(&mut self) {
        if let Some(snapshots) = &self.snapshots
            && let Some(snapshot) = snapshots.newer(&mut self.generation)
        {
            self.rooms.match_with(&snapshot);
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

    /// Shares announcements of flows with other workers.
    pub(crate) fn with_expectations(mut self, expectations: Expectations) -> Self {
        self.rooms.expectations = expectations;
        self
    }

    /// What workers share is told and asked in the order of the packets.
    pub(crate) fn in_turn(mut self, turn: Turn) -> Self {
        self.rooms.matcher = self.rooms.matcher.in_turn(turn.clone());
        self.rooms.expectations = self.rooms.expectations.in_turn(turn.clone());
        self.turn = Some(turn);
        self
    }

    /// Shares with other workers where hosts live.
    pub(crate) fn with_bindings(mut self, bindings: Bindings) -> Self {
        self.rooms.bindings = bindings;
        self
    }

    /// Where hosts live is not learned from the frames that come here: [`Worker::learn`] says it, to all workers. One
    /// `counts` it.
    pub(crate) fn taught(mut self, counts: bool) -> Self {
        self.rooms.learns = false;
        self.rooms.counts_bindings = counts;
        self
    }

    /// A host was seen at its place.
    pub(crate) fn learn(&mut self, sighting: Sighting) {
        let counters = &self.rooms.counters;
        match self.rooms.bindings.learn(sighting) {
            _ if !self.rooms.counts_bindings => return,
            Learned::Known => {}
            Learned::Evicted => counters.bindings_evicted.add(1),
            Learned::Busy => return counters.bindings_missed.add(1),
        }
        counters.bindings_learned.add(1);
    }

    /// What there is to tell the warden beside alerts, since it was asked last.
    pub(crate) fn notes(&mut self) -> impl Iterator<Item = Note> + '_ {
        self.rooms.notes.drain(..)
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

    /// Works on frames in their order; what one causes goes to `emit` together with it. They are decoded first, so
    /// that the memory of their flows is on its way while others are worked on; then each is run to completion.
    pub fn batch<'a>(&mut self, inputs: &[Input<'a>], emit: &mut impl FnMut(&Input<'a>, Stamp, Event)) {
        // What a frame that cannot be decoded causes has its place in the order as well.
        let batch = if self.turn.is_some() { 1 } else { BATCH };
        for inputs in inputs.chunks(batch) {
            if let (Some(turn), [input]) = (&self.turn, inputs) {
                turn.reach(input.position);
            }
            let mut ready: [Option<(Packet<'a>, KeyHash)>; BATCH] = [None; BATCH];
            for (input, ready) in inputs.iter().zip(&mut ready) {
                *ready = self.decode(input, &mut |stamp, event| emit(input, stamp, event));
                if let Some((_, hash)) = ready {
                    self.table.prefetch_bucket(*hash);
                }
            }
            let flows = &ready[..inputs.len()];
            for (_, hash) in flows.iter().flatten() {
                self.table.prefetch_flow(*hash);
            }
            for (input, ready) in inputs.iter().zip(flows) {
                if let Some((packet, hash)) = ready {
                    let emit = &mut |stamp, event| emit(input, stamp, event);
                    if packet.fragment || packet.inner_error.is_some() || input.merged.is_some() {
                        self.unsteered(packet, *hash, input, emit);
                    } else {
                        self.rooms.count(packet);
                        self.packet(packet, *hash, input, emit);
                    }
                }
            }
        }
    }

    /// A frame's packet and the hash of its flow's key; nothing, and counted, if there is none in it.
    fn decode<'a>(
        &mut self,
        input: &Input<'a>,
        emit: &mut impl FnMut(Stamp, Event),
    ) -> Option<(Packet<'a>, KeyHash)> {
        let counters = &self.rooms.counters;
        // The frames of a datagram that was put together were counted as they came.
        if input.merged.is_none() {
            counters.packets.add(1);
            counters.bytes.add(u64::from(input.wire_len));
        }
        let frames = u64::from(input.frames().packets);
        match decode_as(self.rooms.tunnels, input.link, input.bytes) {
            Ok(Decoded::Ip(packet)) => {
                if may_tell(&packet) {
                    self.sight(&Decoded::Ip(packet), input);
                }
                return Some((packet, self.table.hash(&packet)));
            }
            Ok(Decoded::NonIp(_)) => counters.non_ip.add(frames),
            Ok(decoded @ Decoded::Arp(arp)) => {
                counters.non_ip.add(frames);
                counters.arp.add(frames);
                self.sight(&decoded, input);
                self.rooms.announce(sightings::of_arp(&arp), input, emit);
            }
            Err(reason) => self.rooms.malformed(reason, input, emit),
        }
        None
    }

    /// Learns from a frame where a host lives.
    #[cold]
    fn sight(&mut self, decoded: &Decoded<'_>, input: &Input<'_>) {
        if let (true, Some(seen)) = (self.rooms.learns, sighting(decoded, input.link, input.bytes)) {
            self.learn(seen);
        }
    }

    /// All frames before that position have been worked on.
    pub(crate) fn ended_at(&self, position: u64) {
        if let Some(turn) = &self.turn {
            turn.reach(position);
        }
    }

    /// Ends flows that have been silent for too long at `now`, all of them.
    pub fn expire(&mut self, now: Nanos, at: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        while self.sweep(now, at, emit) {}
    }

    /// A step of [`Worker::expire`], of bounded length. Whether there is more to do.
    pub fn sweep(&mut self, now: Nanos, at: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) -> bool {
        let rooms = &mut self.rooms;
        if let Some(reassembly) = &mut self.reassembly {
            reassembly.expire(now, &rooms.counters);
        }
        let more = self.table.sweep(now, SWEEP, &mut |ended| rooms.finish(ended, at, emit));
        self.publish();
        more
    }

    /// Ends every flow.
    pub fn drain(&mut self, at: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        let rooms = &mut self.rooms;
        if let Some(reassembly) = &mut self.reassembly {
            reassembly.flush(&rooms.counters);
        }
        self.table.drain(&mut |ended| rooms.finish(ended, at, emit));
        rooms.anomalies.reset();
        rooms.expectations.clear();
        rooms.matcher.forget_hosts();
        rooms.bindings.clear();
        self.publish();
    }

    /// Makes the counters of the table, the streams and the rules readable.
    fn publish(&self) {
        let (flows, counters) = (self.table.counters(), &self.rooms.counters);
        let [new, closed, established] = flows.evicted;
        counters.flows.set(flows.created);
        counters.flows_active.set(flows.active);
        counters.flows_expired.set(flows.expired);
        counters.flows_pressed.set(flows.pressed);
        counters.pressures.set(flows.pressures);
        counters.flows_evicted.set(new + closed + established);
        counters.flows_evicted_new.set(new);
        counters.flows_evicted_closed.set(closed);
        counters.flows_evicted_established.set(established);
        let budget = self.rooms.streams.budget();
        counters.stream_memory.set(budget.used());
        counters.segments_refused.set(budget.refused());
        let rules = self.rooms.matcher.counters();
        counters.rule_candidates.set(rules.candidates);
        counters.rule_matches.set(rules.matches);
        counters.rules_given_up.set(rules.given_up);
        counters.rules_over_limit.set(rules.over_limit);
        counters.rules_pending_refused.set(rules.pending_refused);
        counters.rule_bits_refused.set(rules.flow_bits_refused);
        counters.rule_windows.set(rules.window_bytes);
        counters.rule_windows_refused.set(rules.windows_refused);
    }

    fn packet(
        &mut self,
        packet: &Packet<'_>,
        hash: KeyHash,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let rooms = &mut self.rooms;
        let began = input.frames().start;
        let mut ended = |ended| rooms.finish(ended, input, emit);
        let tracked = self.table.track_hashed(packet, hash, began, input.wire_len, Session::new, &mut ended);
        if let Some(merged) = &input.merged {
            self.count_all(tracked, merged, input);
        }
        let rooms = &mut self.rooms;
        if let Some(reason) = packet.inner_error {
            rooms.inner_malformed(reason, input, emit);
        }
        let Some(flow) = self.table.get_mut(tracked.slot) else { return };
        rooms.keep(&mut flow.app, input);
        let moment = Moment { time: input.time, arrival: input.arrival, direction: tracked.direction };
        if let (true, Some(tunnel)) = (tracked.is_new, packet.tunnel) {
            flow.app.set_tunnel(tunnel.outermost());
        }
        if let Some(ether) = rooms.findings.shown.ether(input.link, input.bytes) {
            let way = tracked.direction == Direction::ToServer;
            let refused = flow.app.add_macs(if way { ether } else { ether.reversed() });
            rooms.counters.macs_refused.add(refused.into());
        }
        if let Transport::Icmp { kind, code } = packet.transport
            && tracked.direction == Direction::ToClient
        {
            flow.app.set_icmp_reply((kind, code));
        }
        // Only rules ask how far the flow has come.
        let rules = !rooms.matcher.is_empty();
        let standing = if rules {
            Standing::new(packet.proto, &flow.tcp, &flow.app.layer, flow.packets, flow.bytes)
        } else {
            Standing::default()
        };
        let mut inspection = Inspection {
            packet: Some(packet),
            standing,
            matcher: &mut rooms.matcher,
            tuple: &flow.tuple,
            moment,
            orientation: flow.orientation,
            home: &rooms.home,
            detector: &rooms.detector,
            files: &rooms.files,
            counters: &rooms.counters,
            findings: &mut rooms.findings,
            expectations: &rooms.expectations,
        };
        if tracked.is_new {
            rooms.counters.opened(flow.tuple.proto);
            if let (Some(hash), Some(place)) = (input.steered, &rooms.place)
                && !(place.is_right(hash) && (hash == 0 || hash == packet.steering_hash()))
            {
                rooms.counters.wrong_worker.add(1);
            }
            inspection.flow_start(&mut flow.app);
        }
        let session = &mut flow.app;
        let mut met = tracked.direction == Direction::ToClient && flow.packets[1] == 1;
        match packet.transport {
            Transport::Tcp(_) => {
                met = false;
                if let Some(segment) = Segment::of(packet, tracked.direction, input.time) {
                    if rules {
                        inspection.standing.established = flow.tcp.carries_opened(&segment);
                    }
                    let was_open = flow.tcp.was_opened();
                    flow.tcp.segment(&rooms.streams, &segment, &mut |event| {
                        inspection.stream(session, event);
                    });
                    met = !was_open && flow.tcp.was_opened();
                }
                if rules {
                    inspection.standing.established = flow.tcp.was_opened();
                    inspection.standing.stream_sizes = Standing::stream_sizes(&flow.tcp);
                }
                if session.layer.finished()
                    && !look_on(inspection.matcher, &session.layer)
                    && !session.wants_opening()
                {
                    flow.tcp.ignore_payload();
                }
            }
            Transport::Udp { .. } => inspection.datagram(session, packet.payload),
            _ => {}
        }
        inspection.packet_rules(session);
        inspection.check_in_of_rules(session);
        let icmp = match packet.transport {
            Transport::Icmp { kind, code } => Some((kind, code)),
            _ => None,
        };
        if met {
            let met = sightings::of_meeting(&flow.tuple, packet, input);
            emit(stamp(input, input.time), Event::Sighting(met));
        }
        if icmp.is_some() {
            rooms.announce(sightings::of_neighbor(packet, input), input, emit);
        }
        let subject = Subject {
            tuple: flow.tuple,
            icmp,
            packets: flow.packets,
            bytes: flow.bytes,
            packet: Some(packet),
            orientation: flow.orientation,
            established: is_established(packet.proto, flow.orientation, &flow.tcp, flow.packets),
        };
        rooms.report(&subject, &mut flow.app, moment.direction, input, emit);
        if flow.app.awaits_proof() && subject.established {
            rooms.note(flow.tuple.id, true, &mut flow.app, input, input);
        }
        if tracked.interim {
            rooms.interim(flow, input, emit);
        }
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
        for anomaly in reassembly.anomalies() {
            self.rooms.tell_decode_anomaly(anomaly.name(), input, emit);
        }
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

    /// Works on a datagram that was put together from fragments, here or by another worker.
    pub(crate) fn datagram(&mut self, input: &Input<'_>, emit: &mut impl FnMut(Stamp, Event)) {
        if let Some((packet, hash)) = self.decode(input, emit) {
            self.unsteered(&packet, hash, input, emit);
        }
    }

    /// Works on what the steering does not bring to the worker that has its flow: a fragment, a datagram that was put
    /// together (its frames are counted already), a tunnel's packet with something malformed in it that the XDP program
    /// took for good. But for the fragment, each is a packet like any other then, for that worker.
    #[cold]
    fn unsteered(
        &mut self,
        packet: &Packet<'_>,
        hash: KeyHash,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let counters = &self.rooms.counters;
        let merged = match input.merged {
            Some(merged) => merged,
            None => {
                counters.network(packet);
                if packet.fragment {
                    return self.fragment(input, emit);
                }
                Merged::alone(input.frames())
            }
        };
        let steering_hash = packet.steering_hash();
        if let Some(handover) = &self.handover
            && let Some(owner) = handover.other_owner(steering_hash)
        {
            let given = handover.give(owner, steering_hash, input, merged);
            let lost = if given { 0 } else { u64::from(merged.frames.packets) };
            counters.handed_over.add(u64::from(given));
            return counters.handover_full.add(lost);
        }
        if packet.fragment {
            return self.fragment(input, emit);
        }
        counters.transport(packet);
        let input = Input { steered: input.steered.map(|_| steering_hash), ..*input };
        self.packet(packet, hash, &input, emit);
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
        if session.evidence() != Evidence::None
            || session.bypass() != Bypass::No
            || !can_be_bypassed(&flow.tuple)
        {
            return;
        }
        let Some(bypasser) = &self.rooms.bypasser else { return };
        let counters = &self.rooms.counters;
        match bypasser.begin(&flow.tuple, reason) {
            Some(bypass_slot) => {
                session.set_bypass(Bypass::At(bypass_slot));
                flow.tcp.lose_track();
                self.bypassed.push((slot, id, bypass_slot));
                match reason {
                    BypassReason::Inspected => counters.bypass_inspected.add(1),
                    BypassReason::Shed => counters.bypass_shed.add(1),
                }
            }
            None => {
                // Not asked again for every packet.
                session.set_bypass(Bypass::Refused);
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
