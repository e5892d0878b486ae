//! The threads of a live sensor: workers, warden, recorder.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use capture::Receiver as Rings;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, select};
use output::{AlertEvent, Event, IsolationAction, IsolationEvent, Recorder, Source, Stamp};
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_setaffinity};
use wire::{LinkType, Nanos};

use crate::clock::{self, WallClock};
use crate::control::{Asked, Reply, Request};
use crate::counters::WorkerCounters;
use crate::lookback::cost;
use crate::stats::{Gauges, Stats};
use crate::warden::Warden;
use crate::worker::{Input, Worker};

/// Empty rounds before a worker sleeps: some 20 microseconds of looking.
const SPINS_BEFORE_SLEEP: u32 = 200;
/// A sleeping worker looks around this often, for timeouts and for the order to stop.
const SLEEP: Duration = Duration::from_millis(100);
/// How often flows are looked through for timeouts.
const EXPIRE_EVERY_NS: u64 = 100_000_000;
/// How often the warden looks into the map while a first drop is awaited, and otherwise.
const WATCH_CLOSELY: Duration = Duration::from_millis(1);
const WATCH: Duration = Duration::from_millis(100);
/// A first drop is waited for closely this long.
const CLOSE_WATCH: Duration = Duration::from_secs(2);
/// How often the recorder writes what is not urgent.
const TICK: Duration = Duration::from_millis(100);

/// Events that may wait for the recorder.
pub(crate) const EVENT_QUEUE: usize = 65_536;
/// The part of it that workers leave free: a slow disk must never hold the warden up, who has alerts and
/// isolations to tell.
const WARDEN_SHARE: usize = 4096;

/// Scheduling priority of the warden (-20 first, 19 last).
const WARDEN_NICE: i32 = -15;

/// What travels to the recorder.
pub(crate) type Record = (Stamp, Event);

/// One worker's thread.
pub(crate) struct WorkerThread {
    pub(crate) worker: Worker,
    /// A receiver per capture port, with the port's name.
    pub(crate) ports: Vec<(Rings, Source)>,
    pub(crate) cpu: Option<usize>,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) warden: Sender<(Stamp, Box<AlertEvent>)>,
    pub(crate) recorder: Sender<Record>,
    /// The ports are detached: empty the rings and go.
    pub(crate) stop: Arc<AtomicBool>,
}

impl WorkerThread {
    /// The loop of a worker: receive, work, give back; sleep when nothing comes.
    pub(crate) fn run(mut self) {
        if let Some(cpu) = self.cpu {
            pin(cpu);
        }
        let mut clock = WallClock::default();
        let mut idle = 0;
        let mut position = 0;
        let mut expired = Nanos(0);
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let now = clock::monotonic();
            clock.refresh(now);
            let mut received = 0;
            for (rings, source) in &mut self.ports {
                let (worker, counters) = (&mut self.worker, &self.counters);
                let (to_warden, to_recorder) = (&self.warden, &self.recorder);
                received += rings.receive(|batch| {
                    for frame in batch.frames() {
                        let arrival = Nanos(frame.arrival_ns);
                        let input = Input {
                            bytes: frame.bytes,
                            link: LinkType::Ethernet,
                            time: clock.of(arrival),
                            arrival: Some(arrival),
                            wire_len: frame.bytes.len() as u32,
                            ordinal: None,
                            position,
                            source,
                        };
                        position += cost(frame.bytes.len());
                        worker.process(&input, &mut |stamp, event| {
                            emit(stamp, event, to_warden, to_recorder, counters);
                        });
                    }
                });
            }
            if now.0 - expired.0 > EXPIRE_EVERY_NS {
                expired = now;
                self.end_flows(clock.of(now), position, false);
            }
            if received > 0 {
                idle = 0;
            } else if stopping {
                self.end_flows(clock.of(now), position, true);
                return;
            } else {
                idle += 1;
                if idle > SPINS_BEFORE_SLEEP {
                    self.sleep();
                }
            }
        }
    }

    fn end_flows(&mut self, time: Nanos, position: u64, all: bool) {
        let Some((_, source)) = self.ports.first() else { return };
        let at = Input {
            bytes: &[],
            link: LinkType::Ethernet,
            time,
            arrival: None,
            wire_len: 0,
            ordinal: None,
            position,
            source,
        };
        let (counters, to_warden, to_recorder) = (&self.counters, &self.warden, &self.recorder);
        let mut emit = |stamp, event| emit(stamp, event, to_warden, to_recorder, counters);
        if all {
            self.worker.drain(&at, &mut emit);
        } else {
            self.worker.expire(time, &at, &mut emit);
        }
    }

    /// Sleeps on the rings. With several ports only the first wakes the worker at once, so the sleep is
    /// split between them.
    fn sleep(&mut self) {
        let share = SLEEP / u32::try_from(self.ports.len().max(1)).unwrap_or(1);
        let share = if self.ports.len() > 1 { share.min(Duration::from_micros(200)) } else { share };
        for (rings, source) in &mut self.ports {
            if let Err(err) = rings.wait(share) {
                tracing::error!("{source:?}: poll: {err}");
            }
        }
    }
}

