//! Rotation of eve.json by size and time: renamed to eve-2026-12-01T05-00-00.json, kept for a number, compressed on a
//! thread of its own.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::access::Access;
use crate::state::OutputState;

/// When eve.json is renamed, and what becomes of it then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// When it has so many bytes; 0: whatever its size.
    pub size: u64,
    /// When a period of this length ends, counted from midnight UTC, 1970; zero: whatever its age.
    pub every: Duration,
    /// Renamed files that are kept, the newest; 0: all.
    pub keep: u32,
    /// Compress them with Zstandard.
    pub compress: bool,
}

impl Rotation {
    /// The period that a time is in.
    pub(crate) fn period(&self, time: SystemTime) -> u64 {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        since.checked_div(self.every.as_secs()).unwrap_or(0)
    }
}

/// A name for a file that ends now, which no other has.
pub(crate) fn name(dir: &Path, now: SystemTime) -> PathBuf {
    let stamp = time::OffsetDateTime::from(now);
    let base = format!(
        "eve-{:04}-{:02}-{:02}T{:02}-{:02}-{:02}",
        stamp.year(),
        u8::from(stamp.month()),
        stamp.day(),
        stamp.hour(),
        stamp.minute(),
        stamp.second()
    );
    let taken = |stem: &str| {
        dir.join(format!("{stem}.json")).exists() || dir.join(format!("{stem}.json.zst")).exists()
    };
    let stem = (1_u32..).map(|n| if n == 1 { base.clone() } else { format!("{base}.{n:04}") });
    let stem = stem.into_iter().find(|stem| !taken(stem)).unwrap_or(base);
    dir.join(format!("{stem}.json"))
}

/// Whether a file of that name is one that rotation has made.
pub(crate) fn is_rotated(name: &str) -> bool {
    let stem = name.strip_suffix(".zst").unwrap_or(name).strip_suffix(".json");
    let Some(stamp) = stem.and_then(|stem| stem.strip_prefix("eve-")) else { return false };
    let (stamp, number) = stamp.split_once('.').unwrap_or((stamp, "2"));
    let form = b"dddd-dd-ddTdd-dd-dd";
    let fits = |(&c, &f): (&u8, &u8)| if f == b'd' { c.is_ascii_digit() } else { c == f };
    stamp.len() == form.len()
        && stamp.as_bytes().iter().zip(form).all(fits)
        && !number.is_empty()
        && number.bytes().all(|c| c.is_ascii_digit())
}

/// The thread that looks after renamed files, so that the recorder need not wait.
#[derive(Debug)]
pub(crate) struct Archive {
    renamed: Option<Sender<PathBuf>>,
    thread: Option<JoinHandle<()>>,
}

impl Archive {
    pub(crate) fn start(rotation: Rotation, access: Access, state: Arc<OutputState>) -> io::Result<Self> {
        let (renamed, files) = channel::<PathBuf>();
        let thread = thread::Builder::new().name("archive".into()).spawn(move || {
            for path in files {
                let done = if rotation.compress { compress(&path, access) } else { Ok(()) };
                let done = done.and_then(|()| prune(path.parent().unwrap_or(Path::new("")), rotation.keep));
                if let Err(err) = done {
                    state.rotation_errors.fetch_add(1, Ordering::Relaxed);
                    tracing::error!("rotation: {}: {err}", path.display());
                }
            }
        })?;
        Ok(Archive { renamed: Some(renamed), thread: Some(thread) })
    }

    pub(crate) fn take(&self, path: PathBuf) {
        if let Some(renamed) = &self.renamed {
            // The thread ends when this is dropped, not before.
            let _ = renamed.send(path);
        }
    }
}

impl Drop for Archive {
    /// What is renamed is compressed before the sensor ends.
    fn drop(&mut self) {
        self.renamed = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Remembers the first error: the compressor knows only streams that never fail.
struct Careful<T> {
    inner: T,
    error: Option<io::Error>,
}

impl<T: Read> Read for &mut Careful<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buf) {
            Err(err) if err.kind() != io::ErrorKind::Interrupted => {
                self.error.get_or_insert(err);
                Ok(0)
            }
            read => read,
        }
    }
}

impl<T: Write> Write for &mut Careful<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.error.is_none()
            && let Err(err) = self.inner.write_all(buf)
        {
            self.error = Some(err);
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Puts PATH.zst in the place of PATH: whole, or not at all.
fn compress(path: &Path, access: Access) -> io::Result<()> {
    // Somebody has taken it away, or it was too old to be kept.
    if !path.exists() {
        return Ok(());
    }
    let mut target = path.as_os_str().to_owned();
    target.push(".zst");
    let part = PathBuf::from(&target).with_extension("zst.part");
    let done = (|| {
        let mut source = Careful { inner: File::open(path)?, error: None };
        let mut out = Careful { inner: access.create(&part)?, error: None };
        ruzstd::encoding::compress(&mut source, &mut out, ruzstd::encoding::CompressionLevel::Fastest);
        match source.error.or(out.error) {
            Some(err) => return Err(err),
            None => out.inner.sync_data()?,
        }
        fs::rename(&part, &target)?;
        fs::remove_file(path)
    })();
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done
}

/// Removes the oldest of the renamed files.
fn prune(dir: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return Ok(());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        names.extend(name.to_str().filter(|name| is_rotated(name)).map(str::to_owned));
    }
    // Their order is that of time, whether they are compressed or not.
    names.sort_by_key(|name| name.trim_end_matches(".zst").trim_end_matches(".json").to_owned());
    let over = names.len().saturating_sub(keep as usize);
    for name in names.drain(..over) {
        fs::remove_file(dir.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
