//! What can go wrong on disk.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A file that could not be written or read.
#[derive(Debug, Error)]
#[error("{path}: {source}")]
pub struct OutputError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl OutputError {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| OutputError { path, source }
    }
}
