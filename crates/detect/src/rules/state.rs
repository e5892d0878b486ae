//! What rules remember of a flow, and of hosts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rules::{BitOp, IntOp, Track};
use smallvec::SmallVec;
use wire::{Direction, Nanos};

use super::compiled::Memory;
use super::context::PacketContext;
use crate::Turn;

/// Bytes of a stream that are kept for contents that lie across segments.
pub const STREAM_WINDOW: usize = 2048;
/// More than this is cut down to [`STREAM_WINDOW`]: bytes are moved seldom.
const LONGEST_WINDOW: usize = 2 * STREAM_WINDOW;
/// Rules of a flow that wait for the rest of their transaction.
pub const MAX_PENDING: usize = 64;
/// Bits and numbers that are set on one flow.
pub const MAX_FLOW_BITS: usize = 256;
/// Bits that are set on hosts and pairs of them, in all.
pub const MAX_HOST_BITS: usize = 1_000_000;

/// The last bytes of one direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) bytes: Vec<u8>,
    /// Where in the stream they begin.
    pub(crate) start: u64,
    /// How many of them have been searched.
    pub(crate) searched: usize,
}

impl Window {
    /// Appends bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.bytes.len() > LONGEST_WINDOW {
            self.cut();
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn cut(&mut self) {
        let gone = self.bytes.len().saturating_sub(STREAM_WINDOW);
        self.bytes.drain(..gone);
        self.bytes.shrink_to(LONGEST_WINDOW);
        self.start += gone as u64;
        self.searched = self.searched.saturating_sub(gone);
    }

    /// There is no memory for it: only what comes is seen from now on, in its place in the stream.
    pub(crate) fn let_go(&mut self) {
        self.gap(0);
        self.bytes = Vec::new();
    }

    /// Bytes were lost: what was before does not go together with what comes.
    pub(crate) fn gap(&mut self, missing: u64) {
        self.start += self.bytes.len() as u64 + missing;
        self.bytes.clear();
        self.searched = 0;
    }
}

/// A rule whose literal was found in a transaction that is not complete yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) transaction: u64,
    pub(crate) direction: Direction,
    /// Of which of the worker's sets: rules of another one are let go.
    pub(crate) generation: u32,
    pub(crate) rule: u32,
}

/// What rules remember of a flow: only there once there is something to remember.
#[derive(Debug, Default)]
pub struct FlowRules {
    bits: SmallVec<[u64; 4]>,
    integers: SmallVec<[(u64, u32); 1]>,
    pub(crate) windows: [Window; 2],
    pub(crate) pending: Vec<Pending>,
    /// Directions in which rules on what it speaks were looked at.
    pub(crate) applied: [bool; 2],
    /// Rules that spoke of each direction since the other side answered.
    pub(crate) told: [u8; 2],
    /// A rule let it pass: nothing more is looked for.
    pub(crate) passed: bool,
}

impl FlowRules {
    /// Bytes that its windows take.
    pub(crate) fn window_bytes(&self) -> usize {
        self.windows.iter().map(|window| window.bytes.capacity()).sum()
    }

    /// What is kept of one direction of the stream.
    #[must_use]
    pub fn stream(&self, direction: Direction) -> &[u8] {
        &self.windows[direction.index()].bytes
    }

    /// The bits that are set, in the order in which they were.
    pub(crate) fn bits(&self) -> &[u64] {
        &self.bits
    }

    fn integer(&self, name: u64) -> Option<u32> {
        self.integers.iter().find(|(of, _)| *of == name).map(|&(_, value)| value)
    }
}

/// Whether what is remembered is as a rule asks.
pub(crate) fn asks(op: &Memory, flow: Option<&FlowRules>, cx: &PacketContext<'_>, hosts: &HostBits) -> bool {
    match op {
        Memory::Flowbit(op, names) => {
            let set = |name: &u64| flow.is_some_and(|flow| flow.bits.contains(name));
            match op {
                BitOp::IsSet => names.iter().any(set),
                BitOp::IsNotSet => names.iter().any(|name| !set(name)),
                _ => true,
            }
        }
        Memory::Hostbit(op, name, track, _) => match op {
            BitOp::IsSet => hosts.is_set(*name, *track, cx),
            BitOp::IsNotSet => !hosts.is_set(*name, *track, cx),
            _ => true,
        },
        Memory::Flowint(op, name, value) => {
            let now = flow.and_then(|flow| flow.integer(*name));
            let other = match value {
                Ok(number) => Some(*number),
                Err(other) => flow.and_then(|flow| flow.integer(*other)),
            };
            match (op, now, other) {
                (IntOp::IsSet, now, _) => now.is_some(),
                (IntOp::IsNotSet, now, _) => now.is_none(),
                (IntOp::Set | IntOp::Add | IntOp::Subtract, ..) => true,
                (op, Some(now), Some(other)) => match op {
                    IntOp::Less => now < other,
                    IntOp::LessOrEqual => now <= other,
                    IntOp::Equal => now == other,
                    IntOp::NotEqual => now != other,
                    IntOp::GreaterOrEqual => now >= other,
                    _ => now > other,
                },
                _ => false,
            }
        }
    }
}

