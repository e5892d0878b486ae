//! Frames to headers.
//!
//! In: the bytes of one frame and its link type. Out: a [`Packet`] that borrows from the frame, or a
//! named reason why there is none ([`Malformed`]). This room does no I/O, allocates nothing, reads no
//! clock and never panics: every length is checked once in `decode`, and what comes out of it
//! is plain values and a payload slice.
#![forbid(unsafe_code)]

mod arp;
mod bogon;
mod decode;
mod fragment;
mod header;
mod host;
mod icmp;
mod key;
mod link;
mod malformed;
mod network;
mod options;
mod serial;
mod shown;
mod steering;
mod target;
mod time;
mod transport;
mod tunnel;
mod wireless;

#[cfg(test)]
mod decode_tests;
#[cfg(test)]
mod tunnel_tests;

pub use arp::Arp;
pub use bogon::is_bogon;
pub use decode::{Decoded, MAX_VLANS, Packet, Vlans, decode, decode_innermost};
pub use fragment::{Fragment, FragmentKey, Head, MAX_DATAGRAM, cannot_be_fragment, fragment};
pub use header::IpHeader;
pub use host::HostKey;
pub use icmp::{IcmpMessage, Quote};
pub use key::{Direction, Endpoint, FlowKey, IpProto};
pub use link::{LinkType, MAX_MPLS_LABELS};
pub use malformed::Malformed;
pub use network::MAX_EXTENSION_HEADERS;
pub use options::{TcpOption, TcpOptions};
pub use shown::Shown;
pub use steering::worker_of;
pub use target::{NoTarget, Scope, Target};
pub use time::Nanos;
pub use transport::{TcpFlags, TcpHeader, Transport};
pub use tunnel::{MAX_TUNNELS, Outer, Tunnel, TunnelKind};
