//! output

mod event;
pub use event::*;
