//! The ledger of a running sensor: a thread that writes what the warden tells, another that syncs it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver as Bell, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use alert::Text;
use crossbeam_channel::Receiver;
use engine::{Changed, Known, MoreCounters, Released, Restore, Tap};
use ledger::{Audit, Isolated, Ledger, LedgerError, MAX_TOLD, Options, Record, Recovered, Syncer};
use output::{AuditAction, AuditEvent, Event, IsolationEvent, Stamp};
use wire::{Nanos, Scope, Target};

use crate::config::{Config, Role};
use crate::{Failure, console};

/// Steps that may wait to be written: minutes of a full disk in ordinary times. What does not fit is lost to the ledger, and
/// counted (`output.ledger_lost`).
const WAITING: usize = 65_536;
/// Lines that are written within this time are synced together; a power loss costs what is younger than this and a sync.
const SYNC_AFTER: Duration = Duration::from_millis(5);
/// A write that failed is tried again after this.
const RETRY: Duration = Duration::from_millis(200);
/// How often a disk that goes on refusing is told of in the log.
const COMPLAIN: Duration = Duration::from_secs(60);
/// How long a sensor that stops waits for a disk that refuses.
const LAST_TRIES: Duration = Duration::from_secs(2);

const MIB: u64 = 1024 * 1024;

/// What is counted.
#[derive(Debug, Default)]
struct Counts {
    records: Arc<AtomicU64>,
    write_errors: Arc<AtomicU64>,
    sync_errors: Arc<AtomicU64>,
    damaged: Arc<AtomicU64>,
}

/// The threads.
#[derive(Debug)]
pub struct Book {
    writer: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
}

impl Book {
    /// Waits until everything is written and synced. After the sensor, whose end is that of the steps.
    pub fn close(self) {
        self.stopping.store(true, Ordering::Relaxed);
        if self.writer.join().is_err() {
            tracing::error!("the ledger's thread died");
        }
    }
}

/// A ledger, and what the sensor needs of it.
#[derive(Debug)]
pub struct Opened {
    /// To be closed at the end.
    pub book: Book,
    /// For [`engine::Sensor::start`].
    pub tap: Tap,
    /// For its options.
    pub counters: MoreCounters,
    /// The time before, for its options.
    pub restore: Restore,
}

/// Opens the ledger and starts its threads. What it tells of the time before is for the sensor's options.
pub fn open(config: &Config) -> Result<Option<Opened>, Failure> {
    if !config.ledger.enabled {
        return Ok(None);
    }
    let (ledger, recovered) = match Ledger::open(options(config)) {
        Ok(opened) => opened,
        // Who drops nothing has no isolations of its own to remember: the ledger stays with the sensor that has.
        Err(err @ (LedgerError::InUse(_) | LedgerError::OfAnother { .. })) if !enforces(config) => {
            tracing::warn!("no ledger is kept: {err}");
            return Ok(None);
        }
        Err(err) => return Err(Failure::running(err)),
    };
    complain_of(&recovered);
    let counts = Counts::default();
    counts.damaged.store(recovered.damaged_places, Ordering::Relaxed);
    let (tap, steps) =
        Tap::new("ledger", WAITING, |event| matches!(event, Event::Isolation(_) | Event::Audit(_)));
    let counted = [
        ("ledger.records", counts.records.clone()),
        ("ledger.write_errors", counts.write_errors.clone()),
        ("ledger.sync_errors", counts.sync_errors.clone()),
        ("ledger.damaged", counts.damaged.clone()),
    ];
    let read = move || {
        let rows = counted.iter().map(|(name, count)| ((*name).to_owned(), count.load(Ordering::Relaxed)));
        rows.collect()
    };
    let restore = Restore {
        isolated: recovered.open.into_iter().map(known).collect(),
        released: recovered.ended.iter().map(released).collect(),
        last_verdict: recovered.last_verdict,
        map: Arc::default(),
    };
    let (bell, rung) = sync_channel(1);
    let (syncer, errors) = (ledger.syncer(), counts.sync_errors.clone());
    let syncing = spawn("ledger-sync", move || sync(&syncer, &rung, &errors))?;
    let stopping = Arc::new(AtomicBool::new(false));
    let writer = Writer {
        ledger,
        map: restore.map.clone(),
        lost: tap.lost(),
        lost_told: 0,
        counts,
        bell,
        stopping: stopping.clone(),
        complained: None,
    };
    let writer = spawn("ledger", move || {
        writer.run(&steps);
        let _ = syncing.join();
    })?;
    Ok(Some(Opened { book: Book { writer, stopping }, tap, counters: MoreCounters::new(read), restore }))
}

