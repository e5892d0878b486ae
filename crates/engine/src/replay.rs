//! The pipeline over capture files: the same packets give the same events in the same order.
//!
//! The reader cuts a file into batches of so many frames. Every batch goes, split by flow, to the
//! workers; what they make of it comes back and is put in the order of the packets before anybody
//! judges or writes it. Batches are cut the same however many workers there are, and so is the order.
//! A single worker works where the frames are read: they are neither copied nor handed over to a thread.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use capture::{CaptureError, CaptureFile, Record};
use crossbeam_channel::{Receiver, Sender, bounded};
use detect::Turn;
use detect::rules::Matcher;
use output::{AnomalyKind, Event, IsolationAction, OutputError, Recorder, Shown, Source, Stamp, StatsEvent};
use thiserror::Error;
use verdict::{Judge, Policy};
use wire::{Decoded, LinkType, Malformed, Nanos, cannot_be_fragment, decode_innermost};

use crate::anomalies::Limiter;
use crate::bindings::{Sighting, may_tell, sighting};
use crate::counters::{WorkerCounters, sum};
use crate::expectations::Expectations;
use crate::input::Input;
use crate::lookback::cost;
use crate::notes::Note;
use crate::reassembly::{Merged, Reassembly};
use crate::rooms::frame_alerts;
use crate::snapshot::Snapshot;
use crate::warden::{Enforcement, Warden};
use crate::worker::{Worker, WorkerOptions};

/// Frames in a batch, over all workers.
const BATCH_FRAMES: u64 = 1024;
/// Batches that may be under way, so that reading, working and writing overlap.
const IN_FLIGHT: usize = 4;

/// What a replay is to do.
#[derive(Debug)]
pub struct ReplayOptions {
    /// Number of workers, at least 1.
    pub workers: usize,
    /// Begin each capture with empty state.
    pub reset: bool,
    /// But the thresholds of rules go on from one capture to the next.
    pub keep_thresholds: bool,
    /// Worker settings.
    pub worker: WorkerOptions,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Frames read.
    pub frames: u64,
    /// Alerts.
    pub alerts: u64,
    /// Isolations that would have been made.
    pub isolations: u64,
    /// Files that could not be read to their end, with the reason.
    pub damaged: Vec<String>,
    /// Files written.
    pub written: output::Written,
    /// Counters of all workers.
    pub counters: Vec<(String, u64)>,
}

/// Why a replay stopped.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The output directory failed.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A worker is gone; its panic message is on standard error.
    #[error("a worker thread died")]
    WorkerDied,
}

/// A frame in a batch.
#[derive(Clone, Copy, Debug)]
struct Slot {
    ordinal: u64,
    time: Nanos,
    link: LinkType,
    wire_len: u32,
    position: u64,
    start: usize,
    len: usize,
    merged: Option<Merged>,
}

impl Slot {
    fn input<'a>(&self, bytes: &'a [u8], source: &'a Source) -> Input<'a> {
        Input {
            bytes,
            link: self.link,
            time: self.time,
            arrival: None,
            wire_len: self.wire_len,
            steered: None,
            ordinal: Some(self.ordinal),
            position: self.position,
            source,
            merged: self.merged,
        }
    }
}

/// Where a batch ends, for all workers.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// Time and ordinal of the last frame of the whole batch, whoever got it.
    last: (Nanos, u64),
    position: u64,
    /// End all flows afterwards.
    drain: bool,
}

/// Some frames of one capture for one worker.
#[derive(Debug, Default)]
struct Batch {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    /// Where hosts live, by the ordinal of the frame that told it, for all workers.
    sightings: Vec<(u64, Sighting)>,
    end: End,
    source: Option<Source>,
}

/// The order of an event within a batch: by packet, then flows that ended, by name.
type Order = (u64, u8, u64, u64, u32);

type Outcome = Vec<(Order, Stamp, Made)>;

/// What came of a packet.
enum Made {
    Event(Event),
    /// For the warden.
    Note(Note),
}

