//! A connection to the fleet from its beginning to its loss, and then the next one.
//!
//! Each begins alike, so there is one way into step: read the whole bucket, send what it lacks, follow its changes.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{Entry, Operation, Store, UpdateErrorKind, Watch};
use async_nats::jetstream::{Context, kv};
use async_nats::{Event, HeaderMap, header};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::apply::now;
use crate::connect::connect;
use crate::counters::{Counters, count, set};
use crate::events::{EventQueue, Numbered};
use crate::inbox::{Inbox, Task};
use crate::node::{FleetOptions, Input};
use crate::record::Record;
use crate::store;
use crate::table::{Learned, Outgoing, Purge, Table};

/// Records on their way into the bucket at once.
const RECORDS_IN_FLIGHT: usize = 64;
/// Events on their way at once.
const EVENTS_IN_FLIGHT: usize = 64;
/// Before events are tried again that the server did not take: verdicts must not wait for them.
const EVENTS_AGAIN: Duration = Duration::from_secs(10);
/// Records taken out of the bucket in one go.
const PURGES: usize = 64;
/// Between two looks for records that are over.
const SWEEP: Duration = Duration::from_secs(1);
/// A bucket that says nothing for so long has been read.
const QUIET: Duration = Duration::from_secs(5);
/// Before the next try to connect: doubled each time, up to the second figure.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// Between two lines in the log while there is no server.
const REMIND: Duration = Duration::from_secs(60);
/// What is left when the box leaves the fleet may take so long.
const LEAVE: Duration = Duration::from_secs(2);
/// Clocks that differ by more are counted.
const CLOCKS: Duration = Duration::from_secs(5);

/// What both tasks of the thread work with.
#[derive(Debug)]
struct Shared {
    table: Table,
    events: EventQueue,
    leaving: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Node {
    options: FleetOptions,
    /// Where verdicts of the fleet go.
    inbox: Arc<Inbox>,
    counters: Arc<Counters>,
    /// Tells events of this run from those of another: the server drops those that it has.
    run: u64,
}

/// What came of something sent.
enum Sent {
    Record(Record, Result<u64, Lost>),
    /// The key had been written meanwhile; this is what it holds.
    Conflict(Record, Option<Entry>),
    Event(u64, Result<(), String>),
    Purged(bool),
}

/// Why a record did not get there.
struct Lost(String);

type Flights = FuturesUnordered<Pin<Box<dyn Future<Output = Sent>>>>;

/// A connection that is up.
struct Session {
    context: Context,
    store: Store,
    watch: Watch,
    lost: UnboundedReceiver<Event>,
    /// From when on events go out; `None`: the stream is not to be had.
    events_from: Option<Instant>,
    caught_up: bool,
    taken_up: u64,
    flights: Flights,
    records: usize,
    event_flights: usize,
}

impl Session {
    fn sends_events(&self) -> bool {
        self.events_from.is_some_and(|from| from <= Instant::now())
    }
}

impl Node {
    pub(crate) fn new(options: FleetOptions, inbox: Arc<Inbox>, counters: Arc<Counters>) -> Self {
        Node { options, inbox, counters, run: now().0 }
    }

    /// Runs until nobody is left to tell anything.
    pub(crate) async fn run(self, mut inputs: Receiver<Input>) {
        let shared = Rc::new(RefCell::new(Shared {
            table: Table::new(self.options.site.clone()),
            events: EventQueue::new(self.counters.clone()),
            leaving: false,
        }));
        let news = Rc::new(Notify::new());
        let (at, ring, counters) = (shared.clone(), news.clone(), self.counters.clone());
        tokio::task::spawn_local(async move {
            while let Some(input) = inputs.recv().await {
                take_in(&mut at.borrow_mut(), input, &counters);
                ring.notify_one();
            }
            at.borrow_mut().leaving = true;
            ring.notify_one();
        });
        self.sessions(&shared, &news).await;
        let shared = shared.borrow();
        let (verdicts, events) =
            (shared.table.waiting(), self.counters.events_waiting.load(Ordering::Relaxed));
        if verdicts > 0 || events > 0 {
            tracing::warn!("fleet: left; {verdicts} verdicts and {events} events have not been sent");
        }
    }

