//! The live sensor: opens ports, starts threads, stops in an order that loses nothing.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use capture::{CaptureError, CapturePort, Device, Guard, IsolationMap, PinFolder, PortOptions};
use crossbeam_channel::{Sender, bounded};
use detect::IndicatorDetector;
use output::{Event, Recorder, Source, Stamp, Written};
use verdict::Judge;

use crate::clock;
use crate::control::Listener;
use crate::counters::WorkerCounters;
use crate::options::{SensorError, SensorOptions};
use crate::stats::{Gauges, Stats};
use crate::threads::{EVENT_QUEUE, Record, WardenThread, WorkerThread, allowed_cpus, record};
use crate::warden::{Enforcement, Warden};
use crate::worker::Worker;

/// Alerts that may wait for the warden.
const ALERT_QUEUE: usize = 4096;
/// Requests that may wait for the warden.
const REQUEST_QUEUE: usize = 16;

/// A running sensor.
#[derive(Debug)]
pub struct Sensor {
    ports: Vec<Arc<CapturePort>>,
    guard: Option<Arc<Guard>>,
    pins: PinFolder,
    gauges: Arc<Gauges>,
    workers: Vec<JoinHandle<()>>,
    warden: JoinHandle<Warden>,
    recorder: JoinHandle<io::Result<Written>>,
    control: JoinHandle<()>,
    records: Sender<Record>,
    source: Source,
    stop_workers: Arc<AtomicBool>,
    stop_control: Arc<AtomicBool>,
}

/// How a sensor ended.
#[derive(Debug)]
pub struct Stopped {
    /// The last counters.
    pub stats: Stats,
    /// Latencies from packet to map entry in nanoseconds: number, p50, p99, greatest.
    pub latency_ns: (u64, u64, u64, u64),
    /// Hosts that stay isolated: the guard ports are left in force for them.
    pub still_isolated: Vec<IpAddr>,
    /// Files written.
    pub written: Written,
}

impl Sensor {
    /// Starts everything. Guard ports first: hosts that are isolated already stay so without a gap.
    ///
    /// # Errors
    /// What keeps a port, a socket or a thread from working; nothing is left attached then.
    pub fn start(
        options: SensorOptions,
        detector: &IndicatorDetector,
        recorder: Recorder,
    ) -> Result<Self, SensorError> {
        let pins = PinFolder::open(&options.pins)?;
        let started = Self::start_on(&pins, options, detector, recorder);
        if started.is_err() {
            let _ = IsolationMap::unpin_if_idle(&pins, clock::monotonic().0);
        }
        started
    }

