use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use wire::{Decoded, LinkType};

use super::super::{MAX_FRAGMENTS, Policy};
use super::*;
use crate::HostPolicies;

const UDP: u8 = 17;

/// A fragment as a raw IP packet.
fn packet(v6: bool, id: u16, offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let field = (offset as u16 & 0xfff8, u16::from(more));
    let mut out = Vec::new();
    if v6 {
        out.extend([0x60, 0, 0, 0]);
        out.extend((8 + data.len() as u16).to_be_bytes());
        out.extend([44, 64]);
        out.extend(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1).octets());
        out.extend(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).octets());
        out.extend([UDP, 0]);
        out.extend((field.0 | field.1).to_be_bytes());
        out.extend(u32::from(id).to_be_bytes());
    } else {
        out.extend([0x45, 0]);
        out.extend((20 + data.len() as u16).to_be_bytes());
        out.extend(id.to_be_bytes());
        out.extend((field.0 >> 3 | field.1 << 13).to_be_bytes());
        out.extend([64, UDP, 0, 0]);
        out.extend(Ipv4Addr::new(10, 0, 0, 1).octets());
        out.extend(Ipv4Addr::new(10, 0, 0, 2).octets());
    }
    out.extend(data);
    out
}

fn options(policy: Policy) -> DefragOptions {
    let policies = HostPolicies::new(policy, []);
    DefragOptions { policies, ..DefragOptions::default() }
}

/// What a datagram came to: its payload as fragments count it, and its fragments.
type Outcome = Option<(Vec<u8>, u32)>;

fn give(table: &mut Defragmenter, seconds: u64, frame: &[u8]) -> Outcome {
    let fragment = wire::fragment(LinkType::RawIp, frame, true).expect("a fragment");
    let (time, mut whole) = (Nanos(seconds * 1_000_000_000), Vec::new());
    let frames = table.take(&fragment, Frames::one(time, frame.len() as u32), time, &mut whole)?;
    let header = if whole[0] >> 4 == 4 { 20 } else { 40 };
    let (at, counted) = if header == 20 { (2, whole.len()) } else { (4, whole.len() - 40) };
    assert_eq!(usize::from(u16::from_be_bytes([whole[at], whole[at + 1]])), counted);
    Some((whole[header..].to_vec(), frames.packets))
}

fn anomalies(table: &Defragmenter) -> Vec<&'static str> {
    table.anomalies().map(Anomaly::name).collect()
}

/// The figure of Novak's paper, eight bytes a letter.
fn figure() -> Vec<(usize, usize, u8)> {
    vec![(0, 3, b'1'), (4, 2, b'2'), (6, 3, b'3'), (1, 4, b'4'), (6, 3, b'5'), (9, 3, b'6')]
}

#[test]
fn each_policy_gives_what_the_figure_says() {
    for (policy, expected) in [
        (Policy::First, "111422333666"),
        (Policy::Last, "144442555666"),
        (Policy::Bsd, "111442333666"),
        (Policy::BsdRight, "144422555666"),
        (Policy::Linux, "111442555666"),
        (Policy::Windows, "111422333666"),
        (Policy::Solaris, "111422333666"),
    ] {
        for v6 in [false, true] {
            let mut table = Defragmenter::new(options(policy));
            let mut outcome = None;
            for (offset, len, letter) in figure() {
                assert_eq!(outcome, None);
                let frame = packet(v6, 7, offset * 8, letter != b'6', &vec![letter; len * 8]);
                outcome = give(&mut table, 0, &frame);
            }
            let (payload, packets) = outcome.expect("a whole datagram");
            let letters: String = payload.iter().step_by(8).map(|&b| b as char).collect();
            assert_eq!(letters, expected, "{policy:?}");
            assert!(payload.chunks(8).all(|c| c.iter().all(|b| *b == c[0])));
            assert_eq!((packets, table.counters().held_packets()), (6, 0));
            let overlap = anomaly::OVERLAP[usize::from(v6)];
            assert_eq!(table.counters().anomalies[overlap as usize], 2);
        }
    }
}

