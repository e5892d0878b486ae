use super::*;

fn parse(text: &str) -> Result<Filters, (u32, String)> {
    Filters::parse(text.as_bytes(), &Settings::default())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn suppressions_hold_for_their_rules_and_addresses() {
    let filters = parse(
        "# comment\n\nsuppress gen_id 1, sig_id 7 # why\nsuppress gen_id 1, sig_id 8, track by_src, ip 192.0.2.0/24\n\
         suppress gen_id 1, sig_id 9, \\\n  track by_either, ip [$HOME_NET, !10.0.0.1]\n\
         suppress gen_id 2, sig_id 0, track by_dst, ip 2001:db8::1\r\n",
    )
    .unwrap();
    for (gid, sid, src, dst, expected) in [
        (1, 7, "192.0.2.1", "192.0.2.2", true),
        (2, 7, "192.0.2.1", "192.0.2.2", false),
        (1, 8, "192.0.2.1", "10.0.0.1", true),
        (1, 8, "10.0.0.1", "192.0.2.1", false),
        (1, 9, "192.0.2.1", "10.0.0.2", true),
        (1, 9, "192.0.2.1", "10.0.0.1", false),
        (2, 99, "::1", "2001:db8::1", true),
        (2, 99, "2001:db8::1", "::1", false),
    ] {
        assert_eq!(filters.suppressed(gid, sid, ip(src), ip(dst)), expected, "{gid}:{sid} {src} {dst}");
    }
}

#[test]
fn thresholds_and_rates_are_read() {
    let filters = parse(
        "threshold gen_id 0, sig_id 0, type limit, track by_src, count 10, seconds 20\n\
         event_filter gen_id 1,sig_id 5,type both,track by_both,count 2,seconds 60\n\
         rate_filter gen_id 1, sig_id 5, track by_rule, count 100, seconds 60, new_action drop, timeout 30\n",
    )
    .unwrap();
    let threshold = Threshold { kind: ThresholdKind::Limit, track: Track::Source, count: 10, seconds: 20 };
    assert_eq!(filters.thresholds[0], EventFilter { rules: RuleIds { gid: 0, sid: 0 }, threshold });
    assert!(filters.thresholds[0].rules.contains(3, 4));
    assert_eq!(filters.thresholds[1].threshold.track, Track::Both);
    let rate = filters.rates[0];
    assert_eq!(
        (rate.track, rate.count, rate.seconds, rate.action, rate.timeout),
        (Track::Rule, 100, 60, Action::Drop, 30)
    );
}

#[test]
fn broken_lines_are_named() {
    for line in [
        "suppress sig_id 1",
        "suppress gen_id 1, sig_id 1, track by_src",
        "suppress gen_id 1, sig_id 1, track by_rule, ip 10.0.0.1",
        "suppress gen_id 1, sig_id 1, track by_src, ip nothing",
        "suppress gen_id 0, sig_id 1",
        "suppress gen_id 1, sig_id 1, sig_id 2",
        "threshold gen_id 1, sig_id 1, type limit, track by_src, count 0, seconds 1",
        "threshold gen_id 1, sig_id 1, type backoff, track by_flow, count 1, multiplier 2",
        "rate_filter gen_id 1, sig_id 1, track by_flow, count 1, seconds 1, new_action drop, timeout 1",
        "rate_filter gen_id 1, sig_id 1, track by_src, count 1, seconds 1, new_action explode, timeout 1",
        "rate_filter gen_id 1, sig_id 1, track by_src, count 1, seconds 1, timeout 1",
        "limit gen_id 1, sig_id 1",
    ] {
        assert_eq!(parse(&format!("\n{line}\n")).unwrap_err().0, 2, "{line}");
    }
}

#[test]
fn files_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("threshold.config");
    std::fs::write(&path, "suppress gen_id 1, sig_id 7\n").unwrap();
    let mut filters = Filters::default();
    filters.file(&path, &Settings::default()).unwrap();
    filters.file(&path, &Settings::default()).unwrap();
    assert_eq!(filters.suppress.len(), 2);
    std::fs::write(&path, "suppress gen_id 1, sig_id 8\nsuppress\n").unwrap();
    assert!(
        filters.file(&path, &Settings::default()).unwrap_err().to_string().contains("threshold.config:2: ")
    );
    assert_eq!(filters.suppress.len(), 2);
}
