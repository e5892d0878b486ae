use std::net::Ipv4Addr;

use wire::{Endpoint, IpProto, Nanos, Vlans};

use super::*;

fn tuple() -> FlowTuple {
    let end = |n, port| Endpoint { ip: Ipv4Addr::new(10, 0, 0, n).into(), port };
    FlowTuple {
        id: 7,
        client: end(1, 1000),
        server: end(2, 80),
        proto: IpProto::TCP,
        vlans: Vlans::default(),
        start: Nanos(0),
    }
}

fn all(budget: u64) -> FileOptions {
    FileOptions {
        md5: true,
        sha1: true,
        sha256: true,
        magic: true,
        store: true,
        max_size: 1 << 20,
        budget: FileBudget::new(budget),
        ..FileOptions::default()
    }
}

/// What becomes of these events, and the counters files_lost, files_refused, files_too_large.
fn follow(options: &FileOptions, events: &[FileEvent<'_>]) -> (Vec<FileInfo>, Vec<PieceEvent>, [u64; 3]) {
    let (counters, tuple) = (WorkerCounters::default(), tuple());
    let (mut files, mut pieces, mut infos) = (OpenFiles::default(), Vec::new(), Vec::new());
    let mut follower = Follower { options, counters: &counters, tuple: &tuple, pieces: &mut pieces };
    for &event in events {
        infos.extend(follower.take(&mut files, event).map(|over| over.info));
    }
    infos.extend(follower.rest(&mut files).into_iter().map(|over| over.info));
    let counts = [counters.files_lost.get(), counters.files_refused.get(), counters.files_too_large.get()];
    (infos, pieces, counts)
}

fn open(handle: u64) -> FileEvent<'static> {
    FileEvent::Open { handle, direction: Direction::ToClient, name: Some("a.gz"), size: None, in_body: false }
}

const CLOSE: FileEvent<'_> = FileEvent::Close { handle: 1, truncated: false, carrier: None };

#[test]
fn a_whole_file_is_hashed_known_and_stored() {
    let data = |bytes| FileEvent::Data { handle: 1, bytes };
    let (infos, pieces, _) = follow(&all(1 << 20), &[open(1), data(b"\x1f\x8b\x08"), data(b"abc"), CLOSE]);
    let info = &infos[0];
    assert_eq!((info.size, info.state, info.gaps, info.stored), (6, FileState::Closed, false, true));
    assert_eq!((info.name.as_deref(), info.magic), (Some("a.gz"), Some("application/gzip")));
    assert_eq!(info.sha256, Some(Sha256::digest(b"\x1f\x8b\x08abc").into()));
    assert_eq!(info.md5, Some(Md5::digest(b"\x1f\x8b\x08abc").into()));
    assert_eq!(info.sha1, Some(Sha1::digest(b"\x1f\x8b\x08abc").into()));
    assert_eq!(pieces.len(), 1);
    assert_eq!(pieces[0].bytes.as_ref().unwrap().as_slice(), b"\x1f\x8b\x08abc");
    assert_eq!(pieces[0].end, PieceEnd::Keep(info.sha256.unwrap()));
}

#[test]
fn a_file_with_a_hole_has_no_hash_and_is_not_stored() {
    let large = vec![7; PIECE + 1];
    let data = FileEvent::Data { handle: 1, bytes: &large };
    let gap = FileEvent::Gap { handle: 1, missing: 10 };
    let (infos, pieces, _) = follow(&all(1 << 20), &[open(1), data, gap, data, CLOSE]);
    let info = &infos[0];
    assert_eq!((info.size, info.state, info.gaps), (2 * (PIECE as u64 + 1) + 10, FileState::Truncated, true));
    assert_eq!((info.sha256, info.stored), (None, false));
    assert_eq!(pieces.iter().map(|p| p.end).collect::<Vec<_>>(), [PieceEnd::More, PieceEnd::Discard]);
    let (infos, ..) = follow(&all(0), &[open(1)]);
    assert_eq!(infos[0].state, FileState::Truncated, "its parser never closed it");
}

#[test]
fn limits_are_met_and_counted() {
    let large = vec![7; (1 << 20) + 1];
    let data = FileEvent::Data { handle: 1, bytes: &large };
    let (infos, pieces, counts) = follow(&all(8 << 20), &[open(1), data, CLOSE]);
    assert_eq!((infos[0].sha256, infos[0].size, pieces.len(), counts), (None, (1 << 20) + 1, 0, [0, 0, 1]));
    // No room to wait in: the hash is there, the file is not.
    let data = FileEvent::Data { handle: 1, bytes: b"abc" };
    let (infos, pieces, counts) = follow(&all(10), &[open(1), data, CLOSE]);
    assert_eq!(
        (infos[0].sha256.is_some(), infos[0].stored, pieces.len(), counts),
        (true, false, 0, [1, 0, 0])
    );
    let many: Vec<_> = (0..MAX_OPEN_FILES as u64 + 3).map(open).collect();
    let (infos, _, counts) = follow(&all(0), &many);
    assert_eq!((infos.len(), counts), (MAX_OPEN_FILES, [0, 3, 0]));
}

#[test]
fn without_options_only_the_event_is_made() {
    let data = FileEvent::Data { handle: 1, bytes: b"\x1f\x8b\x08" };
    let (infos, pieces, _) = follow(&FileOptions::default(), &[open(1), data, CLOSE]);
    assert_eq!((infos[0].md5, infos[0].magic, infos[0].size, pieces.len()), (None, None, 3, 0));
}

#[test]
fn first_bytes_are_kept_for_detectors_within_limits() {
    let (counters, tuple) = (WorkerCounters::default(), tuple());
    let mut pieces = Vec::new();
    let options = FileOptions { inspected: 4, inspected_total: 6, ..FileOptions::default() };
    let mut follower =
        Follower { options: &options, counters: &counters, tuple: &tuple, pieces: &mut pieces };
    let mut files = OpenFiles::default();
    let mut tell = |event| follower.take(&mut files, event).map(|over| over.content);
    let open = |handle, in_body| FileEvent::Open {
        handle,
        direction: Direction::ToServer,
        name: None,
        size: None,
        in_body,
    };
    let close = |handle| FileEvent::Close { handle, truncated: false, carrier: None };
    for (handle, in_body) in [(1, false), (2, false), (3, true), (4, false)] {
        assert_eq!(tell(open(handle, in_body)), None);
    }
    for handle in [1, 2, 3] {
        assert_eq!(tell(FileEvent::Data { handle, bytes: b"abc" }), None);
    }
    assert_eq!((counters.file_memory.get(), counters.files_uninspected.get()), (6, 0));
    assert_eq!(tell(FileEvent::Data { handle: 2, bytes: b"def" }), None);
    assert_eq!((counters.file_memory.get(), counters.files_uninspected.get()), (6, 1));
    assert_eq!(tell(close(2)), Some(b"abc".to_vec()));
    assert_eq!(tell(FileEvent::Data { handle: 1, bytes: b"def" }), None);
    assert_eq!(tell(close(1)), Some(b"abcd".to_vec()));
    assert_eq!(tell(close(3)), Some(Vec::new()), "bodies are shown otherwise");
    assert_eq!(tell(FileEvent::Data { handle: 4, bytes: b"ab" }), None);
    assert_eq!(tell(FileEvent::Gap { handle: 4, missing: 1 }), None);
    assert_eq!(tell(FileEvent::Data { handle: 4, bytes: b"c" }), None);
    assert_eq!(tell(close(4)), Some(b"ab".to_vec()), "nothing from behind a hole");
    assert_eq!(counters.file_memory.get(), 0);
}
