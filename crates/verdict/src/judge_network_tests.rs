//! What the judge makes of roles, of questions that are passed on, and of proof.

use super::*;

fn served(judge: &mut Judge, host: &str, clients: u8, second: u64) {
    for n in 1..=clients {
        let client = Client::Address(IpAddr::from([10, 0, 9, n]));
        let sighting = Sighting::Served { host: host.parse().unwrap(), client, role: Role::Dns };
        assert_eq!(judge.sight(&sighting, Nanos(second * 1_000_000_000)), None);
    }
}

#[test]
fn without_a_word_nobody_is_isolated() {
    let mut judge = Judge::new(Policy::default());
    let Verdict::Withhold { why, until, .. } = judge.on_alert(&alert(Some("10.0.0.5"), Severity::High, 0))
    else {
        panic!()
    };
    assert_eq!((why, until), (Withheld::ObserveMode, Some(Nanos(3_600_000_000_000))));
}

#[test]
fn who_serves_others_is_spared_and_it_is_said_why() {
    let mut judge = Judge::new(enforcing());
    served(&mut judge, "10.0.0.53", 2, 0);
    served(&mut judge, "10.0.0.54", 20, 0);
    assert_eq!(judge.new_roles().len(), 1);
    let hit = |host, second| alert(Some(host), Severity::High, second);
    assert!(
        brief(judge.on_alert(&hit("10.0.0.53", 1))).starts_with("isolate"),
        "two clients are not several"
    );
    let Verdict::Withhold { why, until, .. } = judge.on_alert(&hit("10.0.0.54", 1)) else { panic!() };
    let told = why.to_string();
    assert!(
        told.contains("DNS server (20 clients served)") && told.contains("policy.infrastructure.not"),
        "{told}"
    );
    assert_eq!(until, Some(Nanos(3_601_000_000_000)));
    assert_eq!(brief(judge.on_alert(&hit("10.0.0.54", 2))), "nothing", "said once");
    assert_eq!(judge.tally().withheld_infrastructure, 1);
    // An operator may.
    assert!(matches!(
        judge.on_operator(host("10.0.0.54"), Scope::Both, None, Nanos(9)),
        Verdict::Isolate { .. }
    ));
}

#[test]
fn a_policy_can_mean_infrastructure() {
    let hit = alert(Some("10.0.0.54"), Severity::High, 1);
    let verdict = |policy: Policy| {
        let mut judge = Judge::new(policy);
        served(&mut judge, "10.0.0.54", 5, 0);
        brief(judge.on_alert(&hit))
    };
    let rule = |change: fn(&mut Rule)| {
        let mut rule = everything(Then::Isolate, Reach::Both);
        change(&mut rule);
        Policy { rules: vec![rule], ..enforcing() }
    };
    assert!(verdict(enforcing()).starts_with("withhold: infrastructure"));
    assert!(verdict(rule(|rule| rule.infrastructure = true)).starts_with("isolate"));
    assert!(verdict(rule(|rule| rule.when.role = vec![Role::Dns])).starts_with("isolate"));
    assert_eq!(verdict(rule(|rule| rule.when.role = vec![Role::Proxy])), "nothing");
    let mut spares_none = enforcing();
    spares_none.infrastructure.spare = vec![Role::Proxy];
    assert!(verdict(spares_none).starts_with("isolate"));
    let mut not_it = enforcing();
    not_it.infrastructure.add_exception("10.0.0.54/32".parse().unwrap());
    assert!(verdict(not_it).starts_with("isolate"));
    let mut more = enforcing();
    more.infrastructure.min_clients = 6;
    assert!(verdict(more).starts_with("isolate"));
}

