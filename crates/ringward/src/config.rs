//! ringward.toml: what can be set, the defaults, and errors that name file, line and key.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The configuration file. Every table and key is optional unless said otherwise.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Network ports, one `[[port]]` table each. `run` needs at least one capture or guard port.
    pub port: Vec<Port>,
    /// Worker threads.
    pub workers: Workers,
    /// Flow table of each worker.
    pub flow: FlowConfig,
    /// Threat intelligence.
    pub intel: Intel,
    /// Who is isolated, and who never is.
    pub policy: PolicyConfig,
    /// The isolation map in the kernel.
    pub isolation: Isolation,
    /// Where results are written.
    pub output: Output,
    /// Packets of alerted flows.
    pub evidence: EvidenceConfig,
    /// How `ringward isolate` and `ringward stats` reach the sensor.
    pub control: Control,
}

/// One network port.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Interface name, in the network namespace in which the sensor runs. Required.
    pub name: String,
    /// "capture": a TAP or SPAN port, read and never passed on. "guard": isolated hosts are dropped, the
    /// rest goes on to the kernel. Required.
    pub role: Role,
    /// How the kernel runs the XDP program: "native" in the driver, "generic" in the slow path.
    #[serde(default)]
    pub xdp: Xdp,
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and never passed on.
    Capture,
    /// Isolated hosts are dropped.
    Guard,
}

/// How the kernel runs the XDP program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Xdp {
    /// In the driver.
    #[default]
    Native,
    /// In the kernel's slow path.
    Generic,
}

/// Worker threads.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Workers {
    /// Number of workers; each has a ring of its own on every queue of every capture port.
    #[schemars(range(min = 1, max = 256))]
    pub count: u32,
    /// CPUs to pin the workers to, in turn. Empty: those that the process may use (its affinity mask).
    pub cpus: Vec<usize>,
    /// Frames that a worker's ring holds per queue, a power of two.
    pub rx_ring: u32,
}

impl Default for Workers {
    fn default() -> Self {
        Workers { count: 1, cpus: Vec::new(), rx_ring: 2048 }
    }
}

/// Flow table of each worker.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// Flows that can live at once in one worker.
    pub max_flows: u32,
    /// Seconds of silence after which a flow ends, by protocol and state.
    pub timeout: TimeoutTable,
}

impl Default for FlowConfig {
    fn default() -> Self {
        FlowConfig { max_flows: 262_144, timeout: TimeoutTable::default() }
    }
}

/// Flow timeouts in seconds.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutTable {
    /// TCP: one side has spoken.
    pub tcp_new: u64,
    /// TCP: established.
    pub tcp_established: u64,
    /// TCP: closed by FIN or RST.
    pub tcp_closed: u64,
    /// UDP: one side has spoken.
    pub udp_new: u64,
    /// UDP: both have.
    pub udp_established: u64,
    /// ICMP: one side has spoken.
    pub icmp_new: u64,
    /// ICMP: both have.
    pub icmp_established: u64,
    /// Other protocols: one side has spoken.
    pub other_new: u64,
    /// Other protocols: both have.
    pub other_established: u64,
}

impl Default for TimeoutTable {
    fn default() -> Self {
        TimeoutTable {
            tcp_new: 60,
            tcp_established: 600,
            tcp_closed: 60,
            udp_new: 30,
            udp_established: 300,
            icmp_new: 30,
            icmp_established: 300,
            other_new: 30,
            other_established: 300,
        }
    }
}

/// Threat intelligence.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Intel {
    /// Indicator lists: plain text or CSV, gzip or not. Relative paths are relative to this file.
    pub files: Vec<PathBuf>,
    /// Refuse to start if any line of a list cannot be read; otherwise such lines are skipped and counted.
    pub strict: bool,
}

/// Who is isolated, and who never is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// "enforce": isolate. "observe": only record what would have been done.
    pub mode: Mode,
    /// What must have been seen of an indicator: any of "dns", "http", "tls", "ip", "url".
    pub isolate_on: Vec<Seen>,
    /// The least severity that isolates: 1 high, 2 medium, 3 low, 4 informational.
    #[schemars(range(min = 1, max = 4))]
    pub min_severity: u8,
    /// How long a host stays isolated: a number with s, m, h or d.
    pub lifetime: String,
    /// Hosts and networks that are never isolated. The sensor's own addresses always are protected.
    pub protected: Vec<String>,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        PolicyConfig {
            mode: Mode::Enforce,
            isolate_on: vec![Seen::Dns, Seen::Http, Seen::Tls, Seen::Ip, Seen::Url],
            min_severity: 1,
            lifetime: "1h".into(),
            protected: Vec::new(),
        }
    }
}

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Isolate.
    Enforce,
    /// Only record.
    Observe,
}

