//! From a key's hash to the slots of the slab: buckets of one cache line each.
//!
//! A bucket has room for ten entries: a 16-bit tag each, so that a slot is looked at only if it very
//! likely is the one, and the slot's number. An entry that finds its home bucket full goes to one of the
//! next few; `passed` counts the entries that went by a bucket, so that a search for an absent key ends
//! at the first bucket by which nobody went.

use super::huge;
use super::prefetch::prefetch_head;

/// Entries of a bucket: as many as a cache line holds.
const ENTRIES: usize = 10;
/// Entries that a bucket has when the table is full, on average.
const FULL_AT: usize = 8;
/// How many buckets from home an entry may lie. At eight entries in ten, one in a million needs more than 32 and
/// none more than this, as long as the hash is seeded: ten million flows in a full table came to 32. If it ever does
/// not do, a flow of the home bucket has to go.
const MAX_DISTANCE: usize = 128;

/// The seeded hash of a flow's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// Never 0, which marks a free entry. The home bucket is chosen by the high bits.
    fn tag(self) -> u16 {
        (self.0 as u16).max(1)
    }
}

#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u16; ENTRIES],
    /// Entries between whose home and place this bucket is, the home included.
    passed: u32,
    slots: [u32; ENTRIES],
}

const _: () = assert!(size_of::<Bucket>() == 64);

impl Bucket {
    /// The entries with this tag, as bits.
    #[inline]
    fn matches(&self, tag: u16) -> u32 {
        // Without a branch, so that the compiler compares them all at once.
        self.tags.iter().enumerate().fold(0, |bits, (i, &t)| bits | u32::from(t == tag) << i)
    }
}

/// The bits set in a mask, as indices.
fn ones(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (at < u32::BITS).then_some(at as usize)
    })
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Index {
    buckets: Vec<Bucket>,
}

impl Index {
    /// Bytes that an entry takes in a full table.
    pub(crate) const BYTES_PER_ENTRY: usize = size_of::<Bucket>() / FULL_AT;

    /// An index for `capacity` entries.
    pub(crate) fn new(capacity: u32) -> Self {
        let buckets = (capacity as usize).div_ceil(FULL_AT).max(1);
        let mut memory = huge::with_capacity(buckets);
        memory.resize(buckets, Bucket::default());
        Index { buckets: memory }
    }

    #[inline]
    fn home(&self, hash: KeyHash) -> usize {
        ((u128::from(hash.0) * self.buckets.len() as u128) >> 64) as usize
    }

    /// The buckets in which an entry may lie, from its home on.
    fn way(&self, hash: KeyHash) -> impl Iterator<Item = usize> + use<> {
        let (home, len) = (self.home(hash), self.buckets.len());
        (0..MAX_DISTANCE.min(len)).map(move |i| if home + i < len { home + i } else { home + i - len })
    }

    /// The slot with this hash for which `is_it` holds.
    #[inline]
    pub(crate) fn find(&self, hash: KeyHash, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        for at in self.way(hash) {
            let bucket = &self.buckets[at];
            for entry in ones(bucket.matches(hash.tag())) {
                if is_it(bucket.slots[entry]) {
                    return Some(bucket.slots[entry]);
                }
            }
            if bucket.passed == 0 {
                return None;
            }
        }
        None
    }

    /// Enters a slot. If there is no room near its home, the slot of another entry that has to go first.
    pub(crate) fn insert(&mut self, hash: KeyHash, slot: u32) -> Result<(), u32> {
        let place = self.way(hash).find_map(|at| {
            let entry = ones(self.buckets[at].matches(0)).next()?;
            Some((at, entry))
        });
        let Some((at, entry)) = place else { return Err(self.buckets[self.home(hash)].slots[0]) };
        for passed in self.way(hash).take_while(|&p| p != at) {
            self.buckets[passed].passed += 1;
        }
        self.buckets[at].tags[entry] = hash.tag();
        self.buckets[at].slots[entry] = slot;
        Ok(())
    }

    /// Removes the entry of a slot.
    pub(crate) fn remove(&mut self, hash: KeyHash, slot: u32) {
        let place = self.way(hash).find_map(|at| {
            let bucket = &self.buckets[at];
            let entry = ones(bucket.matches(hash.tag())).find(|&e| bucket.slots[e] == slot)?;
            Some((at, entry))
        });
        let Some((at, entry)) = place else { return };
        self.buckets[at].tags[entry] = 0;
        for passed in self.way(hash).take_while(|&p| p != at) {
            self.buckets[passed].passed -= 1;
        }
    }

    /// Asks for the home bucket.
    #[inline]
    pub(crate) fn prefetch(&self, hash: KeyHash) {
        prefetch_head(&self.buckets[self.home(hash)], size_of::<Bucket>());
    }

    /// Over all entries, how many buckets from home they lie.
    #[cfg(test)]
    pub(super) fn displaced(&self) -> u32 {
        self.buckets.iter().map(|bucket| bucket.passed).sum()
    }

    /// The slots in the home bucket that the tag does not rule out.
    #[inline]
    pub(crate) fn likely(&self, hash: KeyHash) -> impl Iterator<Item = u32> + '_ {
        let bucket = &self.buckets[self.home(hash)];
        ones(bucket.matches(hash.tag())).map(|entry| bucket.slots[entry])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash whose home is the first bucket.
    fn at_home(tag: u64) -> KeyHash {
        KeyHash(tag)
    }

    #[test]
    fn a_full_bucket_spills_into_the_next_and_takes_it_back() {
        let mut index = Index::new(64);
        for i in 0..25 {
            assert_eq!(index.insert(at_home(100 + i), i as u32), Ok(()));
        }
        assert_eq!((index.buckets[0].passed, index.buckets[1].passed, index.buckets[2].passed), (15, 5, 0));
        for i in 0..25 {
            assert_eq!(index.find(at_home(100 + i), |_| true), Some(i as u32));
        }
        assert_eq!(index.find(at_home(99), |_| true), None);
        for i in (0..25).rev() {
            index.remove(at_home(100 + i), i as u32);
        }
        assert!(index.buckets.iter().all(|b| b.passed == 0 && b.tags == [0; ENTRIES]));
    }

    #[test]
    fn no_search_is_longer_than_the_limit() {
        let mut index = Index::new(1 << 20);
        let fits = (MAX_DISTANCE * ENTRIES) as u32;
        for i in 0..fits {
            assert_eq!(index.insert(at_home(7), i), Ok(()));
        }
        let mut looked_at = 0;
        assert_eq!(index.insert(at_home(7), fits), Err(0), "one of the home bucket must go");
        let none = index.find(at_home(7), |_| {
            looked_at += 1;
            false
        });
        assert_eq!((none, looked_at), (None, fits));
        index.remove(at_home(7), 0);
        assert_eq!(index.insert(at_home(7), fits), Ok(()));
    }

    #[test]
    fn an_equal_tag_is_not_yet_an_equal_key() {
        let mut index = Index::new(10);
        for slot in [3, 4] {
            assert_eq!(index.insert(at_home(7), slot), Ok(()));
        }
        assert_eq!(index.find(at_home(7), |slot| slot == 4), Some(4));
        assert_eq!(index.likely(at_home(7)).collect::<Vec<_>>(), [3, 4]);
        index.remove(at_home(7), 3);
        assert_eq!(index.find(at_home(7), |slot| slot == 3), None);
    }
}
