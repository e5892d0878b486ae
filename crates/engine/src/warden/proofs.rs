//! Alerts that isolate nobody yet, because it is not proven that their victims took part.
//!
//! A DNS query comes before its answer, a SYN before the handshake is complete: an alert on the first waits here, and is
//! judged again as soon as a worker notes that its flow is established. That it isolates nobody is told when the proof
//! has not come in time, or cannot come any more.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use alert::Alert;
use flow::FlowTuple;
use output::IsolationEvent;
use wire::Nanos;

use super::Warden;
use crate::notes::Note;

/// Alerts that wait at once. A later one takes the place of the one that has waited the longest.
pub const MAX_AWAITED: usize = 4096;
/// How long proof is waited for before it is told that there is none. What comes later does not count.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Awaited {
    alert: Alert,
    flow: FlowTuple,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// By the number of the flow.
    awaited: HashMap<u64, Vec<Awaited>>,
    /// Until when, and of which flow, in the order of the alerts. What waited may be gone by then.
    order: VecDeque<(Nanos, u64)>,
    /// Alerts that had to go before their time was over.
    pub(super) forgotten: u64,
}

impl Proofs {
    /// Flows with alerts that wait.
    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }
}

impl Warden {
    /// Lets an alert wait, if it lacks nothing but proof and this may still come.
    pub(super) fn await_proof(&mut self, alert: &Alert, flow: Option<FlowTuple>) {
        let Some(flow) = flow.filter(|_| self.judge.awaits_proof(alert)) else { return };
        let Proofs { awaited, order, forgotten } = &mut self.proofs;
        if order.len() >= MAX_AWAITED
            && let Some((_, oldest)) = order.pop_front()
        {
            *forgotten += awaited.remove(&oldest).map_or(0, |alerts| alerts.len() as u64);
        }
        order.push_back((alert.time.after(PATIENCE), flow.id));
        awaited.entry(flow.id).or_default().push(Awaited { alert: alert.clone(), flow });
    }

    /// What comes of alerts whose flow is established now, or over.
    pub(crate) fn on_note(&mut self, note: &Note) -> Vec<IsolationEvent> {
        let mut steps = Vec::new();
        for Awaited { mut alert, flow } in self.proofs.awaited.remove(&note.flow).unwrap_or_default() {
            if note.proven {
                alert.proof.established = true;
                (alert.time, alert.arrival, alert.raised) = (note.stamp.time, note.arrival, note.raised);
                steps.extend(self.judge_alert(&alert, Some(flow)));
            }
            if self.judge.awaits_proof(&alert) {
                alert.time = note.stamp.time;
                steps.extend(self.withhold_unproven(&alert, flow));
            }
        }
        steps
    }

    /// Gives up alerts that have waited for too long at `now`, and tells of them.
    pub(crate) fn overdue(&mut self, now: Nanos) -> Vec<(Nanos, IsolationEvent)> {
        let mut steps = Vec::new();
        while let Some(&(until, flow)) = self.proofs.order.front()
            && until <= now
        {
            self.proofs.order.pop_front();
            for Awaited { alert, flow } in self.proofs.awaited.remove(&flow).unwrap_or_default() {
                let step = self.withhold_unproven(&Alert { time: until, ..alert }, flow);
                steps.extend(step.map(|step| (until, step)));
            }
        }
        steps
    }

    fn withhold_unproven(&mut self, alert: &Alert, flow: FlowTuple) -> Option<IsolationEvent> {
        let verdict = self.judge.unproven(alert);
        self.carry_out(verdict, alert.time, Self::cause(alert, Some(flow)))
    }
}
