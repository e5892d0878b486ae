//! The ATT&CK techniques of an incident: those that detectors show, those that lists and authors of rules name, and those
//! that classes of rules stand for.

use ::alert::{Alert, Stage, Tactic};

use super::MAX_ENTRIES;
use super::model::{Incident, TechniqueSeen};

/// Adds what an alert shows, and moves the incident on to the stage that it has come to.
pub(super) fn add(incident: &mut Incident, alert: &Alert) {
    for technique in &alert.techniques {
        seen(incident, technique.id(), technique.name().into(), Some(technique.tactic()), "finding");
    }
    for id in alert.hit.iter().flat_map(|hit| &hit.techniques) {
        seen(incident, id, id.clone(), None, "list");
    }
    if let Some(technique) = alert.by_class() {
        seen(incident, technique.id, technique.name.into(), Some(technique.tactic), "class");
    }
    for stage in alert.tactics().map(Tactic::stage) {
        if Stage::named(&incident.kill_chain_stage).is_none_or(|now| stage > now) {
            incident.kill_chain_stage = stage.name().into();
        }
    }
    let Some(rule) = &alert.rule else { return };
    let mut names = rule.values("mitre_technique_name");
    let mut tactics = rule.values("mitre_tactic_id").filter_map(Tactic::named);
    let mut tactic = None;
    for id in rule.values("mitre_technique_id") {
        let name = names.next().map_or_else(|| id.to_owned(), |name| name.replace('_', " "));
        // Several techniques mostly serve the one tactic that is named.
        tactic = tactics.next().or(tactic);
        seen(incident, id, name, tactic, "author");
    }
}

fn seen(incident: &mut Incident, id: &str, name: String, tactic: Option<Tactic>, source: &str) {
    let known = incident.techniques.iter_mut().find(|t| t.id == id);
    if let Some(known) = known {
        // Whoever says more than a class does is believed.
        if known.source == "class" {
            known.source = source.to_owned();
        }
    } else if incident.techniques.len() < MAX_ENTRIES {
        let of = |text: fn(Tactic) -> &'static str| {
            tactic.map_or_else(String::new, |tactic| text(tactic).to_owned())
        };
        incident.techniques.push(TechniqueSeen {
            id: id.to_owned(),
            name,
            tactic_id: of(Tactic::id),
            tactic: of(Tactic::name),
            stage: of(|tactic| tactic.stage().name()),
            source: source.to_owned(),
        });
    }
}
