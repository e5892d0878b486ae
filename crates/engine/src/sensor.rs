//! The live sensor: opens ports, starts threads, stops in an order that loses nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use alert::Text;
use capture::{
    Attachment, BypassTable, CaptureError, CapturePort, Claim, GRACE, Guard, IsolationMap, PinFolder,
    Sleeper, Steering,
};
use crossbeam_channel::{Sender, bounded, unbounded};
use output::{Event, Recorder, Source, Stamp, Written};

use crate::audit::Auditor;
use crate::bindings::Bindings;
use crate::bypass::Bypasser;
use crate::clock;
use crate::control::{Caller, Desk};
use crate::counters::WorkerCounters;
use crate::expectations::Expectations;
use crate::handover::{Exchange, Handover};
use crate::hold::HoldFile;
use crate::input::Place;
use crate::options::{SensorError, SensorOptions, guard_devices};
use crate::owners::Owners;
use crate::ports::{Maps, PortPlan};
use crate::posts::Posts;
use crate::snapshot::{Snapshot, Snapshots};
use crate::stats::{Gauges, MoreCounters, Stats};
use crate::tap::Tap;
use crate::threads::{
    AlertInbox, Cores, EVENT_QUEUE, GuardWatch, Load, Port, PortWatch, Record, ReloadThread, Ticker, Ticks,
    WardenThread, Watchdog, Watched, WatchedPorts, Wish, WorkerThread, keep, record, tick,
};
use crate::warden::{Enforcement, Warden};
use crate::worker::Worker;

/// Reloads that may wait for each other.
const RELOAD_QUEUE: usize = 4;
/// Requests that may wait for the warden.
const REQUEST_QUEUE: usize = 16;

/// A running sensor.
#[derive(Debug)]
pub struct Sensor {
    guard: Option<Arc<Guard>>,
    pins: PinFolder,
    gauges: Arc<Gauges>,
    workers: Vec<JoinHandle<()>>,
    keeper: JoinHandle<()>,
    warden: JoinHandle<Warden>,
    recorder: JoinHandle<io::Result<Written>>,
    watch: JoinHandle<WatchedPorts>,
    records: Sender<Record>,
    source: Source,
    _claims: Vec<Claim>,
    inline: bool,
    stop_watch: Arc<AtomicBool>,
    stop_workers: Arc<AtomicBool>,
    stop_reload: Arc<AtomicBool>,
    wish: Sender<Wish>,
    desk: Desk,
}

/// What detectors match with and alerts are judged by, now and after each reload.
pub struct Matching {
    /// Now.
    pub snapshot: Snapshot,
    /// Makes what the configuration names then.
    pub load: Load,
}

impl std::fmt::Debug for Matching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matching").field("snapshot", &self.snapshot).finish_non_exhaustive()
    }
}

/// How a sensor ended.
#[derive(Debug)]
pub struct Stopped {
    /// The last counters.
    pub stats: Stats,
    /// Latencies from packet to map entry in nanoseconds: number, p50, p99, greatest.
    pub latency_ns: (u64, u64, u64, u64),
    /// Who stays isolated: the guard ports are left in force for them.
    pub still_isolated: Vec<String>,
    /// Inline ports are left in force: the kernel forwards by itself.
    pub inline: bool,
    /// Files written.
    pub written: Written,
}

impl Sensor {
    /// Starts everything; `taps` hear of alerts and isolations at once. Guard ports first: hosts that are isolated already stay so without a gap.
    ///
    /// # Errors
    /// What keeps a port, a socket or a thread from working; nothing is left attached then.
    pub fn start(
        options: SensorOptions,
        matching: Matching,
        recorder: Recorder,
        taps: Vec<Tap>,
    ) -> Result<Self, SensorError> {
        let pins = PinFolder::open(&options.pins)?;
        let started = Self::start_on(&pins, options, matching, recorder, taps);
        if started.is_err() {
            let _ = IsolationMap::unpin_if_idle(&pins, clock::monotonic().0);
        }
        started
    }

