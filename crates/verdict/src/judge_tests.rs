use std::sync::Arc;

use alert::{IndicatorHit, Observation, RINGWARD_GID, Severity};
use wire::Direction;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn alert(victim: Option<&str>, severity: Severity, second: u64) -> Alert {
    Alert {
        time: Nanos(second * 1_000_000_000),
        arrival: None,
        raised: None,
        gid: RINGWARD_GID,
        sid: 1001,
        rev: 1,
        signature: "test".into(),
        category: "test".into(),
        severity,
        observation: Observation::Dns,
        direction: Direction::ToServer,
        victim: victim.map(|v| v.parse().unwrap()),
        peer: Some("192.0.2.1".parse().unwrap()),
        hit: Some(IndicatorHit {
            kind: "domain",
            indicator: Arc::from("evil.example"),
            observed: "evil.example".into(),
            description: None,
            source: "list:1".into(),
            confidence: None,
            tags: Vec::new(),
            techniques: Vec::new(),
        }),
        rule: None,
        techniques: Vec::new(),
        checkin: None,
    }
}

fn host(text: &str) -> Target {
    text.parse().unwrap()
}

fn protecting(net: &str) -> Policy {
    let mut policy = Policy::default();
    policy.protected.add(net.parse().unwrap(), "configured");
    policy
}

#[test]
fn a_severe_alert_isolates_its_victim_for_the_lifetime() {
    let mut judge = Judge::new(Policy::default());
    let verdict = judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 10));
    assert_eq!(
        verdict,
        Verdict::Isolate { target: host("10.0.0.5"), scope: Scope::Both, until: Nanos(3_610_000_000_000) }
    );
}

#[test]
fn beacons_extend_only_in_the_second_half() {
    let mut judge = Judge::new(Policy::default());
    judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 0));
    assert_eq!(judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 60)), Verdict::Nothing);
    let late = judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 2000));
    assert!(matches!(late, Verdict::Isolate { .. }), "{late:?}");
}

#[test]
fn a_forgotten_host_is_judged_anew() {
    let mut judge = Judge::new(Policy::default());
    judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 0));
    judge.forget(host("10.0.0.5"));
    assert!(matches!(judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 1)), Verdict::Isolate { .. }));
}

#[test]
fn mild_unknown_and_unwanted_are_left_alone() {
    let mut judge = Judge::new(Policy::default());
    assert_eq!(judge.on_alert(&alert(Some("10.0.0.5"), Severity::Medium, 0)), Verdict::Nothing);
    assert_eq!(judge.on_alert(&alert(None, Severity::High, 0)), Verdict::Nothing);
    let policy = Policy { isolate_on: vec![Observation::Http], ..Policy::default() };
    let mut judge = Judge::new(policy);
    assert_eq!(judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 0)), Verdict::Nothing);
}

#[test]
fn protected_hosts_are_spared_from_alerts_and_operators() {
    let mut judge = Judge::new(protecting("10.0.0.0/24"));
    let verdict = judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 0));
    let Verdict::Withhold { why, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(why.to_string(), "protected: configured (10.0.0.0/24)");
    assert_eq!(judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 1)), Verdict::Nothing, "said once");
    let mapped = host("::ffff:10.0.0.5");
    assert!(matches!(
        judge.on_operator(mapped, Scope::Both, Some(HOUR), Nanos(0)),
        Verdict::Withhold { why: Withheld::Protected(_), .. }
    ));
    assert!(matches!(
        judge.on_operator(host("10.0.1.5"), Scope::Both, None, Nanos(0)),
        Verdict::Isolate { .. }
    ));
}

#[test]
fn nobody_isolates_a_group() {
    let mut judge = Judge::new(Policy::default());
    for group in ["224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1", "ff02::1", "::", "::1"] {
        let verdict = judge.on_operator(host(group), Scope::Both, None, Nanos(0));
        assert!(matches!(verdict, Verdict::Withhold { .. }), "{group}: {verdict:?}");
    }
}

#[test]
fn observe_mode_records_and_lets_operators_act() {
    let mut judge = Judge::new(Policy { mode: Mode::Observe, ..Policy::default() });
    assert!(matches!(
        judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 0)),
        Verdict::Withhold { why: Withheld::ObserveMode, .. }
    ));
    assert!(matches!(
        judge.on_operator(host("10.0.0.5"), Scope::Both, None, Nanos(0)),
        Verdict::Isolate { .. }
    ));
}
