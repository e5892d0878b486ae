//! MISP: events as JSON, and feeds, which are folders of events with a manifest.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::LineOf;
use super::typed::typed;
use crate::attributes::Said;
use crate::loader::Intake;
use crate::malformed::Malformed;
use crate::report::LoadError;

/// Events of a feed.
const MAX_EVENTS: usize = 1 << 20;
/// Bytes of a manifest.
const MAX_MANIFEST: u64 = 256 << 20;

type Raw<'a> = &'a RawValue;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(default, borrow)]
    info: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "Tag")]
    tags: Option<Vec<Tag<'a>>>,
    #[serde(default, borrow, rename = "Attribute")]
    attributes: Option<Vec<Raw<'a>>>,
    #[serde(default, borrow, rename = "Object")]
    objects: Option<Vec<Object<'a>>>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(default)]
    deleted: Option<Value>,
    #[serde(default, borrow, rename = "Attribute")]
    attributes: Option<Vec<Raw<'a>>>,
}

#[derive(Deserialize)]
struct Attribute<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    /// A truth, or "1".
    #[serde(default)]
    to_ids: Option<Value>,
    #[serde(default)]
    deleted: Option<Value>,
    #[serde(default, borrow)]
    comment: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "Tag")]
    tags: Option<Vec<Tag<'a>>>,
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text == "1" || text.eq_ignore_ascii_case("true"),
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        _ => false,
    }
}

/// Reads a document; false if it is none of MISP's.
pub(crate) fn read(intake: &mut Intake<'_>, text: &str) -> Result<bool, LoadError> {
    let json = |intake: &Intake<'_>, base: u32, err: serde_json::Error| {
        intake.broken(base.saturating_add(err.line() as u32).saturating_sub(1), err)
    };
    let events: Vec<Raw<'_>> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|err| json(intake, 1, err))?
    } else {
        vec![serde_json::from_str(text).map_err(|err| json(intake, 1, err))?]
    };
    let mut lines = LineOf::new(text);
    let mut any = false;
    let mut waiting: Vec<Raw<'_>> = events.into_iter().rev().collect();
    while let Some(raw) = waiting.pop() {
        let base = lines.part(raw.get());
        let Ok(of) = serde_json::from_str::<BTreeMap<Cow<'_, str>, Raw<'_>>>(raw.get()) else { continue };
        if let Some(&event) = of.get("Event") {
            any = true;
            let base = lines.part(event.get());
            let event: Event<'_> =
                serde_json::from_str(event.get()).map_err(|err| json(intake, base, err))?;
            take(intake, &mut lines, &event)?;
        } else if let Some(&response) = of.get("response") {
            // What the REST interface answers: a list of events.
            any = true;
            let line = lines.part(response.get());
            match serde_json::from_str::<Vec<Raw<'_>>>(response.get()) {
                Ok(events) => waiting.extend(events.into_iter().rev()),
                Err(_) => waiting.push(response),
            }
            if waiting.len() > MAX_EVENTS {
                return Err(intake.broken(line, format!("more than {MAX_EVENTS} events")));
            }
        } else if of.contains_key("Attribute") {
            any = true;
            let event: Event<'_> = serde_json::from_str(raw.get()).map_err(|err| json(intake, base, err))?;
            take(intake, &mut lines, &event)?;
        } else if of.values().any(|of| of.get().contains("\"Orgc\"")) {
            return Err(intake.broken(1, "the manifest of a MISP feed; name its folder instead"));
        }
    }
    Ok(any)
}

fn take(intake: &mut Intake<'_>, lines: &mut LineOf<'_>, event: &Event<'_>) -> Result<(), LoadError> {
    let objects = event.objects.iter().flatten().filter(|object| !is_true(object.deleted.as_ref()));
    let attributes =
        event.attributes.iter().flatten().chain(objects.flat_map(|o| o.attributes.iter().flatten()));
    for raw in attributes {
        let line = lines.part(raw.get());
        match serde_json::from_str::<Attribute<'_>>(raw.get()) {
            Ok(attribute) => attribute_of(intake, line, event, &attribute)?,
            Err(err) => intake.skip(line, Malformed::Format(format!("no MISP attribute: {err}"))),
        }
    }
    Ok(())
}

fn attribute_of(
    intake: &mut Intake<'_>,
    line: u32,
    event: &Event<'_>,
    attribute: &Attribute<'_>,
) -> Result<(), LoadError> {
    let wanted = is_true(attribute.to_ids.as_ref()) && !is_true(attribute.deleted.as_ref());
    let Some(parts) = typed(&attribute.kind, &attribute.value).filter(|_| wanted) else {
        intake.ignore();
        return Ok(());
    };
    let tags = || attribute.tags.iter().chain(&event.tags).flatten().map(|tag| &*tag.name);
    let comment = attribute.comment.as_deref().filter(|text| !text.trim().is_empty());
    let said = Said {
        description: comment.or(event.info.as_deref()),
        tags: tags().collect(),
        techniques: tags().filter(|tag| tag.contains("attack")).collect(),
        confidence: tags().find_map(confidence),
        expires: None,
        from: None,
    };
    for (form, value) in parts {
        intake.add(line, form, value, &said)?;
    }
    Ok(())
}

/// `misp:confidence-level="usually-confident"`, on the scale of that taxonomy.
fn confidence(tag: &str) -> Option<u8> {
    match tag.strip_prefix("misp:confidence-level=")?.trim_matches('"') {
        "completely-confident" => Some(100),
        "usually-confident" => Some(75),
        "fairly-confident" => Some(50),
        "rarely-confident" => Some(25),
        "unconfident" => Some(0),
        _ => None,
    }
}

/// Reads the events that a feed's manifest names; `each` takes a file.
pub(crate) fn folder(
    folder: &Path,
    each: &mut dyn FnMut(&Path) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let path = folder.join("manifest.json");
    let unreadable = |source| LoadError::Unreadable { path: path.clone(), source };
    let broken = |line: usize, why: String| LoadError::Broken {
        file: path.display().to_string(),
        line: u32::try_from(line).unwrap_or(u32::MAX).max(1),
        why,
    };
    let size = std::fs::metadata(&path).map_err(unreadable)?.len();
    if size > MAX_MANIFEST {
        return Err(broken(1, format!("a manifest of more than {} MiB", MAX_MANIFEST >> 20)));
    }
    let text = std::fs::read_to_string(&path).map_err(unreadable)?;
    let manifest: BTreeMap<String, Raw<'_>> = serde_json::from_str(&text)
        .map_err(|err| broken(err.line(), format!("no manifest of a MISP feed: {err}")))?;
    if manifest.len() > MAX_EVENTS {
        return Err(broken(1, format!("more than {MAX_EVENTS} events")));
    }
    let mut lines = LineOf::new(&text);
    for (uuid, raw) in &manifest {
        // The name of a file is made of it.
        if uuid.is_empty() || uuid.len() > 64 || !uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
            let line = lines.part(raw.get());
            return Err(broken(line as usize, "an event whose name is no UUID".into()));
        }
        each(&folder.join(format!("{uuid}.json")))?;
    }
    Ok(())
}
