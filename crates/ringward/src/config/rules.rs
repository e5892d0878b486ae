//! `[rules]`

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rules in Suricata's language.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Rule files, compressed (gzip, zstd, xz) or not. Files that rules name are looked for beside them.
    pub files: Vec<PathBuf>,
    /// `classification.config`; "": the usual classes.
    pub classification: PathBuf,
    /// `reference.config`; "": the usual systems.
    pub reference: PathBuf,
    /// `threshold.config`; "": no alerts are suppressed, thinned out or changed.
    pub threshold: PathBuf,
    /// A YAML file whose `vars` name addresses and ports as in suricata.yaml; "": `HOME_NET` is the private networks
    /// and `EXTERNAL_NET` is any.
    pub variables_file: PathBuf,
    /// Variables by name, over those of the file: `HOME_NET = "[10.0.0.0/8,192.168.0.0/16]"`.
    pub variables: BTreeMap<String, String>,
    /// Categories of reputation, a line each: number, short name, description (`iprep` asks for them); "": none.
    pub reputation_categories: PathBuf,
    /// Lists of reputation: address or network, category, score.
    pub reputation: Vec<PathBuf>,
    /// Memory for what rules keep of TCP streams (2 KiB of each direction), for contents that lie across segments; per
    /// worker, read at the start alone. What there is no room for is searched segment by segment and counted.
    pub window_mib: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            files: Vec::new(),
            classification: PathBuf::new(),
            reference: PathBuf::new(),
            threshold: PathBuf::new(),
            variables_file: PathBuf::new(),
            variables: BTreeMap::new(),
            reputation_categories: PathBuf::new(),
            reputation: Vec::new(),
            window_mib: (detect::rules::WINDOW_MEMORY >> 20) as u32,
        }
    }
}

impl Rules {
    /// Every path in it.
    pub fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let single = [
            &mut self.classification,
            &mut self.reference,
            &mut self.threshold,
            &mut self.variables_file,
            &mut self.reputation_categories,
        ];
        let lists = self.files.iter_mut().chain(&mut self.reputation);
        lists.chain(single).filter(|path| !path.as_os_str().is_empty())
    }
}
