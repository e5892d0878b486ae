//! A compiled set of rules: immutable, shared by all workers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use alert::{RuleFacts, Severity};
use proto::{AppProto, Keep};
use rules::{AddressSet, App};

use super::addresses::{Addresses, Ends};
use super::app::speaks;
use super::compiled::{Chains, Compiled, Effect};
use super::home::Home;
use super::packet::Reputation;
use super::payload::Payload;
use super::transaction::Transactions;
use super::verify::DatasetStore;

/// See the module's text.
#[derive(Debug, Default)]
pub struct RuleSet {
    pub(crate) home: Home,
    pub(crate) rules: Vec<Compiled>,
    pub(crate) headers: Vec<Ends>,
    pub(crate) chains: Chains,
    pub(crate) payload: Payload,
    pub(crate) transactions: Transactions,
    /// Rules on addresses alone.
    pub(crate) addresses: Vec<u32>,
    /// Rules on what tunnels are made of: they ask for nothing but a protocol above IP.
    pub(crate) carriers: Vec<u32>,
    /// Rules on what a flow speaks, `[to server, to client]`.
    pub(crate) applications: [Vec<u32>; 2],
    /// Rules on what was found wrong, by its name.
    pub(crate) events: HashMap<Arc<str>, Vec<u32>>,
    /// The names of the bits of flows, by their numbers.
    pub(crate) bits: HashMap<u64, Arc<str>>,
    pub(crate) keep: Keep,
    pub(crate) reputation: Reputation,
    /// The home network, beside all private addresses.
    pub(crate) ours: Option<Addresses>,
    pub(crate) datasets: DatasetStore,
    /// Whether contents of files are looked at.
    pub(crate) file_content: bool,
    /// Whether hashes of files are looked at.
    pub(crate) file_hashes: bool,
    /// The rules' protocols that a flow's protocol counts as, by [`AppProto`], as bits.
    pub(crate) masks: Vec<u64>,
}

/// The bit of a protocol.
pub(crate) fn bit(app: App) -> u64 {
    1 << (app as u64 & 63)
}

const _: () = assert!(App::ALL.len() <= 64);

/// The bits of protocols; all of them if there is none.
pub(crate) fn mask(apps: &[App]) -> u64 {
    if apps.is_empty() { u64::MAX } else { apps.iter().fold(0, |all, &app| all | bit(app)) }
}

/// For each protocol of flows the rules' protocols that it counts as.
pub(crate) fn masks() -> Vec<u64> {
    let of = |proto: Option<AppProto>| {
        App::ALL.iter().filter(|&&app| speaks(app, proto)).fold(0, |all, &app| all | bit(app))
    };
    AppProto::ALL.iter().map(|&proto| of(Some(proto))).chain([of(None)]).collect()
}

impl RuleSet {
    /// With these reputations of addresses.
    #[must_use]
    pub fn with_reputation(self, reputation: Reputation) -> Self {
        RuleSet { reputation, ..self }
    }

    /// With this home network, that of `HOME_NET`: who is in it is one of ours, and so is every private address.
    #[must_use]
    pub fn with_home(self, home: &AddressSet) -> Self {
        RuleSet { ours: Some(Addresses::new(home)), ..self }
    }

    /// What is known of each rule that makes alerts, with its severity.
    pub fn facts(&self) -> impl Iterator<Item = (u32, Severity, &RuleFacts)> {
        let telling = self.rules.iter().filter(|rule| rule.effect == Effect::Tell);
        telling.map(|rule| (rule.sid, rule.severity, &*rule.facts))
    }

    /// Whether a host is in the rules' `HOME_NET`.
    pub(crate) fn is_ours(&self, host: IpAddr) -> bool {
        self.ours.as_ref().is_some_and(|ours| ours.contain(host))
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What has to be kept of transactions.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Whether contents of files are looked at.
    #[must_use]
    pub fn wants_files(&self) -> bool {
        self.file_content
    }

    /// Whether hashes of files are looked at.
    #[must_use]
    pub fn wants_hashes(&self) -> bool {
        self.file_hashes
    }

    /// The bits of what a flow speaks.
    pub(crate) fn app_mask(&self, app: Option<AppProto>) -> u64 {
        let at = app.map_or(AppProto::ALL.len(), |app| app as usize);
        self.masks.get(at).copied().unwrap_or(0)
    }

    /// Entries that rules did not put into their datasets because of the sets' limits.
    #[must_use]
    pub fn dataset_entries_refused(&self) -> u64 {
        self.datasets.refused()
    }

    /// Bytes on the heap, nearly.
    #[must_use]
    pub fn memory(&self) -> usize {
        let checks = |rule: &Compiled| {
            let sections = rule.sections.iter().chain(&rule.headers).map(|section| &section.checks);
            sections.chain(&rule.payload).map(super::verify::Checks::memory).sum::<usize>()
                + size_of::<Compiled>()
        };
        self.rules.iter().map(checks).sum::<usize>() + self.payload.memory() + self.transactions.memory()
    }
}