    fn start_on(
        pins: &PinFolder,
        mut options: SensorOptions,
        matching: Matching,
        recorder: Recorder,
        taps: Vec<Tap>,
    ) -> Result<Self, SensorError> {
        let plans = PortPlan::all(&options);
        // All devices are looked up before anything is attached anywhere.
        for plan in &plans {
            plan.devices()?;
        }
        let guards = guard_devices(&options)?;
        let names = plans.iter().flat_map(|plan| &plan.names).chain(options.guard.iter().map(|p| &p.name));
        let claims = names.map(|name| Claim::take(name)).collect::<Result<Vec<_>, _>>()?;
        let map = IsolationMap::open(pins, options.isolation_capacity)?;
        let hold = HoldFile::new(options.hold_file.clone());
        if hold.exists() {
            map.hold(true);
        }
        map.set_remediation(&options.remediation).map_err(SensorError::Remediation)?;
        let guard = Guard::load(&map)?;
        let mut attached: Vec<Attachment> = Vec::new();
        for (device, port) in guards.iter().zip(&options.guard) {
            match guard.attach(device, port.mode) {
                Ok(attachment) => attached.push(attachment),
                Err(err) => {
                    let _ = guard.detach(&attached);
                    return Err(err.into());
                }
            }
        }
        let posts = Arc::new(Posts::new(&options));
        let bypass = Arc::new(BypassTable::new(options.bypass.capacity)?);
        let maps = Arc::new(Maps::new(bypass.clone(), map.fds()).map_err(thread_error)?);
        let counters: Vec<Arc<WorkerCounters>> = (0..options.workers).map(|_| Arc::default()).collect();
        let guarded = !options.guard.is_empty();
        let guard = Arc::new(guard);
        let output = recorder.state();
        options.more_counters.push(MoreCounters::new(move || output.counters()));
        let gauges = Arc::new(Gauges::new(
            guarded.then(|| guard.clone()),
            counters.clone(),
            bypass,
            options.more_counters.clone(),
        ));
        let opened = match Ports::open(plans, options.guard.len(), &maps, &gauges, options.workers) {
            Ok(opened) => opened,
            Err(err) => {
                drop(gauges);
                let _ = guard.detach(&attached);
                return Err(err.into());
            }
        };
        for device in attached.iter().map(Attachment::device) {
            tracing::info!("guard {}: driver {}", device.name, device.driver);
        }
        let enforcement = Enforcement::Kernel { map: Box::new(map), posts: posts.clone() };
        let mut warden = Warden::new(matching.snapshot.judge(), enforcement)
            .with_thresholds(matching.snapshot.thresholds());
        if let Some(restore) = options.restore.take() {
            warden.restore(restore);
        }
        let modes = options.guard.iter().map(|port| port.mode);
        let guards =
            (0..).zip(modes).zip(attached).map(|((n, mode), on)| GuardWatch::new(n, mode, on)).collect();
        let guard = guarded.then_some(guard);
        let threads = Threads {
            options: &options,
            matching,
            recorder,
            taps,
            counters,
            maps,
            claims,
            hold,
            guards,
            posts,
        };
        threads.start(opened, guard, pins.clone(), gauges, warden)
    }

    /// Makes what detectors match with anew, in a while, as `ringward reload` does; the log tells how that went.
    pub fn reload(&self) {
        let caller = Caller { by: Text::Own("operator"), who: None, from: Some("a signal".into()) };
        if self.wish.try_send(Wish { caller, answer: None }).is_err() {
            tracing::warn!("not reloaded: enough reloads are waiting");
        }
    }

    /// Opens eve.json anew, as `ringward reopen` does: soon, and without waiting for it.
    pub fn reopen(&self) {
        self.desk.output.ask_to_reopen();
    }

    /// Where it is asked.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Whether a thread has died; the sensor should be stopped then.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.workers.iter().any(JoinHandle::is_finished)
            || self.warden.is_finished()
            || self.recorder.is_finished()
            || self.watch.is_finished()
    }

    /// Stops: sends no more frames to the workers, lets them empty their rings, writes everything down. Guard ports
    /// stay in force if anybody is isolated; inline ports always do, and forward without workers.
    ///
    /// # Errors
    /// A thread that died, or output that could not be written.
    pub fn stop(self) -> Result<Stopped, SensorError> {
        let died = |name: &str| SensorError::Thread(format!("{name} died"));
        let mut outcome = Ok(());
        self.stop_watch.store(true, Ordering::Release);
        let mut guards = Vec::new();
        match self.watch.join() {
            Ok(watched) => {
                for port in &watched.ports {
                    if let Err(err) = port.release() {
                        tracing::error!("{err}");
                    }
                }
                guards = watched.guards;
            }
            Err(_) => outcome = Err(died("watch")),
        }
        // Programs that still run steer to the end.
        thread::sleep(GRACE);
        self.stop_workers.store(true, Ordering::Release);
        let Sensor { workers, records, gauges, .. } = self;
        for worker in workers {
            outcome = outcome.and(worker.join().map_err(|_| died("worker")));
        }
        outcome = outcome.and(self.keeper.join().map_err(|_| died("keeper")));
        let mut warden = self.warden.join().map_err(|_| died("warden"))?;
        let mut stats = gauges.read();
        gauges.retire_all();
        stats.counters.extend(warden.counters());
        let stamp = Stamp { time: clock::wall(), source: self.source.clone(), packet: None };
        let _ = records.send((stamp, Event::Stats(Box::new(stats.event()))));
        drop(records);
        self.stop_reload.store(true, Ordering::Release);
        let written = self.recorder.join().map_err(|_| died("recorder"))?.map_err(SensorError::Output)?;
        drop(gauges);
        warden.adopt();
        let still_isolated: Vec<String> = warden.list(clock::wall()).into_iter().map(|l| l.host).collect();
        let latency = warden.latency();
        let latency_ns =
            (latency.len(), latency.value_at_quantile(0.5), latency.value_at_quantile(0.99), latency.max());
        if still_isolated.is_empty() {
            if let Some(guard) = &self.guard {
                guard.detach(&guards)?;
            }
            IsolationMap::unpin_if_idle(&self.pins, clock::monotonic().0)?;
        }
        outcome.map(|()| Stopped { stats, latency_ns, still_isolated, inline: self.inline, written })
    }
}

