//! The control socket: one JSON request per line in, one JSON reply per line out.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, SendTimeoutError, Sender, bounded};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::snapshot::Snapshots;
use crate::stats::Stats;
use crate::threads::Wish;
use crate::warden::Listed;

/// A request line longer than this is refused.
const MAX_REQUEST: u64 = 4096;
/// A client that says nothing for so long is hung up on.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client waits for a reload: of ten million names it takes some seconds.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(600);
/// Lines of hits in one answer.
const MAX_HIT_ROWS: usize = 100_000;
/// How often the listener looks whether it should stop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Who may talk to the sensor: its user and group.
const SOCKET_MODE: u32 = 0o660;

/// What a client can ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    /// Isolate a host.
    IsolateAdd {
        /// The host.
        host: IpAddr,
        /// For so many seconds; the policy's lifetime if not given.
        #[serde(default)]
        ttl_s: Option<u64>,
        /// Why.
        #[serde(default)]
        reason: String,
    },
    /// Release a host.
    IsolateRm {
        /// The host.
        host: IpAddr,
    },
    /// Who is isolated?
    IsolateList,
    /// Release everybody.
    IsolateFlush,
    /// The counters.
    Stats,
    /// Make what detectors match with anew.
    Reload,
    /// Which indicators were hit?
    IocHits {
        /// At most so many, those that were hit most often first.
        top: usize,
    },
}

/// What the sensor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
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
    /// Answer to `isolate_list`.
    Hosts {
        /// Everybody who is isolated.
        hosts: Vec<Listed>,
    },
    /// Answer to `stats`.
    Stats {
        /// The counters.
        stats: Stats,
    },
    /// Answer to `ioc_hits`.
    IocHits {
        /// Indicators that were hit, those that are not shown among them.
        total: usize,
        /// The first of them.
        hits: Vec<HitRow>,
    },
}

/// An indicator that was hit: a line of `ringward iocs hits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Who answers.
pub(crate) struct Desks {
    pub(crate) warden: Sender<Asked>,
    /// Woken when it is asked.
    pub(crate) bell: Thread,
    pub(crate) reload: Sender<Wish>,
    pub(crate) snapshots: Arc<Snapshots>,
}

/// A request on its way to the warden, with the way back.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) answer: Sender<Reply>,
}

/// Why a request got no answer.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no sensor listens on {path}: {source}")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The connection broke, or the answer made no sense.
    #[error("control socket {path}: {source}")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

/// Asks the sensor that listens on `path`.
///
/// # Errors
/// Nobody listens, or the conversation failed.
pub fn request(path: &Path, request: &Request) -> Result<Reply, ControlError> {
    let stream = UnixStream::connect(path)
        .map_err(|source| ControlError::NotRunning { path: path.to_owned(), source })?;
    talk(stream, request).map_err(|source| ControlError::Broken { path: path.to_owned(), source })
}

fn talk(mut stream: UnixStream, request: &Request) -> io::Result<Reply> {
    let patience = if *request == Request::Reload { RELOAD_TIMEOUT } else { REPLY_TIMEOUT * 2 };
    stream.set_read_timeout(Some(patience))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// The listening end. The socket file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens on `path`, in place of a socket that a dead sensor left behind.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another sensor listens here"));
        }
        match std::fs::remove_file(path) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
        listener.set_nonblocking(true)?;
        Ok(Listener { listener, path: path.to_owned() })
    }

    /// Serves clients one after the other until `stop`.
    pub(crate) fn serve(&self, desks: &Desks, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if let Err(err) = serve_client(stream, desks) {
                        tracing::debug!("control client: {err}");
                    }
                }
                Err(_) => thread::sleep(ACCEPT_PAUSE),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve_client(stream: UnixStream, desks: &Desks) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    stream.set_write_timeout(Some(CLIENT_TIMEOUT))?;
    let mut line = String::new();
    BufReader::new((&stream).take(MAX_REQUEST)).read_line(&mut line)?;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Reload) => match desks.reload.try_send(Some(stream.try_clone()?)) {
            // Answered when it is done; others are served meanwhile.
            Ok(()) => return Ok(()),
            Err(_) => Reply::Refused { message: "enough reloads are waiting".into() },
        },
        Ok(Request::IocHits { top }) => ioc_hits(&desks.snapshots, top),
        Ok(request) => {
            let (answer, answered) = bounded(1);
            let refused = |message: &str| Reply::Refused { message: message.into() };
            match desks.warden.send_timeout(Asked { request, answer }, REPLY_TIMEOUT) {
                Ok(()) => {
                    desks.bell.unpark();
                    match answered.recv_timeout(REPLY_TIMEOUT) {
                        Ok(reply) => reply,
                        Err(RecvTimeoutError::Timeout) => {
                            refused("no answer in time; it may still be carried out")
                        }
                        Err(RecvTimeoutError::Disconnected) => refused("the sensor is stopping"),
                    }
                }
                Err(SendTimeoutError::Timeout(_)) => refused("the sensor is busy"),
                Err(SendTimeoutError::Disconnected(_)) => refused("the sensor is stopping"),
            }
        }
        Err(err) => Reply::Refused { message: format!("not a request: {err}") },
    };
    answer(&stream, &reply)
}

/// Sends a client its answer.
pub(crate) fn answer(mut stream: &UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.write_all(&line)
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
