use std::net::IpAddr;

use ::alert::Text;
use wire::{Nanos, Scope, Target};

use super::super::model::{IndicatorSeen, RuleSeen};
use super::super::{render_html, verdicts};
use super::*;
use crate::event::{IsolationAction, IsolationEvent, Latency, Source, Stamp};

fn incident() -> Incident {
    serde_json::from_value(serde_json::json!({
        "id": "INC-1", "victim": "10.0.0.5", "summary": "", "severity": 1, "status": "observed", "first": "", "last": "",
        "alerts": 0, "hosts": [], "indicators": [], "disclosed": [], "techniques": [], "kill_chain_stage": "",
        "verdict": {"action": "none", "by": "", "reason": "", "enforced": false, "not_enforced_because": null,
            "until": null, "alert_ns": null, "map_ns": null, "first_drop_ns": null, "dropped_packets": 0,
            "dropped_bytes": 0},
        "evidence": [], "timeline": [], "steps_omitted": 0
    }))
    .expect("an incident of an earlier version is read")
}

fn at(second: u64) -> Stamp {
    Stamp { time: Nanos(second * 1_000_000_000), source: Source::Interface("eth0".into()), packet: None }
}

fn event(verdict: u64, action: IsolationAction, by: &'static str) -> IsolationEvent {
    IsolationEvent {
        verdict,
        target: Target::host(IpAddr::from([10, 0, 0, 5])),
        scope: Scope::Both,
        action,
        by: Text::Own(by),
        who: (by == "operator").then(|| "uid 0".into()),
        reason: format!("because {by}"),
        enforced: action != IsolationAction::Withhold,
        not_enforced_because: (action == IsolationAction::Withhold).then(|| "hold".into()),
        until: Some(Nanos(7_200_000_000_000)),
        relapse: 0,
        rule: None,
        dropped_packets: 0,
        dropped_bytes: 0,
        latency: Latency::default(),
        flow: None,
        peer: None,
        places: None,
        impact: None,
    }
}

fn after(steps: &[(u64, IsolationEvent)]) -> Incident {
    let mut incident = incident();
    for (second, event) in steps {
        assert!(verdicts::add(&mut incident.verdicts, &at(*second), event));
        incident.verdict = verdicts::headline(&incident.verdicts);
        incident.status = verdicts::status(&incident.verdicts).to_owned();
        tell(&mut incident);
    }
    incident
}

/// Isolated by an indicator, 17 packets dropped, released.
fn past() -> Vec<(u64, IsolationEvent)> {
    use IsolationAction as A;
    let latency = Latency { alert_ns: Some(9_000), map_ns: Some(203_000), first_drop_ns: None };
    vec![
        (1, IsolationEvent { latency, ..event(1, A::Isolate, "indicator") }),
        (2, IsolationEvent { dropped_packets: 1, ..event(1, A::FirstDrop, "indicator") }),
        (3, IsolationEvent { dropped_packets: 17, ..event(1, A::Release, "operator") }),
    ]
}

#[test]
fn the_past_does_not_change() {
    let isolated = "10.0.0.5 was isolated after 203.0 µs by indicator, 17 packets dropped, released by operator (uid 0) \
        at 1970-01-01T00:00:03.000000+0000.";
    let before = after(&past());
    assert_eq!((before.summary.as_str(), before.status.as_str()), (isolated, "released"));
    // Later an operator's wish is withheld.
    let mut steps = past();
    steps.push((9, event(2, IsolationAction::Withhold, "operator")));
    let then = after(&steps);
    let wish = "A later verdict by operator (uid 0) to isolate 10.0.0.5 was withheld: hold.";
    assert_eq!(then.summary, format!("{isolated} {wish}"));
    assert_eq!((&then.verdict, then.status.as_str()), (&before.verdict, "released"));
    assert_eq!((then.verdict.dropped_packets, then.verdict.by.as_str()), (17, "indicator"));
    assert_eq!(then.verdicts[..1], before.verdicts[..]);
    let html = render_html(&then, "..");
    for part in ["17 packets", "because indicator", "no: hold", "operator (uid 0)"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn an_extension_is_a_change_and_not_another_reason() {
    use IsolationAction as A;
    let steps = [
        (1, event(1, A::Isolate, "indicator")),
        (2, IsolationEvent { until: Some(Nanos(9_000_000_000_000)), ..event(1, A::Extend, "operator") }),
    ];
    let extended = after(&steps);
    assert_eq!((extended.verdict.by.as_str(), extended.status.as_str()), ("indicator", "isolated"));
    assert_eq!(extended.verdict.reason, "because indicator");
    assert_eq!(extended.verdict.changes[0].who.as_deref(), Some("uid 0"));
    assert_eq!(
        extended.summary,
        "10.0.0.5 was isolated by indicator, until 1970-01-01T02:30:00.000000+0000."
    );
    let expired = after(&[steps[0].clone(), steps[1].clone(), (9000, event(1, A::Expire, "indicator"))]);
    assert_eq!(expired.status, "expired");
    assert!(
        expired.summary.ends_with("0 packets dropped, expired at 1970-01-01T02:30:00.000000+0000."),
        "{}",
        expired.summary
    );
}

#[test]
fn a_relapse_is_a_verdict_of_its_own() {
    use IsolationAction as A;
    let mut steps = past();
    steps.push((50, event(3, A::Isolate, "indicator")));
    let again = after(&steps);
    assert_eq!((again.verdicts.len(), again.status.as_str()), (2, "isolated"));
    assert_eq!(again.verdict.verdict, 1, "the headline is the first");
}

#[test]
fn histories_are_bounded() {
    let mut verdicts = Vec::new();
    for n in 0..1000 {
        verdicts::add(&mut verdicts, &at(n), &event(n, IsolationAction::Withhold, "rule"));
    }
    assert_eq!(verdicts.len(), super::super::MAX_ENTRIES);
}

#[test]
fn only_what_is_there_is_told() {
    let mut none = incident();
    tell(&mut none);
    assert_eq!(none.summary, "No verdict was made on 10.0.0.5.");
    none.rules.push(RuleSeen {
        gid: 1,
        sid: 2,
        signature: "ET MALWARE X".into(),
        category: String::new(),
        severity: 1,
        source: "x.rules:1".into(),
        hits: 1,
    });
    none.rule_alerts = 1;
    tell(&mut none);
    let rules = "Rules raised 1 alert that name 10.0.0.5; the most severe is \"ET MALWARE X\" (severity 1).";
    assert_eq!(none.summary, format!("{rules} No verdict was made on 10.0.0.5."));
    none.indicators.push(IndicatorSeen {
        kind: "domain".into(),
        value: "evil.example".into(),
        observed: "a.evil.example".into(),
        description: Some("Test RAT".into()),
        source: "iocs.csv:1".into(),
        seen: "dns".into(),
        hits: 2,
    });
    tell(&mut none);
    let facts: Vec<&str> = none.sentences.iter().map(|sentence| sentence.fact.as_str()).collect();
    assert_eq!(facts, ["indicator", "indicators", "rules", "no_verdict"]);
    assert_eq!(none.sentences[0].text, "10.0.0.5 looked up a.evil.example (Test RAT).");
}