#[test]
fn windows_and_solaris_yield_to_what_reaches_beyond() {
    // Old at 2..4; the new one from before it to its end, or beyond it.
    for (policy, to_its_end, beyond_it) in [
        (Policy::Windows, "nnoon", "nnnnnn"),
        (Policy::Solaris, "nnnnn", "nnnnnn"),
        (Policy::First, "nnoon", "nnoonn"),
    ] {
        for (len, expected) in [(4, to_its_end), (5, beyond_it)] {
            let mut table = Defragmenter::new(options(policy));
            assert_eq!(give(&mut table, 0, &packet(false, 1, 16, true, &[b'o'; 16])), None);
            assert_eq!(give(&mut table, 0, &packet(false, 1, 0, true, &vec![b'n'; len * 8])), None);
            let (payload, _) = give(&mut table, 0, &packet(false, 1, len * 8, false, b"nnnnnnnn")).unwrap();
            let letters: String = payload.iter().step_by(8).map(|&b| b as char).collect();
            assert_eq!(letters, expected, "{policy:?}");
        }
    }
}

#[test]
fn discard_drops_the_datagram_and_what_still_comes_of_it() {
    for v6 in [false, true] {
        let mut table = Defragmenter::new(options(Policy::Discard));
        let first = packet(v6, 1, 0, true, &[1; 16]);
        assert_eq!(give(&mut table, 0, &first), None);
        // An exact copy is no overlap.
        assert_eq!(give(&mut table, 0, &first), None);
        assert_eq!(anomalies(&table), [""; 0]);
        assert_eq!(give(&mut table, 0, &packet(v6, 1, 8, true, &[1; 16])), None);
        assert_eq!(anomalies(&table), [anomaly::OVERLAP[usize::from(v6)].name()]);
        assert_eq!(give(&mut table, 1, &packet(v6, 1, 16, false, &[1; 16])), None);
        assert_eq!((table.counters().discarded_packets, table.counters().held_packets()), (4, 0));
        // Sixty seconds later the name is free again.
        assert_eq!(give(&mut table, 61, &packet(v6, 1, 0, true, &[2; 16])), None);
        assert_eq!(give(&mut table, 61, &packet(v6, 1, 16, false, &[2; 8])), Some((vec![2; 24], 2)));
        assert_eq!(table.counters().timed_out_packets, 0);
    }
}

#[test]
fn copies_with_the_same_bytes_are_no_overlap_and_count_as_packets() {
    let mut table = Defragmenter::new(options(Policy::First));
    for frame in [packet(false, 1, 8, false, &[2; 5]), packet(false, 1, 8, false, &[2; 5])] {
        assert_eq!(give(&mut table, 0, &frame), None);
    }
    let whole = give(&mut table, 0, &packet(false, 1, 0, true, &[1; 8]));
    assert_eq!(whole, Some(([vec![1; 8], vec![2; 5]].concat(), 3)));
    assert_eq!(table.counters().anomalies[Anomaly::Ipv4Overlap as usize], 0);
}

