//! eve.json while others rename, remove and fill what is around it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use crate::access::Access;
use crate::lines::Lines;
use crate::rotation::{self, Archive, Rotation};
use crate::state::OutputState;

/// How often it is looked whether the path still leads to the open file.
const LOOK: Duration = Duration::from_millis(400);
/// A rotation that failed is tried again after this.
const RETRY: Duration = Duration::from_secs(10);
/// Bytes read at once in search of the last line end.
const CHUNK: u64 = 64 * 1024;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct EveFile {
    path: PathBuf,
    file: File,
    lines: Lines,
    access: Access,
    looked: Instant,
    rotation: Rotation,
    period: u64,
    archive: Option<Archive>,
    failed: Option<Instant>,
    state: Arc<OutputState>,
}

impl EveFile {
    /// Opens the file, behind what it has if `append`.
    pub(crate) fn open(
        path: &Path,
        append: bool,
        access: Access,
        rotation: Rotation,
        limit: usize,
        state: Arc<OutputState>,
    ) -> io::Result<Self> {
        // Always for appending: whoever copies and truncates the file finds no hole in it.
        let file = access.append(path)?;
        if append {
            mend(path, &file)?;
        } else {
            file.set_len(0).or_else(|err| if file.metadata()?.is_file() { Err(err) } else { Ok(()) })?;
        }
        let wanted = rotation.size > 0 || !rotation.every.is_zero();
        let archive = wanted.then(|| Archive::start(rotation, access, state.clone())).transpose()?;
        let mut eve = EveFile {
            path: path.to_owned(),
            file,
            lines: Lines::new(limit, state.clone()),
            access,
            looked: Instant::now(),
            rotation,
            period: 0,
            archive,
            failed: None,
            state,
        };
        eve.period = eve.period_of_file();
        Ok(eve)
    }

    pub(crate) fn lines(&mut self) -> &mut Lines {
        &mut self.lines
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self.lines.flush(&mut self.file);
        if self.state.set_failing(written.is_err()) {
            match &written {
                Err(err) => tracing::error!(
                    "{}: {err}; alerts and isolations wait in memory (output.max_waiting_mib), other events are lost and \
                     counted (output.lost.*)",
                    self.path.display()
                ),
                Ok(()) => tracing::warn!(
                    "{}: written again; {} lines are lost since the start: {:?}",
                    self.path.display(),
                    self.state.lost(),
                    self.state.lost_by_type()
                ),
            }
        }
        written
    }

    /// Looks after the file: rotates it if it is time, opens it anew if that is asked for or its path leads elsewhere.
    pub(crate) fn look_after(&mut self) -> io::Result<()> {
        let wish = self.state.wish();
        let lost = self.looked.elapsed() >= LOOK && {
            self.looked = Instant::now();
            !self.is_at_its_path()
        };
        let outcome = if wish.is_some() || lost {
            if lost {
                tracing::warn!("{}: it was renamed or removed; opened anew", self.path.display());
            }
            self.reopen()
        } else if self.is_due() {
            self.rotate()
        } else {
            Ok(())
        };
        if let Some(wish) = wish
            && outcome.is_ok()
        {
            self.state.granted(wish);
        }
        outcome
    }

    /// Goes on in the file that the path names; it and its folder are made if they are gone.
    fn reopen(&mut self) -> io::Result<()> {
        // What was told before belongs into the old file.
        let flushed = self.flush();
        let file = self.access.append(&self.path)?;
        mend(&self.path, &file)?;
        self.file = file;
        self.lines.moved();
        self.period = self.period_of_file();
        self.state.reopened.fetch_add(1, Ordering::Relaxed);
        flushed
    }

    fn is_at_its_path(&self) -> bool {
        let (Ok(open), Ok(named)) = (self.file.metadata(), fs::metadata(&self.path)) else { return false };
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    }

    fn period_of_file(&self) -> u64 {
        let now = SystemTime::now();
        let begun = self.file.metadata().ok().filter(|m| m.len() > 0).and_then(|m| m.modified().ok());
        self.rotation.period(begun.unwrap_or(now))
    }

    fn is_due(&self) -> bool {
        if self.archive.is_none() || self.failed.is_some_and(|at| at.elapsed() < RETRY) {
            return false;
        }
        let Ok(size) = self.file.metadata().map(|m| m.len()) else { return false };
        let full = self.rotation.size > 0 && size >= self.rotation.size;
        size > 0 && (full || self.rotation.period(SystemTime::now()) != self.period)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let flushed = self.flush();
        let to = rotation::name(self.path.parent().unwrap_or(Path::new("")), SystemTime::now());
        let moved = fs::rename(&self.path, &to).and_then(|()| self.access.append(&self.path));
        match moved {
            Ok(file) => {
                self.file = file;
                self.lines.moved();
                self.failed = None;
                self.period = self.rotation.period(SystemTime::now());
                self.state.rotated.fetch_add(1, Ordering::Relaxed);
                if let Some(archive) = &self.archive {
                    archive.take(to);
                }
                flushed
            }
            Err(err) => {
                self.failed = Some(Instant::now());
                self.state.rotation_errors.fetch_add(1, Ordering::Relaxed);
                Err(err)
            }
        }
    }
}

/// Cuts a file back to its last whole line: a crash or a full disk may have torn what comes after it.
fn mend(path: &Path, file: &File) -> io::Result<()> {
    let whole = file.metadata()?;
    if !whole.is_file() || whole.len() == 0 {
        return Ok(());
    }
    let mut reader = File::open(path)?;
    let mut end = whole.len();
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let mut chunk = vec![0; (end - start) as usize];
        reader.seek(SeekFrom::Start(start))?;
        reader.read_exact(&mut chunk)?;
        if let Some(at) = chunk.iter().rposition(|&b| b == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < whole.len() {
        tracing::warn!(
            "{}: a torn line of {} bytes at its end is cut off",
            path.display(),
            whole.len() - end
        );
        file.set_len(end)?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "eve_file_tests.rs"]
mod tests;
