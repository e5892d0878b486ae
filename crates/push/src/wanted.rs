//! Which events a receiver is told.

use alert::Severity;
use output::Event;

/// Which events a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Alerts at least as severe as this; none: no alerts.
    pub alerts: Option<Severity>,
    /// Steps of isolations.
    pub isolations: bool,
    /// What operators do.
    pub audits: bool,
}

impl Wanted {
    /// Whether the event is told.
    #[must_use]
    pub fn has(&self, event: &Event) -> bool {
        match event {
            Event::Alert(e) => self.alerts.is_some_and(|least| e.alert.severity <= least),
            Event::Isolation(_) | Event::Brake(_) | Event::Port(_) => self.isolations,
            Event::Audit(_) => self.audits,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{alert, isolation};

    #[test]
    fn severities_and_types_are_chosen() {
        let of = |severity| {
            let mut event = alert("x");
            event.alert.severity = severity;
            Event::Alert(Box::new(event))
        };
        let wanted = Wanted { alerts: Some(Severity::Medium), isolations: false, audits: false };
        assert!(wanted.has(&of(Severity::High)) && wanted.has(&of(Severity::Medium)));
        assert!(!wanted.has(&of(Severity::Low)));
        assert!(!wanted.has(&Event::Isolation(Box::new(isolation()))));
        let steps = Wanted { alerts: None, isolations: true, audits: false };
        assert!(steps.has(&Event::Isolation(Box::new(isolation()))) && !steps.has(&of(Severity::High)));
    }
}
