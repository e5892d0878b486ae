use alert::Role;
use flow::FlowTuple;
use proto::ldap::{Attribute, LdapRequest, LdapResponse, LdapResult};
use proto::socks::Socks;
use wire::{Endpoint, Vlans};

use super::*;

fn tuple() -> FlowTuple {
    let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    FlowTuple {
        id: 1,
        client: end("10.0.0.5", 40_000),
        server: end("10.0.0.53", 53),
        proto: IpProto::UDP,
        vlans: Vlans::default(),
        start: Nanos(1),
    }
}

fn said(answered: bool, transaction: impl Into<Transaction>) -> Vec<Sighting> {
    let mut into = Vec::new();
    of_transaction(&tuple(), answered, &transaction.into(), &mut into);
    into
}

fn roles(sightings: &[Sighting]) -> Vec<Role> {
    let role = |sighting: &Sighting| match sighting {
        Sighting::Served { role, .. } => Some(*role),
        _ => None,
    };
    sightings.iter().filter_map(role).collect()
}

#[test]
fn a_proxy_is_asked_by_connect_or_in_absolute_form_and_answers() {
    let http = |method: &str, uri: &str, status| Http {
        method: method.into(),
        uri: uri.into(),
        host: Some("evil.example".into()),
        status,
        ..Http::default()
    };
    for (request, proxied) in [
        (http("CONNECT", "evil.example:443", Some(200)), true),
        (http("GET", "HTTP://evil.example/", Some(304)), true),
        (http("GET", "/http://evil.example/", Some(200)), false),
        (http("GET", "h", Some(200)), false),
    ] {
        assert_eq!(!roles(&said(true, request.clone())).is_empty(), proxied, "{request:?}");
        let mut asked = Vec::new();
        of_request(&tuple(), &request.into(), &mut asked);
        assert_eq!(!asked.is_empty(), proxied);
    }
    for status in [Some(403), Some(502), None] {
        assert_eq!(said(true, http("CONNECT", "evil.example:443", status)), []);
    }
    assert_eq!(said(false, http("CONNECT", "evil.example:443", Some(200))), [], "no handshake");
    let socks = |reply| Socks { version: 5, command: 1, reply, ..Socks::default() };
    assert_eq!(roles(&said(true, socks(Some(0)))), [Role::Proxy]);
    assert_eq!(roles(&said(true, socks(Some(5)))), []);
}

#[test]
fn a_directory_knows_who_asks_or_has_entries_without_java() {
    let done = |reply| LdapResponse { message_id: 1, reply };
    let ldap = |operation, reply| Ldap {
        request: Some(LdapRequest { message_id: 1, operation }),
        responses: vec![done(reply)],
        more_responses: 0,
    };
    let result = |code| LdapResult { code, ..LdapResult::default() };
    let bind = |name: &str| Operation::Bind { version: 3, name: name.into(), password: None, sasl: None };
    let bound = |code| Reply::Bind(result(code), None);
    assert!(is_directory(&ldap(bind("cn=a"), bound(0))));
    assert!(!is_directory(&ldap(bind("cn=a"), bound(49))), "refused");
    assert!(!is_directory(&ldap(bind(""), bound(0))), "anybody");
    let search = || Operation::Search {
        base: String::new(),
        scope: 0,
        deref: 0,
        size_limit: 0,
        time_limit: 0,
        types_only: false,
        attributes: Vec::new(),
    };
    let entry = |name: &str| Reply::Entry {
        dn: String::new(),
        attributes: vec![Attribute { name: name.into(), values: Vec::new() }],
    };
    assert!(is_directory(&ldap(search(), entry("namingContexts"))));
    assert!(!is_directory(&ldap(search(), entry("JavaCodeBase"))));
    assert!(!is_directory(&ldap(search(), Reply::Done("search_result_done", result(0)))), "nothing found");
}

#[test]
fn neighbors_are_told_once_in_a_while() {
    let mut neighbors = Neighbors::default();
    let lives = |last: u8, mac| Sighting::Lives {
        host: IpAddr::from([10, 0, 0, last]),
        station: [2, 0, 0, 0, 0, mac],
        router: false,
    };
    let at = |second: u64| Nanos(second * 1_000_000_000);
    assert!(neighbors.is_news(&lives(5, 1), at(0)));
    assert!(!neighbors.is_news(&lives(5, 1), at(29)));
    assert!(neighbors.is_news(&lives(5, 2), at(29)), "it has moved");
    assert!(neighbors.is_news(&lives(5, 1), at(29)), "and back");
    assert!(neighbors.is_news(&lives(5, 1), at(60)));
}
