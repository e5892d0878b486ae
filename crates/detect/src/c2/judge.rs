//! Which field is what.

use alert::{CheckIn, Disclosure};

use super::fields::{Field, Group};

/// Characters of a disclosed value.
const MAX_VALUE: usize = 128;

const HOST_KEYS: &[&str] = &[
    "host",
    "hostname",
    "host_name",
    "host-name",
    "computer",
    "computername",
    "computer_name",
    "pc",
    "pcname",
    "pc_name",
    "machine",
    "machinename",
    "machine_name",
    "comp",
    "compname",
    "comp_name",
    "device",
    "devicename",
    "device_name",
    "workstation",
    "hn",
    "cname",
    "netbios",
    "botname",
    "nodename",
    "client_name",
];
const USER_KEYS: &[&str] = &[
    "user",
    "username",
    "user_name",
    "user-name",
    "usr",
    "usrname",
    "login",
    "logon",
    "loginname",
    "account",
    "accountname",
    "uname",
    "un",
    "whoami",
    "owner",
    "currentuser",
    "current_user",
    "usern",
];
const OS_KEYS: &[&str] = &[
    "os",
    "osver",
    "os_ver",
    "osversion",
    "os_version",
    "osname",
    "os_name",
    "operatingsystem",
    "operating_system",
    "platform",
    "winver",
    "win_ver",
    "windows",
    "system",
    "opsys",
    "osinfo",
    "os_info",
];
const WEAK_HOST: &[&str] =
    &["h", "c", "m", "p", "d", "cn", "pn", "mn", "id", "bot", "name", "n", "client", "hwid"];
const WEAK_USER: &[&str] = &["u", "us", "l", "a", "un", "n", "uid", "name"];
const WEAK_OS: &[&str] = &["o", "w", "s", "v", "ver", "version", "sys", "win", "sv", "av"];

const HOST_PREFIXES: &[&str] = &[
    "DESKTOP-",
    "LAPTOP-",
    "WIN-",
    "PC-",
    "WKS-",
    "WS-",
    "WORKSTATION-",
    "SRV-",
    "SERVER-",
    "CLIENT-",
    "NB-",
    "NOTEBOOK-",
    "MACBOOK",
    "HOST-",
    "VM-",
];
const HOST_SUFFIXES: &[&str] =
    &["-PC", "-LAPTOP", "-DESKTOP", "-WS", "-MBP", "-MACBOOK", "-NB", "-SRV", "-VM"];
const PRIVATE_ZONES: &[&str] =
    &[".local", ".lan", ".corp", ".internal", ".intranet", ".home", ".localdomain", ".ad"];
const OS_NAMES: &[&str] = &[
    "windows",
    "microsoft windows",
    "linux",
    "ubuntu",
    "debian",
    "centos",
    "fedora",
    "red hat",
    "rhel",
    "kali",
    "arch linux",
    "opensuse",
    "suse",
    "alpine",
    "macos",
    "mac os",
    "macosx",
    "osx",
    "os x",
    "darwin",
    "android",
    "freebsd",
    "openbsd",
    "win32nt",
    "raspbian",
    "gnu/linux",
    "chromeos",
];
/// Behind "win": "win10", "win 7", "winxp", "win2019", "win-11", "win64" ...
const WIN_SHORT: &[&str] = &["7", "8", "10", "11", "xp", "vista", "20", "nt", "32", "64"];
/// Words of paths that are nobody's name.
const NO_NAMES: &[&str] = &[
    "api", "gate", "checkin", "check-in", "check", "login", "index", "panel", "bot", "bots", "c2", "cnc",
    "ping", "beacon", "register", "reg", "report", "submit", "upload", "update", "task", "tasks", "get",
    "post", "data", "info", "home", "img", "images", "static", "js", "css", "v1", "v2", "v3", "news",
    "search", "hello", "connect", "agent", "agents", "client", "clients", "admin", "x86", "x64", "amd64",
    "true", "false", "null", "none", "www", "cgi-bin", "in", "new", "online", "start", "stat", "status",
    "id", "user", "users", "host", "os",
];

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