#[test]
fn every_contradiction_has_a_name_and_takes_nothing_from_the_rest() {
    let cases: [(&str, &str, Vec<u8>); 7] = [
        ("decoder.ipv4.frag_pkt_too_large", "", packet(false, 1, 65_528, false, &[9; 100])),
        ("decoder.ipv6.frag_pkt_too_large", "v6", packet(true, 1, 65_528, false, &[9; 100])),
        ("decoder.ipv4.frag_empty", "", packet(false, 1, 16, true, &[])),
        ("decoder.ipv6.frag_invalid_length", "v6", packet(true, 1, 24, true, &[9; 9])),
        ("decoder.ipv4.frag_end_conflict", "", packet(false, 1, 24, false, &[9; 3])),
        ("decoder.ipv4.frag_end_conflict", "", packet(false, 1, 40, true, &[9; 8])),
        ("decoder.ipv6.frag_end_conflict", "v6", packet(true, 1, 24, false, &[9; 3])),
    ];
    for (name, family, bad) in cases {
        let v6 = !family.is_empty();
        let mut table = Defragmenter::new(options(Policy::First));
        assert_eq!(give(&mut table, 0, &packet(v6, 1, 24, false, &[3; 8])), None);
        assert_eq!(give(&mut table, 0, &bad), None, "{name}");
        assert_eq!(anomalies(&table), [name]);
        let whole = give(&mut table, 0, &packet(v6, 1, 0, true, &[1; 24]));
        assert_eq!(whole, Some(([vec![1; 24], vec![3; 8]].concat(), 3)), "{name}");
    }
}

#[test]
fn an_ipv4_fragment_of_odd_length_is_cut_to_a_multiple_of_eight() {
    let mut table = Defragmenter::new(options(Policy::First));
    assert_eq!(give(&mut table, 0, &packet(false, 1, 0, true, &[1; 23])), None);
    assert_eq!(anomalies(&table), ["decoder.ipv4.frag_invalid_length"]);
    assert_eq!(
        give(&mut table, 0, &packet(false, 1, 16, false, &[2])),
        Some(([vec![1; 16], vec![2]].concat(), 2))
    );
}

#[test]
fn tiny_first_fragments_are_told_and_reassembled() {
    let mut table = Defragmenter::new(options(Policy::First));
    assert_eq!(give(&mut table, 0, &packet(false, 1, 0, true, &[1; 8])), None);
    assert_eq!(anomalies(&table), ["decoder.ipv4.frag_tiny"]);
    assert_eq!(give(&mut table, 0, &packet(false, 1, 8, false, &[2; 8])).unwrap().1, 2);
}

#[test]
fn the_largest_datagram_fits_and_one_more_byte_does_not() {
    for (v6, room) in [(false, 65_515), (true, 65_535)] {
        let mut table = Defragmenter::new(options(Policy::First));
        let mut give_all = |id, total: usize| {
            let mut outcome = None;
            for from in (0..total).step_by(1480) {
                let to = total.min(from + 1480);
                outcome = give(&mut table, 0, &packet(v6, id, from, to < total, &vec![7; to - from]));
            }
            outcome.map(|(payload, _)| payload.len())
        };
        assert_eq!(give_all(1, room), Some(room));
        assert_eq!(give_all(2, room + 1), None);
        let too_large = anomaly::TOO_LARGE[usize::from(v6)] as usize;
        assert_eq!(table.counters().anomalies[too_large], 1);
    }
}

#[test]
fn what_never_gets_whole_is_counted_by_reason() {
    let mut table = Defragmenter::new(DefragOptions { max_datagrams: 2, ..options(Policy::First) });
    let later = |id| packet(false, id, 8, false, &[1; 8]);
    assert_eq!(give(&mut table, 0, &later(1)), None);
    assert_eq!(give(&mut table, 0, &later(1)), None);
    table.expire(Nanos(60_000_000_000));
    assert_eq!((table.counters().timed_out_packets, table.len()), (0, 1));
    table.expire(Nanos(60_000_000_001));
    assert_eq!((table.counters().timed_out_packets, table.len()), (2, 0));
    for id in 2..5 {
        assert_eq!(give(&mut table, 100, &later(id)), None);
    }
    assert_eq!((table.counters().evicted_packets, table.len()), (1, 2));
    // A late first fragment does not meet what timed out.
    assert_eq!(give(&mut table, 161, &packet(false, 3, 0, true, &[1; 8])), None);
    assert_eq!(table.counters().timed_out_packets, 3);
    table.flush();
    let counters = *table.counters();
    assert_eq!((counters.flushed_packets, counters.held_packets(), table.len()), (2, 0, 0));
}

