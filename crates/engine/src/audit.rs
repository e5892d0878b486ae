//! What operators do, on its way to the warden, who writes it down with everything else in one order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use output::AuditEvent;

/// Events that may wait for the warden; what does not fit is counted (`output.audit_lost`).
const AUDIT_QUEUE: usize = 1024;

/// Where operators' actions are told. Never waits.
#[derive(Clone, Debug)]
pub(crate) struct Auditor {
    queue: Sender<AuditEvent>,
    lost: Arc<AtomicU64>,
    /// Woken when something is told.
    bell: Option<Thread>,
}

impl Auditor {
    /// Both ends.
    pub(crate) fn new() -> (Self, Receiver<AuditEvent>) {
        let (queue, told) = bounded(AUDIT_QUEUE);
        (Auditor { queue, lost: Arc::default(), bell: None }, told)
    }

    /// The same, who wakes this thread.
    pub(crate) fn waking(self, bell: Thread) -> Self {
        Auditor { bell: Some(bell), ..self }
    }

    pub(crate) fn tell(&self, event: AuditEvent) {
        if self.queue.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(bell) = &self.bell {
            bell.unpark();
        }
    }

    /// How many did not fit.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        self.lost.clone()
    }
}
