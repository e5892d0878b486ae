use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::{Direction, IpProto};

use super::*;
use crate::rules::buffers::testing::{Turns, counted, found, transactions};

fn message(flags: u16, counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let mut out = vec![0x12, 0x34];
    out.extend(flags.to_be_bytes());
    out.extend(counts.iter().flat_map(|&n| [0, n]));
    out.extend_from_slice(rest);
    out
}

const QUESTION: &[u8] = b"\x03wWw\x07example\x00\x00\x0f\x00\x01";

fn turns() -> Turns {
    let mut answer = QUESTION.to_vec();
    answer.extend(b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x09\x00\x0a\x04mail\xc0\x10");
    answer.extend(b"\xc0\x10\x00\x06\x00\x01\x00\x00\x00\x3c\x00\x1f\x02ns\xc0\x10\x03adm\xc0\x10");
    answer.extend([0; 20]);
    answer.extend(b"\x02ns\xc0\x10\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01");
    vec![
        (ToServer, message(0x0100, [1, 0, 0, 0], QUESTION)),
        (ToClient, message(0x8583, [1, 1, 1, 1], &answer)),
    ]
}

#[test]
fn names_are_found_where_they_stand() {
    let all = transactions(AppProto::Dns, IpProto::UDP, 53, &turns());
    let [name, mail, ns, zone] = ["wWw.example", "mail.example", "ns.example", "example"];
    for (direction, buffer, names) in [
        (ToServer, Buffer::DnsQuery, vec![name]),
        (ToClient, Buffer::DnsQuery, vec![]),
        (ToServer, Buffer::DnsQueriesName, vec![name]),
        (ToClient, Buffer::DnsQueriesName, vec![name]),
        (ToServer, Buffer::DnsAnswersName, vec![]),
        (ToClient, Buffer::DnsAnswersName, vec![name]),
        (ToClient, Buffer::DnsAuthoritiesName, vec![zone]),
        (ToClient, Buffer::DnsAdditionalsName, vec![ns]),
        (ToServer, Buffer::DnsResponseName, vec![]),
        (ToClient, Buffer::DnsResponseName, vec![name, name, mail, zone, ns, ns]),
        (ToClient, Buffer::MdnsAnswersName, vec![]),
    ] {
        assert_eq!(found(&all, direction, buffer), names, "{direction:?} {buffer:?}");
    }
    for (direction, field, numbers) in [
        (ToServer, Field::DnsRrtype, vec![15]),
        (ToClient, Field::DnsRrtype, vec![15]),
        (ToServer, Field::DnsRcode, vec![0]),
        (ToClient, Field::DnsRcode, vec![3]),
        (ToClient, Field::DnsOpcode, vec![0]),
    ] {
        assert_eq!(counted(&all, direction, field), numbers, "{direction:?} {field:?}");
    }
}

#[test]
fn names_keep_their_bytes() {
    let odd = b"\x06a\xff\xfe\\x0\x03com\x00\x00\x01\x00\x01";
    let turns = vec![(ToServer, message(0x0100, [1, 0, 0, 0], odd))];
    let all = transactions(AppProto::Dns, IpProto::UDP, 53, &turns);
    assert_eq!(found(&all, ToServer, Buffer::DnsQuery), [r"a\xff\xfe\\x0.com"]);
}

#[test]
fn multicast_names_have_buffers_of_their_own() {
    let turns = vec![
        (ToServer, message(0, [1, 0, 0, 0], QUESTION)),
        (
            ToClient,
            message(
                0x8400,
                [0, 1, 0, 0],
                b"\x01x\x05local\x00\x00\x0c\x00\x01\x00\x00\x00\x01\x00\x03\x01y\x00",
            ),
        ),
    ];
    let all = transactions(AppProto::Mdns, IpProto::UDP, 5353, &turns);
    assert_eq!(found(&all, ToServer, Buffer::MdnsQueriesName), ["wWw.example"]);
    assert_eq!(found(&all, ToServer, Buffer::DnsQuery), [""; 0]);
    assert_eq!(found(&all, ToClient, Buffer::MdnsAnswersName), ["x.local"]);
    assert_eq!(found(&all, ToClient, Buffer::MdnsResponseName), ["x.local", "y"]);
}
