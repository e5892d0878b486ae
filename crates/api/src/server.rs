//! The thread that serves: one, asleep unless somebody asks, behind workers and warden in line for a core.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use engine::{Caller, Reply, Request};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::access::Door;
use crate::connection;
use crate::limits::{
    HANDSHAKE_TIMEOUT, MAX_ASKED, MAX_LOCAL, MAX_RELOADS, MAX_REMOTE, MAX_REMOTE_OF_SOURCE, STOP_PATIENCE,
};
use crate::listen::Bound;
use crate::options::ApiError;
use crate::peer::{Origin, Peer};
use crate::routes::{App, router};
use crate::tls::{self, Tls};

/// Scheduling priority of the threads (-20 first, 19 last).
const API_NICE: i32 = 10;
/// How long nobody is let in after the kernel refused to (no file descriptor is free, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    stop: watch::Receiver<bool>,
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
    let house = House { router, door: bound.door, stop: stop.clone() };
    let rooms = Arc::new(Semaphore::new(MAX_LOCAL));
    let beds = Arc::new(Semaphore::new(MAX_REMOTE));
    tokio::spawn(serve_local(local, house.clone(), rooms.clone()));
    if let Some((listener, tls)) = bound.https {
        let listener = TcpListener::from_std(listener)?;
        tokio::spawn(serve_remote(listener, tls, house, beds.clone()));
    }
    // An error is the sender's death, which is an order to stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
    let all_gone = async {
        let _ = rooms.acquire_many(MAX_LOCAL as u32).await;
        let _ = beds.acquire_many(MAX_REMOTE as u32).await;
    };
    let _ = tokio::time::timeout(STOP_PATIENCE, all_gone).await;
    drop(file);
    Ok(())
}

async fn told_to(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn serve_local(listener: UnixListener, house: House, rooms: Arc<Semaphore>) {
    loop {
        let accept = async {
            let room = rooms.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            let who = stream.peer_cred()?;
            io::Result::Ok((room, stream, who))
        };
        let accepted = tokio::select! {
            accepted = accept => accepted,
            () = told_to(house.stop.clone()) => return,
        };
        match accepted {
            Ok((room, stream, who)) => {
                let peer = Peer::Local { uid: who.uid(), gid: who.gid(), pid: who.pid() };
                let house = house.clone();
                tokio::spawn(async move {
                    let counters = house.door.counters.clone();
                    connection::serve(stream, peer, house.router, counters, told_to(house.stop)).await;
                    drop(room);
                });
            }
            Err(err) => pause(&err).await,
        }
    }
}

async fn serve_remote(listener: TcpListener, tls: Tls, house: House, beds: Arc<Semaphore>) {
    let guests = Guests::default();
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
        let origin = Origin::from(at.ip());
        let (Some(guest), Ok(bed)) = (guests.enter(origin), beds.clone().try_acquire_owned()) else {
            house.door.counters.crowded.one();
            continue;
        };
        let (house, config) = (house.clone(), tls.current());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            remote(stream, at, TlsAcceptor::from(config), house).await;
            drop((guest, bed));
        });
    }
}

async fn remote(stream: TcpStream, at: SocketAddr, acceptor: TlsAcceptor, house: House) {
    let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
    let counters = house.door.counters.clone();
    let err = match handshake {
        Ok(Ok(stream)) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let peer = Peer::Remote { at, certificate: shown.and_then(tls::name) };
            return connection::serve(stream, peer, house.router, counters, told_to(house.stop)).await;
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

/// How many connections each source has.
#[derive(Clone, Debug, Default)]
struct Guests(Arc<Mutex<HashMap<Origin, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Guest(Guests, Origin);

impl Guests {
    fn enter(&self, origin: Origin) -> Option<Guest> {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = guests.entry(origin).or_default();
        if *count >= MAX_REMOTE_OF_SOURCE {
            return None;
        }
        *count += 1;
        Some(Guest(self.clone(), origin))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = guests.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                guests.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
