//! Frames to headers.
//!
//! In: the bytes of one frame and its link type. Out: a [`Packet`] that borrows from the frame, or a
//! named reason why there is none ([`Malformed`]). This room does no I/O, allocates nothing, reads no
//! clock and never panics: every length is checked once in `decode`, and what comes out of it
//! is plain values and a payload slice.
#![forbid(unsafe_code)]

mod decode;
mod fragment;
mod host;
mod key;
mod link;
mod network;
mod steering;
mod time;
mod transport;
mod tunnel;

#[cfg(test)]
mod decode_tests;

pub use decode::{Decoded, Malformed, Packet, Vlans, decode, decode_innermost};
pub use fragment::{Fragment, FragmentKey, MAX_DATAGRAM, close_datagram, fragment};
pub use host::HostKey;
pub use key::{Direction, Endpoint, FlowKey, IpProto};
pub use link::{LinkType, MAX_MPLS_LABELS};
pub use network::MAX_EXTENSION_HEADERS;
pub use steering::worker_of;
pub use time::Nanos;
pub use transport::{TcpFlags, TcpHeader, Transport};
pub use tunnel::MAX_TUNNELS;
