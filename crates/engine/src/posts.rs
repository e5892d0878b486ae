//! The ports on which isolations are enforced, guard and inline, and which of them are in force.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use output::{Places, PortEvent};

use crate::options::SensorOptions;

/// Changes that may wait to be told; the counters still have those that are not.
const MAX_UNTOLD: usize = 256;

/// One port under watch.
#[derive(Debug)]
struct Post {
    /// One device, or the two of an inline pair.
    names: Vec<Arc<str>>,
    role: &'static str,
    /// Since when it enforces nothing, and why.
    gap: Option<(Instant, String)>,
    gaps: u64,
    /// Gaps that are over.
    unguarded: Duration,
}

impl Post {
    fn new(names: &[String], role: &'static str) -> Self {
        let names = names.iter().map(|name| Arc::from(name.as_str())).collect();
        Post { names, role, gap: None, gaps: 0, unguarded: Duration::ZERO }
    }

    fn name(&self) -> String {
        self.names.join("+")
    }
}

#[derive(Debug, Default)]
struct State {
    posts: Vec<Post>,
    untold: Vec<PortEvent>,
}

impl State {
    fn places(&self) -> Places {
        let of = |in_force: bool| {
            let posts = self.posts.iter().filter(move |post| post.gap.is_none() == in_force);
            posts.flat_map(|post| post.names.iter().cloned()).collect()
        };
        Places { enforced_on: of(true), missing: of(false) }
    }

    fn tell(&mut self, event: PortEvent) {
        if self.untold.len() < MAX_UNTOLD {
            self.untold.push(event);
        }
    }
}

/// See the module's text. Written by the watch over the ports, read by the warden.
#[derive(Debug, Default)]
pub struct Posts(Mutex<State>);

