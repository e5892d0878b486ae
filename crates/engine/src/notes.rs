//! What workers have to tell the warden beside alerts.

use output::Stamp;
use wire::Nanos;

/// An alert of a flow waits for proof that its victim took part, and the proof has come, or cannot come any more.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// Of the packet that brought it.
    pub(crate) stamp: Stamp,
    /// Ordinal of the packet at hand in the capture file.
    pub(crate) ordinal: Option<u64>,
    /// The flow's number.
    pub(crate) flow: u64,
    /// Whether the flow is established now; else it is over.
    pub(crate) proven: bool,
    /// Arrival of the packet on the monotonic clock, and when this was noted there (live capture).
    pub(crate) arrival: Option<Nanos>,
    pub(crate) raised: Option<Nanos>,
}
