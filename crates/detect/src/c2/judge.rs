//! Which field is what.

use alert::{CheckIn, Disclosure};

use super::fields::{Field, Group};
use super::words::{
    MAX_VALUE, Meaning, WEAK_HOST, WEAK_OS, WEAK_USER, has_host_shape, is_default_user, is_host,
    is_machine_word, is_name, is_os, is_public_name, is_token, is_user_word, is_version, meaning,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Belief {
    /// Key and value, or the value alone, leave no doubt.
    Sure,
    /// Believed if something else of the check-in is sure or at least two hints agree.
    Hint,
}

#[derive(Default)]
struct Found {
    host: Option<(Disclosure, Belief)>,
    user: Option<(Disclosure, Belief)>,
    os: Option<(Disclosure, Belief)>,
}

/// How much groups tell: what is sure, then what is told at all. Ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    told: usize,
    sure: usize,
}

impl Found {
    fn weight(&self) -> Weight {
        let beliefs = [&self.host, &self.user, &self.os].map(|f| f.as_ref().map(|(_, belief)| *belief));
        let mut told = beliefs.iter().flatten().count();
        let sure = beliefs.iter().filter(|b| **b == Some(Belief::Sure)).count();
        if sure == 0
            && let Some((host, _)) = &self.host
        {
            // A site's name is no machine's, and the two halves of "a@b" are one hint.
            let halves = self.user.as_ref().is_some_and(|(user, _)| user.found_in == host.found_in);
            told -= usize::from(halves || is_public_name(&host.value));
        }
        if sure == 0 && told < 2 { Weight::default() } else { Weight { told, sure } }
    }

    fn add(&mut self, other: Found) {
        merge(&mut self.host, other.host);
        merge(&mut self.user, other.user);
        merge(&mut self.os, other.os);
    }
}

impl Weight {
    /// Whether anything is sure.
    pub fn is_sure(self) -> bool {
        self.sure > 0
    }
}

/// How much groups tell; nothing if that is not believed.
pub(super) fn weigh(groups: &[Group]) -> Weight {
    find(groups).weight()
}

/// Judges groups one by one; the first that tells most wins, and others fill in what it lacks. Those of the URI are
/// believed if they are sure or two hints agree; of headers and bodies, which carry much else, one must be sure or
/// name the system.
pub(super) fn judge(uri: &[Group], others: &[Group]) -> Option<CheckIn> {
    let mut found = find(uri);
    let more = find(others);
    if found.weight() > Weight::default() || more.weight().sure > 0 || more.os.is_some() {
        found.add(more);
    }
    if found.weight() == Weight::default() {
        return None;
    }
    let told = |f: Option<(Disclosure, Belief)>| f.map(|(d, _)| d);
    Some(CheckIn {
        uri: String::new(),
        host_name: told(found.host),
        user_name: told(found.user),
        operating_system: told(found.os),
    })
}

fn find(groups: &[Group]) -> Found {
    let mut found = Found::default();
    for group in groups {
        let group = &with_keys(group);
        let mut own = Found::default();
        for field in group {
            by_key(field, &mut own);
        }
        // "name" may be either's, and is neither's where it is both's.
        let same = |a: &(Disclosure, Belief), b: &(Disclosure, Belief)| {
            a.0.found_in == b.0.found_in && a.0.value == b.0.value
        };
        if own.host.as_ref().zip(own.user.as_ref()).is_some_and(|(host, user)| same(host, user)) {
            own.user = None;
        }
        for field in group {
            by_shape(field, &mut own);
        }
        by_place(group, &mut own);
        found.add(own);
    }
    found
}

