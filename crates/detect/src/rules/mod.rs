//! Suricata's rules at work: rules compiled to groups, candidates found by one search per buffer, then verified.

mod context;
pub mod http;
pub mod view;

pub use context::PacketContext;
pub use view::{FileView, Instances, View};
