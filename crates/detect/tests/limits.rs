//! What rules remember is bounded, and what does not fit is counted.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::sync::Arc;

use detect::rules::{FlowRules, HostBits, MAX_FLOW_BITS, Matcher, PacketContext, compile};
use flow::FlowTuple;
use rules::{Loader, Settings};
use wire::{Direction, Endpoint, IpProto, Nanos, Packet, Vlans};

fn matcher(text: &str) -> Matcher {
    let mut loader = Loader::new(Settings::default());
    loader.text("x.rules", text.as_bytes());
    let (rules, report) = loader.finish();
    assert_eq!((report.errors, report.unsupported), (Vec::new(), Vec::new()));
    let (set, refused) = compile(rules);
    assert!(refused.is_empty());
    Matcher::new(Arc::new(set), HostBits::default())
}

fn tuple(proto: IpProto) -> FlowTuple {
    let end = |last, port| Endpoint { ip: [10, 0, 0, last].into(), port };
    FlowTuple {
        id: 1,
        client: end(1, 40_000),
        server: end(2, 7000),
        proto,
        vlans: Vlans::default(),
        start: Nanos(0),
    }
}

fn context<'a>(tuple: &'a FlowTuple, packet: Option<&'a Packet<'a>>) -> PacketContext<'a> {
    PacketContext {
        tuple,
        direction: Direction::ToServer,
        time: Nanos(1),
        packet,
        encrypted: false,
        established: true,
        app: None,
        known_before: false,
        original: None,
        stream_sizes: [0; 2],
        packets: [1, 0],
        bytes: [100, 0],
        events: &[],
    }
}

/// Streams of which the first half of a word has been seen, each searched; how many have the word when the rest comes.
fn found(memory: u64, streams: usize) -> (usize, Matcher) {
    let rule =
        "alert tcp any any -> any any (flow:established,to_server; content:\"across segments\"; sid:1;)\n";
    let mut matcher = matcher(rule).with_window_memory(memory);
    let tuple = tuple(IpProto::TCP);
    let cx = context(&tuple, None);
    let mut flows: Vec<Option<Box<FlowRules>>> = (0..streams).map(|_| None).collect();
    let mut hits = Vec::new();
    for half in ["it lies across se", "gments"] {
        for flow in &mut flows {
            matcher.stream_bytes(Direction::ToServer, half.as_bytes(), flow);
            matcher.stream(&cx, flow, &mut hits);
            assert!(matcher.counters().window_bytes <= memory);
        }
    }
    flows.into_iter().for_each(|flow| matcher.end(flow));
    (hits.len(), matcher)
}

#[test]
fn streams_without_memory_are_searched_piece_by_piece() {
    let (hits, matcher) = found(1 << 20, 100);
    assert_eq!((hits, matcher.counters().windows_refused, matcher.counters().window_bytes), (100, 0, 0));
    let (hits, matcher) = found(1000, 100);
    let counters = matcher.counters();
    assert!((10..90).contains(&hits), "{hits}");
    assert!(counters.windows_refused as usize >= 100 - hits, "{hits}: {counters:?}");
    assert_eq!(counters.window_bytes, 0);
}

#[test]
fn bits_that_do_not_fit_on_a_flow_are_counted() {
    let (most, more) = (MAX_FLOW_BITS as u64, 10);
    let rule = |bit: u64| {
        format!(
            "alert udp any any -> any any (content:\"mark\"; flowbits:set,bit{bit}; noalert; sid:{};)\n",
            bit + 1
        )
    };
    let mut matcher = matcher(&(0..most + more).map(rule).collect::<String>());
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0];
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0x1b, 0x58, 0, 12, 0, 0]);
    frame.extend(b"mark");
    let Ok(wire::Decoded::Ip(packet)) = wire::decode(wire::LinkType::Ethernet, &frame) else {
        unreachable!()
    };
    let tuple = tuple(IpProto::UDP);
    let mut flow = None;
    matcher.packet(&context(&tuple, Some(&packet)), &mut flow, &mut Vec::new());
    let counters = matcher.counters();
    assert_eq!((counters.matches, counters.flow_bits_refused), (most + more, more));
}
