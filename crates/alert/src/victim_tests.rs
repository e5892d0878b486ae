use super::*;
use crate::RuleAction;

const WORKSTATION: &str = "10.0.0.5";
const SERVER: &str = "10.0.0.9";
const OUTSIDER: &str = "198.51.100.7";

fn rule(class: &str, attack_target: &str, zones: [Zone; 2]) -> RuleFacts {
    RuleFacts {
        action: RuleAction::Alert,
        target: None,
        zones,
        class: class.into(),
        tagged: false,
        limited: false,
        metadata: match attack_target {
            "" => Vec::new(),
            of => vec![("attack_target".into(), vec![of.into()])],
        },
        references: Vec::new(),
        source: "x.rules:1".into(),
    }
}

fn ends(source: &str, destination: &str, from_client: bool) -> Ends {
    let ips = [source, destination].map(|ip| ip.parse().unwrap());
    Ends { ips, ours: [source, destination].map(|ip| ip.starts_with("10.")), from_client, turned: false }
}

#[track_caller]
fn victim(rule: &RuleFacts, ends: &Ends, expected: Option<(&str, Basis)>) {
    let expected = expected.map(|(ip, basis)| (ip.parse::<IpAddr>().unwrap(), basis));
    assert_eq!(choose(rule, ends).0, expected);
}

#[test]
fn the_surest_that_names_a_host_of_ours_decides() {
    use Zone::{Any, Home, Outside};
    let check_in = ends(WORKSTATION, OUTSIDER, true);
    let target =
        RuleFacts { target: Some(Side::Source), ..rule("attempted-admin", "Server", [Outside, Home]) };
    victim(&target, &check_in, Some((WORKSTATION, Basis::Target)));
    victim(
        &rule("trojan-activity", "Client_Endpoint", [Home, Outside]),
        &check_in,
        Some((WORKSTATION, Basis::AttackTarget)),
    );
    victim(
        &rule("trojan-activity", "Client_and_Server", [Home, Outside]),
        &check_in,
        Some((WORKSTATION, Basis::Networks)),
    );
    victim(&rule("trojan-activity", "", [Any, Any]), &check_in, Some((WORKSTATION, Basis::Class)));
    victim(&rule("misc-activity", "", [Any, Any]), &check_in, Some((WORKSTATION, Basis::Flow)));
    // A target that is not ours is nobody to isolate.
    let outward = RuleFacts { target: Some(Side::Destination), ..rule("misc-activity", "", [Any, Any]) };
    victim(&outward, &check_in, Some((WORKSTATION, Basis::Flow)));
    victim(&outward, &ends("192.0.2.1", OUTSIDER, true), None);
}

#[test]
fn exploits_are_about_who_receives_them() {
    use Zone::{Any, Home, Outside};
    let inward = ends(OUTSIDER, SERVER, true);
    victim(&rule("attempted-admin", "", [Outside, Home]), &inward, Some((SERVER, Basis::Networks)));
    victim(
        &rule("web-application-attack", "Web_Server", [Outside, Home]),
        &inward,
        Some((SERVER, Basis::AttackTarget)),
    );
    // A browser is attacked by what it fetched.
    let page = ends(OUTSIDER, WORKSTATION, false);
    victim(
        &rule("attempted-user", "Client_Endpoint", [Outside, Home]),
        &page,
        Some((WORKSTATION, Basis::AttackTarget)),
    );
    // Two ends of ours: the author's "client" is a kind of machine, not who called.
    let inside = ends(WORKSTATION, SERVER, true);
    victim(
        &rule("attempted-admin", "Client_Endpoint", [Any, Any]),
        &inside,
        Some((SERVER, Basis::AttackTarget)),
    );
    victim(
        &rule("trojan-activity", "Client_Endpoint", [Any, Home]),
        &inside,
        Some((SERVER, Basis::AttackTarget)),
    );
    let (_, who) = choose(&rule("attempted-admin", "Server", [Any, Home]), &inside);
    assert_eq!((who.actor, who.target, who.outside), (WORKSTATION.parse().ok(), SERVER.parse().ok(), None));
    // The answer of a host on which it worked.
    let answer = ends(SERVER, WORKSTATION, false);
    victim(&rule("successful-admin", "", [Any, Any]), &answer, Some((SERVER, Basis::Class)));
}

#[test]
fn two_private_ends_are_told_apart() {
    use Zone::{Any, Home, Outside};
    // An operator with a private address, and EXTERNAL_NET = any.
    let check_in = ends(WORKSTATION, SERVER, true);
    let rat = rule("command-and-control", "", [Home, Outside]);
    victim(&rat, &check_in, Some((WORKSTATION, Basis::Networks)));
    let order = ends(SERVER, WORKSTATION, false);
    victim(&rule("trojan-activity", "", [Outside, Home]), &order, Some((WORKSTATION, Basis::Networks)));
    victim(&rule("trojan-activity", "", [Any, Any]), &order, Some((WORKSTATION, Basis::Class)));
    victim(&rule("attempted-recon", "", [Any, Any]), &check_in, Some((SERVER, Basis::Class)));
    victim(&rule("trojan-activity", "IoT", [Any, Any]), &check_in, Some((WORKSTATION, Basis::AttackTarget)));
    let (_, who) = choose(&rat, &check_in);
    assert_eq!((who.actor, who.target), (WORKSTATION.parse().ok(), SERVER.parse().ok()));
}

#[test]
fn headers_that_take_both_ways_are_turned() {
    let rule = rule("trojan-activity", "", [Zone::Home, Zone::Outside]);
    let ends = Ends { turned: true, ..ends(OUTSIDER, WORKSTATION, false) };
    victim(&rule, &ends, Some((WORKSTATION, Basis::Networks)));
}

#[test]
fn outsiders_are_parties_and_not_victims() {
    let rule = rule("web-application-attack", "Web_Server", [Zone::Any, Zone::Any]);
    let (chosen, who) = choose(&rule, &ends(WORKSTATION, OUTSIDER, true));
    // Our host attacks: it is the one in trouble, if nothing better is known.
    assert_eq!(chosen, Some((WORKSTATION.parse().unwrap(), Basis::Flow)));
    assert_eq!((who.actor, who.outside), (WORKSTATION.parse().ok(), OUTSIDER.parse().ok()));
}

#[test]
fn every_value_of_emerging_threats_is_known() {
    for (name, known) in [
        ("Client_Endpoint", true),
        ("Client_and_Server", false),
        ("Web_Server", true),
        ("Server", true),
        ("Mobile_Client", true),
        ("IoT", true),
        ("Networking_Equipment", true),
        ("SMTP_Server", true),
        ("SMB_Client", true),
        ("SMB_Server", true),
        ("SQL_Server", true),
        ("Linux_Unix", true),
        ("DNS_Server", true),
        ("", false),
        ("é", false),
    ] {
        assert_eq!(machine(name).is_some(), known, "{name}");
    }
}
