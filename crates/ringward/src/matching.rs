//! What detectors match with: read as the configuration names it, at the start and at each reload.

use std::path::{Path, PathBuf};

use engine::{Load, Loaded, Snapshot};
use intel::{Feed, Loader};

use crate::config::{Config, Intel};

/// Malformed indicator lines that are told; the rest is only counted.
const SHOWN_LINE_ERRORS: usize = 20;

/// Reads the lists of the configuration, and what a command line adds to them.
pub fn load(config: &Intel, files: &[PathBuf], allow: &[PathBuf], strict: bool) -> Result<Loaded, String> {
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
    if !feeds.is_empty() {
        told.push(report.to_string());
    }
    Ok(Loaded { snapshot: Snapshot::new(indicators), told })
}

/// Reads the configuration anew, and the lists that it names then.
pub fn reload(path: &Path, strict: bool) -> Load {
    let path = path.to_owned();
    Box::new(move || {
        let config = Config::load(&path).map_err(|err| err.to_string())?;
        load(&config.intel, &[], &[], strict)
    })
}
