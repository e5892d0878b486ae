//! Suricata's rules at work: rules compiled to groups, candidates found by one search per buffer, then verified.

mod context;
pub mod file;
pub mod http;
pub mod verify;
pub mod view;

pub use context::PacketContext;
pub mod app;
pub mod buffers;
pub use app::speaks;
pub use buffers::{dce_interface, dce_little_endian, instances, numbers};
pub use view::{FileView, Instances, View};
