use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use alert::{
    Basis, Binding, Client, IndicatorHit, Names, Observation, Orientation, Parties, Proof, RINGWARD_GID,
    Role, Severity, Sighting, Technique,
};
use wire::Direction;

use crate::brake::{Limit, Limits};
use crate::memory::MAX_REMEMBERED;
use crate::rule::{Rule, When};
use crate::{MAX_PEERS, Repeat};

use super::*;

#[path = "judge_network_tests.rs"]
mod network;

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
        basis: Some(Basis::Detector),
        proof: Proof { orientation: Orientation::Handshake, established: true, binding: Binding::Unknown },
        parties: Parties::default(),
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
        techniques: vec![Technique::Dns],
        checkin: None,
    }
}

fn host(text: &str) -> Target {
    text.parse().unwrap()
}

fn enforcing() -> Policy {
    Policy { mode: Mode::Enforce, ..Policy::default() }
}

fn protecting(net: &str) -> Policy {
    let mut policy = enforcing();
    policy.protected.add(net.parse().unwrap(), "configured");
    policy
}

fn high(victim: &str, second: u64) -> Alert {
    alert(Some(victim), Severity::High, second)
}

/// A verdict in a few words: what, until which second, which relapse.
fn brief(verdict: Verdict) -> String {
    match verdict {
        Verdict::Nothing => "nothing".into(),
        Verdict::Isolate { scope, until, relapse, .. } => {
            format!("isolate {} until {} relapse {relapse}", scope.name(), until.seconds())
        }
        Verdict::Withhold { why, .. } => format!("withhold: {why}"),
    }
}

fn everything(then: Then, reach: Reach) -> Rule {
    Rule { name: "all".into(), when: When::default(), then, reach, lifetime: None, infrastructure: false }
}

#[test]
fn a_severe_alert_isolates_its_victim_for_the_lifetime() {
    let mut judge = Judge::new(enforcing());
    assert_eq!(
        judge.on_alert(&high("10.0.0.5", 10)),
        Verdict::Isolate {
            target: host("10.0.0.5"),
            scope: Scope::Both,
            until: Nanos(3_610_000_000_000),
            relapse: 0,
            rule: Some("c2-indicators".into()),
        }
    );
}

#[test]
fn beacons_extend_only_in_the_second_half() {
    let mut judge = Judge::new(enforcing());
    judge.on_alert(&high("10.0.0.5", 0));
    assert_eq!(judge.on_alert(&high("10.0.0.5", 60)), Verdict::Nothing);
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 2000))), "isolate both until 5600 relapse 0");
    assert_eq!(judge.on_alert(&high("10.0.0.5", 2001)), Verdict::Nothing);
}

#[test]
fn a_host_that_could_not_be_isolated_is_judged_anew_and_has_not_relapsed() {
    let mut judge = Judge::new(enforcing());
    judge.on_alert(&high("10.0.0.5", 0));
    judge.failed(host("10.0.0.5"));
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 1))), "isolate both until 3601 relapse 0");
}

#[test]
fn mild_unknown_and_unwanted_are_left_alone() {
    let mut judge = Judge::new(enforcing());
    assert_eq!(judge.on_alert(&alert(Some("10.0.0.5"), Severity::Medium, 0)), Verdict::Nothing);
    assert_eq!(judge.on_alert(&alert(None, Severity::High, 0)), Verdict::Nothing);
    let file = Alert { observation: Observation::File, ..high("10.0.0.5", 0) };
    assert_eq!(judge.on_alert(&file), Verdict::Nothing);
    let rule = Alert { hit: None, observation: Observation::RuleDrop, ..high("10.0.0.5", 0) };
    assert_eq!(judge.on_alert(&rule), Verdict::Nothing);
}

#[test]
fn the_first_rule_that_applies_decides() {
    let group = Arc::new(crate::Group::new("servers", ["10.0.1.0/24".parse().unwrap()]));
    let servers = When { group: vec![group], ..When::default() };
    let rules = vec![
        Rule { name: "servers".into(), when: servers, ..everything(Then::Alert, Reach::Both) },
        Rule { lifetime: Some(Duration::from_secs(60)), ..everything(Then::Isolate, Reach::Outbound) },
        everything(Then::Isolate, Reach::Both),
    ];
    let mut judge = Judge::new(Policy { rules, ..enforcing() });
    assert_eq!(judge.on_alert(&high("10.0.1.5", 0)), Verdict::Nothing);
    assert_eq!(brief(judge.on_alert(&high("10.0.2.5", 0))), "isolate outbound until 60 relapse 0");
}

