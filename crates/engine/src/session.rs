//! What the engine keeps on a flow, and how transactions become alerts and events.

use std::net::IpAddr;
use std::sync::Arc;

use alert::{Alert, MAX_ACCOUNTS, Orientation, Sighting};
use detect::rules::{FileView, FlowRules, Hit, Matcher, View, dns_over_https};
use detect::{Context, Home, IndicatorDetector, Memo, Stage, orientation_by};
use flow::{FlowTable, FlowTuple, StreamEvent, Streams, TcpConnection};
use output::{AnomalyKind, Ether, Macs, PieceEvent, Shown};
use proto::{
    AppLayer, AppProto, Chunk, Expectation, FileEvent, FileInfo, HttpView, Keep, Progress, Sink, Transaction,
};
use wire::{Direction, IpProto, Nanos, Outer, Packet};

use crate::counters::WorkerCounters;
use crate::expectations::Expectations;
use crate::files::{FileOptions, Follower, OpenFiles, OverFile};
use crate::lookback::Chain;
use crate::sightings;

mod contents;
mod matching;
mod opening;

pub(crate) use contents::Contents;
use matching::{RuleRoom, Spoken, is_message};
pub(crate) use matching::{Standing, look_on};
use opening::Opening;

/// Evidence of an alerted flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// No alert yet.
    #[default]
    None,
    /// Packets are being written; so many bytes so far.
    Open(u64),
    /// The limit was reached.
    Complete,
}

/// Whether the kernel counts a flow's packets in place of its worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bypass {
    /// They come to the worker.
    #[default]
    No,
    /// They should not, but there was no room for it.
    Refused,
    /// They are counted in this slot.
    At(u32),
}

/// What the engine keeps on every flow. Its size is part of that of a tracked flow.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) layer: AppLayer,
    pub(crate) chain: Chain,
    counts: Counts,
    special: Option<Box<Special>>,
}

/// What few flows need: those alerted on, those bypassed, those in tunnels, those that carry files; and what rules
/// remember.
#[derive(Debug, Default)]
struct Special {
    memo: Memo,
    alerted: bool,
    evidence: Evidence,
    bypass: Bypass,
    icmp_reply: Option<(u8, u8)>,
    tunnel: Option<Outer>,
    /// Only if they are asked for.
    macs: Option<Box<Macs>>,
    files: OpenFiles,
    /// Names of the anomalies that were told.
    told: Vec<&'static str>,
    rules: Option<Box<FlowRules>>,
    /// The names of the bits that rules had set when the flow ended.
    bits: Vec<Arc<str>>,
    /// An indicator matched: bodies may tell of the victim.
    listed: bool,
    /// What the client says first to a listed address, until it is read.
    opening: Option<Opening>,
    /// An alert waits for proof that its victim took part.
    awaits_proof: bool,
    /// Who asked for a flow that was announced.
    asker: Option<IpAddr>,
    /// Accounts that its transactions named, at most [`MAX_ACCOUNTS`].
    accounts: Vec<String>,
}

/// Transactions so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    inspected: u32,
    logged: u32,
}

/// A tracked flow, all in: its share of the index and its slot. Waiting segments and parsers are on top.
const MAX_FLOW_BYTES: usize = 256;
const _: () = assert!(FlowTable::<Session>::BYTES_PER_FLOW <= MAX_FLOW_BYTES);

impl Session {
    pub(crate) fn new(tuple: &FlowTuple) -> Self {
        Session {
            layer: AppLayer::new(tuple),
            chain: Chain::default(),
            counts: Counts::default(),
            special: None,
        }
    }

    pub(crate) fn transactions(&self) -> u64 {
        self.counts.logged.into()
    }

    pub(crate) fn evidence(&self) -> Evidence {
        self.special.as_ref().map_or(Evidence::None, |special| special.evidence)
    }

    pub(crate) fn set_evidence(&mut self, evidence: Evidence) {
        self.special.get_or_insert_default().evidence = evidence;
    }

