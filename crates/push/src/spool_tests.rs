use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;

const NO_LIMITS: Limits = Limits { bytes: 1 << 40, age_ns: u64::MAX };

fn entry(n: u64, len: usize) -> Entry {
    Entry { time_ns: n, id: format!("msg_{n}"), body: "x".repeat(len) }
}

fn open(dir: &Path, limits: Limits) -> Spool {
    Spool::open(dir, limits).unwrap()
}

/// Delivers all; the numbers of what there was.
fn drain(spool: &mut Spool) -> Vec<u64> {
    let mut out = Vec::new();
    while let Some(item) = spool.take(0) {
        out.push(item.entry.time_ns);
        spool.done(item.place);
    }
    out
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "segment")).collect();
    files.sort();
    files
}

#[test]
fn what_is_not_delivered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), NO_LIMITS);
    for n in 0..5 {
        spool.append(&entry(n, 10)).unwrap();
    }
    for n in 0..2 {
        let item = spool.take(0).unwrap();
        assert_eq!(item.entry, entry(n, 10));
        spool.done(item.place);
    }
    // Taken and not done: a process that was killed. It is delivered again.
    spool.take(0).unwrap();
    assert_eq!(spool.waiting().0, 3);
    drop(spool);
    let mut spool = open(dir.path(), NO_LIMITS);
    assert_eq!(spool.waiting(), (3, 3 * (8 + 10 + 5 + 10)));
    spool.append(&entry(5, 10)).unwrap();
    assert_eq!(drain(&mut spool), [2, 3, 4, 5]);
    assert_eq!(spool.losses(), Losses::default());
    drop(spool);
    let mut spool = open(dir.path(), NO_LIMITS);
    assert_eq!((drain(&mut spool), spool.waiting()), (vec![], (0, 0)));
}

#[test]
fn the_folder_is_for_one_process_and_its_user() {
    let dir = tempfile::tempdir().unwrap();
    let queue = dir.path().join("a/b");
    let mut spool = open(&queue, NO_LIMITS);
    spool.append(&entry(1, 10)).unwrap();
    let again = Spool::open(&queue, NO_LIMITS).unwrap_err().to_string();
    assert!(again.ends_with("another sensor uses this queue"), "{again}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&queue), mode(&segments(&queue)[0])), (0o700, 0o600));
}

#[test]
fn the_oldest_go_when_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 64 * 1024, ..NO_LIMITS };
    let mut spool = open(dir.path(), limits);
    for n in 0..1000 {
        spool.append(&entry(n, 1000)).unwrap();
        let disk: u64 = segments(dir.path()).iter().map(|p| fs::metadata(p).unwrap().len()).sum();
        assert!(disk <= limits.bytes, "{disk}");
    }
    let (waiting, dropped) = (spool.waiting().0, spool.losses().dropped);
    assert_eq!(waiting + dropped, 1000);
    // At most two segments of sixteen are lost for what a third would have held.
    assert!(waiting > 48, "{waiting}");
    let left = drain(&mut spool);
    assert_eq!(left, (dropped..1000).collect::<Vec<_>>());
}

#[test]
fn what_is_being_delivered_is_lost_only_if_that_fails() {
    for delivered in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = open(dir.path(), Limits { bytes: 64 * 1024, ..NO_LIMITS });
        spool.append(&entry(0, 1000)).unwrap();
        let item = spool.take(0).unwrap();
        for n in 1..200 {
            spool.append(&entry(n, 1000)).unwrap();
        }
        if delivered {
            spool.done(item.place);
        } else {
            spool.not_done(item.place);
        }
        assert_eq!(spool.losses().dropped + spool.waiting().0 + u64::from(delivered), 200);
    }
}

#[test]
fn what_is_too_old_is_not_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), Limits { age_ns: 100, ..NO_LIMITS });
    for n in [10, 20, 120] {
        spool.append(&entry(n, 10)).unwrap();
    }
    assert_eq!(spool.take(121).unwrap().entry.time_ns, 120);
    assert_eq!((spool.losses().expired, spool.waiting().0), (2, 1));
}

#[test]
fn a_disk_that_refuses_loses_only_what_it_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), NO_LIMITS);
    spool.append(&entry(0, 10)).unwrap();
    assert!(spool.append(&entry(1, 2 << 20)).is_err());
    // The folder is gone: a new segment cannot be made.
    let mut spool = Spool { limits: Limits { bytes: 1 << 20, ..NO_LIMITS }, ..spool };
    let gone = dir.path().join("gone");
    let there = std::mem::replace(&mut spool.dir, gone);
    assert!(spool.append(&entry(2, 100_000)).is_err());
    spool.dir = there;
    spool.append(&entry(3, 10)).unwrap();
    assert_eq!(drain(&mut spool), [0, 3]);
}

