//! A text with parts: JSON, `k=v&k=v`, `k:v;k:v`, `a|b|c`.

use serde_json::Value;

use super::encoding;
use super::fields::{Field, Group, MAX_FIELDS};

/// Objects and lists of JSON within one another.
const MAX_NESTED: usize = 8;

/// The parts of a text. `None` if it is one value.
pub(super) fn parts(text: &str, place: &str, encodings: &[&'static str]) -> Option<Group> {
    let text = text.trim();
    let json = text.starts_with(['{', '[']) && text.ends_with(['}', ']']) && text.len() > 2;
    if json && let Ok(value) = serde_json::from_str(text) {
        let mut group = Vec::new();
        flatten(&value, "", &Origin { place, encodings }, 0, &mut group);
        return (!group.is_empty()).then_some(group);
    }
    let inner = if json { text.get(1..text.len() - 1)? } else { text };
    let separators: &[char] = if json { &[','] } else { &['&', '|', ';', '\t', '\n', '~', ','] };
    let separator = separators.iter().copied().find(|&s| inner.contains(s));
    // "a:b:c": colons part values here, not keys from values.
    let colons =
        !json && separator.is_none() && !inner.contains(['=', '/']) && inner.matches(':').count() >= 2;
    let separator = if colons { Some(':') } else { separator };
    let parts: Vec<&str> = match separator {
        Some(separator) => inner.split(separator).collect(),
        None => vec![inner],
    };
    if parts.len() == 1 {
        keyed(inner, json)?;
    }
    let group = list(parts.into_iter(), json, place, encodings);
    (!group.is_empty()).then_some(group)
}

/// Fields with and without keys.
pub(super) fn list<'a>(
    parts: impl Iterator<Item = &'a str>,
    json: bool,
    place: &str,
    encodings: &[&'static str],
) -> Group {
    let fields = parts.take(MAX_FIELDS).filter(|p| !p.trim().is_empty());
    (1..)
        .zip(fields)
        .map(|(number, part)| {
            let (key, value) = keyed(part, json)
                .unwrap_or_else(|| (String::new(), part.trim().trim_matches(['"', '\'']).to_owned()));
            let name = if key.is_empty() { number.to_string() } else { key.clone() };
            let plain = encoding::percent(value.as_bytes(), true).and_then(|v| String::from_utf8(v).ok());
            Field {
                key: key.to_ascii_lowercase(),
                value: plain.unwrap_or(value),
                place: format!("{place}, field {name}"),
                encodings: encodings.to_vec(),
            }
        })
        .collect()
}

/// "host=PC-7", "host: PC-7".
fn keyed(part: &str, json: bool) -> Option<(String, String)> {
    let at = part.find(|c| if json { c == ':' } else { c == '=' || c == ':' })?;
    let trim = |s: &str| s.trim().trim_matches(['"', '\'']).to_owned();
    let (key, value) = (trim(&part[..at]), trim(&part[at + 1..]));
    let fits = (1..=32).contains(&key.len())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    (fits && !value.is_empty() && !value.starts_with("//")).then_some((key, value))
}

struct Origin<'a> {
    place: &'a str,
    encodings: &'a [&'static str],
}

/// Strings and numbers of a JSON document, however deep.
fn flatten(value: &Value, key: &str, origin: &Origin<'_>, depth: usize, group: &mut Group) {
    if depth > MAX_NESTED || group.len() >= MAX_FIELDS {
        return;
    }
    let mut push = |value: String| {
        let name = if key.is_empty() { (group.len() + 1).to_string() } else { key.to_owned() };
        group.push(Field {
            key: key.to_ascii_lowercase(),
            value,
            place: format!("{}, field {name}", origin.place),
            encodings: origin.encodings.to_vec(),
        });
    };
    match value {
        Value::String(text) if !text.trim().is_empty() => push(text.trim().to_owned()),
        Value::Number(number) => push(number.to_string()),
        Value::Array(values) => {
            for value in values {
                flatten(value, "", origin, depth + 1, group);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                flatten(value, key, origin, depth + 1, group);
            }
        }
        _ => {}
    }
}
