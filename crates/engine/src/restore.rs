//! After a restart: what the ledger says beside what is in the isolation map, and what becomes of it.
//!
//! The map is in force, and every change is made in it before the ledger hears of it. So as long as it is the same map, it is
//! right: who is in it stays isolated until the end that it has, whether or not the ledger knows of that; who is not in it was
//! released, even if the ledger was not told any more. A new map (after a reboot, or when its pin was removed) knows
//! nothing: there the ledger is right, and who has time left is put back, unless lines are missing in which they may have been
//! released, or they are protected now.

use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alert::Text;
use capture::IsolationMap;
use output::{IsolationAction, IsolationEvent};
use wire::{Nanos, Scope, Target};

use crate::clock;
use crate::register::{Changed, Isolation};
use crate::warden::{Enforcement, Warden, step};

/// Two clocks are read one after the other, and a verdict's time is that of its packet: ends this near are the same.
const TOLERANCE: Duration = Duration::from_secs(1);
/// Hosts that are named in the log, of each kind; the events name all.
const LOGGED: usize = 20;

/// An isolation that runs, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Whom.
    pub target: Target,
    /// How far.
    pub scope: Scope,
    /// Which isolation.
    pub verdict: u64,
    /// Who decided.
    pub by: Text,
    /// Who exactly.
    pub who: Option<Arc<str>>,
    /// Why.
    pub reason: String,
    /// The C2 peer.
    pub peer: Option<IpAddr>,
    /// What was changed since it was decided.
    pub changes: Vec<Changed>,
    /// When its latest step was taken (wall clock).
    pub time: Nanos,
    /// When it ends (wall clock).
    pub until: Nanos,
    /// In which map it was in force, as [`Restore::map`] named it then.
    pub map: String,
    /// Lines behind its latest one are missing.
    pub in_doubt: bool,
}

/// A target that was released before its time was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Whom.
    pub target: Target,
    /// Who did it and when, for humans.
    pub how: String,
}

/// What a ledger tells.
#[derive(Debug, Default)]
pub struct Restore {
    /// Who is isolated.
    pub isolated: Vec<Known>,
    /// Who was released.
    pub released: Vec<Released>,
    /// The greatest number of an isolation; those to come are greater.
    pub last_verdict: u64,
    /// The sensor says here which map is in force, before the first step is told: the machine's boot and the map's number.
    pub map: Arc<OnceLock<String>>,
}

/// What came of a [`Restore`].
#[derive(Debug, Default)]
pub(crate) struct Reconciled {
    steps: Vec<(Nanos, IsolationEvent)>,
    restored: u64,
    not_restored: u64,
    adopted: u64,
    vanished: u64,
}

impl Reconciled {
    pub(crate) fn counters(&self) -> [(String, u64); 4] {
        [
            ("isolation.restored".into(), self.restored),
            ("isolation.not_restored".into(), self.not_restored),
            ("isolation.adopted".into(), self.adopted),
            ("isolation.vanished".into(), self.vanished),
        ]
    }

    fn say(&mut self, count: fn(&mut Self) -> &mut u64, line: impl FnOnce() -> String) {
        let count = count(self);
        *count += 1;
        if *count <= LOGGED as u64 {
            tracing::warn!("{}", line());
        }
    }
}

/// What becomes of an isolation that the ledger has as running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is in the map. `as_known`: in the one and with the end that the ledger has.
    RunsOn { as_known: bool },
    /// Its time is over.
    Over,
    /// It is not in the map any more.
    Vanished,
    /// The map is a new one, and it has this time left.
    PutBack(Duration),
}

/// `in_map`: its end there (wall clock), if it is there. `same`: whether that is the map that it was in force in.
fn fate(known: &Known, in_map: Option<Nanos>, same: bool, now: Nanos) -> Fate {
    if let Some(until) = in_map {
        let apart = until.since(known.until).max(known.until.since(until));
        return Fate::RunsOn { as_known: same && apart <= TOLERANCE && !known.in_doubt };
    }
    // A clock that was set back does not lengthen anything: it is not earlier than when that was written.
    let left = known.until.since(now.max(known.time));
    match same {
        _ if left.is_zero() => Fate::Over,
        true if left <= TOLERANCE => Fate::Over,
        true => Fate::Vanished,
        false => Fate::PutBack(left),
    }
}

