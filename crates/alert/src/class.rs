//! What the class of a rule (`classtype`) says: whose host is in trouble, and which tactic and technique it is about where
//! its author names none.

use crate::Tactic;

/// Which end of the traffic a class is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Something is done to who receives the packet: exploits, scans, floods.
    Attacked,
    /// An attack has worked on who sends the packet: its answer shows it.
    Yielded,
    /// The flow's client is infected, or its user was deceived: check-ins, downloads, phishing.
    Compromised,
}

/// What a class says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// `classtype`.
    pub name: &'static str,
    /// Whom it is about; `None` if it does not tell.
    pub role: Option<Role>,
    /// The technique to fall back on; `None` if the class says nothing of a purpose.
    pub technique: Option<ClassTechnique>,
}

/// A technique that a class stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassTechnique {
    /// The tactic that it serves here.
    pub tactic: Tactic,
    /// The matrix's identifier.
    pub id: &'static str,
    /// The matrix's name; sub-techniques with their parent's.
    pub name: &'static str,
}

const fn about(name: &'static str, role: Role, technique: ClassTechnique) -> Class {
    Class { name, role: Some(role), technique: Some(technique) }
}

const fn neutral(name: &'static str) -> Class {
    Class { name, role: None, technique: None }
}

const fn shows(tactic: Tactic, id: &'static str, name: &'static str) -> ClassTechnique {
    ClassTechnique { tactic, id, name }
}

const C2: ClassTechnique = shows(Tactic::CommandAndControl, "T1071", "Application Layer Protocol");
const PUBLIC: ClassTechnique = shows(Tactic::InitialAccess, "T1190", "Exploit Public-Facing Application");
const CLIENT: ClassTechnique = shows(Tactic::Execution, "T1203", "Exploitation for Client Execution");
const ELEVATED: ClassTechnique =
    shows(Tactic::PrivilegeEscalation, "T1068", "Exploitation for Privilege Escalation");
const SCAN: ClassTechnique = shows(Tactic::Reconnaissance, "T1595", "Active Scanning");
const SERVICES: ClassTechnique = shows(Tactic::Discovery, "T1046", "Network Service Discovery");
const FLOOD: ClassTechnique = shows(Tactic::Impact, "T1498", "Network Denial of Service");
const ACCOUNTS: ClassTechnique = shows(Tactic::InitialAccess, "T1078", "Valid Accounts");

/// Every class of Suricata's and Emerging Threats' `classification.config`.
pub const CLASSES: [Class; 43] = {
    use Role::{Attacked, Compromised, Yielded};
    [
        neutral("not-suspicious"),
        neutral("unknown"),
        neutral("bad-unknown"),
        about("attempted-recon", Attacked, SCAN),
        about("successful-recon-limited", Yielded, SCAN),
        about("successful-recon-largescale", Yielded, SCAN),
        about("attempted-dos", Attacked, FLOOD),
        about("successful-dos", Attacked, FLOOD),
        about("attempted-user", Attacked, CLIENT),
        about("unsuccessful-user", Attacked, CLIENT),
        about("successful-user", Yielded, CLIENT),
        about("attempted-admin", Attacked, PUBLIC),
        about("successful-admin", Yielded, ELEVATED),
        about("rpc-portmap-decode", Attacked, SERVICES),
        about("shellcode-detect", Attacked, CLIENT),
        neutral("string-detect"),
        about(
            "suspicious-filename-detect",
            Attacked,
            shows(Tactic::Execution, "T1204.002", "User Execution: Malicious File"),
        ),
        about("suspicious-login", Attacked, ACCOUNTS),
        about(
            "system-call-detect",
            Attacked,
            shows(Tactic::Execution, "T1059", "Command and Scripting Interpreter"),
        ),
        neutral("tcp-connection"),
        about("trojan-activity", Compromised, C2),
        about(
            "unusual-client-port-connection",
            Compromised,
            shows(Tactic::CommandAndControl, "T1571", "Non-Standard Port"),
        ),
        about("network-scan", Attacked, SERVICES),
        about("denial-of-service", Attacked, FLOOD),
        about(
            "non-standard-protocol",
            Compromised,
            shows(Tactic::CommandAndControl, "T1095", "Non-Application Layer Protocol"),
        ),
        neutral("protocol-command-decode"),
        about("web-application-activity", Attacked, PUBLIC),
        about("web-application-attack", Attacked, PUBLIC),
        neutral("misc-activity"),
        about("misc-attack", Attacked, PUBLIC),
        neutral("icmp-event"),
        Class { role: Some(Compromised), ..neutral("inappropriate-content") },
        Class { role: Some(Compromised), ..neutral("policy-violation") },
        about(
            "default-login-attempt",
            Attacked,
            shows(Tactic::InitialAccess, "T1078.001", "Valid Accounts: Default Accounts"),
        ),
        about("targeted-activity", Compromised, C2),
        about("exploit-kit", Compromised, shows(Tactic::InitialAccess, "T1189", "Drive-by Compromise")),
        about(
            "external-ip-check",
            Compromised,
            shows(Tactic::Discovery, "T1016", "System Network Configuration Discovery"),
        ),
        about("domain-c2", Compromised, C2),
        about("pup-activity", Compromised, shows(Tactic::Execution, "T1204", "User Execution")),
        about(
            "credential-theft",
            Compromised,
            shows(Tactic::CredentialAccess, "T1056.003", "Input Capture: Web Portal Capture"),
        ),
        about("social-engineering", Compromised, shows(Tactic::InitialAccess, "T1566", "Phishing")),
        about("coin-mining", Compromised, shows(Tactic::Impact, "T1496", "Resource Hijacking")),
        about("command-and-control", Compromised, C2),
    ]
};

/// The class of that name.
#[must_use]
pub fn class(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_class_is_there_once() {
        let names: BTreeSet<&str> = CLASSES.iter().map(|class| class.name).collect();
        assert_eq!(names.len(), CLASSES.len());
        assert_eq!(class("Trojan-Activity").and_then(|class| class.role), Some(Role::Compromised));
        assert_eq!(class("bad-unknown").map(|class| (class.role, class.technique)), Some((None, None)));
        assert_eq!(class("local-class"), None);
    }
}
