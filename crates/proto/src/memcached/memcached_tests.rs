use wire::Direction;

use super::*;
use crate::text_testing::{Log, ToClient, ToServer, talk};
use crate::transaction::Transaction;

type Told<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

fn told(log: &Log) -> Vec<Told<'_>> {
    log.logged
        .iter()
        .filter_map(|t| if let Transaction::Memcached(m) = t { Some(m) } else { None })
        .map(|m| (m.command.as_str(), m.key.as_deref(), m.status.as_deref()))
        .collect()
}

#[test]
fn text_commands_meet_their_replies_in_any_pieces() {
    let turns: &[(Direction, &[u8])] = &[
        (ToServer, b"set k 0 0 5\r\nget x\r\nget k\r\nstats\r\n"),
        (ToClient, b"STORED\r\nVALUE k 0 5\r\nEND\r\n\r\nEND\r\nSTAT a 1\r\nEND\r\n"),
    ];
    for step in [1, 2, 7, 1000] {
        let (log, app) = talk(9000, step, turns);
        assert_eq!(app.protocol(), Some(AppProto::Memcached));
        let want = [
            ("set", Some("k"), Some("STORED")),
            ("get", Some("k"), Some("END")),
            ("stats", None, Some("END")),
        ];
        assert_eq!(told(&log), want, "pieces of {step}");
    }
}

#[test]
fn binary_commands_meet_their_replies_in_any_pieces() {
    let message = |magic: u8, opcode: u8, extras: u8, key: &[u8], value: usize, status: u8| {
        let mut out = vec![magic, opcode, 0, key.len() as u8, extras, 0, 0, status];
        out.extend(((usize::from(extras) + key.len() + value) as u32).to_be_bytes());
        out.resize(24 + usize::from(extras), 0);
        out.extend_from_slice(key);
        out.resize(out.len() + value, b'v');
        out
    };
    let up = [message(0x80, 1, 8, b"key", 9000, 0), message(0x80, 0, 0, b"key", 0, 0)].concat();
    let down = [message(0x81, 1, 0, b"", 0, 0), message(0x81, 0, 4, b"", 9000, 1)].concat();
    for step in [1, 30, 100_000] {
        let (log, _) = talk(11211, step, &[(ToServer, &up), (ToClient, &down)]);
        assert_eq!(told(&log), [("set", Some("key"), Some("0")), ("get", Some("key"), Some("1"))]);
    }
}
