//! Flows that other flows have announced: the data connection of an FTP session, the media of a call.
//!
//! All workers share them: a call is set up between two hosts, and its media flow to a third. The workers of a replay
//! take turns at them, so that their number does not show. A live worker knows of an announcement as soon as another has
//! read it, and asks for one whenever bytes come of a flow of which it is not known yet what it speaks: what comes before
//! the announcement is then read as what it was announced as from the next packet on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use detect::Turn;
use flow::FlowTuple;
use proto::{AppProto, Expectation};
use wire::{Direction, Endpoint, HostKey, IpProto, Nanos};

/// Announcements that are kept at once; more are refused and counted.
const MAX_EXPECTATIONS: usize = 4096;
/// How long an announced flow is waited for, in packet time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which flow: its announced end, its other host, its transport.
type Key = (Endpoint, HostKey, IpProto);

#[derive(Debug)]
struct Announced {
    app: AppProto,
    note: Option<Box<str>>,
    /// Who asked for it.
    asker: IpAddr,
    until: Nanos,
}

/// What a flow was announced as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) app: AppProto,
    pub(crate) note: Option<Box<str>>,
    /// The client of the flow that announced it: it asked for what this one carries, whoever opens it.
    pub(crate) asker: IpAddr,
}

#[derive(Debug, Default)]
struct Shared {
    /// How many there are, so that a new flow need not take the lock when there is none.
    count: AtomicUsize,
    table: Mutex<HashMap<Key, Announced>>,
}

/// The announcements in force. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expectations {
    shared: Arc<Shared>,
    turn: Option<Turn>,
}

impl Expectations {
    /// The same, told and taken in the order of the packets.
    pub(crate) fn in_turn(self, turn: Turn) -> Self {
        Expectations { turn: Some(turn), ..self }
    }

    fn wait(&self) {
        if let Some(turn) = &self.turn {
            turn.wait();
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Announced>> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an announcement that a side of `by` made at `now`, in that direction. False if there is no room for it.
    ///
    /// The coming flow is between what was announced and whom it was announced to: a server may name another machine.
    pub(crate) fn announce(
        &self,
        by: &FlowTuple,
        direction: Direction,
        expectation: Expectation,
        now: Nanos,
    ) -> bool {
        let Expectation { endpoint, transport, app, note } = expectation;
        let (sender, receiver) = match direction {
            Direction::ToServer => (by.client.ip, by.server.ip),
            Direction::ToClient => (by.server.ip, by.client.ip),
        };
        let host = if endpoint.ip == receiver { sender } else { receiver };
        self.wait();
        let mut table = self.table();
        if table.len() >= MAX_EXPECTATIONS {
            table.retain(|_, announced| announced.until >= now);
        }
        let fits = table.len() < MAX_EXPECTATIONS;
        if fits {
            let announced = Announced { app, note, asker: by.client.ip, until: now.after(PATIENCE) };
            table.insert((endpoint, host.into(), transport), announced);
        }
        self.shared.count.store(table.len(), Ordering::Relaxed);
        fits
    }

    /// What a new flow was announced as, if it was.
    pub(crate) fn take(&self, tuple: &FlowTuple) -> Option<Announcement> {
        self.wait();
        if self.shared.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut table = self.table();
        let ends = [(tuple.server, tuple.client.ip), (tuple.client, tuple.server.ip)];
        let found = ends.into_iter().find_map(|(end, host)| table.remove(&(end, host.into(), tuple.proto)));
        self.shared.count.store(table.len(), Ordering::Relaxed);
        let Announced { app, note, asker, .. } = found.filter(|announced| announced.until >= tuple.start)?;
        Some(Announcement { app, note, asker })
    }

    /// Forgets all: another capture begins.
    pub(crate) fn clear(&self) {
        self.wait();
        self.table().clear();
        self.shared.count.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Direction::{ToClient, ToServer};
    use wire::Vlans;

    fn flow(client: (&str, u16), server: (&str, u16), start: u64) -> FlowTuple {
        let end = |(ip, port): (&str, u16)| Endpoint { ip: ip.parse().unwrap(), port };
        FlowTuple {
            id: 1,
            client: end(client),
            server: end(server),
            proto: IpProto::TCP,
            vlans: Vlans::default(),
            start: Nanos(start),
        }
    }

    fn data_port(ip: &str, port: u16) -> Expectation {
        Expectation {
            endpoint: Endpoint { ip: ip.parse().unwrap(), port },
            transport: IpProto::TCP,
            app: AppProto::FtpData,
            note: Some("secret.txt".into()),
        }
    }

    #[test]
    fn the_announced_flow_is_known_once_and_only_between_the_two_hosts() {
        let expectations = Expectations::default();
        let control = flow(("10.0.0.1", 4000), ("10.0.0.2", 21), 0);
        assert!(expectations.announce(&control, ToClient, data_port("10.0.0.2", 5000), Nanos(0)));
        assert_eq!(expectations.take(&flow(("10.0.0.3", 4001), ("10.0.0.2", 5000), 1)), None, "a third host");
        let data = flow(("10.0.0.1", 4001), ("10.0.0.2", 5000), 1);
        let announced = expectations.take(&data).unwrap();
        assert_eq!((announced.app, announced.note.as_deref()), (AppProto::FtpData, Some("secret.txt")));
        assert_eq!(announced.asker, control.client.ip);
        assert_eq!(expectations.take(&data), None);
    }

    #[test]
    fn a_third_host_may_be_announced() {
        let expectations = Expectations::default();
        let control = flow(("10.0.0.1", 4000), ("10.0.0.2", 21), 0);
        let take = |client, server| expectations.take(&flow(client, server, 1)).is_some();
        assert!(expectations.announce(&control, ToClient, data_port("10.0.0.9", 5000), Nanos(0)));
        assert!(!take(("10.0.0.2", 4001), ("10.0.0.9", 5000)), "who said so");
        assert!(take(("10.0.0.1", 4001), ("10.0.0.9", 5000)), "whom it was said to");
        assert!(expectations.announce(&control, ToServer, data_port("10.0.0.9", 5000), Nanos(0)));
        assert!(take(("10.0.0.2", 20), ("10.0.0.9", 5000)));
    }

    #[test]
    fn what_does_not_come_in_time_is_not_believed() {
        let expectations = Expectations::default();
        let control = flow(("10.0.0.1", 4000), ("10.0.0.2", 21), 0);
        expectations.announce(&control, ToServer, data_port("10.0.0.1", 5000), Nanos(0));
        let late = PATIENCE.as_nanos() as u64 + 1;
        assert_eq!(expectations.take(&flow(("10.0.0.2", 20), ("10.0.0.1", 5000), late)), None);
    }

    #[test]
    fn a_flood_of_announcements_is_bounded_and_does_not_shut_later_ones_out() {
        let expectations = Expectations::default();
        let control = flow(("10.0.0.1", 4000), ("10.0.0.2", 21), 0);
        for port in 0..MAX_EXPECTATIONS {
            assert!(expectations.announce(&control, ToClient, data_port("10.0.0.2", port as u16), Nanos(0)));
        }
        assert!(!expectations.announce(&control, ToClient, data_port("10.0.0.2", 60_000), Nanos(0)));
        let later = Nanos(PATIENCE.as_nanos() as u64 + 1);
        assert!(expectations.announce(&control, ToClient, data_port("10.0.0.2", 60_000), later));
    }
}
