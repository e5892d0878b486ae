//! What the warden says of requests and steps: on record, and in the log.

use std::time::Duration;

use output::{AuditAction, AuditEvent, IsolationAction, IsolationEvent};
use wire::{Nanos, Shown, Target};

use super::WardenThread;
use crate::control::Request;

/// The command turns the kill switch in the kernel first, and asks within this time.
const ASKED_WITHIN: Duration = Duration::from_secs(2);

impl WardenThread {
    /// The switch was found on or off, and nobody has asked for it since.
    pub(super) fn record_hold_elsewhere(&mut self) {
        if self.turned_elsewhere.is_some_and(|since| since.elapsed() >= ASKED_WITHIN) {
            self.turned_elsewhere = None;
            let action = if self.told_held { AuditAction::Hold } else { AuditAction::Resume };
            let detail =
                "found so in the kernel: turned while the sensor did not answer or did not run".into();
            self.audit(AuditEvent { detail, ..AuditEvent::new(action, "unknown".into()) });
        }
    }
}

/// What goes on record of a request: the action, whom it is about, what was asked for. `None` of those that change
/// nothing.
pub(super) fn asked_for(request: &Request) -> Option<(AuditAction, Option<Target>, String)> {
    match request {
        Request::IsolateAdd { target, scope, ttl_s, reason } => {
            let ttl = ttl_s
                .map_or_else(String::new, |s| format!(" for {}", output::spoken(Duration::from_secs(s))));
            let reason = if reason.is_empty() { String::new() } else { format!(", reason: {reason}") };
            let wanted = format!("asked for: scope {}{ttl}{reason}", scope.name());
            Some((AuditAction::Isolate, Some(*target), wanted))
        }
        Request::IsolateRm { target } => Some((AuditAction::Release, Some(*target), String::new())),
        Request::IsolateFlush { hold: false } => Some((AuditAction::Flush, None, String::new())),
        Request::IsolateFlush { hold: true } => Some((AuditAction::Hold, None, String::new())),
        Request::IsolateResume => Some((AuditAction::Resume, None, String::new())),
        // A reload puts itself on record when it is done; a reopened file is logged and counted.
        Request::Reload | Request::Reopen => None,
        Request::IsolateList | Request::Stats | Request::IocHits { .. } => None,
    }
}

/// A step as the log has it. Reasons are an attacker's words as often as not.
pub(super) fn log(time: Nanos, step: &IsolationEvent) {
    let (host, reason) = (step.target, Shown(&step.reason));
    let who = step.who.as_deref().map(|who| format!(" ({})", Shown(who))).unwrap_or_default();
    let by = Shown(&step.by);
    match step.action {
        IsolationAction::Isolate | IsolationAction::Extend if step.enforced => {
            let until = step.until.unwrap_or(time);
            let (lasts, until) = (output::spoken(until.since(time)), output::rfc3339(until));
            let verb = if step.action == IsolationAction::Extend { "isolated further" } else { "isolated" };
            tracing::info!("{verb} {host} for {lasts} until {until} because {by}{who}: {reason}");
        }
        IsolationAction::Withhold => {
            let why = step.not_enforced_because.as_deref().unwrap_or_default();
            tracing::info!("not isolated {host}: {}; {by}{who}: {reason}", Shown(why));
        }
        IsolationAction::FirstDrop => tracing::info!("{host}: first packet dropped"),
        IsolationAction::Expire => {
            tracing::info!(
                "released {host}: its time is over, {} packets were dropped",
                step.dropped_packets
            );
        }
        IsolationAction::Release => {
            tracing::info!("released {host} by {by}{who}, {} packets were dropped", step.dropped_packets);
        }
        _ => {}
    }
}