impl Warden {
    /// Brings the ledger's word and the map together. The steps that this led to are told by [`Warden::restored`].
    pub(crate) fn restore(&mut self, restore: Restore) {
        let Some(map) = self.map().map(map_name) else { return };
        let _ = restore.map.set(map.clone());
        self.verdict = self.verdict.max(restore.last_verdict);
        let (wall, monotonic) = (clock::wall(), clock::monotonic());
        let mut strangers: std::collections::BTreeSet<Target> =
            self.register.iter().map(|(host, _)| host).collect();
        let mut done = Reconciled::default();
        for known in restore.isolated {
            strangers.remove(&known.target);
            let in_map = self.register.get_mut(known.target).map(|found| found.clone());
            match fate(&known, in_map.as_ref().map(|found| found.until), known.map == map, wall) {
                Fate::RunsOn { as_known } => self.run_on(&known, in_map, as_known, wall, &mut done),
                Fate::Over => done.steps.push((known.until, told(&known, IsolationAction::Expire))),
                Fate::Vanished => {
                    done.say(|r| &mut r.vanished, || format!("{}: the ledger has it as isolated, and it is not in the map any more: released", known.target));
                    let reason = "gone from the isolation map while no sensor ran".into();
                    let step = IsolationEvent {
                        by: Text::Own("unknown"),
                        who: None,
                        reason,
                        ..told(&known, IsolationAction::Release)
                    };
                    done.steps.push((wall, step));
                }
                Fate::PutBack(left) => {
                    let step = self.put_back(&known, left, wall, monotonic);
                    let target = known.target;
                    match &step.not_enforced_because {
                        None => done.say(
                            |r| &mut r.restored,
                            || format!("{target}: isolated again, {} s are left", left.as_secs()),
                        ),
                        Some(why) => {
                            done.say(
                                |r| &mut r.not_restored,
                                || {
                                    format!(
                                        "{target}: was isolated before the reboot, and is not again: {why}"
                                    )
                                },
                            );
                        }
                    }
                    done.steps.push((wall, step));
                }
            }
        }
        for target in strangers {
            let released = restore.released.iter().find(|released| released.target == target);
            self.take_in(target, released, wall, &mut done);
        }
        for (count, what) in [
            (done.restored, "put back into the map"),
            (done.not_restored, "not put back into the map"),
            (done.adopted, "taken over from the map, unknown to the ledger or otherwise there"),
            (done.vanished, "gone from the map"),
        ] {
            if count > 0 {
                tracing::warn!("isolations of an earlier run: {count} {what}");
            }
        }
        self.reconciled = done;
    }

    /// The steps that a restart led to, once.
    pub(crate) fn restored(&mut self) -> Vec<(Nanos, IsolationEvent)> {
        std::mem::take(&mut self.reconciled.steps)
    }

    /// It is in force: whose it is and why is taken from the ledger, how far and how long from the map.
    fn run_on(
        &mut self,
        known: &Known,
        in_map: Option<Isolation>,
        as_known: bool,
        wall: Nanos,
        done: &mut Reconciled,
    ) {
        let Some(found) = in_map else { return };
        let isolation = Isolation {
            verdict: known.verdict,
            by: known.by.clone(),
            who: known.who.clone(),
            reason: known.reason.clone(),
            peer: known.peer,
            changes: known.changes.clone(),
            ..found
        };
        if !as_known {
            let step =
                step(known.target, IsolationAction::Adopt, &isolation, self.entry(known.target).as_ref());
            done.say(
                |r| &mut r.adopted,
                || {
                    let left = isolation.until.since(wall).as_secs();
                    format!("{}: isolated for {left} s more, which is not what the ledger has", known.target)
                },
            );
            done.steps.push((wall, step));
        }
        self.register.enter(known.target, isolation);
    }

    fn put_back(&mut self, known: &Known, left: Duration, wall: Nanos, monotonic: Nanos) -> IsolationEvent {
        let refused = |why: String| IsolationEvent {
            enforced: false,
            not_enforced_because: Some(why),
            ..told(known, IsolationAction::Restore)
        };
        if known.in_doubt {
            return refused("the ledger is damaged behind its record: it may have been released".into());
        }
        if let Some(why) = self.judge.why_protected(&known.target) {
            return refused(why);
        }
        let Enforcement::Kernel { map, posts } = &self.enforcement else { return refused("replay".into()) };
        if let Some(why) = posts.why_nowhere() {
            return refused(why);
        }
        let (until, expires_ns) = (wall.after(left), monotonic.after(left).0);
        if let Err(err) = map.set(known.target, &known.scope, expires_ns) {
            self.failed += 1;
            return refused(err.to_string());
        }
        let isolation = Isolation {
            until,
            expires_ns,
            verdict: known.verdict,
            scope: known.scope.clone(),
            who: known.who.clone(),
            peer: known.peer,
            changes: known.changes.clone(),
            ..Isolation::by(known.by.clone(), known.reason.clone())
        };
        self.judge.adopt(known.target, &known.scope, until);
        let step = step(known.target, IsolationAction::Restore, &isolation, None);
        self.register.enter(known.target, isolation);
        self.placed(step)
    }

