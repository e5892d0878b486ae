//! What detectors match with, and the policy that alerts are judged by: read as the configuration has it, at the start
//! and at each reload.

use std::path::{Path, PathBuf};

use detect::Home;
use engine::{Load, Loaded, Snapshot};
use intel::{Feed, Indicators, Loader};
use verdict::Policy;

use crate::config::{Config, Intel};
use crate::rulebook::Broken;
use crate::{Failure, rulebook, setup, surroundings};

/// Malformed indicator lines that are told; the rest is only counted.
const SHOWN_LINE_ERRORS: usize = 20;

/// What a command line adds to the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Added<'a> {
    /// Lists of indicators.
    pub indicators: &'a [PathBuf],
    /// Lists of what is never an indicator.
    pub allow: &'a [PathBuf],
    /// Rule files.
    pub rules: &'a [PathBuf],
}

/// Reads all that the configuration names, and what a command line adds to it.
pub fn load(config: &Config, added: &Added<'_>, strict: bool) -> Result<Loaded, Failure> {
    load_unless(Broken::Told, config, added, strict)
}

fn load_unless(broken: Broken, config: &Config, added: &Added<'_>, strict: bool) -> Result<Loaded, Failure> {
    let (indicators, mut told) =
        indicators(&config.intel, added.indicators, added.allow, strict).map_err(Failure::usage)?;
    let rules = rulebook::for_use(&config.rules, added.rules, broken)?;
    told.extend(rules.told);
    let snapshot = Snapshot::new(indicators).with_rules(rules.set, rules.filters);
    let nets = config.home.nets().map_err(Failure::usage)?;
    let home = if nets.is_empty() { Home::default() } else { Home::new(nets) };
    Ok(Loaded { snapshot: snapshot.with_home(home).with_policy(setup::policy(config)?), told })
}

/// The same for a sensor, who protects the machine that it runs on, and what that machine needs.
pub fn live(config: &Config, strict: bool) -> Result<Loaded, Failure> {
    Ok(at_home(config, protecting(load(config, &Added::default(), strict)?)))
}

/// Where no home networks are named, those of this machine are home, too.
fn at_home(config: &Config, Loaded { snapshot, told }: Loaded) -> Loaded {
    if !config.home.networks.is_empty() {
        return Loaded { snapshot, told };
    }
    let home = Home::clone(&snapshot.home).with(surroundings::networks());
    Loaded { snapshot: snapshot.with_home(home), told }
}

fn protecting(Loaded { snapshot, mut told }: Loaded) -> Loaded {
    let mut policy = Policy::clone(&snapshot.policy);
    told.extend(surroundings::protect(&mut policy.protected));
    Loaded { snapshot: snapshot.with_policy(policy), told }
}

/// Reads lists of indicators.
fn indicators(
    config: &Intel,
    files: &[PathBuf],
    allow: &[PathBuf],
    strict: bool,
) -> Result<(Indicators, Vec<String>), String> {
    let mut loader = Loader::with_limit(config.max_indicators as usize);
    for file in config.allow.iter().chain(allow) {
        loader.allow(file).map_err(|err| err.to_string())?;
    }
    let named = config.files.iter().chain(files).map(Feed::new);
    let feeds: Vec<Feed> = named.chain(config.feeds.iter().map(|feed| feed.feed())).collect();
    for feed in &feeds {
        loader.feed(feed).map_err(|err| err.to_string())?;
    }
    let (indicators, report) = loader.finish();
    let mut told: Vec<String> =
        report.errors.iter().take(SHOWN_LINE_ERRORS).map(ToString::to_string).collect();
    if report.skipped > 0 {
        if strict || config.strict {
            told.push(format!("{} indicator lines cannot be read (--strict)", report.skipped));
            return Err(told.join("\n"));
        }
        told.push(format!("{} indicator lines skipped", report.skipped));
    }
    told.extend(report.doubts.iter().take(SHOWN_LINE_ERRORS).map(ToString::to_string));
    if report.doubts_found > SHOWN_LINE_ERRORS as u64 {
        let more = report.doubts_found - SHOWN_LINE_ERRORS as u64;
        told.push(format!("{more} more indicators are doubtful in such ways"));
    }
    if !feeds.is_empty() {
        told.push(report.to_string());
    }
    Ok((indicators, told))
}

/// Reads the configuration anew, its policy, and the lists that it names then.
pub fn reload(path: &Path, strict: bool) -> Load {
    let path = path.to_owned();
    Box::new(move || {
        let config = Config::load(&path).map_err(|err| err.to_string())?;
        load_unless(Broken::Refused, &config, &Added::default(), strict)
            .map(|loaded| at_home(&config, protecting(loaded)))
            .map_err(|failure| failure.message)
    })
}
