//! What keys mean, and what hosts, users and systems look like.

/// Characters of a disclosed value.
pub(super) const MAX_VALUE: usize = 128;

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
pub(super) const WEAK_HOST: &[&str] =
    &["h", "c", "m", "p", "d", "cn", "pn", "mn", "id", "bot", "name", "n", "client", "hwid"];
pub(super) const WEAK_USER: &[&str] = &["u", "us", "l", "a", "un", "n", "uid", "name"];
pub(super) const WEAK_OS: &[&str] = &["o", "w", "s", "v", "ver", "version", "sys", "win", "sv", "av"];

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
    "id", "user", "users", "host", "os", "yes", "no", "on", "off", "join",
];
/// And yet accounts are called so; believed between other fields of a list.
const DEFAULT_USERS: &[&str] = &["admin", "user", "client"];

/// Keys that end like this, whatever stands before ("loggedonuser", "local_hostname").
const HOST_KEY_ENDS: &[&str] = &["hostname", "host_name", "computername", "computer_name", "machinename"];
const USER_KEY_ENDS: &[&str] = &["user", "username", "user_name"];
const OS_KEY_ENDS: &[&str] = &["osversion", "os_version", "operatingsystem", "operating_system"];

/// What a key says its value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Host,
    User,
    Os,
}

pub(super) fn meaning(key: &str) -> Option<Meaning> {
    let one_of = |keys: &[&str], ends: &[&str]| keys.contains(&key) || ends.iter().any(|e| key.ends_with(e));
    if one_of(HOST_KEYS, HOST_KEY_ENDS) {
        Some(Meaning::Host)
    } else if one_of(USER_KEYS, USER_KEY_ENDS) {
        Some(Meaning::User)
    } else if one_of(OS_KEYS, OS_KEY_ENDS) {
        Some(Meaning::Os)
    } else {
        None
    }
}

pub(super) fn is_os(value: &str) -> bool {
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
            WIN_SHORT.iter().any(|w| rest.starts_with(w)) && rest.len() <= 40 && !rest.contains('.')
        })
}

/// "10.0.19045", "6.1": a version that an "os" key makes an operating system's.
pub(super) fn is_version(value: &str) -> bool {
    (2..=24).contains(&value.len())
        && value.contains('.')
        && value.chars().all(|c| c.is_ascii_digit() || c == '.')
}

pub(super) fn is_host(value: &str) -> bool {
    (2..=253).contains(&value.len())
        && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && value.chars().any(char::is_alphabetic)
        && !value.starts_with(['.', '-'])
        && !value.contains("..")
}

/// A name on the Internet rather than a machine's own.
pub(super) fn is_public_name(value: &str) -> bool {
    let lower = value.to_lowercase();
    lower.contains('.') && !PRIVATE_ZONES.iter().any(|zone| lower.ends_with(zone))
}

pub(super) fn has_host_shape(value: &str) -> bool {
    if !is_host(value) || value.len() > 63 {
        return false;
    }
    let upper = value.to_uppercase();
    let stem = upper.split('.').next().unwrap_or(&upper);
    let prefixed = HOST_PREFIXES.iter().any(|p| {
        stem.strip_prefix(p)
            .is_some_and(|rest| rest.len() >= 2 && rest.chars().any(|c| c.is_ascii_alphanumeric()))
    });
    // "USER-PC", "USER-PC02".
    let unnumbered = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let suffixed =
        HOST_SUFFIXES.iter().any(|s| unnumbered.strip_suffix(s).is_some_and(|rest| rest.len() >= 2));
    let zoned = PRIVATE_ZONES.iter().any(|zone| upper.to_lowercase().ends_with(zone)) && value.len() > 6;
    // Typed in capitals as Windows keeps it, or a prefix that nobody else uses.
    let capital = !value.chars().any(|c| c.is_ascii_lowercase());
    let unmistakable = ["DESKTOP-", "LAPTOP-"].iter().any(|p| stem.starts_with(p));
    zoned
        || (prefixed && (capital || unmistakable))
        || (suffixed && value.chars().any(|c| c.is_ascii_uppercase()))
}

pub(super) fn is_name(value: &str) -> bool {
    let value = value.trim();
    (1..=64).contains(&value.chars().count())
        && value.chars().any(char::is_alphabetic)
        && value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '\'' | '$'))
}

/// A name that stands alone: not a word of a path, a file, or a random token.
pub(super) fn is_user_word(value: &str) -> bool {
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

/// An account as systems and their installers make it.
pub(super) fn is_default_user(value: &str) -> bool {
    DEFAULT_USERS.contains(&value.to_lowercase().as_str())
}

/// A name that stands alone and has what machines' names have: a hyphen or a number.
pub(super) fn is_machine_word(value: &str) -> bool {
    is_host(value)
        && is_user_word(value)
        && !value.contains('.')
        && value.len() >= 4
        && value.chars().any(|c| c == '-' || c.is_ascii_digit())
}

/// Something made by a machine: a hash, a GUID, a session key.
pub(super) fn is_token(value: &str) -> bool {
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let hexadecimal =
        value.len() >= 8 && value.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && digits > 0;
    hexadecimal || value.len() > 32 || (value.len() >= 12 && digits * 3 > value.len() && !value.contains('-'))
}
