//! What it costs to ask whether a name is listed, with few indicators and with many.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use intel::{Indicators, Loader};

fn name(number: u64) -> String {
    let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:x}.{}", word >> 24, ["com", "net", "example", "info"][(word & 3) as usize])
}

fn listed(count: u64) -> Indicators {
    let mut text = String::new();
    for i in 0..count {
        let _ = writeln!(text, "{}", name(i));
    }
    let mut loader = Loader::new();
    loader.text("bench", &text);
    let (indicators, report) = loader.finish();
    assert_eq!((indicators.len() as u64, report.skipped), (count, 0));
    indicators
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("indicators");
    group.throughput(Throughput::Elements(1));
    for count in [1_000_u64, 1_000_000] {
        let set = listed(count);
        // Names as they are asked for: none, or one in a hundred, is listed.
        let strangers: Vec<String> = (0..10_000).map(|i| format!("www.{}", name(1 << 40 | i))).collect();
        let known = |i: u64| format!("www.{}", name(i.wrapping_mul(7919) % count));
        let mixed: Vec<String> = (0..10_000)
            .map(|i| if i % 100 == 0 { known(i) } else { format!("www.{}", name(1 << 40 | i)) })
            .collect();
        for (kind, names) in [("miss", &strangers), ("one_percent_hits", &mixed)] {
            let mut next = 0;
            group.bench_function(format!("{kind}/{count}"), |b| {
                b.iter(|| {
                    next = if next + 1 == names.len() { 0 } else { next + 1 };
                    black_box(set.domain(&names[next]).is_some())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
