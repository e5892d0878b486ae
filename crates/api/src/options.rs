//! Where the API is served, and for whom.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;

/// Everything that a server needs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The UNIX socket.
    pub socket: SocketOptions,
    /// HTTPS; nowhere if `None`.
    pub https: Option<HttpsOptions>,
}

/// The UNIX socket. Whoever may open it may do everything.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Its path.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Its group, by name or number; the process's own if `None`.
    pub group: Option<String>,
}

/// HTTPS. There is no HTTP over TCP without TLS.
#[derive(Clone, Debug)]
pub struct HttpsOptions {
    /// Address and port.
    pub listen: SocketAddr,
    /// The server's certificate chain (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
    /// Who signs clients' certificates (PEM); none are asked for if `None`.
    pub client_ca: Option<PathBuf>,
    /// Common names of clients that may change something; others may look.
    pub client_write: Vec<String>,
    /// Tokens that clients may show instead.
    pub tokens: Vec<Token>,
}

/// A bearer token (RFC 6750), known by its hash.
#[derive(Clone, Debug)]
pub struct Token {
    /// What the log and events call it.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// What it is good for.
    pub scope: Scope,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look: GET.
    Read,
    /// Look and change: every method.
    Write,
}

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The UNIX socket.
    #[error("control socket {path}: {source}")]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// HTTPS's address.
    #[error("api.listen: cannot listen on {at}: {source}")]
    Listen {
        /// The address.
        at: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// A certificate, a key.
    #[error("{key}: {path}: {what}")]
    File {
        /// Its place in the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The thread.
    #[error("api: {0}")]
    Thread(io::Error),
}
