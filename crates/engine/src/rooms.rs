//! Everything of a worker but its flow table: detectors, recent packets, counters, and what leaves for the log.

use std::sync::Arc;

use alert::{Alert, Basis, Binding, Orientation, Proof, Severity, Sighting};
use detect::parties;
use detect::rules::Matcher;
use detect::{Home, IndicatorDetector, orientation_by};
use flow::{EndReason, Ended, Flow, FlowRecord, FlowTuple, Streams, TcpConnection};
use output::{
    AlertEvent, AnomalyEvent, AnomalyKind, Content, Event, EvidenceEvent, EvidencePacket, FlowEvent, Macs,
    Payload, Shown, Stamp, TransactionEvent, evidence_name,
};
use proto::Transaction;
use wire::{Direction, IpProto, Malformed, Nanos, Packet};

use crate::anomalies::Limiter;
use crate::bindings::Bindings;
use crate::bypass::Bypasser;
use crate::counters::WorkerCounters;
use crate::expectations::Expectations;
use crate::files::FileOptions;
use crate::input::{Input, Place};
use crate::lookback::Lookback;
use crate::notes::Note;
use crate::session::{Bypass, Evidence, Findings, Found, Inspection, Moment, Session, Standing, look_on};
use crate::sightings::{self, Neighbors};
use crate::snapshot::Snapshot;

/// Everything but the table, so that flows that end while the table is busy can be worked on.
#[derive(Debug)]
pub(crate) struct Rooms {
    pub(crate) detector: IndicatorDetector,
    pub(crate) matcher: Matcher,
    pub(crate) lookback: Lookback,
    pub(crate) streams: Streams,
    pub(crate) findings: Findings,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) files: FileOptions,
    pub(crate) anomalies: Limiter,
    pub(crate) evidence_limit: u64,
    pub(crate) evidence_severity: Severity,
    pub(crate) tunnels: bool,
    pub(crate) clock: Option<fn() -> Nanos>,
    /// None in replay.
    pub(crate) bypasser: Option<Bypasser>,
    pub(crate) expectations: Expectations,
    pub(crate) home: Arc<Home>,
    pub(crate) bindings: Bindings,
    /// Whether bindings are learned from the frames that come here; else from whoever hands the frames out.
    pub(crate) learns: bool,
    /// Whether what is learned is counted here.
    pub(crate) counts_bindings: bool,
    /// For the warden, beside alerts.
    pub(crate) notes: Vec<Note>,
    pub(crate) place: Option<Place>,
    /// Announced a moment ago.
    pub(crate) neighbors: Neighbors,
    /// What is done with files whatever is matched with.
    pub(crate) configured_files: FileOptions,
}

/// The flow that events are about.
pub(crate) struct Subject<'a> {
    pub(crate) tuple: FlowTuple,
    /// Type and code of the message at hand.
    pub(crate) icmp: Option<(u8, u8)>,
    pub(crate) packets: [u64; 2],
    pub(crate) bytes: [u64; 2],
    /// The packet at hand; none at the end of the flow.
    pub(crate) packet: Option<&'a Packet<'a>>,
    pub(crate) orientation: Orientation,
    /// See [`Proof::established`].
    pub(crate) established: bool,
}

impl Subject<'_> {
    /// The payload of the packet at hand, for an alert that no stream led to.
    fn payload(&self, shown: &Shown) -> Option<Payload> {
        let packet = self.packet.filter(|_| shown.alert.wants_payload())?;
        Some(Payload {
            bytes: shown.alert.beginning(packet.payload).to_vec(),
            length: packet.payload.len() as u64 + u64::from(packet.missing),
            stream: false,
        })
    }
}

