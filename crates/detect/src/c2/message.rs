//! Messages that are not HTTP: what remote-access trojans send first over TCP, and bodies of their own making.
//!
//! Every family has its own separator, so none is asked for by name: the text is split at each separator it has, and
//! the reading that tells most is taken. Length prefixes and compression (Gh0st and its kin) come off before.

use std::io::Read;

use super::charset::Charsets;
use super::encoding;
use super::fields::{Field, Group, MAX_FIELDS, Splitter};
use super::{judge, structure};

/// Bytes of a message that are looked at.
pub(super) const MAX_MESSAGE: usize = 8 * 1024;
/// Bytes that a compressed message may have.
const MAX_INFLATED: u64 = 32 * 1024;
/// Where compressed data may begin: behind a magic word and two lengths.
const MAX_HEADER: usize = 32;
/// Lines that are tried as JSON.
const MAX_LINES: usize = 16;
/// Characters of a separator in angle brackets ("<Xwormmm>").
const MAX_TAG: usize = 24;
/// Shorter runs of text in binary data are chance.
const MIN_RUN: usize = 3;
/// A field that is there so often is part of the separator ("|'|'|", "|Hassan|").
const REPEATED: usize = 3;

const SEPARATORS: [char; 13] = ['|', '\t', '*', '#', '\n', ';', '~', '^', '$', '@', '&', '!', ','];

/// Takes a message apart into the groups that tell most.
pub(super) fn split(into: &mut Splitter<'_>, bytes: &[u8], place: &str) {
    let bytes = &bytes[..bytes.len().min(MAX_MESSAGE)];
    match inflate(bytes) {
        Some((name, plain)) => body(into, &plain, place, &[name]),
        None => body(into, unframed(bytes), place, &[]),
    }
}

fn body(into: &mut Splitter<'_>, bytes: &[u8], place: &str, outer: &[&'static str]) {
    let mut best: Option<(judge::Weight, Vec<Group>)> = None;
    let mut consider = |groups: Vec<Group>| {
        let weight = judge::weigh(&groups);
        if weight > judge::Weight::default() && best.as_ref().is_none_or(|(most, _)| weight > *most) {
            best = Some((weight, groups));
        }
    };
    let text = into.charsets.text(bytes).filter(|(text, _)| !text.trim().is_empty());
    if let Some((text, charset)) = &text {
        let mut encodings = outer.to_vec();
        encodings.extend(*charset);
        if text.trim_start().starts_with(['{', '[']) {
            if serde_json::from_str::<serde_json::Value>(text.trim()).is_ok() {
                consider(structure::parts(text, place, &encodings).into_iter().collect());
            } else {
                let lines = text.lines().take(MAX_LINES).filter(|l| l.trim_start().starts_with('{'));
                consider(lines.filter_map(|line| structure::parts(line, place, &encodings)).collect());
            }
        }
        for separator in separators(text) {
            let pieces: Vec<&str> = text.split(separator.as_str()).collect();
            if pieces.len() > 1 {
                consider(fields(into.charsets, &pieces, place, &encodings));
            }
        }
        if text.split_whitespace().count() == 1 {
            let piece = [text.trim()];
            consider(fields(into.charsets, &piece, place, &encodings));
        }
    }
    // Fields between NULs and other control characters, texts in a structure of C.
    let runs: Vec<String> = bytes
        .split(|&b| b < b' ' && b != b'\t')
        .filter(|run| run.len() >= MIN_RUN)
        .take(MAX_FIELDS)
        .filter_map(|run| into.charsets.text(run))
        .map(|(text, _)| text)
        .collect();
    if runs.len() > 1 || text.is_none() {
        let pieces: Vec<&str> = runs.iter().map(String::as_str).collect();
        let mut groups = fields(into.charsets, &pieces, place, outer);
        if let (Some(version), Some(own)) = (windows_version(bytes), groups.last_mut()) {
            own.push(Field {
                key: "os".to_owned(),
                value: version,
                place: format!("{place}, version structure"),
                encodings: outer.to_vec(),
            });
        }
        // In binary data any two words look like a list.
        if text.is_some() || judge::weigh(&groups).is_sure() {
            consider(groups);
        }
    }
    if let Some((_, groups)) = best {
        into.groups.extend(groups);
    }
}

/// The separators that a text has: tags in angle brackets first, then single characters.
fn separators(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(open) = text.find('<')
        && let Some(close) = text[open..].find('>')
        && (2..=MAX_TAG).contains(&close)
    {
        let tag = &text[open..=open + close];
        if text.matches(tag).count() > 1 {
            found.push(tag.to_owned());
        }
    }
    found.extend(SEPARATORS.iter().filter(|&&s| text.contains(s)).map(char::to_string));
    found
}

