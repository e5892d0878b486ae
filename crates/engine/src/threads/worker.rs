//! A worker's thread: the loop around [`Worker`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use capture::{BATCH, Receiver as Rings, Sleeper};
use crossbeam_channel::{Receiver, Sender, TrySendError};
use output::{Event, Source, Stamp};
use wire::{LinkType, Nanos};

use super::alerts::{AlertSender, Raised, Sighted};
use super::busy_poll::Watchdog;
use super::cores::stay_on;
use super::watch::PortChange;
use super::{EVENT_QUEUE, Record, SLICE, WARDEN_SHARE};
use crate::clock::{self, WallClock};
use crate::counters::WorkerCounters;
use crate::handover::{HANDOVER_QUEUE, Handover};
use crate::input::Input;
use crate::lookback::cost;
use crate::options::Wakeup;
use crate::worker::Worker;

/// Scheduling priority of workers (-20 first, 19 last): packets do not wait, others can.
const WORKER_NICE: i32 = -10;
/// Empty rounds before a worker sleeps: some 20 microseconds of looking.
const SPINS_BEFORE_SLEEP: u32 = 200;
/// A sleeping worker looks around this often, for timeouts and for the order to stop.
const SLEEP: Duration = Duration::from_millis(100);
/// How long a worker sleeps while the kernel still has frames of it to send.
const NAP: Duration = Duration::from_millis(1);
/// A stopping worker waits so long for datagrams of others, and looks for them this often.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
const STOP_LOOK: Duration = Duration::from_micros(200);
/// How often flows are looked through for timeouts.
const EXPIRE_EVERY_NS: u64 = 100_000_000;
/// How often bypassed flows are looked through for their last packet.
const LOOK_AFTER_EVERY_NS: u64 = 1_000_000_000;

/// One port as a worker sees it.
#[derive(Debug)]
pub(crate) struct Port {
    /// Which of the sensor's ports.
    pub(crate) number: usize,
    pub(crate) rings: Rings,
    /// Name of each device.
    pub(crate) sources: Vec<Source>,
}

/// One worker's thread.
pub(crate) struct WorkerThread {
    pub(crate) worker: Worker,
    pub(crate) handover: Handover,
    /// When it was found, stopping, that its rings are empty.
    pub(crate) rings_empty: Option<Nanos>,
    pub(crate) ports: Vec<Port>,
    /// Ports that go and come back.
    pub(crate) changes: Receiver<PortChange>,
    pub(crate) sleeper: Sleeper,
    /// What events are from that no packet causes.
    pub(crate) source: Source,
    /// Which worker it is, for the log.
    pub(crate) index: u32,
    pub(crate) cpu: Option<usize>,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) warden: AlertSender,
    /// Facts for the judge.
    pub(crate) sightings: AlertSender<Sighted>,
    pub(crate) recorder: Sender<Record>,
    /// The ports are detached: empty the rings and go.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) wakeup: Wakeup,
    pub(crate) watchdog: Watchdog,
}

