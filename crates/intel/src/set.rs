//! The compiled set: compact, immutable, looked up without allocating.
//!
//! All texts lie in one arena; a table of 32-bit offsets finds them by hash. A name is looked up once
//! for each of its parents, from the whole name to its last two labels. Most names are in no list, so
//! each look-up first asks a bit map that is small enough to stay in the cache far longer than the
//! table: with a million indicators a miss costs little more than with a thousand.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::line::Indicator;

/// Bits of the filter per entry; one wrong "perhaps" in about 16 look-ups.
const FILTER_BITS_PER_ENTRY: usize = 16;
/// Labels of a name that are looked up; deeper names are cut on the left.
const MAX_PARENTS: usize = 32;
/// Longest request target that is compared; longer ones are in no list.
const MAX_KEY: usize = 4096;
/// Entries are written by trusted operators, so the hash need not be secret; a fixed seed keeps
/// look-ups reproducible.
const SEED: u64 = 0x5249_4e47_5741_5244;

/// An indicator that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// Number of the indicator within its set.
    pub id: u32,
    /// "domain", "ip" or "url".
    pub kind: &'static str,
    /// The indicator in its canonical form.
    pub indicator: &'a str,
    /// What its list says about it.
    pub description: Option<&'a str>,
    /// Its list.
    pub file: &'a str,
    /// Its line in the list, from 1.
    pub line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Domain,
    Ip,
    Url,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Domain => "domain",
            Kind::Ip => "ip",
            Kind::Url => "url",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its text begins in the arena.
    start: u32,
    len: u16,
    kind: Kind,
    file: u16,
    line: u32,
    /// Index of its description; [`NO_TEXT`] if it has none.
    description: u32,
}

const NO_TEXT: u32 = u32::MAX;

/// See the module's text.
#[derive(Debug)]
pub struct Indicators {
    arena: String,
    entries: Vec<Entry>,
    table: HashTable<u32>,
    filter: Box<[u64]>,
    descriptions: Vec<Box<str>>,
    files: Vec<Box<str>>,
    hasher: FixedState,
}

impl Default for Indicators {
    fn default() -> Self {
        Indicators {
            arena: String::new(),
            entries: Vec::new(),
            table: HashTable::new(),
            filter: Box::new([0]),
            descriptions: Vec::new(),
            files: Vec::new(),
            hasher: FixedState::with_seed(SEED),
        }
    }
}