/// "/host/PC-7/user/bob": words that are keys, each with its value behind it. One such pair alone may be
/// anything ("/user/profile"); two, one of which looks like a machine or a system, are a list.
fn with_keys(group: &Group) -> Group {
    let key = |i: usize| {
        let field: &Field = group.get(i).filter(|f| f.key.is_empty())?;
        meaning(&field.value.to_ascii_lowercase()).map(|_| field.value.to_ascii_lowercase())
    };
    let mut keyed = group.clone();
    let (mut pairs, mut telling) = (0, false);
    let mut i = 0;
    while i + 1 < group.len() {
        match key(i) {
            Some(name) if group[i + 1].key.is_empty() => {
                let value = group[i + 1].value.trim();
                telling |= is_machine_word(value) || (is_os(value) && value.contains([' ', '_']));
                keyed[i + 1].key = name;
                pairs += 1;
                i += 2;
            }
            _ => i += 1,
        }
    }
    if pairs >= 2 && telling { keyed } else { group.clone() }
}

fn merge(into: &mut Option<(Disclosure, Belief)>, from: Option<(Disclosure, Belief)>) {
    let better =
        matches!((&*into, &from), (None, Some(_)) | (Some((_, Belief::Hint)), Some((_, Belief::Sure))));
    if better {
        *into = from;
    }
}

fn disclosure(field: &Field, value: &str) -> Disclosure {
    Disclosure {
        value: value.trim().chars().take(MAX_VALUE).map(|c| if c.is_control() { ' ' } else { c }).collect(),
        found_in: field.place.clone(),
        encodings: field.encodings.clone(),
    }
}

fn by_key(field: &Field, own: &mut Found) {
    let key = field.key.as_str();
    let value = field.value.trim();
    let set = |slot: &mut Option<(Disclosure, Belief)>, belief| {
        merge(slot, Some((disclosure(field, value), belief)))
    };
    match meaning(key) {
        Some(Meaning::Host) if is_host(value) => {
            set(&mut own.host, if is_public_name(value) { Belief::Hint } else { Belief::Sure });
            return;
        }
        Some(Meaning::User) => return account(field, own, Belief::Sure),
        Some(Meaning::Os) if is_os(value) || is_version(value) => {
            set(&mut own.os, if is_os(value) { Belief::Sure } else { Belief::Hint });
            return;
        }
        _ => {}
    }
    if WEAK_OS.contains(&key) && is_os(value) {
        set(&mut own.os, Belief::Sure);
    }
    if WEAK_HOST.contains(&key) && is_host(value) && !is_public_name(value) && !is_token(value) {
        set(&mut own.host, Belief::Hint);
    }
    if WEAK_USER.contains(&key) && is_name(value) && !is_token(value) {
        account(field, own, Belief::Hint);
    }
}

/// A user's field: DOMAIN\user, user@HOST or just the name.
fn account(field: &Field, own: &mut Found, belief: Belief) {
    let value = field.value.trim();
    let split = value.split_once('\\').or_else(|| value.split_once('/')).map(|(host, user)| (user, host));
    let at = value.split_once('@').filter(|(_, host)| !host.contains('.'));
    if let Some((user, host)) = split.or(at).filter(|(user, host)| is_name(user) && is_host(host)) {
        merge(&mut own.user, Some((disclosure(field, user), belief)));
        merge(&mut own.host, Some((disclosure(field, host), Belief::Hint)));
    } else if is_name(value) {
        merge(&mut own.user, Some((disclosure(field, value), belief)));
    }
}

fn by_shape(field: &Field, own: &mut Found) {
    let value = field.value.trim();
    if meaning(&field.key).is_some() {
        return;
    }
    if has_host_shape(value) {
        merge(&mut own.host, Some((disclosure(field, value), Belief::Sure)));
    } else if field.key.is_empty() && is_os(value) {
        merge(&mut own.os, Some((disclosure(field, value), Belief::Hint)));
    } else if is_os(value) && value.chars().any(|c| c.is_ascii_digit()) {
        // A search for "windows 10" looks the same: never sure.
        merge(&mut own.os, Some((disclosure(field, value), Belief::Hint)));
    }
    // "PC-7/bob" and "PC-7 / bob" only of a host that looks like one: paths have slashes, too.
    let slash = || value.split_once('/').filter(|(host, _)| has_host_shape(host.trim()));
    let pair = value
        .split_once('\\')
        .map(|(h, u)| (u, h))
        .or_else(|| value.split_once('@'))
        .or_else(|| slash().map(|(h, u)| (u.trim(), h.trim())));
    if let Some((user, host)) =
        pair.filter(|(user, host)| is_name(user) && is_host(host) && !host.contains('.'))
    {
        let belief = if has_host_shape(host) { Belief::Sure } else { Belief::Hint };
        merge(&mut own.host, Some((disclosure(field, host), belief)));
        merge(&mut own.user, Some((disclosure(field, user), Belief::Hint)));
    }
}

