use Direction::{ToClient, ToServer};

use super::*;
use crate::testing::{Log, Turns, in_any_pieces, survives, talk};
use crate::transaction::Transaction;

fn tpkt(x224: &[u8]) -> Vec<u8> {
    [&[3, 0, 0, 4 + x224.len() as u8], x224].concat()
}

fn connection(code: u8, told: &[u8]) -> Vec<u8> {
    tpkt(&[&[6 + told.len() as u8, code, 0, 0, 0, 0, 0], told].concat())
}

fn ask() -> Vec<u8> {
    connection(0xe0, &[b"Cookie: mstshash=alice\r\n".as_slice(), &[1, 0, 8, 0, 3, 0, 0, 0]].concat())
}

fn steps(log: &Log) -> Vec<&RdpStep> {
    log.logged.iter().filter_map(|t| if let Transaction::Rdp(r) = t { Some(&r.step) } else { None }).collect()
}

fn plain() -> Turns {
    let mut core = vec![0; 212];
    core[..2].copy_from_slice(&0xc001_u16.to_le_bytes());
    core[2..4].copy_from_slice(&212_u16.to_le_bytes());
    core[4..8].copy_from_slice(&[4, 0, 8, 0]);
    core[8..12].copy_from_slice(&[0, 4, 0, 3]);
    core[24..30].copy_from_slice(b"P\0C\0\0\0");
    let channels = b"\x03\xc0\x14\0\x01\0\0\0rdpdr\0\0\0\0\0\0\0";
    let mcs = [b"\x7f\x65\x82\x01\x00Duca\x80\xe8".as_slice(), &core, channels].concat();
    let mut data = tpkt(&[&[2, 0xf0, 0x80], mcs.as_slice()].concat());
    let len = data.len() as u16;
    data[2..4].copy_from_slice(&len.to_be_bytes());
    vec![
        (ToServer, ask()),
        (ToClient, connection(0xd0, &[2, 0, 8, 0, 0, 0, 0, 0])),
        (ToServer, data),
        (ToClient, tpkt(b"\x02\xf0\x80\x7f\x66\x00")),
    ]
}

#[test]
fn a_client_tells_of_itself_in_the_clear() {
    in_any_pieces(AppProto::Rdp, &plain(), |log| {
        let [request, response, connect, RdpStep::ConnectResponse] = steps(log)[..] else {
            panic!("{log:?}")
        };
        assert_eq!(request, &RdpStep::InitialRequest { cookie: Some("alice".into()), protocols: Some(3) });
        assert_eq!(response, &RdpStep::InitialResponse { answer: Some(Ok(0)) });
        let RdpStep::ConnectRequest(client) = connect else { panic!("{connect:?}") };
        assert_eq!((client.name.as_str(), client.desktop), ("PC", (1024, 768)));
        assert_eq!(client.channels, ["rdpdr"]);
    });
}

#[test]
fn what_follows_a_choice_of_tls_is_tls() {
    let turns = vec![
        (ToServer, ask()),
        (ToClient, connection(0xd0, &[2, 0, 8, 0, 1, 0, 0, 0])),
        (ToServer, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00".to_vec()),
    ];
    for step in [1, 2, 7, usize::MAX] {
        let (log, found) = talk(&turns, step);
        assert_eq!(found, Some(AppProto::Rdp));
        assert_eq!(steps(&log).last(), Some(&&RdpStep::TlsHandshake));
        assert!(log.logged.iter().any(|t| matches!(t, Transaction::Tls(_))), "{log:?}");
    }
}

#[test]
fn other_users_of_the_transport_are_not_taken() {
    // S7 sends parameters of X.224.
    let s7 = connection(0xe0, &[0xc0, 1, 10, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2]);
    assert_eq!(talk(&vec![(ToServer, s7)], usize::MAX).1, None);
}

#[test]
fn damage_is_survived() {
    survives(AppProto::Rdp, &plain());
}
