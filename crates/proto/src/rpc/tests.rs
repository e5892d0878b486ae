use proptest::prelude::*;

use super::*;
use crate::text_testing::{Log, ToClient, ToServer, talk, tuple};

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = words(&[bytes.len() as u32]);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn call(xid: u32, program: u32, version: u32, procedure: u32, args: &[&[u8]]) -> Vec<u8> {
    let mut out = words(&[xid, 0, 2, program, version, procedure, 1]);
    let creds = [words(&[7]), opaque(b"pc"), words(&[10, 20, 0])].concat();
    out.extend(opaque(&creds));
    out.extend(words(&[0, 0]));
    args.iter().for_each(|a| out.extend_from_slice(a));
    out
}

fn reply(xid: u32, results: &[&[u8]]) -> Vec<u8> {
    let mut out = words(&[xid, 1, 0, 0, 0, 0]);
    results.iter().for_each(|r| out.extend_from_slice(r));
    out
}

fn record(body: &[u8]) -> Vec<u8> {
    [&words(&[0x8000_0000 | body.len() as u32]), body].concat()
}

/// A file is looked up and read.
fn session() -> (Vec<u8>, Vec<u8>) {
    let (dir, file) = (opaque(b"root"), opaque(b"file"));
    let up = [
        record(&call(1, NFS, 3, 3, &[&dir, &opaque(b"notes.txt")])),
        record(&call(2, NFS, 3, 6, &[&file, &words(&[0, 0, 100])])),
        record(&call(3, NFS, 3, 12, &[&dir, &opaque(b"old")])),
    ];
    let down = [
        record(&reply(1, &[&words(&[0]), &file])),
        record(&reply(2, &[&words(&[0, 0, 5, 1]), &opaque(b"hello")])),
        record(&reply(3, &[&words(&[2])])),
    ];
    (up.concat(), down.concat())
}

#[test]
fn calls_are_joined_with_replies_and_files_read() {
    let (up, down) = session();
    for step in [1, 2, 7, 1000] {
        let (log, layer) = talk(9999, step, &[(ToServer, &up), (ToClient, &down)]);
        assert_eq!(layer.protocol(), Some(AppProto::Nfs));
        let seen: Vec<_> = log
            .logged
            .iter()
            .map(|t| match t {
                Transaction::Nfs(n) => (n.procedure_name(), n.name.clone(), n.status_name().unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("LOOKUP", "notes.txt", "OK"), ("READ", "", "OK"), ("REMOVE", "old", "ERR_NOENT")];
        assert_eq!(seen, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())), "{step}");
        assert_eq!(log.files, ["open 0 -", "data 0 hello", "close 0"], "{step}");
    }
}

#[test]
fn names_of_handles_are_learned_from_replies() {
    let flow = tuple(IpProto::UDP, 2049);
    let mut parser = RpcParser::new(&flow);
    let mut log = Log::default();
    let (dir, file) = (opaque(b"root"), opaque(b"file"));
    for (direction, bytes) in [
        (ToServer, call(1, NFS, 3, 3, &[&dir, &opaque(b"notes.txt")])),
        (ToClient, reply(1, &[&words(&[0]), &file])),
        (ToServer, call(2, NFS, 3, 7, &[&file, &words(&[0, 0, 3, 2]), &opaque(b"abc")])),
        (ToClient, reply(2, &[&words(&[0])])),
    ] {
        parser.data(Chunk { direction, bytes: &bytes, time: wire::Nanos(0) }, &mut log);
    }
    parser.close(&mut log);
    let Transaction::Nfs(write) = &log.logged[1] else { panic!() };
    assert_eq!((write.name.as_str(), write.call.credentials.uid), ("notes.txt", 10));
    assert_eq!(write.call.credentials.machine.as_deref(), Some("pc"));
    assert_eq!(log.files, ["open 0 notes.txt", "data 0 abc", "close 0"]);
}

#[test]
fn contents_longer_than_what_is_kept_pass_through() {
    let contents = vec![b'x'; 3 * MAX_MESSAGE];
    let up = record(&call(1, NFS, 3, 7, &[&opaque(b"file"), &words(&[0, 0, 3, 2]), &opaque(&contents)]));
    for step in [100, 1460, usize::MAX] {
        let (log, _) = talk(2049, step, &[(ToServer, &up)]);
        assert_eq!(log.files[1].len(), "data 0 ".len() + contents.len(), "{step}");
        assert_eq!(log.logged.len(), 1);
    }
}

#[test]
fn a_compound_names_its_main_operation() {
    let args = [opaque(b""), words(&[1, 3, 22]), opaque(b"dir"), words(&[15]), opaque(b"x.sh"), words(&[10])]
        .concat();
    let (log, _) = talk(2049, 5, &[(ToServer, &record(&call(1, NFS, 4, 1, &[&args])))]);
    let Transaction::Nfs(nfs) = &log.logged[0] else { panic!() };
    assert_eq!((nfs.procedure_name().as_str(), nfs.name.as_str()), ("LOOKUP", "x.sh"));
}

#[test]
fn the_port_mapper_announces_programs() {
    let up = record(&call(1, PORTMAP, 2, 3, &[&words(&[NFS, 3, 6, 0])]));
    let (log, layer) = talk(111, 3, &[(ToServer, &up), (ToClient, &record(&reply(1, &[&words(&[2050])])))]);
    assert_eq!(layer.protocol(), Some(AppProto::Rpc));
    assert_eq!((log.expected[0].endpoint.port, log.expected[0].app), (2050, AppProto::Nfs));
    assert!(matches!(&log.logged[0], Transaction::Portmap(p) if p.port == Some(2050)));
}

#[test]
fn a_hole_costs_no_more_than_what_it_hides() {
    let (up, down) = session();
    let turns: [(Direction, &[u8]); 4] =
        [(ToServer, &up), (ToClient, &down[..20]), (ToClient, b""), (ToClient, &down)];
    let (log, _) = talk(2049, 1000, &turns);
    assert!(log.logged.iter().all(|t| matches!(t, Transaction::Nfs(n) if n.status.is_some())));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400), step in 1usize..50) {
        let (mut up, down) = session();
        up.extend_from_slice(&bytes);
        let whole = talk(2049, usize::MAX, &[(ToServer, &up), (ToClient, &down), (ToClient, &bytes), (ToServer, &up)]);
        let pieces = talk(2049, step, &[(ToServer, &up), (ToClient, &down), (ToClient, &bytes), (ToServer, &up)]);
        prop_assert_eq!(whole.0.inspected.len(), whole.0.logged.len());
        prop_assert_eq!(whole.0.logged, pieces.0.logged);
        prop_assert_eq!(whole.0.files, pieces.0.files);
    }
}
