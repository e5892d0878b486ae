//! Rules: from configuration to what is loaded, and `ringward rules check`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use detect::rules::packet::Reputation;
use detect::rules::{Profiles, RuleSet, compile};
use rules::{AddressSet, Filters, LoadError, Loader, Refused, Report, Rule, Settings};
use serde_json::{Value, json};

use crate::config::{Config, Rules};
use crate::{Failure, RulesCheckArgs, console};

/// Rules that are not loaded and printed one by one; the rest is only counted.
const SHOWN: usize = 1000;
/// The same when a sensor or a replay starts.
const SHOWN_AT_START: usize = 10;

/// What is loaded.
#[derive(Debug)]
pub struct Rulebook {
    /// Every rule that could be loaded.
    pub rules: Vec<Rule>,
    /// Which could not.
    pub report: Report,
    /// What `threshold.config` says.
    pub filters: Filters,
    /// Reputations of addresses.
    pub reputation: Reputation,
    /// `HOME_NET`, unless it is any host.
    pub home: Option<AddressSet>,
}

fn unreadable(err: &LoadError) -> Failure {
    Failure::usage(err)
}

/// Loads rules as configured, and those of more files.
///
/// # Errors
/// A file cannot be read, or a settings file is broken; rules that are not loaded are no error.
pub fn load(config: &Rules, more: &[PathBuf]) -> Result<Rulebook, Failure> {
    let mut settings = Settings::default();
    let given = |path: &Path| !path.as_os_str().is_empty();
    if given(&config.variables_file) {
        settings.variables_file(&config.variables_file).map_err(|err| unreadable(&err))?;
    }
    for (name, value) in &config.variables {
        settings.set_variable(name, value);
    }
    if given(&config.classification) {
        settings.classification_file(&config.classification).map_err(|err| unreadable(&err))?;
    }
    if given(&config.reference) {
        settings.reference_file(&config.reference).map_err(|err| unreadable(&err))?;
    }
    let mut filters = Filters::default();
    if given(&config.threshold) {
        filters.file(&config.threshold, &settings).map_err(|err| unreadable(&err))?;
    }
    let home = settings.home();
    let mut loader = Loader::new(settings);
    for path in config.files.iter().chain(more) {
        loader.file(path).map_err(|err| unreadable(&err))?;
    }
    let (rules, report) = loader.finish();
    let mut reputation = Reputation::default();
    if given(&config.reputation_categories) {
        reputation = Reputation::read(&config.reputation_categories, &config.reputation)
            .map_err(|(path, err)| Failure::usage(format!("{}: cannot be read: {err}", path.display())))?;
        if let Some(fault) = reputation.faults().0.first() {
            return Err(Failure::usage(fault));
        }
    }
    Ok(Rulebook { rules, report, filters, reputation, home })
}

/// A compiled set, and the filters of its alerts.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The set.
    pub set: Arc<RuleSet>,
    /// What `threshold.config` says.
    pub filters: Filters,
    /// What there is to say about it, line by line.
    pub told: Vec<String>,
}

impl Rulebook {
    /// Compiles the rules; those that cannot be are reported as not supported.
    #[must_use]
    pub fn compile(self) -> (Loaded, Report) {
        let Rulebook { rules, mut report, filters, reputation, home } = self;
        let (set, refused) = compile(rules);
        let set = set.with_reputation(reputation);
        let set = match &home {
            Some(home) => set.with_home(home),
            None => set,
        };
        report.loaded -= refused.len() as u64;
        report.unsupported.extend(refused.into_iter().map(|not| Refused {
            file: not.file,
            line: not.line,
            sid: Some(not.sid),
            keyword: not.keyword.to_owned(),
            why: not.why,
        }));
        (Loaded { set: Arc::new(set), filters, told: Vec::new() }, report)
    }
}

/// What comes of files with lines that are no rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// They are told, and the rest is loaded: there is nothing else.
    Told,
    /// Nothing is loaded: what is in force is better than what may be half of a file.
    Refused,
}