    /// Whether there was an alert.
    pub(crate) fn alerted(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.alerted)
    }

    pub(crate) fn set_alerted(&mut self) {
        self.special.get_or_insert_default().alerted = true;
    }

    pub(crate) fn bypass(&self) -> Bypass {
        self.special.as_ref().map_or(Bypass::No, |special| special.bypass)
    }

    /// Type and code of the first ICMP message towards the client.
    pub(crate) fn icmp_reply(&self) -> Option<(u8, u8)> {
        self.special.as_ref().and_then(|special| special.icmp_reply)
    }

    pub(crate) fn set_icmp_reply(&mut self, reply: (u8, u8)) {
        self.special.get_or_insert_default().icmp_reply.get_or_insert(reply);
    }

    /// The names of the bits that rules have set on the flow.
    pub(crate) fn bits(&self, matcher: &Matcher) -> Vec<Arc<str>> {
        let Some(special) = &self.special else { return Vec::new() };
        special.rules.as_ref().map_or_else(|| special.bits.clone(), |rules| matcher.bits(rules))
    }

    /// The tunnel that its first packet came through.
    pub(crate) fn tunnel(&self) -> Option<Outer> {
        self.special.as_ref().and_then(|special| special.tunnel)
    }

    pub(crate) fn set_tunnel(&mut self, outer: Outer) {
        self.special.get_or_insert_default().tunnel = Some(outer);
    }

    /// The hardware addresses of its ends, if they are asked for.
    pub(crate) fn macs(&self) -> Option<&Macs> {
        self.special.as_ref().and_then(|special| special.macs.as_deref())
    }

    /// Remembers those of a frame; whether there was no room for one.
    pub(crate) fn add_macs(&mut self, frame: Ether) -> bool {
        self.special.get_or_insert_default().macs.get_or_insert_default().add(frame)
    }

    /// Whether an alert of this flow waits for proof.
    pub(crate) fn awaits_proof(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.awaits_proof)
    }

    pub(crate) fn set_awaits_proof(&mut self, awaits: bool) {
        self.special.get_or_insert_default().awaits_proof = awaits;
    }

    /// Who asked for this flow on another one that announced it.
    pub(crate) fn asker(&self) -> Option<IpAddr> {
        self.special.as_ref().and_then(|special| special.asker)
    }

    /// Remembers the accounts that a transaction of the flow names, for its alerts.
    pub(crate) fn remember_accounts(&mut self, transaction: &Transaction) {
        detect::parties::accounts(transaction, |name| {
            let known = &mut self.special.get_or_insert_default().accounts;
            if known.len() < MAX_ACCOUNTS && !known.iter().any(|one| one == name) {
                known.push(name.to_owned());
            }
        });
    }

    /// Accounts that were named so far.
    pub(crate) fn accounts(&self) -> &[String] {
        self.special.as_ref().map_or(&[], |special| &special.accounts)
    }

    pub(crate) fn set_bypass(&mut self, bypass: Bypass) {
        self.special.get_or_insert_default().bypass = bypass;
    }
}

/// What one packet, or the end of a flow, brought to light. Reused, so that nothing is allocated for
/// packets that bring nothing.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) alerts: Vec<(Alert, Option<(u64, Transaction)>)>,
    /// What they were raised on.
    pub(crate) contents: Contents,
    pub(crate) shown: Shown,
    pub(crate) logged: Vec<(u64, Transaction)>,
    pub(crate) pieces: Vec<PieceEvent>,
    pub(crate) anomalies: Vec<Found>,
    pub(crate) gaps: u64,
    pub(crate) depths: u64,
    /// Announced flows that there was no room for.
    pub(crate) unexpected: u64,
    /// Facts for the judge that no logged transaction tells.
    pub(crate) sightings: Vec<Sighting>,
    scratch: Vec<Alert>,
    hits: Vec<Hit>,
}

impl Findings {
    /// Nothing yet; events will show that much.
    pub(crate) fn showing(shown: Shown) -> Self {
        Findings { shown, ..Findings::default() }
    }
}

/// A broken rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) kind: AnomalyKind,
    pub(crate) event: &'static str,
    pub(crate) tx_id: Option<u64>,
}

/// When and which way the packet at hand went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) time: Nanos,
    pub(crate) arrival: Option<Nanos>,
    pub(crate) direction: Direction,
}

