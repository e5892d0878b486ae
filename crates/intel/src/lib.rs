//! Threat intelligence as data.
//!
//! In: lists of indicators, plain or CSV. Out: [`Indicators`], an immutable set that is looked up
//! without allocating, and a [`LoadReport`] that names every line which could not be used. No detection
//! here: what a match means is the detect room's business.
#![forbid(unsafe_code)]

mod line;
mod loader;
mod set;

pub use line::{Indicator, Malformed};
pub use loader::{LineError, LoadError, LoadReport, Loader};
pub use set::{Indicators, Match};