/// Does what a rule that matched wants done; whether the flow had no room for it.
pub(crate) fn apply(
    op: &Memory,
    flow: &mut Option<Box<FlowRules>>,
    cx: &PacketContext<'_>,
    hosts: &HostBits,
) -> bool {
    let mut refused = false;
    match op {
        Memory::Flowbit(op, _) if op.asks() => {}
        Memory::Flowbit(op, names) => {
            let flow = flow.get_or_insert_default();
            for &name in names {
                let at = flow.bits.iter().position(|&bit| bit == name);
                match (op, at) {
                    (BitOp::Set | BitOp::Toggle, None) if flow.bits.len() < MAX_FLOW_BITS => {
                        flow.bits.push(name);
                    }
                    (BitOp::Set | BitOp::Toggle, None) => refused = true,
                    (BitOp::Unset | BitOp::Toggle, Some(at)) => {
                        flow.bits.swap_remove(at);
                    }
                    _ => {}
                }
            }
        }
        Memory::Hostbit(op, ..) if op.asks() => {}
        Memory::Hostbit(op, name, track, seconds) => hosts.change(*op, *name, *track, *seconds, cx),
        Memory::Flowint(op, name, value) => {
            let flow = flow.get_or_insert_default();
            let other = match value {
                Ok(number) => Some(*number),
                Err(other) => flow.integer(*other),
            };
            let Some(other) = other else { return false };
            let now = flow.integer(*name).unwrap_or(0);
            let new = match op {
                IntOp::Set => other,
                IntOp::Add => now.saturating_add(other),
                IntOp::Subtract => now.saturating_sub(other),
                _ => return false,
            };
            let room = flow.integers.len() < MAX_FLOW_BITS;
            match flow.integers.iter_mut().find(|(of, _)| of == name) {
                Some((_, value)) => *value = new,
                None if room => flow.integers.push((*name, new)),
                None => refused = true,
            }
        }
    }
    refused
}

/// Whose bit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Owner {
    name: u64,
    first: IpAddr,
    second: Option<IpAddr>,
}

/// Bits of hosts and pairs of hosts, shared by all workers. They are asked and changed only by rules of which all else
/// holds, so that a lock is seldom taken. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct HostBits {
    shared: Arc<Shared>,
    /// Of the worker that asks, if there is an order to keep.
    turn: Option<Turn>,
}

#[derive(Debug, Default)]
struct Shared {
    until: Mutex<HashMap<Owner, Nanos>>,
    refused: AtomicU64,
}

impl HostBits {
    /// Bits not set because of [`MAX_HOST_BITS`].
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// The same bits, asked and changed in the order of the packets.
    #[must_use]
    pub fn in_turn(self, turn: Turn) -> Self {
        HostBits { turn: Some(turn), ..self }
    }

    /// Whoever panicked while holding it has left a map that is whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Nanos>> {
        if let Some(turn) = &self.turn {
            turn.wait();
        }
        self.shared.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owner(name: u64, track: Track, cx: &PacketContext<'_>) -> Owner {
        let (source, destination) = (cx.source().ip, cx.destination().ip);
        let (first, second) = match track {
            Track::Source => (source, None),
            Track::Destination => (destination, None),
            _ => (source.min(destination), Some(source.max(destination))),
        };
        Owner { name, first, second }
    }

    fn is_set(&self, name: u64, track: Track, cx: &PacketContext<'_>) -> bool {
        let bits = self.lock();
        bits.get(&Self::owner(name, track, cx)).is_some_and(|&until| until >= cx.time)
    }

    fn change(&self, op: BitOp, name: u64, track: Track, seconds: u32, cx: &PacketContext<'_>) {
        let mut bits = self.lock();
        let owner = Self::owner(name, track, cx);
        let set = bits.get(&owner).is_some_and(|&until| until >= cx.time);
        match op {
            BitOp::Unset => {
                bits.remove(&owner);
            }
            BitOp::Toggle if set => {
                bits.remove(&owner);
            }
            _ => {
                if bits.len() >= MAX_HOST_BITS {
                    bits.retain(|_, until| *until >= cx.time);
                }
                if bits.len() < MAX_HOST_BITS || bits.contains_key(&owner) {
                    bits.insert(owner, cx.time.after(std::time::Duration::from_secs(seconds.into())));
                } else {
                    self.shared.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_knows_its_place_in_the_stream() {
        let mut window = Window::default();
        window.push(b"abc");
        window.let_go();
        window.push(b"de");
        assert_eq!((window.start, window.searched, window.bytes.as_slice()), (3, 0, &b"de"[..]));
        window.gap(10);
        assert_eq!((window.start, window.bytes.len()), (15, 0));
        window.push(&[0; LONGEST_WINDOW + 1]);
        window.push(b"x");
        assert_eq!((window.start, window.bytes.len()), (15 + 1 + STREAM_WINDOW as u64, STREAM_WINDOW + 1));
    }
}
