//! A URI taken apart into fields.

use super::encoding;

/// Encodings taken off one after the other.
const MAX_DEPTH: usize = 4;
/// Fields of one URI.
const MAX_FIELDS: usize = 128;

/// A piece of the URI that may tell something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its key, lower case; empty if it has none.
    pub key: String,
    /// Its value, decoded.
    pub value: String,
    /// Where it was.
    pub place: String,
    /// What was taken off, outermost first.
    pub encodings: Vec<&'static str>,
}

/// Fields that belong together: all of a query, all of a path, all of an encoded blob.
pub(super) type Group = Vec<Field>;

/// All groups of a URI; those in blobs come first, because somebody took the trouble to hide them.
pub(super) fn split(uri: &str) -> Vec<Group> {
    let target = match uri.split_once("://") {
        Some((_, rest)) if !uri.starts_with('/') => &rest[rest.find('/').unwrap_or(rest.len())..],
        _ => uri,
    };
    let target = target.split('#').next().unwrap_or(target);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut groups = Vec::new();
    if !query.is_empty() {
        take_query(query, &mut groups);
    }
    take_path(path, &mut groups);
    groups
}

fn take_query(query: &str, groups: &mut Vec<Group>) {
    // All of it one blob? "=" may be padding only.
    let body = query.trim_end_matches('=');
    if !body.contains(['=', '&']) {
        let text = encoding::percent(query, false);
        let encodings = if text.is_some() { vec!["percent"] } else { Vec::new() };
        let text = text.unwrap_or_else(|| query.to_owned());
        if expand(&text, "query", &encodings, 0, groups) {
            return;
        }
        groups.push(structure(&text, "query", &encodings).unwrap_or_else(|| {
            vec![Field {
                key: String::new(),
                value: text.clone(),
                place: "query".into(),
                encodings: encodings.clone(),
            }]
        }));
        return;
    }
    let mut own = Vec::new();
    for pair in query.split(['&', ';']).take(MAX_FIELDS) {
        let (key, raw) = pair.split_once('=').unwrap_or(("", pair));
        let key = encoding::percent(key, true).unwrap_or_else(|| key.to_owned());
        let place = if key.is_empty() { "query".to_owned() } else { format!("query {key}") };
        take_value(&key, raw, &place, true, &mut own, groups);
    }
    follow_company(&mut own);
    groups.push(own);
}

fn take_path(path: &str, groups: &mut Vec<Group>) {
    let mut own = Vec::new();
    let segments = path.split('/').filter(|s| !s.is_empty());
    for (number, segment) in (1..).zip(segments).take(MAX_FIELDS) {
        for (i, piece) in segment.split(';').enumerate() {
            let place = format!("path segment {number}");
            let (key, raw) = match piece.split_once('=') {
                Some((key, value)) if !value.trim_matches('=').is_empty() => (key, value),
                _ => ("", piece),
            };
            if i == 0 || !key.is_empty() {
                take_value(key, raw, &place, false, &mut own, groups);
            }
        }
    }
    follow_company(&mut own);
    groups.push(own);
}

/// "Ym9i" alone may be a name; beside values in base64 it is "bob".
fn follow_company(group: &mut Group) {
    if !group.iter().any(|field| field.encodings.contains(&"base64")) {
        return;
    }
    for field in group.iter_mut().filter(|field| field.encodings.is_empty()) {
        if let Some(value) = encoding::short_base64(&field.value) {
            field.value = value;
            field.encodings.push("base64");
        }
    }
}

