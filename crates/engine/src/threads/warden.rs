//! The warden's thread: alerts first, then the operator, then a look at the map.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use output::{AlertEvent, Event, IsolationAction, IsolationEvent, Refused, Source, Stamp};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use wire::Nanos;

use super::alerts::AlertInbox;
use super::cores::Cores;
use super::ticker::{CLOSELY, SELDOM, Ticker};
use super::{EVENT_QUEUE, Record};
use crate::clock;
use crate::control::{Asked, Reply, Request};
use crate::snapshot::Snapshots;
use crate::stats::{Gauges, Stats};
use crate::warden::Warden;

/// A first drop is waited for closely this long.
const CLOSE_WATCH: Duration = Duration::from_secs(2);
/// Places in the recorder's queue that the warden leaves free.
const LEFT_FREE: usize = 2;
/// Scheduling priority of a warden that may not be real-time (-20 first, 19 last).
const WARDEN_NICE: i32 = -15;

/// The warden's thread.
pub(crate) struct WardenThread {
    pub(crate) warden: Warden,
    pub(crate) alerts: AlertInbox,
    /// Who asks wakes this thread.
    pub(crate) asked: Receiver<Asked>,
    pub(crate) recorder: Sender<Record>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) write_errors: Arc<AtomicU64>,
    pub(crate) refused: Arc<Refused>,
    /// Alerts and steps that the recorder had no room for.
    pub(crate) events_lost: AtomicU64,
    pub(crate) source: Source,
    pub(crate) cores: Cores,
    /// What wakes this thread to look into the map.
    pub(crate) ticker: Ticker,
    /// Between two stats events; zero: none.
    pub(crate) stats_interval: Duration,
    pub(crate) stats_told: Instant,
    pub(crate) snapshots: Arc<Snapshots>,
    /// Of the snapshot whose thresholds are in force.
    pub(crate) generation: u64,
}

/// When the warden looked into the map last, and until when it does so closely.
struct Looks {
    watched: Instant,
    peeked: Instant,
    closely_until: Instant,
}

impl Looks {
    fn new() -> Self {
        let now = Instant::now();
        Looks { watched: now, peeked: now, closely_until: now }
    }
}

impl WardenThread {
    /// Runs until every worker has gone; gives the warden back.
    pub(crate) fn run(mut self) -> Warden {
        hurry(&self.cores);
        self.ticker.wakes_me();
        let mut looks = Looks::new();
        loop {
            let raised = self.alerts.take();
            let asked = self.asked.try_recv().ok();
            let nothing = raised.is_none() && asked.is_none();
            if let Some((stamp, alert)) = raised
                && self.judge(stamp, alert)
            {
                looks.closely_until = Instant::now() + CLOSE_WATCH;
            }
            if let Some(asked) = asked {
                let reply = self.answer(asked.request);
                let _ = asked.answer.send(reply);
            }
            self.look(&mut looks);
            if nothing {
                if self.alerts.is_over() {
                    return self.warden;
                }
                self.alerts.sleep();
            }
        }
    }

    /// Does what has to be done from time to time. Alerts go first; but they cannot put the look at everything off for ever.
    fn look(&mut self, looks: &mut Looks) {
        let now = Instant::now();
        let close = now < looks.closely_until && self.warden.awaits_first_drop();
        self.ticker.closely(close);
        let steps = if now.duration_since(looks.watched) >= SELDOM - CLOSELY {
            looks.watched = now;
            self.warden.watch()
        } else if close && self.alerts.is_empty() && now.duration_since(looks.peeked) >= CLOSELY {
            looks.peeked = now;
            self.warden.watch_closely()
        } else {
            Vec::new()
        };
        for (time, step) in steps {
            self.tell(time, step);
        }
        if !self.stats_interval.is_zero() && self.stats_told.elapsed() >= self.stats_interval {
            self.stats_told = Instant::now();
            let stamp = Stamp { time: clock::wall(), source: self.source.clone(), packet: None };
            self.record(stamp, Event::Stats(Box::new(self.stats().event())));
        }
    }

    /// The map first, the log afterwards.
    fn judge(&mut self, stamp: Stamp, mut alert: Box<AlertEvent>) -> bool {
        if let Some(snapshot) = self.snapshots.newer(&mut self.generation) {
            self.warden.set_thresholds(snapshot.thresholds());
        }
        if !self.warden.tells(&mut alert) {
            return false;
        }
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

    /// Never waits: the next host to be isolated matters more than this line. Where the queue is as good as full, its
    /// writers may spin until its reader has done with a place: that reader may be what this thread keeps from running.
    fn record(&self, stamp: Stamp, event: Event) {
        if self.recorder.len() + LEFT_FREE > EVENT_QUEUE || self.recorder.try_send((stamp, event)).is_err() {
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
            // Never asked here: see `control::serve_client`.
            Request::Reload | Request::IocHits { .. } => {
                Reply::Refused { message: "not the warden's".into() }
            }
        }
    }

    fn stats(&self) -> Stats {
        let mut stats = self.gauges.read();
        stats.counters.extend(self.warden.counters());
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.counters.push(("output.write_errors".into(), of(&self.write_errors)));
        let packets = of(&self.refused.evidence_packets);
        stats.counters.push(("output.evidence_packets_refused".into(), packets));
        stats.counters.push(("output.files_refused".into(), of(&self.refused.files)));
        stats.counters.push(("output.reports_refused".into(), of(&self.refused.reports)));
        stats.counters.push(("output.verdict_events_lost".into(), of(&self.events_lost)));
        let snapshot = self.snapshots.current();
        stats.counters.push(("intel.indicators".into(), snapshot.indicators.len() as u64));
        stats.counters.extend(snapshot.rule_counters());
        stats.counters.push(("intel.reloads".into(), of(&self.snapshots.reloads)));
        stats.counters.push(("intel.reloads_failed".into(), of(&self.snapshots.reloads_failed)));
        stats
    }
}

/// A verdict takes microseconds, and everything waits for it: this thread goes before the others, on whatever core.
fn hurry(cores: &Cores) {
    cores.roam();
    let Err(refused) = capture::run_first() else { return };
    match setpriority_process(Some(gettid()), WARDEN_NICE) {
        Ok(()) => {
            tracing::warn!("the warden is not real-time ({refused}): its verdicts may wait for other threads")
        }
        Err(err) => tracing::warn!("the warden runs at ordinary priority: {refused}; {err}"),
    }
}
