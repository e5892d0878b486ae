//! Addresses that are taken, before anybody is served.

use std::net::TcpListener;
use std::sync::Arc;

use engine::{MoreCounters, Request};
use output::AuditEvent;

use crate::access::Door;
use crate::counters::ApiCounters;
use crate::options::{ApiError, Options};
use crate::server::{Ask, Server};
use crate::socket::Socket;
use crate::tls::Tls;

/// A server's addresses: clients may connect, and wait.
#[derive(Debug)]
pub struct Bound {
    pub(crate) socket: Socket,
    pub(crate) https: Option<(TcpListener, Tls)>,
    pub(crate) door: Arc<Door>,
}

impl Bound {
    /// Takes the addresses, and reads the certificates.
    ///
    /// # Errors
    /// An address that is in use, a file that cannot be used.
    pub fn bind(options: &Options) -> Result<Self, ApiError> {
        let https = options.https.as_ref();
        // Files first: a bad one is the configuration's fault, whatever else is wrong.
        let tls = https.map(|https| Tls::load(https).map(|tls| (https.listen, tls))).transpose()?;
        let socket = Socket::bind(&options.socket)
            .map_err(|source| ApiError::Socket { path: options.socket.path.clone(), source })?;
        let listen = |(at, tls)| {
            let listener = TcpListener::bind(at).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            listener.map(|listener| (listener, tls)).map_err(|source| ApiError::Listen { at, source })
        };
        let https_listener = tls.map(listen).transpose()?;
        let door = Arc::new(Door::new(https, Arc::new(ApiCounters::default())));
        Ok(Bound { socket, https: https_listener, door })
    }

    /// What the server will count.
    #[must_use]
    pub fn counters(&self) -> MoreCounters {
        let counters = self.door.counters.clone();
        MoreCounters::new(move || counters.read())
    }

    /// Log-ins and refusals are told there, a flood of them as a count.
    #[must_use]
    pub fn on_record(self, tell: impl Fn(AuditEvent) + Send + Sync + 'static) -> Self {
        self.door.record.tells(tell);
        self
    }

    /// Serves from now on; `ask` answers, and may block.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn serve(
        self,
        ask: impl Fn(Request, &engine::Caller) -> engine::Reply + Send + Sync + 'static,
    ) -> Result<Server, ApiError> {
        let ask: Ask = Arc::new(ask);
        Server::start(self, ask)
    }
}
