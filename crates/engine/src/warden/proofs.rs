//! Alerts that isolate nobody yet, because it is not proven that their victims took part.
//!
//! A DNS query comes before its answer, a SYN before the handshake is complete: an alert on the first waits here, and is
//! judged again as soon as a worker notes that its flow is established. That it isolates nobody is told when the proof
//! has not come in time, or cannot come any more.

use std::collections::VecDeque;
use std::time::Duration;

use alert::Alert;
use flow::FlowTuple;
use output::IsolationEvent;
use wire::Nanos;

use super::Warden;
use crate::notes::Note;

/// Alerts that wait at once. A later one takes the place of the one that has waited the longest.
pub const MAX_AWAITED: usize = 4096;
/// How long proof is waited for before it is told that there is none.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Awaited {
    alert: Alert,
    flow: FlowTuple,
    told: bool,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    /// In the order of the alerts.
    awaited: VecDeque<Awaited>,
    /// Alerts that had to go before their flow was over.
    pub(super) forgotten: u64,
}

impl Proofs {
    pub(super) fn len(&self) -> usize {
        self.awaited.len()
    }

    /// Those of a flow, taken out.
    fn of_flow(&mut self, flow: u64) -> Vec<Awaited> {
        if self.awaited.iter().all(|awaited| awaited.flow.id != flow) {
            return Vec::new();
        }
        let (found, rest) =
            std::mem::take(&mut self.awaited).into_iter().partition(|awaited| awaited.flow.id == flow);
        self.awaited = rest;
        Vec::from_iter::<VecDeque<_>>(found)
    }
}

impl Warden {
    /// Lets an alert wait, if it lacks nothing but proof and this may still come.
    pub(super) fn await_proof(&mut self, alert: &Alert, flow: Option<FlowTuple>) {
        let Some(flow) = flow.filter(|_| self.judge.awaits_proof(alert)) else { return };
        if self.proofs.awaited.len() >= MAX_AWAITED {
            self.proofs.awaited.pop_front();
            self.proofs.forgotten += 1;
        }
        self.proofs.awaited.push_back(Awaited { alert: alert.clone(), flow, told: false });
    }

    /// What comes of alerts whose flow is established now, or over.
    pub(crate) fn on_note(&mut self, note: &Note) -> Vec<IsolationEvent> {
        let mut steps = Vec::new();
        for Awaited { mut alert, flow, told } in self.proofs.of_flow(note.flow) {
            if note.proven {
                alert.proof.established = true;
                (alert.time, alert.arrival, alert.raised) = (note.stamp.time, note.arrival, note.raised);
                steps.extend(self.judge_alert(&alert, Some(flow)));
            }
            if !told && self.judge.awaits_proof(&alert) {
                alert.time = note.stamp.time;
                steps.extend(self.withhold_unproven(&alert, flow));
            }
        }
        steps
    }

    /// Tells of alerts that have waited for too long at `now`. They go on waiting until their flows are over.
    pub(crate) fn overdue(&mut self, now: Nanos) -> Vec<(Nanos, IsolationEvent)> {
        let mut due = Vec::new();
        for awaited in &mut self.proofs.awaited {
            let until = awaited.alert.time.after(PATIENCE);
            if until > now {
                break;
            }
            if !awaited.told {
                awaited.told = true;
                due.push((until, Alert { time: until, ..awaited.alert.clone() }, awaited.flow));
            }
        }
        let tell = |(time, alert, flow)| Some((time, self.withhold_unproven(&alert, flow)?));
        due.into_iter().filter_map(tell).collect()
    }

    fn withhold_unproven(&mut self, alert: &Alert, flow: FlowTuple) -> Option<IsolationEvent> {
        let verdict = self.judge.unproven(alert);
        self.carry_out(verdict, alert.time, Self::cause(alert, Some(flow)))
    }
}
