//! A message taken apart into fields: queries, paths and single values, with what is encoded in them.

use super::charset::Charsets;
use super::encoding;
use super::structure;

/// Encodings taken off one after the other.
const MAX_DEPTH: usize = 4;
/// Fields of one query, path or list.
pub(super) const MAX_FIELDS: usize = 128;

/// A piece of the message that may tell something.
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

/// Takes a message apart; what it finds is in `groups`, those of blobs first, because somebody took the trouble to
/// hide them.
#[derive(Debug)]
pub(super) struct Splitter<'a> {
    pub charsets: &'a mut Charsets,
    pub groups: Vec<Group>,
}

/// Bytes that events show as "\xD6": the URI of a request is a text there.
pub(super) fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, more)) = rest.split_first() {
        let digits = rest.strip_prefix(b"\\x").and_then(|r| r.get(..2));
        let byte = digits
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u8::from_str_radix(d, 16).ok())
            .filter(|byte| !byte.is_ascii_graphic());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = &rest[4..];
            }
            None => {
                out.push(first);
                rest = more;
            }
        }
    }
    out
}

impl Splitter<'_> {
    /// A request's target.
    pub fn uri(&mut self, uri: &str) {
        let target = match uri.split_once("://") {
            Some((_, rest)) if !uri.starts_with('/') => &rest[rest.find('/').unwrap_or(rest.len())..],
            _ => uri,
        };
        let target = target.split('#').next().unwrap_or(target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if !query.is_empty() {
            self.query(&unescape(query), "query", &[]);
        }
        self.path(&unescape(path));
    }

    /// `k=v&k=v`, or all of it one blob.
    pub fn query(&mut self, query: &[u8], place: &str, outer: &[&'static str]) {
        // "=" may be padding only.
        let end = query.iter().rposition(|&b| b != b'=').map_or(0, |at| at + 1);
        if !query[..end].iter().any(|b| matches!(b, b'=' | b'&')) {
            return self.blob(query, place, outer);
        }
        let mut own = Vec::new();
        for pair in query.split(|b| matches!(b, b'&' | b';')).take(MAX_FIELDS) {
            let equals = pair.iter().position(|&b| b == b'=');
            let (key, raw) = equals.map_or((&[][..], pair), |at| (&pair[..at], &pair[at + 1..]));
            let key = encoding::percent(key, true).unwrap_or_else(|| key.to_vec());
            let key = String::from_utf8_lossy(&key).trim().to_owned();
            let name = if key.is_empty() { place.to_owned() } else { format!("{place} {key}") };
            self.value(&key, raw, &name, true, outer, &mut own);
        }
        self.follow_company(&mut own);
        self.groups.push(own);
    }

    fn blob(&mut self, bytes: &[u8], place: &str, outer: &[&'static str]) {
        let mut encodings = outer.to_vec();
        let plain = encoding::percent(bytes, false);
        encodings.extend(plain.is_some().then_some("percent"));
        let plain = plain.unwrap_or_else(|| bytes.to_vec());
        let Some((text, charset)) = self.charsets.text(&plain) else { return };
        if self.expand(&text, place, &encodings, 0) {
            return;
        }
        encodings.extend(charset);
        self.text(&text, place, &encodings);
    }

    fn path(&mut self, path: &[u8]) {
        let mut own = Vec::new();
        let segments = path.split(|&b| b == b'/').filter(|s| !s.is_empty());
        for (number, segment) in (1..).zip(segments).take(MAX_FIELDS) {
            for (i, piece) in segment.split(|&b| b == b';').enumerate() {
                let place = format!("path segment {number}");
                let equals = piece.iter().position(|&b| b == b'=');
                let (key, raw) = match equals.map(|at| (&piece[..at], &piece[at + 1..])) {
                    Some((key, value)) if value.iter().any(|&b| b != b'=') => (key, value),
                    _ => (&[][..], piece),
                };
                if i == 0 || !key.is_empty() {
                    self.value(&String::from_utf8_lossy(key), raw, &place, false, &[], &mut own);
                }
            }
        }
        self.follow_company(&mut own);
        self.groups.push(own);
    }

    /// "Ym9i" alone may be a name; beside values in base64 it is "bob".
    pub fn follow_company(&mut self, group: &mut Group) {
        if !group.iter().any(|field| field.encodings.contains(&"base64")) {
            return;
        }
        for field in group.iter_mut().filter(|field| field.encodings.is_empty()) {
            if let Some((value, charset)) = encoding::short_base64(&field.value, self.charsets) {
                field.value = value;
                field.encodings.push("base64");
                field.encodings.extend(charset);
            }
        }
    }

    /// A raw value: its plain field goes to `own`, what is hidden in it to groups of its own.
    pub fn value(
        &mut self,
        key: &str,
        raw: &[u8],
        place: &str,
        query: bool,
        outer: &[&'static str],
        own: &mut Group,
    ) {
        let mut bytes = raw.to_vec();
        let mut encodings = outer.to_vec();
        // Plus signs are spaces in queries, unless the value is base64.
        while let Some(decoded) =
            encoding::percent(&bytes, false).filter(|_| encodings.len() < outer.len() + 2)
        {
            bytes = decoded;
            encodings.push("percent");
        }
        let Some((value, charset)) = self.charsets.text(&bytes) else { return };
        if value.contains('\0') {
            return;
        }
        let field = |value: String, encodings: Vec<&'static str>| Field {
            key: key.to_ascii_lowercase(),
            value,
            place: place.to_owned(),
            encodings,
        };
        let before = self.groups.len();
        let bare = value.rsplit_once('.').map(|(stem, _)| stem.to_owned());
        if self.expand(&value, place, &encodings, 0)
            || (!query && bare.is_some_and(|stem| self.expand(&stem, place, &encodings, 0)))
        {
            // A blob that is just one value keeps its key and its company.
            if self.groups.len() == before + 1
                && self.groups[before].len() == 1
                && self.groups[before][0].key.is_empty()
                && let Some(Field { value, encodings, .. }) = self.groups.pop().and_then(|mut g| g.pop())
            {
                own.push(field(value, encodings));
            }
            return;
        }
        let spaced = if query { value.replace('+', " ") } else { value.clone() };
        if spaced != value && !encodings.contains(&"percent") {
            encodings.push("percent");
        }
        encodings.extend(charset);
        match structure::parts(&spaced, place, &encodings) {
            Some(group) => self.groups.push(group),
            None => own.push(field(spaced, encodings)),
        }
    }

    /// A decoded text: its parts, or all of it one value.
    pub fn text(&mut self, text: &str, place: &str, encodings: &[&'static str]) {
        let group = structure::parts(text, place, encodings).unwrap_or_else(|| {
            vec![Field {
                key: String::new(),
                value: text.to_owned(),
                place: place.to_owned(),
                encodings: encodings.to_vec(),
            }]
        });
        self.groups.push(group);
    }

    /// Takes base64 or hexadecimal off a text; true if there was some. What was inside becomes a group.
    pub fn expand(&mut self, text: &str, place: &str, encodings: &[&'static str], depth: usize) -> bool {
        if depth >= MAX_DEPTH || !text.is_ascii() {
            return false;
        }
        let decoded = encoding::hex(text, self.charsets)
            .map(|t| ("hex", t))
            .or_else(|| encoding::base64(text, self.charsets).map(|t| ("base64", t)));
        let Some((name, (mut inner, mut charset))) = decoded else { return false };
        let mut encodings = encodings.to_vec();
        encodings.push(name);
        if let Some(plain) = encoding::percent(inner.as_bytes(), false)
            && let Some((text, within)) = self.charsets.text(&plain)
        {
            inner = text;
            encodings.push("percent");
            charset = charset.or(within);
        }
        if !self.expand(&inner, place, &encodings, depth + 1) {
            encodings.extend(charset);
            self.text(&inner, place, &encodings);
        }
        true
    }
}