impl Indicators {
    /// Number of indicators.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The listed domain that `name` is, or lies below; the most specific if there are several.
    #[must_use]
    pub fn domain(&self, name: &str) -> Option<Match<'_>> {
        let mut lower = [0_u8; 256];
        let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let mut rest: &[u8] = lower;
        for _ in 0..MAX_PARENTS {
            if let Some(found) = self.find(Kind::Domain, rest) {
                return Some(found);
            }
            let dot = rest.iter().position(|&b| b == b'.')?;
            rest = &rest[dot + 1..];
        }
        None
    }

    /// The listed address.
    #[must_use]
    pub fn ip(&self, ip: IpAddr) -> Option<Match<'_>> {
        let mut key = [0; 17];
        let len = ip_key(ip, &mut key);
        self.find_by(Kind::Ip, &key[..len], |text| text.parse() == Ok(ip.to_canonical()))
    }

    /// The listed URL: with its query if the list has one, whatever the query otherwise. `host` as in
    /// the request, lower case; `uri` in origin or absolute form.
    #[must_use]
    pub fn url(&self, host: &str, port: Option<u16>, uri: &str) -> Option<Match<'_>> {
        let target = match uri.split_once("://") {
            Some((_, rest)) if !uri.starts_with('/') => &rest[rest.find('/').unwrap_or(rest.len())..],
            _ => uri,
        };
        let target = target.split('#').next().unwrap_or(target);
        let path = target.split('?').next().unwrap_or(target);
        [target, path].into_iter().find_map(|target| {
            let mut key = [0_u8; MAX_KEY];
            let mut at = 0;
            let mut push = |bytes: &[u8]| -> Option<()> {
                key.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
                at += bytes.len();
                Some(())
            };
            push(host.as_bytes())?;
            if let Some(port) = port.filter(|p| !matches!(p, 80 | 443)) {
                let mut digits = [0; 6];
                push(decimal(port, &mut digits))?;
            }
            push(if target.is_empty() { b"/" } else { target.as_bytes() })?;
            self.find(Kind::Url, &key[..at])
        })
    }

    fn find(&self, kind: Kind, key: &[u8]) -> Option<Match<'_>> {
        self.find_by(kind, key, |text| text.as_bytes() == key)
    }

    fn find_by(&self, kind: Kind, key: &[u8], same: impl Fn(&str) -> bool) -> Option<Match<'_>> {
        let hash = self.hash(kind, key);
        let (word, bits) = self.filter_bits(hash);
        if self.filter[word] & bits != bits {
            return None;
        }
        let id = *self.table.find(hash, |&id| {
            let entry = &self.entries[id as usize];
            entry.kind == kind && same(self.text(entry))
        })?;
        let entry = &self.entries[id as usize];
        Some(Match {
            id,
            kind: kind.name(),
            indicator: self.text(entry),
            description: self.descriptions.get(entry.description as usize).map(AsRef::as_ref),
            file: self.files.get(usize::from(entry.file)).map_or("", AsRef::as_ref),
            line: entry.line,
        })
    }

    fn text(&self, entry: &Entry) -> &str {
        let start = entry.start as usize;
        self.arena.get(start..start + usize::from(entry.len)).unwrap_or("")
    }

    fn hash(&self, kind: Kind, key: &[u8]) -> u64 {
        self.hasher.hash_one((kind as u8, key))
    }

    /// Two bits in one word: one cache line a look-up.
    fn filter_bits(&self, hash: u64) -> (usize, u64) {
        let word = (hash >> 32) as usize & (self.filter.len() - 1);
        (word, 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }

    /// Adds an indicator; false if it is there already or does not fit.
    pub(crate) fn insert(
        &mut self,
        indicator: &Indicator,
        file: u16,
        line: u32,
        description: Option<u32>,
    ) -> bool {
        let mut bytes = [0; 17];
        let ip_text;
        let (kind, key, text): (Kind, &[u8], &str) = match indicator {
            Indicator::Domain(name) => (Kind::Domain, name.as_bytes(), name),
            Indicator::Url(url) => (Kind::Url, url.as_bytes(), url),
            Indicator::Ip(ip) => {
                ip_text = ip.to_string();
                let len = ip_key(*ip, &mut bytes);
                (Kind::Ip, &bytes[..len], &ip_text)
            }
        };
        let hash = self.hash(kind, key);
        let same = |id: &u32| {
            let entry = &self.entries[*id as usize];
            entry.kind == kind && self.text(entry) == text
        };
        let (Ok(start), Ok(len), Ok(id)) =
            (u32::try_from(self.arena.len()), u16::try_from(text.len()), u32::try_from(self.entries.len()))
        else {
            return false;
        };
        if self.table.find(hash, same).is_some() {
            return false;
        }
        self.arena.push_str(text);
        self.entries.push(Entry {
            start,
            len,
            kind,
            file,
            line,
            description: description.unwrap_or(NO_TEXT),
        });
        let (arena, entries, hasher) = (&self.arena, &self.entries, &self.hasher);
        self.table.insert_unique(hash, id, |&id| rehash(arena, &entries[id as usize], hasher));
        true
    }

    pub(crate) fn add_file(&mut self, name: &str) -> u16 {
        self.files.push(name.into());
        u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX)
    }

    pub(crate) fn add_description(&mut self, text: &str) -> u32 {
        self.descriptions.push(text.into());
        u32::try_from(self.descriptions.len() - 1).unwrap_or(NO_TEXT)
    }

    /// Builds the filter once everything is in.
    pub(crate) fn seal(&mut self) {
        let words = (self.entries.len() * FILTER_BITS_PER_ENTRY / 64).next_power_of_two().max(16);
        self.filter = vec![0; words].into_boxed_slice();
        for entry in &self.entries {
            let (word, bits) = self.filter_bits(rehash(&self.arena, entry, &self.hasher));
            self.filter[word] |= bits;
        }
        self.arena.shrink_to_fit();
        self.entries.shrink_to_fit();
    }
}

fn rehash(arena: &str, entry: &Entry, hasher: &FixedState) -> u64 {
    let start = entry.start as usize;
    let text = arena.get(start..start + usize::from(entry.len)).unwrap_or("");
    match (entry.kind, text.parse::<IpAddr>()) {
        (Kind::Ip, Ok(ip)) => {
            let mut key = [0; 17];
            let len = ip_key(ip, &mut key);
            hasher.hash_one((Kind::Ip as u8, &key[..len]))
        }
        (kind, _) => hasher.hash_one((kind as u8, text.as_bytes())),
    }
}

fn ip_key(ip: IpAddr, key: &mut [u8; 17]) -> usize {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            key[..4].copy_from_slice(&v4.octets());
            4
        }
        IpAddr::V6(v6) => {
            key[..16].copy_from_slice(&v6.octets());
            16
        }
    }
}

/// ":PORT" without allocating.
fn decimal(port: u16, out: &mut [u8; 6]) -> &[u8] {
    let mut at = out.len();
    let mut rest = port;
    loop {
        at -= 1;
        out[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    at -= 1;
    out[at] = b':';
    &out[at..]
}
