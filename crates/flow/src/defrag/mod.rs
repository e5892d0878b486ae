//! Fragments to whole datagrams (RFC 791, 815, 8200), as their receiver would see them.
//!
//! In: fragments with their time. Out: the frame of the whole datagram once every byte of it is there, to be decoded
//! like any other. What overlaps is settled by the receiver's [`Policy`]. Every limit ends in a counter: a datagram
//! that never gets whole, or was too much, is counted by its packets, so that none is lost without a reason.
//! Buffers are reused; in steady state nothing is allocated.

mod anomaly;
mod datagram;
mod memory;
mod options;
mod policy;
mod spans;
mod store;
mod table;

pub use anomaly::Anomaly;
pub use options::{DefragOptions, MAX_FRAGMENTS};
pub use policy::Policy;
pub use table::{DefragCounters, Defragmenter, Frames};