/// Whether a flow with these packets, `[to server, to client]`, is proof that both sides took part.
#[inline]
pub(crate) fn is_established(
    proto: IpProto,
    orientation: Orientation,
    tcp: &TcpConnection,
    packets: [u64; 2],
) -> bool {
    match proto {
        IpProto::TCP => tcp.was_opened() || (orientation != Orientation::Handshake && tcp.was_heard()),
        _ => packets.iter().all(|&packets| packets > 0),
    }
}

/// The alerts of rules on a frame of no flow, in which this is wrong.
pub(crate) fn frame_alerts(
    matcher: &mut Matcher,
    event: &'static str,
    input: &Input<'_>,
    counters: &WorkerCounters,
    shown: &Shown,
    raised: impl Fn() -> Option<Nanos>,
    emit: &mut impl FnMut(Stamp, Event),
) {
    if !matcher.wants_event(event) {
        return;
    }
    let mut alerts = Vec::new();
    matcher.frame(event, input.time, &mut alerts);
    for alert in alerts {
        counters.alerts.add(1);
        let alert = Alert { arrival: input.arrival, raised: raised(), ..alert };
        let packet = shown.packet(input.link, input.bytes);
        let event = AlertEvent {
            ether: shown.ether(input.link, input.bytes),
            content: Content { packet, ..Content::default() }.boxed(),
            ..AlertEvent::of_frame(alert)
        };
        emit(stamp(input, input.time), Event::Alert(Box::new(event)));
    }
}

impl Rooms {
    /// From now on detectors match with this.
    pub(crate) fn match_with(&mut self, snapshot: &Snapshot) {
        self.detector = IndicatorDetector::new(snapshot.indicators.clone());
        self.home = snapshot.home.clone();
        self.matcher.set_rules(snapshot.rules.clone());
        self.files = snapshot.files(&self.configured_files);
    }

    pub(crate) fn count(&self, packet: &Packet<'_>) {
        self.counters.network(packet);
        self.counters.transport(packet);
    }

    /// Counts a frame that could not be decoded, and says so.
    pub(crate) fn malformed(
        &mut self,
        reason: Malformed,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let frames = u64::from(input.frames().packets);
        self.counters.invalid.add(frames);
        self.counters.malformed[reason as usize].add(frames);
        self.tell_decode_anomaly(reason.event(), input, emit);
    }

    /// Counts a tunnel's packet with something in it that could not be decoded, and says so.
    #[cold]
    pub(crate) fn inner_malformed(
        &mut self,
        reason: Malformed,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let frames = u64::from(input.frames().packets);
        self.counters.inner_invalid.add(frames);
        self.counters.malformed[reason as usize].add(frames);
        self.tell_decode_anomaly(reason.event(), input, emit);
    }

    /// Says what is wrong with a frame, unless too many were before it.
    pub(crate) fn tell_decode_anomaly(
        &mut self,
        event: &'static str,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let raised = || self.clock.map(|now| now());
        frame_alerts(&mut self.matcher, event, input, &self.counters, &self.findings.shown, raised, emit);
        if let Some((stamp, event)) =
            self.anomalies.decode_event(event, input, &self.counters, &self.findings.shown)
        {
            emit(stamp, event);
        }
    }

    /// Tells where a neighbor is, if that is news.
    #[cold]
    pub(crate) fn announce(
        &mut self,
        sighting: Option<Sighting>,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        // A replay tells all, so that the number of workers does not show.
        let replayed = self.clock.is_none();
        let news = |sighting: &Sighting| replayed || self.neighbors.is_news(sighting, input.time);
        if let Some(sighting) = sighting.filter(news) {
            emit(stamp(input, input.time), Event::Sighting(sighting));
        }
    }

    /// Whether this flow's packets need not come here any more.
    pub(crate) fn nothing_more_to_learn(&self, session: &Session) -> bool {
        session.bypass() == Bypass::No
            && session.layer.finished()
            && !look_on(&self.matcher, &session.layer)
            && session.evidence() == Evidence::None
            && self.bypasser.as_ref().is_some_and(|b| b.inspected)
    }

