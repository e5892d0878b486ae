//! Headers to flows.
//!
//! In: decoded packets with their time. Out: the flow each belongs to, its TCP payload in order, and a
//! [`FlowRecord`] for every flow that ends. One table per worker; nothing is shared, nothing is locked,
//! and time is only what the packets say.
#![deny(unsafe_code)]

pub mod defrag;
mod policies;
mod record;
mod table;
mod tcp;
mod timeouts;

pub use policies::HostPolicies;
pub use record::{EndReason, FlowRecord, FlowState, FlowTuple, TcpRecord};
pub use table::{Ended, Flow, FlowCounters, FlowTable, KeyHash, Tracked};
pub use tcp::{
    HOLE_TIMEOUT, MAX_WAITING_BYTES, MAX_WAITING_SEGMENTS, OverlapPolicy, Segment, StreamAnomaly,
    StreamBudget, StreamEvent, StreamOptions, Streams, TcpConnection,
};
pub use timeouts::{Pressure, StateTimeouts, Timeouts};
