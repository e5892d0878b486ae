//! A worker's thread: the loop around [`Worker`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use capture::Receiver as Rings;
use crossbeam_channel::{Sender, TrySendError};
use output::{AlertEvent, Event, Source, Stamp};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use wire::{LinkType, Nanos};

use super::{EVENT_QUEUE, Record, WARDEN_SHARE};
use crate::clock::{self, WallClock};
use crate::counters::WorkerCounters;
use crate::lookback::cost;
use crate::options::Wakeup;
use crate::worker::{Input, Worker};

/// Empty rounds before a worker sleeps: some 20 microseconds of looking.
const SPINS_BEFORE_SLEEP: u32 = 200;
/// A sleeping worker looks around this often, for timeouts and for the order to stop.
const SLEEP: Duration = Duration::from_millis(100);
/// How often flows are looked through for timeouts.
const EXPIRE_EVERY_NS: u64 = 100_000_000;

/// One worker's thread.
pub(crate) struct WorkerThread {
    pub(crate) worker: Worker,
    /// A receiver per capture port, with the port's name.
    pub(crate) ports: Vec<(Rings, Source)>,
    /// Which of how many it is.
    pub(crate) index: u32,
    pub(crate) workers: u32,
    pub(crate) cpu: Option<usize>,
    pub(crate) counters: Arc<WorkerCounters>,
    pub(crate) warden: Sender<(Stamp, Box<AlertEvent>)>,
    pub(crate) recorder: Sender<Record>,
    /// The ports are detached: empty the rings and go.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) wakeup: Wakeup,
}

impl WorkerThread {
    /// The loop of a worker: receive, work, give back; sleep when nothing comes.
    pub(crate) fn run(mut self) {
        if let Some(cpu) = self.cpu {
            pin(cpu);
        }
        let (index, workers) = (self.index, self.workers);
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
                        if frame.hash % workers != index {
                            counters.wrong_worker.add(1);
                        }
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
                if idle > SPINS_BEFORE_SLEEP && self.wakeup == Wakeup::Adaptive {
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
        Event::Alert(alert) => {
            let lost = matches!(warden.try_send((stamp, alert)), Err(TrySendError::Full(_)));
            counters.alerts_lost.add(u64::from(lost));
            lost
        }
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
