//! `ringward isolate history`: what the ledger has.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ledger::{Audit, Entry, Filter, Record};
use serde_json::json;
use wire::{Nanos, Scope, Shown, Target};

use crate::commands::configuration;
use crate::{Failure, Reach, config, console};

/// Damaged places that are told one by one.
const TOLD: usize = 20;

/// Which part of the history.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// Of this one only: 10.0.0.5, 10.0.0.5@100, 10.0.0.0/24 or a MAC address.
    #[arg(long, value_name = "TARGET")]
    host: Option<Target>,
    /// From then on: a time (2026-11-25T03:00:00Z, 2026-11-25) or how long ago (15m, 2d).
    #[arg(long, value_name = "TIME|DURATION", value_parser = since)]
    since: Option<Nanos>,
    /// The last so many steps.
    #[arg(long)]
    limit: Option<usize>,
    /// A JSON object a line.
    #[arg(long)]
    json: bool,
    /// Check every line of the ledger and each link from one to the next; fails if anything is damaged or was changed.
    #[arg(long, conflicts_with_all = ["host", "since", "limit", "json"])]
    verify: bool,
    /// Directory of the ledger; default: the configuration's.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn since(text: &str) -> Result<Nanos, String> {
    if let Ok(ago) = config::lifetime(text) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return Ok(Nanos(0).after(now.saturating_sub(ago)));
    }
    ledger::parse_time(text).or_else(|| ledger::parse_time(&format!("{text}T00:00:00Z"))).ok_or_else(|| {
        format!("\"{text}\" is neither a time like 2026-11-25T03:00:00Z nor a duration like 15m")
    })
}

/// Prints it.
pub fn run(reach: &Reach, args: &HistoryArgs) -> Result<(), Failure> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => configuration(reach)?.ledger.dir,
    };
    if args.verify {
        return verify(&dir);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&mut out, &dir, args).and_then(|()| out.flush().map_err(Printing::Out)) {
        Ok(()) => Ok(()),
        Err(Printing::Failed(failure)) => Err(failure),
        Err(Printing::Out(err)) => console::failed(&err),
    }
}

/// Why printing ended early.
enum Printing {
    Failed(Failure),
    Out(io::Error),
}

fn print(out: &mut impl Write, dir: &Path, args: &HistoryArgs) -> Result<(), Printing> {
    let failed = |err| Printing::Failed(Failure::running(err));
    let filter = Filter { target: args.host, since: args.since };
    exists(dir).map_err(Printing::Failed)?;
    let mut history = ledger::history(dir, filter).map_err(failed)?;
    let mut last = VecDeque::new();
    let mut damaged = 0;
    while let Some(found) = history.step().map_err(failed)? {
        match (found, args.limit) {
            (Ok(entry), None) => show(out, &entry, args.json).map_err(Printing::Out)?,
            (Ok(entry), Some(limit)) => {
                last.push_back(entry);
                if last.len() > limit {
                    last.pop_front();
                }
            }
            (Err(damage), _) => {
                damaged += 1;
                if damaged <= TOLD {
                    errln!("damaged: {damage}");
                }
            }
        }
    }
    for entry in &last {
        show(out, entry, args.json).map_err(Printing::Out)?;
    }
    if damaged > 0 {
        errln!("the ledger is damaged in {damaged} places; what is whole is shown");
    }
    Ok(())
}

/// An empty history is another thing than none.
fn exists(dir: &Path) -> Result<(), Failure> {
    match ledger::exists(dir).map_err(Failure::running)? {
        true => Ok(()),
        false => Err(Failure::running(format!("{}: there is no ledger", dir.display()))),
    }
}

fn show(out: &mut impl Write, entry: &Entry, as_json: bool) -> io::Result<()> {
    let record = &entry.record;
    if as_json {
        let mut line = serde_json::to_value(record).unwrap_or_default();
        line["seq"] = json!(entry.seq);
        line["sum"] = json!(entry.sum.to_string());
        writeln!(out, "{}", console::escaped(&line.to_string()))
    } else {
        writeln!(out, "{}", text(record))
    }
}

fn text(record: &Record) -> String {
    if let Some(audit) = &record.audit {
        return audit_text(record, audit);
    }
    let mut text = format!(
        "{}  {:<10} {:<24} by {}",
        ledger::rfc3339(record.time),
        Shown(&record.action),
        record.target.to_string(),
        Shown(&record.by)
    );
    if let Some(who) = &record.who {
        text.push_str(&format!(" ({})", Shown(who)));
    }
    text.push_str(&format!(": {}", Shown(&record.reason)));
    match &record.scope {
        Scope::Both => {}
        Scope::Peers(peers) => {
            let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
            text.push_str(&format!("; towards {} only", peers.join(", ")));
        }
        scope => text.push_str(&format!("; {} only", scope.name())),
    }
    if let Some(until) = record.until {
        text.push_str(&format!("; until {}", ledger::rfc3339(until)));
    }
    if record.dropped_packets > 0 {
        text.push_str(&format!("; {} packets dropped", record.dropped_packets));
    }
    if let Some(why) = &record.not_enforced_because {
        text.push_str(&format!("; not enforced: {}", Shown(why)));
    }
    text
}

/// What an operator did, or was refused.
fn audit_text(record: &Record, audit: &Audit) -> String {
    let target = record.target.to_string();
    let target = if target == ledger::NOBODY { "-".to_owned() } else { target };
    let action = record.action.strip_prefix(ledger::AUDIT).unwrap_or(&record.action);
    let mut text =
        format!("{}  {action:<10} {target:<24} by {}", ledger::rfc3339(record.time), Shown(&record.by));
    if let Some(who) = &record.who {
        text.push_str(&format!(" ({})", Shown(who)));
    }
    if let Some(from) = &audit.from {
        text.push_str(&format!(" from {}", Shown(from)));
    }
    text.push_str(&format!(": {}", Shown(&record.reason)));
    if audit.count > 1 {
        text.push_str(&format!("; {} times", audit.count));
    }
    if let Some(why) = &record.not_enforced_because {
        text.push_str(&format!("; refused: {}", Shown(why)));
    }
    text
}

fn verify(dir: &Path) -> Result<(), Failure> {
    exists(dir)?;
    let report = ledger::verify(dir).map_err(Failure::running)?;
    for damage in report.damage.iter().take(TOLD) {
        errln!("damaged: {damage}");
    }
    match report.range {
        Some((first, last, sum)) => {
            outln!("{} files, {} intact lines from {first} to {last}", report.files, report.intact);
            outln!("checksum of line {last}: {sum}");
        }
        None => outln!("{} files, no line", report.files),
    }
    match report.damage.len() {
        0 => Ok(()),
        places => Err(Failure::running(format!("the ledger is damaged in {places} places"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_told_apart() {
        assert_eq!(since("1970-01-02"), Ok(Nanos(86_400_000_000_000)));
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(Nanos(1_000_000_000)));
        assert!(since("15m").is_ok_and(|then| then.0 > 1_600_000_000_000_000_000));
        assert!(since("yesterday").is_err_and(|why| why.starts_with("\"yesterday\" is neither")));
    }
}
