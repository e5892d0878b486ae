//! What both forms of messages share: who sends, how severe it is.

use std::sync::Arc;

use output::{AlertEvent, AuditAction, Event, IsolationAction};

use super::SyslogOptions;

/// Bytes of a host name (RFC 5424 section 6).
const MAX_HOST: usize = 255;

/// What messages are about (RFC 5424, table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    /// The facilities' names, by their numbers.
    pub const NAMES: [&'static str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
        "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5",
        "local6", "local7",
    ];

    /// The facility of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let number = Self::NAMES.iter().position(|known| *known == name)?;
        u8::try_from(number).ok().map(Facility)
    }
}

/// Who sends.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) host: String,
    /// The name of this sensor, in events.
    pub(super) sensor: Option<Arc<str>>,
    pub(super) app: String,
    pub(super) pid: u32,
    pub(super) facility: Facility,
}

impl Sender {
    /// This process on this host.
    pub(super) fn here(options: &SyslogOptions) -> Self {
        let name = rustix::system::uname();
        let name = String::from_utf8_lossy(name.nodename().to_bytes());
        let host: String = name.chars().filter(char::is_ascii_graphic).take(MAX_HOST).collect();
        Sender {
            host: if host.is_empty() { "-".into() } else { host },
            sensor: options.sensor.clone(),
            app: options.app_name.clone(),
            pid: std::process::id(),
            facility: options.facility,
        }
    }

    /// Facility and severity in one.
    pub(super) fn priority(&self, severity: u8) -> u8 {
        self.facility.0 * 8 + severity
    }
}

/// Severities of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Severities {
    /// Syslog's: 0 the worst, 7.
    pub(super) syslog: u8,
    /// CEF's: 10 the worst, 0.
    pub(super) cef: u8,
}

pub(super) fn severities(event: &Event) -> Severities {
    use IsolationAction::{Adopt, Expire, Extend, FirstDrop, Isolate, Release, Restore, Withhold};
    let (syslog, cef) = match event {
        Event::Alert(e) => match e.alert.severity as u8 {
            1 => (2, 9),
            2 => (4, 6),
            3 => (5, 3),
            _ => (6, 1),
        },
        Event::Isolation(e) => match e.action {
            Isolate | Extend | Restore | Adopt => (2, 8),
            Withhold => (4, 6),
            FirstDrop | Expire | Release => (5, 3),
        },
        // Somebody has to look: a list is wrong, or the network is on fire.
        Event::Brake(e) if e.on => (1, 10),
        Event::Port(e) if !e.in_force => (1, 10),
        Event::Brake(_) | Event::Port(_) => (5, 3),
        // The network is not defended any more.
        Event::Audit(e) if e.action == AuditAction::Hold => (1, 10),
        Event::Audit(e) if e.refused.is_some() => (4, 6),
        Event::Audit(_) => (5, 3),
        _ => (6, 1),
    };
    Severities { syslog, cef }
}

/// What an alert's techniques are called, those of the indicator's list among them.
pub(super) fn techniques(event: &AlertEvent) -> String {
    let alert = &event.alert;
    let listed = alert.hit.iter().flat_map(|hit| hit.techniques.iter().map(String::as_str));
    let mut ids: Vec<&str> = alert.techniques.iter().map(|t| t.id()).chain(listed).collect();
    let mut seen = Vec::new();
    ids.retain(|id| {
        !seen.contains(id) && {
            seen.push(*id);
            true
        }
    });
    ids.join(",")
}

/// One line, whatever is in the text: control characters become spaces.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// At most so many bytes of a text.
pub(super) fn at_most(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}