impl WorkerThread {
    /// The loop of a worker: receive, work, give back; sleep when nothing comes.
    pub(crate) fn run(mut self) {
        if let Some(cpu) = self.cpu {
            stay_on(&[cpu]);
        }
        if let Err(err) = capture::run_in_slices(WORKER_NICE, SLICE) {
            tracing::warn!("worker {}: runs at ordinary priority: {err}", self.index);
        }
        if let Err(err) = self.sleeper.add_bell(&self.handover.bell()) {
            tracing::error!("worker {}: epoll: {err}", self.index);
        }
        for port in std::mem::take(&mut self.ports) {
            self.take_in(port);
        }
        let mut clock = WallClock::default();
        let mut idle = 0;
        let mut more_to_sweep = false;
        let mut position = 0;
        let (mut expired, mut looked_after) = (Nanos(0), Nanos(0));
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let now = clock::monotonic();
            clock.refresh(now);
            let received = self.round(&mut clock, &mut position, now);
            self.watchdog.round(now.0, received > 0);
            if now.0 - expired.0 > EXPIRE_EVERY_NS {
                expired = now;
                self.follow_changes(&mut clock, &mut position);
                if now.0 - looked_after.0 > LOOK_AFTER_EVERY_NS {
                    looked_after = now;
                    self.worker.look_after_bypassed(|monotonic| clock.wall_of(monotonic));
                }
                more_to_sweep = true;
            }
            if more_to_sweep {
                more_to_sweep = self.sweep(clock.of(now), position);
            }
            if received > 0 {
                idle = 0;
            } else if stopping {
                if self.last_to_come(now) {
                    self.drain(clock.of(now), position);
                    return;
                }
                thread::sleep(STOP_LOOK);
            } else if !more_to_sweep {
                idle += 1;
                self.rest(idle, now);
            }
        }
    }

    /// A batch from every queue of every port; how many frames these were.
    fn round(&mut self, clock: &mut WallClock, position: &mut u64, now: Nanos) -> usize {
        let (worker, counters) = (&mut self.worker, &self.counters);
        let mut outlets = Outlets {
            warden: &mut self.warden,
            sightings: &mut self.sightings,
            recorder: &self.recorder,
            counters,
        };
        let mut received = 0;
        let mut deepest = 0;
        worker.refresh();
        worker.relax(now);
        for port in &mut self.ports {
            let (depth, size) = port.rings.depth();
            if depth >= size - size / 4 {
                worker.overloaded(now);
            }
            deepest = deepest.max(depth);
            let sources = &port.sources;
            received += port.rings.receive(|frames| {
                // All frames of a call are of one device.
                let Some(source) = frames.first().and_then(|frame| sources.get(frame.device)) else { return };
                let mut inputs = [Input::nothing(Nanos(0), *position, source); BATCH];
                for (input, frame) in inputs.iter_mut().zip(frames) {
                    let arrival = Nanos(frame.arrival_ns);
                    *input = Input {
                        bytes: frame.bytes,
                        link: LinkType::Ethernet,
                        time: clock.of(arrival),
                        arrival: Some(arrival),
                        wire_len: frame.wire_len,
                        steered: Some(frame.hash),
                        ordinal: None,
                        position: *position,
                        source,
                        merged: None,
                    };
                    *position += cost(frame.bytes.len());
                }
                worker.batch(&inputs[..frames.len()], &mut |_, stamp, event| {
                    outlets.emit(stamp, event);
                });
                tell(worker, outlets.warden, counters);
            });
        }
        // What is given meanwhile is left for the next round.
        for _ in 0..HANDOVER_QUEUE {
            let Some(parcel) = self.handover.receive() else { break };
            let input = parcel.input(*position);
            *position += cost(input.bytes.len());
            worker.datagram(&input, &mut |stamp, event| {
                outlets.emit(stamp, event);
            });
            tell(worker, outlets.warden, counters);
            self.handover.recycle(parcel);
            received += 1;
        }
        if received > 0 {
            counters.ring_depth.record(u64::from(deepest));
            let spent = clock::monotonic().0.saturating_sub(now.0);
            counters.packet_ns.record(spent / received as u64);
        }
        received
    }

    /// The rings are empty for good: whether nothing comes from other workers any more, either.
    fn last_to_come(&mut self, now: Nanos) -> bool {
        let since = *self.rings_empty.get_or_insert_with(|| {
            self.handover.done();
            now
        });
        self.handover.is_over() || now.since(since) > STOP_PATIENCE
    }

    /// What to do after `idle` empty rounds.
    fn rest(&mut self, idle: u32, now: Nanos) {
        match self.wakeup {
            Wakeup::Spin => {}
            Wakeup::Adaptive if idle > SPINS_BEFORE_SLEEP => self.sleep(),
            Wakeup::Adaptive => {}
            Wakeup::BusyPoll => self.busy_poll(now),
        }
    }

    /// Lets the kernel poll the NIC from here. If that fails, the worker sleeps and wakes like any other from then
    /// on.
    fn busy_poll(&mut self, now: Nanos) {
        let failed = self.ports.iter().find_map(|port| port.rings.busy_poll().err());
        if self.watchdog.wants_test(now.0) {
            self.sleep();
        }
        let why = match failed {
            Some(err) => err.to_string(),
            None if self.watchdog.has_failed() => "it brings nothing".to_owned(),
            None => return,
        };
        tracing::warn!("worker {}: no busy polling: {why}; it sleeps when idle from now on", self.index);
        self.counters.busy_poll_failed.add(1);
        self.wakeup = Wakeup::Adaptive;
        for port in &self.ports {
            let _ = port.rings.set_busy_poll(false);
        }
    }

    /// Lets ports go whose devices are away, and takes those in that came back.
    fn follow_changes(&mut self, clock: &mut WallClock, position: &mut u64) {
        while let Ok(change) = self.changes.try_recv() {
            match change {
                PortChange::Gone(number) => {
                    // What the rings still hold is worked on first: the port's program is off.
                    while self.round(clock, position, clock::monotonic()) > 0 {}
                    self.ports.retain(|port| port.number != number);
                }
                PortChange::Came(port) => self.take_in(port),
            }
        }
    }

    /// One more port to serve.
    fn take_in(&mut self, port: Port) {
        if let Err(err) = self.sleeper.add(&port.rings) {
            tracing::error!("worker {}: epoll: {err}", self.index);
        }
        if self.wakeup == Wakeup::BusyPoll
            && let Err(err) = port.rings.set_busy_poll(true)
        {
            tracing::warn!("worker {}: busy polling: {err}", self.index);
        }
        self.ports.push(port);
    }

    /// A step of the sweep for timeouts. Whether there is more to do: between batches, so that no ring runs over.
    fn sweep(&mut self, time: Nanos, position: u64) -> bool {
        let at = Input::nothing(time, position, &self.source);
        let mut outlets = Outlets {
            warden: &mut self.warden,
            sightings: &mut self.sightings,
            recorder: &self.recorder,
            counters: &self.counters,
        };
        let mut emit = |stamp, event| outlets.emit(stamp, event);
        let more = self.worker.sweep(time, &at, &mut emit);
        tell(&mut self.worker, &mut self.warden, &self.counters);
        more
    }

    /// Ends all flows.
    fn drain(&mut self, time: Nanos, position: u64) {
        let at = Input::nothing(time, position, &self.source);
        let mut outlets = Outlets {
            warden: &mut self.warden,
            sightings: &mut self.sightings,
            recorder: &self.recorder,
            counters: &self.counters,
        };
        let mut emit = |stamp, event| outlets.emit(stamp, event);
        self.worker.drain(&at, &mut emit);
        tell(&mut self.worker, &mut self.warden, &self.counters);
    }

    fn sleep(&mut self) {
        if !self.handover.may_sleep() {
            return;
        }
        let mut settled = true;
        for port in &mut self.ports {
            settled &= port.rings.settle();
        }
        if let Err(err) = self.sleeper.sleep(if settled { SLEEP } else { NAP }) {
            tracing::error!("worker {}: epoll: {err}", self.index);
        }
        self.handover.wake();
    }
}