#[test]
fn who_passes_a_question_on_is_not_its_victim() {
    let mut judge = Judge::new(enforcing());
    let names = [Names::of("evil.example")];
    let asked = |client: &str| {
        let (host, client) = ("10.0.0.53".parse().unwrap(), client.parse().unwrap());
        Sighting::Asked { host, client, names: names[0] }
    };
    let at = |second: u64| Nanos(second * 1_000_000_000);
    assert_eq!(judge.sight(&asked("10.0.0.5"), at(1)), None);
    let mut own = alert(Some("10.0.0.5"), Severity::High, 1);
    assert_eq!(judge.attribute(&mut own, &names), None, "nobody asked it");
    assert!(brief(judge.on_alert(&own)).starts_with("isolate"));
    let mut upstream = alert(Some("10.0.0.53"), Severity::High, 2);
    let forwarded = judge.attribute(&mut upstream, &names).unwrap();
    assert_eq!((forwarded.by, forwarded.asked_by), ("10.0.0.53".parse().unwrap(), own.victim.unwrap()));
    assert_eq!((upstream.victim, upstream.proof), (own.victim, Proof::default()));
    assert_eq!(brief(judge.on_alert(&upstream)), "nothing", "isolated already");
    // Who is cut off asks nobody: these questions are forged, and excuse nobody.
    assert_eq!(judge.sight(&asked("10.0.0.5"), at(60)), None);
    let mut again = alert(Some("10.0.0.53"), Severity::High, 60);
    assert_eq!(judge.attribute(&mut again, &names), None);
    assert!(brief(judge.on_alert(&again)).starts_with("isolate"));
    assert_eq!(judge.network_tally().forwarded, 1);
}

#[test]
fn unproven_wishes_leave_proven_ones_their_reserve() {
    let limits = Limits { per_minute: 30, at_once: 40, reserve: 50 };
    // A rule that takes an alert for proof enough: the default one does not ask the brake about unproven victims at all.
    let rules = vec![everything(Then::Isolate, Reach::Both)];
    let mut judge = Judge::new(Policy { limits, rules, ..enforcing() });
    let mut isolated = 0;
    for n in 0..100_u8 {
        let mut forged = alert(Some(&format!("10.1.0.{n}")), Severity::High, 0);
        forged.proof = Proof::default();
        isolated += u32::from(brief(judge.on_alert(&forged)).starts_with("isolate"));
    }
    assert_eq!((isolated, judge.tally().withheld_unproven, judge.tally().brake_on), (15, 85, 1));
    for n in 0..25 {
        let real = alert(Some(&format!("10.2.0.{n}")), Severity::High, 1);
        assert!(brief(judge.on_alert(&real)).starts_with("isolate"), "{n}");
    }
    let mut bound = alert(Some("10.3.0.1"), Severity::High, 1);
    bound.proof = Proof { binding: Binding::Matches, ..Proof::default() };
    assert!(
        brief(judge.on_alert(&bound)).starts_with("withhold: brake: 40 hosts"),
        "max_isolated is for all"
    );
}

#[test]
fn who_was_isolated_for_a_clients_question_is_to_be_released() {
    let mut judge = Judge::new(enforcing());
    let names = [Names::of("evil.example")];
    let at = |second: u64| Nanos(second * 1_000_000_000);
    let mut upstream = alert(Some("10.0.0.53"), Severity::High, 5);
    assert_eq!(judge.attribute(&mut upstream, &names), None, "the client's worker lags");
    assert!(brief(judge.on_alert(&upstream)).starts_with("isolate"));
    let (resolver, client) = ("10.0.0.53".parse().unwrap(), "10.0.0.5".parse().unwrap());
    let asked = Sighting::Asked { host: resolver, client, names: names[0] };
    assert_eq!(judge.sight(&asked, at(6)), None, "asked after it");
    assert_eq!(judge.sight(&asked, at(4)), Some(host("10.0.0.53")));
    judge.ended(host("10.0.0.53"), at(6));
    judge.forget(host("10.0.0.53"));
    let mut later = alert(Some("10.0.0.53"), Severity::High, 60);
    assert_eq!(judge.attribute(&mut later, &names), None);
    assert!(brief(judge.on_alert(&later)).ends_with("relapse 0"), "it is not held against it");
    // An operator's word is not taken back.
    judge.on_operator(host("10.0.0.54"), Scope::Both, None, at(70));
    let mut own = alert(Some("10.0.0.54"), Severity::High, 70);
    assert_eq!(judge.attribute(&mut own, &names), None);
    let asked = Sighting::Asked { host: "10.0.0.54".parse().unwrap(), client, names: names[0] };
    assert_eq!(judge.sight(&asked, at(69)), None);
}
