//! The watch over the ports: interfaces that go down, are taken away, come back, or get other queues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use capture::{Attachment, CapturePort, Device, GRACE, Guard};
use crossbeam_channel::Sender;

use super::guards::GuardWatch;
use super::worker::Port;
use crate::ports::{Maps, PortPlan};
use crate::posts::Posts;
use crate::stats::Gauges;

/// How often the watch looks, and how often it asks whether to stop. A port that comes back is to be guarded again within
/// a second.
const LOOK: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(50);

/// What a worker is told of a port.
#[derive(Debug)]
pub(crate) enum PortChange {
    /// The port is closed: empty its rings and let go of them.
    Gone(usize),
    /// The port is open again.
    Came(Port),
}

/// A port under watch.
pub(crate) struct Watched {
    plan: PortPlan,
    /// Which of the posts, if isolations are enforced here.
    post: Option<usize>,
    /// None while its devices are away.
    port: Option<Arc<CapturePort>>,
    up: Vec<bool>,
    /// The last complaint, so that it is made once.
    complaint: String,
}

impl Watched {
    pub(crate) fn new(plan: PortPlan, post: Option<usize>, port: Arc<CapturePort>) -> Self {
        let up = vec![true; plan.names.len()];
        Watched { plan, post, port: Some(port), up, complaint: String::new() }
    }
}

/// What is in force when the watch ends.
#[derive(Debug)]
pub(crate) struct WatchedPorts {
    /// Capture and inline ports that are open.
    pub(crate) ports: Vec<Arc<CapturePort>>,
    /// Guard ports.
    pub(crate) guards: Vec<Attachment>,
}

/// The watch's thread.
pub(crate) struct PortWatch {
    pub(crate) ports: Vec<Watched>,
    pub(crate) guard: Option<Arc<Guard>>,
    pub(crate) guards: Vec<GuardWatch>,
    pub(crate) posts: Arc<Posts>,
    pub(crate) maps: Arc<Maps>,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) workers: Vec<Sender<PortChange>>,
    pub(crate) stop: Arc<AtomicBool>,
}

impl PortWatch {
    /// Looks again and again until told to stop. The ports that are open then.
    pub(crate) fn run(mut self) -> WatchedPorts {
        let mut waited = Duration::ZERO;
        while !self.stop.load(Ordering::Acquire) {
            thread::sleep(TICK);
            waited += TICK;
            if waited >= LOOK {
                waited = Duration::ZERO;
                if let Some(guard) = &self.guard {
                    self.guards.iter_mut().for_each(|port| port.look(guard, &self.posts));
                }
                for index in 0..self.ports.len() {
                    self.look(index);
                }
            }
        }
        WatchedPorts {
            ports: self.ports.into_iter().filter_map(|watched| watched.port).collect(),
            guards: self.guards.into_iter().filter_map(GuardWatch::into_attachment).collect(),
        }
    }

    fn look(&mut self, index: usize) {
        let watched = &mut self.ports[index];
        let devices = watched.plan.devices();
        if let Some(port) = watched.port.clone() {
            let changed = match &devices {
                Ok(now) => {
                    let changed = port.devices().zip(now).find_map(|(then, now)| change(then, now));
                    changed.or_else(|| port.trouble())
                }
                Err(err) => Some(err.to_string()),
            };
            match changed {
                Some(what) => {
                    tracing::warn!("{what}; the port is closed");
                    if let Some(post) = watched.post {
                        self.posts.lost(post, &what);
                    }
                    self.close(index);
                }
                None => return watched.look_at_links(&port),
            }
        }
        if devices.is_ok() {
            self.open(index);
        }
    }

    /// Closes a port: its program first, then the workers let go of its rings.
    fn close(&mut self, index: usize) {
        let watched = &mut self.ports[index];
        let Some(port) = watched.port.take() else { return };
        if let Err(err) = port.release() {
            tracing::debug!("{err}");
        }
        drop(port);
        // Programs that still run count to the end.
        thread::sleep(GRACE);
        self.gauges.retire(watched.plan.number);
        for worker in &self.workers {
            let _ = worker.send(PortChange::Gone(watched.plan.number));
        }
    }

    /// Opens a port whose devices are there again.
    fn open(&mut self, index: usize) {
        let watched = &mut self.ports[index];
        match watched.plan.open(&self.maps) {
            Ok(opened) => {
                tracing::info!("{}: open again", watched.plan.names.join("+"));
                self.gauges.adopt(watched.plan.number, opened.port.clone(), opened.rings);
                for (worker, rings) in self.workers.iter().zip(opened.receivers) {
                    let _ = worker.send(PortChange::Came(watched.plan.lane(rings)));
                }
                watched.port = Some(opened.port);
                if let Some(post) = watched.post {
                    self.posts.back(post);
                }
                watched.complaint.clear();
            }
            Err(err) => {
                let complaint = err.to_string();
                if complaint != watched.complaint {
                    tracing::error!("{complaint}; tried again every second");
                    if let Some(post) = watched.post {
                        self.posts.still_lost(post, &complaint);
                    }
                    watched.complaint = complaint;
                }
            }
        }
    }
}

impl Watched {
    fn look_at_links(&mut self, port: &CapturePort) {
        for (device, was_up) in port.devices().zip(&mut self.up) {
            let up = device.is_up().unwrap_or(false);
            if up != *was_up {
                *was_up = up;
                tracing::warn!("interface {} is {}", device.name, if up { "up again" } else { "down" });
            }
        }
    }
}

/// Why a port on `then` has to be opened anew, if it has to.
fn change(then: &Device, now: &Device) -> Option<String> {
    if then.index != now.index {
        return Some(format!("interface {} was made anew", then.name));
    }
    (then.rx_queues != now.rx_queues).then(|| {
        format!("interface {} has {} queues instead of {}", then.name, now.rx_queues, then.rx_queues)
    })
}
