//! Writing: one line a step, a new file when the current one is large enough.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use wire::Nanos;

use crate::error::LedgerError;
use crate::files;
use crate::line::{Body, Checksum, Head, MAX_LINE, seal};
use crate::record::Record;
use crate::recover::{Rebuilt, Recovered, rebuild};
use crate::state::State;
use crate::sync::{Current, Syncer};
use crate::text::rfc3339;

/// The format that is written.
const VERSION: u32 = 1;
/// Damaged ends that are kept; the oldest of more are removed.
pub const KEPT_DAMAGED: usize = 16;
/// When a new file could not be begun, the next attempt comes after this part of `max_bytes`.
const RETRY_PART: u64 = 16;

/// Where and how much.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory.
    pub dir: PathBuf,
    /// Which isolation map it tells of: the folder of its pin.
    pub of: String,
    /// Bytes of a file, those for isolations carried over from the file before not among them.
    pub max_bytes: u64,
    /// Files that are kept beside the current one.
    pub keep: usize,
}

/// The one who writes a ledger.
#[derive(Debug)]
pub struct Ledger {
    options: Options,
    state: State,
    /// Of the last line.
    seq: u64,
    sum: Checksum,
    /// Bytes of the current file that are whole lines.
    len: u64,
    /// At this length the next file is begun.
    full_at: u64,
    /// A write went wrong: there may be more than `len` in the file.
    frayed: bool,
    current: Arc<Current>,
    trouble: Option<LedgerError>,
    _lock: File,
}

impl Ledger {
    /// Opens or begins the ledger, sets aside what a crash left at its end, and tells what it knows.
    ///
    /// # Errors
    /// Another sensor writes it, it tells of another map, or the disk refuses.
    pub fn open(options: Options) -> Result<(Self, Recovered), LedgerError> {
        let dir = &options.dir;
        files::make_dir(dir)?;
        let lock = files::lock(dir)?;
        let listed = files::list(dir)?;
        let rebuilt = rebuild(&listed)?;
        let Rebuilt { state, tip: (seq, sum), good, .. } = rebuilt;
        if let Some(head) = rebuilt.head {
            if head.version > VERSION {
                return Err(LedgerError::Newer { dir: dir.clone(), version: head.version });
            }
            if head.of != options.of {
                let (theirs, ours) = (head.of, options.of);
                return Err(LedgerError::OfAnother { dir: dir.clone(), theirs, ours });
            }
        }
        let aside = match listed.last() {
            Some(newest) => set_aside(dir, newest, good)?,
            None => None,
        };
        let recovered = Recovered {
            open: state.open.values().cloned().collect(),
            ended: state.ended.values().cloned().collect(),
            last_verdict: state.last_verdict,
            damaged: rebuilt.damaged,
            damaged_places: rebuilt.damaged_places,
            aside,
        };
        let begun = match listed.last().filter(|_| good > 0) {
            Some(newest) => Begun {
                file: reopen(newest, rebuilt.unended)?,
                path: newest.clone(),
                seq,
                sum,
                len: good + u64::from(rebuilt.unended),
                head_len: rebuilt.head_len,
            },
            None => begin(&options, &state, seq, sum)?,
        };
        let ledger = Ledger {
            full_at: begun.head_len + options.max_bytes,
            options,
            state,
            seq: begun.seq,
            sum: begun.sum,
            len: begun.len,
            frayed: false,
            current: Arc::new(Current {
                file: Mutex::new((Arc::new(begun.file), begun.path)),
                written: AtomicU64::new(begun.seq),
                synced: AtomicU64::new(begun.seq),
            }),
            trouble: None,
            _lock: lock,
        };
        Ok((ledger, recovered))
    }

    /// Writes a step down, as the next line. It outlives the process from then on, and a power loss after the next sync.
    ///
    /// # Errors
    /// What the kernel said; the ledger is as it was before then, and the same can be tried again.
    pub fn append(&mut self, record: &Record) -> Result<u64, LedgerError> {
        self.write(&Body::Record(record.clone().cut()))
    }

    /// Writes down that so many steps could not be.
    ///
    /// # Errors
    /// As for a step.
    pub fn append_lost(&mut self, records: u64) -> Result<u64, LedgerError> {
        self.write(&Body::Lost(records))
    }

    /// Syncs what is written; for a thread of its own.
    #[must_use]
    pub fn syncer(&self) -> Syncer {
        Syncer(self.current.clone())
    }

