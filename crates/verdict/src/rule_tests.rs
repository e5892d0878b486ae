use alert::{Basis, Binding, IndicatorHit, Orientation, Parties, Proof, RuleAction, RuleFacts, Technique};
use proptest::prelude::*;
use wire::{Direction, Nanos};

use super::*;

fn alert() -> Alert {
    Alert {
        time: Nanos(0),
        arrival: None,
        raised: None,
        gid: 1,
        sid: 42,
        rev: 1,
        signature: "test".into(),
        category: "test".into(),
        severity: Severity::Medium,
        observation: Observation::Rule,
        direction: Direction::ToServer,
        victim: Some("10.0.0.5".parse().unwrap()),
        basis: Some(Basis::Detector),
        proof: Proof { orientation: Orientation::Handshake, established: true, binding: Binding::Unknown },
        parties: Parties::default(),
        peer: None,
        hit: None,
        rule: None,
        techniques: Vec::new(),
        checkin: None,
    }
}

fn by_rule(metadata: &[(&str, &str)]) -> Alert {
    let facts = RuleFacts {
        action: RuleAction::Alert,
        target: None,
        zones: Default::default(),
        class: "".into(),
        tagged: false,
        limited: false,
        metadata: metadata.iter().map(|&(key, value)| (key.into(), vec![value.into()])).collect(),
        references: Vec::new(),
        source: "x.rules:1".into(),
    };
    Alert { rule: Some(Arc::new(facts)), ..alert() }
}

fn by_indicator(confidence: Option<u8>) -> Alert {
    let hit = IndicatorHit {
        kind: "domain",
        indicator: "evil.example".into(),
        observed: "evil.example".into(),
        description: None,
        source: "list:1".into(),
        confidence,
        tags: Vec::new(),
        techniques: vec!["T1568.002".into()],
    };
    Alert { hit: Some(hit), observation: Observation::Dns, techniques: vec![Technique::Dns], ..alert() }
}

fn applies(when: When, alert: &Alert) -> bool {
    when.applies(alert, alert.victim.unwrap())
}

#[test]
fn what_is_not_said_is_as_it_likes_and_all_that_is_must_be_so() {
    assert!(applies(When::default(), &alert()));
    let (detector, rule, indicator) = (alert(), by_rule(&[]), by_indicator(None));
    for (source, of) in
        [(Source::Detector, &detector), (Source::Rule, &rule), (Source::Indicator, &indicator)]
    {
        for other in [&detector, &rule, &indicator] {
            let same = std::ptr::eq(of, other);
            assert_eq!(applies(When { source: vec![source], ..When::default() }, other), same, "{source:?}");
        }
    }
    let both = When { sid: vec![41, 42], seen: vec![Observation::Rule], ..When::default() };
    assert!(applies(both.clone(), &rule));
    assert!(!applies(When { sid: vec![41], ..both.clone() }, &rule));
    assert!(!applies(both, &indicator), "seen is something else");
}

#[test]
fn severities_are_bounds_on_how_bad_it_is() {
    let at_least = |severity| When { min_severity: Some(severity), ..When::default() };
    let at_most = |severity| When { max_severity: Some(severity), ..When::default() };
    let of = |when: fn(Severity) -> When| {
        [Severity::High, Severity::Medium, Severity::Low].map(|severity| applies(when(severity), &alert()))
    };
    assert_eq!(of(at_least), [false, true, true]);
    assert_eq!(of(at_most), [true, true, false]);
}

#[test]
fn who_does_not_say_how_sure_he_is_is_not_but_lists_are() {
    let sure = || When { min_confidence: Some(80), ..When::default() };
    for (alert, enough) in [
        (by_indicator(None), true),
        (by_indicator(Some(80)), true),
        (by_indicator(Some(79)), false),
        (by_rule(&[("confidence", "High")]), true),
        (by_rule(&[("confidence", "Medium")]), false),
        (by_rule(&[]), false),
        (alert(), false),
    ] {
        assert_eq!(applies(sure(), &alert), enough, "{alert:?}");
    }
}

#[test]
fn techniques_tactics_and_stages_are_those_of_finding_list_and_rule() {
    let technique =
        |text: &str| When { technique: vec![Techniques::parse(text).unwrap()], ..When::default() };
    let rule = by_rule(&[("mitre_tactic_id", "TA0006"), ("mitre_technique_id", "T1110")]);
    for (text, indicator, of_rule) in [
        ("T1071.004", true, false),
        ("T1071*", true, false),
        ("t1568.002", true, false),
        ("T1071", false, false),
        ("T1110", false, true),
        ("T1*", true, true),
        ("*", true, true),
    ] {
        assert_eq!(applies(technique(text), &by_indicator(None)), indicator, "{text}");
        assert_eq!(applies(technique(text), &rule), of_rule, "{text}");
        assert!(!applies(technique(text), &alert()), "{text}");
    }
    let tactic = |tactic| When { tactic: vec![tactic], ..When::default() };
    assert!(applies(tactic(Tactic::CommandAndControl), &by_indicator(None)));
    assert!(applies(tactic(Tactic::CredentialAccess), &rule));
    assert!(!applies(tactic(Tactic::CredentialAccess), &by_indicator(None)));
    let named = by_rule(&[("mitre_tactic_name", "Command_And_Control")]);
    let stage = |stage| When { stage: vec![stage], ..When::default() };
    assert!(applies(stage(Stage::CommandAndControl), &named));
    assert!(applies(stage(Stage::ActionsOnObjectives), &rule));
    assert!(!applies(stage(Stage::Delivery), &rule));
}

#[test]
fn groups_are_of_victims() {
    let group = |net: &str| {
        let group = Group::new("some", [net.parse().unwrap(), "192.0.2.0/24".parse().unwrap()]);
        When { group: vec![Arc::new(group)], ..When::default() }
    };
    assert!(applies(group("10.0.0.0/24"), &alert()));
    assert!(!applies(group("10.0.1.0/24"), &alert()));
}

#[test]
fn what_is_no_technique_is_refused() {
    for text in
        ["", "T", "T107", "T10711", "T1071.01", "T1071.", "X1071", "1071", "T1071.001x", "T1071**", "é*"]
    {
        let err = Techniques::parse(text).unwrap_err();
        assert!(err.contains("is no technique like"), "{text}: {err}");
    }
    assert_eq!(Techniques::parse("t1071*").unwrap().to_string(), "T1071*");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,12}", id in ".{0,12}") {
        if let Ok(techniques) = Techniques::parse(&text) {
            let _ = techniques.has(&id);
        }
    }
}