/// Writes down that targets were released from the map while no sensor ran: else a reboot would bring them back. `all`:
/// also whom the ledger has as isolated and the map does not.
pub fn released_by_hand(config: &Config, hosts: &[Target], all: bool) -> Result<(), LedgerError> {
    if !config.ledger.enabled || !config.ledger.dir.exists() {
        return Ok(());
    }
    let (mut ledger, recovered) = Ledger::open(options(config))?;
    complain_of(&recovered);
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let time = Nanos(0).after(since_1970.unwrap_or_default());
    let who = Some(format!("uid {}", rustix::process::getuid().as_raw()));
    let release = |target: Target, verdict: u64| Record {
        time,
        action: "release".into(),
        verdict,
        target,
        scope: Scope::Both,
        by: "operator".into(),
        who: who.clone(),
        reason: "released while no sensor ran".into(),
        enforced: true,
        not_enforced_because: None,
        until: None,
        map: String::new(),
        peer: None,
        dropped_packets: 0,
        dropped_bytes: 0,
        audit: None,
    };
    for Isolated { record, .. } in &recovered.open {
        if !all && !hosts.contains(&record.target) {
            continue;
        }
        let (scope, until, map, peer) = (record.scope.clone(), record.until, record.map.clone(), record.peer);
        ledger.append(&Record { scope, until, map, peer, ..release(record.target, record.verdict) })?;
    }
    let unknown = hosts.iter().filter(|&host| recovered.open.iter().all(|one| one.record.target != *host));
    for (host, n) in unknown.zip(1..) {
        ledger.append(&release(*host, recovered.last_verdict.max(time.0) + n))?;
    }
    ledger.sync()
}

/// Whether hosts are dropped at a port of this sensor.
fn enforces(config: &Config) -> bool {
    config.port.iter().any(|port| port.role != Role::Capture)
}

fn options(config: &Config) -> Options {
    Options {
        dir: config.ledger.dir.clone(),
        of: config.isolation.pin_dir.to_string_lossy().into_owned(),
        max_bytes: u64::from(config.ledger.max_mib) * MIB,
        keep: config.ledger.keep as usize,
    }
}

fn complain_of(recovered: &Recovered) {
    for damage in &recovered.damaged {
        tracing::warn!("the ledger is damaged: {damage}");
    }
    if recovered.damaged_places > MAX_TOLD as u64 {
        tracing::warn!("the ledger is damaged in {} places; the first are told", recovered.damaged_places);
    }
    if let Some(aside) = &recovered.aside {
        tracing::warn!("the ledger's unreadable end was set aside: {}", aside.display());
    }
}

fn known(one: Isolated) -> Known {
    let Isolated { record, changes, in_doubt } = one;
    let change = |record: Record| Changed {
        time: record.time,
        action: record.action,
        by: Arc::<str>::from(record.by).into(),
        who: record.who.map(Arc::from),
        reason: record.reason,
        until: record.until.unwrap_or(record.time),
    };
    Known {
        changes: changes.into_iter().map(change).collect(),
        target: record.target,
        scope: record.scope,
        verdict: record.verdict,
        by: Arc::<str>::from(record.by).into(),
        who: record.who.map(Arc::from),
        reason: record.reason,
        peer: record.peer,
        time: record.time,
        // Every step that isolates has an end; without one it has ended.
        until: record.until.unwrap_or(record.time),
        map: record.map,
        in_doubt,
    }
}

fn released(record: &Record) -> Released {
    let who = record.who.as_ref().map(|who| format!(" ({who})")).unwrap_or_default();
    let how = format!("at {} by {}{who}", ledger::rfc3339(record.time), record.by);
    Released { target: record.target, how }
}

/// A step as it is written down.
fn record(time: Nanos, step: &IsolationEvent, map: &str) -> Record {
    Record {
        time,
        action: step.action.name().into(),
        verdict: step.verdict,
        target: step.target,
        scope: step.scope.clone(),
        by: step.by.to_string(),
        who: step.who.as_ref().map(ToString::to_string),
        reason: step.reason.clone(),
        enforced: step.enforced,
        not_enforced_because: step.not_enforced_because.clone(),
        until: step.until,
        map: map.to_owned(),
        peer: step.peer,
        dropped_packets: step.dropped_packets,
        dropped_bytes: step.dropped_bytes,
        audit: None,
    }
}

