//! The sensor in its fleet: what it decides goes out, what others decided comes in through the same door as an
//! operator's wish, with the same safety rails.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use alert::{Severity, Text};
use crossbeam_channel::Receiver;
use engine::{Caller, Desk, MoreCounters, Reply, Request, Tap};
use fleet::{Decision, Enforcer, FleetEvent, FleetOptions, Input, Outcome, Record, State};
use output::{Event, IsolationAction, IsolationEvent, Stamp};
use wire::Target;

use crate::Failure;
use crate::config::{Config, Role, Share};

/// Alerts and isolation steps that may wait for the fleet's thread.
const ROOM: usize = 8192;
/// Who decided, in the events of verdicts that came from the fleet. They are not told to it again.
const FLEET: &str = "fleet";

/// Counters of a fleet that is joined later than they are asked for.
type Counters = OnceLock<Box<dyn Fn() -> Vec<(String, u64)> + Send + Sync>>;

/// All that is needed before the sensor starts.
pub struct Joining {
    options: FleetOptions,
    share: Vec<Share>,
    /// Whether verdicts of others can be enforced on this box.
    enforces: bool,
    told: Receiver<(Stamp, Event)>,
    /// The sensor's name, in the lines that the fleet is told.
    sensor: Option<Arc<str>>,
    counters: Arc<Counters>,
}

/// A sensor in its fleet.
pub struct Joined {
    fleet: fleet::Fleet,
    tap: JoinHandle<()>,
}

/// Prepares to join, if a fleet is configured: the tap and the counters for the sensor.
pub fn prepare(config: &Config) -> Result<Option<(Joining, Tap, MoreCounters)>, Failure> {
    let Some(options) = config.fleet.options().map_err(Failure::usage)? else { return Ok(None) };
    let (tap, told) = Tap::new("fleet", ROOM, |event| match event {
        Event::Isolation(_) => true,
        Event::Alert(alert) => alert.alert.severity == Severity::High,
        _ => false,
    });
    let counters = Arc::<Counters>::default();
    let read = counters.clone();
    let extra = MoreCounters::new(move || read.get().map(|read| read()).unwrap_or_default());
    let joining = Joining {
        options,
        share: config.fleet.share.clone(),
        enforces: config.port.iter().any(|port| port.role != Role::Capture),
        told,
        sensor: config.output.sensor(),
        counters,
    };
    Ok(Some((joining, tap, extra)))
}

impl Joining {
    /// Joins, with the sensor that runs now.
    pub fn join(self, desk: Desk) -> Result<Joined, Failure> {
        let releasing = Arc::<Releasing>::default();
        let guard = Guard { desk, enforces: self.enforces, releasing: releasing.clone() };
        let fleet = fleet::Fleet::start(self.options, Box::new(guard)).map_err(Failure::running)?;
        let _ = self.counters.set(Box::new(fleet.counters()));
        let (inputs, told, share) = (fleet.inputs(), self.told, self.share);
        let sensor = self.sensor;
        let work = move || {
            for (stamp, event) in told {
                tell(&stamp, &event, &share, &releasing, &inputs);
                tell_line(&stamp, &event, sensor.as_ref(), &inputs);
            }
        };
        let tap = thread::Builder::new().name("fleet-tap".into()).spawn(work).map_err(Failure::running)?;
        Ok(Joined { fleet, tap })
    }
}

impl Joined {
    /// Takes no more verdicts: the sensor is about to stop.
    pub fn close(&self) {
        self.fleet.close();
    }

    /// Leaves the fleet, after the sensor has stopped: what it said last is sent.
    pub fn stop(self) {
        let _ = self.tap.join();
        self.fleet.stop();
    }
}

/// Targets that are being released because the fleet says so. Their release is no decision of this box.
#[derive(Default)]
struct Releasing(Mutex<HashSet<Target>>);

impl Releasing {
    fn lock(&self) -> MutexGuard<'_, HashSet<Target>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the fleet of the decision in an event, if there is one.
fn tell(stamp: &Stamp, event: &Event, share: &[Share], releasing: &Releasing, inputs: &impl Fn(Input)) {
    if let Event::Isolation(step) = event
        && let Some(decision) = decision(stamp, step, share, releasing)
    {
        inputs(Input::Decided(decision));
    }
}

/// Tells the fleet of an event.
fn tell_line(stamp: &Stamp, event: &Event, sensor: Option<&Arc<str>>, inputs: &impl Fn(Input)) {
    let kind = if let Event::Isolation(_) = event { "isolation" } else { "alert" };
    for line in output::eve_lines(stamp, event, sensor) {
        inputs(Input::Event(FleetEvent { kind, json: line.into_bytes() }));
    }
}

/// What this box has decided in a step, if it has. A verdict that is not enforced here for want of a guard port is
/// one all the same: guards elsewhere enforce it.
fn decision(
    stamp: &Stamp,
    step: &IsolationEvent,
    share: &[Share],
    releasing: &Releasing,
) -> Option<Decision> {
    let state = match step.action {
        IsolationAction::Isolate | IsolationAction::Extend => {
            let own = step.by.to_string() != FLEET;
            (own && share.contains(&Share::Isolate)).then_some(State::Isolated)
        }
        IsolationAction::Release => {
            let own = !releasing.lock().remove(&step.target);
            (own && share.contains(&Share::Release)).then_some(State::Released)
        }
        IsolationAction::FirstDrop
        | IsolationAction::Expire
        | IsolationAction::Withhold
        | IsolationAction::Restore
        | IsolationAction::Adopt => None,
    }?;
    Some(Decision {
        target: step.target,
        state,
        scope: step.scope.clone(),
        verdict: step.verdict,
        by: step.by.to_string(),
        reason: step.reason.clone(),
        at: stamp.time,
        until: step.until?,
    })
}

/// Brings verdicts of the fleet into force through the sensor's desk.
struct Guard {
    desk: Desk,
    /// A box without guard ports hears of releases alone: what it had decided may be decided anew then.
    enforces: bool,
    releasing: Arc<Releasing>,
}

impl Enforcer for Guard {
    fn isolate(&self, record: &Record, lifetime: Duration) -> Outcome {
        if !self.enforces {
            return Outcome::Nothing;
        }
        match self.desk.ask(wish(record, lifetime), &caller(record)) {
            Reply::Unavailable { message } => Outcome::Busy(message),
            Reply::Done { .. } => Outcome::Done,
            reply => Outcome::Refused(said(reply)),
        }
    }

    fn release(&self, record: &Record) -> Outcome {
        let target = record.decision.target;
        self.releasing.lock().insert(target);
        match self.desk.ask(Request::IsolateRm { target }, &caller(record)) {
            Reply::Unavailable { message } => Outcome::Busy(message),
            Reply::Done { .. } => Outcome::Done,
            _ => {
                self.releasing.lock().remove(&target);
                Outcome::Nothing
            }
        }
    }
}

/// The request that brings an isolation into force.
fn wish(record: &Record, lifetime: Duration) -> Request {
    let d = &record.decision;
    Request::IsolateAdd {
        target: d.target,
        scope: d.scope.clone(),
        // Rather a moment longer than one shorter.
        ttl_s: Some(lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0)),
        reason: format!("{}: {}", d.by, d.reason),
    }
}

fn caller(record: &Record) -> Caller {
    Caller { by: Text::Own(FLEET), who: Some(format!("site {}", record.site).into()), from: None }
}

fn said(reply: Reply) -> String {
    match reply {
        Reply::Done { message } | Reply::Refused { message } | Reply::Unavailable { message } => message,
        _ => "the sensor answered something else".into(),
    }
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
