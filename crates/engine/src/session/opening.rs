//! Check-ins that are no transaction's head: what a client says first to a listed address in no known protocol, and
//! bodies of HTTP requests to listed hosts. Flows without a hit pay nothing for it.

use std::time::Duration;

use detect::{Context, c2};
use proto::{AppProto, HttpView, Transaction};
use wire::{Direction, IpProto, Nanos};

use super::{Collector, Inspection, Session};

/// A client that pauses for so long has said what it had to say.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages of a client that are looked at: a greeting may come before its check-in.
const MAX_MESSAGES: u8 = 4;

/// A client's message while it comes.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// At most [`c2::MAX_OPENING`] bytes.
    bytes: Vec<u8>,
    /// When its last bytes came.
    last: Nanos,
    /// Messages that were looked at.
    read: u8,
}

impl Session {
    /// Whether the client's next bytes may be a check-in.
    pub(crate) fn wants_opening(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.opening.is_some())
    }
}

impl Inspection<'_> {
    /// The next bytes of either side. A message is over when the other side speaks, when it pauses, when it is as
    /// long as it says, or when no more of it is kept.
    pub(super) fn opening(&mut self, session: &mut Session, direction: Direction, bytes: &[u8]) {
        let Some(special) = &mut session.special else { return };
        let Some(opening) = &mut special.opening else { return };
        if session.layer.protocol().is_some() {
            special.opening = None;
            return;
        }
        let pause = self.moment.time.0.saturating_sub(opening.last.0) > PAUSE.as_nanos() as u64;
        if !opening.bytes.is_empty() && (direction == Direction::ToClient || pause) {
            self.read_opening(session);
        }
        if direction == Direction::ToClient {
            return;
        }
        let Some(opening) = session.special.as_mut().and_then(|special| special.opening.as_mut()) else {
            return;
        };
        let fits = bytes.len().min(c2::MAX_OPENING - opening.bytes.len());
        opening.bytes.extend_from_slice(&bytes[..fits]);
        opening.last = self.moment.time;
        if opening.bytes.len() == c2::MAX_OPENING || c2::is_whole(&opening.bytes) {
            self.read_opening(session);
        }
    }

    /// No more of it comes: the flow is over, or bytes of the client were lost.
    pub(super) fn opening_ends(&mut self, session: &mut Session, direction: Direction) {
        if direction == Direction::ToServer && session.wants_opening() {
            if session.layer.protocol().is_none() {
                self.read_opening(session);
            }
            if let Some(special) = &mut session.special {
                special.opening = None;
            }
        }
    }

    /// Reads a message; if it is no check-in, the next one may be.
    fn read_opening(&mut self, session: &mut Session) {
        let Some(special) = &mut session.special else { return };
        let Some(opening) = special.opening.as_mut().filter(|opening| !opening.bytes.is_empty()) else {
            return;
        };
        let mut alerts = std::mem::take(&mut self.findings.scratch);
        let cx = Context { direction: Direction::ToServer, ..self.context() };
        let found = self.detector.opening(&cx, &opening.bytes, &mut alerts);
        self.findings.alerts.extend(alerts.drain(..).map(|alert| (alert, None)));
        self.findings.scratch = alerts;
        opening.bytes.clear();
        opening.read += 1;
        if found || opening.read == MAX_MESSAGES {
            special.opening = None;
        }
    }

    /// A rule has alerted on a TCP flow of no known protocol: what its client has said first is told in the alert.
    pub(crate) fn check_in_of_rules(&mut self, session: &Session) {
        if self.findings.alerts.is_empty()
            || self.tuple.proto != IpProto::TCP
            || session.layer.protocol().is_some()
        {
            return;
        }
        let kept = session.special.as_ref().and_then(|special| special.opening.as_ref());
        let opening =
            kept.map_or(session.layer.unclaimed(Direction::ToServer), |opening| opening.bytes.as_slice());
        let by_rule = |(alert, _): &&mut (alert::Alert, _)| alert.rule.is_some() && alert.checkin.is_none();
        if let Some((alert, _)) = self.findings.alerts.iter_mut().find(by_rule)
            && !opening.is_empty()
        {
            c2::attach(alert, opening);
        }
    }
}

impl Collector<'_, '_> {
    /// The body of a request to a listed host, as far as it is kept.
    pub(super) fn check_in_of_body(&mut self, view: HttpView<'_>) {
        let listed = self.special.as_ref().is_some_and(|special| special.listed);
        if !listed || view.request.body.is_empty() {
            return;
        }
        let mut alerts = std::mem::take(&mut self.inspection.findings.scratch);
        let cx = Context { direction: Direction::ToServer, ..self.inspection.context() };
        self.inspection.detector.request_body(&cx, view.http, view.request.body, &mut alerts);
        // As in `progress`: exchanges of HTTP/1 are counted from 1.
        let first = u64::from(self.spoken.app != Some(AppProto::Http2));
        let id = view.number.saturating_sub(first);
        let found = alerts.drain(..).map(|alert| (alert, Some((id, Transaction::from(view.http.clone())))));
        self.inspection.findings.alerts.extend(found);
        self.inspection.findings.scratch = alerts;
    }
}
