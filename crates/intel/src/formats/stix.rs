//! STIX 2.1 bundles (and 2.0, and TAXII envelopes): objects of type `indicator`, what they indicate, and the techniques
//! that are behind that.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::LineOf;
use super::stix_pattern::{self, Reading};
use super::values::time;
use crate::attributes::Said;
use crate::loader::Intake;
use crate::malformed::{Malformed, quoted};
use crate::report::LoadError;

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(default, borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    objects: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    spec_version: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    source_name: String,
    #[serde(default)]
    external_id: Option<String>,
}

/// Something that indicators indicate: an attack pattern, a malware.
#[derive(Deserialize)]
struct Subject {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    external_references: Option<Vec<Reference>>,
}

#[derive(Deserialize)]
struct Relationship {
    source_ref: String,
    target_ref: String,
}

#[derive(Deserialize)]
struct Indicator {
    #[serde(default)]
    id: String,
    pattern: String,
    #[serde(default)]
    pattern_type: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    indicator_types: Option<Vec<String>>,
    #[serde(default)]
    confidence: Option<u8>,
    #[serde(default)]
    valid_from: Option<String>,
    #[serde(default)]
    valid_until: Option<String>,
    #[serde(default)]
    revoked: Option<bool>,
    #[serde(default)]
    external_references: Option<Vec<Reference>>,
}

/// What relationships lead to.
#[derive(Default)]
struct Context {
    /// Techniques of attack patterns.
    techniques: HashMap<String, String>,
    /// Names of malware, tools, campaigns ...
    names: HashMap<String, String>,
    /// From an indicator to what it indicates.
    leads: HashMap<String, Vec<String>>,
}

fn technique(references: Option<&Vec<Reference>>) -> impl Iterator<Item = &str> {
    let ids = references.into_iter().flatten();
    ids.filter(|of| of.source_name.contains("attack")).filter_map(|of| of.external_id.as_deref())
}

impl Context {
    fn note(&mut self, kind: &str, raw: &RawValue) {
        match kind {
            "attack-pattern" | "malware" | "tool" | "campaign" | "intrusion-set" | "threat-actor" => {
                let Ok(of) = serde_json::from_str::<Subject>(raw.get()) else { return };
                if let Some(id) =
                    technique(of.external_references.as_ref()).next().filter(|_| kind == "attack-pattern")
                {
                    self.techniques.insert(of.id.clone(), id.to_owned());
                }
                if let Some(name) = of.name {
                    self.names.insert(of.id, name);
                }
            }
            "relationship" => {
                let Ok(of) = serde_json::from_str::<Relationship>(raw.get()) else { return };
                if of.source_ref.starts_with("indicator--") {
                    self.leads.entry(of.source_ref).or_default().push(of.target_ref);
                }
            }
            _ => {}
        }
    }
}

/// Reads a document; false if it is none of STIX.
pub(crate) fn read(intake: &mut Intake<'_>, text: &str) -> Result<bool, LoadError> {
    let bundle = match serde_json::from_str::<Bundle<'_>>(text) {
        Ok(bundle) => bundle,
        // Not an object, but good JSON all the same: somebody else's.
        Err(err) if err.is_data() => return Ok(false),
        Err(err) => return Err(intake.broken(err.line() as u32, format!("not whole, or no JSON: {err}"))),
    };
    let is_bundle = bundle.kind.as_deref() == Some("bundle");
    let Some(objects) = bundle.objects.filter(|_| is_bundle || bundle.kind.is_none()) else {
        return if is_bundle && bundle.spec_version.is_none() { Ok(true) } else { Ok(is_bundle) };
    };
    let mut context = Context::default();
    let mut kinds = Vec::with_capacity(objects.len());
    for raw in &objects {
        let kind = serde_json::from_str::<Head<'_>>(raw.get()).map(|head| head.kind.into_owned());
        if let Ok(kind) = &kind {
            context.note(kind, raw);
        }
        kinds.push(kind);
    }
    let latest = latest(&objects);
    let mut lines = LineOf::new(text);
    for (at, (raw, kind)) in objects.iter().zip(&kinds).enumerate() {
        let line = lines.part(raw.get());
        if latest.get(&at) == Some(&false) {
            intake.ignore();
            continue;
        }
        match kind {
            Ok(kind) if kind == "indicator" => match serde_json::from_str(raw.get()) {
                Ok(of) => indicator(intake, line, &of, &context)?,
                Err(err) => intake.skip(line, Malformed::Format(format!("no STIX indicator: {err}"))),
            },
            Ok(_) => {}
            Err(err) => intake.skip(line, Malformed::Format(format!("no STIX object: {err}"))),
        }
    }
    Ok(true)
}

