//! evidence/*.pcapng: one file per alerted flow.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::flow::FlowTuple;

use crate::error::OutputError;
use crate::event::EvidenceEvent;
use crate::pcapng;
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
}

impl EvidenceStore {
    /// A store that writes so many bytes of packets.
    pub(crate) fn new(limit: u64) -> Self {
        EvidenceStore { left: limit, begun: BTreeMap::new(), written: Vec::new() }
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
        self.left -= bytes;
        let path = dir.join(&*event.file);
        let fail = || OutputError::at(&path);
        let first = !self.begun.contains_key(&event.file);
        let file = if first {
            File::create(&path).map_err(fail())?
        } else {
            OpenOptions::new().append(true).open(&path).map_err(fail())?
        };
        let mut out = BufWriter::new(file);
        if first {
            self.written.push(PathBuf::from(&*event.file));
            let f = &event.flow;
            let comment = format!("{} {} -> {}, flow {}", f.proto, f.client, f.server, f.id);
            pcapng::header(&mut out, event.link.to_pcap(), &comment).map_err(fail())?;
        }
        for packet in &event.packets {
            pcapng::packet(&mut out, packet).map_err(fail())?;
        }
        out.flush().map_err(fail())?;
        let summary = self.begun.entry(event.file.clone()).or_insert_with(|| EvidenceSummary {
            file: event.file.clone(),
            flow: event.flow,
            packets: 0,
            bytes: 0,
            complete: false,
        });
        summary.complete = event.complete;
        summary.packets += event.packets.len() as u64;
        summary.bytes += bytes;
        let summary = summary.clone();
        if event.complete {
            self.begun.remove(&event.file);
        }
        Ok(Some(summary))
    }

    /// Every file begun in this run.
    pub(crate) fn written(&self) -> &[PathBuf] {
        &self.written
    }
}
