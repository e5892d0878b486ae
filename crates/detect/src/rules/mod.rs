//! Suricata's rules at work: rules compiled to groups, candidates found by one search per buffer, then verified.

pub mod app;
pub mod buffers;
mod doh;
pub mod view;

pub use app::speaks;
pub use buffers::{dce_interface, dce_little_endian, instances, numbers};
pub use doh::dns_over_https;
pub use view::{FileView, Instances, View};
