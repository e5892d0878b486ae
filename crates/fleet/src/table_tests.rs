use std::collections::HashMap;

use proptest::prelude::*;
use wire::Scope;

use super::*;

const NOW: Nanos = Nanos(1_000);
const LATE: Nanos = Nanos(1_000_000);

fn target(n: u8) -> Target {
    format!("10.0.0.{n}").parse().unwrap()
}

fn decision(n: u8, state: State, at: u64, until: u64) -> Decision {
    Decision {
        target: target(n),
        state,
        scope: Scope::Both,
        verdict: at,
        by: "operator".into(),
        reason: String::new(),
        at: Nanos(at),
        until: Nanos(until),
    }
}

fn record(site: &str, n: u8, state: State, at: u64) -> Record {
    Record { site: site.into(), decision: decision(n, state, at, LATE.0) }
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Isolated), Just(State::Released)]
}

fn any_record() -> impl Strategy<Value = Record> {
    let site = prop_oneof![Just("berlin"), Just("oslo"), Just("rome")];
    (site, 0..3_u8, any_state(), 0..6_u64).prop_map(|(site, n, state, at)| record(site, n, state, at))
}

fn holds(table: &Table) -> HashMap<Target, Record> {
    table.records().map(|record| (record.decision.target, record.clone())).collect()
}

/// A bucket that several sites write to and read from, as the server does it.
#[derive(Debug, Default)]
struct Bucket {
    last: HashMap<Target, (u64, Record)>,
    log: Vec<(u64, Record)>,
}

#[derive(Debug)]
struct Site {
    table: Table,
    /// Entries of the log that it has been told.
    read: usize,
    /// On their way, and whether the acknowledgement will get lost.
    outgoing: Vec<Outgoing>,
}

impl Site {
    fn new(name: &str) -> Self {
        Site { table: Table::new(name.into()), read: 0, outgoing: Vec::new() }
    }

    fn read(&mut self, bucket: &Bucket, most: usize) {
        for (revision, record) in bucket.log.iter().skip(self.read).take(most) {
            self.table.learn(record.clone(), *revision, NOW);
            self.read += 1;
        }
    }

    /// The server takes what it is sent, or says that another was first.
    fn write(&mut self, bucket: &mut Bucket) {
        for out in std::mem::take(&mut self.outgoing) {
            let target = out.record.decision.target;
            let held = bucket.last.get(&target).cloned();
            if held.as_ref().map_or(0, |(revision, _)| *revision) == out.revision {
                let revision = bucket.log.len() as u64 + 1;
                bucket.log.push((revision, out.record.clone()));
                bucket.last.insert(target, (revision, out.record.clone()));
                self.table.published(&out.record, revision);
            } else {
                match held {
                    Some((revision, record)) => drop(self.table.learn(record, revision, NOW)),
                    None => self.table.has_none(target, 0),
                }
                self.table.returned(target);
            }
        }
    }