fn thread_error(err: io::Error) -> SensorError {
    SensorError::Thread(err.to_string())
}

/// The open ports.
struct Ports {
    watched: Vec<Watched>,
    /// Each worker's ends.
    lanes: Vec<Vec<Port>>,
}

impl Ports {
    /// Opens all ports, or leaves none open.
    fn open(
        plans: Vec<PortPlan>,
        guards: usize,
        maps: &Maps,
        gauges: &Gauges,
        workers: u32,
    ) -> Result<Self, CaptureError> {
        let mut ports = Ports { watched: Vec::new(), lanes: (0..workers).map(|_| Vec::new()).collect() };
        let mut open: Vec<Arc<CapturePort>> = Vec::new();
        for plan in plans {
            match plan.open(maps) {
                Ok(opened) => {
                    gauges.adopt(plan.number, opened.port.clone(), opened.rings);
                    for (lane, rings) in ports.lanes.iter_mut().zip(opened.receivers) {
                        lane.push(plan.lane(rings));
                    }
                    open.push(opened.port.clone());
                    // Inline pairs are the first plans, and stand behind the guards among the posts.
                    let post = opened.port.is_inline().then_some(guards + plan.number);
                    ports.watched.push(Watched::new(plan, post, opened.port));
                }
                Err(err) => {
                    for port in &open {
                        let _ = port.detach();
                    }
                    gauges.retire_all();
                    return Err(err);
                }
            }
        }
        Ok(ports)
    }
}

/// What the threads are made of.
struct Threads<'a> {
    options: &'a SensorOptions,
    matching: Matching,
    recorder: Recorder,
    taps: Vec<Tap>,
    counters: Vec<Arc<WorkerCounters>>,
    maps: Arc<Maps>,
    claims: Vec<Claim>,
    hold: HoldFile,
    guards: Vec<GuardWatch>,
    posts: Arc<Posts>,
}