    /// Keeps the frame for evidence while its flow may still be alerted on.
    pub(crate) fn keep(&mut self, session: &mut Session, input: &Input<'_>) {
        if session.evidence() == Evidence::None && !session.layer.finished() {
            self.lookback.keep(&mut session.chain, input.position, input.time, input.wire_len, input.bytes);
        }
    }

    /// Emits what the packet at hand brought: alerts first, because somebody waits for them.
    pub(crate) fn report(
        &mut self,
        flow: &Subject<'_>,
        session: &mut Session,
        direction: Direction,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let mut alerts = std::mem::take(&mut self.findings.alerts);
        let Findings { shown, logged, gaps, depths, unexpected, sightings, .. } = &mut self.findings;
        self.counters.gaps.add(std::mem::take(gaps));
        self.counters.depths_reached.add(std::mem::take(depths));
        self.counters.expectations_refused.add(std::mem::take(unexpected));
        for (_, transaction) in logged.iter() {
            session.remember_accounts(transaction);
            sightings::of_transaction(&flow.tuple, flow.established, transaction, sightings);
        }
        for sighting in sightings.drain(..) {
            emit(stamp(input, input.time), Event::Sighting(sighting));
        }
        let mut evident = session.evidence() != Evidence::None;
        let ether = match shown.ether(input.link, input.bytes) {
            Some(ether) if direction == Direction::ToServer => Some(ether),
            Some(ether) => Some(ether.reversed()),
            None => session.macs().and_then(Macs::first),
        };
        for (at, (mut alert, transaction)) in alerts.drain(..).enumerate() {
            self.counters.alerts.add(1);
            session.set_alerted();
            self.prove(&mut alert, transaction.as_ref(), flow, session, direction, input);
            evident |= is_evident(&alert, self.evidence_severity);
            alert.raised = self.clock.map(|now| now());
            parties::complete(&mut alert, &flow.tuple, &self.home);
            session.accounts().iter().for_each(|name| alert.parties.account(name));
            if let Some((_, transaction)) = &transaction {
                parties::accounts(transaction, |name| alert.parties.account(name));
            }
            let Findings { contents, shown, .. } = &mut self.findings;
            let event = AlertEvent {
                flow: Some(flow.tuple),
                icmp: flow.icmp,
                packets: flow.packets,
                bytes: flow.bytes,
                app: session.layer.protocol(),
                transaction,
                alert,
                forwarded: None,
                evidence: evident.then(|| evidence_name(&flow.tuple)),
                tunnel: session.tunnel(),
                bits: session.bits(&self.matcher),
                ether,
                content: contents.take(at, || flow.payload(shown), shown.packet(input.link, input.bytes)),
            };
            emit(stamp(input, input.time), Event::Alert(Box::new(event)));
        }
        self.findings.alerts = alerts;
        let Findings { logged, pieces, anomalies, .. } = &mut self.findings;
        self.counters.anomalies.add(anomalies.len() as u64);
        for Found { kind, event, tx_id } in anomalies.drain(..) {
            let app = (kind == AnomalyKind::AppLayer).then(|| session.layer.protocol()).flatten();
            let event = AnomalyEvent {
                kind,
                event,
                layer: (kind == AnomalyKind::AppLayer).then(|| found_by(event)),
                flow: Some((flow.tuple, direction)),
                app,
                tx_id,
                tunnel: session.tunnel(),
                ether,
            };
            emit(stamp(input, input.time), Event::Anomaly(Box::new(event)));
        }
        self.counters.transactions.add(logged.len() as u64);
        for piece in pieces.drain(..) {
            emit(stamp(input, input.time), Event::Piece(Box::new(piece)));
        }
        for (tx_id, mut transaction) in logged.drain(..) {
            if let Transaction::FileInfo(file) = &mut transaction {
                file.app = session.layer.protocol();
            }
            let tunnel = session.tunnel();
            let event = TransactionEvent { flow: flow.tuple, direction, tx_id, transaction, tunnel, ether };
            emit(stamp(input, input.time), Event::Transaction(Box::new(event)));
        }
        if evident {
            self.evidence(&flow.tuple, session, input, emit);
        }
    }

