use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

fn open(path: &Path, rotation: Rotation, state: &Arc<OutputState>) -> EveFile {
    EveFile::open(path, true, Access::default(), rotation, 1 << 20, state.clone()).unwrap()
}

fn push(eve: &mut EveFile, n: usize) {
    eve.lines().push("flow", |out| out.extend(format!("{{\"n\":{n}}}").bytes()));
}

/// The numbers in every file of the folder, each of whose lines must be whole.
fn numbers(dir: &Path) -> Vec<u64> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let number = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_u64().unwrap();
        found.extend(text.lines().map(number));
    }
    found
}

#[test]
fn no_line_is_lost_or_cut_in_a_hundred_rotations_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    let state = Arc::<OutputState>::default();
    let mut eve = open(&path, Rotation::default(), &state);
    let done = Arc::new(AtomicBool::new(false));
    let rotator = {
        let (path, state, done) = (path.clone(), state.clone(), done.clone());
        thread::spawn(move || {
            for n in 0..100 {
                fs::rename(&path, path.with_extension(format!("json.{n}"))).unwrap();
                let asked = state.ask_to_reopen();
                while !state.is_reopened(asked) {
                    thread::yield_now();
                }
            }
            done.store(true, Ordering::Release);
        })
    };
    let mut n = 0;
    while !done.load(Ordering::Acquire) {
        for _ in 0..50 {
            push(&mut eve, n);
            n += 1;
        }
        eve.flush().unwrap();
        eve.look_after().unwrap();
    }
    rotator.join().unwrap();
    let found = numbers(dir.path());
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (n, n));
    assert_eq!(state.reopened.load(Ordering::Relaxed), 100);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 101);
}

#[test]
fn its_own_rotation_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = Arc::<OutputState>::default();
    let rotation = Rotation { size: 1000, ..Rotation::default() };
    let mut eve = open(&dir.path().join("eve.json"), rotation, &state);
    for n in 0..20_000 {
        push(&mut eve, n);
        if n % 20 == 0 {
            eve.flush().unwrap();
            eve.look_after().unwrap();
        }
    }
    eve.flush().unwrap();
    drop(eve);
    let found = numbers(dir.path());
    assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 20_000);
    assert!(state.rotated.load(Ordering::Relaxed) >= 100);
}

#[test]
fn a_renamed_or_removed_file_is_noticed_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("out");
    let path = folder.join("eve.json");
    let state = Arc::<OutputState>::default();
    let mut eve = open(&path, Rotation::default(), &state);
    for round in 0..2 {
        match round {
            0 => fs::rename(&path, path.with_extension("1")).unwrap(),
            _ => fs::remove_dir_all(&folder).unwrap(),
        }
        let since = Instant::now();
        while !path.exists() {
            assert!(since.elapsed() < Duration::from_secs(1), "not noticed");
            eve.look_after().unwrap();
            thread::sleep(Duration::from_millis(50));
        }
        push(&mut eve, round);
        eve.flush().unwrap();
        assert!(numbers(&folder).contains(&(round as u64)));
    }
    assert_eq!(state.reopened.load(Ordering::Relaxed), 2);
}

#[test]
fn a_torn_line_of_before_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve.json");
    let state = Arc::<OutputState>::default();
    for (before, after) in
        [("{\"n\":1}\n{\"n\":", vec![1, 2]), ("{\"n", vec![2]), ("", vec![2]), ("{\"n\":1}\n", vec![1, 2])]
    {
        fs::write(&path, before).unwrap();
        let mut eve = open(&path, Rotation::default(), &state);
        push(&mut eve, 2);
        eve.flush().unwrap();
        assert_eq!(numbers(dir.path()), after);
    }
}
