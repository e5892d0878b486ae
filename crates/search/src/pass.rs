//! One pass over a haystack: looks at a gram at every position, or every 2nd, 4th, 8th, and asks a filter that stays in the
//! cache; what the filter lets by is looked up and compared.

use crate::gram::{FOLD, Hash, LONGEST, word};
use crate::rarity::Rarity;
use crate::store::Store;
use crate::table::{Item, Table};

/// Bits of the filter for each gram in it, at least, while it has not its full size.
const FILTER_BITS: usize = 32;
/// Bits of a filter, as a power of two: the fewest (one kilobyte) and the most (128).
const FILTER_LOG: std::ops::RangeInclusive<u32> = 13..=20;
/// Counters of how often grams occur in the set, as a power of two, at most.
const SKETCH_LOG: u32 = 18;
/// Where in a pattern a gram may begin, at most.
const FURTHEST: usize = 240;
/// Positions looked at in a row, without asking how long the haystack is.
const BLOCK: usize = 16;
/// What a block reads: the gram at the last position may have 8 bytes.
const BLOCK_BYTES: usize = BLOCK + LONGEST;

/// How a pass goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// Every which position is looked at: 1, 2, 4 or 8.
    pub(crate) stride: usize,
    /// Bytes of a gram, 2 to 8.
    pub(crate) gram: usize,
}

impl Way {
    /// Bytes in which all of a pattern's grams are found, wherever the pattern begins: one for each of `stride` positions.
    pub(crate) fn window(self) -> usize {
        self.gram + self.stride - 1
    }

    /// The shortest pattern that can be found: it may lack a byte of its last gram, which then is any.
    pub(crate) fn shortest(self) -> usize {
        self.window() - 1
    }
}

#[derive(Debug)]
pub(crate) struct Pass {
    stride: usize,
    hash: Hash,
    /// Of the grams whose last byte is any.
    open_hash: Hash,
    filter: Box<[u64]>,
    /// The bits of a hash that choose the bit in the filter are those from here on.
    shift: u32,
    grams: Table,
    /// By all but the last byte.
    open: Option<Table>,
    /// Bytes of a pattern from its first gram on, at most.
    reach: usize,
    /// Bytes of the shortest gram that tells something.
    least: usize,
}

/// What a pass is made of, while it is being made.
struct Draft {
    way: Way,
    items: Vec<Item>,
    open: Vec<Item>,
    bits: Vec<u64>,
    reach: usize,
}

impl Draft {
    /// Adds a pattern by the grams in the window that begins at `offset`.
    fn add(&mut self, id: u32, pattern: &[u8], offset: usize) {
        let (hash, open_hash) = (Hash::new(self.way.gram), Hash::new(self.way.gram - 1));
        self.reach = self.reach.max(pattern.len() - offset.min(pattern.len()));
        for at in offset..offset + self.way.stride {
            let Some(rest) = pattern.get(at..) else { continue };
            let gram = word(rest);
            let place = at.min(usize::from(u8::MAX)) as u8;
            if rest.len() >= self.way.gram {
                let hash = hash.of(gram);
                self.items.push(Item { hash, pattern: id, offset: place });
                self.bits.push(hash);
            } else {
                self.open.push(Item { hash: open_hash.of(gram), pattern: id, offset: place });
                let missing = 8 * (self.way.gram - 1);
                let any = (0..=u8::MAX).filter(|byte| byte & FOLD != 0);
                self.bits.extend(any.map(|byte| hash.of(gram | u64::from(byte) << missing)));
            }
        }
    }
}

impl Pass {
    /// Of these patterns, none shorter than `way.shortest()`.
    pub(crate) fn new(way: Way, ids: &[u32], store: &Store) -> Self {
        let mut draft = Draft { way, items: Vec::new(), open: Vec::new(), bits: Vec::new(), reach: 0 };
        let chooser = Chooser::new(way, ids, store);
        for &id in ids {
            if let Some(pattern) = store.get(id) {
                draft.add(id, pattern, chooser.offset(pattern));
            }
        }
        let wanted = (draft.bits.len() * FILTER_BITS).next_power_of_two().trailing_zeros();
        let log = wanted.clamp(*FILTER_LOG.start(), *FILTER_LOG.end());
        let mut filter = vec![0_u64; 1 << (log - 6)];
        let shift = 64 - log;
        for hash in draft.bits {
            let bit = hash >> shift;
            if let Some(word) = filter.get_mut((bit >> 6) as usize) {
                *word |= 1 << (bit & 63);
            }
        }
        Self {
            stride: way.stride,
            hash: Hash::new(way.gram),
            open_hash: Hash::new(way.gram - 1),
            filter: filter.into(),
            shift,
            grams: Table::new(&draft.items),
            least: way.gram - usize::from(!draft.open.is_empty()),
            open: (!draft.open.is_empty()).then(|| Table::new(&draft.open)),
            reach: draft.reach,
        }
    }

