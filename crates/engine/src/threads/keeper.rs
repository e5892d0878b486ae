//! The keeper's thread: writes the bypass map, and completes the records of flows that were bypassed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::{BypassTable, GRACE};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use output::{Event, FlowEvent, Stamp};
use wire::Nanos;

use super::Record;
use crate::bypass::{Order, complete};
use crate::clock;

/// How long the keeper sleeps when nothing is to be done.
const IDLE: Duration = Duration::from_millis(500);

/// A flow that has left the map and whose last packets may still be counted.
struct Leaving {
    since: Instant,
    slot: u32,
    stamp: Stamp,
    event: Box<FlowEvent>,
}

/// Carries orders out until every worker has gone; no flow is left bypassed then.
pub(crate) fn keep(table: &Arc<BypassTable>, orders: &Receiver<Order>, recorder: &Sender<Record>) {
    let mut leaving: VecDeque<Leaving> = VecDeque::new();
    let mut complained = false;
    loop {
        let pause = leaving.front().map_or(IDLE, |first| GRACE.saturating_sub(first.since.elapsed()));
        match orders.recv_timeout(pause) {
            Ok(Order::Begin { key, slot, reason }) => {
                if let Err(err) = table.insert(&key, slot, reason)
                    && !complained
                {
                    // The flow stays with its worker: slower, not wrong.
                    complained = true;
                    tracing::warn!("a flow is not bypassed: {err}");
                }
            }
            Ok(Order::End { key, slot, stamp, event }) => {
                table.remove(&key);
                leaving.push_back(Leaving { since: Instant::now(), slot, stamp, event });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if leaving.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(GRACE),
        }
        while leaving.front().is_some_and(|first| first.since.elapsed() >= GRACE) {
            if let Some(flow) = leaving.pop_front() {
                finish(table, flow, recorder);
            }
        }
    }
}

/// The record with what the programs counted. Waits if the recorder is slow: its queue is not the workers'.
fn finish(table: &BypassTable, flow: Leaving, recorder: &Sender<Record>) {
    let Leaving { slot, mut stamp, mut event, .. } = flow;
    let counts = table.counts(slot);
    table.release(slot);
    complete(&mut event, &counts, wall_time(counts.last_ns));
    stamp.time = stamp.time.max(event.record.end);
    let _ = recorder.send((stamp, Event::Flow(event)));
}

/// The wall-clock time of a monotonic one.
fn wall_time(monotonic_ns: u64) -> Nanos {
    let ago = clock::monotonic().0.saturating_sub(monotonic_ns);
    Nanos(clock::wall().0.saturating_sub(ago))
}
