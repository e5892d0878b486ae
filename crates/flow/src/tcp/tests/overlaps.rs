//! Overlaps: the classic figures, policy by policy.

use super::*;

/// Segments behind a hole of one byte, each at its place: what the host makes of them once the hole is filled.
fn host(kind: OverlapPolicy, segments: &[(u32, &[u8])]) -> String {
    let mut case = Case::new(policy(kind));
    case.open();
    for (at, bytes) in segments {
        case.up(101 + at, bytes);
    }
    assert_eq!(case.anomalies, [StreamAnomaly::OverlapDifferentData]);
    case.up(100, b".");
    assert_eq!(case.tcp.waiting_bytes(), 0);
    case.said[0].trim_start_matches('.').to_owned()
}

fn check(segments: &[(u32, &[u8])], expected: [(OverlapPolicy, &str); 10]) {
    for (kind, want) in expected {
        assert_eq!(host(kind, segments), want, "{kind:?}");
    }
}

/// The figure of Shankar and Paxson, also used by Novak: segments 1, 2, 3, then 4 over the end of 1 and the
/// beginning of 2, 5 in the very place of 3, 6 behind.
#[test]
fn the_figure_of_the_literature_comes_out_as_each_host_sees_it() {
    let figure: [(u32, &[u8]); 6] =
        [(0, b"111"), (4, b"22"), (6, b"333"), (1, b"4444"), (6, b"555"), (9, b"666")];
    let expected = [
        (OverlapPolicy::First, "111422333666"),
        (OverlapPolicy::Last, "144442555666"),
        (OverlapPolicy::Bsd, "111442333666"),
        (OverlapPolicy::Windows, "111442333666"),
        (OverlapPolicy::MacOs, "111442333666"),
        (OverlapPolicy::Linux, "111442333666"),
        (OverlapPolicy::OldLinux, "111442555666"),
        (OverlapPolicy::Vista, "111422333666"),
        (OverlapPolicy::Solaris, "144422555666"),
        (OverlapPolicy::HpUx, "144422555666"),
    ];
    check(&figure, expected);
}

/// Three segments in one place: BSD has cut the old one, Linux still knows where it began.
#[test]
fn what_was_cut_counts_for_bsd_and_not_for_linux() {
    let figure: [(u32, &[u8]); 6] =
        [(0, b"111111"), (8, b"22222"), (14, b"333333"), (4, b"44444"), (10, b"55555"), (14, b"666666")];
    let expected = [
        (OverlapPolicy::First, "11111144222225333333"),
        (OverlapPolicy::Last, "11114444425555666666"),
        (OverlapPolicy::Bsd, "11111144422225566666"),
        (OverlapPolicy::Windows, "11111144422225566666"),
        (OverlapPolicy::MacOs, "11111144422225566666"),
        (OverlapPolicy::Linux, "11111144422225533333"),
        (OverlapPolicy::OldLinux, "11111144422225566666"),
        (OverlapPolicy::Vista, "11111144222225333333"),
        (OverlapPolicy::Solaris, "11114444225555666666"),
        (OverlapPolicy::HpUx, "11114444225555666666"),
    ];
    check(&figure, expected);
}

/// One long segment and one in its middle, then the other way round.
#[test]
fn inside_and_around() {
    let inside: [(u32, &[u8]); 2] = [(0, b"aaaaaa"), (2, b"bb")];
    let around: [(u32, &[u8]); 2] = [(2, b"bb"), (0, b"aaaaaa")];
    for kind in OverlapPolicy::ALL {
        let last = kind == OverlapPolicy::Last;
        assert_eq!(host(kind, &inside), if last { "aabbaa" } else { "aaaaaa" }, "{kind:?}");
        let first = matches!(kind, OverlapPolicy::First | OverlapPolicy::Vista);
        assert_eq!(host(kind, &around), if first { "aabbaa" } else { "aaaaaa" }, "{kind:?}");
    }
}

/// The segment that fills the hole overlaps what waits.
#[test]
fn the_filling_segment_is_judged_by_the_policy_too() {
    for kind in OverlapPolicy::ALL {
        let mut case = Case::new(policy(kind));
        case.open();
        case.up(102, b"bbb");
        case.up(100, b"aaaa");
        let first = matches!(kind, OverlapPolicy::First | OverlapPolicy::Vista);
        // Solaris keeps what goes on behind the new segment.
        let old = first || matches!(kind, OverlapPolicy::Solaris | OverlapPolicy::HpUx);
        assert_eq!(case.said[0], if old { "aabbb" } else { "aaaab" }, "{kind:?}");
        assert_eq!(case.anomalies, [StreamAnomaly::OverlapDifferentData]);
    }
}

/// The policy is that of who receives.
#[test]
fn each_receiver_has_its_own_policy() {
    let windows = "127.0.0.0/8".parse().unwrap();
    let policies = HostPolicies::new(OverlapPolicy::Last, [(windows, OverlapPolicy::Vista)]);
    let mut case = Case::new(StreamOptions { policies, ..StreamOptions::default() });
    case.open();
    case.up(101, b"old");
    case.up(101, b"new");
    case.up(100, b".");
    assert_eq!(case.said[0], ".old");
}
