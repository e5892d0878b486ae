//! What it costs to find a packet's flow among few and among many.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flow::{FlowTable, Timeouts};
use ringward_benches::udp;
use wire::{Decoded, LinkType, Nanos, Packet, decode};

/// Packets are taken in a random order that is the same in every run.
fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..count).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order
}

fn packet(frame: &[u8]) -> Packet<'_> {
    match decode(LinkType::Ethernet, frame) {
        Ok(Decoded::Ip(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flow_lookup");
    group.throughput(Throughput::Elements(1));
    for flows in [1_000_usize, 100_000, 1_000_000] {
        let mut table = FlowTable::new(flows as u32, Timeouts::default());
        let order = shuffled(flows);
        let template = udp([0; 4], 0, [192, 0, 2, 1], 9999, &[0; 18]);
        let mut frames = vec![template; flows];
        for (i, frame) in frames.iter_mut().enumerate() {
            frame[26..30].copy_from_slice(&(0x0a00_0000 + i as u32 / 16).to_be_bytes());
            frame[34..36].copy_from_slice(&(20_000 + i as u16 % 16).to_be_bytes());
        }
        let packets: Vec<Packet<'_>> = frames.iter().map(|f| packet(f)).collect();
        let mut next = 0;
        let mut step = || {
            let packet = &packets[order[next]];
            next = if next + 1 == flows { 0 } else { next + 1 };
            let tracked = table.track(packet, Nanos(1), 60, |_| (), &mut |_| {});
            table.touch(tracked.slot);
            tracked.is_new
        };
        for _ in 0..flows {
            step();
        }
        group.bench_function(format!("{flows}"), |b| b.iter(|| black_box(step())));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