/// Judges groups one by one; the first that tells most wins, and others fill in what it lacks.
pub(super) fn judge(groups: &[Group]) -> Option<CheckIn> {
    let mut found = Found::default();
    for group in groups {
        let mut own = Found::default();
        for field in group {
            by_key(field, &mut own);
        }
        for field in group {
            by_shape(field, &mut own);
        }
        by_place(group, &mut own);
        merge(&mut found.host, own.host);
        merge(&mut found.user, own.user);
        merge(&mut found.os, own.os);
    }
    let beliefs = [&found.host, &found.user, &found.os].map(|f| f.as_ref().map(|(_, belief)| *belief));
    let sure = beliefs.contains(&Some(Belief::Sure));
    let number = beliefs.iter().flatten().count();
    if !sure && number < 2 {
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

fn merge(into: &mut Option<(Disclosure, Belief)>, from: Option<(Disclosure, Belief)>) {
    let better =
        matches!((&*into, &from), (None, Some(_)) | (Some((_, Belief::Hint)), Some((_, Belief::Sure))));
    if better {
        *into = from;
    }
}

fn disclosure(field: &Field, value: &str) -> Disclosure {
    Disclosure {
        value: value.trim().chars().take(MAX_VALUE).collect(),
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
    if HOST_KEYS.contains(&key) && is_host(value) {
        set(&mut own.host, if is_public_name(value) { Belief::Hint } else { Belief::Sure });
    } else if USER_KEYS.contains(&key) {
        account(field, own, Belief::Sure);
    } else if OS_KEYS.contains(&key) && (is_os(value) || is_version(value)) {
        set(&mut own.os, if is_os(value) { Belief::Sure } else { Belief::Hint });
    } else {
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
    let known_key = [HOST_KEYS, USER_KEYS, OS_KEYS].iter().any(|keys| keys.contains(&field.key.as_str()));
    if known_key {
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
    let pair = value.split_once('\\').map(|(h, u)| (u, h)).or_else(|| value.split_once('@'));
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
    let name_at = |i: usize| group.get(i).filter(|f| f.key.is_empty() && is_user_word(f.value.trim()));
    if own.user.is_none() {
        let (host, os) = (at(&own.host), at(&own.os));
        let candidates: Vec<usize> = match (host, os) {
            (Some(host), Some(os)) if host < os => (host + 1..os).chain(os + 1..os + 2).collect(),
            (Some(host), _) => vec![host + 1, host.wrapping_sub(1)],
            (None, Some(os)) if tuple && group.len() >= 3 => vec![os.wrapping_sub(1), os + 1],
            _ => Vec::new(),
        };
        // In a path a name before the host is more likely part of the panel's own path.
        let candidates = candidates.into_iter().filter(|&i| tuple || host.is_none_or(|h| i > h));
        own.user = candidates
            .filter_map(name_at)
            .next()
            .map(|field| (disclosure(field, &field.value), Belief::Hint));
    }
    if own.host.is_none() && tuple && own.os.is_some() {
        let user = at(&own.user);
        own.host = group
            .iter()
            .enumerate()
            .find(|(i, f)| {
                f.key.is_empty()
                    && Some(*i) != user
                    && is_host(f.value.trim())
                    && !is_os(f.value.trim())
                    && is_user_word(f.value.trim())
            })
            .map(|(_, field)| (disclosure(field, &field.value), Belief::Hint));
    }
}

fn is_os(value: &str) -> bool {
    if value.len() > MAX_VALUE {
        return false;
    }
    let lower = value.to_lowercase();
    let word = |name: &&&str| {
        lower.strip_prefix(**name).is_some_and(|rest| rest.chars().next().is_none_or(|c| !c.is_alphabetic()))
    };
    let short = lower.strip_prefix("win").map(|rest| rest.trim_start_matches([' ', '-', '_']));
    OS_NAMES.iter().any(|name| word(&name))
        || short.is_some_and(|rest| {
            WIN_SHORT.iter().any(|w| rest.starts_with(w)) && rest.len() <= 24 && !rest.contains('.')
        })
}

/// "10.0.19045", "6.1": a version that an "os" key makes an operating system's.
fn is_version(value: &str) -> bool {
    (2..=24).contains(&value.len())
        && value.contains('.')
        && value.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn is_host(value: &str) -> bool {
    (2..=253).contains(&value.len())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && value.chars().any(|c| c.is_ascii_alphabetic())
        && !value.starts_with(['.', '-'])
        && !value.contains("..")
}

/// A name on the Internet rather than a machine's own.
fn is_public_name(value: &str) -> bool {
    let lower = value.to_lowercase();
    lower.contains('.') && !PRIVATE_ZONES.iter().any(|zone| lower.ends_with(zone))
}

fn has_host_shape(value: &str) -> bool {
    if !is_host(value) || value.len() > 63 {
        return false;
    }
    let upper = value.to_uppercase();
    let stem = upper.split('.').next().unwrap_or(&upper);
    let prefixed = HOST_PREFIXES.iter().any(|p| {
        stem.strip_prefix(p)
            .is_some_and(|rest| rest.len() >= 2 && rest.chars().any(|c| c.is_ascii_alphanumeric()))
    });
    let suffixed = HOST_SUFFIXES.iter().any(|s| stem.strip_suffix(s).is_some_and(|rest| rest.len() >= 2));
    let zoned = PRIVATE_ZONES.iter().any(|zone| upper.to_lowercase().ends_with(zone)) && value.len() > 6;
    // Typed in capitals as Windows keeps it, or a prefix that nobody else uses.
    let capital = !value.chars().any(|c| c.is_ascii_lowercase());
    let unmistakable = ["DESKTOP-", "LAPTOP-"].iter().any(|p| stem.starts_with(p));
    zoned
        || (prefixed && (capital || unmistakable))
        || (suffixed && value.chars().any(|c| c.is_ascii_uppercase()))
}

fn is_name(value: &str) -> bool {
    let value = value.trim();
    (1..=64).contains(&value.chars().count())
        && value.chars().any(char::is_alphabetic)
        && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '\'' | '$'))
}

/// A name that stands alone: not a word of a path, a file, or a random token.
fn is_user_word(value: &str) -> bool {
    let lower = value.to_lowercase();
    is_name(value)
        && value.len() <= 32
        && !NO_NAMES.contains(&lower.as_str())
        && !is_os(value)
        && !is_token(value)
        && !lower.ends_with(".php")
        && !lower.ends_with(".aspx")
        && !lower.ends_with(".html")
        && !lower.ends_with(".gif")
        && !lower.ends_with(".jsp")
}

/// Something made by a machine: a hash, a GUID, a session key.
fn is_token(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let hexadecimal =
        value.len() >= 8 && value.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && digits > 0;
    hexadecimal || value.len() > 32 || (value.len() >= 12 && digits * 3 > value.len() && !value.contains('-'))
}