/// A session's parsers and detectors at work on one packet.
pub(crate) struct Inspection<'a> {
    /// None at the end of a flow.
    pub(crate) packet: Option<&'a Packet<'a>>,
    pub(crate) standing: Standing,
    pub(crate) matcher: &'a mut Matcher,
    pub(crate) tuple: &'a FlowTuple,
    pub(crate) moment: Moment,
    pub(crate) orientation: Orientation,
    pub(crate) home: &'a Home,
    pub(crate) detector: &'a IndicatorDetector,
    pub(crate) files: &'a FileOptions,
    pub(crate) counters: &'a WorkerCounters,
    pub(crate) findings: &'a mut Findings,
    pub(crate) expectations: &'a Expectations,
}

impl Inspection<'_> {
    fn context(&self) -> Context<'_> {
        Context {
            tuple: self.tuple,
            direction: self.moment.direction,
            time: self.moment.time,
            arrival: self.moment.arrival,
            orientation: self.orientation,
            asker: self.tuple.client.ip,
            home: self.home,
        }
    }

    /// The flow has just been opened.
    pub(crate) fn flow_start(&mut self, session: &mut Session) {
        let mut alerts = std::mem::take(&mut self.findings.scratch);
        if self.detector.flow_start(&self.context(), &mut alerts) {
            let special = session.special.get_or_insert_default();
            special.listed = true;
            special.opening = (self.tuple.proto == IpProto::TCP).then(Opening::default);
        }
        self.findings.alerts.extend(alerts.drain(..).map(|alert| (alert, None)));
        self.findings.scratch = alerts;
    }

    /// Before a flow's first bytes are looked at: whether another flow announced it. Not when it is opened: what a
    /// passive FTP data connection will carry is said after that.
    fn look_up_announcement(&mut self, session: &mut Session) {
        if session.layer.silent()
            && let Some(announced) = self.expectations.take(self.tuple)
        {
            session.layer.announced(self.tuple, announced.app, announced.note.as_deref());
            session.special.get_or_insert_default().asker = Some(announced.asker);
        }
    }

    /// A datagram of the flow.
    pub(crate) fn datagram(&mut self, session: &mut Session, bytes: &[u8]) {
        if !bytes.is_empty() && !session.layer.finished() {
            self.look_up_announcement(session);
            let chunk = Chunk { direction: self.moment.direction, bytes, time: self.moment.time };
            let Session { layer, counts, special, .. } = session;
            let spoken = Spoken::of(layer);
            let mut collector = Collector::new(self, spoken, counts, special);
            layer.datagram(collector.inspection.tuple, chunk, &mut collector);
            collector.events_left();
        }
    }

    /// A piece of stream, or a hole in it.
    pub(crate) fn stream(&mut self, session: &mut Session, event: StreamEvent<'_>) {
        match event {
            StreamEvent::Data(direction, bytes) => self.stream_data(session, direction, bytes),
            StreamEvent::Gap(direction, missing) => {
                if let Some(special) = &mut session.special {
                    self.matcher.gap(direction, missing, &mut special.rules);
                }
                self.opening_ends(session, direction);
                if session.layer.finished() {
                    return;
                }
                self.findings.gaps += 1;
                self.look_up_announcement(session);
                let Session { layer, counts, special, .. } = session;
                let spoken = Spoken::of(layer);
                let mut collector = Collector::new(self, spoken, counts, special);
                layer.gap(collector.inspection.tuple, direction, missing, &mut collector);
                collector.events_left();
            }
            StreamEvent::Depth(_) => self.findings.depths += 1,
            StreamEvent::Anomaly(direction, anomaly) => {
                let event = anomaly.name();
                self.findings.anomalies.push(Found { kind: AnomalyKind::Stream, event, tx_id: None });
                if self.matcher.wants_event(event) {
                    RuleRoom::of(session).run(self, direction, None, |matcher, cx, rules, hits| {
                        matcher.event(event, cx, rules, hits);
                    });
                }
            }
        }
    }

    fn stream_data(&mut self, session: &mut Session, direction: Direction, bytes: &[u8]) {
        let before = self.findings.alerts.len();
        let to_rules = look_on(self.matcher, &session.layer);
        if to_rules {
            self.matcher.stream_bytes(direction, bytes, &mut session.special.get_or_insert_default().rules);
        }
        if !session.layer.finished() {
            self.look_up_announcement(session);
            let chunk = Chunk { direction, bytes, time: self.moment.time };
            let Session { layer, counts, special, .. } = session;
            let spoken = Spoken::of(layer);
            let mut collector = Collector::new(self, spoken, counts, special);
            layer.data(collector.inspection.tuple, chunk, &mut collector);
            collector.events_left();
        }
        self.opening(session, direction, bytes);
        // Only now is it known what it is.
        if to_rules {
            self.stream_rules(session, direction);
        }
        self.note_stream(session, before, bytes);
    }

    /// The flow is over: what still waits behind holes, then what is still open.
    pub(crate) fn close(&mut self, session: &mut Session, tcp: &mut TcpConnection, streams: &Streams) {
        tcp.flush(streams, &mut |event| self.stream(session, event));
        self.opening_ends(session, Direction::ToServer);
        let before = self.findings.alerts.len();
        let Session { layer, counts, special, .. } = session;
        let spoken = Spoken::of(layer);
        let mut collector = Collector::new(self, spoken, counts, special);
        layer.close(&mut collector);
        collector.close_files();
        collector.events_left();
        self.note_stream(session, before, &[]);
        let bits = session.bits(self.matcher);
        if let Some(special) = &mut session.special {
            special.bits = bits;
            self.matcher.end(special.rules.take());
        }
    }
}

