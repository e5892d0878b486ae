//! One pass over a haystack: looks at a gram at every position, or every 2nd, 4th, 8th, and asks a filter that stays in the
//! cache; what the filter lets by is looked up and compared.

use crate::gram::{FOLD, Hash, word};
use crate::masks::Masks;
use crate::rarity::common_grams;
use crate::scan::Filter;
use crate::store::Store;
use crate::table::{Item, Table};

/// Bits of the filter for each gram in it, while it has not its full size.
const FILTER_BITS: usize = 64;
/// Multipliers that are tried: the one is taken by which the fewest common grams collide with those looked for.
const SEEDS: u64 = 8;

/// How a pass goes about it. A pattern is known by as many grams in a row as the stride is: one is met, wherever the
/// pattern begins. The last of them may lack its last byte, which then may be any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// Every which position is looked at: 1, 2, 4 or 8.
    pub(crate) stride: usize,
    /// Bytes of a gram, 2 to 8.
    pub(crate) gram: usize,
}

/// A pattern, and where in it the window of grams begins by which it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) pattern: u32,
    pub(crate) offset: u8,
}

#[derive(Debug)]
pub(crate) struct Pass {
    stride: usize,
    filter: Filter,
    hash: Hash,
    grams: Table,
    /// Of the grams whose last byte may be any: their hash and their table.
    open: Option<(Hash, Table)>,
    /// Bytes of a pattern from its first gram on, at most.
    reach: usize,
    /// Bytes of the shortest gram that tells something.
    least: usize,
}

/// The grams of a pass.
#[derive(Default)]
struct Grams {
    /// Whole ones, as 8 bytes of which the first count.
    whole: Vec<(u64, Known)>,
    /// Those that lack the last byte.
    open: Vec<(u64, Known)>,
    reach: usize,
}

impl Grams {
    fn new(way: Way, known: &[Known], store: &Store) -> Self {
        let mut grams = Self::default();
        for &Known { pattern, offset } in known {
            let Some(rest) = store.get(pattern).and_then(|bytes| bytes.get(usize::from(offset)..)) else {
                continue;
            };
            grams.reach = grams.reach.max(rest.len());
            for (bytes, offset) in (0..way.stride).filter_map(|i| rest.get(i..)).zip(offset..) {
                let to = if bytes.len() >= way.gram { &mut grams.whole } else { &mut grams.open };
                to.push((word(bytes), Known { pattern, offset }));
            }
        }
        grams
    }

    /// What the filter has to let by.
    fn fill(&self, gram: usize, hash: Hash, filter: &mut Filter) {
        for &(word, _) in &self.whole {
            filter.add(hash, word);
        }
        for &(word, _) in &self.open {
            for byte in (0..=u8::MAX).filter(|byte| byte & FOLD != 0) {
                filter.add(hash, word | u64::from(byte) << (8 * (gram - 1)));
            }
        }
    }
}

fn table(grams: &[(u64, Known)], hash: Hash) -> Table {
    let item =
        |&(word, Known { pattern, offset }): &(u64, Known)| Item { hash: hash.of(word), pattern, offset };
    Table::new(&grams.iter().map(item).collect::<Vec<_>>())
}

impl Pass {
    /// Of these patterns.
    pub(crate) fn new(way: Way, known: &[Known], store: &Store) -> Self {
        let grams = Grams::new(way, known, store);
        let bits = grams.whole.len() + 128 * grams.open.len();
        let mut filter = Filter::new(bits * FILTER_BITS);
        let mut best = (usize::MAX, Hash::new(way.gram));
        for seed in 0..SEEDS {
            let hash = Hash::seeded(way.gram, seed);
            filter.clear();
            grams.fill(way.gram, hash, &mut filter);
            let common = common_grams(way.gram).filter(|&word| filter.has(hash, word)).count();
            if common < best.0 {
                best = (common, hash);
            }
        }
        let hash = best.1;
        filter.clear();
        grams.fill(way.gram, hash, &mut filter);
        let short = Hash::new(way.gram - 1);
        let least = way.gram - usize::from(!grams.open.is_empty());
        if way.stride == 1 {
            let all: Vec<(u64, bool)> = grams
                .whole
                .iter()
                .chain(&grams.open)
                .map(|&(word, known)| (word, store.is_nocase(known.pattern)))
                .collect();
            filter.set_masks(Masks::new(&all, least, common_grams(way.gram)));
        }
        Self {
            stride: way.stride,
            filter,
            hash,
            least,
            open: (!grams.open.is_empty()).then(|| (short, table(&grams.open, short))),
            reach: grams.reach,
            grams: table(&grams.whole, hash),
        }
    }

    /// Calls `hit` for each occurrence that ends behind `from`.
    #[inline]
    pub(crate) fn find(&self, store: &Store, haystack: &[u8], from: usize, hit: &mut impl FnMut(u32, usize)) {
        let mut at = (from + 1).saturating_sub(self.reach);
        while let Some((found, gram)) = self.filter.next(self.stride, self.hash, haystack, at, self.least) {
            let open = self.open.iter().flat_map(|(hash, table)| table.get(hash.of(gram)));
            for entry in self.grams.get(self.hash.of(gram)).chain(open) {
                let Some(start) = found.checked_sub(entry.offset()) else { continue };
                if let Some(end) = store.ends(entry.pattern, haystack, start)
                    && end > from
                {
                    hit(entry.pattern, end);
                }
            }
            at = found + self.stride;
        }
    }

    /// Heap bytes.
    pub(crate) fn memory(&self) -> usize {
        self.filter.memory() + self.grams.memory() + self.open.as_ref().map_or(0, |(_, table)| table.memory())
    }
}