/// Fields without keys: a name beside a host name and an operating system is the user's.
fn by_place(group: &Group, own: &mut Found) {
    let at = |slot: &Option<(Disclosure, Belief)>| {
        let (found, _) = slot.as_ref()?;
        group
            .iter()
            .position(|f| f.key.is_empty() && f.value.trim() == found.value && f.place == found.found_in)
    };
    let tuple = group.iter().all(|f| f.place.contains(", field "));
    let name_at = |i: usize| {
        let named = |f: &&Field| is_user_word(f.value.trim()) || (tuple && is_default_user(f.value.trim()));
        group.get(i).filter(|f| f.key.is_empty()).filter(named)
    };
    if own.user.is_none() {
        let (host, os) = (at(&own.host), at(&own.os));
        let candidates: Vec<usize> = match (host, os) {
            (Some(host), Some(os)) if host < os && tuple => {
                (host + 1..os).chain([host.wrapping_sub(1), os + 1]).collect()
            }
            (Some(host), Some(os)) if host < os => (host + 1..os).chain([os + 1]).collect(),
            (Some(host), _) => vec![host + 1, host.wrapping_sub(1)],
            (None, Some(os)) if tuple && group.len() >= 3 => {
                let machine = |i: usize| name_at(i).is_some_and(|f| is_machine_word(f.value.trim()));
                let (first, second) = (os.wrapping_sub(2), os.wrapping_sub(1));
                if machine(second) && !machine(first) { vec![first, os + 1] } else { vec![second, os + 1] }
            }
            _ => Vec::new(),
        };
        // In a path a name before the host is more likely part of the panel's own path.
        let candidates = candidates.into_iter().filter(|&i| tuple || host.is_none_or(|h| i > h));
        own.user = candidates
            .filter_map(name_at)
            .next()
            .map(|field| (disclosure(field, &field.value), Belief::Hint));
    }
    // "/FIN-WS-042/jdoe/Windows 10": a machine's name near a system's, in a path. Pages about systems
    // ("/support/windows-10/faq-12") have no spaces in their names.
    if own.host.is_none()
        && !tuple
        && let Some(os) = at(&own.os).filter(|&os| group[os].value.contains([' ', '_']))
    {
        let near = [os.wrapping_sub(2), os.wrapping_sub(1), os + 1, os + 2];
        let host = near
            .into_iter()
            .find(|&i| group.get(i).is_some_and(|f| f.key.is_empty() && is_machine_word(f.value.trim())));
        own.host = host.map(|i| (disclosure(&group[i], &group[i].value), Belief::Hint));
        let (low, high) = host.map_or((0, 0), |h| (h.min(os), h.max(os)));
        if own.user.is_none() && host.is_some() {
            let beside = (low + 1..high).chain([high + 1]);
            own.user = beside
                .filter_map(name_at)
                .next()
                .map(|field| (disclosure(field, &field.value), Belief::Hint));
        }
    }
    if own.host.is_none()
        && tuple
        && let Some(os) = at(&own.os)
    {
        let user = at(&own.user);
        // Next to the user or the system: a command's name stands farther off.
        let near = |i: usize| i.abs_diff(os) == 1 || user.is_some_and(|user| i.abs_diff(user) == 1);
        own.host = group
            .iter()
            .enumerate()
            .find(|(i, f)| {
                f.key.is_empty()
                    && Some(*i) != user
                    && near(*i)
                    && is_host(f.value.trim())
                    && !is_os(f.value.trim())
                    && is_user_word(f.value.trim())
            })
            .map(|(_, field)| (disclosure(field, &field.value), Belief::Hint));
    }
}
