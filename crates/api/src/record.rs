//! Who logged in, and who was refused: told to whoever keeps the record, a flood of it as a count.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use alert::Text;
use output::{AuditAction, AuditEvent};

use crate::limits::{LOGIN_IDLE, MAX_SOURCES, MAX_TOLD, MAX_TOLD_OF_SOURCE, SUMMARY_AFTER};
use crate::peer::{Origin, Peer};

type Tell = Box<dyn Fn(AuditEvent) + Send + Sync>;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Record {
    tell: OnceLock<Tell>,
    state: Mutex<State>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// Who used which token or certificate from where, and when last.
    logins: HashMap<(Arc<str>, Origin), Instant>,
    /// Since when refusals are counted, and how many of them were told one by one.
    window: Option<Instant>,
    told: u32,
    told_of: HashMap<Origin, u32>,
    /// Refusals that were not.
    untold: HashMap<AuditAction, Untold>,
}

#[derive(Debug, Default)]
struct Untold {
    count: u64,
    sources: HashMap<Origin, u64>,
}

impl Record {
    /// Tells from now on.
    pub(crate) fn tells(&self, tell: impl Fn(AuditEvent) + Send + Sync + 'static) {
        let _ = self.tell.set(Box::new(tell));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: AuditEvent) {
        if let Some(tell) = self.tell.get() {
            tell(event);
        }
    }

    /// A token or certificate was used; told the first time, and again when it was not used from there for long.
    pub(crate) fn login(&self, who: &Arc<str>, peer: &Peer, origin: Origin, now: Instant) {
        let mut state = self.state();
        let key = (who.clone(), origin);
        let before = state.logins.insert(key, now);
        if before.is_some_and(|last| now.duration_since(last) < LOGIN_IDLE) {
            return;
        }
        if state.logins.len() > MAX_SOURCES {
            let oldest = state.logins.iter().min_by_key(|(_, last)| **last).map(|(key, _)| key.clone());
            oldest.map(|key| state.logins.remove(&key));
        }
        drop(state);
        self.tell(AuditEvent {
            who: Some(who.clone()),
            from: Some(peer.to_string().into()),
            ..AuditEvent::new(AuditAction::Login, Text::Own("operator"))
        });
    }

    /// Somebody was refused. Whether a summary is due [`SUMMARY_AFTER`] from now: it is the caller who waits.
    pub(crate) fn refused(
        &self,
        action: AuditAction,
        who: Option<&Arc<str>>,
        (peer, origin): (&Peer, Origin),
        why: &str,
        now: Instant,
    ) -> bool {
        let mut state = self.state();
        let begins = state.window.is_none();
        state.window.get_or_insert(now);
        let of_source = state.told_of.get(&origin).copied().unwrap_or(0);
        if state.told < MAX_TOLD && of_source < MAX_TOLD_OF_SOURCE {
            state.told += 1;
            state.told_of.insert(origin, of_source + 1);
            drop(state);
            self.tell(AuditEvent {
                who: who.cloned(),
                from: Some(peer.to_string().into()),
                refused: Some(why.to_owned()),
                ..AuditEvent::new(action, Text::Own("unknown"))
            });
        } else {
            let untold = state.untold.entry(action).or_default();
            untold.count += 1;
            if untold.sources.len() < MAX_SOURCES || untold.sources.contains_key(&origin) {
                *untold.sources.entry(origin).or_default() += 1;
            }
        }
        begins
    }

    /// Tells what was only counted, a line for each kind, and begins anew.
    pub(crate) fn sum_up(&self) {
        let state = {
            let mut state = self.state();
            let logins = std::mem::take(&mut state.logins);
            std::mem::replace(&mut *state, State { logins, ..State::default() })
        };
        let mut untold: Vec<(AuditAction, Untold)> = state.untold.into_iter().collect();
        untold.sort_by_key(|(action, _)| action.name());
        for (action, Untold { count, sources }) in untold {
            let most = sources.iter().max_by_key(|(_, count)| **count);
            let most =
                most.map(|(origin, count)| format!(", {count} of them from {origin}")).unwrap_or_default();
            let detail =
                format!("{count} more in {} s from {} sources{most}", SUMMARY_AFTER.as_secs(), sources.len());
            self.tell(AuditEvent {
                detail,
                refused: Some("too many to be told one by one".into()),
                count,
                ..AuditEvent::new(action, Text::Own("unknown"))
            });
        }
    }

    /// Between two summaries.
    pub(crate) const PERIOD: Duration = SUMMARY_AFTER;
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use super::*;

    fn recorded() -> (Record, Arc<Mutex<Vec<AuditEvent>>>) {
        let (record, told) = (Record::default(), Arc::<Mutex<Vec<AuditEvent>>>::default());
        let to = told.clone();
        record.tells(move |event| to.lock().unwrap().push(event));
        (record, told)
    }

    fn peer(n: u32) -> (Peer, Origin) {
        let ip = IpAddr::from(Ipv4Addr::from_bits(n));
        (Peer::Remote { at: SocketAddr::new(ip, 1), certificate: None }, ip.into())
    }

    #[test]
    fn a_login_is_told_once_for_each_source() {
        let (record, told) = recorded();
        let (who, now): (Arc<str>, _) = ("token soc".into(), Instant::now());
        for (n, at) in [(1, now), (1, now + LOGIN_IDLE / 2), (2, now), (1, now + LOGIN_IDLE)] {
            let (peer, origin) = peer(n);
            record.login(&who, &peer, origin, at);
        }
        assert_eq!(told.lock().unwrap().len(), 2);
        let (peer, origin) = peer(1);
        record.login(&who, &peer, origin, now + 3 * LOGIN_IDLE);
        assert_eq!(told.lock().unwrap().len(), 3);
        for n in 0..2 * MAX_SOURCES as u32 {
            let (peer, origin) = self::peer(n);
            record.login(&who, &peer, origin, now);
        }
        assert!(record.state().logins.len() <= MAX_SOURCES);
    }

    #[test]
    fn a_flood_of_refusals_is_a_few_lines_and_a_count() {
        let (record, told) = recorded();
        let now = Instant::now();
        let mut due = 0;
        for n in 0..100_000u32 {
            let (peer, origin) = peer(n % 5000);
            let action = if n % 2 == 0 { AuditAction::LoginRefused } else { AuditAction::Throttled };
            due += u32::from(record.refused(action, None, (&peer, origin), "wrong token", now));
        }
        assert_eq!((due, told.lock().unwrap().len()), (1, MAX_TOLD as usize));
        record.sum_up();
        let told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(told.len(), MAX_TOLD as usize + 2);
        assert_eq!(told.iter().map(|event| event.count).sum::<u64>(), 100_000);
        assert!(told.iter().all(|event| event.refused.is_some()));
        // One source alone leaves room for others.
        let (noisy, origin) = peer(1);
        (0..100).for_each(|_| {
            record.refused(AuditAction::LoginRefused, None, (&noisy, origin), "wrong token", now);
        });
        assert_eq!(record.state().told, MAX_TOLD_OF_SOURCE);
    }
}
