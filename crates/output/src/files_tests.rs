use std::net::Ipv4Addr;

use wire::{Endpoint, IpProto, Nanos, Vlans};

use super::*;

fn flow() -> FlowTuple {
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

fn piece(offset: u64, bytes: &[u8], end: PieceEnd) -> PieceEvent {
    let mut held = FileBudget::new(1 << 20).piece(bytes.len()).unwrap();
    held.fill(bytes);
    PieceEvent { flow: flow(), file: 0, offset, bytes: Some(Arc::new(held)), end }
}

fn stored(dir: &Path) -> Vec<PathBuf> {
    let place = dir.join("files/ab");
    fs::read_dir(place).map_or(Vec::new(), |found| found.map(|f| f.unwrap().path()).collect())
}

#[test]
fn pieces_become_a_file_under_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FileStore::new(dir.path(), 100, Access::default());
    store.take(dir.path(), &piece(0, b"one ", PieceEnd::More)).unwrap();
    store.take(dir.path(), &piece(4, b"two", PieceEnd::Keep([0xab; 32]))).unwrap();
    let found = stored(dir.path());
    assert_eq!(found.len(), 1);
    assert_eq!(fs::read(&found[0]).unwrap(), b"one two");
    assert_eq!((store.counts().stored, store.counts().refused), (1, 0));
    assert_eq!(store.written(), [Path::new("files/ab").join("ab".repeat(32))]);
    assert_eq!(fs::read_dir(unfinished_folder(dir.path())).unwrap().count(), 0);
}

#[test]
fn a_file_that_lacks_a_piece_or_room_is_thrown_away_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FileStore::new(dir.path(), 10, Access::default());
    store.take(dir.path(), &piece(0, b"one ", PieceEnd::More)).unwrap();
    store.take(dir.path(), &piece(8, b"x", PieceEnd::More)).unwrap();
    store.take(dir.path(), &piece(9, b"y", PieceEnd::Keep([0xab; 32]))).unwrap();
    assert_eq!((store.counts().stored, store.counts().refused), (0, 1));
    store.take(dir.path(), &piece(0, b"longer than that", PieceEnd::Keep([0xab; 32]))).unwrap();
    assert_eq!((store.counts().stored, store.counts().refused), (0, 2));
    assert!(stored(dir.path()).is_empty());
}

#[test]
fn what_waits_is_bounded_and_given_back() {
    let budget = FileBudget::new(10);
    let first = budget.piece(6).unwrap();
    assert!(budget.piece(6).is_none());
    drop(first);
    assert!(budget.piece(6).is_some());
}
