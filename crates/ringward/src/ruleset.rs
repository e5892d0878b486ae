//! Rules from their files to a compiled set.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use detect::rules::{RuleSet, compile};
use rules::{Loader, Settings};

use crate::Failure;

/// Rules that were not loaded and are shown.
const SHOWN: usize = 10;

/// Loads rule files and says what was in them.
pub fn load(files: &[PathBuf], settings: Settings) -> Result<Arc<RuleSet>, Failure> {
    if files.is_empty() {
        return Ok(Arc::default());
    }
    let began = Instant::now();
    let mut loader = Loader::new(settings);
    for file in files {
        loader.file(file).map_err(Failure::usage)?;
    }
    let (rules, report) = loader.finish();
    let (set, not_compiled) = compile(rules);
    let mut refused: Vec<String> =
        report.errors.iter().chain(&report.unsupported).map(ToString::to_string).collect();
    refused.extend(
        not_compiled
            .iter()
            .map(|n| format!("{}:{}: sid {}: {}: {}", n.file, n.line, n.sid, n.keyword, n.why)),
    );
    for line in refused.iter().take(SHOWN) {
        eprintln!("ringward: {line}");
    }
    if !refused.is_empty() {
        eprintln!("ringward: {} rules are not loaded; `ringward rules check` names them all", refused.len());
    }
    eprintln!(
        "ringward: {} rules in {:.1} s, {} MiB",
        set.len(),
        began.elapsed().as_secs_f64(),
        set.memory() >> 20
    );
    Ok(Arc::new(set))
}
