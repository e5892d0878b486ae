//! `dataset` and `datarep`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::fault::{Done, Fault, unsupported, wrong};
use crate::number;
use crate::options::unquoted;
use crate::test::{Dataset, DatasetOp, Test};

use super::Builder;
use super::files::{beside, hexadecimal, list};

/// Bytes of a file with a set's entries or a list of hashes.
pub const MAX_SET_FILE: u64 = 512 << 20;
/// Entries of a set.
pub const MAX_SET_ENTRIES: u32 = 1 << 23;
/// Characters of a set's name.
const MAX_NAME: usize = 63;

/// Entries with their reputation.
type Entries = Arc<[(Vec<u8>, u16)]>;

/// Sets that rules named, with their kind.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    known: HashMap<String, (Arc<str>, Entries)>,
}

impl Builder<'_> {
    pub(super) fn dataset(&mut self, value: &str) -> Done {
        let mut words = unquoted(value).split(',').map(str::trim);
        let op = match words.next().unwrap_or("") {
            "isset" => DatasetOp::IsSet,
            "isnotset" => DatasetOp::IsNotSet,
            "set" => DatasetOp::Set,
            "unset" => DatasetOp::Unset,
            other => return Err(wrong(format!("{other:?} is no operation"))),
        };
        let name = words.next().unwrap_or("");
        let set = self.set(name, words, false)?;
        self.push(Test::Dataset(Dataset { op, ..set }))?;
        Ok(())
    }

    pub(super) fn datarep(&mut self, value: &str) -> Done {
        let mut words = unquoted(value).split(',').map(str::trim);
        let (Some(name), Some(op), Some(score)) = (words.next(), words.next(), words.next()) else {
            return Err(wrong("expected name,operator,score"));
        };
        if !matches!(op, "<" | ">" | "==" | "=") {
            return Err(wrong(format!("{op:?} is no operator")));
        }
        let test = number::test(&[op.get(..1).unwrap_or(op), score].concat(), 0xffff)?;
        let set = self.set(name, words, true)?;
        self.push(Test::Dataset(Dataset { reputation: Some(test), ..set }))?;
        Ok(())
    }

    fn set<'v>(
        &mut self,
        name: &str,
        words: impl Iterator<Item = &'v str>,
        scored: bool,
    ) -> Result<Dataset, Fault> {
        if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_whitespace) {
            return Err(wrong(format!("{name:?} is not a name")));
        }
        let (mut kind, mut load) = (None, None);
        for word in words {
            let (option, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            let value = value.trim();
            match option {
                "type" => {
                    kind = Some(match value {
                        "string" | "md5" | "sha256" | "ipv4" => value,
                        "ip" | "ipv6" => "ip",
                        _ => return Err(wrong(format!("there is no type {value}"))),
                    });
                }
                "load" => load = Some(beside(&self.cx.directory, value)?),
                // What was put in while running is not written back: it is of the sensor's own time.
                "state" | "save" => {
                    if value.split('/').any(|part| part == "..") || value.starts_with('/') {
                        return Err(wrong("a set is kept beside the rules"));
                    }
                    let path = beside(&self.cx.directory, value)?;
                    if option == "state" && path.exists() {
                        load = Some(path);
                    }
                }
                // Memory is bounded by the number of entries.
                "memcap" | "hashsize" => {}
                "format" if value == "csv" => {}
                "format" | "context_key" | "value_key" | "array_key" | "remove_key" | "match" => {
                    return Err(unsupported(format!("{option}: sets with a context")));
                }
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        let (kind, entries) = match (self.cx.sets.known.get(name), kind) {
            (Some((known, _)), Some(kind)) if **known != *kind => {
                return Err(wrong(format!("the set {name} is of type {known}")));
            }
            (Some((known, entries)), _) => (known.clone(), entries.clone()),
            (None, None) => return Err(wrong(format!("the type of the set {name} is not known"))),
            (None, Some(kind)) => {
                let entries = match load {
                    Some(path) => entries(&path, kind, scored)?,
                    None => Arc::default(),
                };
                let kind: Arc<str> = kind.into();
                self.cx.sets.known.insert(name.to_owned(), (kind.clone(), entries.clone()));
                (kind, entries)
            }
        };
        let name = self.cx.text(name);
        Ok(Dataset { name, op: DatasetOp::IsSet, kind, entries, reputation: None, limit: MAX_SET_ENTRIES })
    }
}

fn entries(path: &Path, kind: &str, scored: bool) -> Result<Entries, Fault> {
    let mut entries = Vec::new();
    for (line, text) in (1_u32..).zip(list(path)?.lines()) {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let bad = || wrong(format!("{}:{line}: {text:?} is no entry of type {kind}", path.display()));
        let (value, score) = match text.rsplit_once(',') {
            Some((value, score)) => (value.trim(), number::small::<u16>(score).map_err(|_| bad())?),
            None if scored => return Err(bad()),
            None => (text, 0),
        };
        entries.push((entry(value, kind).ok_or_else(bad)?, score));
        if entries.len() > MAX_SET_ENTRIES as usize {
            return Err(wrong(format!("{}: more than {MAX_SET_ENTRIES} entries", path.display())));
        }
    }
    Ok(entries.into())
}

/// An entry as the bytes that are looked up.
fn entry(text: &str, kind: &str) -> Option<Vec<u8>> {
    match kind {
        "string" => STANDARD.decode(text).ok(),
        "md5" => hexadecimal(text).filter(|h| h.len() == 16),
        "sha256" => hexadecimal(text).filter(|h| h.len() == 32),
        "ipv4" => text.parse::<Ipv4Addr>().ok().map(|ip| ip.octets().to_vec()),
        _ => text.parse::<IpAddr>().ok().map(|ip| match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        }),
    }
}
