use super::*;
use crate::text_testing::{ToClient, ToServer, talk};

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"+OK ready\r\n"),
    (ToServer, b"USER alice\r\n"),
    (ToClient, b"+OK\r\n"),
    (ToServer, b"PASS pa55 word\r\n"),
    (ToClient, b"-ERR no\r\n"),
    (ToServer, b"AUTH PLAIN\r\n"),
    (ToClient, b"+ \r\n"),
    (ToServer, b"AGJvYgBwYTU1\r\n"),
    (ToClient, b"+OK welcome\r\n"),
    (ToServer, b"list\r\nRETR 1\r\nDELE\r\n"),
    (ToClient, b"+OK 1\r\n1 120\r\n.\r\n+OK\r\nContent-Disposition: a; filename=f\r\n\r\n..x\r\ny\r\n.\r\n-ERR what\r\n"),
];

#[test]
fn commands_meet_their_responses_and_mails_give_their_files() {
    for step in [1, 2, 7, 1000] {
        let (log, app) = talk(1100, step, SESSION);
        assert_eq!(app.protocol(), Some(AppProto::Pop3));
        let got: Vec<_> = log
            .logged
            .iter()
            .filter_map(|t| if let Transaction::Pop3(p) = t { Some(p) } else { None })
            .map(|p| {
                let response = p.response.as_ref().unwrap();
                (p.command.as_deref().unwrap_or("-"), response.success, response.data.len())
            })
            .collect();
        let want = [
            ("-", true, 0),
            ("USER", true, 0),
            ("PASS", false, 0),
            ("AUTH", true, 0),
            (SASL_DATA, true, 0),
            ("LIST", true, 1),
            ("RETR", true, 4),
            ("DELE", false, 0),
        ];
        assert_eq!(got, want, "pieces of {step}");
        assert_eq!(log.files, ["open 0 f", "data 0 .x\r\ny", "close 0"]);
        assert_eq!(log.anomalies, ["incorrect_argument_count"]);
        let logins: Vec<_> =
            log.logins().map(|l| (l.method, l.user.as_deref().unwrap_or(""), l.outcome)).collect();
        assert_eq!(logins, [("user-pass", "alice", Outcome::Refused), ("plain", "bob", Outcome::Accepted)]);
    }
}

#[test]
fn behind_stls_comes_tls() {
    let turns: &[(Direction, &[u8])] =
        &[(ToClient, b"+OK hi\r\n"), (ToServer, b"STLS\r\n"), (ToClient, b"+OK go\r\n")];
    assert_eq!(talk(110, 2, turns).1.original(), Some(AppProto::Pop3));
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let list = [b"+OK\r\n".to_vec(), b"1 2\r\n".repeat(1000), b".\r\n".to_vec()].concat();
    let turns: &[(Direction, &[u8])] =
        &[(ToClient, b"+OK hi\r\n"), (ToServer, b"LIST\r\n"), (ToClient, &list)];
    let (log, app) = talk(110, 1000, turns);
    let Transaction::Pop3(pop3) = &log.logged[1] else { panic!() };
    assert_eq!(pop3.response.as_ref().unwrap().data.len(), MAX_DATA_LINES);
    assert!(app.limits_hit() > 0);
}

proptest::proptest! {
    #[test]
    fn any_bytes_and_any_split(seed in proptest::collection::vec((0usize..SESSION.len(), 0usize..80, 0u8..=255), 0..20), step in 1usize..40) {
        let mut turns: Vec<(Direction, Vec<u8>)> = SESSION.iter().map(|(d, b)| (*d, b.to_vec())).collect();
        for (turn, at, with) in seed {
            if let Some(byte) = turns[turn].1.get_mut(at) {
                *byte = with;
            }
        }
        let turns: Vec<(Direction, &[u8])> = turns.iter().map(|(d, b)| (*d, b.as_slice())).collect();
        let (whole, pieces) = (talk(110, 1000, &turns).0, talk(110, step, &turns).0);
        proptest::prop_assert_eq!(whole.logged, pieces.logged);
    }
}