impl Threads<'_> {
    fn start(
        self,
        ports: Ports,
        guard: Option<Arc<Guard>>,
        pins: PinFolder,
        gauges: Arc<Gauges>,
        warden: Warden,
    ) -> Result<Sensor, SensorError> {
        let options = self.options;
        let (alerts, senders) = AlertInbox::new(options.workers);
        let (sightings, sighters) = AlertInbox::of_sightings(options.workers);
        let (ask, asked) = bounded(REQUEST_QUEUE);
        let cores = Cores::new(options.workers, &options.cpus);
        // What is started from here on runs there, too.
        cores.keep_off_workers();
        let (records, to_write) = bounded::<Record>(EVENT_QUEUE);
        let (wish, wishes) = bounded::<Wish>(RELOAD_QUEUE);
        let snapshots = Arc::new(Snapshots::new(Arc::new(self.matching.snapshot)));
        let flag = || Arc::new(AtomicBool::new(false));
        let (stop_workers, stop_reload, stop_watch) = (flag(), flag(), flag());
        let write_errors = Arc::new(AtomicU64::new(0));
        let first = options.capture.first().map(|p| &p.name);
        let first = first.or(options.inline.first().map(|p| &p.names[0]));
        let source = Source::Interface(Arc::from(first.map_or("", String::as_str)));
        let errors = write_errors.clone();
        let recorder = self.recorder;
        let output = recorder.state();
        let recorder = spawn("recorder", move || record(recorder, &to_write, &errors))?;
        let ticks = Arc::<Ticks>::default();
        let shared = Arc::downgrade(&ticks);
        let thread = spawn("tick", move || tick(&shared))?.thread().clone();
        let (auditor, audits) = Auditor::new();
        let warden = WardenThread {
            audits,
            audits_lost: auditor.lost(),
            generation: 0,
            warden,
            alerts,
            sightings,
            told_mode: None,
            asked,
            recorder: records.clone(),
            gauges: gauges.clone(),
            write_errors,
            output: output.clone(),
            events_lost: AtomicU64::new(0),
            source: source.clone(),
            cores: cores.clone(),
            ticker: Ticker { ticks, thread },
            stats_interval: options.stats_interval,
            stats_told: Instant::now(),
            snapshots: snapshots.clone(),
            taps: self.taps,
            hold: self.hold,
            told_held: false,
            turned_elsewhere: None,
        };
        let warden = spawn("warden", move || warden.run())?;
        let bypass = self.maps.bypass.clone();
        let (bypasser, orders) = Bypasser::new(bypass.clone(), options.bypass.inspected, options.bypass.shed);
        let to_recorder = records.clone();
        let keeper = spawn("keeper", move || keep(&bypass, &orders, &to_recorder))?;
        let owners = Arc::<Owners>::default();
        let expectations = Expectations::default();
        let bindings = Bindings::default();
        let exchange = Arc::new(Exchange::new(options.workers).map_err(thread_error)?);
        let (mut workers, mut tell_workers) = (Vec::new(), Vec::new());
        let bell = warden.thread().clone();
        let to_warden = senders.wake(&bell).zip(sighters.wake(&bell));
        let each = ports.lanes.into_iter().zip(self.counters).zip(to_warden);
        for (index, ((ports, counters), (to_warden, sightings))) in (0..).zip(each) {
            let i = index as usize;
            // A few changes a second at most, and the workers look ten times a second.
            let (tell, changes) = unbounded();
            tell_workers.push(tell);
            let worker = Worker::new(&options.worker, &snapshots.current(), counters.clone());
            let of = (options.steering == Steering::Flow).then_some(options.workers);
            let place = Place { index, of, owners: owners.clone() };
            let handover = Handover::new(exchange.clone(), index, of.is_some());
            let cpu = cores.of_worker(i);
            if let Some(cpu) = cpu {
                tracing::info!("worker {i}: CPU {cpu}");
            }
            let thread = WorkerThread {
                index,
                worker: worker
                    .with_bypass(bypasser.clone())
                    .with_expectations(expectations.clone())
                    .with_bindings(bindings.clone())
                    .with_snapshots(snapshots.clone())
                    .steered_to(place)
                    .with_handover(handover.clone()),
                handover,
                rings_empty: None,
                ports,
                changes,
                sleeper: Sleeper::new().map_err(thread_error)?,
                source: source.clone(),
                cpu,
                counters,
                warden: to_warden,
                sightings,
                recorder: records.clone(),
                stop: stop_workers.clone(),
                wakeup: options.wakeup,
                watchdog: Watchdog::default(),
            };
            workers.push(spawn(&format!("worker-{i}"), move || thread.run())?);
        }
        let watch = PortWatch {
            ports: ports.watched,
            guard: guard.clone(),
            guards: self.guards,
            posts: self.posts,
            maps: self.maps,
            gauges: gauges.clone(),
            workers: tell_workers,
            stop: stop_watch.clone(),
        };
        let watch = spawn("watch", move || watch.run())?;
        let auditor = auditor.waking(bell.clone());
        let desk = Desk {
            warden: ask,
            bell,
            reload: wish.clone(),
            snapshots: snapshots.clone(),
            output,
            auditor: auditor.clone(),
        };
        let (load, stop) = (self.matching.load, stop_reload.clone());
        let reload = ReloadThread { load, snapshots, wishes, stop, auditor };
        // Not waited for when the sensor stops: it may be in the middle of ten million names.
        drop(spawn("reload", move || reload.run())?);
        Ok(Sensor {
            guard,
            pins,
            gauges,
            workers,
            keeper,
            warden,
            recorder,
            watch,
            records,
            source,
            _claims: self.claims,
            inline: !options.inline.is_empty(),
            stop_watch,
            stop_workers,
            stop_reload,
            wish,
            desk,
        })
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, SensorError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|err| SensorError::Thread(format!("{name}: {err}")))
}