/// What the warden waits for goes to it behind the alerts that it is about.
fn tell(worker: &mut Worker, warden: &mut AlertSender, counters: &WorkerCounters) {
    for note in worker.notes() {
        counters.alerts_lost.add(u64::from(!warden.send(Raised::Note(note))));
    }
}

/// Where a worker's events go: alerts and facts to the warden, who passes alerts on; everything else to the recorder. A
/// full queue never stops a worker: the event is counted as lost.
struct Outlets<'a> {
    warden: &'a mut AlertSender,
    sightings: &'a mut AlertSender<Sighted>,
    recorder: &'a Sender<Record>,
    counters: &'a WorkerCounters,
}

impl Outlets<'_> {
    fn emit(&mut self, stamp: Stamp, event: Event) {
        let counters = self.counters;
        let lost = match event {
            Event::Sighting(sighting) => {
                let lost = !self.sightings.leave((stamp.time, sighting));
                return counters.sightings_lost.add(u64::from(lost));
            }
            Event::Alert(alert) => {
                let lost = !self.warden.send(Raised::Alert(stamp, alert));
                counters.alerts_lost.add(u64::from(lost));
                lost
            }
            event => {
                let packets = if let Event::Evidence(e) = &event { e.packets.len() } else { 0 };
                let lost = self.recorder.len() >= EVENT_QUEUE - WARDEN_SHARE
                    || matches!(self.recorder.try_send((stamp, event)), Err(TrySendError::Full(_)));
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
}
