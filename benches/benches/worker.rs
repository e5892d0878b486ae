//! What a packet costs a worker, from the ring to its events: decode, flow, parser, detector, look-back.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::{Input, Snapshot, Worker, WorkerCounters, WorkerOptions};
use flow::defrag::DefragOptions;
use flow::{Pressure, StreamOptions, Timeouts};
use intel::Loader;
use output::Source;
use ringward_benches::{dns_query, udp};
use wire::{LinkType, Nanos};

/// Frames handed over at once, as a receive ring does.
const BATCH: usize = 64;

fn worker() -> Worker {
    let mut loader = Loader::new();
    loader.text("bench", "bad.example\n").expect("a list");
    let options = WorkerOptions {
        max_flows: 262_144,
        timeouts: Timeouts::default(),
        streams: StreamOptions::default(),
        pressure: Pressure::default(),
        interim: Duration::ZERO,
        tunnels: false,
        defrag: DefragOptions::default(),
        lookback: 64 << 20,
        files: engine::FileOptions::default(),
        evidence_limit: 1 << 20,
        rule_windows: detect::rules::WINDOW_MEMORY,
        evidence_severity: alert::Severity::High,
        shown: output::Shown::default(),
        clock: None,
    };
    Worker::new(&options, &Snapshot::new(loader.finish().0), Arc::new(WorkerCounters::default()))
}

fn benches(criterion: &mut Criterion) {
    let source = Source::Interface(Arc::from("bench"));
    let mut group = criterion.benchmark_group("worker");
    let udp_of = |port: u16, payload: &[u8]| -> Vec<Vec<u8>> {
        let flow = |i: u16| udp([10, 1, (i >> 4) as u8, 1], 20_000 + i, [192, 0, 2, 1], port, payload);
        (0..1024).map(flow).collect()
    };
    // A protocol that nobody knows is looked at for a while and then only counted; DNS is parsed for ever.
    let cases =
        [("unknown_udp", udp_of(9999, &[0; 18])), ("dns_query", udp_of(53, &dns_query("www.fine.example")))];
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, frames) in cases {
        let mut worker = worker();
        let (mut next, mut position) = (0, 0);
        group.bench_function(name, |b| {
            b.iter(|| {
                let inputs: [Input<'_>; BATCH] = std::array::from_fn(|_| {
                    let bytes = &frames[next & 1023][..];
                    next += 1;
                    position += bytes.len() as u64 + 32;
                    Input {
                        bytes,
                        link: LinkType::Ethernet,
                        time: Nanos(1_000_000 + next as u64),
                        arrival: None,
                        wire_len: bytes.len() as u32,
                        steered: None,
                        ordinal: None,
                        position,
                        source: &source,
                        merged: None,
                    }
                });
                worker.batch(&inputs, &mut |_, _, event| drop(black_box(event)));
            });
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