/// Replays `files` through the pipeline into `recorder`.
///
/// # Errors
/// Only what keeps the run from going on; damaged captures are in the summary.
pub fn replay(
    files: &[PathBuf],
    options: &ReplayOptions,
    snapshot: &Snapshot,
    recorder: Recorder,
) -> Result<ReplaySummary, ReplayError> {
    let workers = options.workers.max(1);
    // Every frame belongs to its innermost flow: nothing is steered here.
    let worker = WorkerOptions { tunnels: true, ..options.worker.clone() };
    let counters: Vec<Arc<WorkerCounters>> = (0..=workers).map(|_| Arc::default()).collect();
    // Of what the reader keeps from the workers.
    let own = counters[workers].clone();
    thread::scope(|scope| {
        let expectations = Expectations::default();
        let turns = Turn::among(workers).into_iter();
        let mut shifts = counters.iter().zip(turns).enumerate().map(|(i, (counters, turn))| {
            let worker = Worker::new(&worker, snapshot, counters.clone());
            Shift::new(if workers == 1 {
                worker
            } else {
                worker.with_expectations(expectations.clone()).in_turn(turn).taught(i == 0)
            })
        });
        let lanes = match (workers, shifts.next()) {
            (1, Some(shift)) => Lanes::Here { shift: Box::new(shift), last: None },
            (_, first) => {
                let lane = |shift: Shift| {
                    let (to_worker, batches) = bounded(IN_FLIGHT);
                    let (outcomes, from_worker) = bounded(IN_FLIGHT + 1);
                    scope.spawn(move || shift.work(&batches, &outcomes));
                    Lane { to_worker, from_worker }
                };
                Lanes::Threads(first.into_iter().chain(shifts).map(lane).collect())
            }
        };
        let desk = Desk {
            warden: Warden::new(snapshot.judge(), Enforcement::Replay).with_thresholds(snapshot.thresholds()),
            recorder,
            summary: ReplaySummary::default(),
            policy: snapshot.policy.clone(),
            now: Nanos::default(),
            source: Source::File(Arc::from("")),
            anomalies: Limiter::default(),
            counters: own.clone(),
        };
        let reader = Reader {
            lanes,
            reassembly: Reassembly::new(worker.defrag.clone(), true),
            own,
            anomalies: Limiter::open(),
            matcher: snapshot.matcher(),
            shown: worker.shown,
            told: Vec::new(),
            told_before: VecDeque::new(),
            batches: Vec::new(),
            sightings: Vec::new(),
            in_flight: 0,
            frames: 0,
            position: 0,
            last: (Nanos::default(), 0),
            desk,
            failure: None,
        };
        reader.run(files, options, &counters)
    })
}

struct Lane {
    to_worker: Sender<Batch>,
    from_worker: Receiver<Outcome>,
}

/// Where frames are worked on.
enum Lanes {
    /// By the one worker, on the reader's thread; with the last frame of the batch at hand.
    Here { shift: Box<Shift>, last: Option<Slot> },
    /// By workers on threads of their own.
    Threads(Vec<Lane>),
}

impl Lanes {
    fn count(&self) -> usize {
        match self {
            Lanes::Here { .. } => 1,
            Lanes::Threads(lanes) => lanes.len(),
        }
    }
}

/// A worker at a batch, and what came of it so far.
struct Shift {
    worker: Worker,
    outcome: Outcome,
    index: u32,
}

impl Shift {
    fn new(worker: Worker) -> Self {
        Shift { worker, outcome: Vec::new(), index: 0 }
    }

    /// Works on a worker's batches until there are no more.
    fn work(mut self, batches: &Receiver<Batch>, outcomes: &Sender<Outcome>) {
        for batch in batches {
            let Some(source) = &batch.source else { continue };
            let frame = |slot: &Slot| &batch.bytes[slot.start..slot.start + slot.len];
            let inputs: Vec<Input<'_>> =
                batch.slots.iter().map(|slot| slot.input(frame(slot), source)).collect();
            let mut rest = inputs.as_slice();
            for &(ordinal, sighting) in &batch.sightings {
                let before = rest.partition_point(|input| input.ordinal.is_some_and(|at| at < ordinal));
                let (frames, after) = rest.split_at(before);
                self.frames(frames);
                self.worker.learn(sighting);
                rest = after;
            }
            self.frames(rest);
            let outcome = self.end(batch.slots.last(), &batch.end, source);
            if outcomes.send(outcome).is_err() {
                return;
            }
        }
    }

