//! `[rules]`

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rules in Suricata's language.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Rule files, compressed with gzip or not. Files that rules name are looked for beside them.
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
