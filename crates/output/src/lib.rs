//! Events leave.
//!
//! In: [`Event`]s with their [`Stamp`]. Out: eve.json, evidence/*.pcapng, files/, incidents/*.{json,html}. This
//! room knows events and nothing of where they come from; it runs on a thread of its own and is the
//! only one that touches the disk.
#![forbid(unsafe_code)]

mod access;
mod content;
mod error;
mod eve;
mod eve_file;
mod event;
mod evidence;
mod files;
mod incident;
mod json;
mod lines;
mod pcapng;
mod recorder;
mod results;
mod rotation;
mod state;
mod text;

pub use access::Access;
pub use content::{AlertOptions, Bodies, Content, Ether, MAX_MACS, MacAddress, Macs, Payload, Shown};
pub use error::OutputError;
pub use eve::eve_lines;
pub use event::*;
pub use evidence::evidence_name;
pub use files::{FileBudget, PieceBytes, PieceEnd, PieceEvent};
pub use incident::{Incident, load as load_incident, render_html};
pub use recorder::{DnsVersion, EventTypes, Recorder, RecorderOptions};
pub use results::{has_results, remove_results};
pub use rotation::Rotation;
pub use state::OutputState;
pub use text::{rfc3339, spoken};
