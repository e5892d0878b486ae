use wire::Direction;

use super::*;
use crate::login::Outcome;
use crate::text_testing::{Log, ToClient, ToServer, talk};
use crate::transaction::Transaction;

fn mails(log: &Log) -> Vec<&Smtp> {
    log.logged.iter().filter_map(|t| if let Transaction::Smtp(s) = t { Some(&**s) } else { None }).collect()
}

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"220 mx ESMTP\r\n"),
    (ToServer, b"EHLO me.example\r\n"),
    (ToClient, b"250-mx\r\n250-PIPELINING\r\n250 AUTH LOGIN\r\n"),
    (ToServer, b"AUTH LOGIN\r\n"),
    (ToClient, b"334 VXNlcm5hbWU6\r\n"),
    (ToServer, b"YWxpY2U=\r\n"),
    (ToClient, b"334 UGFzc3dvcmQ6\r\n"),
    (ToServer, b"cGE1NQ==\r\n"),
    (ToClient, b"235 ok\r\n"),
    (
        ToServer,
        b"MAIL FROM:<a@a.example> SIZE=9\r\nRCPT TO: <b@b.example>\r\nRCPT TO:<c@c.example>\r\nDATA\r\n",
    ),
    (ToClient, b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n"),
    (ToServer, b"Subject: hi\r\n\r\n..dots\r\n.x\r\nend\r\n.\r\nQUIT\r\n"),
    (ToClient, b"250 queued\r\n221 bye\r\n"),
];

#[test]
fn a_mail_is_one_transaction_and_what_follows_another() {
    for step in [1, 2, 7, 1000] {
        let (log, app) = talk(2600, step, SESSION);
        assert_eq!(app.protocol(), Some(AppProto::Smtp));
        let got = mails(&log);
        assert_eq!(got.len(), 2, "pieces of {step}: {got:?}");
        assert_eq!(got[0].helo.as_deref(), Some("me.example"));
        assert_eq!(got[0].mail_from.as_deref(), Some("<a@a.example>"));
        assert_eq!(got[0].rcpt_to, ["<b@b.example>", "<c@c.example>"]);
        let email = got[0].email.as_ref().unwrap();
        assert_eq!((email.subject.as_deref(), email.complete), (Some("hi"), true));
        assert_eq!((got[1].helo.as_deref(), &got[1].email), (Some("me.example"), &None));
        let login = log.logins().next().unwrap();
        assert_eq!((login.user.as_deref(), login.outcome), (Some("alice"), Outcome::Accepted));
        assert!(log.anomalies.is_empty(), "{:?}", log.anomalies);
    }
}

