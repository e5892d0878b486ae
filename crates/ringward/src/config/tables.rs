//! What can be set, with its default.

use std::path::PathBuf;
use std::sync::Arc;

use output::AlertOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::{Api, Control};
use super::defrag::Defrag;
use super::files::Files;
use super::fleet::Fleet;
use super::home::Home;
use super::intel::Intel;
use super::ledger::Ledger;
use super::log::Log;
use super::policy::PolicyConfig;
use super::ports::{Bypass, Port, Workers};
use super::push::Push;
use super::rules::Rules;

/// The configuration file. Every table and key is optional unless said otherwise.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Network ports, one `[[port]]` table each. `run` needs at least one.
    pub port: Vec<Port>,
    /// Worker threads.
    pub workers: Workers,
    /// Flows whose packets the kernel counts in place of the workers.
    pub bypass: Bypass,
    /// Reassembly of fragmented IP datagrams, in each worker.
    pub defrag: Defrag,
    /// Flow table of each worker.
    pub flow: FlowConfig,
    /// TCP streams.
    pub streams: StreamsConfig,
    /// Which hosts are ours.
    pub home: Home,
    /// Threat intelligence.
    pub intel: Intel,
    /// Rules in Suricata's language.
    pub rules: Rules,
    /// Who is isolated, and who never is: [policy](policy.md).
    pub policy: PolicyConfig,
    /// The isolation maps in the kernel.
    pub isolation: Isolation,
    /// Every verdict, by whom, why, and what came of it (docs/ledger.md).
    pub ledger: Ledger,
    /// What the sensor writes to standard error.
    pub log: Log,
    /// Where results are written.
    pub output: Output,
    /// Packets of alerted flows.
    pub evidence: EvidenceConfig,
    /// Files that are transferred.
    pub files: Files,
    /// Other sensors and guards that verdicts and events are shared with, over NATS JetStream (docs/fleet.md).
    pub fleet: Fleet,
    /// How `ringward isolate`, `stats`, `reload` and `iocs` reach the sensor.
    pub control: Control,
    /// The control API over HTTPS (docs/api.md). There is none over TCP without TLS.
    pub api: Api,
    /// Who is told of alerts and isolations at once (docs/push.md). Replay tells nobody.
    pub push: Push,
}

/// Flow table of each worker.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowConfig {
    /// Flows that can live at once in one worker.
    pub max_flows: u32,
    /// Percent of `max_flows` at which the table is under pressure: unanswered and closed flows end early then.
    #[schemars(range(min = 1, max = 100))]
    pub pressure_percent: u8,
    /// By what the timeouts of unanswered and closed flows are divided under pressure.
    #[schemars(range(min = 1))]
    pub pressure_divisor: u32,
    /// Seconds between two interim records (reason "active") of a flow that lives on; 0: one record, at its end.
    pub interim_secs: u32,
    /// Seconds of silence after which a flow ends, by protocol and state.
    pub timeout: TimeoutTable,
}

impl Default for FlowConfig {
    fn default() -> Self {
        FlowConfig {
            max_flows: 262_144,
            pressure_percent: 90,
            pressure_divisor: 10,
            interim_secs: 0,
            timeout: TimeoutTable::default(),
        }
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

/// TCP streams.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamsConfig {
    /// Which copy of a byte counts when segments overlap: as the receiving host decides. Any of "first", "last",
    /// "bsd", "linux", "old-linux", "windows" (up to Server 2003), "vista" (and later), "solaris", "hpux", "macos".
    pub policy: Overlap,
    /// Networks whose hosts decide otherwise, as `[[streams.hosts]]` tables with `net` (an address or a network)
    /// and `policy`. Of several networks the smallest counts.
    pub hosts: Vec<HostOverlap<Overlap>>,
    /// KiB of each direction that are read; 0: all.
    #[schemars(range(max = 4_194_303))]
    pub depth_kib: u32,
    /// MiB that may wait behind holes in the streams of each worker.
    #[schemars(range(min = 1))]
    pub memory_mib: u32,
}

impl Default for StreamsConfig {
    fn default() -> Self {
        StreamsConfig { policy: Overlap::Linux, hosts: Vec::new(), depth_kib: 1024, memory_mib: 256 }
    }
}

/// Hosts of one kind.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostOverlap<P> {
    /// An address or a network.
    pub net: String,
    /// How these hosts decide.
    pub policy: P,
}

