//! Decides in how many passes a set is looked for, which patterns each looks for, and by which of their grams.

use crate::gram::{Hash, LONGEST, word};
use crate::pass::{Known, Way};
use crate::rarity::Rarity;
use crate::scan::MOST_BITS;
use crate::store::Store;

/// What looking at a position costs, in nanoseconds on the machine of docs/search.md. Only relations matter.
const LOOK_NS: f32 = 0.75;
/// What a gram costs that only the first filter lets by.
const FALSE_NS: f32 = 8.0;
/// What a gram costs that some pattern has.
const PASS_NS: f32 = 25.0;
/// What each pattern costs then that has the gram.
const COMPARE_NS: f32 = 5.0;
/// What a pass costs by byte of a haystack, however few positions it looks at: 6 ns for 100 bytes.
const FIXED_NS: f32 = 0.06;
/// The share of grams that the first filter lets by though nothing has them.
const FALSE_SHARE: f32 = 0.015;
/// Where in a pattern its window of grams may begin, at most; an entry of a table has 8 bits for a place in it.
const FURTHEST: usize = 240;
/// Counters of how often grams occur in the set, as a power of two, at most.
const SKETCH_LOG: u32 = 18;
/// Ways to look: strides and lengths of grams.
const STRIDES: [usize; 4] = [1, 2, 4, 8];
const WAYS: usize = STRIDES.len() * (LONGEST - 1);
/// Passes of a set, at most.
const MOST_PASSES: usize = 4;

/// A pass to make.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) way: Way,
    pub(crate) known: Vec<Known>,
}

/// What it costs by byte of a haystack to look for a pattern in each way, and where its window of grams begins then.
#[derive(Clone, Copy)]
struct Costs {
    nanos: [f32; WAYS],
    offsets: [u8; WAYS],
}

/// All ways; the index tells them.
fn ways() -> impl Iterator<Item = Way> {
    (2..=LONGEST).flat_map(|gram| STRIDES.into_iter().map(move |stride| Way { stride, gram }))
}

/// What a way costs before it is looked for anything.
fn base(way: Way) -> f32 {
    FIXED_NS + (LOOK_NS + FALSE_SHARE * FALSE_NS) / way.stride as f32
}

/// Divides these patterns, none empty, among passes so that the whole costs little.
pub(crate) fn plan(ids: &[u32], store: &Store) -> Vec<Planned> {
    let costs = costs(ids, store);
    let bases: Vec<f32> = ways().map(base).collect();
    let of = |way: usize| bases.get(way).copied().unwrap_or(f32::INFINITY);
    let together = |chosen: &[usize]| -> f32 {
        let at_best = |costs: &Costs| {
            chosen.iter().filter_map(|&way| costs.nanos.get(way)).copied().fold(f32::INFINITY, f32::min)
        };
        chosen.iter().map(|&way| of(way)).sum::<f32>() + costs.iter().map(at_best).sum::<f32>()
    };
    // The best one or two by trying all, then more as long as they help.
    let mut best = (f32::INFINITY, Vec::new());
    let mut consider = |chosen: Vec<usize>| {
        let cost = together(&chosen);
        let better = cost < best.0 || best.1.is_empty();
        if better {
            best = (cost, chosen);
        }
        better.then(|| best.1.clone())
    };
    let mut chosen = Vec::new();
    for one in 0..WAYS {
        for two in one..WAYS {
            let pair = if one == two { vec![one] } else { vec![one, two] };
            chosen = consider(pair).unwrap_or(chosen);
        }
    }
    while chosen.len() < MOST_PASSES {
        let before = chosen.clone();
        for more in 0..WAYS {
            let mut with = before.clone();
            with.push(more);
            chosen = consider(with).unwrap_or(chosen);
        }
        if chosen == before {
            break;
        }
    }
    divide(ids, &costs, &chosen)
}

