//! Threat intelligence as data.
//!
//! In: lists of indicators, plain, hosts files, CSV, MISP, STIX, datasets and reputation lists of Suricata. Out:
//! [`Indicators`], a set that is looked up without allocating, and a [`LoadReport`] that names every line which could
//! not be used. No detection here: what a match means is the detect room's business.
#![forbid(unsafe_code)]

mod attributes;
mod fang;
mod filter;
mod formats;
mod hash;
mod hits;
mod indicator;
mod kind;
mod loader;
mod malformed;
mod normal;
mod patterns;
mod ranges;
mod report;
mod set;
mod source;
mod store;
mod table;
mod utf16;

pub use indicator::{Form, Indicator, MAX_INDICATOR};
pub use kind::Kind;
pub use loader::{Feed, Loader, MAX_INDICATORS};
pub use malformed::Malformed;
pub use patterns::Progress;
pub use report::{Doubt, Doubtful, LineError, LoadError, LoadReport, MAX_LINE_ERRORS};
pub use set::{Hit, Indicators, Match};
pub use table::Observable;
