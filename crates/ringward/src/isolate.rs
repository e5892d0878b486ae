//! `ringward isolate`: whom to isolate and to release, and the kill switch. What must work while the sensor is down or
//! hangs works on the pinned maps.

use std::net::IpAddr;
use std::time::Duration;

use ::ledger::{Isolated, Record};
use api::ClientError;
use capture::PinnedIsolation;
use clap::{Subcommand, ValueEnum};
use engine::{HoldFile, Listed, ListedChange, Reply, Request};
use output::AuditAction;
use wire::{Nanos, Scope, Target};

use crate::commands::{configuration, sensor};
use crate::config::{self, Config};
use crate::history::{self, HistoryArgs};
use crate::ledger;
use crate::{Failure, Reach, console};

/// What of hold is told wherever it is in force.
const HOLD: &str =
    "HOLD is in force: nothing is dropped and nobody is isolated; `ringward isolate resume` ends it";

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum IsolateAction {
    /// Isolate a host, a network or a station.
    Add {
        /// An IPv4 or IPv6 address, ADDRESS@VLAN, a network (10.1.0.0/16) or a MAC address.
        target: Target,
        /// How far.
        #[arg(long, value_enum, default_value_t = Reaching::Both)]
        scope: Reaching,
        /// With `--scope peers`: a host that it is cut off from; may be given up to 16 times.
        #[arg(long, value_name = "IP", required_if_eq("scope", "peers"))]
        peer: Vec<IpAddr>,
        /// For how long; default: the policy's lifetime.
        #[arg(long, value_parser = config::lifetime)]
        ttl: Option<Duration>,
        /// Why, for the record.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Release a host, a network or a station. Works on the pinned maps if no sensor is running.
    Rm {
        /// Whom, as listed.
        target: Target,
    },
    /// Show who is isolated. Reads the pinned maps if no sensor is running.
    List {
        /// As a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Release everybody. Works on the pinned maps if no sensor is running.
    Flush {
        /// And drop nothing and isolate nobody until `ringward isolate resume`: the kill switch. Stays in force when the
        /// sensor or the machine is started again, and works also if the sensor does not answer.
        #[arg(long)]
        hold: bool,
    },
    /// Turn the kill switch of `flush --hold` off.
    Resume,
    /// Show what the ledger has of isolations that were and are. Needs no sensor.
    History(HistoryArgs),
}

/// How far an isolation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reaching {
    /// Nothing from and nothing to the target.
    Both,
    /// Nothing from the target; what others send to it passes.
    Outbound,
    /// Nothing between the target and the hosts named with --peer.
    Peers,
}

impl Reaching {
    fn with(self, peers: &[IpAddr]) -> Result<Scope, Failure> {
        match self {
            Reaching::Peers => Ok(Scope::Peers(peers.to_vec())),
            _ if !peers.is_empty() => Err(Failure::usage("only --scope peers has peers")),
            Reaching::Both => Ok(Scope::Both),
            Reaching::Outbound => Ok(Scope::Outbound),
        }
    }
}

/// `ringward isolate`.
pub fn run(reach: &Reach, action: &IsolateAction) -> Result<(), Failure> {
    let request = match action {
        IsolateAction::Add { target, scope, peer, ttl, reason } => Request::IsolateAdd {
            target: *target,
            scope: scope.with(peer)?,
            ttl_s: ttl.map(|t| t.as_secs()),
            reason: reason.clone(),
        },
        IsolateAction::Rm { target } => Request::IsolateRm { target: *target },
        IsolateAction::List { .. } => Request::IsolateList,
        IsolateAction::Flush { hold } => Request::IsolateFlush { hold: *hold },
        IsolateAction::Resume => Request::IsolateResume,
        IsolateAction::History(args) => return history::run(reach, args),
    };
    let switch = matches!(action, IsolateAction::Flush { hold: true });
    let near = reach.url.is_none();
    // At once, if these are the sensor's pins for sure; the sensor releases in order and writes it down.
    if switch
        && near
        && (reach.config.is_some() || reach.socket.is_none())
        && let Ok(Some(pinned)) = PinnedIsolation::open(&configuration(reach)?.isolation.pin_dir)
    {
        let _ = pinned.hold(true);
    }
    match sensor(reach)?.ask(&request) {
        // The kill switch does not wait for a sensor that is busy, hangs or is of another version.
        Ok(Reply::Refused { message } | Reply::Unavailable { message }) if switch && near => {
            without(&configuration(reach)?, action, &message)
        }
        Err(err) if switch && near => without(&configuration(reach)?, action, &err.to_string()),
        Ok(reply) => answer(reply, action),
        // What is pinned is of this machine.
        Err(err @ ClientError::NotRunning { .. }) if near && !matches!(action, IsolateAction::Add { .. }) => {
            without(&configuration(reach)?, action, &err.to_string())
        }
        Err(err) => Err(Failure::running(err)),
    }
}

fn answer(reply: Reply, action: &IsolateAction) -> Result<(), Failure> {
    match reply {
        Reply::Done { message } => {
            message.lines().for_each(|line| outln!("{line}"));
            Ok(())
        }
        Reply::Refused { message } | Reply::Unavailable { message } => Err(Failure::running(message)),
        Reply::Hosts { hosts, held } => {
            list(&hosts, held, matches!(action, IsolateAction::List { json: true }))
        }
        Reply::Stats { .. } | Reply::IocHits { .. } => {
            Err(Failure::running("the sensor answered something else"))
        }
    }
}

fn list(hosts: &[Listed], held: bool, json: bool) -> Result<(), Failure> {
    if held {
        errln!("{HOLD}");
    }
    if json {
        console::json(&hosts)?;
        return Ok(());
    }
    // The same for all of them.
    if let Some(host) = hosts.first().filter(|host| !host.not_enforced_on.is_empty()) {
        let on = if host.enforced_on.is_empty() {
            "nowhere".into()
        } else {
            format!("on {} only", host.enforced_on.join(", "))
        };
        errln!("enforced {on}; not in force on {} (see `ringward stats`)", host.not_enforced_on.join(", "));
    }
    for h in hosts {
        let peers: Vec<String> = h.peers.iter().map(IpAddr::to_string).collect();
        let scope = if peers.is_empty() { h.scope.clone() } else { format!("from {}", peers.join(", ")) };
        outln!(
            "{:<40} {scope:<8} {:>7} left  {:>8} packets {:>10} bytes dropped  {}: {}",
            h.host,
            output::spoken(Duration::from_secs(h.remaining_s)),
            h.dropped_packets,
            h.dropped_bytes,
            h.by,
            h.reason
        );
        for change in &h.changes {
            outln!("{:<40} {}", "", changed(change));
        }
    }
    Ok(())
}

/// A line on a later change of an isolation.
fn changed(change: &ListedChange) -> String {
    let who = change.who.as_ref().map(|who| format!(" ({who})")).unwrap_or_default();
    let [time, until] = [change.time_ns, change.until_ns].map(|ns| ::ledger::rfc3339(Nanos(ns)));
    let (action, by, reason) = (&change.action, change.by.escape_debug(), change.reason.escape_debug());
    format!("{action} by {by}{} at {time} until {until}: {reason}", who.escape_debug())
}

/// The same without the sensor, on the pinned maps and the hold file.
fn without(config: &Config, action: &IsolateAction, why: &str) -> Result<(), Failure> {
    let folder = &config.isolation.pin_dir;
    let file = HoldFile::new(config.isolation.hold_file.clone());
    let pinned = PinnedIsolation::open(folder).map_err(Failure::running);
    match action {
        IsolateAction::Flush { hold: true } => return hold(config, pinned, &file, why),
        IsolateAction::Resume => {
            file.remove().map_err(|err| Failure::running(format!("{}: {err}", file.path().display())))?;
            let _ = pinned?.map(|pinned| pinned.hold(false));
            on_record(config, AuditAction::Resume, None, "no sensor was running");
            outln!("hold is over; no sensor is running");
            return Ok(());
        }
        _ => {}
    }
    let Some(pinned) = pinned? else {
        let nothing = format!("no sensor is running and nothing is pinned in {}", folder.display());
        return match action {
            IsolateAction::Rm { target } => {
                Err(Failure::running(format!("{target} is not isolated: {nothing}")))
            }
            IsolateAction::List { json } => {
                errln!("{nothing}: nobody is isolated");
                list(&[], file.exists(), *json)
            }
            _ => {
                outln!("0 hosts released: {nothing}");
                Ok(())
            }
        };
    };
    match action {
        IsolateAction::Rm { target } => match pinned.remove(*target).map_err(Failure::running)? {
            Some(entry) => {
                write_down(config, &[*target], false);
                on_record(
                    config,
                    AuditAction::Release,
                    Some(*target),
                    "from the pinned map, no sensor was running",
                );
                outln!(
                    "{target} is released from the pinned map, {} packets were dropped; no sensor is running",
                    entry.dropped_packets
                );
            }
            None => return Err(Failure::running(format!("{target} is not isolated"))),
        },
        IsolateAction::List { json } => {
            errln!("no sensor is running; this is what is pinned in {}", folder.display());
            list(&listed(&pinned, &known(config))?, pinned.is_held() || file.exists(), *json)?;
        }
        _ => {
            let isolated = isolated(&pinned);
            let released = pinned.release_all().map_err(Failure::running)?;
            write_down(config, &isolated, true);
            on_record(
                config,
                AuditAction::Flush,
                None,
                &format!("{released} hosts released, no sensor was running"),
            );
            outln!("{released} hosts released from the pinned map; no sensor is running");
        }
    }
    Ok(())
}

/// The kill switch: everything is tried, whatever fails.
fn hold(
    config: &Config,
    pinned: Result<Option<PinnedIsolation>, Failure>,
    file: &HoldFile,
    why: &str,
) -> Result<(), Failure> {
    let mut failures = Vec::new();
    let mut released = 0;
    let mut held = false;
    match pinned {
        Ok(Some(pinned)) => {
            held = pinned.hold(true);
            if !held {
                errln!("an earlier version is pinned, which knows no hold; its hosts are released");
            }
            let isolated = isolated(&pinned);
            match pinned.release_all() {
                Ok(count) => released = count,
                Err(err) => failures.push(err.to_string()),
            }
            write_down(config, &isolated, true);
        }
        Ok(None) => {}
        Err(failure) => failures.push(failure.message),
    }
    match file.make() {
        Ok(()) => held = true,
        Err(err) => failures.push(format!("hold file {}: {err}", file.path().display())),
    }
    if held {
        on_record(config, AuditAction::Hold, None, &format!("{released} hosts released; {why}"));
        outln!(
            "{released} hosts released from the pinned map ({why}); hold is in force until `ringward isolate resume`"
        );
    } else {
        failures.insert(0, format!("hold is not in force ({why})"));
    }
    if failures.is_empty() { Ok(()) } else { Err(Failure::running(failures.join("\n"))) }
}

/// Whom the pinned maps have; nobody if they cannot be read, which does not keep anybody from being released.
fn isolated(pinned: &PinnedIsolation) -> Vec<Target> {
    pinned.entries().unwrap_or_default().into_iter().map(|(target, _)| target).collect()
}

/// Tells the ledger of releases while no sensor does.
fn write_down(config: &Config, released: &[Target], all: bool) {
    if let Err(err) = ledger::released_by_hand(config, released, all) {
        errln!("released, but a reboot would isolate them again: {err}");
    }
}

/// Puts what an operator did while no sensor ran on record.
fn on_record(config: &Config, action: AuditAction, target: Option<Target>, detail: &str) {
    if let Err(err) = ledger::by_hand(config, action, target, detail) {
        errln!("done, but not on record in the ledger: {err}");
    }
}

/// Who is isolated by the ledger: it knows who decided, and why. Without one the maps alone are listed.
fn known(config: &Config) -> Vec<Isolated> {
    if !config.ledger.enabled || !config.ledger.dir.exists() {
        return Vec::new();
    }
    ::ledger::isolated(&config.ledger.dir).unwrap_or_else(|err| {
        errln!("reasons are not listed: {err}");
        Vec::new()
    })
}

/// Who is in the pinned maps now, with what the ledger knows of them.
fn listed(pinned: &PinnedIsolation, known: &[Isolated]) -> Result<Vec<Listed>, Failure> {
    let now = engine::monotonic();
    let entries = pinned.entries().map_err(Failure::running)?;
    let live = entries.into_iter().filter(|(_, entry)| entry.expires_ns > now.0);
    Ok(live
        .map(|(target, entry)| {
            let scope = pinned.scope(target, &entry);
            let known = known.iter().find(|one| one.record.target == target);
            let change = |step: &Record| ListedChange {
                time_ns: step.time.0,
                action: step.action.clone(),
                by: step.by.clone(),
                who: step.who.clone(),
                reason: step.reason.clone(),
                until_ns: step.until.unwrap_or(step.time).0,
            };
            Listed {
                host: target.to_string(),
                scope: scope.name().to_owned(),
                verdict: known.map_or(0, |one| one.record.verdict),
                peers: match scope {
                    Scope::Peers(peers) => peers,
                    Scope::Both | Scope::Outbound => Vec::new(),
                },
                remaining_s: (entry.expires_ns - now.0) / 1_000_000_000,
                by: known.map_or_else(|| "unknown".into(), |one| one.record.by.clone()),
                reason: known.map_or_else(|| "not in the ledger".into(), |one| one.record.reason.clone()),
                changes: known.map_or_else(Vec::new, |one| one.changes.iter().map(change).collect()),
                dropped_packets: entry.dropped_packets,
                dropped_bytes: entry.dropped_bytes,
                enforced_on: Vec::new(),
                not_enforced_on: Vec::new(),
            }
        })
        .collect())
}

/// What to tell of the kill switch, if it is on.
pub fn standing(config: &Config) -> Option<&'static str> {
    let pinned = PinnedIsolation::open(&config.isolation.pin_dir).ok().flatten();
    let held = pinned.is_some_and(|pinned| pinned.is_held());
    (held || HoldFile::new(config.isolation.hold_file.clone()).exists()).then_some(HOLD)
}
