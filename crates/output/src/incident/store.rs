//! The open incidents of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ::alert::Observation;
use wire::Nanos;

use super::model::{Disclosed, EvidenceFile, Host, Incident, IndicatorSeen, Step, VerdictSeen};
use super::{MAX_ENTRIES, MAX_OPEN, MAX_STEPS, QUIET, render_html, techniques};
use crate::error::OutputError;
use crate::event::{AlertEvent, Event, IsolationAction, IsolationEvent, Stamp};
use crate::evidence::EvidenceSummary;
use crate::text::{compact, duration, file_ip, timestamp};

#[derive(Debug)]
struct Open {
    incident: Incident,
    last: Nanos,
    stamp: Stamp,
    dirty: bool,
    told: bool,
    /// Over the limit: no report files.
    refused: bool,
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
}

impl IncidentStore {
    /// A store that writes so many reports.
    pub(crate) fn new(limit: u64) -> Self {
        IncidentStore { limit, ..Self::default() }
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
    /// time ("open") or the last ("closed").
    pub(crate) fn write(&mut self, dir: &Path) -> Result<Vec<Told>, OutputError> {
        let mut told = Vec::new();
        for open in self.closed.iter_mut().chain(self.open.values_mut()).filter(|o| o.dirty) {
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
            save(&dir.join("incidents").join(format!("{id}.json")), &json)?;
            save(&dir.join("incidents").join(format!("{id}.html")), render_html(&open.incident).as_bytes())?;
            if !open.told {
                open.told = true;
                self.written.push(PathBuf::from(format!("incidents/{id}.html")));
                told.push((open.stamp.clone(), open.incident.clone(), "open"));
            }
        }
        told.extend(self.closed.drain(..).map(|o| (o.stamp, o.incident, "closed")));
        Ok(told)
    }

    /// Closes every incident, for good. To be followed by [`IncidentStore::write`].
    pub(crate) fn close(&mut self) {
        self.owners.clear();
        self.closed.extend(std::mem::take(&mut self.open).into_values());
    }

    /// Reports written in this run.
    pub(crate) fn written(&self) -> &[PathBuf] {
        &self.written
    }

    fn alert(&mut self, stamp: &Stamp, event: &AlertEvent) {
        // Without a victim there is nobody to tell a story about.
        let Some(victim) = event.alert.victim else { return };
        if let Some(file) = &event.evidence {
            self.owners.insert(file.to_string(), victim);
        }
        let open = self.open(victim, stamp);
        let incident = &mut open.incident;
        let alert = &event.alert;
        incident.alerts += 1;
        incident.severity = incident.severity.min(alert.severity as u8);
        let role = match alert.observation {
            Observation::Dns => "resolver",
            // It need not know what passes through it.
            Observation::Email | Observation::File | Observation::Rule | Observation::RuleDrop => "peer",
            _ => "C2 server",
        };
        if let Some(peer) = alert.peer {
            add_host(incident, peer, role);
        }
        add_indicator(incident, event);
        techniques::add(incident, alert);
        let mut what = match &alert.hit {
            Some(hit) => format!("{}: {}", alert.signature, hit.observed),
            None => alert.signature.to_string(),
        };
        if let Some((_, proto::Transaction::Http(http))) = &event.transaction {
            what = format!("{what} ({} {})", http.method, http.uri);
        }
        if let Some(forwarded) = &event.forwarded {
            what = format!("{what} (asked by {}, passed on by {})", forwarded.asked_by, forwarded.by);
        }
        step(incident, stamp.time, alert.observation.name(), what);
        if let Some(checkin) = &alert.checkin {
            let disclosed = Disclosed::new(checkin);
            let told: Vec<String> =
                disclosed.told.iter().map(|t| format!("{} {}", t.what.replace('_', " "), t.value)).collect();
            step(incident, stamp.time, "decoded", format!("the request gave away {}", told.join(", ")));
            if incident.disclosed.len() < MAX_ENTRIES && !incident.disclosed.contains(&disclosed) {
                incident.disclosed.push(disclosed);
            }
        }
        summarise(incident);
    }

    fn isolation(&mut self, stamp: &Stamp, event: &IsolationEvent) {
        let Some(victim) = event.target.ip() else { return };
        // Hosts that only an operator has dealt with are no incident.
        if event.flow.is_none() && !self.open.contains_key(&victim) {
            return;
        }
        let incident = &mut self.open(victim, stamp).incident;
        let verdict = &mut incident.verdict;
        let latency = event.latency;
        let latest = matches!(event.action, IsolationAction::Isolate | IsolationAction::Withhold);
        if latest {
            *verdict = VerdictSeen {
                action: if event.action == IsolationAction::Isolate { "isolate" } else { "withhold" }.into(),
                by: event.by.to_string(),
                reason: event.reason.clone(),
                enforced: event.enforced,
                not_enforced_because: event.not_enforced_because.clone(),
                ..VerdictSeen::default()
            };
        }
        verdict.until = event.until.map(timestamp).or(verdict.until.take());
        verdict.alert_ns = verdict.alert_ns.or(latency.alert_ns);
        verdict.map_ns = verdict.map_ns.or(latency.map_ns);
        verdict.first_drop_ns = verdict.first_drop_ns.or(latency.first_drop_ns);
        verdict.dropped_packets = verdict.dropped_packets.max(event.dropped_packets);
        verdict.dropped_bytes = verdict.dropped_bytes.max(event.dropped_bytes);
        let because = event.not_enforced_because.as_deref().unwrap_or_default();
        let (status, what) = match event.action {
            IsolationAction::Isolate | IsolationAction::Extend if event.enforced => {
                let after = latency.map_ns.map(|ns| format!(", {} after the packet", duration(ns)));
                let again = (event.relapse > 0).then(|| format!(" (relapse {})", event.relapse));
                let (after, again) = (after.unwrap_or_default(), again.unwrap_or_default());
                ("isolated", format!("{victim} isolated{after}{again}"))
            }
            IsolationAction::Restore | IsolationAction::Adopt if event.enforced => {
                ("isolated", format!("{victim} is still isolated after a restart"))
            }
            IsolationAction::Restore | IsolationAction::Adopt => {
                ("not isolated", format!("{victim} is not isolated again after a restart: {because}"))
            }
            IsolationAction::Isolate | IsolationAction::Extend => {
                ("not isolated", format!("verdict: isolate {victim}; not enforced: {because}"))
            }
            IsolationAction::Withhold => ("not isolated", format!("{victim} spared: {because}")),
            IsolationAction::FirstDrop => {
                let after = latency.first_drop_ns.map(|ns| format!(", {} after the packet", duration(ns)));
                ("isolated", format!("first packet of {victim} dropped{}", after.unwrap_or_default()))
            }
            IsolationAction::Expire => {
                ("expired", format!("isolation over, {} packets were dropped", event.dropped_packets))
            }
            IsolationAction::Release => {
                ("released", format!("released, {} packets were dropped", event.dropped_packets))
            }
        };
        incident.status = status.into();
        step(incident, stamp.time, "isolation", what);
        summarise(incident);
    }

    /// The host's incident, a new one if it has none or was quiet for long.
    fn open(&mut self, victim: IpAddr, stamp: &Stamp) -> &mut Open {
        if self.open.get(&victim).is_some_and(|o| stamp.time.since(o.last) > QUIET) {
            self.closed.extend(self.open.remove(&victim));
        }
        if !self.open.contains_key(&victim) && self.open.len() >= MAX_OPEN {
            let oldest = self.open.iter().min_by_key(|(_, o)| o.last).map(|(&ip, _)| ip);
            self.closed.extend(oldest.and_then(|ip| self.open.remove(&ip)));
        }
        let names = &mut self.names;
        let open = self.open.entry(victim).or_insert_with(|| Open {
            incident: fresh(victim, stamp, names),
            last: stamp.time,
            stamp: stamp.clone(),
            dirty: true,
            told: false,
            refused: false,
        });
        open.dirty = true;
        open.last = open.last.max(stamp.time);
        open.stamp = stamp.clone();
        open.incident.last = timestamp(open.last);
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
        severity: 4,
        status: "observed".into(),
        first: timestamp(stamp.time),
        last: timestamp(stamp.time),
        alerts: 0,
        hosts: vec![Host { ip: victim.to_string(), role: "victim".into() }],
        indicators: Vec::new(),
        disclosed: Vec::new(),
        techniques: Vec::new(),
        kill_chain_stage: String::new(),
        verdict: VerdictSeen { action: "none".into(), ..VerdictSeen::default() },
        evidence: Vec::new(),
        timeline: Vec::new(),
        steps_omitted: 0,
    }
}

fn add_host(incident: &mut Incident, ip: IpAddr, role: &str) {
    let ip = ip.to_string();
    let known = incident.hosts.iter().any(|h| h.ip == ip && h.role == role);
    if !known && incident.hosts.len() < MAX_ENTRIES {
        incident.hosts.push(Host { ip, role: role.into() });
    }
}

fn add_indicator(incident: &mut Incident, event: &AlertEvent) {
    let Some(hit) = &event.alert.hit else { return };
    if let Some(seen) = incident.indicators.iter_mut().find(|i| i.value == *hit.indicator) {
        seen.hits += 1;
    } else if incident.indicators.len() < MAX_ENTRIES {
        incident.indicators.push(IndicatorSeen {
            kind: hit.kind.into(),
            value: hit.indicator.to_string(),
            observed: hit.observed.clone(),
            description: hit.description.as_ref().map(ToString::to_string),
            source: hit.source.clone(),
            hits: 1,
        });
    }
}

fn step(incident: &mut Incident, time: Nanos, kind: &str, what: String) {
    if incident.timeline.len() >= MAX_STEPS {
        incident.steps_omitted += 1;
        return;
    }
    let step = Step { time: timestamp(time), time_ns: time.0, kind: kind.into(), what };
    let at = incident.timeline.partition_point(|s| s.time_ns <= time.0);
    incident.timeline.insert(at, step);
}

/// "10.0.0.5 (DESKTOP-X, user alice, Windows 10) contacted evil.example (Demo RAT) and was isolated
/// 0.4 ms after the packet."
fn summarise(incident: &mut Incident) {
    let told = |what: &str| {
        incident.disclosed.iter().flat_map(|d| &d.told).find(|t| t.what == what).map(|t| t.value.clone())
    };
    let mut who = Vec::new();
    who.extend(told("host_name"));
    who.extend(told("user_name").map(|u| format!("user {u}")));
    who.extend(told("operating_system"));
    let who = if who.is_empty() { String::new() } else { format!(" ({})", who.join(", ")) };
    let met = |role: &str| incident.hosts.iter().any(|h| h.role == role);
    let did = match (met("C2 server"), met("resolver")) {
        (true, _) => "contacted",
        (false, true) => "looked up",
        (false, false) => "was seen with",
    };
    let indicator = incident.indicators.first().map_or("a listed indicator".to_owned(), |i| {
        let about = i.description.as_ref().map(|d| format!(" ({d})"));
        format!("{}{}", i.observed, about.unwrap_or_default())
    });
    let verdict = &incident.verdict;
    let outcome = match incident.status.as_str() {
        "isolated" => {
            let after = verdict.map_ns.map(|ns| format!(" {} after the packet", duration(ns)));
            format!("was isolated{}", after.unwrap_or_default())
        }
        "not isolated" => {
            let why = verdict.not_enforced_because.as_deref().unwrap_or_default();
            format!("was not isolated ({why})")
        }
        "expired" | "released" => format!("was isolated; the isolation is over ({})", incident.status),
        _ => "is under observation".to_owned(),
    };
    incident.summary = format!("{}{who} {did} {indicator} and {outcome}.", incident.victim);
}

/// Whole or not at all: readers never see half a file.
fn save(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).map_err(OutputError::at(&part))?;
    fs::rename(&part, path).map_err(OutputError::at(path))
}
