//! What can be set of files that are transferred, with its default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files that are transferred, in whichever protocol: each has a `fileinfo` event.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Hashes to compute while a file streams by: any of "md5", "sha1", "sha256".
    pub hash: Vec<Hash>,
    /// Tell what a file is by its first bytes, as a MIME type.
    pub magic: bool,
    /// Store whole files under their SHA-256, in `files/` of the output directory.
    pub store: bool,
    /// MiB of a file; larger ones are neither hashed nor stored.
    #[schemars(range(min = 1))]
    pub max_mib: u32,
    /// MiB of files that may wait to be written, all workers together.
    pub max_waiting_mib: u32,
    /// MiB of files stored in one run.
    pub max_total_mib: u32,
}

/// A hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Default for Files {
    fn default() -> Self {
        Files {
            hash: Vec::new(),
            magic: false,
            store: false,
            max_mib: 64,
            max_waiting_mib: 64,
            max_total_mib: 10_240,
        }
    }
}
