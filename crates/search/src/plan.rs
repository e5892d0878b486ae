//! Decides in how many passes a set is looked for, and how: by the lengths of its patterns.

use crate::gram::LONGEST;
use crate::pass::Way;

/// Lengths from here on are one.
const LONG: usize = 24;
/// What a position that is looked at costs, in nanoseconds on the machine of docs/search.md. Only relations matter.
const LOOK_NS: f64 = 0.45;
/// What a gram that the filter lets by costs.
const PASS_NS: f64 = 8.0;
/// What a pass costs by byte of a haystack, however few positions it looks at: 5 ns for 100 bytes.
const FIXED_NS: f64 = 0.05;
/// The most bits of a filter, as [`crate::pass`] has it, and the grams for each.
const FILTER: f64 = (1 << 20) as f64;

/// How often a chosen gram of so many bytes is met: two to the minus this.
const GRAM_BITS: [f64; LONGEST + 1] = [0.0, 5.0, 9.0, 12.5, 15.5, 17.0, 18.0, 18.5, 19.0];

/// Patterns of lengths from `from` on (to where the next begins) and how they are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Class {
    pub(crate) from: usize,
    pub(crate) way: Way,
}

/// Divides patterns of these lengths among passes so that the whole costs the least. Lengths are at least 1; classes
/// come with the shortest first.
pub(crate) fn plan(lengths: impl Iterator<Item = usize>) -> Vec<Class> {
    let mut counts = [0_usize; LONG + 1];
    for length in lengths {
        if let Some(count) = counts.get_mut(length.min(LONG)) {
            *count += 1;
        }
    }
    // The best way to look for patterns of at least so many bytes: what it costs, its classes with the last first.
    let mut best: Vec<(f64, Vec<Class>)> = vec![(0.0, Vec::new())];
    for from in (1..=LONG).rev() {
        let mut found = (f64::INFINITY, Vec::new());
        for (to, (rest, classes)) in (from + 1..=LONG + 1).rev().zip(&best) {
            let (cost, class) = class(from, counts.get(from..to).unwrap_or_default());
            if cost + rest < found.0 {
                let more = class.into_iter();
                found = (cost + rest, classes.iter().copied().chain(more).collect());
            }
        }
        best.push(found);
    }
    let mut classes = best.pop().unwrap_or_default().1;
    classes.reverse();
    classes
}

/// The best way to look for so many patterns of `from` bytes, of one more, and so on. `None` if there are none.
fn class(from: usize, counts: &[usize]) -> (f64, Option<Class>) {
    let Some(first) = counts.iter().position(|&count| count > 0) else { return (0.0, None) };
    let (shortest, counts) = (from + first, counts.get(first..).unwrap_or_default());
    let mut best = (f64::INFINITY, None);
    for stride in [1, 2, 4, 8] {
        for gram in 2..=LONGEST {
            let way = Way { stride, gram };
            if shortest < way.shortest() {
                break;
            }
            let cost = cost(way, shortest, counts);
            if cost < best.0 {
                best = (cost, Some(Class { from: shortest, way }));
            }
        }
    }
    best
}

fn cost(way: Way, shortest: usize, counts: &[usize]) -> f64 {
    let open = if shortest == way.shortest() { counts.first().copied().unwrap_or(0) } else { 0 };
    let all: usize = counts.iter().sum();
    let share = |length: usize| (-GRAM_BITS.get(length).copied().unwrap_or(0.0)).exp2();
    let exact = (all * way.stride - open) as f64;
    let bits = exact + 128.0 * open as f64;
    let filter = (bits * 32.0).clamp(1.0, FILTER);
    let hits = bits / filter + exact * share(way.gram) + open as f64 * share(way.gram - 1);
    FIXED_NS + (LOOK_NS + PASS_NS * hits.min(1.0)) / way.stride as f64
}
