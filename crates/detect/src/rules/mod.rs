//! Suricata's rules at work: rules compiled to groups, candidates found by one search per buffer, then verified.

mod addresses;
mod alerts;
mod always;
pub mod app;
pub mod buffers;
mod compile;
mod compiled;
mod context;
mod doh;
mod fast;
pub mod file;
mod fixed;
mod group;
mod home;
pub mod http;
mod judge;
mod magic;
mod matcher;
mod order;
mod others;
pub mod packet;
mod payload;
mod payload_build;
mod prepared;
mod set;
mod sizes;
mod state;
mod threshold;
mod transaction;
pub mod transform;
mod transport;
mod verifier;
pub mod verify;
pub mod view;

pub use app::speaks;
pub use compile::{NotCompiled, compile};
pub use context::PacketContext;
pub use doh::dns_over_https;
pub use matcher::{Hit, Matcher, Profile, Profiles, RuleCounters, WINDOW_MEMORY};
pub use set::RuleSet;
pub use state::{FlowRules, HostBits, MAX_FLOW_BITS, MAX_HOST_BITS, MAX_PENDING, STREAM_WINDOW};
pub use threshold::{MAX_COUNTED, Thresholds};
pub use view::{FileView, Instances, View};

/// Bytes of each body and file that rules look at: as much as Suricata does unless told otherwise.
pub const BODY_LIMIT: usize = 100 * 1024;
