//! Syslog: a message for each event, in RFC 5424's form or as CEF.
//!
//! One thread a receiver, which sends what the sensor's queue holds. Over TCP and TLS it connects again, less and less
//! often, while the queue holds what comes meanwhile; what it has no room for is counted by the sensor. Syslog has no
//! acknowledgements: what the kernel has taken and the receiver has not read is lost when that dies.

mod address;
mod cef;
mod line;
mod link;
mod rfc5424;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use output::{Event, Stamp};
use rustls::ClientConfig;

use crate::backoff::Backoff;
use crate::closing::Closing;
use crate::counters::add;
use crate::{Counters, Events, PushError, ended, spawn, tls};
use line::Sender;
use link::Link;

pub use address::Address;
pub use line::Facility;

/// Bytes of a message: what a receiver must take at least (RFC 5424 section 6.1), and what a UDP datagram holds, with
/// room for headers.
pub const MESSAGE_BYTES: std::ops::RangeInclusive<usize> = 2048..=60_000;

/// The form of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 5424, with structured data and the line of eve.json as message.
    Rfc5424,
    /// ArcSight's Common Event Format behind a BSD syslog header.
    Cef,
}

/// A receiver.
#[derive(Clone, Debug)]
pub struct SyslogOptions {
    /// Its name, in counters.
    pub name: String,
    /// The name of this sensor: `host` in the events.
    pub sensor: Option<Arc<str>>,
    /// Where it listens.
    pub address: Address,
    /// The form of messages.
    pub format: Format,
    /// What messages are about.
    pub facility: Facility,
    /// Who says it: at most 48 printable ASCII characters.
    pub app_name: String,
    /// Certificate authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long connecting or sending may take.
    pub timeout: Duration,
    /// The longest wait between two attempts to connect.
    pub max_retry: Duration,
    /// Bytes of a message; larger events are shortened. Within [`MESSAGE_BYTES`].
    pub max_bytes: usize,
}

/// A running syslog receiver.
#[derive(Debug)]
pub struct Syslog {
    name: String,
    counters: Arc<Counters>,
    closing: Arc<Closing>,
    thread: JoinHandle<()>,
}

impl Syslog {
    /// Starts; connecting comes later.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn start(options: SyslogOptions, events: Events) -> Result<Self, PushError> {
        let tls = match options.address {
            Address::Tls(..) => Some(tls::client(options.ca_file.as_deref())?),
            _ => None,
        };
        let (counters, closing) = (Arc::<Counters>::default(), Arc::<Closing>::default());
        let name = options.name.clone();
        let thread = Thread {
            sender: Sender::here(&options),
            tls,
            link: None,
            backoff: Backoff::new(options.max_retry),
            counters: counters.clone(),
            closing: closing.clone(),
            options,
        };
        let thread = spawn(&format!("syslog-{name}"), move || thread.run(&events))?;
        Ok(Syslog { name, counters, closing, thread })
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Ends once the sensor has stopped: sends what is left, as much of it as `within` allows.
    pub fn finish(self, within: Duration) {
        let deadline = Instant::now() + within;
        self.closing.close(deadline);
        // It is over with the last attempt.
        if !ended(&self.thread, deadline + Duration::from_millis(100)) {
            tracing::warn!("push {}: the receiver is too slow, events are lost", self.name);
        }
    }
}

struct Thread {
    options: SyslogOptions,
    sender: Sender,
    tls: Option<Arc<ClientConfig>>,
    link: Option<Link>,
    backoff: Backoff,
    counters: Arc<Counters>,
    closing: Arc<Closing>,
}

impl Thread {
    fn run(mut self, events: &Events) {
        for (stamp, event) in events {
            let Some(message) = self.message(&stamp, &event) else { continue };
            if self.deliver(&message) {
                add(&self.counters.sent, 1);
            } else {
                add(&self.counters.dropped, 1);
            }
        }
    }

    fn message(&self, stamp: &Stamp, event: &Event) -> Option<String> {
        let limit = self.options.max_bytes;
        let (message, shortened) = match self.options.format {
            Format::Rfc5424 => rfc5424::message(&self.sender, stamp, event, limit)?,
            Format::Cef => cef::message(&self.sender, stamp, event, limit)?,
        };
        add(&self.counters.shortened, u64::from(shortened));
        Some(message)
    }

    /// Sends until it is sent, or time is over: false.
    fn deliver(&mut self, message: &str) -> bool {
        let mut attempts = 0_u64;
        while !self.closing.is_over() {
            add(&self.counters.retried, u64::from(attempts > 0));
            attempts += 1;
            let Err(err) = self.attempt(message.as_bytes()) else {
                let failures = self.backoff.reset();
                if failures > 0 {
                    tracing::info!("push {}: sent after {failures} failures", self.options.name);
                }
                return true;
            };
            self.link = None;
            add(&self.counters.failed, 1);
            if err.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) {
                tracing::warn!(
                    "push {}: {} bytes are too many for a datagram",
                    self.options.name,
                    message.len()
                );
                return false;
            }
            if !self.backoff.is_failing() {
                tracing::warn!("push {}: {}: {err}", self.options.name, self.options.address);
            }
            if !self.closing.wait(self.backoff.next()) {
                return false;
            }
        }
        false
    }

    fn attempt(&mut self, message: &[u8]) -> std::io::Result<()> {
        let link = match self.link.take() {
            Some(link) => link,
            None => Link::open(&self.options.address, self.tls.as_ref(), self.options.timeout)?,
        };
        self.link.insert(link).send(message)
    }
}

#[cfg(test)]
#[path = "../syslog_tests.rs"]
mod tests;
