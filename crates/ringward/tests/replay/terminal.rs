//! What commands print: into a pipe that is closed, and of texts that an attacker chose.

use std::process::{Command, Stdio};

use crate::support::{Capture, Desk, RINGWARD, at, ringward, stderr};

fn case() -> Capture {
    let mut capture = Capture::default();
    capture.http(at("10.0.0.1:4000"), at("198.51.100.1:80"), "bad.example", "/");
    capture
}

/// SIGPIPE's number: the end that other tools have.
const SIGPIPE: i32 = 13;

/// Runs a command whose standard output nobody reads: the pipe is closed before it starts.
fn unread(desk: &Desk, args: &[&str]) -> std::process::Output {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    Command::new(RINGWARD)
        .args(args)
        .current_dir(desk.dir.path())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    use std::os::unix::process::ExitStatusExt;
    let desk = Desk::new("bad.example\n");
    case().write(&desk.path("case.pcap"));
    std::fs::write(desk.path("ringward.toml"), "[policy]\n").unwrap();
    std::fs::write(desk.path("a.rules"), "alert tcp any any -> any any (msg:\"a\"; sid:1;)\n").unwrap();
    assert!(ringward(desk.dir.path(), ["replay", "--iocs", "iocs.csv", "case.pcap"]).status.success());
    for args in [
        &["replay", "--iocs", "iocs.csv", "--out", "again", "case.pcap"][..],
        &["report", "--latest", "--dir", "out", "--out", "page.html"],
        &["rules", "check", "a.rules"],
        &["rules", "check", "--json", "a.rules"],
        &["policy", "check", "-c", "ringward.toml"],
        &["policy", "check", "--json", "-c", "ringward.toml"],
        &["doctor", "lo"],
        &["reference", "counters"],
    ] {
        let output = unread(&desk, args);
        let said = stderr(&output);
        assert_eq!(output.status.signal(), Some(SIGPIPE), "{args:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("Broken pipe"), "{args:?}: {said}");
    }
    assert!(desk.path("page.html").exists());
}

#[test]
fn a_closed_standard_error_does_not_matter() {
    let desk = Desk::new("bad.example\nnot a domain!\n");
    case().write(&desk.path("case.pcap"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(RINGWARD)
        .args(["replay", "--iocs", "iocs.csv", "case.pcap"])
        .current_dir(desk.dir.path())
        .stdout(Stdio::null())
        .stderr(writer)
        .status()
        .unwrap();
    assert!(status.success(), "{status:?}");
}

#[test]
fn texts_of_others_do_not_steer_the_terminal() {
    let desk = Desk::new("bad.example\n");
    let hostile = "\u{1b}[2J\u{9b}31m\u{202e}\u{7f}";
    std::fs::write(desk.path("iocs.csv"), format!("bad.example\nnot {hostile} a domain\n")).unwrap();
    std::fs::write(
        desk.path("a.rules"),
        format!("alert tcp any any -> any any (msg:\"a\"; {hostile}; sid:1;)\n"),
    )
    .unwrap();
    let name = format!("case{hostile}.pcap");
    case().write(&desk.path(&name));
    for args in [
        &["replay", "--iocs", "iocs.csv", &name][..],
        &["replay", &format!("absent{hostile}")],
        &["rules", "check", "a.rules"],
        &["rules", "check", "--json", "a.rules"],
        &["isolate", "add", "10.0.0.1", "--reason", hostile, "--socket", &format!("absent{hostile}")],
        &["report", "--dir", "out", "--out", "x", &format!("id{hostile}")],
    ] {
        let output = ringward(desk.dir.path(), args);
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        let steers = |c: char| c != '\n' && wire::Shown::is_hazard(c);
        assert!(!said.is_empty() && !said.contains(steers), "{args:?}: {said:?}");
    }
}

#[test]
fn history_without_a_ledger_says_so() {
    let desk = Desk::new("");
    for dir in ["absent", "."] {
        for more in [&[][..], &["--verify"]] {
            let args = [&["isolate", "history", "--dir", dir], more].concat();
            let output = ringward(desk.dir.path(), args);
            assert_eq!(output.status.code(), Some(1), "{dir}");
            assert_eq!(stderr(&output), format!("ringward: {dir}: there is no ledger\n"));
        }
    }
}

#[test]
fn a_report_elsewhere_keeps_its_links() {
    let desk = Desk::new("bad.example\n");
    let mut capture = Capture::default();
    capture.http(at("10.0.0.1:4000"), at("198.51.100.1:80"), "bad.example", "/");
    capture.write(&desk.path("case.pcap"));
    let replay = ringward(desk.dir.path(), ["replay", "--iocs", "iocs.csv", "--out", "a b/out", "case.pcap"]);
    assert!(replay.status.success(), "{}", stderr(&replay));
    std::fs::create_dir_all(desk.path("pages/today")).unwrap();
    for page in ["pages/today/p.html", "page.html", "a b/out/incidents/again.html"] {
        let output = ringward(desk.dir.path(), ["report", "--latest", "--dir", "a b/out", "--out", page]);
        assert!(output.status.success(), "{}", stderr(&output));
        let page = desk.path(page);
        let html = std::fs::read_to_string(&page).unwrap();
        let links: Vec<&str> =
            html.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(!links.is_empty());
        for link in links {
            let file = page.parent().unwrap().join(link.replace("%20", " "));
            assert!(file.is_file(), "{link} of {}", page.display());
        }
    }
}

#[test]
fn durations_are_refused_for_what_they_are() {
    let desk = Desk::new("");
    for (ttl, why) in
        [("9999d", "is too long (maximum 3650d)"), ("soon", "invalid duration \"soon\" (expected e.g.")]
    {
        let output = ringward(desk.dir.path(), ["isolate", "add", "10.0.0.1", "--ttl", ttl]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
}

#[test]
fn the_version_has_the_commit_and_bad_log_settings_are_one_line() {
    let desk = Desk::new("");
    let version = String::from_utf8(ringward(desk.dir.path(), ["--version"]).stdout).unwrap();
    let commit = version.trim().strip_prefix(concat!("ringward ", env!("CARGO_PKG_VERSION"))).unwrap();
    // An archive without git has none.
    let fits = |c: &str| c.len() >= 7 && c.bytes().all(|b| b.is_ascii_hexdigit());
    let named = commit.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    assert!(commit.is_empty() || named.is_some_and(fits), "{version}");
    std::fs::write(desk.path("loud.toml"), "[log]\nlevel = \"loud\"\n").unwrap();
    let output = ringward(desk.dir.path(), ["run", "-c", "loud.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("ringward: loud.toml:2: unknown variant `loud`, expected one of `off`"),
        "{}",
        stderr(&output)
    );
    let output = Command::new(RINGWARD).arg("stats").env("RINGWARD_LOG_FORMAT", "xml").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "ringward: RINGWARD_LOG_FORMAT: invalid log format \"xml\" (expected text, json)\n"
    );
}