    fn frames(&mut self, inputs: &[Input<'_>]) {
        let (outcome, index) = (&mut self.outcome, &mut self.index);
        self.worker.batch(inputs, &mut |input, stamp, event| {
            *index += 1;
            outcome.push(((input.ordinal.unwrap_or(0), 0, 0, 0, *index), stamp, Made::Event(event)));
        });
        for note in self.worker.notes() {
            // Behind the alerts that it is about.
            let order = (note.ordinal.unwrap_or(0), 0, 0, 0, u32::MAX);
            outcome.push((order, note.stamp.clone(), Made::Note(note)));
        }
    }

    /// Ends the batch, whose last frame of this worker was `last`: what came of it.
    fn end(&mut self, last: Option<&Slot>, end: &End, source: &Source) -> Outcome {
        let nothing = Input::nothing(end.last.0, end.position, source);
        let last = last.map_or(nothing, |slot| slot.input(&[], source));
        let at = Input { ordinal: None, position: end.position, merged: None, ..last };
        let (outcome, index) = (&mut self.outcome, &mut self.index);
        let mut late = |stamp: Stamp, event: Event| {
            *index += 1;
            let flow = flow_id(&event);
            outcome.push(((end.last.1, 1, stamp.time.0, flow, *index), stamp, Made::Event(event)));
        };
        self.worker.ended_at(end.position);
        self.worker.expire(end.last.0, &at, &mut late);
        if end.drain {
            self.worker.drain(&at, &mut late);
        }
        for note in self.worker.notes() {
            let order = (end.last.1, 1, note.stamp.time.0, note.flow, u32::MAX);
            outcome.push((order, note.stamp.clone(), Made::Note(note)));
        }
        self.index = 0;
        std::mem::take(&mut self.outcome)
    }
}

fn flow_id(event: &Event) -> u64 {
    match event {
        Event::Flow(e) => e.record.tuple.id,
        Event::Transaction(e) => e.flow.id,
        Event::Alert(e) => e.flow.map_or(0, |flow| flow.id),
        Event::Evidence(e) => e.flow.id,
        Event::Piece(e) => e.flow.id,
        Event::Anomaly(e) => e.flow.map_or(0, |(flow, _)| flow.id),
        Event::Sighting(sighting) => {
            // Always the same for the same: these are no keys of anybody.
            let mut hasher = DefaultHasher::new();
            sighting.hash(&mut hasher);
            hasher.finish()
        }
        Event::Isolation(_) | Event::Brake(_) | Event::Port(_) | Event::Audit(_) | Event::Stats(_) => 0,
    }
}

/// Reads, deals out, and collects.
struct Reader {
    lanes: Lanes,
    /// All fragments of a datagram must meet, and the datagram must go where its flow goes.
    reassembly: Reassembly,
    own: Arc<WorkerCounters>,
    /// Of anomalies of fragments.
    anomalies: Limiter,
    /// For rules on these anomalies.
    matcher: Matcher,
    shown: Shown,
    /// What the reader itself has to tell of the batch at hand, and of batches under way.
    told: Outcome,
    told_before: VecDeque<Outcome>,
    batches: Vec<Batch>,
    /// Of the batch at hand.
    sightings: Vec<(u64, Sighting)>,
    in_flight: usize,
    frames: u64,
    position: u64,
    last: (Nanos, u64),
    desk: Desk,
    failure: Option<ReplayError>,
}

impl Reader {
    fn run(
        mut self,
        files: &[PathBuf],
        options: &ReplayOptions,
        counters: &[Arc<WorkerCounters>],
    ) -> Result<ReplaySummary, ReplayError> {
        for (i, path) in files.iter().enumerate() {
            let source = Source::File(Arc::from(path.to_string_lossy()));
            self.desk.source = source.clone();
            let outcome =
                CaptureFile::open(path).and_then(|file| file.read(|record| self.take(&record, &source)));
            self.desk.read(outcome);
            let last_file = i + 1 == files.len();
            self.flush(&source, options.reset || last_file);
            self.collect(0);
            if options.reset
                && !last_file
                && let Err(err) = self.desk.reset(options, self.last.0)
            {
                return Err(err.into());
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
        }
        // Threads end when nobody gives them work.
        drop(self.lanes);
        self.desk.finish(sum(counters.iter().map(AsRef::as_ref)))
    }

    fn take(&mut self, record: &Record<'_>, source: &Source) {
        self.last = (record.time, record.ordinal);
        let Ok(link) = record.link else {
            self.own.unsupported_link.add(1);
            return;
        };
        let mut slot = Slot {
            ordinal: record.ordinal,
            time: record.time,
            link,
            wire_len: record.wire_len,
            position: self.position,
            start: 0,
            len: 0,
            merged: None,
        };
        let lanes = self.lanes.count();
        if lanes == 1 && cannot_be_fragment(link, record.bytes) {
            // What else it is decides its worker alone.
            self.deal(0, slot, record.bytes, source);
            return self.taken(source);
        }
        match decode_innermost(link, record.bytes) {
            Ok(Decoded::Ip(packet)) if packet.fragment => {
                self.own.packets.add(1);
                self.own.bytes.add(u64::from(record.wire_len));
                self.own.network(&packet);
                let at = Input {
                    bytes: record.bytes,
                    link,
                    wire_len: record.wire_len,
                    ..Input::nothing(record.time, 0, source)
                };
                let at = Input { ordinal: Some(record.ordinal), ..at };
                let (told, anomalies, own) = (&mut self.told, &mut self.anomalies, &self.own);
                let (matcher, shown) = (&mut self.matcher, &self.shown);
                slot.merged = self.reassembly.take_through(&at, own, &mut |anomaly| {
                    let mut tell = |stamp, event| {
                        told.push(((record.ordinal, 0, 0, 0, 0), stamp, Made::Event(event)));
                    };
                    frame_alerts(matcher, anomaly.name(), &at, own, shown, || None, &mut tell);
                    if let Some((stamp, event)) = anomalies.decode_event(anomaly.name(), &at, own, shown) {
                        tell(stamp, event);
                    }
                });
                if let Some(merged) = slot.merged {
                    slot.wire_len = u32::try_from(merged.frames.wire_bytes).unwrap_or(u32::MAX);
                    let frame = std::mem::take(&mut self.reassembly.whole);
                    self.deal(lane(&decode_innermost(link, &frame), lanes), slot, &frame, source);
                    self.reassembly.whole = frame;
                }
            }
            decoded => {
                let tells = match &decoded {
                    Ok(Decoded::Ip(packet)) => may_tell(packet),
                    Ok(Decoded::Arp(_)) => true,
                    _ => false,
                };
                if let (true, Ok(decoded), true) = (tells, &decoded, lanes > 1) {
                    let seen = sighting(decoded, link, record.bytes);
                    self.sightings.extend(seen.map(|seen| (record.ordinal, seen)));
                }
                self.deal(lane(&decoded, lanes), slot, record.bytes, source);
            }
        }
        self.taken(source);
    }

    /// Ends the batch if it is full.
    fn taken(&mut self, source: &Source) {
        self.frames += 1;
        if self.frames >= BATCH_FRAMES {
            self.flush(source, false);
            let overlap = matches!(self.lanes, Lanes::Threads(_));
            self.collect(if overlap { IN_FLIGHT - 1 } else { 0 });
        }
    }

    /// Gives a frame to the worker, or puts it into a lane's batch.
    fn deal(&mut self, lane: usize, slot: Slot, frame: &[u8], source: &Source) {
        match &mut self.lanes {
            Lanes::Here { shift, last } => {
                shift.frames(&[slot.input(frame, source)]);
                *last = Some(slot);
            }
            Lanes::Threads(lanes) => {
                self.batches.resize_with(lanes.len(), Batch::default);
                let batch = &mut self.batches[lane];
                batch.slots.push(Slot { start: batch.bytes.len(), len: frame.len(), ..slot });
                batch.bytes.extend_from_slice(frame);
            }
        }
        self.position += cost(frame.len());
    }

    fn flush(&mut self, source: &Source, drain: bool) {
        self.frames = 0;
        self.reassembly.expire(self.last.0, &self.own);
        if drain {
            self.reassembly.flush(&self.own);
        }
        let mut told = std::mem::take(&mut self.told);
        let end = End { last: self.last, position: self.position, drain };
        match &mut self.lanes {
            Lanes::Here { shift, last } => told.extend(shift.end(last.take().as_ref(), &end, source)),
            Lanes::Threads(lanes) => {
                self.batches.resize_with(lanes.len(), Batch::default);
                for (lane, batch) in lanes.iter().zip(self.batches.drain(..)) {
                    let sightings = self.sightings.clone();
                    let batch = Batch { end, sightings, source: Some(source.clone()), ..batch };
                    if lane.to_worker.send(batch).is_err() {
                        self.failure = Some(ReplayError::WorkerDied);
                        return;
                    }
                }
            }
        }
        self.sightings.clear();
        self.told_before.push_back(told);
        self.in_flight += 1;
    }

    /// Takes results until no more than `leave` batches are under way.
    fn collect(&mut self, leave: usize) {
        while self.in_flight > leave && self.failure.is_none() {
            let mut merged = self.told_before.pop_front().unwrap_or_default();
            let lanes = if let Lanes::Threads(lanes) = &self.lanes { lanes.as_slice() } else { &[] };
            for lane in lanes {
                let Ok(outcome) = lane.from_worker.recv() else {
                    self.failure = Some(ReplayError::WorkerDied);
                    return;
                };
                merged.extend(outcome);
            }
            merged.sort_by_key(|&(order, ..)| order);
            self.in_flight -= 1;
            for (_, stamp, made) in merged {
                let taken = match made {
                    Made::Event(event) => self.desk.take(&stamp, event),
                    Made::Note(note) => self.desk.take_note(&note),
                };
                if let Err(err) = taken {
                    self.failure = Some(err.into());
                    return;
                }
            }
        }
    }
}

/// Which worker gets a frame: all flows between two hosts go to the same one, because one may announce another.
fn lane(decoded: &Result<Decoded<'_>, Malformed>, lanes: usize) -> usize {
    match decoded {
        Ok(Decoded::Ip(packet)) => (packet.flow_key().0.hosts_hash() >> 17) as usize % lanes,
        _ => 0,
    }
}

/// Judges alerts and writes everything down, in order.
struct Desk {
    warden: Warden,
    policy: Arc<Policy>,
    recorder: Recorder,
    summary: ReplaySummary,
    now: Nanos,
    /// The capture at hand.
    source: Source,
    /// Of malformed frames and fragments, over all workers.
    anomalies: Limiter,
    counters: Arc<WorkerCounters>,
}

impl Desk {
    fn read(&mut self, outcome: Result<u64, CaptureError>) {
        if let Err(err) = outcome {
            self.summary.damaged.push(err.to_string());
        }
    }