/// Takes transactions from the parsers: detectors first, then the log.
struct Collector<'a, 'b> {
    inspection: &'a mut Inspection<'b>,
    spoken: Spoken,
    counts: &'a mut Counts,
    special: &'a mut Option<Box<Special>>,
    /// Events that rules ask for, until it is known of which transaction they are.
    events: Vec<&'static str>,
}

impl<'a, 'b> Collector<'a, 'b> {
    fn new(
        inspection: &'a mut Inspection<'b>,
        spoken: Spoken,
        counts: &'a mut Counts,
        special: &'a mut Option<Box<Special>>,
    ) -> Self {
        Collector { inspection, spoken, counts, special, events: Vec::new() }
    }
}

impl Collector<'_, '_> {
    /// Lets the detectors see a transaction; `id` is its ordinal in the flow.
    fn detect(&mut self, id: u64, transaction: &Transaction, stage: Stage) {
        let mut alerts = std::mem::take(&mut self.inspection.findings.scratch);
        let asker = self.special.as_ref().and_then(|special| special.asker);
        let context = self.inspection.context();
        // Who asked for a flow on another has acted, whoever opens it.
        let of_flow = if asker.is_some() {
            context.orientation.max(Orientation::Answered)
        } else {
            context.orientation
        };
        let context = Context {
            orientation: orientation_by(transaction, of_flow),
            asker: asker.unwrap_or(context.asker),
            ..context
        };
        let mut memo =
            self.special.as_mut().map(|special| std::mem::take(&mut special.memo)).unwrap_or_default();
        self.inspection.detector.transaction(&context, transaction, stage, &mut memo, &mut alerts);
        // Only what was alerted on is remembered, and so a flow without alerts needs no room for it.
        if !memo.is_empty() || !alerts.is_empty() || self.special.is_some() {
            let special = self.special.get_or_insert_default();
            special.memo = memo;
            special.listed |= !alerts.is_empty();
        }
        let found = alerts.drain(..).map(|alert| (alert, Some((id, transaction.clone()))));
        self.inspection.findings.alerts.extend(found);
        self.inspection.findings.scratch = alerts;
    }

    /// A file is over. It has no ordinal of its own: it bears that of the transaction which is logged next, its
    /// carrier.
    fn file_over(&mut self, file: OverFile) {
        let OverFile { info, content } = file;
        self.file_ready(FileView { info: &info, content: &content, carrier: info.carrier.as_ref() });
        let id = u64::from(self.counts.logged);
        let transaction = Transaction::from(FileInfo { tx_id: id, ..info });
        self.detect(id, &transaction, Stage::Begun);
        self.inspection.findings.logged.push((id, transaction));
    }

    /// The open files of the flow, and who follows them.
    fn files(&mut self) -> (&mut OpenFiles, Follower<'_>) {
        let Inspection { tuple, files, counters, findings, .. } = &mut *self.inspection;
        let follower = Follower { options: files, counters, tuple, pieces: &mut findings.pieces };
        (&mut self.special.get_or_insert_default().files, follower)
    }

    /// The flow is over: what its parser has left open.
    fn close_files(&mut self) {
        if self.special.is_some() {
            let (files, mut follower) = self.files();
            for file in follower.rest(files) {
                self.file_over(file);
            }
        }
    }
}