    fn start_on(
        pins: &PinFolder,
        options: SensorOptions,
        detector: &IndicatorDetector,
        recorder: Recorder,
    ) -> Result<Self, SensorError> {
        let listener = Listener::bind(&options.socket)
            .map_err(|source| SensorError::Control { path: options.socket.clone(), source })?;
        let devices = Devices::open(&options)?;
        let mut policy = options.policy.clone();
        for own in capture::own_addresses().unwrap_or_default() {
            policy.protected.add(own.into(), "the sensor's own address");
        }
        let map = IsolationMap::open(pins, options.isolation_capacity)?;
        let mut guard = Guard::load(&map)?;
        for (device, port) in devices.guard.iter().zip(&options.guard) {
            if let Err(err) = guard.attach(device, port.mode) {
                let _ = guard.detach();
                return Err(err.into());
            }
        }
        let guarded = !options.guard.is_empty();
        let guard = Arc::new(guard);
        let mut lanes: Vec<Vec<(capture::Receiver, Source)>> =
            (0..options.workers).map(|_| Vec::new()).collect();
        let mut ports: Vec<Arc<CapturePort>> = Vec::new();
        for (device, port) in devices.capture.iter().zip(&options.capture) {
            let settings = PortOptions {
                workers: options.workers,
                rx_ring: options.rx_ring,
                mode: port.mode,
                bind: port.bind,
            };
            match CapturePort::open(device, settings) {
                Ok((port, receivers)) => {
                    ports.push(Arc::new(port));
                    let source = Source::Interface(Arc::from(device.name.as_str()));
                    for (lane, receiver) in lanes.iter_mut().zip(receivers) {
                        lane.push((receiver, source.clone()));
                    }
                }
                Err(err) => {
                    for port in &ports {
                        let _ = port.detach();
                    }
                    if let Ok(guard) = Arc::try_unwrap(guard) {
                        let _ = guard.detach();
                    }
                    return Err(err.into());
                }
            }
        }
        for port in &ports {
            announce(port, options.workers);
        }
        for device in guard.devices() {
            tracing::info!("guard {}: driver {}", device.name, device.driver);
        }
        let rings = lanes
            .iter()
            .map(|lane| lane.iter().map(|(receiver, _)| receiver.ring_stats()).collect())
            .collect::<io::Result<_>>()
            .map_err(|err| SensorError::Thread(format!("ring statistics: {err}")))?;
        let counters: Vec<Arc<WorkerCounters>> = lanes.iter().map(|_| Arc::default()).collect();
        let gauges = Arc::new(Gauges {
            ports: ports.clone(),
            rings,
            guard: guarded.then(|| guard.clone()),
            workers: counters.clone(),
            started: Instant::now(),
        });
        let warden = Warden::new(Judge::new(policy), Enforcement::Kernel { map: Box::new(map), guarded });
        let threads = Threads { options: &options, detector, listener, recorder, lanes, counters };
        threads.start(ports, guarded.then_some(guard), pins.clone(), gauges, warden)
    }

    /// Whether a thread has died; the sensor should be stopped then.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.workers.iter().any(JoinHandle::is_finished)
            || self.warden.is_finished()
            || self.recorder.is_finished()
    }

    /// Stops: detaches the capture ports, lets the workers empty their rings, writes everything down.
    /// Guard ports stay in force if anybody is isolated.
    ///
    /// # Errors
    /// A thread that died, or output that could not be written.
    pub fn stop(self) -> Result<Stopped, SensorError> {
        for port in &self.ports {
            if let Err(err) = port.detach() {
                tracing::error!("{err}");
            }
        }
        self.stop_workers.store(true, Ordering::Release);
        let died = |name: &str| SensorError::Thread(format!("{name} died"));
        let mut outcome = Ok(());
        let Sensor { workers, records, gauges, .. } = self;
        for worker in workers {
            outcome = outcome.and(worker.join().map_err(|_| died("worker")));
        }
        let mut warden = self.warden.join().map_err(|_| died("warden"))?;
        let mut stats = gauges.read();
        stats.counters.extend(warden.counters());
        let stamp = Stamp { time: clock::wall(), source: self.source.clone(), packet: None };
        let _ = records.send((stamp, Event::Stats(Box::new(stats.event()))));
        drop(records);
        self.stop_control.store(true, Ordering::Release);
        let _ = self.control.join();
        let written = self.recorder.join().map_err(|_| died("recorder"))?.map_err(SensorError::Output)?;
        drop(gauges);
        warden.adopt();
        let still_isolated: Vec<IpAddr> = warden.list(clock::wall()).iter().map(|l| l.host).collect();
        let latency = warden.latency();
        let latency_ns =
            (latency.len(), latency.value_at_quantile(0.5), latency.value_at_quantile(0.99), latency.max());
        let guard = self.guard.and_then(|guard| Arc::try_unwrap(guard).ok());
        if still_isolated.is_empty() {
            if let Some(guard) = guard {
                guard.detach()?;
            }
            IsolationMap::unpin_if_idle(&self.pins, clock::monotonic().0)?;
        }
        outcome.map(|()| Stopped { stats, latency_ns, still_isolated, written })
    }
}

