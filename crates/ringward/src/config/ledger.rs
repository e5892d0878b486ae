//! `[ledger]`

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Locator};

/// Every verdict, by whom, why, and what came of it (docs/ledger.md).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// Keep it. Without it, who is isolated is known from the map in the kernel alone, and forgotten at a reboot.
    pub enabled: bool,
    /// Its directory. Each sensor has its own.
    pub dir: PathBuf,
    /// MiB of a file. When it is full the next one begins, with all isolations that run on at its head.
    #[schemars(range(min = 1, max = 65536))]
    pub max_mib: u32,
    /// Full files that are kept beside the current one; the oldest goes then.
    #[schemars(range(min = 1, max = 10000))]
    pub keep: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger { enabled: true, dir: "/var/lib/ringward".into(), max_mib: 64, keep: 16 }
    }
}

impl Ledger {
    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        if !(1..=65_536).contains(&self.max_mib) {
            return Err(at.error("ledger.max_mib", "must be 1 to 65536"));
        }
        if !(1..=10_000).contains(&self.keep) {
            return Err(at.error("ledger.keep", "must be 1 to 10000"));
        }
        if self.dir.as_os_str().is_empty() {
            return Err(at.error("ledger.dir", "must be a directory; enabled = false does without a ledger"));
        }
        Ok(())
    }
}