    /// It is in the map, and the ledger does not have it as isolated: whoever was released is taken out of the map before the
    /// ledger hears of it, so this is a later isolation.
    fn take_in(&mut self, target: Target, released: Option<&Released>, wall: Nanos, done: &mut Reconciled) {
        let entry = self.entry(target);
        let Some(isolation) = self.register.get_mut(target) else { return };
        isolation.reason = match released {
            Some(Released { how, .. }) => {
                format!(
                    "was in the isolation map already; unknown to the ledger, which has it as released: {how}"
                )
            }
            None => "was in the isolation map already; unknown to the ledger".into(),
        };
        done.say(|r| &mut r.adopted, || format!("{target}: {}", isolation.reason));
        done.steps.push((wall, step(target, IsolationAction::Adopt, isolation, entry.as_ref())));
    }
}

/// A step of an isolation that is not in the map.
fn told(known: &Known, action: IsolationAction) -> IsolationEvent {
    let isolation = Isolation {
        until: known.until,
        verdict: known.verdict,
        scope: known.scope.clone(),
        who: known.who.clone(),
        peer: known.peer,
        ..Isolation::by(known.by.clone(), known.reason.clone())
    };
    step(known.target, action, &isolation, None)
}

/// Which map: the first digits of the boot's identity, and the map's number in the kernel, which is not used again before
/// the next boot.
fn map_name(map: &IsolationMap) -> String {
    const BOOT_DIGITS: usize = 8;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let info = format!("/proc/self/fdinfo/{}", map.fds().targets.as_raw_fd());
    let info = std::fs::read_to_string(info).unwrap_or_default();
    let number = info.lines().find_map(|line| line.strip_prefix("map_id:")).unwrap_or("unknown");
    format!("{}-{}", boot.get(..BOOT_DIGITS).unwrap_or("unknown"), number.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(second: u64) -> Nanos {
        Nanos(second * 1_000_000_000)
    }

    /// Isolated at second 1000 for an hour.
    fn known() -> Known {
        Known {
            target: "10.0.0.5".parse().unwrap(),
            scope: Scope::Both,
            verdict: 1,
            by: Text::Own("indicator"),
            who: None,
            reason: String::new(),
            peer: None,
            changes: Vec::new(),
            time: at(1000),
            until: at(4600),
            map: "boot-1".into(),
            in_doubt: false,
        }
    }

    #[test]
    fn what_is_in_the_map_runs_on_with_the_end_it_has_there() {
        let in_map = |end| fate(&known(), Some(at(end)), true, at(2000));
        assert_eq!(in_map(4600), Fate::RunsOn { as_known: true });
        assert_eq!(in_map(4601), Fate::RunsOn { as_known: true });
        // An extension that the ledger was not told of; a shorter time; a machine that slept.
        assert_eq!(in_map(9000), Fate::RunsOn { as_known: false });
        assert_eq!(in_map(3000), Fate::RunsOn { as_known: false });
        let doubted = Known { in_doubt: true, ..known() };
        assert_eq!(fate(&doubted, Some(at(4600)), true, at(2000)), Fate::RunsOn { as_known: false });
        // Put back into a new map, and the ledger was not told any more.
        assert_eq!(fate(&known(), Some(at(4600)), false, at(2000)), Fate::RunsOn { as_known: false });
    }

    #[test]
    fn what_is_not_in_the_same_map_was_released_or_is_over() {
        assert_eq!(fate(&known(), None, true, at(2000)), Fate::Vanished);
        assert_eq!(fate(&known(), None, true, at(4599)), Fate::Over);
        assert_eq!(fate(&known(), None, true, at(9000)), Fate::Over);
    }

    #[test]
    fn in_a_new_map_the_ledger_is_right() {
        assert_eq!(fate(&known(), None, false, at(2000)), Fate::PutBack(Duration::from_secs(2600)));
        assert_eq!(fate(&known(), None, false, at(4600)), Fate::Over);
        // A clock that starts in 1970 lengthens nothing.
        assert_eq!(fate(&known(), None, false, at(5)), Fate::PutBack(HOUR));
    }
}
