//! The files of a ledger: `ledger-N.jsonl`, where N is the number of the first line, so that names sort as lines do.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::LedgerError;

/// Who may read: the sensor's user and group.
const FILE_MODE: u32 = 0o640;
const DIR_MODE: u32 = 0o750;
const LOCK: &str = "lock";
/// A reader looks at the lock for some microseconds, and a writer that was killed takes a moment to be gone.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(25);
const DAMAGED: &str = "ledger.damaged-";
/// A file that is not a ledger's yet.
pub(crate) const UNFINISHED: &str = "ledger.unfinished";

pub(crate) fn name(first: u64) -> String {
    format!("ledger-{first:020}.jsonl")
}

fn first(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("ledger-")?.strip_suffix(".jsonl")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

fn named(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, LedgerError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(LedgerError::io("list", dir))? {
        let entry = entry.map_err(LedgerError::io("list", dir))?;
        if entry.file_name().to_str().is_some_and(&wanted) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The files, oldest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    named(dir, |name| first(name).is_some())
}

/// What was set aside, in no order that means anything.
pub(crate) fn damaged(dir: &Path) -> Result<Vec<PathBuf>, LedgerError> {
    named(dir, |name| name.starts_with(DAMAGED))
}

/// A free name for what is damaged in `file` from `offset` on.
pub(crate) fn aside(dir: &Path, file: &Path, offset: u64) -> PathBuf {
    let first = file.file_name().and_then(|n| n.to_str()).and_then(first).unwrap_or(0);
    let named = |n: u32| dir.join(format!("{DAMAGED}{first}-{offset}-{n}"));
    (0..).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(0))
}

/// Makes the directory if need be.
pub(crate) fn make_dir(dir: &Path) -> Result<(), LedgerError> {
    let made = fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir);
    made.map_err(LedgerError::io("make the directory", dir))?;
    // That of a directory that was just made is in its parent.
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => Ok(()),
    }
}

/// Makes names in the directory outlive a power loss.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), LedgerError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(LedgerError::io("sync", dir))
}

/// The lock of the one writer; held until it is dropped.
pub(crate) fn lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join(LOCK);
    let file = options().truncate(false).open(&path).map_err(LedgerError::io("open", &path))?;
    for _ in 0..LOCK_TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => thread::sleep(LOCK_PAUSE),
            Err(err) => return Err(LedgerError::io("lock", &path)(err.into())),
        }
    }
    Err(LedgerError::InUse(dir.to_owned()))
}

/// Whether somebody writes now. Who may not even look at the lock takes it that somebody does.
pub(crate) fn is_written(dir: &Path) -> bool {
    match File::open(dir.join(LOCK)) {
        Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_err(),
        Err(err) => err.kind() != io::ErrorKind::NotFound,
    }
}

/// For writing, made if it is not there.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(FILE_MODE);
    options
}