    fn take(&mut self, stamp: &Stamp, mut event: Event) -> Result<(), OutputError> {
        if let Event::Sighting(sighting) = &event {
            // All are in the order of the packets here: nothing is seen late.
            let _ = self.warden.sight(sighting, stamp.time);
            return Ok(());
        }
        self.pass(stamp.time)?;
        if matches!(&event, Event::Anomaly(anomaly) if anomaly.kind == AnomalyKind::Decode)
            && !self.anomalies.allows(stamp.time)
        {
            self.counters.anomalies_suppressed.add(1);
            return Ok(());
        }
        if let Event::Alert(alert) = &mut event
            && !self.warden.tells(alert)
        {
            return Ok(());
        }
        self.recorder.record(stamp, &event)?;
        if let Event::Alert(alert) = &event {
            self.summary.alerts += 1;
            let step = self.warden.on_alert(alert);
            while let Some(brake) = self.warden.brake(alert.alert.time) {
                self.recorder.record(stamp, &Event::Brake(brake))?;
            }
            if let Some(step) = step {
                self.summary.isolations += u64::from(step.action == IsolationAction::Isolate);
                self.recorder.record(stamp, &Event::Isolation(Box::new(step)))?;
            }
        }
        Ok(())
    }

    /// Time passes.
    fn pass(&mut self, now: Nanos) -> Result<(), OutputError> {
        self.now = self.now.max(now);
        for (time, step) in self.warden.overdue(self.now) {
            let stamp = Stamp { time, source: self.source.clone(), packet: None };
            self.recorder.record(&stamp, &Event::Isolation(Box::new(step)))?;
        }
        Ok(())
    }

