//! Tells others at once: webhooks and syslog.
//!
//! In: alerts and isolation steps, from a queue that whoever decides never waits for. Out: signed HTTP requests
//! ([`webhook`]: at least once, in order, from a bounded queue on disk) and syslog messages ([`syslog`]: RFC 5424 or
//! CEF, over UDP, TCP, TLS or a UNIX socket). Every receiver has threads of its own: a slow or dead one costs the others
//! nothing. This room knows events and nothing of where they come from.
#![forbid(unsafe_code)]

mod backoff;
mod closing;
mod counters;
mod json;
mod spool;
pub mod syslog;
#[cfg(test)]
mod testing;
mod tls;
mod wanted;
pub mod webhook;

use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use output::{Event, Stamp};
use thiserror::Error;

pub use counters::{COUNTERS, Counters};
pub use wanted::Wanted;

/// Where events come from. It ends when the sensor has stopped.
pub type Events = Receiver<(Stamp, Event)>;

/// Why there is no push.
#[derive(Debug, Error)]
pub enum PushError {
    /// A file that cannot be used, and why.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl PushError {
    pub(crate) fn file(path: impl Into<PathBuf>, why: impl ToString) -> Self {
        PushError::File { path: path.into(), why: why.to_string() }
    }
}

/// How often a thread that should end is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Waits until a thread has ended, or until then; whether it has. A thread that is in the middle of a request is left to
/// itself: nothing depends on how that ends.
fn ended(thread: &JoinHandle<()>, deadline: Instant) -> bool {
    while !thread.is_finished() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PushError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|err| PushError::Other(format!("thread {name}: {err}")))
}
