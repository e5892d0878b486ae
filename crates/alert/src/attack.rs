//! ATT&CK tactics (MITRE ATT&CK enterprise matrix) with their stages of the kill chain, and the techniques that
//! Ringward's detectors can show.

/// An ATT&CK tactic: why an adversary does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tactic {
    /// TA0043: finding out about the victim from outside.
    Reconnaissance,
    /// TA0042: getting servers, accounts and tools.
    ResourceDevelopment,
    /// TA0001: getting in.
    InitialAccess,
    /// TA0002: running code.
    Execution,
    /// TA0003: staying.
    Persistence,
    /// TA0004: getting more rights.
    PrivilegeEscalation,
    /// TA0005: not being seen.
    DefenseEvasion,
    /// TA0006: stealing names and passwords.
    CredentialAccess,
    /// TA0007: finding out about the environment.
    Discovery,
    /// TA0008: going on to other hosts.
    LateralMovement,
    /// TA0009: gathering data.
    Collection,
    /// TA0011: talking to compromised hosts.
    CommandAndControl,
    /// TA0010: stealing data.
    Exfiltration,
    /// TA0040: destroying, encrypting, interrupting.
    Impact,
}

impl Tactic {
    /// Every tactic, in the matrix's order.
    pub const ALL: [Tactic; 14] = [
        Tactic::Reconnaissance,
        Tactic::ResourceDevelopment,
        Tactic::InitialAccess,
        Tactic::Execution,
        Tactic::Persistence,
        Tactic::PrivilegeEscalation,
        Tactic::DefenseEvasion,
        Tactic::CredentialAccess,
        Tactic::Discovery,
        Tactic::LateralMovement,
        Tactic::Collection,
        Tactic::CommandAndControl,
        Tactic::Exfiltration,
        Tactic::Impact,
    ];

    /// The matrix's identifier.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Tactic::Reconnaissance => "TA0043",
            Tactic::ResourceDevelopment => "TA0042",
            Tactic::InitialAccess => "TA0001",
            Tactic::Execution => "TA0002",
            Tactic::Persistence => "TA0003",
            Tactic::PrivilegeEscalation => "TA0004",
            Tactic::DefenseEvasion => "TA0005",
            Tactic::CredentialAccess => "TA0006",
            Tactic::Discovery => "TA0007",
            Tactic::LateralMovement => "TA0008",
            Tactic::Collection => "TA0009",
            Tactic::CommandAndControl => "TA0011",
            Tactic::Exfiltration => "TA0010",
            Tactic::Impact => "TA0040",
        }
    }

    /// The matrix's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tactic::Reconnaissance => "Reconnaissance",
            Tactic::ResourceDevelopment => "Resource Development",
            Tactic::InitialAccess => "Initial Access",
            Tactic::Execution => "Execution",
            Tactic::Persistence => "Persistence",
            Tactic::PrivilegeEscalation => "Privilege Escalation",
            Tactic::DefenseEvasion => "Defense Evasion",
            Tactic::CredentialAccess => "Credential Access",
            Tactic::Discovery => "Discovery",
            Tactic::LateralMovement => "Lateral Movement",
            Tactic::Collection => "Collection",
            Tactic::CommandAndControl => "Command and Control",
            Tactic::Exfiltration => "Exfiltration",
            Tactic::Impact => "Impact",
        }
    }

    /// The tactic with this identifier or name, in whatever case, with spaces, `_` or `-` between words.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Tactic::ALL.into_iter().find(|of| of.id().eq_ignore_ascii_case(text) || same_words(of.name(), text))
    }

    /// The kill-chain stage in which the tactic is mostly seen.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self {
            Tactic::Reconnaissance => Stage::Reconnaissance,
            Tactic::ResourceDevelopment => Stage::Weaponization,
            Tactic::InitialAccess => Stage::Delivery,
            Tactic::Execution | Tactic::PrivilegeEscalation => Stage::Exploitation,
            Tactic::Persistence | Tactic::DefenseEvasion => Stage::Installation,
            Tactic::CredentialAccess
            | Tactic::Discovery
            | Tactic::LateralMovement
            | Tactic::Collection
            | Tactic::Exfiltration
            | Tactic::Impact => Stage::ActionsOnObjectives,
            Tactic::CommandAndControl => Stage::CommandAndControl,
        }
    }
}