/// Alerts go to the warden, who passes them on; everything else to the recorder. A full queue never
/// stops a worker: the event is counted as lost.
fn emit(
    stamp: Stamp,
    event: Event,
    warden: &Sender<(Stamp, Box<AlertEvent>)>,
    recorder: &Sender<Record>,
    counters: &WorkerCounters,
) {
    let lost = match event {
        Event::Alert(alert) => matches!(warden.try_send((stamp, alert)), Err(TrySendError::Full(_))),
        event => {
            let packets = if let Event::Evidence(e) = &event { e.packets.len() } else { 0 };
            let lost = recorder.len() >= EVENT_QUEUE - WARDEN_SHARE
                || matches!(recorder.try_send((stamp, event)), Err(TrySendError::Full(_)));
            if lost {
                counters.evidence_lost.add(packets as u64);
            }
            lost
        }
    };
    if lost {
        counters.events_lost.add(1);
    }
}

/// A verdict takes microseconds, and everything waits for it: this thread goes before the others.
fn hurry() {
    if let Err(err) = setpriority_process(Some(gettid()), WARDEN_NICE) {
        tracing::warn!("the warden runs at ordinary priority: {err}");
    }
}

/// The CPUs that this process may run on (its affinity mask, which containers and taskset narrow).
pub(crate) fn allowed_cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect()
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    if let Err(err) = sched_setaffinity(None, &set) {
        tracing::warn!("worker not pinned to CPU {cpu}: {err}");
    }
}

/// The warden's thread.
pub(crate) struct WardenThread {
    pub(crate) warden: Warden,
    pub(crate) alerts: Receiver<(Stamp, Box<AlertEvent>)>,
    pub(crate) asked: Receiver<Asked>,
    pub(crate) recorder: Sender<Record>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) write_errors: Arc<AtomicU64>,
    /// Alerts and steps that the recorder had no room for.
    pub(crate) events_lost: AtomicU64,
    pub(crate) source: Source,
    /// Between two stats events; zero: none.
    pub(crate) stats_interval: Duration,
    pub(crate) stats_told: Instant,
}

impl WardenThread {
    /// Runs until every worker has gone; gives the warden back.
    pub(crate) fn run(mut self) -> Warden {
        hurry();
        let mut watched = Instant::now();
        let mut closely_until = Instant::now();
        loop {
            let close = Instant::now() < closely_until && self.warden.awaits_first_drop();
            let pause = if close { WATCH_CLOSELY } else { WATCH };
            select! {
                recv(self.alerts) -> message => match message {
                    Ok((stamp, alert)) => {
                        if self.judge(stamp, alert) {
                            closely_until = Instant::now() + CLOSE_WATCH;
                        }
                    }
                    // All workers are gone.
                    Err(_) => return self.warden,
                },
                recv(self.asked) -> message => if let Ok(asked) = message {
                    let reply = self.answer(asked.request);
                    let _ = asked.answer.send(reply);
                },
                default(pause) => {}
            }
            // Alerts go first; but they cannot put the look at the map off for ever.
            let since = watched.elapsed();
            if since >= WATCH || (since >= pause && self.alerts.is_empty()) {
                watched = Instant::now();
                for (time, step) in self.warden.watch() {
                    self.tell(time, step);
                }
            }
            if !self.stats_interval.is_zero() && self.stats_told.elapsed() >= self.stats_interval {
                self.stats_told = Instant::now();
                let stamp = Stamp { time: clock::wall(), source: self.source.clone(), packet: None };
                self.record(stamp, Event::Stats(Box::new(self.stats().event())));
            }
        }
    }

