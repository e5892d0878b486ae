//! What the engine keeps on a flow, and how transactions become alerts and events.

use alert::Alert;
use detect::{Context, IndicatorDetector, Memo, Stage};
use flow::{FlowTable, FlowTuple, StreamEvent, Streams, TcpConnection};
use output::{AnomalyKind, PieceEvent};
use proto::{AppLayer, Chunk, Expectation, FileEvent, FileInfo, Sink, Transaction};
use wire::{Direction, Nanos, Outer};

use crate::counters::WorkerCounters;
use crate::expectations::Expectations;
use crate::files::{FileOptions, Follower, OpenFiles};
use crate::lookback::Chain;

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

/// What few flows need: those alerted on, those bypassed, those in tunnels, those that carry files.
#[derive(Debug, Default)]
struct Special {
    memo: Memo,
    evidence: Evidence,
    bypass: Bypass,
    icmp_reply: Option<(u8, u8)>,
    tunnel: Option<Outer>,
    files: OpenFiles,
    /// Names of the anomalies that were told.
    told: Vec<&'static str>,
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

    /// The tunnel that its first packet came through.
    pub(crate) fn tunnel(&self) -> Option<Outer> {
        self.special.as_ref().and_then(|special| special.tunnel)
    }

    pub(crate) fn set_tunnel(&mut self, outer: Outer) {
        self.special.get_or_insert_default().tunnel = Some(outer);
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
    pub(crate) logged: Vec<(u64, Transaction)>,
    pub(crate) pieces: Vec<PieceEvent>,
    pub(crate) anomalies: Vec<Found>,
    pub(crate) gaps: u64,
    pub(crate) depths: u64,
    /// Announced flows that there was no room for.
    pub(crate) unexpected: u64,
    scratch: Vec<Alert>,
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
    pub(crate) tuple: &'a FlowTuple,
    pub(crate) moment: Moment,
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
        }
    }

    /// The flow has just been opened.
    pub(crate) fn flow_start(&mut self) {
        let mut alerts = std::mem::take(&mut self.findings.scratch);
        self.detector.flow_start(&self.context(), &mut alerts);
        self.findings.alerts.extend(alerts.drain(..).map(|alert| (alert, None)));
        self.findings.scratch = alerts;
    }

    /// Before a flow's first bytes are looked at: whether another flow announced it. Not when it is opened: what a
    /// passive FTP data connection will carry is said after that.
    fn look_up_announcement(&mut self, layer: &mut AppLayer) {
        if layer.silent()
            && let Some((app, note)) = self.expectations.take(self.tuple)
        {
            layer.announced(self.tuple, app, note.as_deref());
        }
    }

    /// A datagram of the flow.
    pub(crate) fn datagram(&mut self, session: &mut Session, bytes: &[u8]) {
        if !bytes.is_empty() && !session.layer.finished() {
            self.look_up_announcement(&mut session.layer);
            let chunk = Chunk { direction: self.moment.direction, bytes, time: self.moment.time };
            let Session { layer, counts, special, .. } = session;
            layer.datagram(self.tuple, chunk, &mut Collector { inspection: self, counts, special });
        }
    }

    /// A piece of stream, or a hole in it.
    pub(crate) fn stream(&mut self, session: &mut Session, event: StreamEvent<'_>) {
        let Session { layer, counts, special, .. } = session;
        match event {
            StreamEvent::Data(..) | StreamEvent::Gap(..) if layer.finished() => {}
            StreamEvent::Data(direction, bytes) => {
                self.look_up_announcement(layer);
                let chunk = Chunk { direction, bytes, time: self.moment.time };
                layer.data(self.tuple, chunk, &mut Collector { inspection: self, counts, special });
            }
            StreamEvent::Gap(direction, missing) => {
                self.findings.gaps += 1;
                self.look_up_announcement(layer);
                layer.gap(
                    self.tuple,
                    direction,
                    missing,
                    &mut Collector { inspection: self, counts, special },
                );
            }
            StreamEvent::Depth(_) => self.findings.depths += 1,
            StreamEvent::Anomaly(_, anomaly) => {
                let event = anomaly.name();
                self.findings.anomalies.push(Found { kind: AnomalyKind::Stream, event, tx_id: None });
            }
        }
    }

    /// The flow is over: what still waits behind holes, then what is still open.
    pub(crate) fn close(&mut self, session: &mut Session, tcp: &mut TcpConnection, streams: &Streams) {
        tcp.flush(streams, &mut |event| self.stream(session, event));
        let Session { layer, counts, special, .. } = session;
        let mut collector = Collector { inspection: self, counts, special };
        layer.close(&mut collector);
        collector.close_files();
    }
}

/// Takes transactions from the parsers: detectors first, then the log.
struct Collector<'a, 'b> {
    inspection: &'a mut Inspection<'b>,
    counts: &'a mut Counts,
    special: &'a mut Option<Box<Special>>,
}

impl Collector<'_, '_> {
    /// Lets the detectors see a transaction; `id` is its ordinal in the flow.
    fn detect(&mut self, id: u64, transaction: &Transaction, stage: Stage) {
        let mut alerts = std::mem::take(&mut self.inspection.findings.scratch);
        let context = self.inspection.context();
        let mut memo =
            self.special.as_mut().map(|special| std::mem::take(&mut special.memo)).unwrap_or_default();
        self.inspection.detector.transaction(&context, transaction, stage, &mut memo, &mut alerts);
        // Only what was alerted on is remembered, and so a flow without alerts needs no room for it.
        if !memo.is_empty() || self.special.is_some() {
            self.special.get_or_insert_default().memo = memo;
        }
        let found = alerts.drain(..).map(|alert| (alert, Some((id, transaction.clone()))));
        self.inspection.findings.alerts.extend(found);
        self.inspection.findings.scratch = alerts;
    }

    /// A file is over. It has no ordinal of its own: it bears that of the transaction which is logged next, its
    /// carrier.
    fn file_over(&mut self, info: FileInfo) {
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
            for info in follower.rest(files) {
                self.file_over(info);
            }
        }
    }
}

impl Sink for Collector<'_, '_> {
    fn inspect(&mut self, transaction: &Transaction) {
        let id = u64::from(self.counts.inspected);
        self.counts.inspected = self.counts.inspected.saturating_add(1);
        self.detect(id, transaction, Stage::Begun);
    }

    fn file(&mut self, event: FileEvent<'_>) {
        let (files, mut follower) = self.files();
        if let Some(info) = follower.take(files, event) {
            self.file_over(info);
        }
    }

    fn log(&mut self, transaction: Transaction) {
        let id = u64::from(self.counts.logged);
        self.detect(id, &transaction, Stage::Complete);
        self.inspection.findings.logged.push((id, transaction));
        self.counts.logged = self.counts.logged.saturating_add(1);
    }
    fn anomaly(&mut self, event: &'static str) {
        let told = &mut self.special.get_or_insert_default().told;
        if !told.contains(&event) {
            told.push(event);
            let tx_id = Some(self.counts.logged.into());
            self.inspection.findings.anomalies.push(Found { kind: AnomalyKind::AppLayer, event, tx_id });
        }
    }

    fn expect(&mut self, expectation: Expectation) {
        let Inspection { tuple, moment, expectations, .. } = self.inspection;
        if !expectations.announce(tuple, expectation, moment.time) {
            self.inspection.findings.unexpected += 1;
        }
    }
}
