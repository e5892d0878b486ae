//! ringward.toml: reading and checking, with errors that name file, line and key.

mod api;
mod defrag;
mod files;
mod fleet;
mod home;
mod intel;
mod ledger;
mod log;
mod policy;
mod ports;
mod push;
mod rules;
mod tables;
mod writing;

use std::path::Path;

use ipnet::IpNet;
use output::EventTypes;

pub use api::{ApiToken, TokenScope};
pub use defrag::FragmentOverlap;
pub use files::Hash;
pub use fleet::Share;
pub use intel::Intel;
pub use log::{Log, LogFormat, LogLevel};
pub use policy::Mode;
pub use ports::{Bind, OnFailure, Role, Steer, Wakeup, Xdp};
pub use push::{SyslogConfig, SyslogFormat, Told, WebhookConfig};
pub use rules::Rules;
pub use tables::{Config, HostOverlap, Overlap};

/// Bytes of a sensor's name, as of a host name (POSIX `HOST_NAME_MAX`).
const MAX_SENSOR_NAME: usize = 255;

/// A configuration that cannot be used: one line that names file, line, key and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Where a key stands, for errors.
#[derive(Debug)]
pub struct Locator<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Locator<'_> {
    /// "FILE:LINE: KEY: what". The line is the first on which the last part of the key is set.
    #[must_use]
    pub fn error(&self, key: &str, what: &str) -> ConfigError {
        let name = key.rsplit('.').next().unwrap_or(key);
        let sets = |line: &str| {
            line.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        };
        self.on(self.text.lines().position(sets), key, what)
    }

    /// The same of a key in one of several `[[table]]`s, or in a table that is part of it. The line is the first below
    /// its head on which the last part of the key is set, else the head.
    #[must_use]
    pub fn error_in(&self, table: &str, index: usize, key: &str, what: &str) -> ConfigError {
        let heads = self.text.lines().enumerate().filter(|(_, line)| {
            let name = line.trim_start().strip_prefix("[[").and_then(|rest| rest.split_once("]]"));
            name.is_some_and(|(name, _)| name.split('.').map(str::trim).eq(table.split('.')))
        });
        let Some((head, _)) = heads.map(|(i, _)| (i, ())).nth(index) else {
            return self.error(&format!("{table}.{key}"), what);
        };
        let name = key.rsplit('.').next().unwrap_or(key);
        let body = self.text.lines().enumerate().skip(head + 1);
        let mut body = body.take_while(|(_, line)| !line.trim_start().starts_with("[["));
        let line = body.find(|(_, line)| sets_somewhere(line, name)).map_or(head, |(i, _)| i);
        self.on(Some(line), &format!("{table}.{key}"), what)
    }

    fn on(&self, line: Option<usize>, key: &str, what: &str) -> ConfigError {
        let line = line.map_or(String::new(), |i| format!(":{}", i + 1));
        ConfigError(format!("{}{line}: {key}: {what}", self.path.display()))
    }
}

/// Whether `name` is set on a line, be it within an inline table.
fn sets_somewhere(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line.get(at + name.len()..).unwrap_or_default();
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '{' | ',' | '.'))
            && after.trim_start().starts_with('=')
    })
}

