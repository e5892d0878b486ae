//! What alerts were raised on, copied while it is at hand.

use detect::rules::View;
use output::{AlertOptions, Bodies, Content, Payload};
use wire::{IpProto, LinkType};

use super::{Inspection, Session};

/// Payloads and bodies of alerts that are not written yet, by the alert's place among the findings. Empty unless lines of
/// alerts show them.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    payloads: Vec<(usize, Payload)>,
    bodies: Vec<(usize, Bodies)>,
}

impl Contents {
    /// The content of the alert at this place: what was noted of it, else the payload of the packet at hand. Alerts are
    /// asked for in their order.
    pub(crate) fn take(
        &mut self,
        at: usize,
        of_packet: impl FnOnce() -> Option<Payload>,
        packet: Option<(LinkType, Vec<u8>)>,
    ) -> Option<Box<Content>> {
        let payload = take(&mut self.payloads, at).or_else(of_packet);
        let bodies = take(&mut self.bodies, at).unwrap_or_default();
        Content { payload, packet, bodies }.boxed()
    }
}

fn take<T>(noted: &mut Vec<(usize, T)>, at: usize) -> Option<T> {
    let found = noted.iter().position(|(of, _)| *of == at)?;
    Some(noted.swap_remove(found).1)
}

impl Inspection<'_> {
    /// The alerts from this place on were raised on the stream, of which `bytes` have just come: as much of it goes with
    /// them as is kept for rules, else these bytes.
    pub(super) fn note_stream(&mut self, session: &Session, from: usize, bytes: &[u8]) {
        let options = self.findings.shown.alert;
        if !options.wants_payload() || self.tuple.proto != IpProto::TCP {
            return;
        }
        let rules = session.special.as_ref().and_then(|special| special.rules.as_ref());
        for at in from..self.findings.alerts.len() {
            let direction = self.findings.alerts[at].0.direction;
            let kept = rules.map_or(&[][..], |rules| rules.stream(direction));
            let stream = if kept.is_empty() { bytes } else { kept };
            if stream.is_empty() {
                continue;
            }
            let payload = Payload {
                bytes: options.of_stream(stream).to_vec(),
                length: stream.len() as u64,
                stream: true,
            };
            self.findings.contents.payloads.push((at, payload));
        }
    }

    /// The alerts from this place on were raised on this view of a transaction.
    pub(super) fn note_bodies(&mut self, from: usize, view: View<'_>) {
        let options = self.findings.shown.alert;
        let View::Http(http) = view else { return };
        if !options.wants_bodies() {
            return;
        }
        let bodies: Bodies = [http.request.body, http.response.body].map(|body| shown(&options, body));
        if bodies.iter().any(|body| !body.is_empty()) {
            let alerts = from..self.findings.alerts.len();
            self.findings.contents.bodies.extend(alerts.map(|at| (at, bodies.clone())));
        }
    }
}

fn shown(options: &AlertOptions, body: &[u8]) -> Vec<u8> {
    options.beginning(body).to_vec()
}
