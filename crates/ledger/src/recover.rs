//! What a ledger tells when it is opened: who is isolated, what is damaged, where to write on.

use std::path::{Path, PathBuf};

use crate::error::LedgerError;
use crate::history::{Piece, Walk};
use crate::line::{Body, Checksum, Head};
use crate::record::Record;
use crate::scan::{Damage, Found, Harm, Scan};
use crate::state::{Isolated, State};

/// Damaged places that are told one by one; more are counted.
pub const MAX_TOLD: usize = 100;

/// What the ledger says when it is opened.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Isolations that have not ended, by target. The end of some may have come meanwhile.
    pub open: Vec<Isolated>,
    /// Targets that were released before their time was over, with the step that did it.
    pub ended: Vec<Record>,
    /// The greatest number of an isolation.
    pub last_verdict: u64,
    /// Damaged places, the first [`MAX_TOLD`] of them.
    pub damaged: Vec<Damage>,
    /// How many there are.
    pub damaged_places: u64,
    /// Where an unfinished or unreadable end was set aside.
    pub aside: Option<PathBuf>,
}

/// What the files tell.
#[derive(Debug, Default)]
pub(crate) struct Rebuilt {
    pub(crate) state: State,
    pub(crate) damaged: Vec<Damage>,
    pub(crate) damaged_places: u64,
    /// The latest head.
    pub(crate) head: Option<Head>,
    /// Number and checksum of the last line; zero and zeros if there is none.
    pub(crate) tip: (u64, Checksum),
    /// How far the newest file is good.
    pub(crate) good: u64,
    /// Whether its last good line lacks its end.
    pub(crate) unended: bool,
    /// How much of it is its head with what that carries.
    pub(crate) head_len: u64,
}

/// Reads `files`, oldest first: the newest alone if it can speak for itself.
pub(crate) fn rebuild(files: &[PathBuf]) -> Result<Rebuilt, LedgerError> {
    let mut from = files.len().saturating_sub(1);
    while from > 0 && !begins_well(&files[from])? {
        from -= 1;
    }
    let mut rebuilt = Rebuilt::default();
    let newest = files.last();
    for piece in Walk::new(files[from..].iter().cloned()) {
        match piece? {
            Piece::Line { line, file, end, ended } => {
                rebuilt.tip = (line.seq, line.sum);
                if newest == Some(&file) {
                    (rebuilt.good, rebuilt.unended) = (end, !ended);
                }
                if let Some(body) = &line.body {
                    rebuilt.state.apply(body);
                }
                if let Some(Body::Head(_) | Body::Carry { .. }) = line.body {
                    rebuilt.head_len = end;
                }
                if let Some(Body::Head(head)) = line.body {
                    rebuilt.head = Some(head);
                }
            }
            Piece::Damage { damage, .. } => {
                // Bytes that are no line may take the place of lines, or have come between them: the next line tells.
                if !matches!(damage.harm, Harm::Unreadable(_) | Harm::Repeated { .. }) {
                    rebuilt.state.doubt();
                }
                rebuilt.damaged_places += 1;
                if rebuilt.damaged.len() < MAX_TOLD {
                    rebuilt.damaged.push(damage);
                }
            }
        }
    }
    Ok(rebuilt)
}

/// Whether a file's head and all that it carries are there.
fn begins_well(path: &Path) -> Result<bool, LedgerError> {
    let mut lines = Scan::open(path).map_err(LedgerError::io("read", path))?;
    let mut next = || match lines.next().transpose().map_err(LedgerError::io("read", path))? {
        Some(place) => match place.found {
            Found::Line(line) => Ok::<_, LedgerError>(line.body),
            Found::Garbage(_) => Ok(None),
        },
        None => Ok(None),
    };
    let Some(Body::Head(head)) = next()? else { return Ok(false) };
    for _ in 0..head.carried {
        let Some(Body::Carry { .. }) = next()? else { return Ok(false) };
    }
    Ok(true)
}