#[derive(Deserialize)]
struct Version<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(default, borrow)]
    modified: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    created: Option<Cow<'a, str>>,
}

/// Of objects that there are several versions of (STIX 2.1, 3.6): whether each is the latest. Of two of the same time it
/// is the later one.
fn latest(objects: &[&RawValue]) -> HashMap<usize, bool> {
    let mut newest: HashMap<String, (Option<OffsetDateTime>, usize)> = HashMap::new();
    let mut is_latest = HashMap::new();
    for (at, raw) in objects.iter().enumerate() {
        let Ok(of) = serde_json::from_str::<Version<'_>>(raw.get()) else { continue };
        let when = of.modified.or(of.created).and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
        match newest.get(&*of.id).copied() {
            Some((before, _)) if before > when => {
                is_latest.insert(at, false);
            }
            before => {
                if let Some((_, older)) = before {
                    is_latest.insert(older, false);
                }
                newest.insert(of.id.into_owned(), (when, at));
            }
        }
    }
    is_latest
}

fn indicator(intake: &mut Intake<'_>, line: u32, of: &Indicator, context: &Context) -> Result<(), LoadError> {
    if of.revoked == Some(true) {
        intake.ignore();
        return Ok(());
    }
    if let Some(kind) = of.pattern_type.as_deref().filter(|kind| *kind != "stix") {
        intake.skip(
            line,
            Malformed::Format(format!("patterns of type \"{}\" are not supported", quoted(kind))),
        );
        return Ok(());
    }
    let expires = match of.valid_until.as_deref().map(|text| (text, time(text))) {
        Some((text, None)) => {
            intake.skip(line, Malformed::Format(format!("valid_until: \"{}\" is no time", quoted(text))));
            return Ok(());
        }
        Some((_, expires)) => expires,
        None => None,
    };
    let Reading { alternatives, refused } = match stix_pattern::read(&of.pattern) {
        Ok(reading) => reading,
        Err(why) => {
            intake.skip(line, Malformed::Format(format!("pattern: {why}")));
            return Ok(());
        }
    };
    let leads = || context.leads.get(&of.id).into_iter().flatten();
    let names: Vec<&str> = leads().filter_map(|id| context.names.get(id)).map(String::as_str).collect();
    let labels = || of.labels.iter().chain(&of.indicator_types).flatten().map(String::as_str);
    let own = of.name.as_deref().or(of.description.as_deref()).filter(|text| !text.trim().is_empty());
    let said = Said {
        description: own.or(names.first().copied()),
        tags: labels().chain(names.iter().copied()).collect(),
        techniques: technique(of.external_references.as_ref())
            .chain(leads().filter_map(|id| context.techniques.get(id)).map(String::as_str))
            .chain(labels())
            .collect(),
        confidence: of.confidence,
        expires,
        from: of.valid_from.as_deref().and_then(time),
    };
    for parts in &alternatives {
        intake.put_all(line, parts, &said)?;
    }
    for why in refused {
        intake.skip(line, Malformed::Format(format!("pattern: {why}")));
    }
    Ok(())
}