/// Fields of a list, what is encoded in them taken off; blobs with parts of their own become groups.
fn fields(charsets: &mut Charsets, pieces: &[&str], place: &str, encodings: &[&'static str]) -> Vec<Group> {
    let pieces = &pieces[..pieces.len().min(MAX_FIELDS)];
    let telling = |piece: &&str| {
        let piece = piece.trim();
        let repeated = || pieces.iter().filter(|p| p.trim() == piece).count() >= REPEATED;
        piece.chars().any(char::is_alphanumeric) && !repeated()
    };
    let list = structure::list(pieces.iter().copied().filter(telling), false, place, encodings);
    let mut splitter = Splitter { charsets, groups: Vec::new() };
    let mut own = Vec::new();
    for field in list {
        splitter.leaf(field, &mut own);
    }
    splitter.follow_company(&mut own);
    splitter.groups.push(own);
    splitter.groups
}

impl Splitter<'_> {
    /// A field of a list: one value, unless it is a blob with parts.
    fn leaf(&mut self, field: Field, own: &mut Group) {
        let before = self.groups.len();
        if field.value.len() >= encoding::MIN_BASE64
            && self.expand(&field.value, &field.place, &field.encodings, 0)
        {
            if self.groups.len() == before + 1
                && self.groups[before].len() == 1
                && let Some(inner) = self.groups.pop().and_then(|mut group| group.pop())
            {
                own.push(Field { value: inner.value, encodings: inner.encodings, ..field });
            }
            return;
        }
        own.push(field);
    }
}

/// zlib or gzip behind a short header ("Gh0st", length, length): its name, and what was in it.
fn inflate(bytes: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    for at in 0..bytes.len().saturating_sub(2).min(MAX_HEADER) {
        let (name, reader): (_, Box<dyn Read + '_>) = match bytes[at..] {
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
                ("zlib", Box::new(flate2::read::ZlibDecoder::new(&bytes[at..])))
            }
            [0x1f, 0x8b, 8, ..] => ("gzip", Box::new(flate2::read::GzDecoder::new(&bytes[at..]))),
            _ => continue,
        };
        let mut plain = Vec::new();
        // A message that was cut still tells what came.
        let _ = reader.take(MAX_INFLATED).read_to_end(&mut plain);
        if plain.len() >= MIN_RUN * 4 {
            return Some((name, plain));
        }
    }
    None
}

/// Without the length before it: in digits and a NUL (njRAT), in four bytes of either order, in two.
fn unframed(bytes: &[u8]) -> &[u8] {
    let digits = bytes.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
    if digits > 0 && bytes.get(digits) == Some(&0) {
        return &bytes[digits + 1..];
    }
    let fits = |said: u64, width: usize| {
        let rest = (bytes.len() - width) as u64;
        said == rest || said == bytes.len() as u64
    };
    if let Some((&length, rest)) = bytes.split_first_chunk::<4>()
        && (fits(u32::from_le_bytes(length).into(), 4) || fits(u32::from_be_bytes(length).into(), 4))
    {
        return rest;
    }
    if let Some((&length, rest)) = bytes.split_first_chunk::<2>()
        && (fits(u16::from_le_bytes(length).into(), 2) || fits(u16::from_be_bytes(length).into(), 2))
    {
        return rest;
    }
    bytes
}

/// Whether a message says its length and all of it is there.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    if let Some(end) = bytes.iter().take(8).position(|&b| b == 0)
        && end > 0
        && let Some(length) = std::str::from_utf8(&bytes[..end])
            .ok()
            .and_then(|d| d.parse::<usize>().ok())
            .filter(|&length| length > 0)
    {
        return bytes.len() - end > length;
    }
    unframed(bytes).len() < bytes.len()
        || (bytes.starts_with(b"{") && serde_json::from_slice::<serde_json::Value>(bytes).is_ok())
        || gh0st_length(bytes).is_some_and(|length| bytes.len() >= length)
}

/// The length of a whole message behind a magic word of five to eight letters.
fn gh0st_length(bytes: &[u8]) -> Option<usize> {
    (4..=8).find_map(|magic| {
        let word = bytes.get(..magic)?.iter().all(u8::is_ascii_graphic);
        let said = u32::from_le_bytes(bytes.get(magic..magic + 4)?.try_into().ok()?) as usize;
        let zlib = matches!(bytes.get(magic + 8..magic + 10), Some([0x78, 0x01 | 0x5e | 0x9c | 0xda]));
        (word && zlib).then_some(said)
    })
}

/// An OSVERSIONINFO of Windows in a structure: its size, then major, minor, build, and platform 2 (NT).
fn windows_version(bytes: &[u8]) -> Option<String> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    (0..MAX_HEADER).find_map(|at| {
        word(at).filter(|size| [0x94, 0x9c, 0x114, 0x11c].contains(size))?;
        let (major, minor, build, platform) = (word(at + 4)?, word(at + 8)?, word(at + 12)?, word(at + 16)?);
        let fits = (4..=11).contains(&major) && minor <= 4 && (1000..100_000).contains(&build);
        (fits && platform == 2).then(|| format!("Windows NT {major}.{minor}.{build}"))
    })
}