/// Which copy of a byte counts when segments overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// The first.
    First,
    /// The last.
    Last,
    /// As BSD.
    Bsd,
    /// As Linux.
    Linux,
    /// As Linux up to 2.2.
    OldLinux,
    /// As Windows up to Server 2003.
    Windows,
    /// As Windows since Vista.
    Vista,
    /// As Solaris.
    Solaris,
    /// As HP-UX 11.
    #[serde(rename = "hpux")]
    HpUx,
    /// As macOS.
    #[serde(rename = "macos")]
    MacOs,
}

/// The isolation maps in the kernel.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Isolation {
    /// Folder of the pinned maps, on a bpffs (mounted if need be). Guards of one box share a folder.
    pub pin_dir: PathBuf,
    /// Hosts, networks and stations that can be isolated at once.
    #[schemars(range(min = 1))]
    pub capacity: u32,
    /// Addresses and networks that isolated hosts still reach, and are reached from: the management of endpoints, patch
    /// server, jump host, their DNS server. At most 1024.
    pub remediation: Vec<String>,
    /// The file that `ringward isolate flush --hold` leaves: while it is there, nobody is isolated.
    pub hold_file: PathBuf,
}

impl Default for Isolation {
    fn default() -> Self {
        Isolation {
            pin_dir: "/sys/fs/bpf/ringward".into(),
            capacity: capture::ISOLATION_CAPACITY,
            remediation: Vec::new(),
            hold_file: "/var/lib/ringward/hold".into(),
        }
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
    /// Incident reports written in one run.
    pub max_reports: u32,
    /// Write `netflow` lines beside `flow`: one for each direction.
    pub netflow: bool,
    /// The form of `dns` lines: 3, one for each message, or 2, one for each question and each answer.
    #[schemars(range(min = 2, max = 3))]
    pub dns_version: u8,
    /// Write passwords as they were sent; masked otherwise, in `login`, `ftp`, `pop3` and `mqtt`.
    pub secrets: bool,
    /// Which lines are written into eve.json, by their `event_type`, as in ["alert", "dns", "flow"]; empty: all.
    /// Evidence, stored files and incident reports do not depend on it.
    pub events: Vec<String>,
    /// Group that may read what is written: files are 0640, folders 0750. Empty: the group of the process.
    pub group: String,
    /// Rename eve.json when it is as large as this, as in "500MiB" (KiB, MiB, GiB); empty: never for its size. The new name has
    /// the time: eve-2026-12-01T05-00-00.json (docs/operations.md).
    pub rotate_size: String,
    /// Rename eve.json when a period of this length ends, counted in UTC, as in "1h" or "1d"; empty: never for its age.
    pub rotate_every: String,
    /// Renamed files that are kept, the newest; 0: all.
    pub keep: u32,
    /// Compress renamed files with Zstandard (.zst).
    pub compress: bool,
    /// MiB of alerts and isolations that may wait in memory while the disk refuses them.
    #[schemars(range(max = 4096))]
    pub max_waiting_mib: u32,
    /// The name of this sensor: `host` in every line of eve.json, in what is pushed and what the fleet is told. Empty: the
    /// machine's host name; a replay then names none, so that its output is the same on every machine.
    pub sensor_name: String,
    /// Write the hardware addresses (`ether`): those of the packet, and in `flow` and `netflow` lines up to 8 of each end.
    /// Suricata calls it `ethernet`, and does not by default either.
    pub ethernet: bool,
    /// What `alert` lines show beside the finding. The defaults are those of the configuration that Suricata 8 comes with.
    pub alert: AlertLines,
}

/// What `alert` lines show: the options of the `alert` type of Suricata's `eve-log`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertLines {
    /// Write the payload in base64 (`payload`): of the packet, or, where `stream` is 1, of the reassembled stream as far as it
    /// is kept.
    pub payload: bool,
    /// Write the payload as text (`payload_printable`), with dots for what is not printable.
    pub payload_printable: bool,
    /// Write how long the payload is (`payload_length`), before it is cut at `payload_buffer_size`.
    pub payload_length: bool,
    /// Bytes of the payload, and of each HTTP body, that are written at most: the beginning of a packet's payload and of a
    /// body, the end of a stream.
    #[schemars(range(min = 1, max = 65536))]
    pub payload_buffer_size: u32,
    /// Write the frame in base64 (`packet`), with its link type (`packet_info`).
    pub packet: bool,
    /// Write the bodies of the HTTP exchange in base64 (`http.http_request_body`, `http.http_response_body`), those that the
    /// rule has seen. Only with `metadata`.
    pub http_body: bool,
    /// Write them as text (`http.http_request_body_printable`, `http.http_response_body_printable`).
    pub http_body_printable: bool,
    /// Write what the protocol's parser and the flow say of it (`http`, `dns`, `files`, `flow` ...), and the metadata of the
    /// rule's author.
    pub metadata: bool,
}

