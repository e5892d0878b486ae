use std::io::Read as _;

use super::*;

#[test]
fn names_are_of_their_time_and_none_is_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(1_796_101_200);
    let first = name(dir.path(), now);
    assert_eq!(first.file_name().unwrap(), "eve-2026-12-01T05-00-00.json");
    fs::write(first.with_extension("json.zst"), b"").unwrap();
    let second = name(dir.path(), now);
    assert_eq!(second.file_name().unwrap(), "eve-2026-12-01T05-00-00.0002.json");
    for path in [first, second] {
        assert!(is_rotated(path.file_name().unwrap().to_str().unwrap()));
    }
    for other in [
        "eve.json",
        "eve-mine.json",
        "eve-2026-12-01T05-00-00.txt",
        "eve.json.1",
        "eve-2026-12-01T05-00-00.x.json",
    ] {
        assert!(!is_rotated(other), "{other}");
    }
}

#[test]
fn renamed_files_are_compressed_whole_and_the_oldest_removed() {
    let dir = tempfile::tempdir().unwrap();
    let state = Arc::<OutputState>::default();
    let rotation = Rotation { keep: 2, compress: true, ..Rotation::default() };
    let text = "{\"event_type\":\"flow\"}\n".repeat(20_000);
    fs::write(dir.path().join("eve-mine.json"), b"not ours").unwrap();
    let archive = Archive::start(rotation, Access::default(), state.clone()).unwrap();
    for hour in 0..4 {
        let path = name(dir.path(), UNIX_EPOCH + Duration::from_secs(3600 * hour));
        fs::write(&path, &text).unwrap();
        archive.take(path);
    }
    drop(archive);
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        ["eve-1970-01-01T02-00-00.json.zst", "eve-1970-01-01T03-00-00.json.zst", "eve-mine.json"]
    );
    let packed = fs::read(dir.path().join(&names[0])).unwrap();
    let mut read = String::new();
    ruzstd::decoding::StreamingDecoder::new(&packed[..]).unwrap().read_to_string(&mut read).unwrap();
    assert!(read == text);
    assert_eq!(state.rotation_errors.load(Ordering::Relaxed), 0);
}

#[test]
fn what_cannot_be_compressed_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eve-1970-01-01T00-00-00.json");
    fs::write(&path, "{}\n").unwrap();
    fs::create_dir(dir.path().join("eve-1970-01-01T00-00-00.json.zst")).unwrap();
    assert!(compress(&path, Access::default()).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"{}\n");
    assert!(!dir.path().join("eve-1970-01-01T00-00-00.json.zst.part").exists());
}