    /// Calls `hit` for each occurrence that ends behind `from`.
    #[inline]
    pub(crate) fn find(&self, store: &Store, haystack: &[u8], from: usize, hit: &mut impl FnMut(u32, usize)) {
        match self.stride {
            1 => self.scan::<1>(store, haystack, from, hit),
            2 => self.scan::<2>(store, haystack, from, hit),
            4 => self.scan::<4>(store, haystack, from, hit),
            _ => self.scan::<8>(store, haystack, from, hit),
        }
    }

    fn scan<const STRIDE: usize>(
        &self,
        store: &Store,
        haystack: &[u8],
        from: usize,
        hit: &mut impl FnMut(u32, usize),
    ) {
        let mut at = (from + 1).saturating_sub(self.reach);
        while let Some(block) = haystack.get(at..).and_then(<[u8]>::first_chunk::<BLOCK_BYTES>) {
            self.block::<STRIDE>(block, at, store, haystack, from, hit);
            at += BLOCK;
        }
        while let Some(rest) = haystack.get(at..)
            && rest.len() >= self.least
        {
            let mut block = [0; BLOCK_BYTES];
            for (to, from) in block.iter_mut().zip(rest) {
                *to = *from;
            }
            self.block::<STRIDE>(&block, at, store, haystack, from, hit);
            at += BLOCK;
        }
    }

    #[inline(always)]
    fn block<const STRIDE: usize>(
        &self,
        block: &[u8; BLOCK_BYTES],
        at: usize,
        store: &Store,
        haystack: &[u8],
        from: usize,
        hit: &mut impl FnMut(u32, usize),
    ) {
        for i in (0..BLOCK).step_by(STRIDE) {
            let Some(bytes) = block.get(i..).and_then(<[u8]>::first_chunk) else { continue };
            let gram = u64::from_le_bytes(*bytes);
            let bit = self.hash.of(gram) >> self.shift;
            let word = self.filter.get((bit >> 6) as usize).copied().unwrap_or(0);
            if word >> (bit & 63) & 1 == 1 {
                self.look(gram, at + i, store, haystack, from, hit);
            }
        }
    }

    /// The filter has let the gram at `at` by: compares whatever pattern has it.
    #[cold]
    #[inline(never)]
    fn look(
        &self,
        gram: u64,
        at: usize,
        store: &Store,
        haystack: &[u8],
        from: usize,
        hit: &mut impl FnMut(u32, usize),
    ) {
        let open = self.open.iter().flat_map(|table| table.get(self.open_hash.of(gram)));
        for entry in self.grams.get(self.hash.of(gram)).chain(open) {
            let Some(start) = at.checked_sub(entry.offset()) else { continue };
            if let Some(end) = store.ends(entry.pattern, haystack, start)
                && end > from
            {
                hit(entry.pattern, end);
            }
        }
    }

    /// Heap bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(&*self.filter) + self.grams.memory() + self.open.as_ref().map_or(0, Table::memory)
    }
}

/// Chooses which grams of a pattern to look for.
struct Chooser {
    way: Way,
    hash: Hash,
    rarity: Rarity,
    /// How often each gram occurs in the set; grams share counters.
    sketch: Vec<u16>,
    shift: u32,
}

impl Chooser {
    fn new(way: Way, ids: &[u32], store: &Store) -> Self {
        let patterns = || ids.iter().filter_map(|&id| store.get(id));
        let total: usize = patterns().map(|pattern| pattern.len().min(FURTHEST)).sum();
        let log = (2 * total).next_power_of_two().trailing_zeros().clamp(1, SKETCH_LOG);
        let (hash, shift) = (Hash::new(way.gram), 64 - log);
        let mut sketch = vec![0_u16; 1 << log];
        for gram in patterns().flat_map(|pattern| pattern.windows(way.gram).take(FURTHEST)) {
            if let Some(count) = sketch.get_mut((hash.of(word(gram)) >> shift) as usize) {
                *count = count.saturating_add(1);
            }
        }
        Self { way, hash, rarity: Rarity::new(way.gram), sketch, shift }
    }

    /// Where in the pattern the window begins whose grams cost the least: are rare in traffic and in few patterns.
    fn offset(&self, pattern: &[u8]) -> usize {
        let costs: Vec<f32> =
            pattern.windows(self.way.gram).take(FURTHEST).map(|gram| self.cost(gram)).collect();
        let mut best = (f32::INFINITY, 0);
        for (offset, window) in costs.windows(self.way.stride).enumerate() {
            let cost = window.iter().sum();
            if cost < best.0 {
                best = (cost, offset);
            }
        }
        best.1
    }

    fn cost(&self, gram: &[u8]) -> f32 {
        let count = self.sketch.get((self.hash.of(word(gram)) >> self.shift) as usize).copied().unwrap_or(0);
        self.rarity.share(gram) * (1.0 + f32::from(count))
    }
}