impl Config {
    /// Reads and checks a file. Relative paths in it become relative to its folder.
    ///
    /// # Errors
    /// One line for the first thing that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|err| ConfigError(format!("{}: cannot be read: {err}", path.display())))?;
        let mut config = Self::parse(path, &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.intel.resolve(folder);
        config.api.resolve(folder);
        config.fleet.resolve(folder);
        for file in config.rules.paths() {
            *file = folder.join(&*file);
        }
        Ok(config)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|err| {
            let line = err.span().map_or(1, |span| {
                text.get(..span.start).map_or(1, |before| before.matches('\n').count() + 1)
            });
            let what = err.message().replace('\n', "; ");
            ConfigError(format!("{}:{line}: {what}", path.display()))
        })?;
        config.check(&Locator { path, text })?;
        Ok(config)
    }

    fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        let w = &self.workers;
        if !(1..=256).contains(&w.count) {
            return Err(at.error("workers.count", "must be 1 to 256"));
        }
        if !w.rx_ring.is_power_of_two() || !(64..=65_536).contains(&w.rx_ring) {
            return Err(at.error("workers.rx_ring", "must be a power of two from 64 to 65536"));
        }
        if self.flow.max_flows == 0 {
            return Err(at.error("flow.max_flows", "must be at least 1"));
        }
        let defrag = &self.defrag;
        for (key, seconds) in
            [("defrag.timeout", defrag.timeout), ("defrag.timeout_ipv6", defrag.timeout_ipv6)]
        {
            if !(1..=86_400).contains(&seconds) {
                return Err(at.error(key, "must be 1 to 86400 seconds"));
            }
        }
        if !(1..=1 << 20).contains(&defrag.max_datagrams) {
            return Err(at.error("defrag.max_datagrams", "must be 1 to 1048576"));
        }
        if !(1..=65_536).contains(&defrag.max_mib) {
            return Err(at.error("defrag.max_mib", "must be 1 to 65536"));
        }
        for host in &defrag.hosts {
            network(&host.net).map_err(|what| at.error("defrag.hosts.net", &what))?;
        }
        for host in &self.streams.hosts {
            network(&host.net).map_err(|what| at.error("streams.hosts.net", &what))?;
        }
        if self.streams.depth_kib > u32::MAX / 1024 {
            return Err(at.error("streams.depth_kib", "must be at most 4194303"));
        }
        if self.streams.memory_mib == 0 {
            return Err(at.error("streams.memory_mib", "must be at least 1"));
        }
        if !(1..=100).contains(&self.flow.pressure_percent) {
            return Err(at.error("flow.pressure_percent", "must be 1 to 100"));
        }
        if self.flow.pressure_divisor == 0 {
            return Err(at.error("flow.pressure_divisor", "must be at least 1"));
        }
        if !(1..=4).contains(&self.evidence.min_severity) {
            return Err(at.error("evidence.min_severity", "must be 1 (high) to 4 (informational)"));
        }
        if !(2..=3).contains(&self.output.dns_version) {
            return Err(at.error("output.dns_version", "must be 2 or 3"));
        }
        if let Some(name) =
            self.output.events.iter().find(|name| EventTypes::known().all(|known| known != **name))
        {
            return Err(at.error("output.events", &format!("\"{name}\" is no event type")));
        }
        if !(1..=65_536).contains(&self.output.alert.payload_buffer_size) {
            return Err(at.error("output.alert.payload_buffer_size", "must be 1 to 65536 bytes"));
        }
        let name = &self.output.sensor_name;
        if name.len() > MAX_SENSOR_NAME || name.chars().any(char::is_control) {
            let what = "must be at most 255 bytes without control characters";
            return Err(at.error("output.sensor_name", what));
        }
        self.output.check(at)?;
        self.policy.policy(&[]).map_err(|wrong| wrong.at(at))?;
        if self.isolation.capacity == 0 {
            return Err(at.error("isolation.capacity", "must be at least 1"));
        }
        for entry in &self.isolation.remediation {
            network(entry).map_err(|what| at.error("isolation.remediation", &what))?;
        }
        if self.isolation.remediation.len() > capture::REMEDIATION_CAPACITY as usize {
            return Err(at.error("isolation.remediation", "must name at most 1024 networks"));
        }
        if !(1..=65_536).contains(&self.evidence.lookback_mib) {
            return Err(at.error("evidence.lookback_mib", "must be 1 to 65536"));
        }
        if !(1..=1 << 24).contains(&self.bypass.max_flows) {
            return Err(at.error("bypass.max_flows", "must be 1 to 16777216"));
        }
        self.home.check(at)?;
        self.control.check(at)?;
        self.api.check(at)?;
        if self.files.max_mib == 0 {
            return Err(at.error("files.max_mib", "must be at least 1"));
        }
        self.ledger.check(at)?;
        if !(1..=65_536).contains(&self.rules.window_mib) {
            return Err(at.error("rules.window_mib", "must be 1 to 65536"));
        }
        self.intel.check(at)?;
        self.push.check(at)?;
        self.fleet.check(at)?;
        self.check_ports(at)
    }

    fn check_ports(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        let mut used: Vec<&str> = Vec::new();
        for port in &self.port {
            if (port.role == Role::Inline) == port.peer.is_empty() {
                let what = if port.peer.is_empty() {
                    format!("inline port \"{}\" needs the interface at the other end of its wire", port.name)
                } else {
                    format!("\"{}\" is no inline port; only those have a peer", port.name)
                };
                return Err(at.error("port.peer", &what));
            }
            for (key, name) in [("port.name", &port.name), ("port.peer", &port.peer)] {
                if name.is_empty() {
                    continue;
                }
                if used.contains(&name.as_str()) {
                    let what = format!("\"{name}\" is used twice; an interface can have one role");
                    return Err(at.error(key, &what));
                }
                used.push(name);
            }
        }
        Ok(())
    }
}