/// What was seen of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// A lookup of the name.
    Dns,
    /// An HTTP request to the host.
    Http,
    /// A TLS ClientHello for the name.
    Tls,
    /// A packet to the address.
    Ip,
    /// An HTTP request for the URL.
    Url,
}

/// The isolation map in the kernel.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Isolation {
    /// Folder of the pinned map, on a bpffs (mounted if need be). Guards of one box share a folder.
    pub pin_dir: PathBuf,
    /// Hosts that can be isolated at once.
    #[schemars(range(min = 1))]
    pub capacity: u32,
}

impl Default for Isolation {
    fn default() -> Self {
        Isolation { pin_dir: "/sys/fs/bpf/ringward".into(), capacity: capture::ISOLATION_CAPACITY }
    }
}

/// Where results are written.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Directory of eve.json, evidence/ and incidents/.
    pub dir: PathBuf,
    /// Seconds between two stats lines in eve.json; 0: only one at the end.
    pub stats_interval: u64,
}

impl Default for Output {
    fn default() -> Self {
        Output { dir: "/var/log/ringward".into(), stats_interval: 10 }
    }
}

/// Packets of alerted flows.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvidenceConfig {
    /// MiB of recent packets that each worker keeps, for those before an alert.
    #[schemars(range(min = 1, max = 65536))]
    pub lookback_mib: u32,
    /// MiB of packets written per alerted flow.
    pub max_mib_per_flow: u32,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        EvidenceConfig { lookback_mib: 64, max_mib_per_flow: 16 }
    }
}

/// How `ringward isolate` and `ringward stats` reach the sensor.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Path of the UNIX socket.
    pub socket: PathBuf,
}

impl Default for Control {
    fn default() -> Self {
        Control { socket: "/run/ringward/ringward.sock".into() }
    }
}

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
        let line = self.text.lines().position(sets).map_or(String::new(), |i| format!(":{}", i + 1));
        ConfigError(format!("{}{line}: {key}: {what}", self.path.display()))
    }
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
        for file in &mut config.intel.files {
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
        if !(1..=4).contains(&self.policy.min_severity) {
            return Err(at.error("policy.min_severity", "must be 1 (high) to 4 (informational)"));
        }
        lifetime(&self.policy.lifetime).map_err(|what| at.error("policy.lifetime", &what))?;
        for entry in &self.policy.protected {
            network(entry).map_err(|what| at.error("policy.protected", &what))?;
        }
        if self.isolation.capacity == 0 {
            return Err(at.error("isolation.capacity", "must be at least 1"));
        }
        if !(1..=65_536).contains(&self.evidence.lookback_mib) {
            return Err(at.error("evidence.lookback_mib", "must be 1 to 65536"));
        }
        for (i, port) in self.port.iter().enumerate() {
            if self.port[..i].iter().any(|p| p.name == port.name) {
                let what = format!("\"{}\" is used twice; an interface can have one role", port.name);
                return Err(at.error("port.name", &what));
            }
        }
        Ok(())
    }
}

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
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit.max(1)))
        .filter(|&n| n > 0 && n <= 3650 * 86_400)
        .map(std::time::Duration::from_secs)
        .ok_or_else(|| format!("\"{text}\" is no duration; write a number with s, m, h or d, as in \"1h\""))
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
            "ringward.toml:2: policy.lifetime: \"soon\" is no duration; write a number with s, m, h or d, as in \"1h\""
        );
        let net = error("[policy]\nprotected = [\"10.0.0.0/33\"]\n");
        assert!(net.starts_with("ringward.toml:2: policy.protected: \"10.0.0.0/33\" is neither"), "{net}");
        let twice =
            error("[[port]]\nname = \"a\"\nrole = \"capture\"\n[[port]]\nname = \"a\"\nrole = \"guard\"\n");
        assert!(twice.contains("is used twice"), "{twice}");
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
    }
}
