//! A client that blocks: what `ringward isolate`, `stats`, `reload` and `iocs` speak with.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::{MAX_HIT_ROWS, RELOAD_TIMEOUT, REPLY_TIMEOUT, Reply, Request, Stats};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::limits::MAX_ANSWER;
use crate::problem::Problem;
use crate::routes::{Done, Hits, Isolations, NewIsolation};
use crate::tls;

/// Longer than the sensor takes to say that it has no time.
const PATIENCE: Duration = REPLY_TIMEOUT.saturating_mul(3);
/// HTTPS's port, where the address names none.
const HTTPS_PORT: u16 = 443;

/// Where a sensor is asked.
#[derive(Debug)]
pub struct Client(Way);

enum Way {
    Socket(PathBuf),
    Https { url: String, host: String, port: u16, tls: Arc<ClientConfig>, token: Option<String> },
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

/// How to reach a sensor over HTTPS.
#[derive(Clone, Copy, Debug)]
pub struct Remote<'a> {
    /// `https://HOST:PORT`.
    pub url: &'a str,
    /// Whose signature the sensor's certificate carries (PEM).
    pub ca: &'a Path,
    /// A file with a token.
    pub token_file: Option<&'a Path>,
    /// The client's certificate and its key (PEM).
    pub certificate: Option<(&'a Path, &'a Path)>,
}

/// Why there was no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no sensor listens on {place}: {source}")]
    NotRunning {
        /// The socket, or the address.
        place: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody listens, and this user may not ask.
    #[error("permission denied on {}: {how}", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
        /// What would help.
        how: String,
    },
    /// The connection broke, or the answer made no sense.
    #[error("{place}: {what}")]
    Broken {
        /// The socket, or the address.
        place: String,
        /// What happened.
        what: String,
    },
    /// The way cannot be gone.
    #[error("{0}")]
    Way(String),
}

impl Client {
    /// The sensor that listens on this UNIX socket.
    #[must_use]
    pub fn socket(path: impl Into<PathBuf>) -> Self {
        Client(Way::Socket(path.into()))
    }

    /// The sensor that listens there.
    ///
    /// # Errors
    /// An address that is none, files that cannot be used.
    pub fn https(remote: &Remote<'_>) -> Result<Self, ClientError> {
        let url: Uri =
            remote.url.parse().map_err(|err| ClientError::Way(format!("--url: {}: {err}", remote.url)))?;
        let host = url.host().filter(|_| url.scheme_str() == Some("https") && url.path() == "/");
        let Some(host) = host else {
            return Err(ClientError::Way(format!("--url: {} is not like https://HOST:PORT", remote.url)));
        };
        let token = |path: &Path| match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(err) => Err(ClientError::Way(format!("--token-file: {}: {err}", path.display()))),
        };
        Ok(Client(Way::Https {
            url: remote.url.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_u16().unwrap_or(HTTPS_PORT),
            tls: tls::client(remote.ca, remote.certificate).map_err(ClientError::Way)?,
            token: remote.token_file.map(token).transpose()?,
        }))
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Nobody listens, or the conversation failed. What the sensor refuses is a [`Reply`].
    pub fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|err| self.broken(err))?;
        let patience = if *request == Request::Reload { RELOAD_TIMEOUT } else { PATIENCE };
        let asked = async { tokio::time::timeout(patience, self.exchange(request)).await };
        let (status, body) =
            runtime.block_on(asked).unwrap_or_else(|_| Err(self.broken("no answer in time")))?;
        reply(request, status, &body).map_err(|err| self.broken(err))
    }

    async fn exchange(&self, request: &Request) -> Result<(StatusCode, Bytes), ClientError> {
        let not_running = |source| ClientError::NotRunning { place: self.0.place(), source };
        match &self.0 {
            Way::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(|err| match err.kind() {
                    io::ErrorKind::PermissionDenied => {
                        ClientError::Denied { path: path.clone(), how: who_may(path) }
                    }
                    _ => not_running(err),
                })?;
                self.talk(stream, "localhost", None, request).await
            }
            Way::Https { host, port, tls, token, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(not_running)?;
                let name = ServerName::try_from(host.clone()).map_err(|err| self.broken(err))?;
                let connector = TlsConnector::from(tls.clone());
                let stream = connector.connect(name, stream).await.map_err(|err| self.broken(err))?;
                self.talk(stream, host, token.as_deref(), request).await
            }
        }
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: &str,
        token: Option<&str>,
        request: &Request,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let (method, path, body) = call(request);
        let mut http = hyper::Request::builder().method(method).uri(path).header(header::HOST, host);
        if body.is_some() {
            http = http.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = token {
            http = http.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let http =
            http.body(Full::<Bytes>::from(body.unwrap_or_default())).map_err(|err| self.broken(err))?;
        let (mut send, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|err| self.broken(err))?;
        let running = tokio::spawn(connection);
        let sent = send.send_request(http).await;
        let response = match sent {
            Ok(response) => response,
            // Of a server that hung up the connection knows more: an alert of TLS, say.
            Err(err) => {
                drop(send);
                let why = running.await.ok().and_then(Result::err);
                return Err(self.broken(why.map_or(explained(&err), |why| explained(&why))));
            }
        };
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
        Ok((status, body.map_err(|err| self.broken(err))?.to_bytes()))
    }

    fn broken(&self, what: impl ToString) -> ClientError {
        let place = match &self.0 {
            Way::Socket(path) => format!("control socket {}", path.display()),
            Way::Https { url, .. } => url.clone(),
        };
        ClientError::Broken { place, what: what.to_string() }
    }
}