    /// Waits until all that is written is on the disk.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn sync(&self) -> Result<(), LedgerError> {
        self.syncer().sync()
    }

    /// What went wrong beside the last writes, if anything did: a new file could not be begun.
    pub fn take_trouble(&mut self) -> Option<LedgerError> {
        self.trouble.take()
    }

    fn write(&mut self, body: &Body) -> Result<u64, LedgerError> {
        if self.len >= self.full_at
            && let Err(err) = self.rotate()
        {
            self.full_at = self.len + self.options.max_bytes / RETRY_PART;
            self.trouble = Some(err);
        }
        let (line, sum) = seal(self.seq + 1, &self.sum, body);
        if line.len() > MAX_LINE {
            return Err(LedgerError::TooLong(line.len()));
        }
        let (file, path) = self.current.get();
        if self.frayed {
            file.set_len(self.len).map_err(LedgerError::io("mend", &path))?;
            self.frayed = false;
        }
        if let Err(err) = (&*file).write_all(&line) {
            self.frayed = file.set_len(self.len).is_err();
            return Err(LedgerError::io("write", &path)(err));
        }
        (self.seq, self.sum) = (self.seq + 1, sum);
        self.len += line.len() as u64;
        self.state.apply(body);
        self.current.written.store(self.seq, Ordering::Release);
        Ok(self.seq)
    }

    /// Begins the next file, with who is isolated at its head, and removes the oldest.
    fn rotate(&mut self) -> Result<(), LedgerError> {
        let (old, old_path) = self.current.get();
        old.sync_data().map_err(LedgerError::io("sync", &old_path))?;
        let begun = begin(&self.options, &self.state, self.seq, self.sum)?;
        (self.seq, self.sum, self.len, self.frayed) = (begun.seq, begun.sum, begun.len, false);
        self.full_at = begun.head_len + self.options.max_bytes;
        *self.current.file.lock().unwrap_or_else(PoisonError::into_inner) =
            (Arc::new(begun.file), begun.path);
        self.current.written.store(self.seq, Ordering::Release);
        self.current.synced.store(self.seq, Ordering::Release);
        let files = files::list(&self.options.dir)?;
        for file in files.iter().rev().skip(1 + self.options.keep) {
            fs::remove_file(file).map_err(LedgerError::io("remove", file))?;
        }
        files::sync_dir(&self.options.dir)
    }
}

/// A file to write into.
struct Begun {
    file: File,
    path: PathBuf,
    seq: u64,
    sum: Checksum,
    len: u64,
    /// Of its head with what that carries.
    head_len: u64,
}

/// Begins a file after line `seq`. It gets its name when all that it carries is on the disk, so that there is no file that
/// cannot speak for itself.
fn begin(options: &Options, state: &State, mut seq: u64, mut sum: Checksum) -> Result<Begun, LedgerError> {
    let unfinished = options.dir.join(files::UNFINISHED);
    let (first, io) = (seq + 1, |what| LedgerError::io(what, &unfinished));
    if unfinished.exists() {
        fs::remove_file(&unfinished).map_err(io("remove"))?;
    }
    // Always at the end: after a write that failed half-way the file is cut, and the next one must not leave a hole.
    let mut file = BufWriter::new(files::options().append(true).open(&unfinished).map_err(io("make"))?);
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time = rfc3339(Nanos(0).after(since_1970));
    let head = Head { version: VERSION, of: options.of.clone(), time, carried: state.open.len() as u64 };
    let carried = state.open.values();
    let carried = carried.map(|one| Body::Carry { record: one.record.clone(), in_doubt: one.in_doubt });
    let mut len = 0;
    for body in std::iter::once(Body::Head(head)).chain(carried) {
        let (line, sealed) = seal(seq + 1, &sum, &body);
        (seq, sum) = (seq + 1, sealed);
        len += line.len() as u64;
        file.write_all(&line).map_err(io("write"))?;
    }
    let file = file.into_inner().map_err(|err| io("write")(err.into_error()))?;
    file.sync_all().map_err(io("sync"))?;
    let path = options.dir.join(files::name(first));
    fs::rename(&unfinished, &path).map_err(LedgerError::io("name", &path))?;
    files::sync_dir(&options.dir)?;
    Ok(Begun { file, path, seq, sum, len, head_len: len })
}

/// Opens a file at its end.
fn reopen(path: &Path, unended: bool) -> Result<File, LedgerError> {
    let mut file = OpenOptions::new().append(true).open(path).map_err(LedgerError::io("open", path))?;
    if unended {
        file.write_all(b"\n").map_err(LedgerError::io("write", path))?;
    }
    file.sync_data().map_err(LedgerError::io("sync", path))?;
    Ok(file)
}

/// Copies what is in `file` behind `good` into a file of its own, and cuts it off; where it is now.
fn set_aside(dir: &Path, file: &Path, good: u64) -> Result<Option<PathBuf>, LedgerError> {
    let io = |what| LedgerError::io(what, file);
    let mut from = OpenOptions::new().read(true).write(true).open(file).map_err(io("open"))?;
    if from.metadata().map_err(io("look at"))?.len() <= good {
        return Ok(None);
    }
    let path = files::aside(dir, file, good);
    from.seek(SeekFrom::Start(good)).map_err(io("read"))?;
    let mut to = files::options().truncate(true).open(&path).map_err(LedgerError::io("make", &path))?;
    std::io::copy(&mut Read::by_ref(&mut from), &mut to).map_err(LedgerError::io("write", &path))?;
    to.sync_all().map_err(LedgerError::io("sync", &path))?;
    files::sync_dir(dir)?;
    if good == 0 {
        fs::remove_file(file).map_err(io("remove"))?;
    } else {
        from.set_len(good).map_err(io("cut"))?;
        from.sync_all().map_err(io("sync"))?;
    }
    // The oldest go: whoever wants to look at them had sixteen crashes' time.
    let mut kept = files::damaged(dir)?;
    kept.sort_by_key(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok());
    for old in kept.iter().rev().skip(KEPT_DAMAGED) {
        fs::remove_file(old).map_err(LedgerError::io("remove", old))?;
    }
    files::sync_dir(dir)?;
    Ok(Some(path))
}
