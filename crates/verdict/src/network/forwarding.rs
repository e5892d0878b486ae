//! Questions that a host passes on for a client.
//!
//! A resolver, or a proxy, that is asked for a name asks somebody else for it a moment later. What is listed then is not
//! the host's doing but the client's. The host must answer its clients, or it is not believed any longer: one forged
//! question must not excuse an implant for ever.

use std::net::IpAddr;
use std::time::Duration;

use alert::{Forwarded, Names};
use wire::Nanos;

use super::recent::Recent;

/// Names that hosts were asked for and that are remembered at once; beyond that the one that was quiet for longest is
/// forgotten (`policy.questions_forgotten`).
pub const MAX_QUESTIONS: usize = 65_536;
/// A host that asks for what it was asked for within this time passes the question on.
pub const FORWARD_WINDOW: Duration = Duration::from_secs(10);
/// Questions that a host may pass on without ever answering a client whom it could answer.
const MAX_OWED: u32 = 3;
/// Questions of hosts' own that are remembered for that.
const MAX_OWN: usize = 4096;
/// How long it is remembered that a host owes answers.
const OWED_KEPT: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug)]
struct Question {
    client: IpAddr,
    asked: Nanos,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Forwarding {
    /// By the host that was asked, and the name.
    questions: Recent<(IpAddr, u64), Option<Question>>,
    owed: Recent<IpAddr, u32>,
    /// When hosts were alerted on for a name that nobody was known to have asked them for.
    own: Recent<(IpAddr, u64), Nanos>,
}

impl Default for Forwarding {
    fn default() -> Self {
        Forwarding {
            questions: Recent::new(MAX_QUESTIONS),
            owed: Recent::new(MAX_QUESTIONS / 4),
            own: Recent::new(MAX_OWN),
        }
    }
}

impl Forwarding {
    /// A host is asked for a name. If who asks was asked for it in turn, the question is that of the one before.
    pub(crate) fn asked(&mut self, host: IpAddr, client: IpAddr, names: &Names, now: Nanos) {
        let (host, client) = (host.to_canonical(), client.to_canonical());
        if host == client {
            return;
        }
        let origin = self.question(client, names.whole(), now).map_or(client, |question| question.client);
        if origin == host {
            return;
        }
        for &name in names.0.iter().filter(|&&name| name != 0) {
            let question = self.questions.touch((host, name), now, FORWARD_WINDOW);
            // The first who asked made the host ask; those who come after it get the same answer.
            if question.is_none_or(|known| now.since(known.asked) > FORWARD_WINDOW) {
                *question = Some(Question { client: origin, asked: now });
            }
        }
    }

    /// A host has answered; to whom it was answered, the addresses in it are the name.
    pub(crate) fn answered(
        &mut self,
        host: IpAddr,
        client: IpAddr,
        names: &Names,
        addresses: &[Option<IpAddr>],
        now: Nanos,
    ) {
        self.owed.remove(host.to_canonical());
        let client = client.to_canonical();
        let Some(question) = self.question(client, names.whole(), now) else { return };
        for address in addresses.iter().flatten() {
            let name = Names::of_address(*address).whole();
            let known = self.questions.touch((client, name), now, FORWARD_WINDOW);
            known.get_or_insert(question);
        }
    }

    /// An alert was about a host's own question for these names, as far as was known then.
    pub(crate) fn was_own(&mut self, host: IpAddr, names: &[Names], now: Nanos) {
        for names in names {
            *self.own.touch((host.to_canonical(), names.whole()), now, FORWARD_WINDOW) = now;
        }
    }

    /// When a host was alerted on for a question of its own that was another's: somebody asked it at `asked`, before that.
    /// Workers are not in step with each other, and the client's may be the later one.
    pub(crate) fn told_late(&self, host: IpAddr, names: &Names, asked: Nanos) -> Option<Nanos> {
        let own = |&name: &u64| self.own.get((host.to_canonical(), name)).map(|(_, &at)| at);
        let mut alerted = names.0.iter().filter(|&&name| name != 0).filter_map(own);
        alerted.find(|&at| asked <= at && at.since(asked) <= FORWARD_WINDOW)
    }

    fn question(&self, host: IpAddr, name: u64, now: Nanos) -> Option<Question> {
        let (_, question) = self.questions.get((host, name))?;
        // Workers are not in step with each other: a question may be told of with a later time than what it led to.
        question.filter(|question| now.since(question.asked) <= FORWARD_WINDOW)
    }

    /// For whom a host asks for one of these names, if not for itself. `trusted`: it has served several clients already.
    /// `can_be_answered`: whether an answer to a client could be seen.
    pub(crate) fn passed_on(
        &mut self,
        host: IpAddr,
        names: &[Names],
        trusted: bool,
        now: Nanos,
        can_be_answered: impl Fn(IpAddr) -> bool,
    ) -> Option<Forwarded> {
        let host = host.to_canonical();
        let question = names.iter().find_map(|names| self.question(host, names.whole(), now))?;
        if !trusted {
            let owed = self.owed.get(host).map_or(0, |(_, owed)| *owed);
            if owed >= MAX_OWED {
                return None;
            }
            if can_be_answered(question.client) {
                *self.owed.touch(host, now, OWED_KEPT) = owed + 1;
            }
        }
        Some(Forwarded { by: host, asked_by: question.client, asked: question.asked })
    }

