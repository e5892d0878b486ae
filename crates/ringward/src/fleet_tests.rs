use output::{Latency, Source};
use wire::{Nanos, Scope};

use super::*;

fn step(action: IsolationAction, by: &'static str) -> IsolationEvent {
    IsolationEvent {
        verdict: 7,
        target: "10.0.0.5".parse().unwrap(),
        scope: Scope::Both,
        action,
        by: Text::Own(by),
        who: None,
        reason: "Test RAT".into(),
        enforced: true,
        not_enforced_because: None,
        until: Some(Nanos(9_000)),
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

fn told(step: &IsolationEvent, share: &[Share], releasing: &Releasing) -> Option<State> {
    let stamp = Stamp { time: Nanos(5), source: Source::Interface("".into()), packet: None };
    let decision = decision(&stamp, step, share, releasing)?;
    assert_eq!((decision.at, decision.until, decision.verdict), (Nanos(5), Nanos(9_000), 7));
    Some(decision.state)
}

const ALL: [Share; 2] = [Share::Isolate, Share::Release];

#[test]
fn what_this_box_decides_is_told_and_nothing_else() {
    use IsolationAction::{Expire, Extend, FirstDrop, Isolate, Release, Withhold};
    let nobody = Releasing::default();
    for (action, expected) in [
        (Isolate, Some(State::Isolated)),
        (Extend, Some(State::Isolated)),
        (Release, Some(State::Released)),
        (FirstDrop, None),
        (Expire, None),
        (Withhold, None),
    ] {
        assert_eq!(told(&step(action, "indicator"), &ALL, &nobody), expected, "{action:?}");
    }
    let unenforced = IsolationEvent { enforced: false, ..step(Isolate, "rule") };
    assert_eq!(told(&unenforced, &ALL, &nobody), Some(State::Isolated), "guards elsewhere enforce it");
}

#[test]
fn what_came_from_the_fleet_does_not_go_there_again() {
    let nobody = Releasing::default();
    assert_eq!(told(&step(IsolationAction::Isolate, FLEET), &ALL, &nobody), None);
    assert_eq!(told(&step(IsolationAction::Extend, FLEET), &ALL, &nobody), None);
    // A release carries who isolated, not who released.
    let released = step(IsolationAction::Release, FLEET);
    assert_eq!(told(&released, &ALL, &nobody), Some(State::Released), "an operator here released it");
    let releasing = Releasing::default();
    releasing.lock().insert(released.target);
    assert_eq!(told(&released, &ALL, &releasing), None, "the fleet released it");
    assert_eq!(told(&released, &ALL, &releasing), Some(State::Released), "but only once");
}

#[test]
fn only_what_is_to_be_shared_is() {
    let nobody = Releasing::default();
    let (isolate, release) = (step(IsolationAction::Isolate, "rule"), step(IsolationAction::Release, "rule"));
    assert_eq!(told(&isolate, &[Share::Release], &nobody), None);
    assert_eq!(told(&release, &[Share::Isolate], &nobody), None);
}

#[test]
fn an_isolation_is_asked_for_to_the_end_and_no_wider() {
    let decision = Decision {
        target: "10.0.0.5".parse().unwrap(),
        state: State::Isolated,
        scope: Scope::Both,
        verdict: 7,
        by: "rule".into(),
        reason: "x".into(),
        at: Nanos(1),
        until: Nanos(2),
    };
    let record = Record { site: "berlin".into(), decision };
    for scope in [Scope::Both, Scope::Outbound, Scope::Peers(vec!["192.0.2.1".parse().unwrap()])] {
        let mut record = record.clone();
        record.decision.scope = scope.clone();
        let wanted = Request::IsolateAdd {
            target: "10.0.0.5".parse().unwrap(),
            scope,
            ttl_s: Some(2),
            reason: "rule: x".into(),
        };
        assert_eq!(wish(&record, Duration::from_millis(1500)), wanted);
    }
    assert_eq!(caller(&record).who.as_deref(), Some("site berlin"));
}
