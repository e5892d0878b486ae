//! What it costs to decode a frame.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use ringward_benches::generated;
use wire::{LinkType, decode};

fn benches(criterion: &mut Criterion) {
    let mut tcp6 = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .single_vlan(7.try_into().expect("a VLAN"))
        .ipv6([0x20; 16], [0x30; 16], 64)
        .tcp(40_000, 443, 1, 64_000);
    builder.write(&mut tcp6, &[0; 400]).expect("it fits");
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, frame) in [("udp4_64B", generated(64)), ("vlan_tcp6_478B", tcp6)] {
        group.bench_function(name, |b| b.iter(|| decode(LinkType::Ethernet, black_box(&frame))));
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
