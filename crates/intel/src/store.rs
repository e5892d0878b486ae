//! Keys and what belongs to them, ten million of them in some hundreds of megabytes.
//!
//! Records lie one behind the other in one arena: kind, then the key's length, line and attributes in as few bytes as
//! they need, then the key. An open-addressing table of 32-bit offsets finds them by hash, and before it stands a
//! [`Filter`] that answers for nearly all keys that are not there.

use crate::filter::{Filter, scale};
use crate::hash::KeyHasher;
use crate::kind::Kind;

/// The table is at most this full, in percent: about two looks for a key that is not there.
const MAX_FILL: usize = 75;
/// Bytes of a record before its key: the kind and three numbers.
const MAX_HEAD: usize = 1 + 3 * 5;
/// Slots of an empty table.
const MIN_SLOTS: usize = 16;

/// A record of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub kind: Kind,
    pub key: &'a [u8],
    /// Line in its list, from 1.
    pub line: u32,
    /// Number of its attributes.
    pub attributes: u32,
}

/// A record that was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'a> {
    pub record: Record<'a>,
    /// Its place in the table.
    pub slot: usize,
    pub hash: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    New,
    /// A record with this key is there already, and stays.
    Duplicate,
    /// Offsets are 32 bits wide: the arena ends at 4 GiB.
    Full,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Store {
    /// Offset 0 is nobody's, so that 0 in the table means "empty".
    arena: Vec<u8>,
    slots: Box<[u32]>,
    len: usize,
    filter: Filter,
    hasher: KeyHasher,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            arena: vec![0],
            slots: vec![0; MIN_SLOTS].into_boxed_slice(),
            len: 0,
            filter: Filter::default(),
            hasher: KeyHasher::default(),
        }
    }
}

impl Store {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of places in the table.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Bytes, all in.
    pub fn bytes(&self) -> usize {
        self.arena.capacity() + self.slots.len() * size_of::<u32>() + self.filter.bytes()
    }

    /// The same for every store of this process.
    #[inline]
    pub fn hash(&self, kind: Kind, key: &[u8]) -> u64 {
        self.hasher.hash(kind, key)
    }

    /// Whether nothing is listed that a name is, or lies below; often known by its last bytes alone.
    #[inline]
    pub fn surely_no_domain(&self, name: &[u8]) -> bool {
        self.hasher.last_two_labels(name).is_some_and(|hash| !self.may_hold(hash))
    }

    /// Whether there may be a record, or something below a domain, of that hash. Only after [`Store::seal`].
    #[inline]
    pub fn may_hold(&self, hash: u64) -> bool {
        self.filter.may_hold(hash)
    }

