//! The warden's thread: alerts first, then the operator, then a look at the map.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use output::{AlertEvent, AuditEvent, Event, IsolationEvent, OutputState, Source, Stamp};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use verdict::{Mode, Policy};
use wire::Nanos;

use super::alerts::{AlertInbox, Raised, Sighted};
use super::cores::Cores;
use super::on_record::{asked_for, log};
use super::ticker::{CLOSELY, SELDOM, Ticker};
use super::{EVENT_QUEUE, Record};
use crate::clock;
use crate::control::{Asked, Caller, Reply, Request};
use crate::hold::HoldFile;
use crate::notes::Note;
use crate::posts::Posts;
use crate::snapshot::Snapshots;
use crate::stats::{Gauges, Stats};
use crate::tap::Tap;
use crate::warden::Warden;

/// A first drop is waited for closely this long.
const CLOSE_WATCH: Duration = Duration::from_secs(2);
/// Facts that are taken in at once: all that can wait of a few workers.
const LEARNED_AT_ONCE: usize = 32_768;
/// Steps that a restart led to are told so many at once, and then there is a pause for those who write them down.
const RESTORED_AT_ONCE: u32 = 4096;
const RESTORED_PAUSE: Duration = Duration::from_millis(20);
/// Places in the recorder's queue that the warden leaves free.
const LEFT_FREE: usize = 2;
/// Scheduling priority of a warden that may not be real-time (-20 first, 19 last).
const WARDEN_NICE: i32 = -15;