impl Default for AlertLines {
    fn default() -> Self {
        let AlertOptions {
            payload,
            payload_printable,
            payload_length,
            payload_buffer,
            packet,
            http_body,
            http_body_printable,
            metadata,
        } = AlertOptions::DEFAULT;
        AlertLines {
            payload,
            payload_printable,
            payload_length,
            payload_buffer_size: payload_buffer,
            packet,
            http_body,
            http_body_printable,
            metadata,
        }
    }
}

impl AlertLines {
    /// The same for who writes them.
    pub fn options(&self) -> AlertOptions {
        AlertOptions {
            payload: self.payload,
            payload_printable: self.payload_printable,
            payload_length: self.payload_length,
            payload_buffer: self.payload_buffer_size,
            packet: self.packet,
            http_body: self.http_body,
            http_body_printable: self.http_body_printable,
            metadata: self.metadata,
        }
    }
}

impl Output {
    /// The sensor's name, if it has one.
    pub fn sensor(&self) -> Option<Arc<str>> {
        (!self.sensor_name.is_empty()).then(|| Arc::from(self.sensor_name.as_str()))
    }

    /// Names the sensor after this machine, unless it has a name.
    pub fn name_after_host(&mut self) {
        if self.sensor_name.is_empty() {
            let name = rustix::system::uname();
            self.sensor_name = name.nodename().to_string_lossy().into_owned();
        }
    }
}

impl Default for Output {
    fn default() -> Self {
        Output {
            dir: "/var/log/ringward".into(),
            stats_interval: 10,
            max_reports: 10_000,
            netflow: false,
            dns_version: 3,
            secrets: false,
            events: Vec::new(),
            group: String::new(),
            rotate_size: String::new(),
            rotate_every: String::new(),
            keep: 7,
            compress: false,
            max_waiting_mib: 16,
            sensor_name: String::new(),
            ethernet: false,
            alert: AlertLines::default(),
        }
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
    /// MiB of packets written in one run, all flows together.
    pub max_total_mib: u32,
    /// How severe a rule's alert must at least be for packets to be kept, 1 the worst. Flows with an indicator, or with a
    /// rule that has a `tag`, are kept whatever their severity.
    #[schemars(range(min = 1, max = 4))]
    pub min_severity: u8,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        EvidenceConfig { lookback_mib: 64, max_mib_per_flow: 16, max_total_mib: 10_240, min_severity: 1 }
    }
}