/// Each pattern to the way that costs the least for it.
fn divide(ids: &[u32], costs: &[Costs], chosen: &[usize]) -> Vec<Planned> {
    let mut planned: Vec<Planned> = ways().map(|way| Planned { way, known: Vec::new() }).collect();
    for (&pattern, costs) in ids.iter().zip(costs) {
        let cost = |way: usize| costs.nanos.get(way).copied().unwrap_or(f32::INFINITY);
        let Some(&way) = chosen.iter().min_by(|&&a, &&b| cost(a).total_cmp(&cost(b))) else { continue };
        if let (Some(planned), Some(&offset)) = (planned.get_mut(way), costs.offsets.get(way)) {
            planned.known.push(Known { pattern, offset });
        }
    }
    planned.retain(|planned| !planned.known.is_empty());
    planned
}

fn costs(ids: &[u32], store: &Store) -> Vec<Costs> {
    let mut all = vec![Costs { nanos: [f32::INFINITY; WAYS], offsets: [0; WAYS] }; ids.len()];
    for (gram, first) in (2..=LONGEST).zip((0..).step_by(STRIDES.len())) {
        let estimate = Estimate::new(gram, ids, store);
        for (&id, costs) in ids.iter().zip(&mut all) {
            let grams = estimate.grams(store.get(id).unwrap_or_default());
            for (way, stride) in (first..).zip(STRIDES) {
                if let (Some((nanos, offset)), Some(to), Some(place)) =
                    (cheapest(&grams, stride), costs.nanos.get_mut(way), costs.offsets.get_mut(way))
                {
                    (*to, *place) = (nanos, offset);
                }
            }
        }
    }
    all
}

/// The window of `stride` grams that costs the least, by byte of a haystack, and where it begins.
fn cheapest(grams: &[f32], stride: usize) -> Option<(f32, u8)> {
    let windows = grams.windows(stride).map(|window| window.iter().sum::<f32>());
    let (cost, offset) = windows.zip(0_u8..).min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some((cost / stride as f32, offset))
}

/// Estimates what grams of one length cost.
struct Estimate {
    gram: usize,
    rarity: Rarity,
    /// Of grams that lack their last byte.
    open: Rarity,
    hash: Hash,
    /// How often each gram occurs in the set; grams share counters.
    sketch: Vec<u16>,
    shift: u32,
}

impl Estimate {
    fn new(gram: usize, ids: &[u32], store: &Store) -> Self {
        let patterns = || ids.iter().filter_map(|&id| store.get(id));
        let total: usize = patterns().map(|pattern| pattern.len().min(FURTHEST)).sum();
        let log = (2 * total).next_power_of_two().trailing_zeros().clamp(1, SKETCH_LOG);
        let (hash, shift) = (Hash::new(gram), 64 - log);
        let mut sketch = vec![0_u16; 1 << log];
        for gram in patterns().flat_map(|pattern| pattern.windows(gram).take(FURTHEST)) {
            if let Some(count) = sketch.get_mut((hash.of(word(gram)) >> shift) as usize) {
                *count = count.saturating_add(1);
            }
        }
        Self { gram, rarity: Rarity::new(gram), open: Rarity::new(gram - 1), hash, sketch, shift }
    }

    /// What each gram of a pattern costs, by position looked at: how often it is met times what is done then, and the bit
    /// that it takes of a filter of the largest size. The last lacks a byte if the pattern is short.
    fn grams(&self, pattern: &[u8]) -> Vec<f32> {
        let bit = FALSE_NS / MOST_BITS as f32;
        let grams = pattern.windows(self.gram).take(FURTHEST);
        let whole = grams.map(|gram| {
            let count =
                self.sketch.get((self.hash.of(word(gram)) >> self.shift) as usize).copied().unwrap_or(0);
            bit + self.rarity.share(gram) * (PASS_NS + COMPARE_NS * f32::from(count))
        });
        let mut costs: Vec<f32> = whole.collect();
        let begun = pattern.len().checked_sub(self.gram - 1).and_then(|at| pattern.get(at..));
        if let Some(begun) = begun
            && pattern.len() < FURTHEST
        {
            costs.push(128.0 * bit + self.open.share(begun) * (PASS_NS + COMPARE_NS));
        }
        costs
    }
}
