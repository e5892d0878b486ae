//! What can be set of pushing events to others, with its default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use push::syslog::{Address, Facility, MESSAGE_BYTES};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Locator, lifetime};

/// Longest name of a receiver; it is part of counters and of a folder's name.
const MAX_NAME: usize = 32;
/// Bytes of an APP-NAME (RFC 5424 section 6).
const MAX_APP_NAME: usize = 48;

/// Who is told of alerts and isolations at once (docs/push.md). Replay tells nobody.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Push {
    /// Folder of the queues in which events for webhooks wait, one folder for each.
    pub spool_dir: PathBuf,
    /// Receivers of HTTP requests, one `[[push.webhook]]` table each.
    pub webhook: Vec<WebhookConfig>,
    /// Receivers of syslog messages, one `[[push.syslog]]` table each.
    pub syslog: Vec<SyslogConfig>,
}

impl Default for Push {
    fn default() -> Self {
        Push { spool_dir: "/var/lib/ringward/push".into(), webhook: Vec::new(), syslog: Vec::new() }
    }
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// Alerts.
    Alert,
    /// Steps of isolations.
    Isolation,
    /// What operators do, and what they are refused.
    Audit,
}

/// A receiver of HTTP requests.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// `[[push.webhook]]`, one for each receiver of HTTP requests: where events are posted, with http or https. Required.
    pub url: String,
    /// Its name in counters and in `push.spool_dir`: letters, digits, "-" and "_". Every receiver has one of its own.
    #[serde(default = "webhook_name")]
    pub name: String,
    /// File with the secret that requests are signed with, as Standard Webhooks has it: "whsec_" and 24 to 64 bytes in
    /// base64. While one is replaced, two lines: each signs. Empty: requests are not signed.
    #[serde(default)]
    pub secret_file: PathBuf,
    /// How severe an alert must at least be, 1 the worst.
    #[serde(default = "worst")]
    #[schemars(range(min = 1, max = 4))]
    pub min_severity: u8,
    /// What is told.
    #[serde(default = "everything")]
    pub events: Vec<Told>,
    /// Seconds that a request may take.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 300))]
    pub timeout: u64,
    /// Certificate authorities (PEM) to trust in place of the system's.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// More header fields of requests, as in { Authorization = "Bearer ..." }.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Seconds between two attempts at most; the first follow each other faster.
    #[serde(default = "minute")]
    #[schemars(range(min = 1, max = 3600))]
    pub max_retry: u64,
    /// MiB of disk that waiting events may take; the oldest go when there are more.
    #[serde(default = "mebibytes")]
    #[schemars(range(min = 1, max = 65536))]
    pub max_mib: u32,
    /// How long an event may wait.
    #[serde(default = "three_days")]
    pub max_age: String,
}

/// A receiver of syslog messages.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyslogConfig {
    /// `[[push.syslog]]`, one for each receiver of syslog messages: where it listens, as in "udp://host:514",
    /// "tcp://host:601", "tls://host:6514" or "unix:/dev/log". Required.
    pub address: String,
    /// Its name in counters. Every receiver has one of its own.
    #[serde(default = "syslog_name")]
    pub name: String,
    /// The form of messages. "rfc5424": structured data, and the line of eve.json as message; "cef": ArcSight's Common
    /// Event Format.
    #[serde(default)]
    pub format: SyslogFormat,
    /// What messages are about, as in "local0", "auth".
    #[serde(default = "local0")]
    pub facility: String,
    /// Who says it.
    #[serde(default = "ringward")]
    pub app_name: String,
    /// How severe an alert must at least be, 1 the worst.
    #[serde(default = "worst")]
    #[schemars(range(min = 1, max = 4))]
    pub min_severity: u8,
    /// What is told.
    #[serde(default = "everything")]
    pub events: Vec<Told>,
    /// Seconds that connecting or sending may take.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 300))]
    pub timeout: u64,
    /// Certificate authorities (PEM) to trust in place of the system's.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// Seconds between two attempts to connect at most.
    #[serde(default = "minute")]
    #[schemars(range(min = 1, max = 3600))]
    pub max_retry: u64,
    /// Events that wait in memory while the receiver is away; later ones are lost.
    #[serde(default = "queue")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub queue: u32,
    /// Bytes of a message; of larger events the protocol's details are left out.
    #[serde(default = "message_bytes")]
    #[schemars(range(min = 2048, max = 60_000))]
    pub max_bytes: usize,
}

/// The form of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyslogFormat {
    /// RFC 5424.
    #[default]
    Rfc5424,
    /// ArcSight's Common Event Format.
    Cef,
}

