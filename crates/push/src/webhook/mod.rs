//! Webhooks, as the Standard Webhooks specification has them: an HTTP POST of JSON for each event, with an id, a time and
//! a signature.
//!
//! Two threads a receiver. The *collector* takes events from the sensor's queue into the queue on disk. The *sender*
//! takes the oldest from there and posts it until the receiver takes it or refuses it for good; the next one follows then.

mod answer;
mod client;
mod queue;
mod secret;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use output::{Event, Stamp, eve_lines};

use serde_json::Value;

use crate::backoff::{Backoff, random, unix_nanos};
use crate::closing::Closing;
use crate::counters::add;
use crate::spool::{Entry, Limits, Spool};
use crate::{Counters, Events, PushError, ended, json, spawn};
use answer::Answer;
use client::Client;
use queue::Queue;

pub use client::check_header;

/// An event larger than this is sent without its protocol's details.
const MAX_EVENT: usize = 256 * 1024;
/// How often what was written is synced: what a power failure can take.
const SYNC: Duration = Duration::from_secs(1);

/// A receiver.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// Its name, in counters and in the queue's folder.
    pub name: String,
    /// The name of this sensor: `host` in the events.
    pub sensor: Option<Arc<str>>,
    /// Where to post: http or https.
    pub url: String,
    /// File with the secrets that requests are signed with, one a line; none: they are not signed.
    pub secret_file: Option<PathBuf>,
    /// Certificate authorities to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// More header fields.
    pub headers: Vec<(String, String)>,
    /// How long a request may take, all in.
    pub timeout: Duration,
    /// The longest wait between two attempts, but for what the receiver itself asks for.
    pub max_retry: Duration,
    /// Folder of the queue.
    pub spool: PathBuf,
    /// Bytes of the queue's files.
    pub max_bytes: u64,
    /// How long an event may wait.
    pub max_age: Duration,
}

/// A running webhook.
#[derive(Debug)]
pub struct Webhook {
    name: String,
    spool: PathBuf,
    counters: Arc<Counters>,
    queue: Arc<Queue>,
    closing: Arc<Closing>,
    collector: JoinHandle<()>,
    sender: JoinHandle<()>,
}

impl Webhook {
    /// Opens the queue and starts: what waits in it from an earlier run is sent first.
    ///
    /// # Errors
    /// The file that cannot be used.
    pub fn start(options: WebhookOptions, events: Events) -> Result<Self, PushError> {
        let client = Client::new(&options)?;
        let age_ns = options.max_age.as_nanos() as u64;
        let spool = Spool::open(&options.spool, Limits { bytes: options.max_bytes, age_ns })?;
        let counters = Arc::<Counters>::default();
        let queue = Arc::new(Queue::new(spool, counters.clone()));
        let closing = Arc::<Closing>::default();
        let collector = {
            let (queue, counters, name) = (queue.clone(), counters.clone(), options.name.clone());
            let sensor = options.sensor;
            spawn(&format!("push-{name}"), move || {
                collect(&events, &queue, &counters, &name, sensor.as_ref());
            })?
        };
        let sender = Sender {
            name: options.name.clone(),
            client,
            queue: queue.clone(),
            closing: closing.clone(),
            counters: counters.clone(),
            backoff: Backoff::new(options.max_retry),
        };
        let sender = spawn(&format!("post-{}", options.name), move || sender.run())?;
        Ok(Webhook { name: options.name, spool: options.spool, counters, queue, closing, collector, sender })
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Ends once the sensor has stopped: everything is in the queue then, and as much of it delivered as `within` allows.
    /// What is left waits for the next start; how many that are.
    pub fn finish(self, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        if !ended(&self.collector, deadline) {
            tracing::error!("push {}: the disk is too slow, events are lost", self.name);
        }
        self.closing.close(deadline);
        self.queue.close(deadline);
        ended(&self.sender, deadline);
        let (waiting, _) = self.queue.waiting();
        if waiting > 0 {
            tracing::warn!("push {}: {waiting} events wait in {}", self.name, self.spool.display());
        }
        waiting
    }
}

/// From the sensor's queue into the one on disk, until the sensor has stopped.
fn collect(events: &Events, queue: &Queue, counters: &Counters, name: &str, sensor: Option<&Arc<str>>) {
    let (mut unsynced, mut failing) = (None::<Instant>, false);
    loop {
        match events.recv_timeout(SYNC) {
            Ok((stamp, event)) => {
                for (kind, line) in kinds(&event).into_iter().zip(eve_lines(&stamp, &event, sensor)) {
                    let (line, short) = json::within(line, MAX_EVENT, Value::to_string);
                    add(&counters.shortened, u64::from(short));
                    let put = queue.put(&entry(&stamp, kind, &line));
                    // One line for as many as follow each other.
                    if let (Err(err), false) = (&put, failing) {
                        tracing::error!("push {name}: events are lost, the queue cannot be written: {err}");
                    }
                    failing = put.is_err();
                }
                unsynced.get_or_insert_with(Instant::now);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return queue.sync(),
        }
        if unsynced.is_some_and(|since| since.elapsed() >= SYNC) {
            queue.sync();
            unsynced = None;
        }
    }
}

fn kinds(event: &Event) -> Option<&'static str> {
    match event {
        Event::Alert(_) => Some("ringward.alert"),
        Event::Isolation(_) | Event::Brake(_) | Event::Port(_) => Some("ringward.isolation"),
        Event::Audit(_) => Some("ringward.audit"),
        _ => None,
    }
}

/// What is sent: the same id and body however often it takes.
fn entry(stamp: &Stamp, kind: &str, line: &str) -> Entry {
    let now = unix_nanos();
    let time = rfc3339(stamp);
    Entry {
        time_ns: now,
        id: format!("msg_{now:016x}{:016x}", random()),
        body: format!(r#"{{"type":"{kind}","timestamp":"{time}","data":{line}}}"#),
    }
}

fn rfc3339(stamp: &Stamp) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(stamp.time.0)).ok();
    let text = at.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
    text.unwrap_or_default()
}

/// The sender's thread.
struct Sender {
    name: String,
    client: Client,
    queue: Arc<Queue>,
    closing: Arc<Closing>,
    counters: Arc<Counters>,
    backoff: Backoff,
}

impl Sender {
    fn run(mut self) {
        let mut refused = false;
        while let Some(item) = self.queue.next() {
            add(&self.counters.retried, u64::from(self.backoff.is_failing()));
            match self.client.post(&item.entry) {
                Answer::Taken => {
                    self.queue.done(item.place);
                    add(&self.counters.sent, 1);
                    refused = false;
                    let failures = self.backoff.reset();
                    if failures > 0 {
                        tracing::info!("push {}: delivered after {failures} failures", self.name);
                    }
                }
                Answer::Refused(why) => {
                    self.queue.done(item.place);
                    add(&self.counters.refused, 1);
                    self.backoff.reset();
                    // One line for as many as follow each other.
                    if !std::mem::replace(&mut refused, true) {
                        tracing::error!("push {}: event {} is refused: {why}", self.name, item.entry.id);
                    }
                }
                Answer::Again { why, after } => {
                    self.queue.not_done(item.place);
                    add(&self.counters.failed, 1);
                    if !self.backoff.is_failing() {
                        tracing::warn!("push {}: not delivered, to be tried again: {why}", self.name);
                    }
                    if !self.closing.wait(self.backoff.next().max(after)) {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "../webhook_tests.rs"]
mod tests;