/// Whether two texts are the same but for case and what stands between words.
fn same_words(a: &str, b: &str) -> bool {
    let plain = |c: u8| if matches!(c, b'_' | b'-') { b' ' } else { c.to_ascii_lowercase() };
    a.bytes().map(plain).eq(b.bytes().map(plain))
}

/// A stage of the Cyber Kill Chain, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Stage 1: the adversary looks around.
    Reconnaissance,
    /// Stage 2: the adversary makes the weapon.
    Weaponization,
    /// Stage 3: the weapon comes to the victim.
    Delivery,
    /// Stage 4: it runs.
    Exploitation,
    /// Stage 5: it settles.
    Installation,
    /// Stage 6: the implant talks to its operator.
    CommandAndControl,
    /// Stage 7: the operator gets what he came for.
    ActionsOnObjectives,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 7] = [
        Stage::Reconnaissance,
        Stage::Weaponization,
        Stage::Delivery,
        Stage::Exploitation,
        Stage::Installation,
        Stage::CommandAndControl,
        Stage::ActionsOnObjectives,
    ];

    /// The stage's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Reconnaissance => "Reconnaissance",
            Stage::Weaponization => "Weaponization",
            Stage::Delivery => "Delivery",
            Stage::Exploitation => "Exploitation",
            Stage::Installation => "Installation",
            Stage::CommandAndControl => "Command and Control",
            Stage::ActionsOnObjectives => "Actions on Objectives",
        }
    }

    /// The stage with this name, in whatever case, with spaces, `_` or `-` between words.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Stage::ALL.into_iter().find(|of| same_words(of.name(), text))
    }
}

/// An ATT&CK technique: how an adversary does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Technique {
    /// T1071.004: a name of the C2 is looked up.
    Dns,
    /// T1071.001: C2 over HTTP.
    WebProtocols,
    /// T1573: C2 inside TLS.
    EncryptedChannel,
    /// T1071.003: C2 over mail.
    MailProtocols,
    /// T1105: tools come from outside.
    IngressToolTransfer,
    /// T1071: C2 over a protocol not told apart here.
    ApplicationLayerProtocol,
    /// T1132.001: base64 and the like inside C2 traffic.
    StandardEncoding,
    /// T1082: operating system and host name are told to the C2.
    SystemInformationDiscovery,
    /// T1033: the user's name is told to the C2.
    SystemOwnerDiscovery,
    /// T1041: data leaves over the C2 channel.
    ExfiltrationOverC2,
}

impl Technique {
    /// The matrix's identifier, `Txxxx` or `Txxxx.yyy`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Technique::Dns => "T1071.004",
            Technique::WebProtocols => "T1071.001",
            Technique::EncryptedChannel => "T1573",
            Technique::MailProtocols => "T1071.003",
            Technique::IngressToolTransfer => "T1105",
            Technique::ApplicationLayerProtocol => "T1071",
            Technique::StandardEncoding => "T1132.001",
            Technique::SystemInformationDiscovery => "T1082",
            Technique::SystemOwnerDiscovery => "T1033",
            Technique::ExfiltrationOverC2 => "T1041",
        }
    }

    /// The matrix's name; sub-techniques with their parent's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Technique::Dns => "Application Layer Protocol: DNS",
            Technique::WebProtocols => "Application Layer Protocol: Web Protocols",
            Technique::EncryptedChannel => "Encrypted Channel",
            Technique::MailProtocols => "Application Layer Protocol: Mail Protocols",
            Technique::IngressToolTransfer => "Ingress Tool Transfer",
            Technique::ApplicationLayerProtocol => "Application Layer Protocol",
            Technique::StandardEncoding => "Data Encoding: Standard Encoding",
            Technique::SystemInformationDiscovery => "System Information Discovery",
            Technique::SystemOwnerDiscovery => "System Owner/User Discovery",
            Technique::ExfiltrationOverC2 => "Exfiltration Over C2 Channel",
        }
    }

    /// The tactic it serves.
    #[must_use]
    pub fn tactic(self) -> Tactic {
        match self {
            Technique::Dns
            | Technique::WebProtocols
            | Technique::EncryptedChannel
            | Technique::MailProtocols
            | Technique::IngressToolTransfer
            | Technique::ApplicationLayerProtocol
            | Technique::StandardEncoding => Tactic::CommandAndControl,
            Technique::SystemInformationDiscovery | Technique::SystemOwnerDiscovery => Tactic::Discovery,
            Technique::ExfiltrationOverC2 => Tactic::Exfiltration,
        }
    }
}
