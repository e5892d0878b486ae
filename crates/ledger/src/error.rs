//! Why the ledger cannot be opened, written or read.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// See the module's text.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// A file or the directory.
    #[error("{path}: cannot {what}: {source}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Somebody writes it already.
    #[error("{}: another sensor writes this ledger; give each its own directory (ledger.dir)", .0.display())]
    InUse(PathBuf),
    /// It tells of another isolation map.
    #[error(
        "{}: this ledger tells of the isolations in {theirs}, not of those in {ours}; set ledger.dir to another \
         directory, or move this one away", dir.display()
    )]
    OfAnother {
        /// The ledger.
        dir: PathBuf,
        /// Whose map it is of.
        theirs: String,
        /// Whose map it was opened for.
        ours: String,
    },
    /// It was written by a later version.
    #[error("{}: written in format {version}, which this version does not know", dir.display())]
    Newer {
        /// The ledger.
        dir: PathBuf,
        /// Its format.
        version: u32,
    },
    /// A record that does not fit into a line.
    #[error("a record of {0} bytes is longer than a line of the ledger may be")]
    TooLong(usize),
    /// The file has been removed while it was written.
    #[error("{}: was removed while the sensor writes it", .0.display())]
    Removed(PathBuf),
}

impl LedgerError {
    /// For `map_err`.
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a std::path::Path,
    ) -> impl FnOnce(io::Error) -> LedgerError + 'a {
        move |source| LedgerError::Io { what, path: path.to_owned(), source }
    }
}