#[test]
fn a_rule_may_want_to_see_it_again() {
    let repeat = Some(Repeat { count: 3, within: Duration::from_secs(600) });
    let rules =
        vec![Rule { when: When { repeat, ..When::default() }, ..everything(Then::Isolate, Reach::Both) }];
    let policy = Policy { rules, ..enforcing() };
    let mut judge = Judge::new(policy.clone());
    let mut at = |second| brief(judge.on_alert(&high("10.0.0.5", second)));
    assert_eq!([at(0), at(500), at(700)], ["nothing", "nothing", "nothing"]);
    assert_eq!(at(800), "isolate both until 4400 relapse 0");
    // The same rules go on counting; others begin anew.
    let mut judge = Judge::new(policy.clone());
    judge.on_alert(&high("10.0.0.5", 0));
    judge.on_alert(&high("10.0.0.5", 1));
    judge.set_policy(Policy { lifetime: HOUR / 2, ..policy.clone() });
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 2))), "isolate both until 1802 relapse 0");
    judge.on_alert(&high("10.0.0.6", 0));
    judge.on_alert(&high("10.0.0.6", 1));
    judge.set_policy(Policy { rules: [policy.rules.clone(), policy.rules].concat(), ..enforcing() });
    assert_eq!(judge.on_alert(&high("10.0.0.6", 2)), Verdict::Nothing);
}

#[test]
fn peers_are_added_to_a_running_isolation() {
    let policy = Policy { rules: vec![everything(Then::Isolate, Reach::Peers)], ..enforcing() };
    let mut judge = Judge::new(policy);
    let mut met = |peer: &str, second| {
        let verdict =
            judge.on_alert(&Alert { peer: Some(peer.parse().unwrap()), ..high("10.0.0.5", second) });
        match verdict {
            Verdict::Isolate { scope: Scope::Peers(peers), .. } => peers.len().to_string(),
            other => brief(other),
        }
    };
    assert_eq!([met("192.0.2.1", 0), met("192.0.2.1", 1), met("192.0.2.2", 2)], ["1", "nothing", "2"]);
    for n in 3..=MAX_PEERS as u64 {
        assert_eq!(met(&format!("192.0.2.{n}"), n), n.to_string());
    }
    assert_eq!(met("192.0.2.99", 20), "isolate both until 3620 relapse 0");
    let nobody = Alert { peer: None, ..high("10.0.0.6", 0) };
    assert_eq!(judge.on_alert(&nobody), Verdict::Nothing, "from whom?");
}

#[test]
fn protected_hosts_are_spared_from_alerts_and_operators() {
    let mut judge = Judge::new(protecting("10.0.0.0/24"));
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 0))), "withhold: protected: configured (10.0.0.0/24)");
    assert_eq!(judge.on_alert(&high("10.0.0.5", 1)), Verdict::Nothing, "said once");
    for target in ["::ffff:10.0.0.5", "10.0.0.5@7", "10.0.0.0/16", "ff:ff:ff:ff:ff:ff", "224.0.0.1"] {
        assert!(
            matches!(
                judge.on_operator(host(target), Scope::Both, Some(HOUR), Nanos(0)),
                Verdict::Withhold { why: Withheld::Protected(_), .. }
            ),
            "{target}"
        );
    }
    for target in ["10.0.1.5", "10.1.0.0/16", "02:00:00:00:00:01"] {
        let verdict = judge.on_operator(host(target), Scope::Both, None, Nanos(0));
        assert!(matches!(verdict, Verdict::Isolate { .. }), "{target}");
    }
    assert_eq!(judge.tally().withheld_protected, 6);
}

