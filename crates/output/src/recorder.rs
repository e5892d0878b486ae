//! The recorder: takes events, writes files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::access::Access;
use crate::content::AlertOptions;
use crate::error::OutputError;
use crate::eve;
use crate::eve_file::EveFile;
use crate::event::{Event, Stamp, Written};
use crate::evidence::EvidenceStore;
use crate::files::FileStore;
use crate::incident::IncidentStore;
use crate::json::{Object, Value};
use crate::rotation::Rotation;
use crate::state::OutputState;

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
    /// What lines of alerts show.
    pub alert: AlertOptions,
    /// The sensor's name, in every line (`host`).
    pub sensor: Option<Arc<str>>,
    /// Group of files and folders.
    pub access: Access,
    /// When eve.json is renamed.
    pub rotation: Rotation,
    /// Bytes of alerts and isolations that may wait in memory while the disk refuses them.
    pub waiting_bytes: usize,
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
            alert: AlertOptions::default(),
            sensor: None,
            access: Access::default(),
            rotation: Rotation::default(),
            waiting_bytes: 16 << 20,
        }
    }
}

/// See the crate's text.
#[derive(Debug)]
pub struct Recorder {
    dir: PathBuf,
    eve_path: PathBuf,
    /// Whoever follows the file sees no half lines.
    eve: EveFile,
    lines: u64,
    forms: eve::Forms,
    evidence: EvidenceStore,
    files: FileStore,
    incidents: IncidentStore,
    state: Arc<OutputState>,
}

impl Recorder {
    /// Makes the directory and opens eve.json.
    ///
    /// # Errors
    /// The path that failed.
    pub fn create(dir: &Path, options: RecorderOptions) -> Result<Self, OutputError> {
        let access = options.access;
        for folder in [dir.to_owned(), dir.join("evidence"), dir.join("incidents")] {
            access.folder(&folder).map_err(OutputError::at(&folder))?;
        }
        let eve_path = dir.join("eve.json");
        let state = Arc::<OutputState>::default();
        let eve = EveFile::open(
            &eve_path,
            options.append,
            access,
            options.rotation,
            options.waiting_bytes,
            state.clone(),
        )
        .map_err(OutputError::at(&eve_path))?;
        Ok(Recorder {
            dir: dir.to_owned(),
            eve_path,
            eve,
            lines: 0,
            forms: eve::Forms {
                netflow: options.netflow,
                dns: options.dns,
                secrets: options.secrets,
                events: options.events,
                alert: options.alert,
                sensor: options.sensor,
            },
            evidence: EvidenceStore::new(options.evidence_bytes, access, state.clone()),
            files: FileStore::new(dir, options.file_bytes, access),
            incidents: IncidentStore::new(options.reports, access),
            state,
        })
    }

    /// Its counters and requests, for those who work beside it on other threads.
    #[must_use]
    pub fn state(&self) -> Arc<OutputState> {
        self.state.clone()
    }

    /// Writes an event down. Lines are buffered until [`Recorder::tick`].
    ///
    /// # Errors
    /// The first file that failed; the rest of the event is recorded, and later events can be.
    pub fn record(&mut self, stamp: &Stamp, event: &Event) -> Result<(), OutputError> {
        let mut outcome = Ok(());
        for line in eve::lines(stamp, event, &self.forms) {
            outcome = outcome.and(self.line(&line));
        }
        self.incidents.take(stamp, event);
        if let Event::Evidence(evidence) = event {
            match self.evidence.append(&self.dir, evidence) {
                Ok(Some(summary)) => {
                    self.incidents.evidence(&summary);
                    if evidence.complete && self.forms.events.has("evidence") {
                        let line = eve::evidence_line(stamp, &summary, &self.forms);
                        outcome = outcome.and(self.line(&line));
                    }
                }
                Ok(None) => {
                    let packets = evidence.packets.len() as u64;
                    self.state.evidence_packets.fetch_add(packets, Ordering::Relaxed);
                }
                Err(err) => outcome = outcome.and(Err(err)),
            }
        }
        if let Event::Piece(piece) = event {
            outcome = outcome.and(self.files.take(&self.dir, piece));
        }
        outcome
    }

    /// Makes everything so far readable: flushes eve.json, writes incidents that have changed; looks after eve.json.
    ///
    /// # Errors
    /// The first file that failed.
    pub fn tick(&mut self) -> Result<(), OutputError> {
        let (told, mut outcome) = self.incidents.write(&self.dir);
        for (stamp, incident, state) in told {
            if self.forms.events.has("incident") {
                outcome = outcome.and(self.line(&eve::incident_line(&stamp, &incident, state, &self.forms)));
            }
        }
        self.state.files.store(self.files.counts().refused, Ordering::Relaxed);
        self.state.reports.store(self.incidents.refused(), Ordering::Relaxed);
        outcome = outcome.and(self.flush());
        outcome.and(self.eve.look_after().map_err(OutputError::at(&self.eve_path)))
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
    /// The file that failed; what could not be written is counted and told in the log.
    pub fn finish(mut self) -> Result<Written, OutputError> {
        let outcome = self.reset();
        self.eve.lines().give_up();
        if self.state.lost() > 0 {
            tracing::error!(
                "{}: {} lines could not be written: {:?}",
                self.eve_path.display(),
                self.state.lost(),
                self.state.lost_by_type()
            );
        }
        outcome?;
        Ok(Written {
            lines: self.lines,
            evidence: self.evidence.written().to_vec(),
            files: self.files.written().to_vec(),
            incidents: self.incidents.written().to_vec(),
        })
    }

    fn line(&mut self, line: &Value) -> Result<(), OutputError> {
        let lines = self.eve.lines();
        lines.push(kind(line), |out| line.write(out));
        self.lines += 1;
        if lines.len() >= WRITE_AT { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), OutputError> {
        self.eve.flush().map_err(OutputError::at(&self.eve_path))
    }
}

/// The event type of a line.
fn kind(line: &Value) -> &str {
    let Value::Object(line) = line else { return "" };
    match Object::get(line, "event_type") {
        Some(Value::Text(kind)) => kind,
        Some(Value::Shared(kind)) => kind,
        _ => "",
    }
}
