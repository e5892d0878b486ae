//! What the engine keeps on a flow, and how transactions become alerts and events.

use alert::Alert;
use detect::{Context, IndicatorDetector, Memo};
use flow::{FlowTuple, StreamEvent, TcpConnection};
use output::PieceEvent;
use proto::{AppLayer, Chunk, FileEvent, FileInfo, Sink, Transaction};
use wire::{Direction, Nanos};

use crate::counters::WorkerCounters;
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

/// What the engine keeps on every flow.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) layer: AppLayer,
    pub(crate) memo: Memo,
    pub(crate) chain: Chain,
    pub(crate) evidence: Evidence,
    pub(crate) bypass: Bypass,
    /// Most flows carry no files.
    files: Option<Box<OpenFiles>>,
    inspected: u64,
    logged: u64,
}

impl Session {
    pub(crate) fn new(tuple: &FlowTuple) -> Self {
        Session {
            layer: AppLayer::new(tuple),
            memo: Memo::default(),
            chain: Chain::default(),
            evidence: Evidence::None,
            bypass: Bypass::No,
            files: None,
            inspected: 0,
            logged: 0,
        }
    }

    pub(crate) fn transactions(&self) -> u64 {
        self.logged
    }
}

/// What one packet, or the end of a flow, brought to light. Reused, so that nothing is allocated for
/// packets that bring nothing.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) alerts: Vec<(Alert, Option<(u64, Transaction)>)>,
    pub(crate) logged: Vec<(u64, Transaction)>,
    pub(crate) pieces: Vec<PieceEvent>,
    pub(crate) gaps: u64,
    scratch: Vec<Alert>,
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

    /// A datagram of the flow.
    pub(crate) fn datagram(&mut self, session: &mut Session, bytes: &[u8]) {
        if !bytes.is_empty() && !session.layer.finished() {
            let chunk = Chunk { direction: self.moment.direction, bytes, time: self.moment.time };
            let Session { layer, memo, files, inspected, logged, .. } = session;
            layer.datagram(
                self.tuple,
                chunk,
                &mut Collector { inspection: self, memo, files, inspected, logged },
            );
        }
    }

    /// A piece of stream, or a hole in it.
    pub(crate) fn stream(&mut self, session: &mut Session, event: StreamEvent<'_>) {
        let Session { layer, memo, files, inspected, logged, .. } = session;
        if layer.finished() {
            return;
        }
        match event {
            StreamEvent::Data(direction, bytes) => {
                let chunk = Chunk { direction, bytes, time: self.moment.time };
                layer.data(
                    self.tuple,
                    chunk,
                    &mut Collector { inspection: self, memo, files, inspected, logged },
                );
            }
            StreamEvent::Gap(direction, missing) => {
                self.findings.gaps += 1;
                layer.gap(
                    self.tuple,
                    direction,
                    missing,
                    &mut Collector { inspection: self, memo, files, inspected, logged },
                );
            }
        }
    }

    /// The flow is over: what still waits behind holes, then what is still open.
    pub(crate) fn close(&mut self, session: &mut Session, tcp: &mut TcpConnection) {
        tcp.flush(&mut |event| self.stream(session, event));
        let Session { layer, memo, files, inspected, logged, .. } = session;
        let mut collector = Collector { inspection: self, memo, files, inspected, logged };
        layer.close(&mut collector);
        collector.close_files();
    }
}

/// Takes transactions from the parsers: detectors first, then the log.
struct Collector<'a, 'b> {
    inspection: &'a mut Inspection<'b>,
    memo: &'a mut Memo,
    files: &'a mut Option<Box<OpenFiles>>,
    inspected: &'a mut u64,
    logged: &'a mut u64,
}

impl Collector<'_, '_> {
    /// Lets the detectors see a transaction; `id` is its ordinal in the flow.
    fn detect(&mut self, id: u64, transaction: &Transaction) {
        let mut alerts = std::mem::take(&mut self.inspection.findings.scratch);
        let context = self.inspection.context();
        self.inspection.detector.transaction(&context, transaction, self.memo, &mut alerts);
        let found = alerts.drain(..).map(|alert| (alert, Some((id, transaction.clone()))));
        self.inspection.findings.alerts.extend(found);
        self.inspection.findings.scratch = alerts;
    }

    /// A file is over. It has no ordinal of its own: it bears that of the transaction which is logged next, its
    /// carrier.
    fn file_over(&mut self, info: FileInfo) {
        let id = *self.logged;
        let transaction = Transaction::from(FileInfo { tx_id: id, ..info });
        self.detect(id, &transaction);
        self.inspection.findings.logged.push((id, transaction));
    }

    fn follower(&mut self) -> Follower<'_> {
        let Inspection { tuple, files, counters, findings, .. } = &mut *self.inspection;
        Follower { options: files, counters, tuple, pieces: &mut findings.pieces }
    }

    /// The flow is over: what its parser has left open.
    fn close_files(&mut self) {
        if let Some(mut files) = self.files.take() {
            for info in self.follower().rest(&mut files) {
                self.file_over(info);
            }
        }
    }
}

impl Sink for Collector<'_, '_> {
    fn inspect(&mut self, transaction: &Transaction) {
        let id = *self.inspected;
        *self.inspected += 1;
        self.detect(id, transaction);
    }

    fn log(&mut self, transaction: Transaction) {
        self.inspection.findings.logged.push((*self.logged, transaction));
        *self.logged += 1;
    }

    fn file(&mut self, event: FileEvent<'_>) {
        let mut files = self.files.take().unwrap_or_default();
        let over = self.follower().take(&mut files, event);
        *self.files = Some(files);
        if let Some(info) = over {
            self.file_over(info);
        }
    }
}
