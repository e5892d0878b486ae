use std::io::Write as _;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn variables_come_from_files_and_by_name() {
    let mut settings = Settings::default();
    assert_eq!(settings.address("HTTP_SERVERS"), Some("$HOME_NET"));
    assert_eq!(settings.port("SSH_PORTS"), Some("22"));
    let yaml =
        file("vars:\n  address-groups:\n    HOME_NET: \"10.0.0.0/8\"\n  port-groups:\n    SSH_PORTS: 2222\n");
    settings.variables_file(yaml.path()).unwrap();
    settings.set_variable("SSH_PORTS", "[22,2222]");
    settings.set_variable("NEW", "1");
    assert_eq!(settings.address("HOME_NET"), Some("10.0.0.0/8"));
    assert_eq!(settings.port("SSH_PORTS"), Some("[22,2222]"));
    assert_eq!(
        (settings.address("SSH_PORTS"), settings.address("NEW"), settings.port("NEW")),
        (None, Some("1"), Some("1"))
    );
    let bad = file("vars:\n  address-groups:\n    X\n");
    assert!(
        settings
            .variables_file(bad.path())
            .unwrap_err()
            .to_string()
            .ends_with(":3: expected \"name: value\"")
    );
    assert!(settings.variables_file(Path::new("/nowhere")).is_err());
}

#[test]
fn classes_and_references_come_from_files() {
    let mut settings = Settings::default();
    assert_eq!(settings.class("Trojan-Activity").unwrap().priority, 1);
    assert_eq!(settings.reference("CVE"), Some("https://cve.mitre.org/cgi-bin/cvename.cgi?name="));
    let classes = file("# c\nconfig classification: mine,My, own class, 4\n");
    settings.classification_file(classes.path()).unwrap();
    let mine = settings.class("mine").unwrap();
    assert_eq!((&*mine.description, mine.priority), ("My, own class", 4));
    assert!(settings.class("trojan-activity").is_none());
    let references = file("config reference: Mine \t https://mine.example/\r\n");
    settings.reference_file(references.path()).unwrap();
    assert_eq!(settings.reference("mine"), Some("https://mine.example/"));
    for text in ["config classification: a,b\n", "config classification: a,b,0\n", "classes\n"] {
        assert!(settings.classification_file(file(text).path()).is_err(), "{text}");
    }
    assert!(settings.reference_file(file("config reference: a\n").path()).is_err());
}