impl Posts {
    /// The guard ports, then the inline ports, all of them in force.
    pub(crate) fn new(options: &SensorOptions) -> Self {
        let guards = options.guard.iter().map(|port| Post::new(std::slice::from_ref(&port.name), "guard"));
        let pairs = options.inline.iter().map(|pair| Post::new(&pair.names, "inline"));
        Posts(Mutex::new(State { posts: guards.chain(pairs).collect(), untold: Vec::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The port of that number enforces nothing any more.
    pub(crate) fn lost(&self, number: usize, why: &str) {
        let mut state = self.state();
        let Some(post) = state.posts.get_mut(number).filter(|post| post.gap.is_none()) else { return };
        post.gap = Some((Instant::now(), why.to_owned()));
        post.gaps += 1;
        let (port, role) = (post.name(), post.role);
        let places = state.places();
        state.tell(PortEvent { port, role, in_force: false, reason: why.to_owned(), gap: None, places });
    }

    /// Why it still does not.
    pub(crate) fn still_lost(&self, number: usize, why: &str) {
        if let Some((_, known)) = self.state().posts.get_mut(number).and_then(|post| post.gap.as_mut()) {
            why.clone_into(known);
        }
    }

    /// It is in force again; for how long it was not.
    pub(crate) fn back(&self, number: usize) -> Duration {
        let mut state = self.state();
        let Some(post) = state.posts.get_mut(number) else { return Duration::ZERO };
        let Some((since, reason)) = post.gap.take() else { return Duration::ZERO };
        let gap = since.elapsed();
        post.unguarded += gap;
        let (port, role) = (post.name(), post.role);
        let places = state.places();
        state.tell(PortEvent { port, role, in_force: true, reason, gap: Some(gap), places });
        gap
    }

    /// What happened since this was asked last.
    pub(crate) fn changes(&self) -> Vec<PortEvent> {
        std::mem::take(&mut self.state().untold)
    }

    /// Where isolations are in force.
    #[must_use]
    pub fn places(&self) -> Places {
        self.state().places()
    }

    /// Why isolations are in force nowhere; `None` if they are somewhere.
    #[must_use]
    pub fn why_nowhere(&self) -> Option<String> {
        let state = self.state();
        if state.posts.is_empty() {
            return Some("no guard port is configured".into());
        }
        let gaps: Option<Vec<String>> =
            state.posts.iter().map(|post| Some(post.gap.as_ref()?.1.clone())).collect();
        gaps.map(|gaps| format!("no guard port is in force: {}", gaps.join("; ")))
    }

    /// What is wrong with each port that enforces nothing.
    #[must_use]
    pub fn degraded(&self) -> Vec<String> {
        let of = |post: &Post| {
            let (since, why) = post.gap.as_ref()?;
            let (role, name, seconds) = (post.role, post.name(), since.elapsed().as_secs());
            Some(format!("{role} port {name} has enforced nothing for {seconds} s: {why}"))
        };
        self.state().posts.iter().filter_map(of).collect()
    }

    /// By the names of [`VERDICT_COUNTERS`](crate::VERDICT_COUNTERS).
    pub(crate) fn counters(&self) -> [(String, u64); 4] {
        let state = self.state();
        let in_force = state.posts.iter().filter(|post| post.gap.is_none()).count();
        let running = |post: &Post| post.gap.as_ref().map_or(Duration::ZERO, |(since, _)| since.elapsed());
        let unguarded: Duration = state.posts.iter().map(|post| post.unguarded + running(post)).sum();
        [
            ("enforcement.ports", state.posts.len() as u64),
            ("enforcement.in_force", in_force as u64),
            ("enforcement.gaps", state.posts.iter().map(|post| post.gaps).sum()),
            ("enforcement.unguarded_ms", u64::try_from(unguarded.as_millis()).unwrap_or(u64::MAX)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posts() -> Posts {
        let posts = vec![Post::new(&["g".into()], "guard"), Post::new(&["l".into(), "r".into()], "inline")];
        Posts(Mutex::new(State { posts, untold: Vec::new() }))
    }

    fn value(posts: &Posts, name: &str) -> u64 {
        posts.counters().iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn a_gap_is_told_and_counted_once() {
        let posts = posts();
        assert_eq!((posts.why_nowhere(), posts.degraded().len()), (None, 0));
        posts.lost(0, "g is gone");
        posts.lost(0, "g is still gone");
        assert_eq!(
            posts.places(),
            Places { enforced_on: vec!["l".into(), "r".into()], missing: vec!["g".into()] }
        );
        assert_eq!(posts.why_nowhere(), None, "there is another");
        assert_eq!((value(&posts, "enforcement.in_force"), value(&posts, "enforcement.gaps")), (1, 1));
        posts.lost(1, "l is gone");
        posts.still_lost(1, "l is somebody's");
        assert_eq!(posts.why_nowhere().unwrap(), "no guard port is in force: g is gone; l is somebody's");
        assert_eq!(posts.degraded().len(), 2);
        std::thread::sleep(Duration::from_millis(2));
        assert!(value(&posts, "enforcement.unguarded_ms") > 1);
        assert!(posts.back(1) > Duration::ZERO && posts.back(1) == Duration::ZERO);
        let told = posts.changes();
        assert_eq!(told.iter().map(|e| e.in_force).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!((told[2].port.as_str(), told[2].reason.as_str()), ("l+r", "l is somebody's"));
        assert!(posts.changes().is_empty() && posts.why_nowhere().is_none());
    }

    #[test]
    fn without_ports_nothing_is_enforced() {
        assert_eq!(Posts::default().why_nowhere().unwrap(), "no guard port is configured");
        assert!(Posts::default().degraded().is_empty(), "nothing is promised");
    }

    #[test]
    fn what_waits_to_be_told_is_bounded() {
        let posts = posts();
        for _ in 0..MAX_UNTOLD {
            posts.lost(0, "off");
            posts.back(0);
        }
        assert_eq!(
            (posts.changes().len(), value(&posts, "enforcement.gaps")),
            (MAX_UNTOLD, MAX_UNTOLD as u64)
        );
    }
}
