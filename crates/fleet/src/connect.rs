//! How a server is reached: addresses, TLS, credentials.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::sync::mpsc::UnboundedSender;

use crate::node::FleetOptions;

/// To connect to a server, TLS and credentials included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two PINGs: a server that does not answer two of them is lost.
const PING_INTERVAL: Duration = Duration::from_secs(1);

/// Who this box is to the server. Files are read at each connection, so that they can be renewed.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Anybody, or whoever the TLS certificate says.
    #[default]
    None,
    /// A credentials file of the NATS tools: JWT and seed.
    File(PathBuf),
    /// A file with an NKEY seed.
    Nkey(PathBuf),
    /// A user, and a file with the password.
    Password {
        /// The user.
        user: String,
        /// The password's file.
        file: PathBuf,
    },
    /// A file with a token.
    Token(PathBuf),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::None => "none",
            Credentials::File(_) => "credentials file",
            Credentials::Nkey(_) => "nkey",
            Credentials::Password { .. } => "user and password",
            Credentials::Token(_) => "token",
        })
    }
}

/// TLS, beyond what "tls://" in a server's address asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whom to trust (PEM), in place of the system's authorities.
    pub ca: Option<PathBuf>,
    /// This box's own certificate and its key (PEM).
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Connects to one of the servers. What happens to the connection is told to `events`.
pub(crate) async fn connect(
    options: &FleetOptions,
    events: UnboundedSender<Event>,
) -> Result<Client, String> {
    let servers: Vec<ServerAddr> = options
        .servers
        .iter()
        .map(|server| server.parse().map_err(|err| format!("{server}: {err}")))
        .collect::<Result<_, _>>()?;
    let mut connect = ConnectOptions::new()
        .name(format!("ringward {}", options.site))
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        // Sessions are made anew by us, from the beginning: the library tries each server once.
        .max_reconnects(servers.len())
        .ignore_discovered_servers()
        .event_callback(move |event| {
            let _ = events.send(event);
            std::future::ready(())
        });
    if let Some(ca) = &options.tls.ca {
        connect = connect.add_root_certificates(ca.clone());
    }
    if let Some((cert, key)) = &options.tls.identity {
        connect = connect.add_client_certificate(cert.clone(), key.clone());
    }
    if options.tls != Tls::default() || options.servers.iter().any(|server| server.starts_with("tls://")) {
        connect = connect.require_tls(true);
    }
    connect = match &options.credentials {
        Credentials::None => connect,
        Credentials::File(path) => {
            connect.credentials(&secret(path)?).map_err(|err| format!("{}: {err}", path.display()))?
        }
        Credentials::Nkey(path) => connect.nkey(secret(path)?),
        Credentials::Password { user, file } => connect.user_and_password(user.clone(), secret(file)?),
        Credentials::Token(path) => connect.token(secret(path)?),
    };
    connect.connect(servers).await.map_err(|err| err.to_string())
}

/// A file's text without the line's end.
fn secret(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))?;
    Ok(text.trim_end().to_owned())
}
