//! Every signature of Ringward's own detectors (gid 7737): docs/detectors.md is this table.

use alert::{Observation, Severity, Technique};

/// One signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureInfo {
    /// Signature id; never reused.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// The text in alerts.
    pub signature: &'static str,
    /// The classification's text.
    pub category: &'static str,
    /// Severity.
    pub severity: Severity,
    /// What is seen.
    pub observation: Observation,
    /// Techniques that every hit shows.
    pub techniques: &'static [Technique],
}

const C2: &str = "Malware Command and Control Activity Detected";
const SUSPICIOUS: &str = "Potentially Bad Traffic";

const fn high(
    sid: u32,
    signature: &'static str,
    observation: Observation,
    techniques: &'static [Technique],
) -> SignatureInfo {
    SignatureInfo { sid, rev: 1, signature, category: C2, severity: Severity::High, observation, techniques }
}

pub(crate) const DNS: SignatureInfo =
    high(1001, "RINGWARD Indicator: listed domain looked up", Observation::Dns, &[Technique::Dns]);
pub(crate) const HTTP: SignatureInfo = high(
    1002,
    "RINGWARD Indicator: HTTP request to listed host",
    Observation::Http,
    &[Technique::WebProtocols],
);
pub(crate) const TLS: SignatureInfo = high(
    1003,
    "RINGWARD Indicator: TLS handshake with listed name",
    Observation::Tls,
    &[Technique::EncryptedChannel],
);
pub(crate) const IP: SignatureInfo = high(
    1004,
    "RINGWARD Indicator: contact to listed address",
    Observation::Ip,
    &[Technique::ApplicationLayerProtocol],
);
pub(crate) const IP_INBOUND: SignatureInfo = SignatureInfo {
    category: SUSPICIOUS,
    severity: Severity::Medium,
    ..high(1005, "RINGWARD Indicator: contact from listed address", Observation::Ip, &[])
};
pub(crate) const URL: SignatureInfo =
    high(1006, "RINGWARD Indicator: request for listed URL", Observation::Url, &[Technique::WebProtocols]);

/// Every signature, by sid.
#[must_use]
pub fn catalogue() -> &'static [SignatureInfo] {
    &[DNS, HTTP, TLS, IP, IP_INBOUND, URL]
}
