//! When to look at a flow again: a timer wheel for each class of flows.
//!
//! A turn of the wheel has [`TICKS`] lists, one for each tick of about a second; a flow is in the list of
//! the tick in which it will have been silent for too long. A packet does not move its flow: that would
//! cost a cache miss for each neighbour. When the wheel comes to the flow's tick, the flow is either over
//! or is put where it belongs by then. So a flow is never looked at too late, and once a timeout at most.
//!
//! There is a wheel each for flows that nobody answered, closed ones and established ones: the front of
//! the first that is not empty is what a full table can best do without.

use wire::Nanos;

use super::entry::Flow;
use super::slab::{NONE, Slab};
use crate::record::FlowState;

/// Lists of a turn. A flow that is due later than that is put into the last list and looked at then.
const TICKS: u64 = 1024;
/// A tick is 2^30 ns, 1.07 seconds.
const TICK_BITS: u32 = 30;
const WORDS: usize = TICKS as usize / 64;

/// Which wheel: the order in which a full table gives flows up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    New,
    Closed,
    Established,
}

impl Class {
    pub(crate) const ALL: [Class; 3] = [Class::New, Class::Closed, Class::Established];

    pub(crate) fn of(state: FlowState) -> Self {
        match state {
            FlowState::New => Class::New,
            FlowState::Closed => Class::Closed,
            FlowState::Established => Class::Established,
        }
    }
}

/// A flow's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    older: u32,
    newer: u32,
}

/// Number of a list, over all classes.
pub(crate) type ListNumber = u16;

impl Default for Links {
    fn default() -> Self {
        Links { older: NONE, newer: NONE }
    }
}

#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
}

/// One class.
#[derive(Clone, Copy, Debug)]
struct Wheel {
    /// The first tick that has not been swept.
    hand: u64,
    /// Which lists are not empty, as bits.
    filled: [u64; WORDS],
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Wheels {
    lists: Box<[List]>,
    wheels: [Wheel; Class::ALL.len()],
}

fn tick(time: Nanos) -> u64 {
    time.0 >> TICK_BITS
}

impl Wheels {
    pub(crate) fn new() -> Self {
        let empty = List { oldest: NONE, newest: NONE };
        Wheels {
            lists: vec![empty; Class::ALL.len() * TICKS as usize].into_boxed_slice(),
            wheels: [Wheel { hand: 0, filled: [0; WORDS] }; Class::ALL.len()],
        }
    }

    /// Puts a flow that is in no list where the wheel looks at it when `deadline` is over.
    pub(crate) fn link<A>(&mut self, slab: &mut Slab<Flow<A>>, slot: u32, class: Class, deadline: Nanos) {
        let wheel = &mut self.wheels[class as usize];
        let at = tick(deadline).clamp(wheel.hand, wheel.hand.saturating_add(TICKS - 1)) % TICKS;
        wheel.filled[at as usize / 64] |= 1 << (at % 64);
        let list = class as usize * TICKS as usize + at as usize;
        let newest = std::mem::replace(&mut self.lists[list].newest, slot);
        if let Some(flow) = slab.get_mut(slot) {
            flow.links = Links { older: newest, newer: NONE };
            flow.list = list as ListNumber;
        }
        match slab.get_mut(newest) {
            Some(neighbour) => neighbour.links.newer = slot,
            None => self.lists[list].oldest = slot,
        }
    }

    /// Takes a flow out of its list.
    pub(crate) fn unlink<A>(&mut self, slab: &mut Slab<Flow<A>>, slot: u32) {
        let Some(flow) = slab.get_mut(slot) else { return };
        let Links { older, newer } = std::mem::take(&mut flow.links);
        let list = usize::from(flow.list);
        match slab.get_mut(older) {
            Some(flow) => flow.links.newer = newer,
            None => self.lists[list].oldest = newer,
        }
        match slab.get_mut(newer) {
            Some(flow) => flow.links.older = older,
            None => self.lists[list].newest = older,
        }
        if self.lists[list].oldest == NONE {
            let (class, at) = (list / TICKS as usize, list % TICKS as usize);
            self.wheels[class].filled[at / 64] &= !(1 << (at % 64));
        }
    }

    /// The next flow of a class to look at because a tick before that of `now` was its own; none if there
    /// is none, and then the wheel has come to `now`.
    pub(crate) fn due(&mut self, class: Class, now: Nanos) -> Option<u32> {
        let wheel = &mut self.wheels[class as usize];
        let now = tick(now);
        // If time jumps, forwards or backwards, a turn is enough to come by every flow.
        let passed = now.saturating_sub(wheel.hand).min(TICKS);
        match wheel.first(wheel.hand % TICKS).filter(|&ahead| ahead < passed) {
            Some(ahead) => {
                if now - wheel.hand > TICKS {
                    // Keeps every list where it is.
                    wheel.hand += (now - wheel.hand - TICKS) / TICKS * TICKS;
                }
                wheel.hand += ahead;
                Some(self.lists[class as usize * TICKS as usize + (wheel.hand % TICKS) as usize].oldest)
            }
            None => {
                wheel.hand = now;
                None
            }
        }
    }

    /// If time has gone back behind the hand, sets the hand back. Then the oldest and the newest flow of the list
    /// that it was at, where those are that were late: they have to be linked anew.
    pub(crate) fn set_back(&mut self, class: Class, now: Nanos) -> Option<(u32, u32)> {
        let wheel = &mut self.wheels[class as usize];
        let was = wheel.hand;
        wheel.hand = was.min(tick(now));
        let list = self.lists[class as usize * TICKS as usize + (was % TICKS) as usize];
        (was > wheel.hand && list.oldest != NONE).then_some((list.oldest, list.newest))
    }

    /// The flow of a class that is due first.
    pub(crate) fn front(&self, class: Class) -> Option<u32> {
        let wheel = &self.wheels[class as usize];
        let at = (wheel.hand + wheel.first(wheel.hand % TICKS)?) % TICKS;
        Some(self.lists[class as usize * TICKS as usize + at as usize].oldest)
    }

    /// Whether a flow is in an earlier list than `deadline` asks for.
    pub(crate) fn is_early(&self, list: ListNumber, class: Class, deadline: Nanos) -> bool {
        let wheel = &self.wheels[class as usize];
        let at = u64::from(list) % TICKS;
        let ahead = (at + TICKS - wheel.hand % TICKS) % TICKS;
        tick(deadline).saturating_sub(wheel.hand).min(TICKS - 1) > ahead
    }

    /// Time begins anew: nothing is linked.
    pub(crate) fn rewind(&mut self) {
        self.wheels.iter_mut().for_each(|wheel| wheel.hand = 0);
    }
}

impl Wheel {
    /// How many lists after `start` the first one that is not empty comes.
    fn first(&self, start: u64) -> Option<u64> {
        let (word, bit) = (start as usize / 64, start % 64);
        // The word of the start comes twice: first its later bits, at last its earlier ones.
        (0..=WORDS).find_map(|i| {
            let at = (word + i) % WORDS;
            let mask = match i {
                0 => u64::MAX << bit,
                WORDS => !(u64::MAX << bit),
                _ => u64::MAX,
            };
            let bits = self.filled[at] & mask;
            let list = at as u64 * 64 + u64::from(bits.trailing_zeros());
            (bits != 0).then(|| (list + TICKS - start) % TICKS)
        })
    }
}

impl Links {
    /// The flow behind this one.
    pub(crate) fn newer(&self) -> u32 {
        self.newer
    }
}