impl Sink for Collector<'_, '_> {
    fn inspect(&mut self, transaction: &Transaction) {
        let Inspection { tuple, findings, .. } = &mut *self.inspection;
        sightings::of_request(tuple, transaction, &mut findings.sightings);
        let id = u64::from(self.counts.inspected);
        self.counts.inspected = self.counts.inspected.saturating_add(1);
        self.detect(id, transaction, Stage::Begun);
        if self.by_inspection(transaction) && !is_message(transaction) {
            let view = View::Other(transaction);
            self.events_of(self.inspection.moment.direction, Some((id, &|| transaction.clone())));
            self.match_rules(id, view, Direction::ToServer, Progress::Head, &|| transaction.clone());
        }
    }

    fn spoken(&mut self, app: Option<AppProto>, original: Option<AppProto>) {
        self.spoken = Spoken { app, original };
    }

    fn keep(&self) -> Keep {
        let Inspection { matcher, findings, .. } = &*self.inspection;
        let mut keep = matcher.keep();
        if keep.body == 0 && self.special.as_ref().is_some_and(|special| special.listed) {
            keep.body = detect::c2::MAX_BODY;
        }
        // Only rules see bodies, and so only alerts of rules show some.
        if findings.shown.alert.wants_bodies() && !matcher.is_empty() {
            keep.body = keep.body.max(findings.shown.alert.payload_buffer as usize);
        }
        keep
    }

    fn progress(&mut self, view: HttpView<'_>, direction: Direction, progress: Progress) {
        if direction == Direction::ToServer && progress == Progress::Done {
            self.check_in_of_body(view);
        }
        if self.inspection.matcher.is_empty() {
            return;
        }
        let transaction = || Transaction::from(view.http.clone());
        // Exchanges of HTTP/1 are counted from 1, transactions from 0; streams of HTTP/2 have their own numbers.
        let first = u64::from(self.spoken.app != Some(AppProto::Http2));
        let id = view.number.saturating_sub(first);
        self.events_of(self.inspection.moment.direction, Some((id, &transaction)));
        self.match_rules(id, View::Http(view), direction, progress, &transaction);
        if progress == Progress::Done
            && let Some(dns) = dns_over_https(&view, direction)
        {
            let within = Spoken { app: Some(AppProto::Dns), original: Some(AppProto::Http2) };
            let spoken = std::mem::replace(&mut self.spoken, within);
            for progress in [Progress::Head, Progress::Done] {
                self.match_rules(id, View::Other(&dns), direction, progress, &|| dns.clone());
            }
            self.spoken = spoken;
        }
    }

    fn file(&mut self, event: FileEvent<'_>) {
        let (files, mut follower) = self.files();
        if let Some(file) = follower.take(files, event) {
            self.file_over(file);
        }
    }

    fn log(&mut self, transaction: Transaction) {
        if self.by_inspection(&transaction) {
            self.rules_at_end(&transaction);
        }
        let id = u64::from(self.counts.logged);
        self.detect(id, &transaction, Stage::Complete);
        self.inspection.findings.logged.push((id, transaction));
        self.counts.logged = self.counts.logged.saturating_add(1);
    }

    fn pass(&mut self, transaction: &Transaction) {
        let Inspection { tuple, findings, .. } = &mut *self.inspection;
        sightings::of_request(tuple, transaction, &mut findings.sightings);
        if self.by_inspection(transaction) {
            self.rules_alone(transaction);
        }
    }

    fn anomaly(&mut self, event: &'static str) {
        let told = &mut self.special.get_or_insert_default().told;
        if !told.contains(&event) {
            told.push(event);
            let tx_id = Some(self.counts.logged.into());
            self.inspection.findings.anomalies.push(Found { kind: AnomalyKind::AppLayer, event, tx_id });
        }
        // Rules are told of each transaction that it happens in.
        if self.inspection.matcher.wants_event(event) && !self.events.contains(&event) {
            self.events.push(event);
        }
    }

    fn expect(&mut self, expectation: Expectation) {
        let Inspection { tuple, moment, expectations, .. } = self.inspection;
        if !expectations.announce(tuple, moment.direction, expectation, moment.time) {
            self.inspection.findings.unexpected += 1;
        }
    }
}