/// What an operator did, or was refused, as it is written down.
fn audit(time: Nanos, event: &AuditEvent) -> Record {
    Record {
        time,
        action: format!("{}{}", ledger::AUDIT, event.action.name()),
        verdict: 0,
        target: event.target.unwrap_or(Target::host(IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        scope: Scope::Both,
        by: event.by.to_string(),
        who: event.who.as_ref().map(ToString::to_string),
        reason: event.detail.clone(),
        enforced: event.refused.is_none(),
        not_enforced_because: event.refused.clone(),
        until: None,
        map: String::new(),
        peer: None,
        dropped_packets: 0,
        dropped_bytes: 0,
        audit: Some(Audit { from: event.from.as_ref().map(ToString::to_string), count: event.count }),
    }
}

/// Writes down what an operator did while no sensor ran. Where there is no ledger, none is made.
pub fn by_hand(
    config: &Config,
    action: AuditAction,
    target: Option<Target>,
    detail: &str,
) -> Result<(), LedgerError> {
    if !config.ledger.enabled || !config.ledger.dir.exists() {
        return Ok(());
    }
    let (mut ledger, recovered) = Ledger::open(options(config))?;
    complain_of(&recovered);
    let event = AuditEvent {
        who: Some(format!("uid {}", rustix::process::getuid().as_raw()).into()),
        from: Some(format!("pid {}", std::process::id()).into()),
        target,
        detail: detail.into(),
        ..AuditEvent::new(action, Text::Own("operator"))
    };
    ledger.append(&audit(console::now(), &event))?;
    ledger.sync()
}

/// The thread that writes.
struct Writer {
    ledger: Ledger,
    map: Arc<OnceLock<String>>,
    lost: Arc<AtomicU64>,
    lost_told: u64,
    counts: Counts,
    bell: SyncSender<()>,
    stopping: Arc<AtomicBool>,
    complained: Option<Instant>,
}

impl Writer {
    fn run(mut self, steps: &Receiver<(Stamp, Event)>) {
        for (stamp, event) in steps {
            let record = match event {
                Event::Isolation(step) => {
                    record(stamp.time, &step, self.map.get().map_or("", String::as_str))
                }
                Event::Audit(event) => audit(stamp.time, &event),
                _ => continue,
            };
            self.write(|ledger| ledger.append(&record));
            // What was lost comes after everything that waits.
            let lost = self.lost.load(Ordering::Relaxed);
            if lost > self.lost_told && steps.is_empty() {
                let missing = lost - self.lost_told;
                tracing::error!("{missing} steps are missing in the ledger: too many waited to be written");
                self.write(|ledger| ledger.append_lost(missing));
                self.lost_told = lost;
            }
        }
    }

    /// Writes a line, however long the disk is full; others wait in the queue meanwhile.
    fn write(&mut self, line: impl Fn(&mut Ledger) -> Result<u64, LedgerError>) {
        let mut last = None;
        loop {
            let refused = match line(&mut self.ledger) {
                Ok(_) => {
                    self.counts.records.fetch_add(1, Ordering::Relaxed);
                    if self.complained.take().is_some() {
                        tracing::warn!("the ledger is written again");
                    }
                    // Rung already is as good.
                    let _ = self.bell.try_send(());
                    if let Some(trouble) = self.ledger.take_trouble() {
                        self.counts.write_errors.fetch_add(1, Ordering::Relaxed);
                        tracing::error!("the ledger: {trouble}");
                    }
                    return;
                }
                Err(refused) => refused,
            };
            self.counts.write_errors.fetch_add(1, Ordering::Relaxed);
            if self.complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                self.complained = Some(Instant::now());
                tracing::error!("the ledger: {refused}");
            }
            let since = *last.get_or_insert_with(Instant::now);
            let gives_up = self.stopping.load(Ordering::Relaxed) && since.elapsed() >= LAST_TRIES;
            if gives_up || matches!(refused, LedgerError::TooLong(_)) {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
            thread::sleep(RETRY);
        }
    }
}

/// The thread that syncs: nobody waits for it.
fn sync(syncer: &Syncer, rung: &Bell<()>, errors: &AtomicU64) {
    let mut complained: Option<Instant> = None;
    loop {
        let more = rung.recv().is_ok();
        if more {
            thread::sleep(SYNC_AFTER);
        }
        if let Err(err) = syncer.sync() {
            errors.fetch_add(1, Ordering::Relaxed);
            if complained.is_none_or(|at| at.elapsed() >= COMPLAIN) {
                complained = Some(Instant::now());
                tracing::error!("the ledger: {err}");
            }
        }
        if !more {
            return;
        }
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Failure> {
    let named = thread::Builder::new().name(name.to_owned());
    named.spawn(work).map_err(|err| Failure::running(format!("thread {name}: {err}")))
}
