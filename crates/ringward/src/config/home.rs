//! `[home]`: which hosts are ours.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Locator, network};

/// Which hosts are ours: only they can be victims of alerts that indicators raise, and so be isolated for them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Home {
    /// Addresses and networks that are ours. Empty: private and link-local networks and those that carriers share among
    /// customers (RFC 1918, RFC 4193, RFC 3927, RFC 6598), and of `run` the networks that this machine has addresses in.
    /// Name all networks if some of your hosts have public addresses. What `HOME_NET` means to rules is set apart, in
    /// `rules.vars`.
    pub networks: Vec<String>,
}

impl Home {
    /// The networks that are named.
    pub fn nets(&self) -> Result<Vec<IpNet>, String> {
        self.networks.iter().map(|text| network(text)).collect()
    }

    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        self.nets().map(drop).map_err(|what| at.error("home.networks", &what))
    }
}
