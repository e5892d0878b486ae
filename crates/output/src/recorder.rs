//! The recorder: takes events, writes files.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::OutputError;
use crate::eve;
use crate::event::{Event, Stamp, Written};
use crate::evidence::EvidenceStore;
use crate::files::FileStore;
use crate::incident::IncidentStore;
use crate::json::Value;

/// Lines are written when there are so many bytes of them, or at the next tick.
const WRITE_AT: usize = 64 * 1024;

/// Forms of `dns` lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsVersion {
    /// A line for each question and for each answer, as Suricata 7 writes them.
    V2,
    /// A line for each message.
    #[default]
    V3,
}

/// Which lines are written into eve.json, by their `event_type`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum EventTypes {
    /// All.
    #[default]
    All,
    /// Only these; what is not written is not made into a line either.
    Only(Vec<String>),
}

impl EventTypes {
    /// Event types that are no transactions.
    const OTHERS: [&'static str; 9] =
        ["alert", "anomaly", "audit", "counters", "evidence", "flow", "incident", "isolation", "stats"];

    /// Every event type that there is, with that of [`RecorderOptions::netflow`].
    pub fn known() -> impl Iterator<Item = &'static str> {
        Self::OTHERS.into_iter().chain(["netflow"]).chain(proto::Transaction::NAMES.iter().copied())
    }

    /// Whether lines of this type are written.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            EventTypes::All => true,
            EventTypes::Only(names) => names.iter().any(|known| known == name),
        }
    }
}

/// How to begin, and how much may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecorderOptions {
    /// Go on behind an eve.json that is there already.
    pub append: bool,
    /// Bytes of evidence of one run. Whoever spoofs addresses can raise as many alerts as he likes: he shall
    /// not fill the disk.
    pub evidence_bytes: u64,
    /// Bytes of stored files of one run.
    pub file_bytes: u64,
    /// Incident reports of one run.
    pub reports: u64,
    /// Write flow records once more as `netflow`, one line for each direction.
    pub netflow: bool,
    /// The version of `dns` lines.
    pub dns: DnsVersion,
    /// Write passwords in clear text.
    pub secrets: bool,
    /// Which lines are written. Evidence, files and incident reports do not depend on it.
    pub events: EventTypes,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        RecorderOptions {
            append: false,
            evidence_bytes: 10 << 30,
            file_bytes: 10 << 30,
            reports: 10_000,
            netflow: false,
            dns: DnsVersion::V3,
            secrets: false,
            events: EventTypes::All,
        }
    }
}

/// What was not written because of a limit. Only the recorder writes these, anybody may read them.
#[derive(Debug, Default)]
pub struct Refused {
    /// Evidence packets.
    pub evidence_packets: AtomicU64,
    /// Files not stored because of a limit, or because pieces of them were lost.
    pub files: AtomicU64,
    /// Incidents without report files; their events are in eve.json.
    pub reports: AtomicU64,
}

/// See the crate's text.
#[derive(Debug)]
pub struct Recorder {
    dir: PathBuf,
    eve_path: PathBuf,
    eve: File,
    /// Whole lines that are not written yet: whoever follows the file sees no half ones.
    waiting: Vec<u8>,
    lines: u64,
    forms: eve::Forms,
    evidence: EvidenceStore,
    files: FileStore,
    incidents: IncidentStore,
    refused: Arc<Refused>,
}

impl Recorder {
    /// Makes the directory and opens eve.json.
    ///
    /// # Errors
    /// The path that failed.
    pub fn create(dir: &Path, options: RecorderOptions) -> Result<Self, OutputError> {
        for folder in [dir.to_owned(), dir.join("evidence"), dir.join("incidents")] {
            fs::create_dir_all(&folder).map_err(OutputError::at(&folder))?;
        }
        let eve_path = dir.join("eve.json");
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(options.append)
            .truncate(!options.append)
            .open(&eve_path)
            .map_err(OutputError::at(&eve_path))?;
        Ok(Recorder {
            dir: dir.to_owned(),
            eve_path,
            eve: file,
            waiting: Vec::with_capacity(2 * WRITE_AT),
            lines: 0,
            forms: eve::Forms {
                netflow: options.netflow,
                dns: options.dns,
                secrets: options.secrets,
                events: options.events,
            },
            evidence: EvidenceStore::new(options.evidence_bytes),
            files: FileStore::new(dir, options.file_bytes),
            incidents: IncidentStore::new(options.reports),
            refused: Arc::default(),
        })
    }

    /// What limits have kept from being written, to be read while the recorder works on another thread.
    #[must_use]
    pub fn refused(&self) -> Arc<Refused> {
        self.refused.clone()
    }

    /// Writes an event down. Lines are buffered until [`Recorder::tick`].
    ///
    /// # Errors
    /// The file that failed; later events can still be recorded.
    pub fn record(&mut self, stamp: &Stamp, event: &Event) -> Result<(), OutputError> {
        for line in eve::lines(stamp, event, &self.forms) {
            self.line(&line)?;
        }
        self.incidents.take(stamp, event);
        if let Event::Evidence(evidence) = event {
            match self.evidence.append(&self.dir, evidence)? {
                Some(summary) => {
                    self.incidents.evidence(&summary);
                    if evidence.complete && self.forms.events.has("evidence") {
                        self.line(&eve::evidence_line(stamp, &summary))?;
                    }
                }
                None => {
                    let packets = evidence.packets.len() as u64;
                    self.refused.evidence_packets.fetch_add(packets, Ordering::Relaxed);
                }
            }
        }
        if let Event::Piece(piece) = event {
            self.files.take(&self.dir, piece)?;
        }
        Ok(())
    }

    /// Makes everything so far readable: flushes eve.json, writes incidents that have changed.
    ///
    /// # Errors
    /// The file that failed.
    pub fn tick(&mut self) -> Result<(), OutputError> {
        for (stamp, incident, state) in self.incidents.write(&self.dir)? {
            if self.forms.events.has("incident") {
                self.line(&eve::incident_line(&stamp, &incident, state))?;
            }
        }
        self.refused.files.store(self.files.counts().refused, Ordering::Relaxed);
        self.refused.reports.store(self.incidents.refused(), Ordering::Relaxed);
        self.flush()
    }

    /// Begins anew with the next capture: its incidents are its own.
    ///
    /// # Errors
    /// The file that failed.
    pub fn reset(&mut self) -> Result<(), OutputError> {
        self.incidents.close();
        self.tick()
    }

    /// Writes the rest and tells what there is.
    ///
    /// # Errors
    /// The file that failed.
    pub fn finish(mut self) -> Result<Written, OutputError> {
        self.reset()?;
        Ok(Written {
            lines: self.lines,
            evidence: self.evidence.written().to_vec(),
            files: self.files.written().to_vec(),
            incidents: self.incidents.written().to_vec(),
        })
    }

    fn line(&mut self, line: &Value) -> Result<(), OutputError> {
        line.write(&mut self.waiting);
        self.waiting.push(b'\n');
        self.lines += 1;
        if self.waiting.len() >= WRITE_AT { self.flush() } else { Ok(()) }
    }

    /// What a full disk refuses is gone: it must not pile up in memory.
    fn flush(&mut self) -> Result<(), OutputError> {
        let done = self.eve.write_all(&self.waiting);
        self.waiting.clear();
        done.map_err(OutputError::at(&self.eve_path))
    }
}