#[test]
fn nobody_is_kept_from_a_protected_host_alone() {
    let mut policy = protecting("192.0.2.53/32");
    policy.rules = vec![everything(Then::Isolate, Reach::Peers)];
    let mut judge = Judge::new(policy);
    let lookup = Alert { peer: Some("192.0.2.53".parse().unwrap()), ..high("10.0.0.5", 0) };
    let why = "withhold: its peer 192.0.2.53 is spared: protected: configured";
    assert_eq!(brief(judge.on_alert(&lookup)), why);
    let scope = Scope::Peers(vec!["192.0.2.53".parse().unwrap()]);
    assert_eq!(brief(judge.on_operator(host("10.0.0.5"), scope, None, Nanos(0))), why);
}

#[test]
fn observe_mode_records_what_would_be_and_lets_operators_act() {
    let limits = Limits { per_minute: 2, at_once: 100, reserve: 50 };
    let mut judge = Judge::new(Policy { mode: Mode::Observe, limits, ..enforcing() });
    let observed = "withhold: policy mode is \"observe\"";
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 0))), observed);
    assert_eq!(judge.on_alert(&high("10.0.0.5", 9)), Verdict::Nothing, "it would be isolated");
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 1800))), observed, "it would be extended");
    assert_eq!(brief(judge.on_alert(&high("10.0.0.6", 1800))), observed);
    judge.on_alert(&high("10.0.0.7", 1800));
    assert!(brief(judge.on_alert(&high("10.0.0.8", 1800))).starts_with("withhold: brake"));
    assert!(brief(judge.on_operator(host("10.0.0.5"), Scope::Both, None, Nanos(0))).starts_with("isolate"));
    // Enforced from now on: who only would have been isolated is not.
    judge.set_policy(Policy { limits, ..enforcing() });
    assert_eq!(judge.on_alert(&high("10.0.0.5", 1900)), Verdict::Nothing, "the operator's stands");
    assert_eq!(brief(judge.on_alert(&high("10.0.0.6", 1900))), "isolate both until 5500 relapse 0");
}

#[test]
fn a_rule_may_only_observe() {
    let policy = Policy { rules: vec![everything(Then::Observe, Reach::Both)], ..enforcing() };
    let mut judge = Judge::new(policy);
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 0))), "withhold: the policy's rule says \"observe\"");
    assert_eq!(judge.on_alert(&high("10.0.0.5", 1)), Verdict::Nothing);
    assert_eq!(judge.tally().withheld_observe, 1);
}

#[test]
fn what_an_operator_said_stands_until_it_is_over() {
    let mut judge = Judge::new(enforcing());
    judge.on_operator(host("10.0.0.5"), Scope::Outbound, Some(Duration::from_secs(100)), Nanos(0));
    assert_eq!(judge.on_alert(&high("10.0.0.5", 99)), Verdict::Nothing);
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 100))), "isolate both until 3700 relapse 1");
    let shorter =
        judge.on_operator(host("10.0.0.5"), Scope::Outbound, Some(HOUR / 60), Nanos(101_000_000_000));
    assert_eq!(brief(shorter), "isolate outbound until 161 relapse 1");
}

#[test]
fn a_relapse_isolates_longer() {
    let day = 86_400;
    let mut judge = Judge::new(Policy { watch: HOUR, ..enforcing() });
    let mut at = |second| brief(judge.on_alert(&high("10.0.0.5", second)));
    assert_eq!(at(0), "isolate both until 3600 relapse 0");
    assert_eq!(at(3601), format!("isolate both until {} relapse 1", 3601 + 4 * 3600));
    assert_eq!(at(18_500), format!("isolate both until {} relapse 2", 18_500 + day));
    let (third, end) = (18_501 + day, 18_501 + 2 * day);
    assert_eq!(at(third), format!("isolate both until {end} relapse 3"));
    // Watched for an hour; then it begins anew.
    assert_eq!(at(end + 3599), format!("isolate both until {} relapse 4", end + 3599 + day));
    assert_eq!(
        at(end + 3599 + day + 3600),
        format!("isolate both until {} relapse 0", end + 3599 + day + 7200)
    );
    assert_eq!(judge.tally().relapses, 4);
}

