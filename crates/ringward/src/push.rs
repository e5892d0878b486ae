//! From `[push]` to receivers that are told, and their end.

use std::path::Path;
use std::thread;
use std::time::Duration;

use engine::{MoreCounters, Tap};
use push::syslog::{Address, Facility, Format, Syslog, SyslogOptions};
use push::webhook::{Webhook, WebhookOptions};
use push::{Events, Wanted};

use crate::config::{self, Config, SyslogConfig, SyslogFormat, Told, WebhookConfig};
use crate::{Failure, setup};

/// Events that may wait for a webhook's collector: it only writes them to disk.
const ROOM: usize = 4096;
/// How long the end may take: what is not delivered until then waits on disk (webhooks) or is lost (syslog).
const FINISH: Duration = Duration::from_secs(3);

/// The running receivers.
#[derive(Debug, Default)]
pub struct Pushes {
    webhooks: Vec<Webhook>,
    syslogs: Vec<Syslog>,
}

/// What the sensor needs of them.
#[derive(Debug, Default)]
pub struct Wiring {
    /// To give to [`engine::Sensor::start`].
    pub taps: Vec<Tap>,
    /// To put into its options.
    pub counters: Vec<MoreCounters>,
}

impl Pushes {
    /// Starts all that is configured.
    ///
    /// # Errors
    /// The key whose file cannot be used.
    pub fn start(config: &Config) -> Result<(Self, Wiring), Failure> {
        let (mut pushes, mut wiring) = (Pushes::default(), Wiring::default());
        for w in &config.push.webhook {
            let events = wiring.tap(&w.name, ROOM, w.min_severity, &w.events);
            let webhook = Webhook::start(webhook(config, w)?, events)
                .map_err(|err| Failure::usage(format!("push.webhook \"{}\": {err}", w.name)))?;
            wiring.count(&w.name, webhook.counters());
            pushes.webhooks.push(webhook);
        }
        for s in &config.push.syslog {
            let events = wiring.tap(&s.name, s.queue as usize, s.min_severity, &s.events);
            let syslog = Syslog::start(syslog(config, s)?, events)
                .map_err(|err| Failure::usage(format!("push.syslog \"{}\": {err}", s.name)))?;
            wiring.count(&s.name, syslog.counters());
            pushes.syslogs.push(syslog);
        }
        Ok((pushes, wiring))
    }

    /// Tells what is left, all receivers at once. Only when the sensor has stopped.
    pub fn finish(self) {
        thread::scope(|scope| {
            for webhook in self.webhooks {
                scope.spawn(|| webhook.finish(FINISH));
            }
            for syslog in self.syslogs {
                scope.spawn(|| syslog.finish(FINISH));
            }
        });
    }
}

impl Wiring {
    fn tap(&mut self, name: &str, room: usize, min_severity: u8, told: &[Told]) -> Events {
        let wanted = Wanted {
            alerts: told.contains(&Told::Alert).then(|| setup::severity(min_severity)),
            isolations: told.contains(&Told::Isolation),
            audits: told.contains(&Told::Audit),
        };
        let (tap, events) = Tap::new(format!("push.{name}"), room, move |event| wanted.has(event));
        self.taps.push(tap);
        events
    }

    fn count(&mut self, name: &str, counters: std::sync::Arc<push::Counters>) {
        let name = name.to_owned();
        self.counters.push(MoreCounters::new(move || counters.read(&name)));
    }
}

fn webhook(config: &Config, w: &WebhookConfig) -> Result<WebhookOptions, Failure> {
    Ok(WebhookOptions {
        name: w.name.clone(),
        sensor: config.output.sensor(),
        url: w.url.clone(),
        secret_file: given(&w.secret_file),
        ca_file: given(&w.ca_file),
        headers: w.headers.clone().into_iter().collect(),
        timeout: Duration::from_secs(w.timeout),
        max_retry: Duration::from_secs(w.max_retry),
        spool: config.push.spool_dir.join(&w.name),
        max_bytes: u64::from(w.max_mib) << 20,
        max_age: config::lifetime(&w.max_age).map_err(Failure::usage)?,
    })
}

fn syslog(config: &Config, s: &SyslogConfig) -> Result<SyslogOptions, Failure> {
    let no_facility = || Failure::usage(format!("push.syslog.facility: {}", s.facility));
    Ok(SyslogOptions {
        name: s.name.clone(),
        sensor: config.output.sensor(),
        address: s.address.parse::<Address>().map_err(Failure::usage)?,
        format: match s.format {
            SyslogFormat::Rfc5424 => Format::Rfc5424,
            SyslogFormat::Cef => Format::Cef,
        },
        facility: Facility::named(&s.facility).ok_or_else(no_facility)?,
        app_name: s.app_name.clone(),
        ca_file: given(&s.ca_file),
        timeout: Duration::from_secs(s.timeout),
        max_retry: Duration::from_secs(s.max_retry),
        max_bytes: s.max_bytes,
    })
}

fn given(path: &Path) -> Option<std::path::PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_owned())
}