/// A raw value: its plain field goes to `own`, what is hidden in it to groups of its own.
fn take_value(key: &str, raw: &str, place: &str, query: bool, own: &mut Group, groups: &mut Vec<Group>) {
    let mut value = raw.to_owned();
    let mut encodings = Vec::new();
    // Plus signs are spaces in queries, unless the value is base64.
    while let Some(decoded) = encoding::percent(&value, false).filter(|_| encodings.len() < 2) {
        value = decoded;
        encodings.push("percent");
    }
    let field = |value: String, encodings: Vec<&'static str>| Field {
        key: key.to_ascii_lowercase(),
        value,
        place: place.to_owned(),
        encodings,
    };
    let before = groups.len();
    let bare = value.rsplit_once('.').map(|(stem, _)| stem.to_owned());
    if expand(&value, place, &encodings, 0, groups)
        || (!query && bare.is_some_and(|stem| expand(&stem, place, &encodings, 0, groups)))
    {
        // A blob that is just one value keeps its key and its company.
        if groups.len() == before + 1
            && groups[before].len() == 1
            && groups[before][0].key.is_empty()
            && let Some(Field { value, encodings, .. }) = groups.pop().and_then(|mut g| g.pop())
        {
            own.push(field(value, encodings));
        }
        return;
    }
    let spaced = if query { value.replace('+', " ") } else { value.clone() };
    if spaced != value && !encodings.contains(&"percent") {
        encodings.push("percent");
    }
    match structure(&spaced, place, &encodings) {
        Some(group) => groups.push(group),
        None => own.push(field(spaced, encodings)),
    }
}

/// Takes base64 or hexadecimal off a text; true if there was some. What was inside becomes a group.
fn expand(
    text: &str,
    place: &str,
    encodings: &[&'static str],
    depth: usize,
    groups: &mut Vec<Group>,
) -> bool {
    if depth >= MAX_DEPTH {
        return false;
    }
    let decoded =
        encoding::hex(text).map(|t| ("hex", t)).or_else(|| encoding::base64(text).map(|t| ("base64", t)));
    let Some((name, inner)) = decoded else { return false };
    let mut encodings = encodings.to_vec();
    encodings.push(name);
    let mut inner = inner;
    if let Some(plain) = encoding::percent(&inner, false) {
        inner = plain;
        encodings.push("percent");
    }
    if !expand(&inner, place, &encodings, depth + 1, groups) {
        let group = structure(&inner, place, &encodings).unwrap_or_else(|| {
            vec![Field {
                key: String::new(),
                value: inner.clone(),
                place: place.to_owned(),
                encodings: encodings.clone(),
            }]
        });
        groups.push(group);
    }
    true
}

/// A text with parts: JSON, `k=v&k=v`, `k:v;k:v`, `a|b|c`. `None` if it is one value.
fn structure(text: &str, place: &str, encodings: &[&'static str]) -> Option<Group> {
    let text = text.trim();
    let json = text.starts_with(['{', '[']) && text.ends_with(['}', ']']) && text.len() > 2;
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
    let keyed = |part: &str| -> Option<(String, String)> {
        let at = part.find(|c| if json { c == ':' } else { c == '=' || c == ':' })?;
        let trim = |s: &str| s.trim().trim_matches(['"', '\'']).to_owned();
        let (key, value) = (trim(&part[..at]), trim(&part[at + 1..]));
        let fits = (1..=32).contains(&key.len())
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
        (fits && !value.is_empty() && !value.starts_with("//")).then_some((key, value))
    };
    if parts.len() == 1 {
        keyed(inner)?;
    }
    let fields = parts.into_iter().take(MAX_FIELDS).filter(|p| !p.trim().is_empty());
    let group: Group = (1..)
        .zip(fields)
        .map(|(number, part)| {
            let (key, value) = keyed(part)
                .unwrap_or_else(|| (String::new(), part.trim().trim_matches(['"', '\'']).to_owned()));
            let name = if key.is_empty() { number.to_string() } else { key.clone() };
            let value = encoding::percent(&value, true).unwrap_or(value);
            Field {
                key: key.to_ascii_lowercase(),
                value,
                place: format!("{place}, field {name}"),
                encodings: encodings.to_vec(),
            }
        })
        .collect();
    (!group.is_empty()).then_some(group)
}