    /// Says how well it is established that the alert's victim took part. If that may come later, the flow waits for it.
    fn prove(
        &self,
        alert: &mut Alert,
        transaction: Option<&(u64, Transaction)>,
        flow: &Subject<'_>,
        session: &mut Session,
        direction: Direction,
        input: &Input<'_>,
    ) {
        let least = if session.asker().is_some() { Orientation::Answered } else { Orientation::Guessed };
        let of_flow = flow.orientation.max(least);
        let orientation = transaction.map_or(of_flow, |(_, of)| orientation_by(of, of_flow));
        if orientation == Orientation::Guessed && matches!(alert.basis, Some(Basis::Flow | Basis::Class)) {
            (alert.victim, alert.basis) = (None, None);
        }
        let binding = match alert.victim {
            Some(victim) if session.tunnel().is_none() => {
                let sender = flow.tuple.ends(direction).0.ip == victim && !input.bytes.is_empty();
                let frame = sender.then_some((input.link, input.bytes));
                self.bindings.judge(victim, frame, |look| {
                    self.lookback.latest(session.chain, input.position, |frame| look(input.link, frame));
                })
            }
            _ => Binding::Unknown,
        };
        alert.proof = Proof { orientation, established: flow.established, binding };
        if alert.victim.is_some() && !flow.established && orientation > Orientation::Guessed {
            session.set_awaits_proof(true);
        }
    }

    /// What an alert of this flow waits for has come, or cannot come any more.
    #[cold]
    pub(crate) fn note(
        &mut self,
        flow: u64,
        proven: bool,
        session: &mut Session,
        input: &Input<'_>,
        at: &Input<'_>,
    ) {
        session.set_awaits_proof(false);
        self.notes.push(Note {
            stamp: stamp(input, input.time),
            ordinal: at.ordinal,
            flow,
            proven,
            arrival: input.arrival,
            raised: self.clock.map(|now| now()),
        });
    }