impl Way {
    fn place(&self) -> String {
        match self {
            Way::Socket(path) => path.display().to_string(),
            Way::Https { url, .. } => url.clone(),
        }
    }
}

/// Whom a socket lets in, for somebody it does not.
fn who_may(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    const GROUP_WRITES: u32 = 0o020;
    // A folder on the way may be closed, too; then nobody can say.
    let socket =
        std::fs::metadata(path).ok().filter(|socket| socket.mode() & GROUP_WRITES != 0 && socket.gid() != 0);
    match socket {
        Some(socket) => {
            let group = nix::unistd::Group::from_gid(socket.gid().into()).ok().flatten();
            let group = group.map_or_else(|| socket.gid().to_string(), |group| group.name);
            format!("run as root or join group {group}")
        }
        None => "run as root".into(),
    }
}

/// An error with its cause.
fn explained(err: &hyper::Error) -> String {
    match std::error::Error::source(err) {
        Some(cause) => format!("{err}: {cause}"),
        None => err.to_string(),
    }
}

/// The HTTP request that a request is.
pub(crate) fn call(request: &Request) -> (Method, String, Option<String>) {
    let isolations = "/v1/isolations";
    match request {
        Request::IsolateAdd { target, scope, ttl_s, reason } => {
            let body = NewIsolation::new(*target, scope, *ttl_s, reason.clone());
            (Method::POST, isolations.into(), Some(serde_json::json!(body).to_string()))
        }
        Request::IsolateRm { target } => {
            let target = target.to_string();
            let target = utf8_percent_encode(&target, NON_ALPHANUMERIC);
            (Method::DELETE, format!("{isolations}/{target}"), None)
        }
        Request::IsolateList => (Method::GET, isolations.into(), None),
        Request::IsolateFlush { hold: false } => (Method::DELETE, isolations.into(), None),
        Request::IsolateFlush { hold: true } => (Method::PUT, "/v1/hold".into(), None),
        Request::IsolateResume => (Method::DELETE, "/v1/hold".into(), None),
        Request::Stats => (Method::GET, "/v1/stats".into(), None),
        Request::Reload => (Method::POST, "/v1/reload".into(), None),
        Request::Reopen => (Method::POST, "/v1/output/reopen".into(), None),
        Request::IocHits { top } => {
            let top = (*top).min(MAX_HIT_ROWS);
            (Method::GET, format!("/v1/indicators/hits?top={top}"), None)
        }
    }
}

/// What the sensor says.
pub(crate) fn reply(request: &Request, status: StatusCode, body: &[u8]) -> Result<Reply, String> {
    if !status.is_success() {
        return Ok(match serde_json::from_slice::<Problem>(body) {
            Ok(problem) if status == StatusCode::SERVICE_UNAVAILABLE => {
                Reply::Unavailable { message: problem.detail }
            }
            Ok(problem) => Reply::Refused { message: problem.detail },
            Err(_) => return Err(format!("HTTP status {status}")),
        });
    }
    fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
        serde_json::from_slice(body).map_err(|err| format!("the answer makes no sense: {err}"))
    }
    Ok(match request {
        Request::IsolateList => {
            let Isolations { isolations, held } = read(body)?;
            Reply::Hosts { hosts: isolations, held }
        }
        Request::Stats => Reply::Stats { stats: read::<Stats>(body)? },
        Request::IocHits { .. } => {
            let Hits { total, hits } = read(body)?;
            Reply::IocHits { total, hits }
        }
        Request::IsolateAdd { .. }
        | Request::IsolateRm { .. }
        | Request::IsolateFlush { .. }
        | Request::IsolateResume
        | Request::Reload
        | Request::Reopen => Reply::Done { message: read::<Done>(body)?.message },
    })
}
