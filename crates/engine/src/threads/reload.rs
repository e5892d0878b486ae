//! The thread that makes new snapshots: away from all who have packets or alerts to look after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use output::{AuditAction, AuditEvent};

use super::SLICE;
use crate::audit::Auditor;
use crate::control::{Caller, Reply};
use crate::snapshot::{Snapshot, Snapshots};

/// Scheduling priority of the thread (-20 first, 19 last).
const RELOAD_NICE: i32 = 19;
/// How often the thread looks whether it should stop.
const STOP_LOOK: Duration = Duration::from_millis(100);
/// How long workers have to give the old snapshot up. They look many times a second.
const GIVE_UP: Duration = Duration::from_secs(5);
/// How often that is looked at.
const GIVE_UP_LOOK: Duration = Duration::from_millis(2);

/// Makes a snapshot of what the configuration names now; the error says what is wrong with it.
pub type Load = Box<dyn FnMut() -> Result<Loaded, String> + Send>;

/// A new snapshot.
#[derive(Debug)]
pub struct Loaded {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What there is to say about it, line by line.
    pub told: Vec<String>,
}

/// Somebody wants a new snapshot.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Who.
    pub caller: Caller,
    /// Where the answer is waited for; nobody waits if it was a signal.
    pub answer: Option<Sender<Reply>>,
}

pub(crate) struct ReloadThread {
    pub load: Load,
    pub snapshots: Arc<Snapshots>,
    pub wishes: Receiver<Wish>,
    pub stop: Arc<AtomicBool>,
    pub auditor: Auditor,
}

impl ReloadThread {
    pub fn run(mut self) {
        // Reading lists takes a core for some seconds: those that workers leave over.
        if let Err(err) = capture::run_in_slices(RELOAD_NICE, SLICE) {
            tracing::warn!("reloads run at ordinary priority: {err}");
        }
        while !self.stop.load(Ordering::Relaxed) {
            match self.wishes.recv_timeout(STOP_LOOK) {
                Ok(Wish { caller, answer }) => {
                    let reply = self.reload(caller);
                    if let Some(client) = answer {
                        // A client that has gone does not want to know.
                        let _ = client.send(reply);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn reload(&mut self, caller: Caller) -> Reply {
        let began = Instant::now();
        let audit = AuditEvent {
            who: caller.who,
            from: caller.from,
            ..AuditEvent::new(AuditAction::Reload, caller.by)
        };
        match (self.load)() {
            Ok(Loaded { snapshot, told }) => {
                let detail = changes(&self.snapshots.current(), &snapshot);
                self.put_in_force(snapshot);
                self.auditor.tell(AuditEvent { detail, ..audit });
                self.snapshots.reloads.fetch_add(1, Ordering::Relaxed);
                for line in &told {
                    tracing::info!("{line}");
                }
                let took = began.elapsed().as_secs_f64();
                tracing::info!("reloaded in {took:.1} s");
                let message = told.into_iter().chain([format!("reloaded in {took:.1} s")]);
                Reply::Done { message: message.collect::<Vec<_>>().join("\n") }
            }
            Err(why) => {
                self.snapshots.reloads_failed.fetch_add(1, Ordering::Relaxed);
                let detail = "what was in force still is".into();
                self.auditor.tell(AuditEvent { detail, refused: Some(why.clone()), ..audit });
                tracing::error!("not reloaded, what was in force still is: {why}");
                Reply::Refused { message: format!("{why}\nnot reloaded, what was in force still is") }
            }
        }
    }

    /// Hits are handed on once nobody counts any more in the old set.
    fn put_in_force(&self, snapshot: Snapshot) {
        let new = Arc::new(snapshot.after(&self.snapshots.current()));
        let old = self.snapshots.publish(new.clone());
        let since = Instant::now();
        let in_use = || Arc::strong_count(&old.indicators) > 1 || Arc::strong_count(&old.rules) > 1;
        while in_use() && since.elapsed() < GIVE_UP {
            std::thread::sleep(GIVE_UP_LOOK);
        }
        if in_use() {
            tracing::warn!("a worker still matches with what was before; hits that it counts now are lost");
        }
        new.indicators.inherit(&old.indicators);
    }
}

/// What a reload changed, for the record.
fn changes(old: &Snapshot, new: &Snapshot) -> String {
    let (was, is) = (&old.policy, &new.policy);
    let policy = if was == is {
        "policy unchanged".to_owned()
    } else {
        format!(
            "policy changed (mode {} -> {}, rules {} -> {}, protected {} -> {})",
            was.mode.name(),
            is.mode.name(),
            was.rules.len(),
            is.rules.len(),
            was.protected.iter().count(),
            is.protected.iter().count()
        )
    };
    let (indicators, rules) =
        ((old.indicators.len(), new.indicators.len()), (old.rules.len(), new.rules.len()));
    format!("indicators {} -> {}, rules {} -> {}, {policy}", indicators.0, indicators.1, rules.0, rules.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use intel::Loader;
    use wire::Nanos;

    fn snapshot(text: &str) -> Snapshot {
        let mut loader = Loader::new();
        loader.text("list", text).unwrap();
        Snapshot::new(loader.finish().0)
    }

    #[test]
    fn a_good_one_is_put_in_force_with_its_hits_and_a_bad_one_is_not() {
        let first = Arc::new(snapshot("a.example\nb.example\n"));
        let hit = first.indicators.domain("a.example", Nanos(0)).unwrap();
        first.indicators.hit(&hit, Nanos(7_000_000_000));
        drop(hit);
        let snapshots = Arc::new(Snapshots::new(first));
        let (wish, wishes) = crossbeam_channel::unbounded();
        let mut turns = vec![
            Ok(Loaded {
                snapshot: snapshot("a.example\nc.example\nd.example\n"),
                told: vec!["3 indicators".into()],
            }),
            Err("list:7: no list".to_owned()),
        ];
        turns.reverse();
        let (auditor, audits) = Auditor::new();
        let thread = ReloadThread {
            load: Box::new(move || turns.pop().unwrap()),
            snapshots: snapshots.clone(),
            wishes,
            stop: Arc::default(),
            auditor,
        };
        let running = std::thread::spawn(move || thread.run());
        let caller = Caller { by: "operator".into(), who: Some("uid 0".into()), from: None };
        let ask = || {
            let (answer, answered) = crossbeam_channel::bounded(1);
            wish.send(Wish { caller: caller.clone(), answer: Some(answer) }).unwrap();
            answered.recv().unwrap()
        };
        assert!(
            matches!(ask(), Reply::Done { message } if message.starts_with("3 indicators\nreloaded in "))
        );
        let current = || snapshots.current().indicators.clone();
        assert_eq!((current().len(), current().hit_count()), (3, 1));
        assert!(matches!(ask(), Reply::Refused { message } if message.starts_with("list:7: no list\n")));
        assert_eq!((current().len(), current().hit_count()), (3, 1));
        let counts = [&snapshots.reloads, &snapshots.reloads_failed].map(|c| c.load(Ordering::Relaxed));
        assert_eq!(counts, [1, 1]);
        // Each is on record: what changed, or why nothing did.
        let audits: Vec<AuditEvent> = audits.try_iter().collect();
        assert_eq!(audits[0].detail, "indicators 2 -> 3, rules 0 -> 0, policy unchanged");
        assert_eq!((audits[0].refused.as_deref(), audits[0].who.as_deref()), (None, Some("uid 0")));
        assert_eq!(audits[1].refused.as_deref(), Some("list:7: no list"));
        assert_eq!(audits.len(), 2);
        drop(wish);
        running.join().unwrap();
    }
}