fn webhook_name() -> String {
    "webhook".into()
}

fn syslog_name() -> String {
    "syslog".into()
}

fn worst() -> u8 {
    1
}

fn everything() -> Vec<Told> {
    vec![Told::Alert, Told::Isolation, Told::Audit]
}

fn ten() -> u64 {
    10
}

fn minute() -> u64 {
    60
}

fn mebibytes() -> u32 {
    64
}

fn three_days() -> String {
    "3d".into()
}

fn local0() -> String {
    "local0".into()
}

fn ringward() -> String {
    "ringward".into()
}

fn queue() -> u32 {
    4096
}

fn message_bytes() -> usize {
    8192
}

impl Push {
    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        let names = self.webhook.iter().map(|w| &w.name).chain(self.syslog.iter().map(|s| &s.name));
        let names: Vec<&String> = names.collect();
        for (i, webhook) in self.webhook.iter().enumerate() {
            let error = |key: &str, what: &str| at.error_in("push.webhook", i, key, what);
            check_name(&names, &webhook.name).map_err(|what| error("name", &what))?;
            check_told(webhook.min_severity, &webhook.events).map_err(|(key, what)| error(key, what))?;
            check_url(&webhook.url).map_err(|what| error("url", &what))?;
            for (name, value) in &webhook.headers {
                push::webhook::check_header(name, value).map_err(|what| error("headers", &what))?;
            }
            if !(1..=300).contains(&webhook.timeout) {
                return Err(error("timeout", "must be 1 to 300 seconds"));
            }
            if !(1..=3600).contains(&webhook.max_retry) {
                return Err(error("max_retry", "must be 1 to 3600 seconds"));
            }
            if !(1..=65_536).contains(&webhook.max_mib) {
                return Err(error("max_mib", "must be 1 to 65536"));
            }
            lifetime(&webhook.max_age).map_err(|what| error("max_age", &what))?;
        }
        for (i, syslog) in self.syslog.iter().enumerate() {
            let error = |key: &str, what: &str| at.error_in("push.syslog", i, key, what);
            check_name(&names, &syslog.name).map_err(|what| error("name", &what))?;
            check_told(syslog.min_severity, &syslog.events).map_err(|(key, what)| error(key, what))?;
            syslog.address.parse::<Address>().map_err(|what| error("address", &what))?;
            if Facility::named(&syslog.facility).is_none() {
                let what = format!("\"{}\" is none of {}", syslog.facility, Facility::NAMES.join(", "));
                return Err(error("facility", &what));
            }
            let app = &syslog.app_name;
            if !(1..=MAX_APP_NAME).contains(&app.len()) || !app.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(error("app_name", "must be 1 to 48 printable ASCII characters without spaces"));
            }
            if !(1..=300).contains(&syslog.timeout) {
                return Err(error("timeout", "must be 1 to 300 seconds"));
            }
            if !(1..=3600).contains(&syslog.max_retry) {
                return Err(error("max_retry", "must be 1 to 3600 seconds"));
            }
            if !(1..=1_000_000).contains(&syslog.queue) {
                return Err(error("queue", "must be 1 to 1000000"));
            }
            if !MESSAGE_BYTES.contains(&syslog.max_bytes) {
                return Err(error("max_bytes", "must be 2048 to 60000"));
            }
        }
        Ok(())
    }
}

fn check_name(names: &[&String], name: &String) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(fits) {
        return Err(format!(
            "\"{name}\" is no name; letters, digits, \"-\" and \"_\" make one of up to {MAX_NAME}"
        ));
    }
    if names.iter().filter(|other| **other == name).count() > 1 {
        return Err(format!("\"{name}\" is used twice; give every receiver of [push] a name of its own"));
    }
    Ok(())
}

fn check_told(min_severity: u8, events: &[Told]) -> Result<(), (&'static str, &'static str)> {
    if !(1..=4).contains(&min_severity) {
        return Err(("min_severity", "must be 1 (high) to 4 (informational)"));
    }
    if events.is_empty() {
        return Err(("events", "must name at least one of \"alert\", \"isolation\", \"audit\""));
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map_or("", |rest| rest.split(['/', '?', '#']).next().unwrap_or(""));
    if host.is_empty() || host.starts_with(':') || url.chars().any(|c| !c.is_ascii_graphic()) {
        return Err(format!("\"{url}\" is no URL like https://host/path"));
    }
    if host.contains('@') {
        // They would be sent to nobody, and shown to everybody.
        return Err("user and password do not belong into the URL; headers can carry an Authorization".into());
    }
    Ok(())
}