#[test]
fn memory_stays_within_its_cap_and_the_oldest_go_first() {
    let cap = 64 * 1024;
    let mut table = Defragmenter::new(DefragOptions { max_bytes: cap, ..options(Policy::First) });
    for id in 0..1000 {
        assert_eq!(give(&mut table, 0, &packet(false, id, 0, true, &[1; 1480])), None);
        assert!(table.memory() <= cap, "{}", table.memory());
    }
    assert!((20..40).contains(&table.len()), "{}", table.len());
    assert_eq!(table.counters().evicted_packets + table.len() as u64, 1000);
    assert!(give(&mut table, 0, &packet(false, 999, 1480, false, &[1; 8])).is_some(), "the newest is there");
    // One datagram that alone is too much loses its further fragments, not the sensor its memory.
    let mut table = Defragmenter::new(DefragOptions { max_bytes: 8192, ..options(Policy::First) });
    for n in 0..20 {
        assert_eq!(give(&mut table, 0, &packet(false, 1, n * 1480, true, &[1; 1480])), None);
        assert!(table.memory() <= 8192);
    }
    assert_eq!(anomalies(&table), ["decoder.ipv4.frag_ignored"]);
}

#[test]
fn a_datagram_keeps_so_many_fragments_and_no_more() {
    let mut table = Defragmenter::new(options(Policy::First));
    for n in 0..=MAX_FRAGMENTS {
        assert_eq!(give(&mut table, 0, &packet(false, 1, 16 + n * 16, true, &[1; 8])), None);
        assert_eq!(anomalies(&table).is_empty(), n < MAX_FRAGMENTS);
    }
}

#[test]
fn datagrams_are_told_apart_by_every_part_of_their_key() {
    let mut table = Defragmenter::new(options(Policy::First));
    let first = packet(false, 1, 0, true, &[1; 16]);
    assert_eq!(give(&mut table, 0, &first), None);
    for (at, what) in [(5, "identification"), (9, "protocol"), (15, "source"), (19, "destination")] {
        let mut other = packet(false, 1, 16, false, &[2; 8]);
        other[at] ^= 4;
        assert_eq!(give(&mut table, 0, &other), None, "{what}");
    }
    assert_eq!(table.len(), 5);
    // IPv6 fragments need not agree about what follows; the first one's word counts.
    assert_eq!(give(&mut table, 0, &packet(true, 1, 0, true, &[1; 16])), None);
    let mut last = packet(true, 1, 16, false, &[2; 8]);
    last[40] = 6;
    let fragment = wire::fragment(LinkType::RawIp, &last, true).unwrap();
    let mut whole = Vec::new();
    let frames = Frames { packets: 3, wire_bytes: 4000, start: Nanos(0) };
    let all = table.take(&fragment, frames, Nanos(0), &mut whole).unwrap();
    assert_eq!((all.packets, all.wire_bytes), (4, 4064));
    let Ok(Decoded::Ip(packet)) = wire::decode(LinkType::RawIp, &whole) else { panic!() };
    assert_eq!((packet.proto.0, packet.src), (UDP, IpAddr::from(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1))));
}

/// Cuts a payload at multiples of eight.
fn cut(payload: &[u8], cuts: &[usize]) -> Vec<(usize, Vec<u8>, bool)> {
    let mut at: Vec<usize> = cuts.iter().map(|c| c % (payload.len() / 8 + 1) * 8).collect();
    at.extend([0, payload.len()]);
    at.sort_unstable();
    at.dedup();
    at.windows(2).map(|w| (w[0], payload[w[0]..w[1]].to_vec(), w[1] < payload.len())).collect()
}

