//! evidence/*.pcapng: one file per alerted flow.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::flow::FlowTuple;

use crate::access::Access;
use crate::error::OutputError;
use crate::event::EvidenceEvent;
use crate::pcapng;
use crate::state::OutputState;
use crate::text::{compact, file_ip};

/// The file of a flow, relative to the output directory. The same in every run over the same packets.
#[must_use]
pub fn evidence_name(flow: &FlowTuple) -> Arc<str> {
    Arc::from(format!(
        "evidence/{}-{}-{}-{}-{}-{:x}.pcapng",
        compact(flow.start),
        file_ip(flow.client.ip),
        file_ip(flow.server.ip),
        flow.server.port,
        flow.proto.to_string().to_lowercase(),
        flow.id
    ))
}

/// What is in an evidence file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EvidenceSummary {
    pub(crate) file: Arc<str>,
    pub(crate) flow: FlowTuple,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Nothing more will come.
    pub(crate) complete: bool,
}

/// The evidence files of a run. No file is kept open: alerted flows are few, descriptors are fewer.
#[derive(Debug)]
pub(crate) struct EvidenceStore {
    /// Bytes that may still be written.
    left: u64,
    begun: BTreeMap<Arc<str>, EvidenceSummary>,
    written: Vec<PathBuf>,
    access: Access,
    state: Arc<OutputState>,
}

impl EvidenceStore {
    /// A store that writes so many bytes of packets.
    pub(crate) fn new(limit: u64, access: Access, state: Arc<OutputState>) -> Self {
        EvidenceStore { left: limit, begun: BTreeMap::new(), written: Vec::new(), access, state }
    }

    /// Appends packets; what the file holds now, or `None` if the store is full and they are not written.
    pub(crate) fn append(
        &mut self,
        dir: &Path,
        event: &EvidenceEvent,
    ) -> Result<Option<EvidenceSummary>, OutputError> {
        let bytes: u64 = event.packets.iter().map(|p| p.frame.len() as u64).sum();
        if bytes > self.left || (self.left == 0 && !self.begun.contains_key(&event.file)) {
            if self.left > 0 {
                tracing::error!(
                    "evidence has reached its limit (evidence.max_total_mib): no more is written"
                );
            }
            self.left = 0;
            // A file that was begun is told of as it is.
            let summary = match event.complete {
                true => self.begun.remove(&event.file),
                false => None,
            };
            return Ok(summary.map(|summary| EvidenceSummary { complete: true, ..summary }));
        }
        let path = dir.join(&*event.file);
        let first = !self.begun.contains_key(&event.file);
        let (blocks, ends) = blocks(event, first).map_err(OutputError::at(&path))?;
        let (whole, outcome) = self.write(&path, first, &blocks, &ends);
        let unwritten = (event.packets.len() - whole) as u64;
        self.state.evidence_unwritten.fetch_add(unwritten, Ordering::Relaxed);
        let bytes: u64 = event.packets[..whole].iter().map(|p| p.frame.len() as u64).sum();
        self.left -= bytes;
        if first && whole == 0 && outcome.is_err() {
            return outcome.map(|()| None).map_err(OutputError::at(&path));
        }
        if first {
            self.written.push(PathBuf::from(&*event.file));
        }
        let summary = self.begun.entry(event.file.clone()).or_insert_with(|| EvidenceSummary {
            file: event.file.clone(),
            flow: event.flow,
            packets: 0,
            bytes: 0,
            complete: false,
        });
        summary.complete = event.complete;
        summary.packets += whole as u64;
        summary.bytes += bytes;
        let summary = summary.clone();
        if event.complete {
            self.begun.remove(&event.file);
        }
        // Told of as it is, once: with what the disk took.
        if let Err(err) = outcome {
            tracing::error!("{}: {err}; {unwritten} packets are not written", path.display());
        }
        Ok(Some(summary))
    }

    /// Writes blocks that end at `ends`, or as many whole ones as there is room for; how many. An empty file is removed.
    fn write(&self, path: &Path, first: bool, blocks: &[u8], ends: &[usize]) -> (usize, io::Result<()>) {
        let opened = if first { self.access.create(path) } else { self.access.append(path) };
        let begun = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (start, mut file) = match begun {
            Ok(begun) => begun,
            Err(err) => {
                if first {
                    let _ = fs::remove_file(path);
                }
                return (0, Err(err));
            }
        };
        let (written, outcome) = write_most(&mut file, blocks);
        if outcome.is_ok() {
            return (ends.len(), Ok(()));
        }
        let whole = ends.partition_point(|&end| end <= written);
        let keep = whole.checked_sub(1).map_or(0, |last| ends[last]);
        if first && whole == 0 {
            let _ = fs::remove_file(path);
        } else {
            let _ = file.set_len(start + keep as u64);
        }
        (whole, outcome)
    }

    /// Every file begun in this run.
    pub(crate) fn written(&self) -> &[PathBuf] {
        &self.written
    }
}

/// The packets as blocks, behind a header if they are the first, and where the block of each ends.
fn blocks(event: &EvidenceEvent, first: bool) -> io::Result<(Vec<u8>, Vec<usize>)> {
    let mut out = Vec::new();
    if first {
        let f = &event.flow;
        let comment = format!("{} {} -> {}, flow {}", f.proto, f.client, f.server, f.id);
        pcapng::header(&mut out, event.link.to_pcap(), &comment)?;
    }
    let mut ends = Vec::with_capacity(event.packets.len());
    for packet in &event.packets {
        pcapng::packet(&mut out, packet)?;
        ends.push(out.len());
    }
    Ok((out, ends))
}

/// Writes as much as there is room for; how much.
fn write_most(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return (written, Err(err)),
        }
    }
    (written, Ok(()))
}
