//! Reading the ledger from its first line to its last, whoever writes it meanwhile.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use wire::{Nanos, Target};

use crate::error::LedgerError;
use crate::files;
use crate::line::{Body, Checksum, Line};
use crate::recover::rebuild;
use crate::scan::{Damage, Entry, Found, Harm, Place, Scan};
use crate::state::Isolated;

/// Something on the way through the files.
#[derive(Debug)]
pub(crate) enum Piece {
    /// An intact line, the file it is in, where it ends, whether it has its end.
    Line { line: Box<Line>, file: PathBuf, end: u64, ended: bool },
    /// `ended`: whether a line's end is the last of it.
    Damage { damage: Damage, ended: bool },
}

/// All lines of these files.
#[derive(Debug)]
pub(crate) struct Walk {
    files: VecDeque<PathBuf>,
    scan: Option<(PathBuf, Scan)>,
    /// Number and checksum of the line before.
    last: Option<(u64, Checksum)>,
    next: Option<Piece>,
}

impl Walk {
    pub(crate) fn new(files: impl IntoIterator<Item = PathBuf>) -> Self {
        Walk { files: files.into_iter().collect(), scan: None, last: None, next: None }
    }

    fn read(&mut self) -> Result<Option<Piece>, LedgerError> {
        if let Some(piece) = self.next.take() {
            return Ok(Some(piece));
        }
        loop {
            if self.scan.is_none() {
                let Some(path) = self.files.pop_front() else { return Ok(None) };
                match Scan::open(&path) {
                    Ok(scan) => self.scan = Some((path, scan)),
                    // It was the oldest, and the writer has taken it away since the files were listed.
                    Err(err) if err.kind() == io::ErrorKind::NotFound => self.last = None,
                    Err(err) => return Err(LedgerError::io("read", &path)(err)),
                }
            }
            let Some((path, scan)) = &mut self.scan else { continue };
            match scan.next().transpose().map_err(LedgerError::io("read", path))? {
                Some(place) => {
                    let path = path.clone();
                    return Ok(Some(self.piece(path, place)));
                }
                None => self.scan = None,
            }
        }
    }

    fn piece(&mut self, file: PathBuf, place: Place) -> Piece {
        let Place { offset, end, ended, found } = place;
        let damage =
            |harm, ended| Piece::Damage { damage: Damage { file: file.clone(), offset, harm }, ended };
        match found {
            Found::Garbage(bytes) => damage(Harm::Unreadable(bytes), ended),
            Found::Line(line) if self.last.is_some_and(|(last, _)| line.seq <= last) => {
                damage(Harm::Repeated { seq: line.seq }, ended)
            }
            Found::Line(line) => {
                let (seq, before) = (line.seq, self.last.replace((line.seq, line.sum)));
                let harm = match before {
                    Some((after, sum)) if line.prev != sum || after.checked_add(1) != Some(seq) => {
                        Some(Harm::Broken { after, seq })
                    }
                    _ if line.body.is_none() => Some(Harm::NotUnderstood { seq }),
                    _ => match line.body {
                        Some(Body::Lost(records)) => Some(Harm::Lost(records)),
                        _ => None,
                    },
                };
                let harm = harm.map(|harm| damage(harm, true));
                let line = Piece::Line { line, file: file.clone(), end, ended };
                match harm {
                    Some(harm) => {
                        self.next = Some(line);
                        harm
                    }
                    None => line,
                }
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Piece, LedgerError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// Which records.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this target only.
    pub target: Option<Target>,
    /// From this time on.
    pub since: Option<Nanos>,
}

impl Filter {
    fn wants(&self, entry: &Entry) -> bool {
        self.target.is_none_or(|target| target == entry.record.target)
            && self.since.is_none_or(|since| entry.record.time >= since)
    }
}

/// Records from the oldest to the newest. An `Err` in the sequence is a place where the ledger is damaged; what follows is
/// read all the same.
#[derive(Debug)]
pub struct History {
    walk: Walk,
    filter: Filter,
    /// Files behind the oldest repeat what is carried on; the oldest has it from files that are gone.
    oldest: Option<PathBuf>,
    is_written: bool,
}

/// Whether there is a ledger in `dir`, were it an empty one.
///
/// # Errors
/// A directory that cannot be read.
pub fn exists(dir: &Path) -> Result<bool, LedgerError> {
    if matches!(dir.try_exists(), Ok(false)) {
        return Ok(false);
    }
    Ok(!files::list(dir)?.is_empty())
}

/// The records in `dir` that `filter` wants.
///
/// # Errors
/// A directory that cannot be read.
pub fn history(dir: &Path, filter: Filter) -> Result<History, LedgerError> {
    let is_written = files::is_written(dir);
    let files = files::list(dir)?;
    Ok(History { oldest: files.first().cloned(), walk: Walk::new(files), filter, is_written })
}

impl History {
    /// The next thing: a record, a damaged place.
    ///
    /// # Errors
    /// A file that cannot be read any further.
    pub fn step(&mut self) -> Result<Option<Result<Entry, Damage>>, LedgerError> {
        while let Some(piece) = self.walk.next().transpose()? {
            match piece {
                Piece::Line { line, file, .. } => {
                    let Line { seq, sum, body, .. } = *line;
                    let record = match body {
                        Some(Body::Record(record)) => record,
                        Some(Body::Carry { record, .. }) if self.oldest.as_ref() == Some(&file) => record,
                        _ => continue,
                    };
                    let entry = Entry { seq, sum, record };
                    if self.filter.wants(&entry) {
                        return Ok(Some(Ok(entry)));
                    }
                }
                // The writer is in the middle of a line.
                Piece::Damage { ended: false, .. } if self.is_written && self.walk.files.is_empty() => {}
                Piece::Damage { damage, .. } => return Ok(Some(Err(damage))),
            }
        }
        Ok(None)
    }
}

/// Who is isolated by the ledger in `dir`, which is only read. Damage is passed over; what stands behind it is in doubt.
///
/// # Errors
/// A directory or file that cannot be read.
pub fn isolated(dir: &Path) -> Result<Vec<Isolated>, LedgerError> {
    let rebuilt = rebuild(&files::list(dir)?)?;
    Ok(rebuilt.state.open.into_values().collect())
}

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Files.
    pub files: usize,
    /// Lines that are as they were written.
    pub intact: u64,
    /// Numbers of the first and the last of them, and the checksum of the last. Whoever notes that somewhere else can tell
    /// later that nothing up to there was changed or taken away.
    pub range: Option<(u64, u64, Checksum)>,
    /// Everything that is wrong.
    pub damage: Vec<Damage>,
}

/// Reads everything in `dir` and checks each line and each link from one to the next.
///
/// # Errors
/// A directory or file that cannot be read.
pub fn verify(dir: &Path) -> Result<Report, LedgerError> {
    let is_written = files::is_written(dir);
    let files = files::list(dir)?;
    let mut report = Report { files: files.len(), intact: 0, range: None, damage: Vec::new() };
    let mut walk = Walk::new(files);
    while let Some(piece) = walk.next().transpose()? {
        match piece {
            Piece::Line { line, .. } => {
                report.intact += 1;
                let first = report.range.map_or(line.seq, |(first, ..)| first);
                report.range = Some((first, line.seq, line.sum));
            }
            Piece::Damage { ended: false, .. } if is_written && walk.files.is_empty() => {}
            Piece::Damage { damage, .. } => report.damage.push(damage),
        }
    }
    Ok(report)
}
