//! What it costs to ask whether a name is listed, among a thousand and among ten million, and what these take of memory.
//! The figures are ratios within one run: the sets take turns.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use intel::{Indicators, Loader};
use wire::Nanos;

const FEW: u64 = 1_000;
const SETS: [u64; 3] = [FEW, 1_000_000, 10_000_000];
/// Different names that are asked for: the working set of a busy network.
const NAMES: u64 = 10_000;
/// Passes of a set in its turn, of which the fastest counts: the first finds the caches full of another set's.
const PASSES: usize = 8;
/// Turns of each set, of which the median counts.
const TURNS: usize = 61;
const GIB: f64 = (1_u64 << 30) as f64;

fn name(number: u64) -> String {
    let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:x}.{}", word >> 24, ["com", "net", "example", "info"][(word & 3) as usize])
}

/// The set of so many names, read from a file as a sensor reads it; the bytes of memory that the process has more
/// with it, and at most while it was read.
fn listed(count: u64) -> (Indicators, f64, f64) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    {
        let mut out = std::io::BufWriter::new(&mut file);
        (0..count).for_each(|i| writeln!(out, "{}", name(i)).expect("room on the disk"));
    }
    let before = status("VmRSS:");
    let mut loader = Loader::new();
    loader.file(file.path()).expect("a list");
    let (indicators, report) = loader.finish();
    assert_eq!((indicators.len() as u64, report.skipped), (count, 0));
    let resident = status("VmRSS:") - before;
    (indicators, resident, status("VmHWM:") - before)
}

/// A line of this process's status, in bytes.
fn status(of: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = text.lines().find(|line| line.starts_with(of)).expect("a line of that name");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") * 1024.0
}

/// Names one behind the other: what is measured is not how they come into the cache.
struct Names {
    text: String,
    ends: Vec<u32>,
}

impl Names {
    fn new(names: impl Iterator<Item = String>) -> Self {
        let mut of = Names { text: String::new(), ends: Vec::new() };
        for name in names {
            of.text.push_str(&name);
            of.ends.push(of.text.len() as u32);
        }
        of
    }
}

/// Nanoseconds a look-up.
fn pass(set: &Indicators, names: &Names) -> f64 {
    let start = Instant::now();
    let (mut hits, mut from) = (0, 0);
    for &end in &names.ends {
        let name = &names.text[from..end as usize];
        from = end as usize;
        hits += u64::from(black_box(set.domain(name, Nanos(0))).is_some());
    }
    black_box(hits);
    start.elapsed().as_nanos() as f64 / names.ends.len() as f64
}

fn row(figure: &str, params: &str, value: f64, unit: &str, aim: &str) {
    println!("{figure}\t{params}\t{value}\t{unit}\t{aim}");
}

fn main() {
    // `cargo test` runs benches, too: nothing is to be measured then.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let sets: Vec<(u64, Indicators)> = SETS
        .iter()
        .map(|&count| {
            let (set, resident, peak) = listed(count);
            if count == SETS[2] {
                let params = format!("indicators={count}");
                row("resident", &params, resident / GIB, "GiB", "<= 1");
                row("resident, at most while loading", &params, peak / GIB, "GiB", "");
                row("a name", &params, set.bytes() as f64 / count as f64, "bytes", "");
            }
            (count, set)
        })
        .collect();
    // Names as they are asked for: none, or one in a hundred, is listed.
    let stranger = |i: u64| format!("www.{}", name(1 << 40 | i));
    for kind in ["miss", "one_percent_hits"] {
        let mut taken = vec![Vec::new(); sets.len()];
        let lists: Vec<Names> = sets
            .iter()
            .map(|&(count, _)| {
                let known = |i: u64| format!("www.{}", name(i.wrapping_mul(7919) % count));
                let mixed = |i: u64| if i.is_multiple_of(100) { known(i) } else { stranger(i) };
                if kind == "miss" {
                    Names::new((0..NAMES).map(stranger))
                } else {
                    Names::new((0..NAMES).map(mixed))
                }
            })
            .collect();
        for _ in 0..TURNS {
            for ((times, (_, set)), names) in taken.iter_mut().zip(&sets).zip(&lists) {
                times.push((0..PASSES).map(|_| pass(set, names)).fold(f64::MAX, f64::min));
            }
        }
        let medians: Vec<f64> = taken
            .iter_mut()
            .map(|times| {
                times.sort_by(f64::total_cmp);
                times[times.len() / 2]
            })
            .collect();
        for ((count, _), median) in sets.iter().zip(&medians) {
            row(&format!("look-up, {kind}"), &format!("indicators={count}"), *median, "ns", "");
        }
        for ((count, _), median) in sets.iter().zip(&medians).skip(1) {
            let aim = if *count == SETS[2] { "<= 1.3" } else { "" };
            row(
                &format!("ratio, {kind}"),
                &format!("{count} to {FEW} indicators"),
                median / medians[0],
                "",
                aim,
            );
        }
    }
}
