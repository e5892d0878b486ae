//! The open incidents of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ::alert::Severity;
use wire::Nanos;

use super::entries::{add_alert, isolation_step, step};
use super::model::{EvidenceFile, Host, Incident};
use super::verdicts::{self, VerdictSeen};
use super::{MAX_ENTRIES, MAX_OPEN, QUIET, render_html, story};
use crate::access::Access;
use crate::error::OutputError;
use crate::event::{AlertEvent, Event, IsolationAction, IsolationEvent, Stamp};
use crate::evidence::EvidenceSummary;
use crate::text::{compact, file_ip, timestamp};

/// An alert so severe, or worse, opens an incident; milder ones join one that is open.
const RELEVANT: Severity = Severity::Medium;

#[derive(Debug)]
struct Open {
    incident: Incident,
    last: Nanos,
    stamp: Stamp,
    dirty: bool,
    told: bool,
    /// Over the limit: no report files.
    refused: bool,
    /// There was a verdict, or an alert that is severe enough; until then it is nothing to be told of.
    relevant: bool,
}

/// An incident to be told of, and its state: "open" or "closed".
pub(crate) type Told = (Stamp, Incident, &'static str);

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct IncidentStore {
    open: BTreeMap<IpAddr, Open>,
    closed: Vec<Open>,
    /// Which incident an evidence file belongs to.
    owners: BTreeMap<String, IpAddr>,
    names: BTreeSet<String>,
    written: Vec<PathBuf>,
    /// Reports that may be written.
    limit: u64,
    refused: u64,
    access: Access,
}

impl IncidentStore {
    /// A store that writes so many reports.
    pub(crate) fn new(limit: u64, access: Access) -> Self {
        IncidentStore { limit, access, ..Self::default() }
    }

    /// Incidents without report files.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes an event in; most are of no concern here.
    pub(crate) fn take(&mut self, stamp: &Stamp, event: &Event) {
        match event {
            Event::Alert(alert) => self.alert(stamp, alert),
            Event::Isolation(step) => self.isolation(stamp, step),
            _ => {}
        }
    }

    /// An evidence file has grown.
    pub(crate) fn evidence(&mut self, summary: &EvidenceSummary) {
        let owner = match summary.complete {
            true => self.owners.remove(&*summary.file),
            false => self.owners.get(&*summary.file).copied(),
        };
        let Some(open) = owner.and_then(|victim| self.open.get_mut(&victim)) else { return };
        let files = &mut open.incident.evidence;
        let room = files.len() < MAX_ENTRIES;
        match files.iter_mut().find(|f| f.file == *summary.file) {
            Some(file) => (file.packets, file.bytes) = (summary.packets, summary.bytes),
            None if room => files.push(EvidenceFile {
                file: summary.file.to_string(),
                packets: summary.packets,
                bytes: summary.bytes,
            }),
            None => {}
        }
        open.dirty = true;
    }

    /// Writes what has changed and lets go of what is closed. The incidents that were written for the first
    /// time ("open") or the last ("closed"). What the disk refuses is tried again the next time.
    pub(crate) fn write(&mut self, dir: &Path) -> (Vec<Told>, Result<(), OutputError>) {
        let (mut told, mut outcome) = (Vec::new(), Ok(()));
        for open in self.closed.iter_mut().chain(self.open.values_mut()).filter(|o| o.dirty && o.relevant) {
            let id = &open.incident.id;
            open.dirty = false;
            if !open.told && self.written.len() as u64 >= self.limit {
                if self.refused == 0 {
                    tracing::error!("incident reports have reached their limit (output.max_reports)");
                }
                self.refused += 1;
                open.told = true;
                open.refused = true;
                told.push((open.stamp.clone(), open.incident.clone(), "open"));
            }
            if open.refused {
                continue;
            }
            let json = serde_json::to_vec_pretty(&open.incident).unwrap_or_default();
            let page = render_html(&open.incident, "..");
            let save = |end: &str, bytes: &[u8]| {
                let path = dir.join("incidents").join(format!("{id}.{end}"));
                self.access.save(&path, bytes).map_err(OutputError::at(&path))
            };
            if let Err(err) = save("json", &json).and_then(|()| save("html", page.as_bytes())) {
                open.dirty = true;
                outcome = Err(err);
                continue;
            }
            if !open.told {
                open.told = true;
                self.written.push(PathBuf::from(format!("incidents/{id}.html")));
                told.push((open.stamp.clone(), open.incident.clone(), "open"));
            }
        }
        // Those that the disk refused wait for it, as many as may be open.
        let over = self.closed.len().saturating_sub(MAX_OPEN);
        let mut index = 0;
        let gone = self.closed.extract_if(.., |open| {
            index += 1;
            !open.dirty || index <= over
        });
        told.extend(gone.map(|o| (o.stamp, o.incident, "closed")));
        (told, outcome)
    }

    /// Closes the incident of a host. One that was never relevant leaves no trace.
    fn close_one(&mut self, victim: IpAddr) {
        match self.open.remove(&victim) {
            Some(open) if open.relevant => self.closed.push(open),
            Some(open) => {
                self.names.remove(&open.incident.id);
            }
            None => {}
        }
    }

    /// Closes every incident, for good. To be followed by [`IncidentStore::write`].
    pub(crate) fn close(&mut self) {
        self.owners.clear();
        let open = std::mem::take(&mut self.open).into_values();
        self.closed.extend(open.filter(|open| open.relevant));
    }

    /// Reports written in this run.
    pub(crate) fn written(&self) -> &[PathBuf] {
        &self.written
    }

    /// Every alert belongs to the incident of its victim, and to those that are open of its actor and target.
    fn alert(&mut self, stamp: &Stamp, event: &AlertEvent) {
        let alert = &event.alert;
        if let Some(victim) = alert.victim {
            if let Some(file) = &event.evidence {
                self.owners.insert(file.to_string(), victim);
            }
            let open = self.open(victim, stamp);
            open.relevant |= alert.severity <= RELEVANT;
            add_alert(&mut open.incident, stamp, event, victim);
        }
        let others = [alert.parties.actor, alert.parties.target];
        for (at, host) in others.into_iter().enumerate() {
            let Some(host) =
                host.filter(|&host| Some(host) != alert.victim && !others[..at].contains(&Some(host)))
            else {
                continue;
            };
            let fresh = |open: &Open| open.relevant && stamp.time.since(open.last) <= QUIET;
            if self.open.get(&host).is_some_and(fresh) {
                let open = self.open(host, stamp);
                add_alert(&mut open.incident, stamp, event, host);
            }
        }
    }

    fn isolation(&mut self, stamp: &Stamp, event: &IsolationEvent) {
        let Some(victim) = event.target.ip() else { return };
        // Hosts that only an operator has dealt with are no incident.
        if event.flow.is_none() && !self.open.contains_key(&victim) {
            return;
        }
        let open = self.open(victim, stamp);
        open.relevant = true;
        let incident = &mut open.incident;
        if !verdicts::add(&mut incident.verdicts, stamp, event) {
            incident.verdicts_omitted += u64::from(matches!(
                event.action,
                IsolationAction::Isolate | IsolationAction::Withhold | IsolationAction::Restore
            ));
        }
        incident.verdict = verdicts::headline(&incident.verdicts);
        incident.status = verdicts::status(&incident.verdicts).to_owned();
        step(incident, stamp.time, "isolation", isolation_step(victim, event));
        story::tell(incident);
    }

    /// The host's incident, a new one if it has none or was quiet for long.
    fn open(&mut self, victim: IpAddr, stamp: &Stamp) -> &mut Open {
        if self.open.get(&victim).is_some_and(|o| stamp.time.since(o.last) > QUIET) {
            self.close_one(victim);
        }
        if !self.open.contains_key(&victim) && self.open.len() >= MAX_OPEN {
            // Those that may never be told of go first.
            let oldest = self.open.iter().min_by_key(|(_, o)| (o.relevant, o.last)).map(|(&ip, _)| ip);
            oldest.into_iter().for_each(|ip| self.close_one(ip));
        }
        let names = &mut self.names;
        let open = self.open.entry(victim).or_insert_with(|| Open {
            incident: fresh(victim, stamp, names),
            last: stamp.time,
            stamp: stamp.clone(),
            dirty: true,
            told: false,
            refused: false,
            relevant: false,
        });
        open.dirty = true;
        open.last = open.last.max(stamp.time);
        open.stamp = stamp.clone();
        open.incident.last = timestamp(open.last);
        // Alerts of a flow's end, and those of several workers, come later than they happened.
        let now = timestamp(stamp.time);
        if now < open.incident.first {
            open.incident.first = now;
        }
        open
    }
}

fn fresh(victim: IpAddr, stamp: &Stamp, names: &mut BTreeSet<String>) -> Incident {
    let base = format!("INC-{}-{}", compact(stamp.time), file_ip(victim));
    let id = (1..)
        .map(|n| if n == 1 { base.clone() } else { format!("{base}-{n}") })
        .find(|id| !names.contains(id))
        .unwrap_or(base);
    names.insert(id.clone());
    Incident {
        id,
        victim: victim.to_string(),
        summary: String::new(),
        sentences: Vec::new(),
        severity: 4,
        status: "observed".into(),
        first: timestamp(stamp.time),
        last: timestamp(stamp.time),
        alerts: 0,
        rule_alerts: 0,
        hosts: vec![Host { ip: victim.to_string(), role: "victim".into() }],
        accounts: Vec::new(),
        indicators: Vec::new(),
        rules: Vec::new(),
        disclosed: Vec::new(),
        techniques: Vec::new(),
        kill_chain_stage: String::new(),
        verdict: VerdictSeen::none(),
        verdicts: Vec::new(),
        verdicts_omitted: 0,
        evidence: Vec::new(),
        timeline: Vec::new(),
        steps_omitted: 0,
    }
}