/// The warden's thread.
pub(crate) struct WardenThread {
    pub(crate) warden: Warden,
    pub(crate) alerts: AlertInbox,
    pub(crate) sightings: AlertInbox<Sighted>,
    /// What the log was told last of the policy's mode.
    pub(crate) told_mode: Option<Mode>,
    /// Who asks wakes this thread.
    pub(crate) asked: Receiver<Asked>,
    /// What operators did elsewhere.
    pub(crate) audits: Receiver<AuditEvent>,
    pub(crate) audits_lost: Arc<AtomicU64>,
    pub(crate) recorder: Sender<Record>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) write_errors: Arc<AtomicU64>,
    pub(crate) output: Arc<OutputState>,
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
    pub(crate) taps: Vec<Tap>,
    pub(crate) hold: HoldFile,
    /// What the log was told last of the kill switch.
    pub(crate) told_held: bool,
    /// Since when it is on or off without a request: what an operator did while this thread did not answer.
    pub(crate) turned_elsewhere: Option<Instant>,
    /// Of the snapshot whose thresholds and policy are in force.
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
        self.tell_mode();
        self.tell_restored();
        // Some may have been isolated by an earlier run that must not be now.
        self.release_protected();
        let mut looks = Looks::new();
        loop {
            self.tell_of_hold();
            let raised = self.alerts.take();
            // What was seen before the alert is known before it is judged.
            self.learn();
            let asked = self.asked.try_recv().ok();
            let nothing = raised.is_none() && asked.is_none();
            let isolated = match raised {
                Some(Raised::Alert(stamp, alert)) => self.judge(stamp, alert),
                Some(Raised::Note(note)) => self.take_note(&note),
                None => false,
            };
            if isolated {
                looks.closely_until = Instant::now() + CLOSE_WATCH;
            }
            if let Some(asked) = asked {
                let reply = self.answer_on_record(asked.request, &asked.caller);
                let _ = asked.answer.send(reply);
            }
            self.look(&mut looks);
            if nothing {
                self.write_audits();
                if self.alerts.is_over() {
                    return self.warden;
                }
                self.alerts.sleep();
            }
        }
    }

    /// Takes in what workers have seen.
    fn learn(&mut self) {
        for _ in 0..LEARNED_AT_ONCE {
            let Some((time, sighting)) = self.sightings.take() else { break };
            if let Some(step) = self.warden.sight(&sighting, time) {
                tracing::warn!(
                    "{} is released: the question was a client's, which was seen late",
                    step.target
                );
                self.tell(clock::wall(), step);
            }
        }
        for role in self.warden.new_roles() {
            tracing::info!(
                "{} is taken for infrastructure: {}; see policy.infrastructure for what that means",
                role.host,
                role.seen
            );
        }
    }

    /// Whoever reads the log must know whether anybody is isolated.
    fn tell_mode(&mut self) {
        let mode = self.warden.mode();
        if self.told_mode == Some(mode) {
            return;
        }
        match mode {
            Mode::Observe => tracing::warn!(
                "policy mode is \"observe\": alerts isolate nobody; what they would have isolated is told as \
                 isolation events (action \"withhold\"). To isolate, write mode = \"enforce\" in [policy]"
            ),
            Mode::Enforce => tracing::info!("policy mode is \"enforce\": alerts isolate hosts"),
        }
        self.told_mode = Some(mode);
    }

    /// Does what has to be done from time to time. Alerts go first; but they cannot put the look at everything off for ever.
    fn look(&mut self, looks: &mut Looks) {
        let now = Instant::now();
        let close = now < looks.closely_until && self.warden.awaits_first_drop();
        self.ticker.closely(close);
        let watched_now = now.duration_since(looks.watched) >= SELDOM - CLOSELY;
        let steps = if watched_now {
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
        if watched_now {
            self.record_hold_elsewhere();
            self.heed_reload();
            for (time, step) in self.warden.overdue(clock::wall()) {
                self.tell(time, step);
            }
            self.tell_brake();
            self.tell_ports();
        }
        if !self.stats_interval.is_zero() && self.stats_told.elapsed() >= self.stats_interval {
            self.stats_told = Instant::now();
            let stamp = Stamp { time: clock::wall(), source: self.source.clone(), packet: None };
            self.record(stamp, Event::Stats(Box::new(self.stats().event())));
        }
    }

    /// The map first, the log afterwards.
    fn judge(&mut self, stamp: Stamp, mut alert: Box<AlertEvent>) -> bool {
        self.heed_reload();
        if !self.warden.tells(&mut alert) {
            return false;
        }
        let step = self.warden.on_alert(&alert);
        let isolated = step.as_ref().is_some_and(|s| s.enforced);
        let step = step.map(|step| {
            log(stamp.time, &step);
            let written = stamp.time.after(Duration::from_nanos(step.latency.map_ns.unwrap_or(0)));
            (Stamp { time: written, ..stamp.clone() }, Event::Isolation(Box::new(step)))
        });
        self.record(stamp, Event::Alert(alert));
        self.tell_brake();
        if let Some((stamp, step)) = step {
            self.record(stamp, step);
        }
        isolated
    }

    /// The verdicts that waited for what a worker has noted.
    fn take_note(&mut self, note: &Note) -> bool {
        self.heed_reload();
        let steps = self.warden.on_note(note);
        let isolated = steps.iter().any(|step| step.enforced);
        for step in steps {
            let time = note.stamp.time.after(Duration::from_nanos(step.latency.map_ns.unwrap_or(0)));
            self.record(Stamp { time, ..note.stamp.clone() }, Event::Isolation(Box::new(step)));
        }
        self.tell_brake();
        isolated
    }

    /// Thresholds and policy of a new snapshot.
    fn heed_reload(&mut self) {
        if let Some(snapshot) = self.snapshots.newer(&mut self.generation) {
            self.warden.set_thresholds(snapshot.thresholds());
            self.warden.set_policy(Policy::clone(&snapshot.policy));
            self.tell_mode();
            self.release_protected();
        }
    }

    fn release_protected(&mut self) {
        for step in self.warden.release_protected() {
            self.tell(clock::wall(), step);
        }
    }

    /// Whoever reads the log must see that a network is no longer defended as it was.
    fn tell_brake(&mut self) {
        let now = clock::wall();
        while let Some(brake) = self.warden.brake(now) {
            if brake.on {
                tracing::error!("brake: {}; alerts isolate nobody until it lets go", brake.reason);
            } else {
                tracing::warn!("the brake lets go: {} verdicts were withheld", brake.withheld);
            }
            let stamp = Stamp { time: now, source: self.source.clone(), packet: None };
            self.record(stamp, Event::Brake(brake));
        }
    }

    /// Ports on which isolations are in force no more, or again.
    fn tell_ports(&self) {
        for change in self.warden.posts().map(Posts::changes).unwrap_or_default() {
            let stamp = Stamp { time: clock::wall(), source: self.source.clone(), packet: None };
            self.record(stamp, Event::Port(change));
        }
    }

    /// Never waits: the next host to be isolated matters more than this line. Where the queue is as good as full, its
    /// writers may spin until its reader has done with a place: that reader may be what this thread keeps from running.
    fn record(&self, stamp: Stamp, event: Event) {
        for tap in &self.taps {
            tap.offer(&stamp, &event);
        }
        if self.recorder.len() + LEFT_FREE > EVENT_QUEUE || self.recorder.try_send((stamp, event)).is_err() {
            self.events_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a restart found, before anything newer. There may be more than the queues hold at once.
    fn tell_restored(&mut self) {
        for (told, (time, step)) in (1..).zip(self.warden.restored()) {
            self.tell(time, step);
            if told % RESTORED_AT_ONCE == 0 {
                thread::sleep(RESTORED_PAUSE);
            }
        }
    }

    fn tell(&self, time: Nanos, step: IsolationEvent) {
        log(time, &step);
        let stamp = Stamp { time, source: self.source.clone(), packet: None };
        self.record(stamp, Event::Isolation(Box::new(step)));
    }

    /// What operators did elsewhere: it waits until alerts and requests do not.
    fn write_audits(&self) {
        for event in self.audits.try_iter() {
            self.audit(event);
        }
    }

    pub(super) fn audit(&self, event: AuditEvent) {
        let stamp = Stamp { time: clock::wall(), source: self.source.clone(), packet: None };
        self.record(stamp, Event::Audit(Box::new(event)));
    }

    /// Another sensor's decisions are on record as steps; what an operator asks for is in his name, done or not.
    fn answer_on_record(&mut self, request: Request, caller: &Caller) -> Reply {
        let asked = (*caller.by == *"operator").then(|| asked_for(&request)).flatten();
        let reply = self.answer(request, caller);
        if let Some((action, target, wanted)) = asked {
            let (said, refused) = match &reply {
                Reply::Refused { message } | Reply::Unavailable { message } => ("", Some(message.clone())),
                Reply::Done { message } => (message.as_str(), None),
                _ => ("", None),
            };
            let detail = [said, &wanted].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            self.audit(AuditEvent {
                who: caller.who.clone(),
                from: caller.from.clone(),
                target,
                detail: detail.join("; "),
                refused,
                ..AuditEvent::new(action, caller.by.clone())
            });
        }
        reply
    }

    fn answer(&mut self, request: Request, caller: &Caller) -> Reply {
        self.heed_reload();
        let now = clock::wall();
        match request {
            Request::IsolateAdd { target, scope, ttl_s, reason } => {
                let reason = if reason.is_empty() { caller.by.to_string() } else { reason };
                let lifetime = ttl_s.map(Duration::from_secs);
                match self.warden.add(target, scope, lifetime, caller, reason, now) {
                    Ok(step) if step.enforced => {
                        let until = step.until.unwrap_or(now);
                        let message = format!(
                            "{target} is isolated until {} ({}){}",
                            output::rfc3339(until),
                            output::spoken(until.since(now)),
                            self.warden.warning(target, now)
                        );
                        self.tell(now, step);
                        Reply::Done { message }
                    }
                    Ok(step) => {
                        let why = step.not_enforced_because.clone().unwrap_or_default();
                        self.tell(now, step);
                        Reply::Refused { message: format!("{target} is not isolated: {why}") }
                    }
                    Err(why) => Reply::Refused { message: why },
                }
            }
            Request::IsolateRm { target } => match self.warden.release(target) {
                Some(step) => {
                    let step = by(caller, step);
                    let message =
                        format!("{target} is released, {} packets were dropped", step.dropped_packets);
                    self.tell(now, step);
                    Reply::Done { message }
                }
                None => Reply::Refused { message: format!("{target} is not isolated") },
            },
            Request::IsolateList => {
                Reply::Hosts { hosts: self.warden.list(now), held: self.warden.is_held() }
            }
            Request::IsolateFlush { hold } => {
                let held = if hold { self.take_hold() } else { "" };
                let steps = self.warden.release_all();
                let message = format!("{} hosts released{held}", steps.len());
                for step in steps {
                    self.tell(now, by(caller, step));
                }
                Reply::Done { message }
            }
            Request::IsolateResume => self.resume(),
            Request::Stats => Reply::Stats { stats: self.stats() },
            // Never asked here: see `Desk::ask`.
            Request::Reload | Request::Reopen | Request::IocHits { .. } => {
                Reply::Refused { message: "not the warden's".into() }
            }
        }
    }

    /// The kernel first, then the disk; what to tell of it.
    fn take_hold(&mut self) -> &'static str {
        self.warden.hold(true);
        self.tell_of_hold();
        self.turned_elsewhere = None;
        match self.hold.make() {
            Ok(()) => "; hold is in force until `ringward isolate resume`",
            Err(err) => {
                tracing::error!("hold file {}: {err}", self.hold.path().display());
                "; hold is in force, but its file cannot be written (see the log): it ends with a reboot"
            }
        }
    }

    fn resume(&mut self) -> Reply {
        if let Err(err) = self.hold.remove() {
            let message = format!("hold stays in force: {}: {err}", self.hold.path().display());
            return Reply::Refused { message };
        }
        self.warden.hold(false);
        self.tell_of_hold();
        self.turned_elsewhere = None;
        Reply::Done { message: "hold is over; verdicts are enforced again".into() }
    }

    /// Whoever turned the switch, and wherever.
    fn tell_of_hold(&mut self) {
        let held = self.warden.is_held();
        if held && !self.told_held {
            tracing::error!(
                "HOLD is in force: nothing is dropped and nobody is isolated until `ringward isolate resume`"
            );
        } else if !held && self.told_held {
            tracing::warn!("hold is over; verdicts are enforced again");
        }
        if held != self.told_held {
            self.turned_elsewhere = Some(Instant::now());
        }
        self.told_held = held;
    }

    fn stats(&self) -> Stats {
        let mut stats = self.gauges.read();
        stats.degraded = self.warden.posts().map(Posts::degraded).unwrap_or_default();
        stats.counters.extend(self.warden.counters());
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.counters.push(("output.write_errors".into(), of(&self.write_errors)));
        stats.counters.push(("output.verdict_events_lost".into(), of(&self.events_lost)));
        stats.counters.push(("output.audit_lost".into(), of(&self.audits_lost)));
        let snapshot = self.snapshots.current();
        stats.counters.push(("intel.indicators".into(), snapshot.indicators.len() as u64));
        stats.counters.extend(snapshot.rule_counters());
        stats.counters.push(("intel.reloads".into(), of(&self.snapshots.reloads)));
        stats.counters.push(("intel.reloads_failed".into(), of(&self.snapshots.reloads_failed)));
        stats.counters.extend(self.taps.iter().map(Tap::counter));
        if self.output.is_failing() {
            stats
                .degraded
                .push("eve.json cannot be written: alerts and isolations wait, other events are lost".into());
        }
        stats
    }
}

/// A release is the caller's, whoever isolated.
fn by(caller: &Caller, step: IsolationEvent) -> IsolationEvent {
    IsolationEvent { by: caller.by.clone(), who: caller.who.clone(), ..step }
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