#[test]
fn chunks_are_joined_and_need_no_dots() {
    let turns: &[(Direction, &[u8])] = &[
        (ToClient, b"220 mx ESMTP\r\n"),
        (ToServer, b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<b@b>\r\nBDAT 10\r\nSubject: yBDAT 59 LAST\r\nes\r\nContent-Disposition: attachment; filename=f\r\n\r\n.\r\nfile!QUIT\r\n"),
    ];
    for step in [1, 5, 1000] {
        let (log, _) = talk(25, step, turns);
        let got = mails(&log);
        assert_eq!(got[0].email.as_ref().unwrap().subject.as_deref(), Some("yes"));
        assert_eq!(log.files, ["open 0 f", "data 0 .\r\nfile!", "close 0"]);
        assert_eq!(got.len(), 2);
    }
}

#[test]
fn a_chunk_whose_command_is_wrong_does_not_follow() {
    let turns: &[(Direction, &[u8])] = &[
        (ToClient, b"220 mx ESMTP\r\n"),
        (ToServer, b"EHLO x\r\nMAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nBDAT 5 X\r\nBDAT 14 LAST\r\n"),
        (ToServer, b"Subject: y\r\n\r\nMAIL FROM:<c@c>\r\nRCPT TO:<d@d>\r\n"),
    ];
    for step in [1, 5, 1000] {
        let (log, _) = talk(25, step, turns);
        let got = mails(&log);
        assert_eq!(got[0].rcpt_to, ["<b@b>"]);
        assert_eq!(got[0].email.as_ref().unwrap().subject.as_deref(), Some("y"));
        assert_eq!((got[1].mail_from.as_deref(), got[1].rcpt_to.len()), (Some("<c@c>"), 1));
        assert_eq!(log.anomalies.iter().filter(|a| **a == "BDAT_CHUNK_LEN_EXCEEDED").count(), 1);
    }
}

#[test]
fn a_hello_without_a_name_opens_a_connection_too() {
    let turns: &[(Direction, &[u8])] =
        &[(ToServer, b"EHLO\n"), (ToClient, b"250\n"), (ToServer, b"rset\nstaRttLs\n"), (ToClient, b"250\n")];
    let (log, app) = talk(25, 1000, turns);
    assert_eq!(app.protocol(), Some(AppProto::Smtp));
    assert_eq!(mails(&log)[0].helo.as_deref(), Some(""));
}

#[test]
fn behind_starttls_comes_what_is_found() {
    let turns: &[(Direction, &[u8])] = &[
        (ToClient, b"220 mx\r\n"),
        (ToServer, b"EHLO x\r\n"),
        (ToClient, b"250 ok\r\n"),
        (ToServer, b"STARTTLS\r\n"),
        (ToClient, b"220 go\r\n"),
        (ToServer, b"EHLO y\r\n"),
    ];
    let (log, app) = talk(25, 4, turns);
    assert_eq!(app.original(), Some(AppProto::Smtp));
    assert_eq!(mails(&log).iter().map(|s| s.helo.as_deref().unwrap()).collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn broken_rules_are_told() {
    let turns: &[(Direction, &[u8])] = &[
        (ToServer, b"HELO x\r\n"),
        (ToClient, b"hello\r\n250 ok\r\n"),
        (ToServer, b"MAIL FROM:<a>\r\nMAIL FROM:<b>\r\nDATA\r\n"),
        (ToClient, b"250 ok\r\n503 no\r\n503 no\r\n"),
        (ToServer, b"QUIT\r\n"),
    ];
    let (log, _) = talk(25, 1000, turns);
    let want = [
        "NO_SERVER_WELCOME_MESSAGE",
        "INVALID_REPLY",
        "DUPLICATE_FIELDS",
        "INVALID_PIPELINED_SEQUENCE",
        "DATA_COMMAND_REJECTED",
    ];
    assert_eq!(log.anomalies, want);
    assert_eq!(mails(&log).len(), 1);
}

#[test]
fn lost_bytes_cut_the_mail_and_not_the_connection() {
    let turns: &[(Direction, &[u8])] = &[
        (ToClient, b"220 mx ESMTP\r\n"),
        (ToServer, b"HELO x\r\n"),
        (ToClient, b"250 ok\r\n"),
        (ToServer, b"DATA\r\n"),
        (ToClient, b"354 go\r\n"),
        (ToServer, b"Content-Disposition: a; filename=f\r\n\r\nabc"),
        (ToServer, b""),
        (ToServer, b"def\r\n.\r\nMAIL FROM:<next>\r\n"),
    ];
    let (log, _) = talk(25, 1000, turns);
    assert_eq!(log.files, ["open 0 f", "data 0 abc", "gap 0 10", "data 0 def", "close 0 truncated"]);
    assert_eq!(mails(&log)[1].mail_from.as_deref(), Some("<next>"));
    assert!(!mails(&log)[0].email.as_ref().unwrap().complete);
}

proptest::proptest! {
    #[test]
    fn any_bytes_and_any_split(seed in proptest::collection::vec((0usize..SESSION.len(), 0usize..200, 0u8..=255), 0..20), step in 1usize..40) {
        let mut turns: Vec<(Direction, Vec<u8>)> = SESSION.iter().map(|(d, b)| (*d, b.to_vec())).collect();
        for (turn, at, with) in seed {
            if let Some(byte) = turns[turn].1.get_mut(at) {
                *byte = with;
            }
        }
        let turns: Vec<(Direction, &[u8])> = turns.iter().map(|(d, b)| (*d, b.as_slice())).collect();
        let (whole, pieces) = (talk(25, 1000, &turns).0, talk(25, step, &turns).0);
        proptest::prop_assert_eq!(whole.logged, pieces.logged);
    }
}