    /// The verdicts that waited for what a worker has noted.
    fn take_note(&mut self, note: &Note) -> Result<(), OutputError> {
        self.pass(note.stamp.time)?;
        let steps = self.warden.on_note(note);
        while let Some(brake) = self.warden.brake(note.stamp.time) {
            self.recorder.record(&note.stamp, &Event::Brake(brake))?;
        }
        for step in steps {
            self.summary.isolations += u64::from(step.action == IsolationAction::Isolate);
            self.recorder.record(&note.stamp, &Event::Isolation(Box::new(step)))?;
        }
        Ok(())
    }

    /// `now`: when the capture ended.
    fn reset(&mut self, options: &ReplayOptions, now: Nanos) -> Result<(), OutputError> {
        let keep = options.keep_thresholds.then_some(now);
        self.warden.reset(Judge::new(Policy::clone(&self.policy)), keep);
        self.anomalies.reset();
        self.recorder.reset()
    }

    fn finish(mut self, counters: Vec<(String, u64)>) -> Result<ReplaySummary, ReplayError> {
        let lookup = |name: &str| counters.iter().find(|(n, _)| n == name).map_or(0, |&(_, v)| v);
        self.summary.frames = lookup("decoder.pkts") + lookup("decoder.unsupported_link");
        let stamp = Stamp { time: self.now, source: self.source.clone(), packet: None };
        let stats = StatsEvent { uptime: 0, counters: counters.clone() };
        self.recorder.record(&stamp, &Event::Stats(Box::new(stats)))?;
        self.summary.written = self.recorder.finish()?;
        self.summary.counters = counters;
        Ok(self.summary)
    }
}