/// Loads and compiles rules for a sensor or a replay, and says what was in them.
///
/// # Errors
/// A file cannot be read or is refused, or a settings file is broken.
pub fn for_use(config: &Rules, more: &[PathBuf], broken: Broken) -> Result<Loaded, Failure> {
    if config.files.is_empty() && more.is_empty() {
        return Ok(Loaded::default());
    }
    let begin = Instant::now();
    let (mut loaded, report) = load(config, more)?.compile();
    // A rule that is whole has at least its id.
    let fragments = || report.errors.iter().filter(|error| error.sid.is_none());
    if broken == Broken::Refused && fragments().next().is_some() {
        let mut lines: Vec<String> = fragments().take(SHOWN_AT_START).map(ToString::to_string).collect();
        lines.push(format!("{} lines are no rules", fragments().count()));
        return Err(Failure::usage(lines.join("\n")));
    }
    let refused = report.errors.iter().chain(&report.unsupported);
    let mut told: Vec<String> = refused.clone().take(SHOWN_AT_START).map(ToString::to_string).collect();
    let count = refused.count() as u64 + report.unnamed;
    if count > 0 {
        told.push(format!("{count} rules are not loaded; `ringward rules check` names them all"));
    }
    let (seconds, mib) = (begin.elapsed().as_secs_f64(), loaded.set.memory() >> 20);
    told.push(format!("{} rules in {seconds:.1} s, {mib} MiB", loaded.set.len()));
    loaded.told = told;
    Ok(loaded)
}

/// What rules have cost, the dearest first, as JSON.
pub fn profile(profiles: &Profiles) -> String {
    let profiles = profiles.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rows: Vec<_> = profiles.iter().collect();
    rows.sort_by_key(|(ids, cost)| (std::cmp::Reverse(cost.checks), **ids));
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|((gid, sid), cost)| {
            json!({"gid": gid, "sid": sid, "checks": cost.checks, "matches": cost.matches, "given_up": cost.limits})
        })
        .collect();
    format!("{:#}\n", Value::from(rows))
}

/// `ringward rules check`
pub fn check(args: &RulesCheckArgs) -> Result<(), Failure> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    if config.rules.files.is_empty() && args.files.is_empty() {
        return Err(Failure::usage("no rule file is given, and the configuration names none"));
    }
    let begin = Instant::now();
    let (loaded, report) = load(&config.rules, &args.files)?.compile();
    let seconds = begin.elapsed().as_secs_f64();
    let bytes = loaded.set.memory();
    if args.json {
        console::out(&console::escaped(&as_json(&report, &loaded.filters, seconds, bytes).to_string()));
        console::out("\n");
    } else {
        for refused in report.unsupported.iter().take(SHOWN) {
            outln!("unsupported: {refused}");
        }
        for refused in report.errors.iter().take(SHOWN) {
            outln!("error: {refused}");
        }
        for warning in report.warnings.iter().take(SHOWN) {
            outln!("warning: {warning}");
        }
        outln!(
            "{} rules loaded, {} disabled, {} not for this sensor, {} duplicates; {} unsupported, {} errors; {seconds:.3} s, {bytes} bytes",
            report.loaded,
            report.disabled,
            report.not_required,
            report.duplicates,
            report.unsupported.len(),
            report.errors.len()
        );
    }
    match report.unsupported.len() as u64 + report.errors.len() as u64 + report.unnamed {
        0 => Ok(()),
        refused => Err(Failure::running(format!("{refused} rules are not loaded"))),
    }
}

fn as_json(report: &Report, filters: &Filters, seconds: f64, bytes: usize) -> Value {
    let list = |refused: &[Refused]| -> Vec<Value> {
        let one = |r: &Refused| json!({"file": &*r.file, "line": r.line, "sid": r.sid, "keyword": r.keyword, "why": r.why});
        refused.iter().map(one).collect()
    };
    json!({
        "loaded": report.loaded,
        "disabled": report.disabled,
        "not_required": report.not_required,
        "duplicates": report.duplicates,
        "unsupported": list(&report.unsupported),
        "errors": list(&report.errors),
        "warnings": list(&report.warnings),
        "unnamed": report.unnamed,
        "filters": filters.suppress.len() + filters.thresholds.len() + filters.rates.len(),
        "seconds": seconds,
        "bytes": bytes,
    })
}

#[cfg(test)]
#[path = "rulebook_tests.rs"]
mod tests;
