use super::*;
use crate::text_testing::{Log, ToClient, ToServer, talk};

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"220-Welcome\r\n220 FTP ready\r\n"),
    (ToServer, b"USER alice\r\n"),
    (ToClient, b"331 Password?\r\n"),
    (ToServer, b"PASS pa55 word\r\n"),
    (ToClient, b"230 Hello\r\n"),
    (ToServer, b"PASV\r\n"),
    (ToClient, b"227 Entering Passive Mode (10,0,0,2,82,16).\r\n"),
    (ToServer, b"RETR secret plan.txt\r\n"),
    (ToClient, b"150 Opening\r\n226 Done\r\n"),
    (ToServer, b"retr again\r\n"),
    (ToClient, b"425 No connection\r\n"),
];

fn ftp(log: &Log) -> Vec<&Ftp> {
    log.logged.iter().filter_map(|t| if let Transaction::Ftp(f) = t { Some(&**f) } else { None }).collect()
}

#[test]
fn commands_meet_their_replies() {
    for step in [1, 2, 7, 1000] {
        let (log, app) = talk(2100, step, SESSION);
        assert_eq!(app.protocol(), Some(AppProto::Ftp));
        let got: Vec<_> = ftp(&log)
            .iter()
            .map(|f| (f.command.as_deref().unwrap_or("-"), f.codes.join(","), f.dynamic_port))
            .collect();
        let want = [
            ("-", "220".to_owned(), None),
            ("USER", "331".to_owned(), None),
            ("PASS", "230".to_owned(), None),
            ("PASV", "227".to_owned(), Some(21008)),
            ("RETR", "150,226".to_owned(), None),
            ("RETR", "425".to_owned(), None),
        ];
        assert_eq!(got, want, "pieces of {step}");
        assert_eq!(log.anomalies, ["file_before_port"]);
    }
}

#[test]
fn the_data_connection_is_announced_with_the_name_of_its_file() {
    let (log, _) = talk(21, 1000, SESSION);
    let [expected] = log.expected.as_slice() else { panic!("{:?}", log.expected) };
    assert_eq!(expected.endpoint, Endpoint { ip: "10.0.0.2".parse().unwrap(), port: 21008 });
    assert_eq!(expected.note.as_deref(), Some("RETR secret plan.txt"));
}

#[test]
fn a_login_is_told_with_its_outcome() {
    let (log, _) = talk(21, 1000, SESSION);
    let login = log.logins().next().unwrap();
    assert_eq!((login.user.as_deref(), login.outcome), (Some("alice"), Outcome::Accepted));
    assert_eq!(login.secret.as_ref().unwrap().reveal(), "pa55 word");
    let refused: &[(Direction, &[u8])] = &[
        (ToClient, b"220 FTP\r\n"),
        (ToServer, b"USER a\r\nPASS b\r\n"),
        (ToClient, b"331 ?\r\n530 No\r\n"),
    ];
    assert_eq!(talk(21, 1000, refused).0.logins().next().unwrap().outcome, Outcome::Refused);
}

#[test]
fn behind_auth_tls_comes_tls() {
    let turns: &[(Direction, &[u8])] =
        &[(ToClient, b"220 FTP\r\n"), (ToServer, b"AUTH TLS\r\n"), (ToClient, b"234 Go\r\n")];
    let (_, app) = talk(21, 3, turns);
    assert_eq!(app.original(), Some(AppProto::Ftp));
}

#[test]
fn long_and_many_lines_are_cut_and_counted() {
    let long = [b"USER ".as_slice(), &[b'x'; 2 * MAX_LINE], b"\r\n"].concat();
    let reply = b"211-line\r\n".repeat(2 * MAX_REPLY_LINES);
    let turns: &[(Direction, &[u8])] = &[(ToClient, b"220 FTP\r\n"), (ToServer, &long), (ToClient, &reply)];
    let (log, app) = talk(21, 1000, turns);
    let user = ftp(&log)[1];
    assert!(user.command_truncated && user.reply_truncated && app.limits_hit() > 1);
    assert_eq!(user.replies.len(), MAX_REPLY_LINES);
    assert_eq!(log.anomalies, ["request_command_too_long"]);
}

#[test]
fn a_transfer_is_a_file() {
    let mut parser = (DATA.open.unwrap())(&crate::text_testing::tuple(IpProto::TCP, 5000));
    let mut log = Log::default();
    parser.announced(Some("STOR a b.txt"));
    parser.data(Chunk { direction: ToServer, bytes: b"abc", time: wire::Nanos(0) }, &mut log);
    parser.gap(ToServer, 5, &mut log);
    parser.close(&mut log);
    assert_eq!(log.files, ["open 0 a b.txt", "data 0 abc", "gap 0 5", "close 0 truncated"]);
    let want =
        FtpData { command: Some("STOR".into()), filename: Some("a b.txt".into()), direction: Some(ToServer) };
    assert_eq!(log.logged, [Transaction::from(want)]);
}
