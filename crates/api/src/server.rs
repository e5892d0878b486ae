//! The thread that serves: one, asleep unless somebody asks, behind workers and warden in line for a core.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use engine::{Caller, Reply, Request};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::access::Door;
use crate::connection;
use crate::limits::{HANDSHAKE_TIMEOUT, MAX_ASKED, MAX_RELOADS, STOP_PATIENCE};
use crate::listen::Bound;
use crate::options::ApiError;
use crate::peer::{Origin, Peer};
use crate::routes::{App, router};
use crate::seats::{Client, Seats, Taken};
use crate::tls::{self, Tls};

/// Scheduling priority of the threads (-20 first, 19 last).
const API_NICE: i32 = 10;
/// How long nobody is let in after the kernel refused to (no file descriptor is free, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is looked whether all have gone.
const STOP_POLL: Duration = Duration::from_millis(5);

/// Who answers requests. Called on a thread that may block.
pub type Ask = Arc<dyn Fn(Request, &Caller) -> Reply + Send + Sync>;

/// A running server.
#[derive(Debug)]
pub struct Server {
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Server {
    pub(crate) fn start(bound: Bound, ask: Ask) -> Result<Self, ApiError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .thread_name("api-ask")
            .max_blocking_threads(MAX_ASKED + MAX_RELOADS)
            .build()
            .map_err(ApiError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let serve = move || {
            // Before any other thread is made: those that ask inherit it.
            if let Err(err) = setpriority_process(Some(gettid()), API_NICE) {
                tracing::warn!("the API runs at ordinary priority: {err}");
            }
            if let Err(err) = runtime.block_on(run(bound, ask, stopped)) {
                tracing::error!("api: {err}");
            }
            // Whoever still waits for an answer does not hold the end up.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("api".into()).spawn(serve).map_err(ApiError::Thread)?;
        Ok(Server { thread, stop })
    }

    /// Lets nobody in any more, gives those who wait a moment to take their answers, and removes the socket.
    pub fn stop(self) {
        let _ = self.stop.send(true);
        if self.thread.join().is_err() {
            tracing::error!("api: the thread died");
        }
    }
}

/// Everything that the two doors share.
#[derive(Clone)]
struct House {
    router: Router,
    door: Arc<Door>,
    seats: Seats,
    stop: watch::Receiver<bool>,
}

impl House {
    /// A place for a connection; counts what that costs others.
    fn seat(&self, client: Client) -> Option<Taken> {
        let taken = self.seats.take(client);
        if taken.is_none() {
            self.door.counters.crowded.one();
        }
        taken
    }
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").finish_non_exhaustive()
    }
}

async fn run(bound: Bound, ask: Ask, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let (local, file) = bound.socket.split();
    let local = UnixListener::from_std(local)?;
    let router = router(App::new(ask), bound.door.clone());
    let seats = Seats::default();
    let house = House { router, door: bound.door, seats: seats.clone(), stop: stop.clone() };
    let door = house.door.clone();
    tokio::spawn(serve_local(local, house.clone()));
    if let Some((listener, tls)) = bound.https {
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(serve_remote(listener, tls, house));
    }
    // An error is the sender's death, which is an order to stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
    let all_gone = async {
        while !seats.is_empty() {
            tokio::time::sleep(STOP_POLL).await;
        }
    };
    let _ = tokio::time::timeout(STOP_PATIENCE, all_gone).await;
    door.record.sum_up();
    drop(file);
    Ok(())
}

async fn told_to(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve_local(listener: UnixListener, house: House) {
    loop {
        let accept = async {
            let (stream, _) = listener.accept().await?;
            let who = stream.peer_cred()?;
            io::Result::Ok((stream, who))
        };
        let accepted = tokio::select! {
            accepted = accept => accepted,
            () = told_to(house.stop.clone()) => return,
        };
        let (stream, who) = match accepted {
            Ok(accepted) => accepted,
            Err(err) => {
                pause(&err).await;
                continue;
            }
        };
        let client = if who.uid() == 0 { Client::Root } else { Client::Local(who.uid()) };
        let Some(taken) = house.seat(client) else { continue };
        let peer = Peer::Local { uid: who.uid(), gid: who.gid(), pid: who.pid() };
        let house = house.clone();
        tokio::spawn(async move {
            let counters = house.door.counters.clone();
            let seat = taken.seat.clone();
            connection::serve(stream, peer, seat, house.router, counters, told_to(house.stop)).await;
            drop(taken);
        });
    }
}

async fn serve_remote(listener: TcpListener, tls: Tls, house: House) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told_to(house.stop.clone()) => return,
        };
        let (stream, at) = match accepted {
            Ok(accepted) => accepted,
            Err(err) => {
                pause(&err).await;
                continue;
            }
        };
        let Some(taken) = house.seat(Client::Remote(Origin::from(at.ip()))) else { continue };
        let (house, config) = (house.clone(), tls.current());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            remote(stream, at, &taken, TlsAcceptor::from(config), house).await;
        });
    }
}

async fn remote(stream: TcpStream, at: SocketAddr, taken: &Taken, acceptor: TlsAcceptor, house: House) {
    let counters = house.door.counters.clone();
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)) => handshake,
        () = taken.seat.given_away() => return counters.idle.one(),
    };
    let err = match handshake {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let peer = Peer::Remote { at, certificate: shown.and_then(tls::name) };
            let seat = taken.seat.clone();
            return connection::serve(stream, peer, seat, house.router, counters, told_to(house.stop)).await;
        }
        Ok(Err(err)) => err,
        Err(_) => io::ErrorKind::TimedOut.into(),
    };
    counters.handshakes.one();
    // Who only looks whether somebody listens (a load balancer, say) has not failed to say who it is.
    if err.kind() == io::ErrorKind::InvalidData {
        let peer = Peer::Remote { at, certificate: None };
        house.door.failed(&peer, Origin::from(at.ip()), &format!("TLS handshake: {err}"));
    } else {
        tracing::debug!("api: {at}: TLS handshake: {err}");
    }
}

async fn pause(err: &io::Error) {
    tracing::warn!("api: nobody is let in for a moment: {err}");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
