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

/// What others may share, or cause from afar.
const fn medium(
    sid: u32,
    signature: &'static str,
    observation: Observation,
    techniques: &'static [Technique],
) -> SignatureInfo {
    let of = high(sid, signature, observation, techniques);
    SignatureInfo { category: SUSPICIOUS, severity: Severity::Medium, ..of }
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
pub(crate) const IP_INBOUND: SignatureInfo =
    medium(1005, "RINGWARD Indicator: contact from listed address", Observation::Ip, &[]);
pub(crate) const URL: SignatureInfo =
    high(1006, "RINGWARD Indicator: request for listed URL", Observation::Url, &[Technique::WebProtocols]);

pub(crate) const FILE_RECEIVED: SignatureInfo = high(
    1007,
    "RINGWARD Indicator: listed file received",
    Observation::File,
    &[Technique::IngressToolTransfer],
);
pub(crate) const FILE_SENT: SignatureInfo =
    high(1008, "RINGWARD Indicator: listed file sent", Observation::File, &[]);
pub(crate) const FILE_FROM_OUTSIDE: SignatureInfo =
    medium(1009, "RINGWARD Indicator: listed file sent from outside", Observation::File, &[]);
pub(crate) const FILE_IN_MAIL: SignatureInfo =
    medium(1010, "RINGWARD Indicator: listed file in mail", Observation::File, &[]);
pub(crate) const CERTIFICATE: SignatureInfo = high(
    1011,
    "RINGWARD Indicator: TLS server with listed certificate",
    Observation::Certificate,
    &[Technique::EncryptedChannel],
);
pub(crate) const JA3: SignatureInfo = medium(
    1012,
    "RINGWARD Indicator: client with listed JA3",
    Observation::Fingerprint,
    &[Technique::EncryptedChannel],
);
pub(crate) const JA4: SignatureInfo = medium(
    1013,
    "RINGWARD Indicator: client with listed JA4",
    Observation::Fingerprint,
    &[Technique::EncryptedChannel],
);
pub(crate) const HASSH: SignatureInfo =
    medium(1014, "RINGWARD Indicator: SSH client with listed HASSH", Observation::Fingerprint, &[]);
pub(crate) const HASSH_SERVER: SignatureInfo = medium(
    1015,
    "RINGWARD Indicator: SSH server with listed HASSH",
    Observation::Fingerprint,
    &[Technique::EncryptedChannel],
);
pub(crate) const USER_AGENT: SignatureInfo = medium(
    1016,
    "RINGWARD Indicator: HTTP client with listed user agent",
    Observation::UserAgent,
    &[Technique::WebProtocols],
);
pub(crate) const MAIL_FROM: SignatureInfo =
    medium(1017, "RINGWARD Indicator: mail from listed address", Observation::Email, &[]);
pub(crate) const MAIL_TO: SignatureInfo = medium(
    1018,
    "RINGWARD Indicator: mail to listed address",
    Observation::Email,
    &[Technique::MailProtocols],
);
pub(crate) const MAIL_LOGIN: SignatureInfo = medium(
    1019,
    "RINGWARD Indicator: login with listed address",
    Observation::Email,
    &[Technique::MailProtocols],
);
/// Behind [`IP`], which is told with the first packet: what the client said first.
pub(crate) const CHECK_IN: SignatureInfo = high(
    1020,
    "RINGWARD Indicator: check-in to listed address",
    Observation::Ip,
    &[Technique::ApplicationLayerProtocol],
);
/// Behind [`HTTP`] or [`URL`], which are told with the request's head: what its body says.
pub(crate) const CHECK_IN_BODY: SignatureInfo = high(
    1021,
    "RINGWARD Indicator: check-in in HTTP body to listed host",
    Observation::Http,
    &[Technique::WebProtocols],
);

/// Every signature, by sid.
#[must_use]
pub fn catalogue() -> &'static [SignatureInfo] {
    &[
        DNS,
        HTTP,
        TLS,
        IP,
        IP_INBOUND,
        URL,
        FILE_RECEIVED,
        FILE_SENT,
        FILE_FROM_OUTSIDE,
        FILE_IN_MAIL,
        CERTIFICATE,
        JA3,
        JA4,
        HASSH,
        HASSH_SERVER,
        USER_AGENT,
        MAIL_FROM,
        MAIL_TO,
        MAIL_LOGIN,
        CHECK_IN,
        CHECK_IN_BODY,
    ]
}