#[test]
fn a_released_host_is_watched_and_steps_follow_the_rules_lifetime() {
    let rule = Rule { lifetime: Some(HOUR * 2), ..everything(Then::Isolate, Reach::Both) };
    let policy = Policy { rules: vec![rule], ..enforcing() };
    let mut judge = Judge::new(policy.clone());
    judge.on_alert(&high("10.0.0.5", 0));
    judge.ended(host("10.0.0.5"), Nanos(60_000_000_000));
    assert_eq!(
        brief(judge.on_alert(&high("10.0.0.5", 61))),
        format!("isolate both until {} relapse 1", 61 + 14_400)
    );
    let mut judge = Judge::new(Policy { relapse: Vec::new(), ..policy });
    judge.on_alert(&high("10.0.0.5", 0));
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 7200))), "isolate both until 14400 relapse 1");
}

#[test]
fn an_adopted_host_is_isolated_already_and_has_relapsed_afterwards() {
    let mut judge = Judge::new(enforcing());
    judge.adopt(host("10.0.0.5"), &Scope::Both, Nanos(3_000_000_000_000));
    assert_eq!(judge.on_alert(&high("10.0.0.5", 0)), Verdict::Nothing);
    // Somebody gave it a later end.
    judge.adopt(host("10.0.0.5"), &Scope::Both, Nanos(9_000_000_000_000));
    assert_eq!(judge.on_alert(&high("10.0.0.5", 3001)), Verdict::Nothing);
    assert_eq!(brief(judge.on_alert(&high("10.0.0.5", 9000))), "isolate both until 23400 relapse 1");
}

#[test]
fn a_storm_brakes_and_is_over_some_time() {
    let mut judge = Judge::new(enforcing());
    let began = Instant::now();
    let (mut isolated, mut withheld, mut changes) = (BTreeSet::new(), 0, Vec::new());
    let hosts = 300_000_u32;
    for n in 0..hosts {
        let victim = std::net::Ipv4Addr::from(0x0a00_0000 + n).to_string();
        let storm = high(&victim, u64::from(n / 10_000));
        match judge.on_alert(&storm) {
            Verdict::Isolate { target, .. } => assert!(isolated.insert(target)),
            Verdict::Withhold { why: Withheld::Brake(Limit::PerMinute(30, Victim::Proven)), .. } => {
                withheld += 1
            }
            other => panic!("{other:?}"),
        }
        changes.extend(judge.brake(storm.time));
        // Beacons of those who are spared are not said again.
        if n % 1000 == 0 && n > 0 {
            assert_eq!(judge.on_alert(&storm), Verdict::Nothing);
        }
    }
    assert_eq!((isolated.len(), withheld), (30, hosts - 30));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?} for {hosts} alerts");
    let held = judge.isolated.len() + judge.watched.len() + judge.spared.len();
    assert!(held <= MAX_REMEMBERED + 30, "{held}");
    assert!(
        matches!(&changes[..], [BrakeChange { on: true, limit: Limit::PerMinute(30, Victim::Proven), .. }]),
        "{changes:?}"
    );
    assert_eq!(judge.brake(Nanos(80_000_000_000)), None, "the storm is not over for a minute yet");
    let over = judge.brake(Nanos(90_000_000_000)).unwrap();
    assert_eq!((over.on, over.withheld, judge.tally().brakes), (false, u64::from(hosts) - 30, 1));
    assert_eq!(brief(judge.on_alert(&high("10.0.200.1", 91))), "isolate both until 3691 relapse 0");
}

#[test]
fn operators_are_not_braked_but_count() {
    let limits = Limits { per_minute: 100, at_once: 2, reserve: 50 };
    let mut judge = Judge::new(Policy { limits, ..enforcing() });
    for n in 1..=3 {
        let target = host(&format!("10.0.0.{n}"));
        assert!(brief(judge.on_operator(target, Scope::Both, None, Nanos(0))).starts_with("isolate"), "{n}");
    }
    assert_eq!(
        brief(judge.on_alert(&high("10.0.0.9", 1))),
        "withhold: brake: 2 hosts are isolated already (policy.max_isolated)"
    );
    for n in 1..=2 {
        judge.ended(host(&format!("10.0.0.{n}")), Nanos(2_000_000_000));
    }
    assert_eq!(brief(judge.on_alert(&high("10.0.0.9", 3))), "isolate both until 3603 relapse 0");
    assert_eq!(judge.tally().withheld_brake, 1);
}