    /// The map first, the log afterwards.
    fn judge(&mut self, stamp: Stamp, alert: Box<AlertEvent>) -> bool {
        let step = self.warden.on_alert(&alert);
        let isolated = step.as_ref().is_some_and(|s| s.enforced);
        let step = step.map(|step| {
            let written = stamp.time.after(Duration::from_nanos(step.latency.map_ns.unwrap_or(0)));
            (Stamp { time: written, ..stamp.clone() }, Event::Isolation(Box::new(step)))
        });
        self.record(stamp, Event::Alert(alert));
        if let Some((stamp, step)) = step {
            self.record(stamp, step);
        }
        isolated
    }

    /// Never waits: the next host to be isolated matters more than this line.
    fn record(&self, stamp: Stamp, event: Event) {
        if let Err(TrySendError::Full(_)) = self.recorder.try_send((stamp, event)) {
            self.events_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tell(&self, time: Nanos, step: IsolationEvent) {
        let host = step.host;
        match step.action {
            IsolationAction::FirstDrop => tracing::info!("{host}: first packet dropped"),
            IsolationAction::Expire => {
                tracing::info!("{host}: isolation is over, {} packets were dropped", step.dropped_packets)
            }
            IsolationAction::Release => tracing::info!("{host}: released"),
            _ => {}
        }
        let stamp = Stamp { time, source: self.source.clone(), packet: None };
        self.record(stamp, Event::Isolation(Box::new(step)));
    }

    fn answer(&mut self, request: Request) -> Reply {
        let now = clock::wall();
        match request {
            Request::IsolateAdd { host, ttl_s, reason } => {
                let reason = if reason.is_empty() { "operator".to_owned() } else { reason };
                match self.warden.add(host, ttl_s.map(Duration::from_secs), reason, now) {
                    Ok(step) if step.enforced => {
                        let message = format!("{host} is isolated");
                        self.tell(now, step);
                        Reply::Done { message }
                    }
                    Ok(step) => {
                        let why = step.not_enforced_because.clone().unwrap_or_default();
                        self.tell(now, step);
                        Reply::Refused { message: format!("{host} is not isolated: {why}") }
                    }
                    Err(why) => Reply::Refused { message: why },
                }
            }
            Request::IsolateRm { host } => match self.warden.release(host) {
                Some(step) => {
                    let message =
                        format!("{host} is released, {} packets were dropped", step.dropped_packets);
                    self.tell(now, step);
                    Reply::Done { message }
                }
                None => Reply::Refused { message: format!("{host} is not isolated") },
            },
            Request::IsolateList => Reply::Hosts { hosts: self.warden.list(now) },
            Request::IsolateFlush => {
                let steps = self.warden.release_all();
                let message = format!("{} hosts released", steps.len());
                for step in steps {
                    self.tell(now, step);
                }
                Reply::Done { message }
            }
            Request::Stats => Reply::Stats { stats: self.stats() },
        }
    }

    fn stats(&self) -> Stats {
        let mut stats = self.gauges.read();
        stats.counters.extend(self.warden.counters());
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.counters.push(("output.write_errors".into(), of(&self.write_errors)));
        stats.counters.push(("output.verdict_events_lost".into(), of(&self.events_lost)));
        stats
    }
}

/// The recorder's loop: writes what comes until everybody who could send has gone.
pub(crate) fn record(
    mut recorder: Recorder,
    records: &Receiver<Record>,
    errors: &AtomicU64,
) -> io::Result<output::Written> {
    let mut ticked = Instant::now();
    let mut complained: Option<Instant> = None;
    let mut check = |outcome: Result<(), output::OutputError>| {
        if let Err(err) = outcome {
            errors.fetch_add(1, Ordering::Relaxed);
            // A full disk fails thousands of times a second; once a minute is enough to say so.
            if complained.is_none_or(|at| at.elapsed() > Duration::from_secs(60)) {
                complained = Some(Instant::now());
                tracing::error!("{err}");
            }
        }
    };
    loop {
        let urgent = match records.recv_timeout(TICK) {
            Ok((stamp, event)) => {
                check(recorder.record(&stamp, &event));
                matches!(event, Event::Isolation(_)) && records.is_empty()
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if urgent || ticked.elapsed() >= TICK {
            ticked = Instant::now();
            check(recorder.tick());
        }
    }
    recorder.finish().map_err(io::Error::other)
}
