use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::IpProto;

use super::*;
use crate::rules::buffers::testing::{Turns, counted, found, tlv, transactions};

fn integer(value: u8) -> Vec<u8> {
    tlv(2, &[value])
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// A Kerberos principal's name.
fn principal(parts: &[&str]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = parts.iter().map(|part| tlv(0x1b, part.as_bytes())).collect();
    sequence(&[tlv(0xa0, &integer(1)), tlv(0xa1, &sequence(&names))])
}

#[test]
fn kerberos_names_are_told_part_by_part() {
    let body = sequence(&[
        tlv(0xa0, &tlv(3, &[0; 5])),
        tlv(0xa1, &principal(&["alice", "admin"])),
        tlv(0xa2, &tlv(0x1b, b"REALM")),
        tlv(0xa3, &principal(&["krbtgt", "REALM"])),
        tlv(0xa5, &tlv(0x18, b"20370913024805Z")),
        tlv(0xa7, &integer(9)),
        tlv(0xa8, &sequence(&[integer(23)])),
    ]);
    let ask = sequence(&[tlv(0xa1, &integer(5)), tlv(0xa2, &integer(10)), tlv(0xa4, &body)]);
    let error = sequence(&[
        tlv(0xa0, &integer(5)),
        tlv(0xa1, &integer(30)),
        tlv(0xa4, &tlv(0x18, b"20370913024805Z")),
        tlv(0xa5, &integer(0)),
        tlv(0xa6, &integer(25)),
        tlv(0xa9, &tlv(0x1b, b"REALM")),
        tlv(0xaa, &principal(&["krbtgt"])),
    ]);
    let turns = vec![(ToServer, tlv(0x6a, &ask)), (ToClient, tlv(0x7e, &error))];
    let all = transactions(AppProto::Krb5, IpProto::UDP, 88, &turns);
    assert_eq!(found(&all, ToServer, Buffer::Krb5Cname), ["alice", "admin"]);
    assert_eq!(found(&all, ToServer, Buffer::Krb5Sname), ["krbtgt", "REALM"]);
    assert_eq!(found(&all, ToClient, Buffer::Krb5Sname), ["krbtgt"]);
    assert_eq!(counted(&all, ToServer, Field::Krb5MessageType), [10]);
    assert_eq!(counted(&all, ToClient, Field::Krb5MessageType), [30]);
    assert_eq!(counted(&all, ToClient, Field::Krb5ErrorCode), [25]);
    assert_eq!(counted(&all, ToServer, Field::Krb5ErrorCode), [0; 0]);
}

#[test]
fn negative_numbers_are_in_twos_complement() {
    let krb5 = Krb5 { ticket_encryption: Some(-133), encryption: Some(18), ..Krb5::default() };
    let mut numbers = Vec::new();
    for field in [Field::Krb5TicketEncryption, Field::Krb5WeakEncryption, Field::Krb5Malformed] {
        krb5_numbers(&krb5, field, &mut |number| numbers.push(number));
    }
    assert_eq!(numbers, [u64::MAX - 132, 0, 0]);
}

fn ldap_message(id: u8, tag: u8, body: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[integer(id), tlv(tag, &body.concat())])
}

fn ldap_search() -> Turns {
    let octets = |text: &str| tlv(4, text.as_bytes());
    let enumerated = |value: u8| tlv(10, &[value]);
    let search = [
        octets("dc=example"),
        enumerated(2),
        enumerated(0),
        integer(0),
        integer(0),
        tlv(1, &[0]),
        tlv(0x87, b"objectClass"),
        sequence(&[octets("mail"), octets("cn")]),
    ];
    let values = tlv(0x31, &octets("x"));
    let entry = [octets("cn=x"), sequence(&[sequence(&[octets("mail"), values])])];
    let done = [enumerated(4), octets("dc=matched"), octets("size limit")];
    vec![
        (ToServer, ldap_message(1, 0x63, &search)),
        (ToClient, [ldap_message(1, 0x64, &entry), ldap_message(1, 0x65, &done)].concat()),
    ]
}

#[test]
fn an_ldap_search_has_its_entries_attributes_and_result() {
    let all = transactions(AppProto::Ldap, IpProto::TCP, 389, &ldap_search());
    for (direction, buffer, texts) in [
        (ToServer, Buffer::LdapRequestDn, &["dc=example"][..]),
        (ToServer, Buffer::LdapRequestAttribute, &["mail", "cn"]),
        (ToClient, Buffer::LdapResponsesDn, &["cn=x", "dc=matched"]),
        (ToClient, Buffer::LdapResponsesMessage, &["size limit"]),
        (ToClient, Buffer::LdapResponsesAttribute, &["mail"]),
        (ToClient, Buffer::LdapRequestDn, &[]),
    ] {
        assert_eq!(found(&all, direction, buffer), texts, "{buffer:?}");
    }
    for (direction, field, numbers) in [
        (ToServer, Field::LdapRequestOperation, &[3][..]),
        (ToClient, Field::LdapResponsesOperation, &[4, 5]),
        (ToClient, Field::LdapResponsesCount, &[2]),
        (ToClient, Field::LdapResponsesResultCode, &[4]),
    ] {
        assert_eq!(counted(&all, direction, field), numbers, "{field:?}");
    }
}

#[test]
fn snmp_tells_its_community_or_user() {
    let pdu = tlv(0xa0, &[integer(1), integer(0), integer(0), sequence(&[])].concat());
    let two = sequence(&[integer(1), tlv(4, b"public"), pdu]);
    let header = sequence(&[integer(1), tlv(2, &[5, 220]), tlv(4, &[7]), integer(3)]);
    let security =
        sequence(&[tlv(4, b"engine"), integer(0), integer(0), tlv(4, b"admin"), tlv(4, b""), tlv(4, b"")]);
    let three = sequence(&[integer(3), header, tlv(4, &security), tlv(4, b"sealed")]);
    let all = transactions(AppProto::Snmp, IpProto::UDP, 161, &vec![(ToServer, two), (ToServer, three)]);
    assert_eq!(found(&all, ToServer, Buffer::SnmpCommunity), ["public"]);
    assert_eq!(found(&all, ToServer, Buffer::SnmpUsm), ["admin"]);
    assert_eq!(counted(&all, ToServer, Field::SnmpVersion), [2, 3]);
    assert_eq!(counted(&all, ToServer, Field::SnmpPduType), [0]);
    assert_eq!(found(&all, ToClient, Buffer::SnmpUsm), [""; 0]);
}
