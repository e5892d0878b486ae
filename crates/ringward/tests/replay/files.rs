//! Files that are transferred: events, hashes, contents.

use crate::support::{Capture, Desk, at, events, of_type, ringward, stderr};

/// SHA-256 of "ok\n", the body of every exchange here.
const SHA256: &str = "dc51b8c96c2d745df3bd5590d990230a482fd247123599548e0632fdbf97fc22";

fn case() -> Capture {
    let mut capture = Capture::default();
    capture.http(at("10.0.0.1:4000"), at("198.51.100.1:80"), "www.example", "/dir/a%20b.txt?q=1");
    capture.http(at("10.0.0.1:4001"), at("198.51.100.1:80"), "www.example", "/again");
    capture
}

fn replay(desk: &Desk, toml: &str) -> Vec<serde_json::Value> {
    case().write(&desk.path("case.pcap"));
    std::fs::write(desk.path("r.toml"), toml).unwrap();
    let output = ringward(desk.dir.path(), ["replay", "-c", "r.toml", "--out", "out", "case.pcap"]);
    assert!(output.status.success(), "{}", stderr(&output));
    events(&desk.path("out/eve.json"))
}

#[test]
fn files_have_events_and_nothing_more_unless_asked_for() {
    let desk = Desk::new("");
    let events = replay(&desk, "");
    let files = of_type(&events, "fileinfo");
    assert_eq!(files.len(), 2);
    let want = serde_json::json!({
        "filename": "/dir/a b.txt", "gaps": false, "state": "CLOSED", "stored": false, "size": 3, "tx_id": 0
    });
    assert_eq!(files[0]["fileinfo"], want);
    assert_eq!((&files[0]["app_proto"], &files[0]["http"]["status"]), (&"http".into(), &200.into()));
    assert_eq!(files[0]["src_port"], 80, "the server sends it");
    assert!(!desk.path("out/files").exists());
}

#[test]
fn files_are_hashed_and_stored_on_request() {
    let desk = Desk::new("");
    let events =
        replay(&desk, "[files]\nhash = [\"md5\", \"sha1\", \"sha256\"]\nmagic = true\nstore = true\n");
    for file in of_type(&events, "fileinfo") {
        let file = &file["fileinfo"];
        assert_eq!((&file["sha256"], &file["stored"]), (&SHA256.into(), &true.into()));
        assert_eq!(file["md5"], "eff5bc1ef8ec9d03e640fc4370f5eacd");
        assert_eq!(file["sha1"], "92a949fd41844e1bb8c6812cdea102708fde23a4");
    }
    let stored = desk.path("out/files/dc").join(SHA256);
    assert_eq!(std::fs::read(stored).unwrap(), b"ok\n");
    assert_eq!(desk.list("out/files/dc").len(), 1, "the same contents are one file");
    assert!(desk.list("out/files/unfinished").is_empty());
}

#[test]
fn limits_keep_files_off_the_disk() {
    let desk = Desk::new("");
    let events = replay(&desk, "[files]\nstore = true\nmax_total_mib = 0\n");
    assert_eq!(of_type(&events, "fileinfo").len(), 2);
    assert!(desk.list("out/files/dc").is_empty());
}
