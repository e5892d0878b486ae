//! Events leave.
//!
//! In: [`Event`]s with their [`Stamp`]. Out: eve.json, evidence/*.pcapng, files/, incidents/*.{json,html}. This
//! room knows events and nothing of where they come from; it runs on a thread of its own and is the
//! only one that touches the disk.
#![forbid(unsafe_code)]

mod error;
mod eve;
mod event;
mod evidence;
mod files;
mod incident;
mod json;
mod pcapng;
mod recorder;
mod text;

pub use error::OutputError;
pub use eve::eve_lines;
pub use event::*;
pub use evidence::evidence_name;
pub use files::{FileBudget, PieceBytes, PieceEnd, PieceEvent};
pub use incident::{Incident, load as load_incident, render_html};
pub use recorder::{DnsVersion, EventTypes, Recorder, RecorderOptions, Refused};
pub use text::{rfc3339, spoken};