/// Longest duration that can be configured, in seconds: ten years.
const MAX_LIFETIME_S: u64 = 3650 * 86_400;

/// "90", "90s", "15m", "1h", "2d" as a duration.
///
/// # Errors
/// What is wrong with the text.
pub fn lifetime(text: &str) -> Result<std::time::Duration, String> {
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => 0,
    };
    let digits = if unit == 0 { text } else { &text[..text.len() - 1] };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(format!("invalid duration \"{text}\" (expected e.g. \"30s\", \"15m\", \"2h\", \"1d\")"));
    }
    let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit.max(1)));
    match seconds.filter(|&seconds| seconds <= MAX_LIFETIME_S) {
        Some(0) => Err(format!("duration \"{text}\" is too short (minimum 1s)")),
        Some(seconds) => Ok(std::time::Duration::from_secs(seconds)),
        None => Err(format!("duration \"{text}\" is too long (maximum {}d)", MAX_LIFETIME_S / 86_400)),
    }
}

/// A network, or a host as a network of one.
///
/// # Errors
/// What is wrong with the text.
pub fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("\"{text}\" is neither an address nor a network like 10.0.0.0/24"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(Path::new("ringward.toml"), text).unwrap_err().0
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = Config::parse(Path::new("x"), "").unwrap();
        assert_eq!((config.workers.count, config.policy.lifetime.as_str()), (1, "1h"));
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let unknown = error("[workers]\ncount = 2\nthreads = 3\n");
        assert!(unknown.starts_with("ringward.toml:3: unknown field `threads`"), "{unknown}");
        let kind = error("[workers]\n\ncount = \"two\"\n");
        assert!(kind.starts_with("ringward.toml:3: invalid type"), "{kind}");
        assert_eq!(
            error("[policy]\nlifetime = \"soon\"\n"),
            "ringward.toml:2: policy.lifetime: invalid duration \"soon\" (expected e.g. \"30s\", \"15m\", \"2h\", \"1d\")"
        );
        let net = error("[policy]\nprotected = [\"10.0.0.0/33\"]\n");
        assert!(net.starts_with("ringward.toml:2: policy.protected: \"10.0.0.0/33\" is neither"), "{net}");
        let host = error("[[streams.hosts]]\nnet = \"ten\"\npolicy = \"windows\"\n");
        assert!(host.starts_with("ringward.toml:2: streams.hosts.net: \"ten\" is neither"), "{host}");
        let depth = error("[streams]\ndepth_kib = 4194304\n");
        assert!(depth.starts_with("ringward.toml:2: streams.depth_kib: must be"), "{depth}");
        let twice =
            error("[[port]]\nname = \"a\"\nrole = \"capture\"\n[[port]]\nname = \"a\"\nrole = \"guard\"\n");
        assert!(twice.contains("is used twice"), "{twice}");
        let own = error("[[port]]\nname = \"a\"\nrole = \"inline\"\npeer = \"a\"\n");
        assert!(own.starts_with("ringward.toml:4: port.peer: \"a\" is used twice"), "{own}");
        let alone = error("[[port]]\nname = \"a\"\nrole = \"inline\"\n");
        assert!(alone.contains("port.peer: inline port \"a\" needs"), "{alone}");
        let guard = error("[[port]]\nname = \"a\"\nrole = \"guard\"\npeer = \"b\"\n");
        assert!(guard.starts_with("ringward.toml:4: port.peer: \"a\" is no inline port"), "{guard}");
        let host = error("[[defrag.hosts]]\nnet = \"10\"\npolicy = \"bsd-right\"\n");
        assert!(host.starts_with("ringward.toml:2: defrag.hosts.net: \"10\" is neither"), "{host}");
        let memory = error("[defrag]\nmax_mib = 0\n");
        assert!(memory.starts_with("ringward.toml:2: defrag.max_mib: must be"), "{memory}");
        let home = error("[home]\nnetworks = [\"10.0.0.0/8\", \"ours\"]\n");
        assert!(home.starts_with("ringward.toml:2: home.networks: \"ours\" is neither"), "{home}");
        let windows = error("[rules]\nfiles = []\nwindow_mib = 0\n");
        assert!(windows.starts_with("ringward.toml:3: rules.window_mib: must be 1 to"), "{windows}");
        let events = error("[output]\nevents = [\"dns\", \"dsn\"]\n");
        assert!(events.starts_with("ringward.toml:2: output.events: \"dsn\" is no event"), "{events}");
        let feed = error("[[intel.feeds]]\nfile = \"x\"\nkind = \"colour\"\n");
        assert!(feed.starts_with("ringward.toml:3: intel.feeds.kind: \"colour\" is no kind"), "{feed}");
        let feed = error("[[intel.feeds]]\nfile = \"x\"\nexpires = \"soon\"\n");
        assert!(feed.starts_with("ringward.toml:3: intel.feeds.expires: \"soon\" is no date"), "{feed}");
        let hook = "[[push.webhook]]\nname = \"a\"\nurl = \"http://h/\"\n";
        let url = error(&format!("{hook}[[push.webhook]]\nurl = \"ftp://h\"\n"));
        assert!(url.starts_with("ringward.toml:5: push.webhook.url: \"ftp://h\" is no URL"), "{url}");
        let twice = error(&format!("{hook}{hook}"));
        assert!(twice.starts_with("ringward.toml:2: push.webhook.name: \"a\" is used twice"), "{twice}");
        for (line, start) in [
            ("min_severity = 5", "min_severity: must be 1 (high)"),
            ("events = [ ]", "events: must name"),
            ("timeout = 0", "timeout: must be 1 to 300"),
            ("max_retry = 0", "max_retry: must be"),
            ("max_mib = 0", "max_mib: must be"),
            ("max_age = \"old\"", "max_age: invalid duration \"old\""),
            ("headers = { Host = \"x\" }", "headers: \"Host\" is set by the sensor"),
        ] {
            let wrong = error(&format!("{hook}{line}\n"));
            assert!(wrong.starts_with(&format!("ringward.toml:4: push.webhook.{start}")), "{wrong}");
        }
        for (line, start) in [
            ("facility = \"local9\"", "facility: \"local9\" is none of kern"),
            ("app_name = \"a b\"", "app_name: must be"),
            ("queue = 0", "queue: must be"),
            ("max_bytes = 100", "max_bytes: must be"),
        ] {
            let wrong = error(&format!("[[push.syslog]]\naddress = \"udp://h\"\n{line}\n"));
            assert!(wrong.starts_with(&format!("ringward.toml:3: push.syslog.{start}")), "{wrong}");
        }
        let told = error(&format!("{hook}events = [\"incident\"]\n"));
        assert!(told.starts_with("ringward.toml:4: unknown variant `incident`"), "{told}");
        let buffer = error("[output]\n[output.alert]\npayload_buffer_size = 0\n");
        assert_eq!(buffer, "ringward.toml:3: output.alert.payload_buffer_size: must be 1 to 65536 bytes");
        let name = error("[output]\nsensor_name = \"a\\nb\"\n");
        assert!(name.starts_with("ringward.toml:2: output.sensor_name: must be at most 255 bytes"), "{name}");
        let nowhere = error("[control]\nprometheus = \"9477\"\n");
        assert!(nowhere.starts_with("ringward.toml:2: control.prometheus: \"9477\" is no"), "{nowhere}");
        assert!(
            error("[[port]]\nname = \"a\"\nrole = \"spy\"\n").starts_with("ringward.toml:3: unknown variant")
        );
        assert!(!error("a = [\n").contains('\n'));
    }

    #[test]
    fn lifetimes_have_units_and_bounds() {
        assert_eq!(lifetime("90").unwrap().as_secs(), 90);
        assert_eq!(lifetime("15m").unwrap().as_secs(), 900);
        assert_eq!(lifetime("2d").unwrap().as_secs(), 172_800);
        for bad in ["", "0", "h", "-1s", "1w", "99999999999999999999", "5000d", "é"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
        let error = |text| lifetime(text).unwrap_err();
        assert_eq!(error("9999d"), "duration \"9999d\" is too long (maximum 3650d)");
        assert_eq!(
            error("99999999999999999999"),
            "duration \"99999999999999999999\" is too long (maximum 3650d)"
        );
        assert_eq!(error("0h"), "duration \"0h\" is too short (minimum 1s)");
        assert!(error("soon").starts_with("invalid duration \"soon\" (expected "));
    }
}