    pub(crate) fn forgotten(&self) -> u64 {
        self.questions.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ms(n: u64) -> Nanos {
        Nanos(n * 1_000_000)
    }

    fn origin(forwarding: &mut Forwarding, host: &str, name: &str, at: u64) -> Option<String> {
        let names = [Names::of(name)];
        let forwarded = forwarding.passed_on(ip(host), &names, false, ms(at), |_| true)?;
        Some(forwarded.asked_by.to_string())
    }

    #[test]
    fn a_question_is_that_of_who_asked_first() {
        let mut forwarding = Forwarding::default();
        let evil = Names::of("a.evil.example");
        // A domain controller asks the resolver, which asks the internet.
        forwarding.asked(ip("10.0.0.2"), ip("10.0.0.5"), &evil, ms(0));
        forwarding.asked(ip("10.0.0.53"), ip("10.0.0.2"), &evil, ms(1));
        forwarding.asked(ip("10.0.0.53"), ip("10.0.0.9"), &evil, ms(2));
        assert_eq!(origin(&mut forwarding, "10.0.0.2", "A.EVIL.example", 3).as_deref(), Some("10.0.0.5"));
        assert_eq!(origin(&mut forwarding, "10.0.0.53", "a.evil.example", 3).as_deref(), Some("10.0.0.5"));
        assert_eq!(origin(&mut forwarding, "10.0.0.53", "evil.example", 3).as_deref(), Some("10.0.0.5"));
        assert_eq!(origin(&mut forwarding, "10.0.0.53", "b.evil.example", 3), None, "nobody asked for it");
        assert_eq!(origin(&mut forwarding, "10.0.0.5", "a.evil.example", 3), None, "its own");
        assert_eq!(origin(&mut forwarding, "10.0.0.53", "a.evil.example", 10_100), None, "too late");
    }

    #[test]
    fn the_addresses_of_a_name_stand_for_it() {
        let mut forwarding = Forwarding::default();
        let evil = Names::of("evil.example");
        forwarding.asked(ip("10.0.0.80"), ip("10.0.0.5"), &evil, ms(0));
        forwarding.asked(ip("10.0.0.53"), ip("10.0.0.80"), &evil, ms(1));
        let addresses = [Some(ip("203.0.113.9")), None];
        forwarding.answered(ip("10.0.0.53"), ip("10.0.0.80"), &evil, &addresses, ms(2));
        assert_eq!(origin(&mut forwarding, "10.0.0.80", "203.0.113.9", 3).as_deref(), Some("10.0.0.5"));
        assert_eq!(origin(&mut forwarding, "10.0.0.80", "203.0.113.10", 3), None);
    }

    #[test]
    fn a_question_may_be_told_of_late() {
        let mut forwarding = Forwarding::default();
        forwarding.was_own(ip("10.0.0.53"), &[Names::of("evil.example")], ms(10));
        let late = |name: &str, at| forwarding.told_late(ip("10.0.0.53"), &Names::of(name), ms(at));
        assert_eq!(late("www.evil.example", 9), Some(ms(10)));
        assert_eq!(
            [late("evil.example", 11), late("other.example", 9)],
            [None; 2],
            "asked after it, or for another"
        );
    }

    #[test]
    fn a_host_that_never_answers_is_not_believed_for_long() {
        let mut forwarding = Forwarding::default();
        let evil = Names::of("evil.example");
        let ask = |forwarding: &mut Forwarding, at: u64| {
            forwarding.asked(ip("10.0.0.66"), ip("10.0.0.5"), &evil, ms(at));
            origin(forwarding, "10.0.0.66", "evil.example", at + 1).is_some()
        };
        let believed: Vec<bool> = (0..5).map(|n| ask(&mut forwarding, n * 20_000)).collect();
        assert_eq!(believed, [true, true, true, false, false]);
        let names = [Names::of("evil.example")];
        let trusted = forwarding.passed_on(ip("10.0.0.66"), &names, true, ms(80_002), |_| true);
        assert!(trusted.is_some(), "it has served others");
        forwarding.answered(ip("10.0.0.66"), ip("10.0.0.5"), &evil, &[], ms(80_002));
        assert!(ask(&mut forwarding, 100_000), "it answers");
    }

    #[test]
    fn an_isolated_client_gets_no_answer_and_that_is_nobodys_fault() {
        let mut forwarding = Forwarding::default();
        for n in 0..10 {
            let name = Names::of("evil.example");
            forwarding.asked(ip("10.0.0.53"), ip("10.0.0.5"), &name, ms(n * 20_000));
            let passed = forwarding.passed_on(ip("10.0.0.53"), &[name], false, ms(n * 20_000), |_| false);
            assert!(passed.is_some());
        }
    }
}
