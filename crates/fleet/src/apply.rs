//! The thread that brings verdicts of the fleet into force here. It may wait for the sensor; nobody waits for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wire::Nanos;

use crate::counters::{Counters, count};
use crate::inbox::Inbox;
use crate::record::{Record, State};

/// Before a verdict is tried again that the sensor was too busy for.
const AGAIN: Duration = Duration::from_millis(500);

/// How a verdict of the fleet fared here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in force.
    Done,
    /// There was nothing to do: the target to be released is not isolated here, or nobody here could isolate one.
    Nothing,
    /// It is not, for good.
    Refused(String),
    /// It is not; it may be in a while.
    Busy(String),
}

/// Brings verdicts into force on this box. May block.
pub trait Enforcer: Send + 'static {
    /// Isolates a target for so long. The box's own safety rails hold.
    fn isolate(&self, record: &Record, lifetime: Duration) -> Outcome;
    /// Releases a target.
    fn release(&self, record: &Record) -> Outcome;
}

/// Now, by the wall clock.
pub(crate) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Nanos::default().after(since)
}

/// Runs until the inbox is closed.
pub(crate) fn apply(inbox: &Inbox, enforcer: &dyn Enforcer, counters: &Counters) {
    while let Some(task) = inbox.take() {
        let record = &task.record;
        let d = &record.decision;
        let outcome = match d.state {
            State::Released => enforcer.release(record),
            State::Isolated => {
                // Never longer than was decided, whatever the clocks say.
                let left = d.until.since(now()).min(d.until.since(d.at));
                if left.is_zero() {
                    count(&counters.stale);
                    continue;
                }
                enforcer.isolate(record, left)
            }
        };
        match outcome {
            Outcome::Done => {
                count(&counters.applied);
                if task.fresh {
                    counters.took(now().since(d.at));
                }
            }
            Outcome::Nothing => {}
            Outcome::Refused(why) => {
                count(&counters.refused);
                tracing::warn!("fleet: {} says {} is {:?}: refused: {why}", record.site, d.target, d.state);
            }
            Outcome::Busy(why) => {
                tracing::warn!("fleet: {}: tried again in a moment: {why}", d.target);
                inbox.put_back(task);
                inbox.pause(AGAIN);
            }
        }
    }
}

/// The thread.
pub(crate) fn spawn(
    inbox: Arc<Inbox>,
    enforcer: Box<dyn Enforcer>,
    counters: Arc<Counters>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let work = move || apply(&inbox, &*enforcer, &counters);
    std::thread::Builder::new().name("fleet-apply".into()).spawn(work)
}