#[test]
fn a_damaged_place_costs_what_is_behind_it_in_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), Limits { bytes: 64 * 1024, ..NO_LIMITS });
    for n in 0..8 {
        spool.append(&entry(n, 1000)).unwrap();
    }
    assert_eq!(segments(dir.path()).len(), 3);
    let first = &segments(dir.path())[0];
    let mut bytes = fs::read(first).unwrap();
    bytes[1500] ^= 1;
    fs::write(first, bytes).unwrap();
    assert_eq!(drain(&mut spool), [0, 3, 4, 5, 6, 7]);
    assert_eq!(spool.losses(), Losses { damaged: 2, ..Losses::default() });
}

#[test]
fn zeros_at_the_end_are_no_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = open(dir.path(), NO_LIMITS);
    spool.append(&entry(1, 10)).unwrap();
    drop(spool);
    let file = OpenOptions::new().write(true).open(&segments(dir.path())[0]).unwrap();
    file.set_len(4096).unwrap();
    let mut spool = open(dir.path(), NO_LIMITS);
    assert_eq!((drain(&mut spool), spool.losses().damaged), (vec![1], 1));
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Deliver,
    Fail,
    Restart,
    /// Killed, with so many bytes of the last segment missing.
    Tear(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..3000).prop_map(Step::Append),
        3 => Just(Step::Deliver),
        1 => Just(Step::Fail),
        1 => Just(Step::Restart),
        1 => (1_u64..4000).prop_map(Step::Tear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In order, each once; what was torn off is a tail.
    #[test]
    fn it_is_a_queue(steps in proptest::collection::vec(step(), 1..80)) {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { bytes: 64 * 1024, ..NO_LIMITS };
        let mut spool = open(dir.path(), Limits { bytes: 1 << 30, ..limits });
        // Small segments without a queue that is ever full.
        spool.limits = Limits { bytes: 1 << 17, ..NO_LIMITS };
        let mut model = VecDeque::new();
        let mut n = 0;
        for step in steps {
            match step {
                Step::Append(len) if model.len() < 30 => {
                    n += 1;
                    spool.append(&entry(n, len)).unwrap();
                    model.push_back(n);
                }
                Step::Append(_) => {}
                Step::Deliver => {
                    let item = spool.take(0);
                    prop_assert_eq!(item.as_ref().map(|i| i.entry.time_ns), model.pop_front());
                    if let Some(item) = item {
                        spool.done(item.place);
                    }
                }
                Step::Fail => {
                    let item = spool.take(0);
                    prop_assert_eq!(item.as_ref().map(|i| i.entry.time_ns), model.front().copied());
                    if let Some(item) = item {
                        spool.not_done(item.place);
                    }
                }
                Step::Restart => {
                    drop(spool);
                    spool = open(dir.path(), Limits { bytes: 1 << 17, ..NO_LIMITS });
                }
                Step::Tear(bytes) => {
                    drop(spool);
                    if let Some(last) = segments(dir.path()).last() {
                        let file = OpenOptions::new().write(true).open(last).unwrap();
                        let len = file.metadata().unwrap().len();
                        file.set_len(len.saturating_sub(bytes)).unwrap();
                    }
                    spool = open(dir.path(), Limits { bytes: 1 << 17, ..NO_LIMITS });
                    let left = spool.waiting().0 as usize;
                    prop_assert!(left <= model.len());
                    model.truncate(left);
                }
            }
            prop_assert_eq!(spool.waiting().0 as usize, model.len());
            prop_assert_eq!(spool.losses().dropped, 0);
        }
        prop_assert_eq!(drain(&mut spool), model.into_iter().collect::<Vec<_>>());
    }

    /// Whatever is in the folder, it opens, and goes on.
    #[test]
    fn any_bytes_are_survived(
        segment in proptest::collection::vec(any::<u8>(), 0..200),
        head in proptest::collection::vec(any::<u8>(), 0..40),
        magic in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let bytes = if magic { [&MAGIC[..], &segment].concat() } else { segment };
        fs::write(dir.path().join("00000000000000ff.segment"), bytes).unwrap();
        fs::write(dir.path().join("nonsense.segment"), b"").unwrap();
        fs::write(dir.path().join("head"), head).unwrap();
        let mut spool = open(dir.path(), NO_LIMITS);
        spool.append(&entry(u64::MAX, 10)).unwrap();
        prop_assert_eq!(drain(&mut spool).pop(), Some(u64::MAX));
    }
}