    /// The record of a key.
    pub fn find(&self, kind: Kind, key: &[u8]) -> Option<Found<'_>> {
        let hash = self.hash(kind, key);
        if !self.may_hold(hash) {
            return None;
        }
        self.find_hashed(hash, kind, key)
    }

    /// The same, of a key whose hash is known and that the filter does not deny.
    pub fn find_hashed(&self, hash: u64, kind: Kind, key: &[u8]) -> Option<Found<'_>> {
        let mut slot = scale(hash, self.slots.len());
        loop {
            let offset = *self.slots.get(slot)?;
            if offset == 0 {
                return None;
            }
            let (record, _) = self.record(offset)?;
            if record.kind == kind && record.key == key {
                return Some(Found { record, slot, hash });
            }
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
    }

    /// The record in a place of the table.
    pub fn at(&self, slot: usize) -> Option<Record<'_>> {
        let offset = *self.slots.get(slot)?;
        if offset == 0 { None } else { self.record(offset).map(|(record, _)| record) }
    }

    /// Adds a record.
    pub fn insert(&mut self, kind: Kind, key: &[u8], line: u32, attributes: u32) -> Inserted {
        let hash = self.hash(kind, key);
        if self.find_hashed(hash, kind, key).is_some() {
            return Inserted::Duplicate;
        }
        let end = self.arena.len().saturating_add(key.len()).saturating_add(MAX_HEAD);
        let (Ok(offset), Ok(_)) = (u32::try_from(self.arena.len()), u32::try_from(end)) else {
            return Inserted::Full;
        };
        if (self.len + 1) * 100 > self.slots.len() * MAX_FILL {
            self.rebuild(self.slots.len() * 2);
        }
        self.arena.push(kind as u8);
        for number in [u32::try_from(key.len()).unwrap_or(u32::MAX), line, attributes] {
            put_number(&mut self.arena, number);
        }
        self.arena.extend_from_slice(key);
        place(&mut self.slots, hash, offset);
        self.len += 1;
        Inserted::New
    }

    /// Everything is in: makes the table as small as it may be, and the filter.
    pub fn seal(&mut self) {
        self.arena.shrink_to_fit();
        let slots = (self.len * 100 / MAX_FILL + 1).max(MIN_SLOTS);
        // Suffixes of names that follow each other in a list are mostly the same.
        let mut keys = 0;
        self.each_filtered(&mut |_| keys += 1);
        let mut filter = Filter::for_keys(keys);
        self.each_filtered(&mut |hash| filter.add(hash));
        self.filter = filter;
        self.rebuild(slots);
    }

    /// The hashes that the filter must know: those of all records, and of all parents of domains, so that a look-up can
    /// begin at a name's end and stop where nothing is listed below.
    fn each_filtered(&self, each: &mut impl FnMut(u64)) {
        let mut last = 0;
        let mut offset = 1;
        while let Some((record, next)) = self.record(offset) {
            offset = next;
            each(self.hash(record.kind, record.key));
            if record.kind != Kind::Domain {
                continue;
            }
            let mut rest = record.key;
            while let Some(dot) = memchr::memchr(b'.', rest) {
                rest = rest.get(dot + 1..).unwrap_or_default();
                // A look-up begins with two labels.
                if !rest.contains(&b'.') {
                    break;
                }
                let hash = self.hash(Kind::Domain, rest);
                if hash == last {
                    break;
                }
                last = hash;
                each(hash);
            }
        }
    }

    /// Puts all records into a new table.
    fn rebuild(&mut self, slots: usize) {
        let mut table = vec![0; slots].into_boxed_slice();
        let mut offset = 1;
        while let Some((record, next)) = self.record(offset) {
            let hash = self.hash(record.kind, record.key);
            place(&mut table, hash, offset);
            offset = next;
        }
        self.slots = table;
    }

    /// The record at an offset, and where the next one begins.
    #[inline]
    fn record(&self, offset: u32) -> Option<(Record<'_>, u32)> {
        let rest = self.arena.get(offset as usize..)?;
        let (&kind, rest) = rest.split_first()?;
        let (len, rest) = number(rest)?;
        let (line, rest) = number(rest)?;
        let (attributes, rest) = number(rest)?;
        let (key, rest) = rest.split_at_checked(len as usize)?;
        let record = Record { kind: Kind::from_byte(kind)?, key, line, attributes };
        Some((record, u32::try_from(self.arena.len() - rest.len()).unwrap_or(u32::MAX)))
    }
}

/// Puts an offset into the first free slot.
fn place(slots: &mut [u32], hash: u64, offset: u32) {
    let mut slot = scale(hash, slots.len());
    while let Some(taken) = slots.get_mut(slot) {
        if *taken == 0 {
            *taken = offset;
            return;
        }
        slot = if slot + 1 == slots.len() { 0 } else { slot + 1 };
    }
}

/// Seven bits a byte, the lowest first (LEB128).
fn put_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0;
    for (place, &byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some((number, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_in_is_found_and_nothing_else(
            keys in proptest::collection::vec(("[a-c]{1,3}(\\.[a-c]{1,2}){0,4}", 0_u32.., 0_u32..), 0..200),
        ) {
            let mut store = Store::default();
            let mut model = std::collections::HashMap::new();
            for (key, line, attributes) in &keys {
                let new = store.insert(Kind::Domain, key.as_bytes(), *line, *attributes);
                let known = model.contains_key(key);
                assert_eq!(new, if known { Inserted::Duplicate } else { Inserted::New });
                model.entry(key.clone()).or_insert((*line, *attributes));
            }
            store.seal();
            assert_eq!(store.len(), model.len());
            for (key, said) in &model {
                let found = store.find(Kind::Domain, key.as_bytes()).expect("it was put in");
                assert_eq!((found.record.line, found.record.attributes), *said);
                assert_eq!(store.at(found.slot).map(|r| r.key), Some(key.as_bytes()));
                assert!(store.find(Kind::Url, key.as_bytes()).is_none());
                for (dot, _) in key.match_indices('.').filter(|&(dot, _)| key[dot + 1..].contains('.')) {
                    assert!(store.may_hold(store.hash(Kind::Domain, &key.as_bytes()[dot + 1..])), "{key}");
                }
            }
            assert!(store.find(Kind::Domain, b"d").is_none());
        }

        #[test]
        fn numbers_come_back(value: u32, behind: u8) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, value);
            bytes.push(behind);
            assert_eq!(number(&bytes), Some((value, &[behind][..])));
            assert_eq!(number(&bytes[..bytes.len() - 2]), None);
        }
    }
}
