//! The ledger: every verdict, by whom, why, what came of it, and when it ended.
//!
//! In: a [`Record`] for each step. Out: lines of JSON in a directory, each with its number, the checksum of the line before
//! and its own (`docs/ledger.md` has the format). Lines are only ever added; a directory belongs to one writer at a time and
//! can be read by anybody meanwhile. What a crash or a bad disk left is told by position, never guessed at: a record is
//! read as it was written, or not at all.
//!
//! [`Ledger`] writes and, when opened, tells who is isolated as far as it knows ([`Recovered`]). [`Syncer`] makes what is
//! written outlive a power loss, on another thread, so that nobody waits for the disk. [`history`] and [`verify`] read.
#![forbid(unsafe_code)]

mod error;
mod files;
mod history;
mod line;
mod record;
mod recover;
mod scan;
mod state;
mod store;
mod sync;
mod text;

pub use error::LedgerError;
pub use history::{Filter, History, Report, exists, history, isolated, verify};
pub use line::{Checksum, MAX_LINE};
pub use record::{AUDIT, Audit, MAX_REASON, MAX_WORD, NOBODY, Record};
pub use recover::{MAX_TOLD, Recovered};
pub use scan::{Damage, Entry, Harm};
pub use state::{Isolated, MAX_CHANGES};
pub use store::{KEPT_DAMAGED, Ledger, Options};
pub use sync::Syncer;
pub use text::{parse_time, rfc3339};