proptest! {
    #[test]
    fn any_order_and_any_copies_of_consistent_fragments_give_the_datagram(
        payload in proptest::collection::vec(any::<u8>(), 9..3000),
        cuts in proptest::collection::vec(1_usize..400, 1..20),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        policy in prop::sample::select(Policy::ALL.to_vec()),
        v6 in any::<bool>(),
    ) {
        let parts = cut(&payload, &cuts);
        prop_assume!(parts.len() > 1);
        // Copies in any order, then each once so that none is missing.
        let mut sequence: Vec<usize> = order.iter().map(|i| i.index(parts.len())).collect();
        sequence.extend(0..parts.len());
        let mut table = Defragmenter::new(options(policy));
        let mut missing: Vec<bool> = vec![true; parts.len()];
        let mut taken = 0;
        for part in sequence {
            let (offset, data, more) = &parts[part];
            let outcome = give(&mut table, 0, &packet(v6, 5, *offset, *more, data));
            missing[part] = false;
            taken += 1;
            if missing.contains(&true) {
                prop_assert!(outcome.is_none());
            } else {
                prop_assert_eq!(outcome, Some((payload.clone(), taken)));
                break;
            }
        }
        prop_assert_eq!(table.counters().held_packets(), 0);
    }

    /// Against a model of a byte each: who may overwrite whom is asked of the policy, everything else is naive.
    #[test]
    fn any_fragments_give_what_a_naive_model_gives(
        fragments in proptest::collection::vec((0_u32..24, 1_u32..10, any::<bool>()), 1..24),
        policy in prop::sample::select(vec![Policy::First, Policy::Last]),
    ) {
        let mut table = Defragmenter::new(options(policy));
        let mut model: Vec<Option<u8>> = vec![None; 64];
        let mut end = None;
        for (n, (offset, len, more)) in fragments.into_iter().enumerate() {
            let more = more || offset == 0; // else it is no fragment
            let range = offset as usize..(offset + len) as usize;
            let letter = n as u8;
            let outcome = give(&mut table, 0, &packet(false, 5, range.start * 8, more, &vec![letter; range.len() * 8]));
            let there = model.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
            let conflict = match end {
                Some(end) => range.end > end || (!more && range.end != end),
                None => !more && range.end < there,
            };
            if !conflict {
                end = if more { end } else { Some(range.end) };
                for byte in &mut model[range] {
                    if byte.is_none() || policy == Policy::Last {
                        *byte = Some(letter);
                    }
                }
            }
            let whole: Option<Vec<u8>> = end.and_then(|end| model[..end].iter().copied().collect());
            prop_assert_eq!(
                outcome.map(|(payload, _)| payload.iter().step_by(8).copied().collect::<Vec<u8>>()),
                whole.clone()
            );
            if whole.is_some() {
                break;
            }
        }
    }

    #[test]
    fn whatever_comes_memory_stays_within_its_cap_and_no_packet_is_forgotten(
        fragments in proptest::collection::vec((0_u16..12, 0_usize..8192, 0_usize..600, any::<bool>()), 1..300),
        policy in prop::sample::select(Policy::ALL.to_vec()),
        cap in 2000_usize..60_000,
        v6 in any::<bool>(),
    ) {
        let mut table = Defragmenter::new(DefragOptions { max_bytes: cap, max_datagrams: 8, ..options(policy) });
        let (mut given, mut got) = (0, 0);
        for (id, offset, len, more) in fragments {
            let frame = packet(v6, id, offset * 8, more, &vec![id as u8; len]);
            if wire::fragment(LinkType::RawIp, &frame, true).is_none() {
                continue;
            }
            given += 1;
            if let Some((_, packets)) = give(&mut table, given / 4, &frame) {
                got += u64::from(packets);
            }
            prop_assert!(table.memory() <= cap, "{} of {cap}", table.memory());
            prop_assert!(table.len() <= 8);
        }
        table.flush();
        let c = table.counters();
        prop_assert_eq!(c.packets, given);
        prop_assert_eq!(c.reassembled_packets, got);
        prop_assert_eq!(c.held_packets(), 0);
    }
}
