//! Incidents: everything that happened around one victim, told as a story.
//!
//! Alerts and isolation steps of one host belong to one incident until it has been quiet for
//! [`QUIET`]: alerts of which it is the victim, and those that name it as actor or target once it has an incident. An
//! incident is told of from its first verdict or its first alert of severity 1 or 2 on; what was milder before is part of
//! it. It is written as JSON and as one self-contained HTML page.

mod entries;
mod history;
mod html;
mod model;
mod store;
mod story;
mod techniques;
mod verdicts;

use std::path::Path;
use std::time::Duration;

pub use html::render_html;
pub use model::Incident;
pub(crate) use store::IncidentStore;

use crate::error::OutputError;

/// Silence after which the next alert on a host opens a new incident.
pub const QUIET: Duration = Duration::from_secs(3600);
/// Steps of a timeline; what comes later is counted.
pub const MAX_STEPS: usize = 500;
/// Entries of each of an incident's lists.
pub const MAX_ENTRIES: usize = 200;
/// Incidents that are open at once; the one that was silent longest is closed for a new one.
pub const MAX_OPEN: usize = 1024;

/// Reads an incident from its JSON file.
///
/// # Errors
/// The file cannot be read or is no incident.
pub fn load(path: &Path) -> Result<Incident, OutputError> {
    let text = std::fs::read(path).map_err(OutputError::at(path))?;
    serde_json::from_slice(&text).map_err(std::io::Error::from).map_err(OutputError::at(path))
}
