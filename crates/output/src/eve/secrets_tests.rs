//! Passwords in events: masked unless somebody asked for them.

use ::proto::mqtt::{Body, Connect, Packet};
use ::proto::{AppProto, FileInfo, FileState, Ftp, Login, Mqtt, Outcome, Pop3, Secret, Transaction};

use wire::{Direction, IpProto};

use super::tests::{FORMS, flow, stamp};
use super::{Forms, lines};
use crate::event::{Event, TransactionEvent};

const PASSWORD: &str = "hunter2";

fn ftp(command: &str) -> Ftp {
    Ftp { command: Some(command.to_owned()), command_data: Some(PASSWORD.to_owned()), ..Ftp::default() }
}

fn pop3(command: &str, args: &[&str]) -> Pop3 {
    Pop3 {
        command: Some(command.to_owned()),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        response: None,
    }
}

fn line(transaction: impl Into<Transaction>, secrets: bool) -> serde_json::Value {
    let forms = Forms { secrets, ..FORMS };
    let event = Event::Transaction(Box::new(TransactionEvent {
        flow: flow(IpProto::TCP, false),
        direction: Direction::ToServer,
        tx_id: 0,
        transaction: transaction.into(),
        tunnel: None,
        ether: None,
    }));
    lines(&stamp(), &event, &forms)[0].reread()
}

#[test]
fn passwords_are_masked_unless_asked_for() {
    let login = Login {
        service: AppProto::Ftp,
        method: "user-pass",
        user: Some("alice".into()),
        secret: Some(Secret::new(PASSWORD)),
        outcome: Outcome::Accepted,
    };
    let connect = Connect { password: Some(Secret::new(PASSWORD)), ..Connect::default() };
    let packet =
        Packet { kind: 1, dup: false, qos: 0, retain: false, body: Body::Connect(Box::new(connect)) };
    let mqtt = Mqtt { direction: Direction::ToServer, packets: vec![packet], version: 5 };
    let carried = FileInfo {
        direction: Direction::ToClient,
        name: None,
        size: 0,
        state: FileState::Closed,
        gaps: false,
        magic: None,
        md5: None,
        sha1: None,
        sha256: None,
        stored: false,
        tx_id: 0,
        app: Some(AppProto::Pop3),
        carrier: Some(pop3("PASS", &[PASSWORD]).into()),
    };
    let all: [(Transaction, &str, &str); 6] = [
        (ftp("PASS").into(), "/ftp/command_data", "***"),
        (pop3("PASS", &[PASSWORD]).into(), "/pop3/request/args/0", "***"),
        (pop3("AUTH", &["PLAIN", PASSWORD]).into(), "/pop3/request/args/1", "***"),
        (login.into(), "/login/secret", "*** (7 characters)"),
        (mqtt.into(), "/mqtt/connect/password", "*** (7 characters)"),
        (carried.into(), "/pop3/request/args/0", "***"),
    ];
    for (transaction, field, masked) in all {
        let told = line(transaction.clone(), false);
        assert_eq!(told.pointer(field).unwrap(), masked);
        assert!(!told.to_string().contains(PASSWORD), "{told}");
        assert_eq!(line(transaction, true).pointer(field).unwrap(), PASSWORD);
    }
}

#[test]
fn what_is_no_password_stays() {
    assert_eq!(line(ftp("RETR"), false)["ftp"]["command_data"], PASSWORD);
    let auth = line(pop3("AUTH", &["PLAIN", "x"]), false);
    assert_eq!(auth["pop3"]["request"]["args"][0], "PLAIN");
    assert_eq!(line(pop3("USER", &["bob"]), false)["pop3"]["request"]["args"][0], "bob");
}
