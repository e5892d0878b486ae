use Direction::{ToClient, ToServer};

use super::*;
use crate::dcerpc::tests as rpc;
use crate::testing::{Log, Turns, in_any_pieces, survives, talk};
use crate::transaction::Transaction;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn nbss(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// An SMB2 message: command, response flag, number, status, body from its structure size on.
fn two(command: u16, response: bool, id: u64, status: u32, body: &[u8]) -> Vec<u8> {
    let mut out = b"\xfeSMB\x40\0\0\0".to_vec();
    out.extend(status.to_le_bytes());
    out.extend(command.to_le_bytes());
    out.extend([1, 0]);
    out.extend(u32::from(response).to_le_bytes());
    out.extend(0_u32.to_le_bytes());
    out.extend(id.to_le_bytes());
    out.extend([0; 4]);
    out.extend(5_u32.to_le_bytes());
    out.extend(0x77_u64.to_le_bytes());
    out.extend([0; 16]);
    out.extend_from_slice(body);
    out
}

fn put(body: &mut [u8], at: usize, bytes: &[u8]) {
    body[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A body of this size with numbers in it, and what follows.
fn body(size: usize, fields: &[(usize, &[u8])], tail: &[u8]) -> Vec<u8> {
    let mut out = vec![0; size];
    for (at, bytes) in fields {
        put(&mut out, *at, bytes);
    }
    out.extend_from_slice(tail);
    out
}

fn u16le(n: usize) -> [u8; 2] {
    (n as u16).to_le_bytes()
}

fn u32le(n: usize) -> [u8; 4] {
    (n as u32).to_le_bytes()
}

const FILE: [u8; 16] = [1, 0, 0, 0, 0x4b, 0, 0, 0, 5, 0, 0, 0, 0x4b, 0, 0, 0];

fn tree_connect(id: u64, path: &str, kind: u8) -> Turns {
    let name = utf16(path);
    let ask = body(8, &[(4, &u16le(72)), (6, &u16le(name.len()))], &name);
    vec![
        (ToServer, nbss(&two(3, false, id, 0, &ask))),
        (ToClient, nbss(&two(3, true, id, 0, &body(16, &[(2, &[kind])], &[])))),
    ]
}

fn create(name: &str) -> Vec<u8> {
    let name = utf16(name);
    body(56, &[(36, &[5]), (44, &u16le(120)), (46, &u16le(name.len()))], &name)
}

fn created(size: usize) -> Vec<u8> {
    let filetime = 116_444_736_010_000_000_u64.to_le_bytes();
    body(88, &[(8, &filetime), (48, &u32le(size)), (64, &FILE)], &[])
}

fn write(offset: usize, data: &[u8]) -> Vec<u8> {
    let fields: &[(usize, &[u8])] =
        &[(2, &u16le(112)), (4, &u32le(data.len())), (8, &u32le(offset)), (16, &FILE)];
    body(48, fields, data)
}

fn read(offset: usize) -> Vec<u8> {
    body(49, &[(8, &u32le(offset)), (16, &FILE)], &[])
}

fn read_answer(data: &[u8]) -> Vec<u8> {
    body(16, &[(2, &[80]), (4, &u32le(data.len()))], data)
}

fn negotiation() -> Turns {
    let ask = body(36, &[(2, &[2]), (12, &[9; 16])], &[0x02, 0x02, 0x11, 0x03]);
    let answer =
        body(64, &[(4, &[0x11, 0x03]), (8, &[8; 16]), (32, &u32le(1 << 20)), (36, &u32le(1 << 20))], &[]);
    let token = crate::ntlm::tests::authenticate("DOM", "alice", "PC");
    let setup = body(24, &[(12, &u16le(88)), (14, &u16le(token.len()))], &token);
    vec![
        (ToServer, nbss(&two(0, false, 0, 0, &ask))),
        (ToClient, nbss(&two(0, true, 0, 0, &answer))),
        (ToServer, nbss(&two(1, false, 1, 0, &setup))),
        (ToClient, nbss(&two(1, true, 1, 0xc000_006d, &[9, 0, 0, 0, 0, 0, 0, 0]))),
    ]
}

fn transfer() -> Turns {
    let contents: Vec<u8> = (0..3000_u32).map(|n| n as u8).collect();
    let mut turns = negotiation();
    turns.extend(tree_connect(2, r"\\srv\data", 1));
    turns.extend([
        (ToServer, nbss(&two(5, false, 3, 0, &create("a\\b.txt")))),
        (ToClient, nbss(&two(5, true, 3, 0, &created(2000)))),
        (ToServer, nbss(&two(9, false, 4, 0, &write(0, &contents[..2000])))),
        (ToServer, nbss(&two(9, false, 5, 0, &write(2000, &contents[2000..])))),
        (ToClient, nbss(&two(9, true, 4, 0, &[17, 0, 0, 0]))),
        (ToServer, nbss(&two(8, false, 6, 0, &read(0)))),
        (ToServer, nbss(&two(8, false, 7, 0, &read(2000)))),
        (ToClient, nbss(&two(8, true, 6, 0, &read_answer(&contents[..2000])))),
        (ToClient, nbss(&two(8, true, 7, 0, &read_answer(b"end")))),
        (ToServer, nbss(&two(6, false, 8, 0, &body(24, &[(8, &FILE)], &[])))),
        (ToClient, nbss(&two(6, true, 8, 0, &[60, 0]))),
    ]);
    turns
}

fn smbs(log: &Log) -> Vec<&Smb> {
    log.logged.iter().filter_map(|t| if let Transaction::Smb(s) = t { Some(&**s) } else { None }).collect()
}

#[test]
fn a_session_is_told_with_who_where_and_what() {
    in_any_pieces(AppProto::Smb, &transfer(), |log| {
        let all = smbs(log);
        assert!(all.iter().all(|s| s.dialect == "3.11"));
        let negotiate = all[0].negotiate.as_ref().unwrap();
        assert_eq!(
            (&negotiate.dialects[..], negotiate.max_read_write.unwrap().0),
            (&["2.02".into(), "3.11".into()][..], 1 << 20)
        );
        assert_eq!(all[1].ntlm.as_ref().unwrap().user, "alice");
        assert_eq!(all[1].status.unwrap().name(), "STATUS_LOGON_FAILURE");
        let share = all[2].share.as_ref().unwrap();
        assert_eq!((share.name.as_str(), share.kind), (r"\\srv\data", ShareKind::Disk));
        let create = all[3].create.as_ref().unwrap();
        assert_eq!(
            (all[3].filename.as_deref(), create.disposition_name()),
            (Some("a\\b.txt"), "FILE_OVERWRITE_IF")
        );
        assert_eq!((create.times.created, create.size), (1, 2000));
        assert_eq!(all[3].file_id.unwrap().text(), "00000001-004b-0000-0005-00000000004b");
        let commands: Vec<String> = all[4..].iter().map(|s| s.command_name()).collect();
        assert_eq!(commands, ["SMB2_COMMAND_WRITE", "SMB2_COMMAND_READ", "SMB2_COMMAND_CLOSE"]);
    });
}

#[test]
fn contents_of_files_come_whole_in_any_pieces() {
    in_any_pieces(AppProto::Smb, &transfer(), |log| {
        let [written, read] = &log.files[..] else { panic!("{:?}", log.files) };
        assert_eq!(written.name.as_deref(), Some("a\\b.txt"));
        assert_eq!(written.bytes, (0..3000_u32).map(|n| n as u8).collect::<Vec<_>>());
        assert_eq!((read.bytes.len(), written.missing, read.truncated), (2003, 0, Some(false)));
    });
}

#[test]
fn a_hole_in_a_file_is_a_hole_in_the_file() {
    let tuple = crate::testing::tuple(IpProto::TCP, 445);
    let (mut layer, mut log) = (crate::AppLayer::new(&tuple), Log::default());
    let say = |layer: &mut crate::AppLayer, log: &mut Log, direction, bytes: &[u8]| {
        layer.data(&tuple, Chunk { direction, bytes, time: wire::Nanos(0) }, log);
    };
    for (direction, bytes) in &transfer()[..8] {
        say(&mut layer, &mut log, *direction, bytes);
    }
    let frame = nbss(&two(9, false, 4, 0, &write(0, &[1; 1000])));
    say(&mut layer, &mut log, ToServer, &frame[..500]);
    layer.gap(&tuple, ToServer, 300, &mut log);
    say(&mut layer, &mut log, ToServer, &frame[800..]);
    say(&mut layer, &mut log, ToServer, &nbss(&two(9, false, 5, 0, &write(1000, &[2; 10]))));
    layer.close(&mut log);
    let [file] = &log.files[..] else { panic!("{:?}", log.files) };
    assert_eq!((file.bytes.len(), file.missing, file.truncated), (710, 300, Some(true)));
}

fn pipe() -> Turns {
    let ioctl = |data: &[u8]| {
        let fields: &[(usize, &[u8])] =
            &[(4, &u32le(0x0011_c017)), (8, &FILE), (24, &u32le(120)), (28, &u32le(data.len()))];
        body(56, fields, data)
    };
    let answer = |data: &[u8]| {
        let fields: &[(usize, &[u8])] =
            &[(4, &u32le(0x0011_c017)), (8, &FILE), (32, &u32le(112)), (36, &u32le(data.len()))];
        body(48, fields, data)
    };
    let mut turns = negotiation();
    turns.extend(tree_connect(2, r"\\srv\IPC$", 2));
    turns.extend([
        (ToServer, nbss(&two(5, false, 3, 0, &create("samr")))),
        (ToClient, nbss(&two(5, true, 3, 0, &created(0)))),
        (ToServer, nbss(&two(9, false, 4, 0, &write(0, &rpc::bind(1))))),
        (ToClient, nbss(&two(9, true, 4, 0, &[17, 0, 0, 0]))),
        (ToServer, nbss(&two(8, false, 5, 0, &read(0)))),
        (ToClient, nbss(&two(8, true, 5, 0, &read_answer(&rpc::bind_ack(1))))),
        (ToServer, nbss(&two(11, false, 6, 0, &ioctl(&rpc::request(2, 3, 64, 80))))),
        // The answer does not fit and is fetched with a read.
        (ToClient, nbss(&two(11, true, 6, 0x8000_0005, &answer(&rpc::response(2, 3, 200)[..100])))),
        (ToServer, nbss(&two(8, false, 7, 0, &read(0)))),
        (ToClient, nbss(&two(8, true, 7, 0, &read_answer(&rpc::response(2, 3, 200)[100..])))),
    ]);
    turns
}

#[test]
fn calls_in_named_pipes_are_told_with_the_message_that_carried_them() {
    in_any_pieces(AppProto::Smb, &pipe(), |log| {
        let calls: Vec<_> =
            smbs(log).into_iter().filter_map(|s| Some((s.command_name(), s.dcerpc.clone()?))).collect();
        let [(write, bind), (ioctl, call)] = &calls[..] else { panic!("{calls:?}") };
        assert_eq!((write.as_str(), ioctl.as_str()), ("SMB2_COMMAND_WRITE", "SMB2_COMMAND_IOCTL"));
        assert_eq!((bind.response, bind.interfaces.len()), (Some(12), 2));
        assert_eq!(call.req.map(|r| (r.opnum, r.length)), Some((64, 80)));
        assert_eq!(call.res.map(|r| (r.fragments, r.length)), Some((1, 200)));
        assert!(log.files.is_empty());
    });
}

/// An SMB1 message: command, response flag, words, data.
fn one(command: u8, response: bool, words: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = b"\xffSMB".to_vec();
    out.push(command);
    out.extend([0; 4]);
    out.push(if response { 0x80 } else { 0 });
    out.extend(0xc000_u16.to_le_bytes());
    out.extend([0; 12]);
    out.extend([3, 0, 7, 0, 9, 0, 1, 0]);
    out.push((words.len() / 2) as u8);
    out.extend_from_slice(words);
    out.extend(u16le(data.len()));
    out.extend_from_slice(data);
    out
}

fn old() -> Turns {
    let share = [&[0][..], &utf16("\\\\srv\\data\0"), b"?????\0"].concat();
    let name = [&[0][..], &utf16("\\x.bin\0")].concat();
    let open = body(48, &[(0, &[0xff]), (35, &[2])], &[]);
    let opened = body(68, &[(0, &[0xff]), (5, &[4, 0x40])], &[]);
    let contents = b"one two three";
    let write = body(28, &[(0, &[0xff]), (4, &[4, 0x40]), (20, &[13]), (22, &u16le(32 + 1 + 28 + 2))], &[]);
    vec![
        // A session request and its answer stand before it on port 139.
        (ToServer, [&b"\x81\0\0\x44\x20"[..], &[b'A'; 33], b"\x20", &[b'A'; 33]].concat()),
        (ToClient, b"\x82\0\0\0".to_vec()),
        (ToServer, nbss(&one(0x72, false, &[], b"\x02LANMAN1.0\0\x02NT LM 0.12\0"))),
        (ToClient, nbss(&one(0x72, true, &body(34, &[(0, &[1])], &[]), &[5; 16]))),
        (ToServer, nbss(&one(0x75, false, &body(8, &[(0, &[0xff]), (6, &[1])], &[]), &share))),
        (ToClient, nbss(&one(0x75, true, &[0xff, 0, 0, 0, 0, 0], b"A:\0"))),
        (ToServer, nbss(&one(0xa2, false, &open, &name))),
        (ToClient, nbss(&one(0xa2, true, &opened, b""))),
        (ToServer, nbss(&one(0x2f, false, &write, contents))),
        (ToClient, nbss(&one(0x2f, true, &[0xff, 0, 0, 0], b""))),
        (ToServer, nbss(&one(0x04, false, &[4, 0x40, 0, 0, 0, 0], b""))),
        (ToClient, nbss(&one(0x04, true, &[], b""))),
    ]
}

#[test]
fn the_old_protocol_is_read_behind_a_session_request() {
    in_any_pieces(AppProto::Smb, &old(), |log| {
        let all = smbs(log);
        let commands: Vec<String> = all.iter().map(|s| s.command_name()[13..].to_owned()).collect();
        let expected = ["NEGOTIATE_PROTOCOL", "TREE_CONNECT_ANDX", "NT_CREATE_ANDX", "WRITE_ANDX", "CLOSE"];
        assert_eq!(commands, expected);
        assert!(all.iter().all(|s| s.dialect == "NT LM 0.12"));
        assert_eq!(all[1].share.as_ref().unwrap().name, r"\\srv\data");
        assert_eq!(
            (all[2].filename.as_deref(), all[2].file_id.unwrap().text().as_str()),
            (Some("\\x.bin"), "4004")
        );
        assert_eq!(
            (log.files[0].bytes.as_slice(), log.files[0].truncated),
            (&b"one two three"[..], Some(false))
        );
    });
}

#[test]
fn chained_commands_are_all_told_and_a_chain_that_leads_back_ends() {
    let chain = |next: u16| {
        let mut words = [0x74, 0, 0, 0];
        words[2..].copy_from_slice(&next.to_le_bytes());
        one(0x74, false, &words, b"")
    };
    // The second block stands right behind the first.
    let forward = [chain(39), vec![2, 0xff, 0, 0, 0, 0, 0]].concat();
    let (log, _) = talk(&vec![(ToServer, nbss(&forward))], usize::MAX);
    assert_eq!(smbs(&log).len(), 2);
    let (log, _) = talk(&vec![(ToServer, nbss(&chain(32)))], usize::MAX);
    assert_eq!(smbs(&log).len(), 1);
}

#[test]
fn compounds_are_taken_apart() {
    let mut first = two(5, false, 3, 0, &create("d"));
    first.resize(first.len().next_multiple_of(8), 0);
    let next = first.len() as u32;
    put(&mut first, 20, &next.to_le_bytes());
    let second = two(6, false, 4, 0, &body(24, &[(8, &[0xff; 16])], &[]));
    let (log, _) = talk(&vec![(ToServer, nbss(&[first, second].concat()))], 50);
    let commands: Vec<u8> = smbs(&log).iter().map(|s| s.command).collect();
    assert_eq!(commands, [5, 6]);
}

#[test]
fn what_is_encrypted_is_passed_over() {
    let mut turns = negotiation();
    let sealed = [&b"\xfdSMB"[..], &[7; 5000]].concat();
    turns.push((ToServer, nbss(&sealed)));
    turns.push((ToClient, nbss(&sealed)));
    turns.extend(tree_connect(9, r"\\srv\later", 1));
    in_any_pieces(AppProto::Smb, &turns, |log| {
        assert_eq!(smbs(log).last().unwrap().share.as_ref().unwrap().name, r"\\srv\later");
        assert_eq!(smbs(log).iter().filter(|s| s.command_name() == "SMB3_ENCRYPTED").count(), 1);
        assert!(log.anomalies.is_empty());
    });
}

#[test]
fn damage_is_survived() {
    survives(AppProto::Smb, &transfer());
    survives(AppProto::Smb, &pipe());
    survives(AppProto::Smb, &old());
}
