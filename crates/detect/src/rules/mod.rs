//! Suricata's rules at work: rules compiled to groups, candidates found by one search per buffer, then verified.

pub mod transform;
pub mod verify;
pub mod view;

pub use view::{FileView, Instances, View};