    async fn sessions(&self, shared: &RefCell<Shared>, news: &Notify) {
        let (mut pause, mut first) = (RETRY.0, true);
        let mut told: Option<Instant> = None;
        loop {
            let mut why = String::new();
            let opened = tokio::select! {
                opened = self.open() => opened.map_err(|err| why = err).ok(),
                () = left(shared, news) => return,
            };
            if let Some(mut session) = opened {
                let cut_off = self.counters.cut_off();
                self.counters.connected(true);
                let begun = Instant::now();
                if !std::mem::take(&mut first) {
                    count(&self.counters.reconnects);
                    tracing::info!("fleet: connected again after {} s", cut_off.as_secs());
                }
                match self.follow(&mut session, shared, news).await {
                    Ok(()) => return,
                    Err(err) => why = err,
                }
                self.counters.connected(false);
                told = None;
                if begun.elapsed() > RETRY.1 {
                    pause = RETRY.0;
                }
            }
            if told.is_none_or(|at| at.elapsed() >= REMIND) {
                told = Some(Instant::now());
                self.tell_cut_off(&shared.borrow(), &why);
            }
            self.rest(shared, news, pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// What a box that is cut off keeps, and for how long it has been.
    fn tell_cut_off(&self, shared: &Shared, why: &str) {
        tracing::warn!(
            "fleet: cut off for {} s ({why}); {} targets of the fleet stay isolated until their time is over, {} verdicts \
             and {} events wait for a server",
            self.counters.cut_off().as_secs(),
            shared.table.isolated(),
            shared.table.waiting(),
            self.counters.events_waiting.load(Ordering::Relaxed)
        );
    }

    /// Pauses without a connection; records still end.
    async fn rest(&self, shared: &RefCell<Shared>, news: &Notify, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = left(shared, news) => {}
        }
        let table = &mut shared.borrow_mut().table;
        table.sweep(now(), 0);
        self.gauge(table);
    }

    fn gauge(&self, table: &Table) {
        set(&self.counters.isolated, table.isolated());
        set(&self.counters.outbox, table.waiting());
    }

    async fn open(&self) -> Result<Session, String> {
        let (tell, mut lost) = unbounded_channel();
        let client = connect(&self.options, tell).await?;
        let context = store::context(client);
        let opened = async {
            let store = store::bucket(&context, &self.options).await?;
            let watch = store.watch_with_history(">").await.map_err(|err| format!("watch: {err}"))?;
            Ok::<_, String>((store, watch))
        };
        let (store, watch) = opened.await.map_err(|err| with_reason(err, &mut lost))?;
        let events = store::events(&context, &self.options).await;
        if let Err(why) = &events {
            tracing::warn!("fleet: events are not published: {why}");
        }
        // An empty bucket has been read already.
        let caught_up = store.stream.cached_info().state.messages == 0;
        Ok(Session {
            context,
            store,
            watch,
            lost,
            events_from: events.is_ok().then(Instant::now),
            caught_up,
            taken_up: 0,
            flights: Flights::new(),
            records: 0,
            event_flights: 0,
        })
    }

    /// Until the connection is lost (why), or the box has left.
    async fn follow(
        &self,
        session: &mut Session,
        shared: &RefCell<Shared>,
        news: &Notify,
    ) -> Result<(), String> {
        {
            let mut shared = shared.borrow_mut();
            shared.table.forget_bucket();
            shared.events.recall();
        }
        if session.caught_up {
            self.in_step(session, &mut shared.borrow_mut());
        }
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        let mut leave_by: Option<Instant> = None;
        loop {
            self.send(session, &mut shared.borrow_mut());
            tokio::select! {
                entry = session.watch.next() => {
                    let entry = entry.ok_or("the bucket says nothing any more")?;
                    let entry = entry.map_err(|err| format!("watch: {err}"))?;
                    heard = Instant::now();
                    let mut shared = shared.borrow_mut();
                    self.take(session, &mut shared, &entry);
                    if entry.delta == 0 && !session.caught_up {
                        self.in_step(session, &mut shared);
                    }
                }
                Some(sent) = session.flights.next(), if !session.flights.is_empty() => {
                    self.sent(session, &mut shared.borrow_mut(), sent)?;
                }
                event = session.lost.recv() => lost(event)?,
                () = news.notified() => {}
                _ = sweep.tick() => {
                    let mut shared = shared.borrow_mut();
                    if !session.caught_up && heard.elapsed() > QUIET {
                        self.in_step(session, &mut shared);
                    }
                    self.purge(session, shared.table.sweep(now(), PURGES));
                }
            }
            let shared = shared.borrow();
            self.gauge(&shared.table);
            if shared.leaving {
                let idle = session.caught_up
                    && session.flights.is_empty()
                    && (shared.events.is_empty() || !session.sends_events());
                let by = *leave_by.get_or_insert_with(|| Instant::now() + LEAVE);
                if (idle && shared.table.waiting() == 0) || Instant::now() >= by {
                    return Ok(());
                }
            }
        }
    }

    /// The bucket has been read; what it lacks goes out.
    fn in_step(&self, session: &mut Session, shared: &mut Shared) {
        session.caught_up = true;
        shared.table.caught_up();
        tracing::info!(
            "fleet: in step with bucket {}: {} targets isolated, {} verdicts taken up, {} to be sent",
            self.options.bucket,
            shared.table.isolated(),
            session.taken_up,
            shared.table.waiting()
        );
    }

    /// An entry of the bucket.
    fn take(&self, session: &mut Session, shared: &mut Shared, entry: &Entry) {
        // Taken away because it was over; and if somebody took it away by hand, what is in force stays so.
        if entry.operation != Operation::Put {
            return;
        }
        count(&self.counters.received);
        let record = match Record::from_json(&entry.value) {
            Ok(record) if Record::key(&record.decision.target) == entry.key => record,
            Ok(_) => return self.invalid(entry, "it is of another target"),
            Err(why) => return self.invalid(entry, &why.to_string()),
        };
        let now = now();
        if record.decision.at > now.after(CLOCKS) {
            count(&self.counters.clock_ahead);
        }
        match shared.table.learn(record.clone(), entry.revision, now) {
            Learned::New => {
                session.taken_up += 1;
                self.inbox.put(Task { record, fresh: session.caught_up });
            }
            Learned::Echo => {}
            // All of them come again at each connection.
            Learned::Known if !session.caught_up => {}
            Learned::Known => count(&self.counters.duplicates),
            Learned::Stale | Learned::Over => count(&self.counters.stale),
            Learned::NoRoom => self.no_room(&record),
        }
    }

    fn invalid(&self, entry: &Entry, why: &str) {
        count(&self.counters.invalid);
        tracing::warn!("fleet: key {} has no record: {why}", entry.key);
    }

    fn no_room(&self, record: &Record) {
        count(&self.counters.table_full);
        tracing::error!("fleet: {} is not taken up: too many targets", record.decision.target);
    }

    /// Sends what waits, as much at once as may be.
    fn send(&self, session: &mut Session, shared: &mut Shared) {
        while session.caught_up && session.records < RECORDS_IN_FLIGHT {
            let Some(out) = shared.table.next_outgoing(now()) else { break };
            session.records += 1;
            session.flights.push(Box::pin(publish(session.store.clone(), out)));
        }
        while session.sends_events() && session.event_flights < EVENTS_IN_FLIGHT {
            let Some(event) = shared.events.pop() else { break };
            session.event_flights += 1;
            let subject =
                format!("{}.{}.{}", store::event_prefix(&self.options), self.options.site, event.kind);
            let id = format!("{}-{}-{}", self.options.site, self.run, event.number);
            session.flights.push(Box::pin(publish_event(session.context.clone(), subject, id, event)));
        }
    }

    /// What came of it.
    fn sent(&self, session: &mut Session, shared: &mut Shared, sent: Sent) -> Result<(), String> {
        match sent {
            Sent::Record(record, Ok(revision)) => {
                session.records -= 1;
                count(&self.counters.published);
                shared.table.published(&record, revision);
                Ok(())
            }
            Sent::Record(record, Err(Lost(why))) => {
                session.records -= 1;
                shared.table.returned(record.decision.target);
                Err(format!("verdict on {}: {why}", record.decision.target))
            }
            Sent::Conflict(record, entry) => {
                session.records -= 1;
                count(&self.counters.conflicts);
                match entry {
                    Some(entry) if entry.operation == Operation::Put => self.take(session, shared, &entry),
                    // Nothing, or a marker of something taken away: its revision is what is to be replaced.
                    other => {
                        let revision = other.map_or(0, |entry| entry.revision);
                        shared.table.has_none(record.decision.target, revision);
                    }
                }
                shared.table.returned(record.decision.target);
                Ok(())
            }
            Sent::Event(number, outcome) => {
                session.event_flights -= 1;
                match outcome {
                    Ok(()) => {
                        count(&self.counters.events_published);
                        shared.events.sent(number);
                    }
                    Err(why) => {
                        tracing::warn!("fleet: events wait {} s: {why}", EVENTS_AGAIN.as_secs());
                        shared.events.returned(number);
                        session.events_from = session.events_from.map(|_| Instant::now() + EVENTS_AGAIN);
                    }
                }
                Ok(())
            }
            Sent::Purged(done) => {
                self.counters.purged.fetch_add(u64::from(done), Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn purge(&self, session: &mut Session, over: Vec<Purge>) {
        for purge in over {
            let stream = session.store.stream.clone();
            let subject = format!("{}{}", session.store.prefix, Record::key(&purge.target));
            session.flights.push(Box::pin(async move {
                // Up to its revision: what has been written since stays.
                let done = stream.purge().filter(subject).sequence(purge.revision + 1).await;
                Sent::Purged(done.is_ok_and(|done| done.purged > 0))
            }));
        }
    }
}

/// Nobody tells anything any more.
async fn left(shared: &RefCell<Shared>, news: &Notify) {
    while !shared.borrow().leaving {
        news.notified().await;
    }
}

fn take_in(shared: &mut Shared, input: Input, counters: &Counters) {
    match input {
        Input::Decided(decision) => {
            let target = decision.target;
            if !shared.table.decide(decision) {
                count(&counters.table_full);
                tracing::error!("fleet: the verdict on {target} is not shared: too many targets");
            }
            set(&counters.outbox, shared.table.waiting());
            set(&counters.isolated, shared.table.isolated());
        }
        Input::Event(event) => shared.events.push(event),
    }
}

/// What the server said last about an error, if it did: "Permissions Violation ..." tells more than "timed out".
fn with_reason(err: String, lost: &mut UnboundedReceiver<Event>) -> String {
    while let Ok(event) = lost.try_recv() {
        if let Event::ServerError(said) = event {
            return format!("{err} ({said})");
        }
    }
    err
}

/// Whether what happened to a connection is its end.
fn lost(event: Option<Event>) -> Result<(), String> {
    match event {
        None | Some(Event::Disconnected | Event::Closed) => Err("the connection is lost".into()),
        Some(Event::LameDuckMode) => Err("the server is shutting down".into()),
        Some(Event::ServerError(err)) => {
            tracing::warn!("fleet: the server says: {err}");
            Ok(())
        }
        Some(Event::ClientError(err)) => {
            tracing::warn!("fleet: {err}");
            Ok(())
        }
        Some(Event::Connected | Event::Draining | Event::SlowConsumer(_)) => Ok(()),
    }
}

/// Writes a record, if nobody else has written its key since.
async fn publish(store: kv::Store, out: Outgoing) -> Sent {
    let Outgoing { record, revision } = out;
    let key = Record::key(&record.decision.target);
    match store.update(&key, Bytes::from(record.to_json()), revision).await {
        Ok(revision) => Sent::Record(record, Ok(revision)),
        Err(err) if err.kind() == UpdateErrorKind::WrongLastRevision => match store.entry(key).await {
            Ok(entry) => Sent::Conflict(record, entry),
            Err(err) => Sent::Record(record, Err(Lost(err.to_string()))),
        },
        Err(err) => Sent::Record(record, Err(Lost(err.to_string()))),
    }
}

/// Puts an event into the stream; the server takes one id once.
async fn publish_event(context: Context, subject: String, id: String, event: Numbered) -> Sent {
    let mut headers = HeaderMap::new();
    headers.insert(header::NATS_MESSAGE_ID, id);
    let outcome = match context.publish_with_headers(subject, headers, event.json).await {
        Ok(ack) => ack.await.map(|_| ()),
        Err(err) => Err(err),
    };
    Sent::Event(event.number, outcome.map_err(|err| err.to_string()))
}
