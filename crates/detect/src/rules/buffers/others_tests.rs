use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::IpProto;

use super::*;
use crate::rules::buffers::testing::{counted, found, transactions};

#[test]
fn a_vnc_connection_tells_its_security_and_its_desktop() {
    let mut init = vec![0, 1, 0, 1];
    init.extend([0; 16]);
    init.extend([0, 0, 0, 4]);
    init.extend(b"desk");
    let turns = vec![
        (ToClient, b"RFB 003.008\n".to_vec()),
        (ToServer, b"RFB 003.008\n".to_vec()),
        (ToClient, vec![1, 2]),
        (ToServer, vec![2]),
        (ToClient, vec![7; 16]),
        (ToServer, vec![8; 16]),
        (ToClient, vec![0, 0, 0, 0]),
        (ToServer, vec![1]),
        (ToClient, init),
    ];
    let all = transactions(AppProto::Rfb, IpProto::TCP, 5900, &turns);
    assert_eq!(found(&all, ToClient, Buffer::RfbName), ["desk"]);
    assert_eq!(counted(&all, ToServer, Field::RfbSecurityType), [2]);
    assert_eq!(counted(&all, ToClient, Field::RfbSecurityResult), [0]);
    assert_eq!(counted(&all, ToClient, Field::RfbSecurityType), [0; 0]);
}

#[test]
fn a_statement_is_found() {
    let turns = vec![
        (ToServer, b"\0\0\0\x12\0\x03\0\0user\0joe\0\0".to_vec()),
        (ToClient, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I".to_vec()),
        (ToServer, b"Q\0\0\0\x0dSELECT 1\0".to_vec()),
        (ToClient, b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I".to_vec()),
    ];
    let all = transactions(AppProto::Pgsql, IpProto::TCP, 5432, &turns);
    assert_eq!(found(&all, ToServer, Buffer::PgsqlQuery), ["SELECT 1"]);
    assert_eq!(found(&all, ToClient, Buffer::PgsqlQuery), [""; 0]);
}

#[test]
fn ftp_commands_have_replies_and_ports() {
    let turns = vec![
        (ToClient, b"220 ftp ready\r\n".to_vec()),
        (ToServer, b"user joe\r\n".to_vec()),
        (ToClient, b"331 Password?\r\n".to_vec()),
        (ToServer, b"PORT 10,0,0,1,4,1\r\n".to_vec()),
        (ToClient, b"200 ok\r\n".to_vec()),
        (ToServer, b"PASV\r\n".to_vec()),
        (ToClient, b"227 Entering (10,0,0,2,4,2)\r\n".to_vec()),
    ];
    let all = transactions(AppProto::Ftp, IpProto::TCP, 21, &turns);
    assert_eq!(found(&all, ToServer, Buffer::FtpCommand), ["USER", "PORT", "PASV"]);
    assert_eq!(found(&all, ToServer, Buffer::FtpCommandData), ["joe", "10,0,0,1,4,1"]);
    let replies = ["ftp ready", "Password?", "ok", "Entering (10,0,0,2,4,2)"];
    assert_eq!(found(&all, ToClient, Buffer::FtpReply), replies);
    assert_eq!(found(&all, ToClient, Buffer::FtpCompletionCode), ["220", "331", "200", "227"]);
    assert_eq!(counted(&all, ToServer, Field::FtpMode), [1, 0]);
    assert_eq!(counted(&all, ToServer, Field::FtpDynamicPort), [1025, 1026]);
    assert_eq!(counted(&all, ToClient, Field::FtpDynamicPort), [1025, 1026]);
    assert_eq!(counted(&all, ToClient, Field::FtpReplyReceived), [1; 4]);
}

#[test]
fn datagrams_tell_files_clocks_and_leases() {
    let ask = vec![(ToServer, b"\0\x01secret.bin\0octet\0".to_vec())];
    let all = transactions(AppProto::Tftp, IpProto::UDP, 69, &ask);
    assert_eq!(found(&all, ToServer, Buffer::TftpFile), ["secret.bin"]);

    let mut answer = vec![0; 48];
    (answer[0], answer[1]) = (0x24, 1);
    answer[12..16].copy_from_slice(b"GPS\0");
    answer[40] = 0xe0;
    let all = transactions(AppProto::Ntp, IpProto::UDP, 123, &vec![(ToClient, answer)]);
    assert_eq!(found(&all, ToClient, Buffer::NtpReferenceId), [r"GPS\x00"]);
    assert_eq!(counted(&all, ToClient, Field::NtpVersion), [4]);
    assert_eq!(counted(&all, ToClient, Field::NtpMode), [4]);
    assert_eq!(counted(&all, ToClient, Field::NtpStratum), [1]);
    assert_eq!(counted(&all, ToServer, Field::NtpStratum), [0; 0]);

    let mut ack = vec![2, 1, 6, 0];
    ack.resize(236, 0);
    ack.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 5]);
    for (option, seconds) in [(51, 30), (58, 10), (59, 20)] {
        ack.extend([option, 4, 0, 0, 0, seconds]);
    }
    ack.push(255);
    let mut offer = ack.clone();
    offer[242] = 2;
    let all = transactions(AppProto::Dhcp, IpProto::UDP, 67, &vec![(ToClient, offer), (ToClient, ack)]);
    for (field, seconds) in
        [(Field::DhcpLeaseTime, 30), (Field::DhcpRenewalTime, 10), (Field::DhcpRebindingTime, 20)]
    {
        assert_eq!(counted(&all, ToClient, field), [seconds; 2], "{field:?}");
    }
}

#[test]
fn nfs_calls_are_of_the_client() {
    // GETATTR of version 3 with a handle of four bytes, and an answer.
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let call = words(&[7, 0, 2, 100_003, 3, 1, 0, 0, 0, 0, 4, 0x0102_0304]);
    let reply = words(&[7, 1, 0, 0, 0, 0, 70]);
    let all = transactions(AppProto::Nfs, IpProto::UDP, 2049, &vec![(ToServer, call), (ToClient, reply)]);
    assert_eq!(counted(&all, ToServer, Field::NfsVersion), [3]);
    assert_eq!(counted(&all, ToServer, Field::NfsProcedure), [1]);
    assert_eq!(counted(&all, ToClient, Field::NfsProcedure), [0; 0]);
}

#[test]
fn a_transfer_tells_its_command_on_both_sides() {
    let transfer = |command: &str| FtpData {
        command: Some(command.into()),
        direction: Some(ToClient),
        ..FtpData::default()
    };
    for (command, number) in [("RETR", vec![1]), ("STOR", vec![2]), ("LIST", vec![])] {
        let all = [transfer(command).into()];
        assert_eq!(counted(&all, ToClient, Field::FtpDataCommand), number);
        assert_eq!(counted(&all, ToServer, Field::FtpDataCommand), number);
    }
}
