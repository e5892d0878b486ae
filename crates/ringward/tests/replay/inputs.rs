//! What `replay` reads: folders, lists of files, standard input, archives.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{Capture, Desk, at, events, of_type, ringward, stderr};

/// A capture with one look-up of a name.
fn capture(name: &str) -> Vec<u8> {
    let mut capture = Capture::default();
    capture.dns(at("10.0.0.5:40000"), at("10.0.0.1:53"), name);
    capture.bytes()
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

fn xz(plain: &[u8]) -> Vec<u8> {
    let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

/// The names that were looked up, in the order of their captures.
fn names(desk: &Desk) -> Vec<String> {
    let events = events(&desk.path("out/eve.json"));
    let asked = of_type(&events, "dns").into_iter().filter(|e| e["dns"]["type"] == "request");
    asked.map(|e| e["dns"]["queries"][0]["rrname"].as_str().unwrap().to_owned()).collect()
}

fn piped(dir: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringward"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn folders_are_read_by_path_and_what_is_no_capture_is_counted() {
    let desk = Desk::new("");
    std::fs::create_dir_all(desk.path("all/b/c")).unwrap();
    for (path, bytes) in [
        ("all/z.pcap", capture("z.example")),
        ("all/a.bin", capture("a.example")),
        ("all/b/2.pcap.gz", gzip(&capture("b2.example"))),
        ("all/b/1.pcap.zst", zstd(&capture("b1.example"))),
        ("all/b/c/0.cap.xz", xz(&capture("c.example"))),
        ("all/readme.txt", b"hello".to_vec()),
        ("all/b/rules.gz", gzip(b"alert")),
    ] {
        std::fs::write(desk.path(path), bytes).unwrap();
    }
    let output = ringward(desk.dir.path(), ["replay", "--out", "out", "all"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(names(&desk), ["a.example", "b1.example", "b2.example", "c.example", "z.example"]);
    assert!(
        stderr(&output).contains("ringward: all: 2 files are no captures and skipped\n"),
        "{}",
        stderr(&output)
    );
    std::fs::create_dir(desk.path("none")).unwrap();
    let output = ringward(desk.dir.path(), ["replay", "--out", "out2", "none"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "ringward: none: no captures in this folder\n");
    assert!(!desk.path("out2").exists());
}

#[test]
fn standard_input_and_lists_are_read() {
    let desk = Desk::new("");
    for pack in [|b: &[u8]| b.to_vec(), gzip, zstd, xz] {
        let output = piped(desk.dir.path(), &["replay", "--out", "out", "-"], &pack(&capture("in.example")));
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(names(&desk), ["in.example"]);
        let _ = std::fs::remove_dir_all(desk.path("out"));
    }
    std::fs::write(desk.path("1.pcap"), capture("one.example")).unwrap();
    std::fs::write(desk.path("2.pcap"), capture("two.example")).unwrap();
    std::fs::write(desk.path("list"), "2.pcap\n\n./1.pcap\r\n").unwrap();
    let output = ringward(desk.dir.path(), ["replay", "--out", "out", "--files-from", "list", "1.pcap"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(names(&desk), ["one.example", "two.example", "one.example"]);
    let _ = std::fs::remove_dir_all(desk.path("out"));
    let output = piped(desk.dir.path(), &["replay", "--out", "out", "--files-from", "-"], b"2.pcap\n");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(names(&desk), ["two.example"]);
    for args in [&["replay", "--files-from", "-", "-"][..], &["replay", "-", "-"]] {
        let output = piped(desk.dir.path(), args, b"");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stderr(&output), "ringward: standard input (\"-\") can be read only once\n");
    }
    let output = ringward(desk.dir.path(), ["replay", "--files-from", "missing"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("ringward: missing: "), "{}", stderr(&output));
}

#[test]
fn archives_that_are_cut_are_told_and_what_is_there_is_read() {
    for (ending, pack) in [("gz", gzip as fn(&[u8]) -> Vec<u8>), ("zst", zstd), ("xz", xz)] {
        let desk = Desk::new("");
        let packed = pack(&capture("whole.example"));
        std::fs::write(desk.path("bad.pcap"), &packed[..packed.len() - 3]).unwrap();
        std::fs::write(desk.path("good.pcap"), pack(&capture("good.example"))).unwrap();
        let output = ringward(desk.dir.path(), ["replay", "--out", "out", "bad.pcap", "good.pcap"]);
        assert_eq!(output.status.code(), Some(1), "{ending}");
        assert!(stderr(&output).contains("ringward: bad.pcap: "), "{}", stderr(&output));
        assert!(names(&desk).contains(&"good.example".to_owned()), "{ending}");
    }
}

#[test]
fn lists_and_rules_may_be_archives() {
    for (ending, pack) in [("gz", gzip as fn(&[u8]) -> Vec<u8>), ("zst", zstd), ("xz", xz)] {
        let desk = Desk::new("");
        let (list, rules) = (format!("list.csv.{ending}"), format!("a.rules.{ending}"));
        std::fs::write(desk.path(&list), pack(b"indicator,description\nbad.example,Test\n")).unwrap();
        let rule = b"alert dns any any -> any any (msg:\"R\"; dns.query; content:\"bad\"; sid:1;)\n";
        std::fs::write(desk.path(&rules), pack(rule)).unwrap();
        std::fs::write(desk.path("case.pcap"), capture("bad.example")).unwrap();
        let args = ["replay", "--out", "out", "--iocs", &list, "--rules", &rules, "case.pcap"];
        let output = ringward(desk.dir.path(), args);
        assert!(output.status.success(), "{}", stderr(&output));
        let events = events(&desk.path("out/eve.json"));
        let mut sids: Vec<u64> =
            of_type(&events, "alert").iter().map(|a| a["alert"]["signature_id"].as_u64().unwrap()).collect();
        sids.sort_unstable();
        assert_eq!(sids, [1, 1001], "{ending}");
        std::fs::write(desk.path(&list), &pack(b"bad.example\n")[..20]).unwrap();
        assert_ne!(ringward(desk.dir.path(), args).status.code(), Some(0), "{ending}");
    }
}
