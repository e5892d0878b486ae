//! The ATT&CK techniques that Ringward's detectors can show (MITRE ATT&CK enterprise matrix).

/// An ATT&CK tactic: why an adversary does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tactic {
    /// TA0007: finding out about the environment.
    Discovery,
    /// TA0011: talking to compromised hosts.
    CommandAndControl,
    /// TA0010: stealing data.
    Exfiltration,
}

impl Tactic {
    /// The matrix's identifier.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Tactic::Discovery => "TA0007",
            Tactic::CommandAndControl => "TA0011",
            Tactic::Exfiltration => "TA0010",
        }
    }

    /// The matrix's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Tactic::Discovery => "Discovery",
            Tactic::CommandAndControl => "Command and Control",
            Tactic::Exfiltration => "Exfiltration",
        }
    }

    /// The kill-chain stage in which the tactic is seen.
    #[must_use]
    pub fn stage(self) -> Stage {
        match self {
            Tactic::CommandAndControl => Stage::CommandAndControl,
            Tactic::Discovery | Tactic::Exfiltration => Stage::ActionsOnObjectives,
        }
    }
}

/// A stage of the Cyber Kill Chain, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Stage 6: the implant talks to its operator.
    CommandAndControl,
    /// Stage 7: the operator gets what he came for.
    ActionsOnObjectives,
}

impl Stage {
    /// The stage's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::CommandAndControl => "Command and Control",
            Stage::ActionsOnObjectives => "Actions on Objectives",
        }
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
