//! Where frames come from, and where isolation is enforced.
//!
//! Live: [`CapturePort`] steers a device's frames into AF_XDP sockets, one [`Receiver`] per worker;
//! [`Guard`] drops the traffic of the hosts in the [`IsolationMap`]. From disk: [`CaptureFile`].
//! BPF programs and maps are held here and nowhere else; so is nearly all `unsafe`.

mod attach;
mod bind;
mod bypass;
mod claim;
mod counts;
mod error;
mod guard;
mod isolation;
mod layout;
mod netdev;
mod pcap;
mod pin;
mod port;
mod receiver;
mod ring_stats;
mod scheduling;
mod single;
mod sleep;
mod words;
mod xsk;

pub use attach::{Attached, Attachment, XdpMode};
pub use bind::{BindMode, MAX_WHOLE_MTU, Memory, Steering};
pub use bypass::{BypassCounts, BypassReason, BypassTable, GRACE};
pub use claim::Claim;
pub use error::CaptureError;
pub use guard::Guard;
pub use isolation::{
    IsolationFds, IsolationMap, OwnedIsolationFds, PinnedIsolation, Table, WriteError, Written,
};
pub use layout::{
    BYPASS_CAPACITY, CaptureCounters, GuardCounters, ISOLATION_CAPACITY, IsolationEntry, MAX_PEERS,
    NETWORKS_CAPACITY, PEERS_CAPACITY, REMEDIATION_CAPACITY, ScopeKind, XSKS_CAPACITY,
};
pub use netdev::{Device, Offloads, OwnAddresses, Promiscuous, own_addresses};
pub use pcap::{CaptureFile, Record, STANDARD_INPUT, is_capture};
pub use pin::PinFolder;
pub use port::{CapturePort, PortOptions, Shared};
pub use receiver::{BATCH, Frame, Receiver};
pub use ring_stats::{ReceiverCounts, RingCounters, RingStats};
pub use scheduling::{run_first, run_in_slices};
pub use single::SingleQueue;
pub use sleep::Sleeper;
pub use xsk::Pages;

/// Sends what libbpf has to say to the log, at debug level: errors come back to the caller anyway, with the
/// device and the way out.
pub fn log_libbpf() {
    let log = |_, text: String| tracing::debug!("libbpf: {}", text.trim_end());
    libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Info, log)));
}