/// What a port came to: queues, workers, modes, and the kernel's reason where the better one was refused.
fn announce(port: &CapturePort, workers: u32) {
    let device = port.device();
    let zero_copy = port.queues().iter().filter(|q| q.zero_copy).count();
    let memory = match zero_copy {
        0 => "copy".to_owned(),
        n if n == port.queues().len() => "zero-copy".to_owned(),
        n => format!("zero-copy on {n} queues, copy on the others"),
    };
    let refused = port.queues().iter().find_map(|q| q.why_not.as_ref());
    let why = refused.map(|why| format!(" (zero-copy: {why})")).unwrap_or_default();
    tracing::info!(
        "capture {}: {} queues x {workers} workers, driver {}, {} XDP, {memory}{why}",
        device.name,
        device.rx_queues,
        device.driver,
        port.mode().name()
    );
}

/// The devices of all ports, looked up before anything is attached anywhere.
struct Devices {
    capture: Vec<Device>,
    guard: Vec<Device>,
}

impl Devices {
    fn open(options: &SensorOptions) -> Result<Self, SensorError> {
        let open = |name: &String| {
            Device::open(name).map_err(|source| CaptureError::Interface { name: name.clone(), source })
        };
        let capture = options.capture.iter().map(|p| open(&p.name)).collect::<Result<_, _>>()?;
        let guard = options.guard.iter().map(|p| open(&p.name)).collect::<Result<_, _>>()?;
        Ok(Devices { capture, guard })
    }
}

/// What the threads are made of.
struct Threads<'a> {
    options: &'a SensorOptions,
    detector: &'a IndicatorDetector,
    listener: Listener,
    recorder: Recorder,
    lanes: Vec<Vec<(capture::Receiver, Source)>>,
    counters: Vec<Arc<WorkerCounters>>,
}

impl Threads<'_> {
    fn start(
        self,
        ports: Vec<Arc<CapturePort>>,
        guard: Option<Arc<Guard>>,
        pins: PinFolder,
        gauges: Arc<Gauges>,
        warden: Warden,
    ) -> Result<Sensor, SensorError> {
        let options = self.options;
        let (to_warden, alerts) = bounded(ALERT_QUEUE);
        let (ask, asked) = bounded(REQUEST_QUEUE);
        let (records, to_write) = bounded::<Record>(EVENT_QUEUE);
        let stop_workers = Arc::new(AtomicBool::new(false));
        let stop_control = Arc::new(AtomicBool::new(false));
        let write_errors = Arc::new(AtomicU64::new(0));
        let name = options.capture.first().map_or_else(String::new, |p| p.name.clone());
        let source = Source::Interface(Arc::from(name));
        let errors = write_errors.clone();
        let recorder = self.recorder;
        let refused = recorder.refused();
        let recorder = spawn("recorder", move || record(recorder, &to_write, &errors))?;
        let warden = WardenThread {
            warden,
            alerts,
            asked,
            recorder: records.clone(),
            gauges: gauges.clone(),
            write_errors,
            refused,
            events_lost: AtomicU64::new(0),
            source: source.clone(),
            stats_interval: options.stats_interval,
            stats_told: Instant::now(),
        };
        let warden = spawn("warden", move || warden.run())?;
        let cpus = if options.cpus.is_empty() { allowed_cpus() } else { options.cpus.clone() };
        let mut workers = Vec::new();
        for (index, (ports, counters)) in (0..).zip(self.lanes.into_iter().zip(self.counters)) {
            let i = index as usize;
            let thread = WorkerThread {
                index,
                workers: options.workers,
                worker: Worker::new(&options.worker, self.detector.clone(), counters.clone()),
                ports,
                cpu: cpus.get(i % cpus.len().max(1)).copied(),
                counters,
                warden: to_warden.clone(),
                recorder: records.clone(),
                stop: stop_workers.clone(),
                wakeup: options.wakeup,
            };
            workers.push(spawn(&format!("worker-{i}"), move || thread.run())?);
        }
        let (listener, stop) = (self.listener, stop_control.clone());
        let control = spawn("control", move || listener.serve(&ask, &stop))?;
        Ok(Sensor {
            ports,
            guard,
            pins,
            gauges,
            workers,
            warden,
            recorder,
            control,
            records,
            source,
            stop_workers,
            stop_control,
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
