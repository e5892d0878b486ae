//! Making what is written outlive a power loss.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::LedgerError;

/// The file that is written now.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) file: Mutex<(Arc<File>, PathBuf)>,
    /// Number of the last line that was handed to the kernel, and of the last that is on the disk.
    pub(crate) written: AtomicU64,
    pub(crate) synced: AtomicU64,
}

impl Current {
    pub(crate) fn get(&self) -> (Arc<File>, PathBuf) {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Syncs a ledger that another thread writes. Lines can be written meanwhile.
#[derive(Clone, Debug)]
pub struct Syncer(pub(crate) Arc<Current>);

impl Syncer {
    /// Waits until all that is written so far is on the disk (fdatasync).
    ///
    /// # Errors
    /// What the kernel said: lines may be lost at a power loss then. Or that the file is not there any more.
    pub fn sync(&self) -> Result<(), LedgerError> {
        let current = &self.0;
        let written = current.written.load(Ordering::Acquire);
        if written == current.synced.load(Ordering::Acquire) {
            return Ok(());
        }
        let (file, path) = current.get();
        file.sync_data().map_err(LedgerError::io("sync", &path))?;
        if file.metadata().is_ok_and(|meta| meta.nlink() == 0) && path == current.get().1 {
            return Err(LedgerError::Removed(path));
        }
        current.synced.fetch_max(written, Ordering::AcqRel);
        Ok(())
    }
}
