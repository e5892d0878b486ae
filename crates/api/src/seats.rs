//! Places for connections. When they run short, whoever occupies one without asking for anything goes first: clients that
//! have not said who they are before those that have, those of the source that has most places before others.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::limits::{MAX_LOCAL, MAX_REMOTE, MAX_REMOTE_OF_SOURCE, MAX_ROOT};
use crate::peer::Origin;

/// Whose connection it is, as far as places are concerned. Root's have places of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// A process of root, by the kernel's word.
    Root,
    /// A process of another user.
    Local(u32),
    /// Somebody over TCP.
    Remote(Origin),
}

impl Client {
    fn shares_with(self, other: Client) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    fn places(self) -> usize {
        match self {
            Client::Root => MAX_ROOT,
            Client::Local(_) => MAX_LOCAL,
            Client::Remote(_) => MAX_REMOTE,
        }
    }

    /// Places of one source.
    fn places_of_source(self) -> usize {
        match self {
            Client::Remote(_) => MAX_REMOTE_OF_SOURCE,
            local => local.places(),
        }
    }
}

/// One place. A request keeps it; between requests it may be given to somebody else.
#[derive(Debug)]
pub(crate) struct Seat {
    client: Client,
    /// Requests that are being answered.
    busy: AtomicU32,
    /// Whether its client has said who it is.
    known: AtomicBool,
    /// When it last did something, by the count of such things.
    last: AtomicU64,
    given_away: Notify,
    clock: Arc<AtomicU64>,
}

impl Seat {
    fn touch(&self) {
        self.last.store(self.clock.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// A request was let in; it is answered until what this returns is dropped.
    pub(crate) fn admitted(self: &Arc<Self>) -> Busy {
        self.known.store(true, Ordering::Relaxed);
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.touch();
        Busy(self.clone())
    }

    /// Comes when the place is given to somebody else.
    pub(crate) async fn given_away(&self) {
        self.given_away.notified().await;
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats {
    taken: Arc<Mutex<Vec<Arc<Seat>>>>,
    clock: Arc<AtomicU64>,
}

/// Who gets a place.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The place.
    pub(crate) seat: Arc<Seat>,
    seats: Seats,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seats.lock().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// A place; `None` if all are taken by clients that are being answered.
    pub(crate) fn take(&self, client: Client) -> Option<Taken> {
        let mut taken = self.lock();
        let count = |of: &dyn Fn(&Client) -> bool| taken.iter().filter(|seat| of(&seat.client)).count();
        let crowded_source = count(&|other| *other == client) >= client.places_of_source();
        let crowded = count(&|other| other.shares_with(client)) >= client.places();
        if crowded_source || crowded {
            let may_go = |seat: &Arc<Seat>| {
                let of = if crowded_source { seat.client == client } else { seat.client.shares_with(client) };
                of && seat.busy.load(Ordering::Relaxed) == 0
            };
            let rank = |seat: &Arc<Seat>| {
                let known = seat.known.load(Ordering::Relaxed);
                let of_source = taken.iter().filter(|other| other.client == seat.client).count();
                (known, usize::MAX - of_source, seat.last.load(Ordering::Relaxed))
            };
            let (at, _) = taken
                .iter()
                .enumerate()
                .filter(|(_, seat)| may_go(seat))
                .min_by_key(|(_, seat)| rank(seat))?;
            taken.swap_remove(at).given_away.notify_one();
        }
        let seat = Arc::new(Seat {
            client,
            busy: AtomicU32::new(0),
            known: AtomicBool::new(false),
            last: AtomicU64::new(0),
            given_away: Notify::new(),
            clock: self.clock.clone(),
        });
        seat.touch();
        taken.push(seat.clone());
        Some(Taken { seat, seats: self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn remote(n: u32) -> Client {
        Client::Remote(IpAddr::from(Ipv4Addr::from_bits(n)).into())
    }

    fn is_given_away(taken: &Taken) -> bool {
        !taken.seats.lock().iter().any(|seat| Arc::ptr_eq(seat, &taken.seat))
    }

    #[test]
    fn root_has_places_of_its_own_and_the_idle_make_room() {
        let seats = Seats::default();
        let idle: Vec<Taken> = (0..200).filter_map(|_| seats.take(Client::Local(1000))).collect();
        assert_eq!(idle.iter().filter(|taken| !is_given_away(taken)).count(), MAX_LOCAL);
        assert!(is_given_away(&idle[0]) && !is_given_away(&idle[199]));
        let root = seats.take(Client::Root).unwrap();
        assert!(
            !is_given_away(&root) && idle[199 - MAX_LOCAL + 1..].iter().all(|taken| !is_given_away(taken))
        );
        drop((idle, root));
        assert!(seats.is_empty());
    }

    #[test]
    fn who_is_answered_stays_then_who_is_known_then_who_has_few() {
        let seats = Seats::default();
        let known = seats.take(remote(1)).unwrap();
        drop(known.seat.admitted());
        let few = seats.take(remote(2)).unwrap();
        let many: Vec<Taken> =
            (0..MAX_REMOTE as u32 - 2).filter_map(|n| seats.take(remote(3 + n % 5))).collect();
        assert_eq!(many.len(), MAX_REMOTE - 2);
        // The oldest of those with most places goes, neither the oldest of all nor one that has asked.
        let new = seats.take(remote(99)).unwrap();
        assert!(
            !is_given_away(&new) && is_given_away(&many[0]) && !is_given_away(&few) && !is_given_away(&known)
        );
        // A source that has all of its places makes room itself.
        let seats = Seats::default();
        let own: Vec<Taken> = (0..MAX_REMOTE_OF_SOURCE + 1).filter_map(|_| seats.take(remote(100))).collect();
        assert!(is_given_away(&own[0]) && !is_given_away(&own[1]));
        // Nobody is let in where all are being answered.
        let busy: Vec<Busy> = own[1..].iter().map(|taken| taken.seat.admitted()).collect();
        assert!(seats.take(remote(100)).is_none());
        drop(busy);
        assert!(seats.take(remote(100)).is_some());
    }
}