    /// The packets of an alerted flow: first those from before the alert, then each as it comes.
    fn evidence(
        &mut self,
        tuple: &FlowTuple,
        session: &mut Session,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let (so_far, mut packets) = match session.evidence() {
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
        session.set_evidence(if complete { Evidence::Complete } else { Evidence::Open(total) });
        emit_evidence(tuple, input, packets, complete, emit);
    }

    /// Writes how far a flow has come that lives on.
    pub(crate) fn interim(
        &mut self,
        flow: &Flow<Session>,
        input: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        self.counters.flow_interims.add(1);
        let event = flow_event(flow.record(EndReason::Active), &flow.app, &self.matcher);
        emit(stamp(input, input.time), Event::Flow(Box::new(event)));
    }

    /// Writes a flow's record and what its parsers still held.
    pub(crate) fn finish(
        &mut self,
        ended: Ended<Session>,
        at: &Input<'_>,
        emit: &mut impl FnMut(Stamp, Event),
    ) {
        let Ended { record, orientation, mut tcp, app: mut session } = ended;
        let standing = Standing::new(record.tuple.proto, &tcp, &session.layer, record.packets, record.bytes);
        let mut inspection = Inspection {
            packet: None,
            standing,
            matcher: &mut self.matcher,
            tuple: &record.tuple,
            moment: Moment { time: record.end, arrival: None, direction: Direction::ToServer },
            orientation,
            home: &self.home,
            detector: &self.detector,
            files: &self.files,
            counters: &self.counters,
            findings: &mut self.findings,
            expectations: &self.expectations,
        };
        inspection.close(&mut session, &mut tcp, &self.streams);
        // What comes to light at the end belongs to the flow's last packet, not to the one at hand.
        let last = Input { bytes: &[], time: record.end, arrival: None, wire_len: 0, ordinal: None, ..*at };
        let subject = Subject {
            tuple: record.tuple,
            icmp: None,
            packets: record.packets,
            bytes: record.bytes,
            packet: None,
            orientation,
            established: is_established(record.tuple.proto, orientation, &tcp, record.packets),
        };
        let was_open = matches!(session.evidence(), Evidence::Open(_));
        if was_open {
            session.set_evidence(Evidence::Complete);
        }
        self.report(&subject, &mut session, Direction::ToServer, &last, emit);
        if session.awaits_proof() {
            self.note(record.tuple.id, false, &mut session, &last, at);
        }
        if was_open || matches!(session.evidence(), Evidence::Open(_)) {
            emit_evidence(&record.tuple, &last, Vec::new(), true, emit);
        }
        self.counters.parser_limits.add(u64::from(session.layer.limits_hit()));
        let event = flow_event(record, &session, &self.matcher);
        let (stamp, event) = (stamp(&last, last.time), Box::new(event));
        // What the kernel counted is added by the keeper, who has to wait for it.
        let unkept = match (session.bypass(), &self.bypasser) {
            (Bypass::At(slot), Some(bypasser)) => bypasser.end(slot, stamp, event).err(),
            _ => Some((stamp, event)),
        };
        if let Some((stamp, event)) = unkept {
            emit(stamp, Event::Flow(event));
        }
    }
}

/// Whether the packets of a flow with this alert are kept: indicators and tags ask for it, other rules if they are
/// severe enough and do not limit themselves, for nobody knows here whether their alerts are told.
fn is_evident(alert: &Alert, least: Severity) -> bool {
    match &alert.rule {
        Some(rule) => rule.tagged || (alert.severity <= least && !rule.limited),
        None => true,
    }
}

/// Who finds an anomaly of the application layer: the protocol's parser, or who looks for the protocol.
fn found_by(event: &str) -> &'static str {
    if event.starts_with("APPLAYER_") { "proto_detect" } else { "proto_parser" }
}

fn flow_event(record: FlowRecord, session: &Session, matcher: &Matcher) -> FlowEvent {
    FlowEvent {
        app: session.layer.protocol(),
        original: session.layer.original(),
        expected: session.layer.expected(&record.tuple),
        alerted: session.alerted(),
        transactions: session.transactions(),
        icmp_reply: session.icmp_reply(),
        tunnel: session.tunnel(),
        macs: session.macs().cloned().map(Box::new),
        bits: session.bits(matcher),
        record,
    }
}

pub(crate) fn stamp(input: &Input<'_>, time: Nanos) -> Stamp {
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
    /// Counts a packet, and a fragment, by what its IP header says.
    pub(crate) fn network(&self, packet: &Packet<'_>) {
        if packet.src.is_ipv4() { &self.ipv4 } else { &self.ipv6 }.add(1);
        if packet.vlans.count() > 0 {
            self.vlan.add(1);
        }
        if packet.fragment {
            self.fragments.add(1);
        }
        if packet.missing > 0 {
            self.cut_short.add(1);
        }
    }

    /// Counts a packet, and a whole datagram, by its transport protocol.
    pub(crate) fn transport(&self, packet: &Packet<'_>) {
        match packet.proto {
            IpProto::TCP => self.tcp.add(1),
            IpProto::UDP => self.udp.add(1),
            IpProto::ICMP => self.icmpv4.add(1),
            IpProto::ICMPV6 => self.icmpv6.add(1),
            _ => {}
        }
        if packet.tunnel.is_some() {
            self.tunnelled.add(1);
        }
    }

    pub(crate) fn opened(&self, proto: IpProto) {
        match proto {
            IpProto::TCP => self.flows_tcp.add(1),
            IpProto::UDP => self.flows_udp.add(1),
            _ => {}
        }
    }
}