    fn reconnect(&mut self, bucket: &Bucket) {
        self.outgoing.clear();
        self.table.forget_bucket();
        for (revision, record) in bucket.last.values() {
            self.table.learn(record.clone(), *revision, NOW);
        }
        self.table.caught_up();
        self.read = bucket.log.len();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Decide(usize, u8, State, u64),
    Send(usize),
    Write(usize),
    Read(usize, usize),
    /// The connection is lost, with what was on its way.
    Reconnect(usize),
    /// All of the log once more, from its beginning or from its end.
    Replay(usize, bool),
    Restart(usize),
    /// The server loses what it has.
    LoseBucket,
}

fn any_step() -> impl Strategy<Value = Step> {
    let site = 0..3_usize;
    prop_oneof![
        4 => (site.clone(), 0..3_u8, any_state(), 0..6_u64).prop_map(|(s, n, state, at)| Step::Decide(s, n, state, at)),
        4 => site.clone().prop_map(Step::Send),
        4 => site.clone().prop_map(Step::Write),
        4 => (site.clone(), 0..4_usize).prop_map(|(s, n)| Step::Read(s, n)),
        1 => site.clone().prop_map(Step::Reconnect),
        1 => (site.clone(), any::<bool>()).prop_map(|(s, backwards)| Step::Replay(s, backwards)),
        1 => site.prop_map(Step::Restart),
        1 => Just(Step::LoseBucket),
    ]
}

proptest! {
    #[test]
    fn order_repetition_and_replay_of_messages_change_nothing(
        records in proptest::collection::vec(any_record(), 0..12),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut straight = Table::new("here".into());
        for (revision, record) in records.iter().enumerate() {
            straight.learn(record.clone(), revision as u64 + 1, NOW);
        }
        let mut crooked = Table::new("here".into());
        if !records.is_empty() {
            // Any of them any number of times, then all of them backwards.
            for index in &order {
                let at = index.index(records.len());
                crooked.learn(records[at].clone(), at as u64 + 1, NOW);
            }
        }
        for (revision, record) in records.iter().enumerate().rev() {
            crooked.learn(record.clone(), revision as u64 + 1, NOW);
        }
        prop_assert_eq!(holds(&straight), holds(&crooked));
        prop_assert_eq!(straight.isolated(), crooked.isolated());
        let isolated = straight.records().filter(|r| r.decision.state == State::Isolated).count();
        prop_assert_eq!(straight.isolated(), isolated);
    }

    #[test]
    fn sites_agree_whatever_happens_on_the_way(steps in proptest::collection::vec(any_step(), 0..80)) {
        let mut bucket = Bucket::default();
        let mut sites = ["berlin", "oslo", "rome"].map(Site::new);
        for step in steps {
            match step {
                Step::Decide(s, n, state, at) => drop(sites[s].table.decide(decision(n, state, at, LATE.0))),
                Step::Send(s) => {
                    let out = sites[s].table.next_outgoing(NOW);
                    sites[s].outgoing.extend(out);
                }
                Step::Write(s) => sites[s].write(&mut bucket),
                Step::Read(s, most) => sites[s].read(&bucket, most),
                Step::Reconnect(s) => sites[s].reconnect(&bucket),
                Step::Replay(s, backwards) => {
                    let mut log = bucket.log.clone();
                    if backwards {
                        log.reverse();
                    }
                    for (revision, record) in log {
                        sites[s].table.learn(record, revision, NOW);
                    }
                }
                Step::Restart(s) => {
                    let name = sites[s].table.site.clone();
                    sites[s] = Site::new(&name);
                    sites[s].reconnect(&bucket);
                }
                Step::LoseBucket => {
                    bucket = Bucket::default();
                    sites.iter_mut().for_each(|site| site.reconnect(&bucket));
                }
            }
        }
        // Then nothing more happens, and everybody sends and reads what there is.
        for round in 0.. {
            prop_assert!(round < 100, "they do not come to rest");
            let before = bucket.log.len();
            for site in &mut sites {
                while let Some(out) = site.table.next_outgoing(NOW) {
                    site.outgoing.push(out);
                }
                site.write(&mut bucket);
                site.read(&bucket, usize::MAX);
            }
            if bucket.log.len() == before && sites.iter().all(|site| site.table.waiting() == 0) {
                break;
            }
        }
        let held: HashMap<Target, Record> =
            bucket.last.iter().map(|(&target, (_, record))| (target, record.clone())).collect();
        for site in &sites {
            prop_assert_eq!(&holds(&site.table), &held);
        }
    }
}

#[test]
fn a_release_holds_against_the_isolation_that_it_ends_whatever_the_clock_says() {
    let mut table = Table::new("oslo".into());
    table.learn(record("berlin", 1, State::Isolated, 900), 1, NOW);
    // The clock of Oslo is behind.
    assert!(table.decide(decision(1, State::Released, 100, LATE.0)));
    assert_eq!(table.get(&target(1)).unwrap().decision.at, Nanos(901));
    assert_eq!(table.learn(record("berlin", 1, State::Isolated, 900), 1, NOW), Learned::Stale);
    assert_eq!(table.get(&target(1)).unwrap().decision.state, State::Released);
    assert_eq!((table.isolated(), table.waiting()), (0, 1));
}

#[test]
fn the_same_instant_releases() {
    let mut table = Table::new("here".into());
    table.learn(record("oslo", 1, State::Released, 5), 1, NOW);
    assert_eq!(table.learn(record("rome", 1, State::Isolated, 5), 2, NOW), Learned::Stale);
}

#[test]
fn what_is_over_is_ignored_and_taken_away_later() {
    let mut table = Table::new("oslo".into());
    let old = Record { site: "oslo".into(), decision: decision(1, State::Isolated, 1, NOW.0) };
    assert_eq!(table.learn(old, 7, NOW), Learned::Over);
    assert_eq!(table.records().count(), 0);
    assert_eq!(table.sweep(NOW, 9), []);
    let due = NOW.after(PURGE_AFTER);
    assert_eq!(table.sweep(due, 9), [Purge { due, target: target(1), revision: 7 }]);
    assert_eq!(table.sweep(due, 9), []);
}

#[test]
fn an_isolation_ends_and_leaves_nothing() {
    let mut table = Table::new("oslo".into());
    table.learn(record("berlin", 1, State::Isolated, 900), 3, NOW);
    assert!(table.decide(decision(2, State::Isolated, 900, 5_000)));
    assert_eq!((table.isolated(), table.waiting()), (2, 1));
    assert_eq!(table.sweep(Nanos(5_000), 9), []);
    assert_eq!((table.isolated(), table.waiting()), (1, 0));
    assert!(table.next_outgoing(Nanos(5_000)).is_none(), "nobody is told of what is over");
    let due = LATE.after(PURGE_OTHERS_AFTER);
    assert_eq!(table.sweep(due, 9), [Purge { due, target: target(1), revision: 3 }]);
    assert_eq!((table.isolated(), table.records().count(), table.ends.len()), (0, 0, 0));
}

#[test]
fn the_newest_of_each_target_waits_while_there_is_no_server() {
    let mut table = Table::new("oslo".into());
    for round in 0..100 {
        table.decide(decision(1, State::Isolated, 10 + round, LATE.0));
        table.decide(decision(2, State::Isolated, 10 + round, LATE.0));
    }
    assert_eq!(table.waiting(), 2);
    let sent: Vec<u64> =
        std::iter::from_fn(|| table.next_outgoing(NOW)).map(|out| out.record.decision.verdict).collect();
    assert_eq!(sent, [109, 109]);
}

#[test]
fn there_is_an_end_to_it() {
    let mut table = Table { room: 2, ..Table::new("oslo".into()) };
    assert!(table.decide(decision(1, State::Isolated, 1, LATE.0)));
    assert!(table.decide(decision(2, State::Isolated, 1, LATE.0)));
    assert!(!table.decide(decision(3, State::Isolated, 1, LATE.0)));
    assert_eq!(table.learn(record("rome", 4, State::Isolated, 1), 1, NOW), Learned::NoRoom);
    assert!(table.decide(decision(2, State::Released, 1, LATE.0)), "what is known can still be decided");
}
