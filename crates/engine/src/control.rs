//! How a running sensor is asked: requests, replies, and the desk where both change hands. Who may ask, and over which
//! wire, is the api room's business.

use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use alert::Text;
use crossbeam_channel::{RecvTimeoutError, SendTimeoutError, Sender, bounded};
use output::{AuditEvent, OutputState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::{Scope, Target};

use crate::audit::Auditor;
use crate::snapshot::Snapshots;
use crate::stats::Stats;
use crate::threads::Wish;
use crate::warden::Listed;

/// How long a reply may take.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client waits for a reload: of ten million names it takes some seconds.
pub const RELOAD_TIMEOUT: Duration = Duration::from_secs(600);
/// How often a client who waits for eve.json looks.
const REOPEN_LOOK: Duration = Duration::from_millis(20);
/// Lines of hits in one answer.
pub const MAX_HIT_ROWS: usize = 100_000;

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Isolate a host.
    IsolateAdd {
        /// Whom.
        target: Target,
        /// How far.
        scope: Scope,
        /// For so many seconds; the policy's lifetime if not given.
        ttl_s: Option<u64>,
        /// Why.
        reason: String,
    },
    /// Release a host.
    IsolateRm {
        /// Whom, as listed.
        target: Target,
    },
    /// Who is isolated?
    IsolateList,
    /// Release everybody.
    IsolateFlush {
        /// And isolate nobody until [`Request::IsolateResume`]: the kill switch.
        hold: bool,
    },
    /// Turn the kill switch off.
    IsolateResume,
    /// The counters.
    Stats,
    /// Make what detectors match with anew.
    Reload,
    /// Open eve.json anew.
    Reopen,
    /// Which indicators were hit?
    IocHits {
        /// At most so many, those that were hit most often first.
        top: usize,
    },
}

/// What the sensor answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done; a line for the operator.
    Done {
        /// What was done.
        message: String,
    },
    /// Not done, and why.
    Refused {
        /// Why.
        message: String,
    },
    /// Not done, or not known whether: the sensor has no time or stops.
    Unavailable {
        /// Why.
        message: String,
    },
    /// Answer to [`Request::IsolateList`].
    Hosts {
        /// Everybody who is isolated.
        hosts: Vec<Listed>,
        /// Whether the kill switch is on.
        held: bool,
    },
    /// Answer to [`Request::Stats`].
    Stats {
        /// The counters.
        stats: Stats,
    },
    /// Answer to [`Request::IocHits`].
    IocHits {
        /// Indicators that were hit, those that are not shown among them.
        total: usize,
        /// The first of them.
        hits: Vec<HitRow>,
    },
}

/// An indicator that was hit: a line of `ringward iocs hits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HitRow {
    /// "domain", "ip", "sha256" ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The indicator.
    pub indicator: String,
    /// How often it was hit.
    pub hits: u32,
    /// When last, in seconds since 1970.
    pub last_hit: u32,
    /// Its list, as "FILE:LINE".
    pub source: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// In what role: "operator", "fleet" ...
    pub by: Text,
    /// Who exactly, as far as is known: "uid 0", "token soc", "site berlin" ...
    pub who: Option<Arc<str>>,
    /// From where: "pid 4711", "192.0.2.1:50000" ...
    pub from: Option<Arc<str>>,
}

/// Where a running sensor is asked, by whoever serves clients.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(crate) warden: Sender<Asked>,
    /// Woken when it is asked.
    pub(crate) bell: Thread,
    pub(crate) reload: Sender<Wish>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) output: Arc<OutputState>,
    pub(crate) auditor: Auditor,
}

impl Desk {
    /// Puts something on record: what an operator did, or was refused, beside what is asked here.
    pub fn audit(&self, event: AuditEvent) {
        self.auditor.tell(event);
    }

    /// Asks, and waits for the answer: up to some seconds, for a reload up to ten minutes.
    #[must_use]
    pub fn ask(&self, request: Request, caller: &Caller) -> Reply {
        let unavailable = |message: &str| Reply::Unavailable { message: message.into() };
        let (answer, answered) = bounded(1);
        let patience = match request {
            Request::IocHits { top } => return ioc_hits(&self.snapshots, top),
            Request::Reopen => return reopen(&self.output),
            Request::Reload => {
                if self.reload.try_send(Wish { caller: caller.clone(), answer: Some(answer) }).is_err() {
                    return unavailable("enough reloads are waiting");
                }
                RELOAD_TIMEOUT
            }
            request => {
                let asked = Asked { request, caller: caller.clone(), answer };
                match self.warden.send_timeout(asked, REPLY_TIMEOUT) {
                    Ok(()) => {
                        self.bell.unpark();
                        REPLY_TIMEOUT
                    }
                    Err(SendTimeoutError::Timeout(_)) => return unavailable("the sensor is busy"),
                    Err(SendTimeoutError::Disconnected(_)) => return unavailable("the sensor is stopping"),
                }
            }
        };
        match answered.recv_timeout(patience) {
            Ok(reply) => reply,
            Err(RecvTimeoutError::Timeout) => unavailable("no answer in time; it may still be carried out"),
            Err(RecvTimeoutError::Disconnected) => unavailable("the sensor is stopping"),
        }
    }
}

/// A request on its way to the warden, with the way back.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) caller: Caller,
    pub(crate) answer: Sender<Reply>,
}

/// The recorder looks ten times a second; the warden is not asked.
fn reopen(output: &OutputState) -> Reply {
    let asked = output.ask_to_reopen();
    let since = Instant::now();
    while !output.is_reopened(asked) {
        if since.elapsed() >= REPLY_TIMEOUT {
            let message = "eve.json is not open anew: the log says why; it is tried on".into();
            return Reply::Refused { message };
        }
        thread::sleep(REOPEN_LOOK);
    }
    Reply::Done { message: "eve.json is open anew".into() }
}

fn ioc_hits(snapshots: &Snapshots, top: usize) -> Reply {
    let hits = snapshots.current().indicators.hits();
    let row = |hit: intel::Hit| HitRow {
        kind: hit.kind.to_owned(),
        indicator: hit.indicator,
        hits: hit.count,
        last_hit: hit.last,
        source: hit.source,
    };
    Reply::IocHits {
        total: hits.len(),
        hits: hits.into_iter().take(top.min(MAX_HIT_ROWS)).map(row).collect(),
    }
}
