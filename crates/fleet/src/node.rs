//! This box in the fleet: its threads, what goes in, what comes out.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::LocalSet;

use crate::apply::{Enforcer, spawn};
use crate::connect::{Credentials, Tls};
use crate::counters::Counters;
use crate::events::FleetEvent;
use crate::inbox::Inbox;
use crate::record::Decision;
use crate::session::Node;

/// Decisions and events on their way to the thread; it only puts them into its table and queue.
const INPUTS: usize = 4096;

/// What this box is in the fleet.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Servers, as "nats://HOST:4222" or "tls://HOST:4222"; any of them will do.
    pub servers: Vec<String>,
    /// The name of this site ([`is_site`](crate::is_site)).
    pub site: Arc<str>,
    /// TLS.
    pub tls: Tls,
    /// Who this box is.
    pub credentials: Credentials,
    /// Name of the bucket; events go to the stream NAME_events, under the subjects NAME.events.SITE.TYPE.
    pub bucket: String,
    /// Copies that a cluster keeps, if the bucket is made by this box.
    pub replicas: usize,
    /// Bytes of events that the server keeps.
    pub events_bytes: i64,
    /// For how long it keeps them.
    pub events_age: Duration,
}

/// What this box has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// It has decided.
    Decided(Decision),
    /// An event for the stream.
    Event(FleetEvent),
}

/// Why there is no fleet.
#[derive(Debug, Error)]
pub enum FleetError {
    /// A thread could not be started.
    #[error("thread {0}: {1}")]
    Thread(&'static str, std::io::Error),
}

/// The running threads. Without a server they wait for one.
#[derive(Debug)]
pub struct Fleet {
    inputs: Sender<Input>,
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    node: JoinHandle<()>,
    apply: JoinHandle<()>,
}

impl Fleet {
    /// Joins the fleet; what it decides elsewhere comes to the enforcer, on a thread of its own.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub fn start(options: FleetOptions, enforcer: Box<dyn Enforcer>) -> Result<Self, FleetError> {
        let (inputs, taken) = channel(INPUTS);
        let counters = Arc::new(Counters::new());
        let inbox = Arc::<Inbox>::default();
        let apply = spawn(inbox.clone(), enforcer, counters.clone())
            .map_err(|err| FleetError::Thread("fleet-apply", err))?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()
            .map_err(|err| FleetError::Thread("fleet", err))?;
        let node = Node::new(options, inbox.clone(), counters.clone());
        let work = move || LocalSet::new().block_on(&runtime, node.run(taken));
        let node = thread::Builder::new()
            .name("fleet".into())
            .spawn(work)
            .map_err(|err| FleetError::Thread("fleet", err))?;
        Ok(Fleet { inputs, inbox, counters, node, apply })
    }

    /// Where this box tells what it has to tell. May block for a moment, never for the server.
    pub fn inputs(&self) -> impl Fn(Input) + Send + 'static {
        let inputs = self.inputs.clone();
        move |input| {
            let _ = inputs.blocking_send(input);
        }
    }

    /// Reads the counters ([`FLEET_COUNTERS`](crate::FLEET_COUNTERS)).
    pub fn counters(&self) -> impl Fn() -> Vec<(String, u64)> + Send + Sync + 'static {
        let counters = self.counters.clone();
        move || counters.report()
    }

    /// Nothing more is brought into force here: the sensor is about to stop.
    pub fn close(&self) {
        self.inbox.close();
    }

    /// Leaves the fleet, when every holder of [`Self::inputs`] is gone: what waits is sent, within two seconds.
    pub fn stop(self) {
        self.close();
        drop(self.inputs);
        let _ = self.node.join();
        let _ = self.apply.join();
    }
}
