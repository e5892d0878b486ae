//! What it costs to look for the contents of a rule set: ours beside Aho-Corasick, on captured bytes.
//!
//! Prints a figure a line: name, parameters, value, unit, aim, separated by tabs. The rules and the captures are those
//! of `RINGWARD_DATA`; without them nothing is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use capture::CaptureFile;
use flate2::read::GzDecoder;
use rustix::time::{ClockId, clock_gettime};
use search::{Builder, Patterns};
use wire::{Decoded, decode};

/// Patterns of the sets.
const SIZES: [usize; 4] = [100, 1000, 3000, 8000];
/// Bytes of payload that are searched, about; addresses and names are taken from all captures, each once.
const PAYLOAD: usize = 8 << 20;
/// Captures larger than this are left out: many small ones are more varied.
const LARGEST: u64 = 1 << 20;
/// Bytes of the patterns in them, at least: shorter ones are found everywhere, and a rule seldom has nothing better.
const SHORTEST: usize = 4;
/// Turns; the fastest counts.
const ROUNDS: usize = 5;

/// Time that this thread has had on a processor.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = cpu_time();
    let done = work();
    (done, (cpu_time() - start).as_secs_f64() * 1e9)
}

fn figure(name: &str, params: &str, value: f64, unit: &str, aim: &str) {
    println!("{name}\t{params}\t{value:.3}\t{unit}\t{aim}");
}

/// The bytes of a content between its quotes; hexadecimal between bars.
fn content(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut hex, mut half) = (Vec::new(), false, None);
    let mut at = text.iter();
    while let Some(&byte) = at.next() {
        match (byte, hex) {
            (b'|', _) => hex = !hex,
            (_, true) => {
                if let Some(digit) = char::from(byte).to_digit(16) {
                    match half.take() {
                        Some(high) => bytes.push((high * 16 + digit) as u8),
                        None => half = Some(digit),
                    }
                }
            }
            (b'\\', false) => bytes.extend(at.next()),
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// `fast_pattern`, bytes, buffer, `nocase`.
type Content = (bool, Vec<u8>, String, bool);

/// A rule's longest content (or that with `fast_pattern`), by protocol and buffer: roughly what a sensor would look for.
fn pattern(rule: &[u8]) -> Option<(String, Vec<u8>, bool)> {
    let text = String::from_utf8_lossy(rule);
    let proto = text.split(' ').nth(1)?.to_owned();
    let mut options = rule.get(rule.iter().position(|&b| b == b'(')? + 1..)?;
    let (mut buffer, mut best): (String, Option<Content>) = (String::new(), None);
    let mut current: Option<Content> = None;
    loop {
        // An option ends at a semicolon that is neither quoted nor escaped.
        let (mut quoted, mut escaped) = (false, false);
        let end = options.iter().position(|&byte| {
            let ends = byte == b';' && !quoted && !escaped;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let option = options.get(..end.unwrap_or(0)).unwrap_or_default().trim_ascii();
        let colon = option.iter().position(|&b| b == b':').unwrap_or(option.len());
        let (key, value) = option.split_at(colon);
        let key = String::from_utf8_lossy(key).into_owned();
        if (key == "content" || end.is_none())
            && let Some(found) = current.take()
            && best.as_ref().is_none_or(|best| (found.0, found.1.len()) > (best.0, best.1.len()))
        {
            best = Some(found);
        }
        let Some(end) = end else { break };
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match (key.as_str(), &mut current) {
            ("content", _) if value.first() == Some(&b'"') => {
                let text = value.get(1..value.len() - 1).unwrap_or_default();
                current = Some((false, content(text), buffer.clone(), false));
            }
            ("nocase", Some(current)) => current.3 = true,
            ("fast_pattern", Some(current)) => current.0 = true,
            ("file_data" | "dns_query" | "tls_sni" | "pkt_data", _) => buffer = key.replace('_', "."),
            (old, Some(current)) if old.starts_with("http_") => current.2 = old.replacen('_', ".", 1),
            (new, _) if new.contains('.') && value.is_empty() => buffer = new.to_owned(),
            _ => {}
        }
        options = options.get(end + 1..).unwrap_or_default();
    }
    let (_, bytes, buffer, nocase) = best?;
    let group = if buffer.is_empty() { format!("{proto} payload") } else { buffer };
    (!bytes.is_empty()).then_some((group, bytes, nocase))
}

type Set = Vec<(Vec<u8>, bool)>;

/// The patterns of the rules by group.
fn groups(rules: &Path) -> std::io::Result<BTreeMap<String, Set>> {
    let mut text = Vec::new();
    GzDecoder::new(File::open(rules)?).read_to_end(&mut text)?;
    let mut groups: BTreeMap<String, BTreeSet<(Vec<u8>, bool)>> = BTreeMap::new();
    for rule in text.split(|&b| b == b'\n').filter(|line| line.starts_with(b"alert")) {
        if let Some((group, bytes, nocase)) = pattern(rule) {
            groups.entry(group).or_default().insert((bytes, nocase));
        }
    }
    Ok(groups.into_iter().map(|(group, set)| (group, shuffled(set))).collect())
}

/// In an order that looks random and is the same in every run.
fn shuffled(set: BTreeSet<(Vec<u8>, bool)>) -> Set {
    let mut set: Set = set.into_iter().collect();
    let mut state = 1_u64;
    for i in (1..set.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        set.swap(i, (state >> 33) as usize % (i + 1));
    }
    set
}

fn captures(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            captures(&path, found)?;
        } else if (name.ends_with(".pcap") || name.ends_with(".pcapng")) && entry.metadata()?.len() < LARGEST
        {
            found.push(path);
        }
    }
    Ok(())
}

/// What is searched.
#[derive(Default)]
struct Haystacks {
    payloads: Vec<Vec<u8>>,
    uris: Vec<Vec<u8>>,
    names: Vec<Vec<u8>>,
    seen: BTreeSet<Vec<u8>>,
    bytes: usize,
}

impl Haystacks {
    fn take(&mut self, payload: &[u8]) {
        let line = payload.split(|&b| b == b'\r').next().unwrap_or_default();
        let mut words = line.split(|&b| b == b' ');
        if let (Some(b"GET" | b"POST" | b"HEAD"), Some(uri), Some(_)) =
            (words.next(), words.next(), words.next())
            && self.seen.insert(uri.to_vec())
        {
            self.uris.push(uri.to_vec());
        }
        let host = payload.windows(8).position(|w| w == b"\r\nHost: ").and_then(|at| payload.get(at + 8..));
        if let Some(name) = host.and_then(|rest| rest.split(|&b| b == b'\r').next()) {
            self.name(name.to_vec());
        }
        // A query's name: labels behind a header of 12 bytes, of which 5 to 11 are these.
        if payload.get(5..12) == Some(&[1, 0, 0, 0, 0, 0, 0]) {
            let labels = payload.get(13..).unwrap_or_default().split(|&b| b == 0).next().unwrap_or_default();
            self.name(labels.iter().map(|&b| if b < b'-' { b'.' } else { b }).collect());
        }
        if self.bytes < PAYLOAD {
            self.bytes += payload.len();
            self.payloads.push(payload.to_vec());
        }
    }

    fn name(&mut self, name: Vec<u8>) {
        if self.seen.insert(name.clone()) {
            self.names.push(name);
        }
    }

    fn read(folder: &Path) -> std::io::Result<Self> {
        let (mut found, mut all) = (Vec::new(), Self::default());
        captures(folder, &mut found)?;
        // Evenly from all collections.
        let step = 7;
        for path in (0..step).flat_map(|from| found.iter().skip(from).step_by(step)) {
            // A file that is no good is not what this is about.
            let _ = CaptureFile::open(path).map(|file| {
                file.read(|record| {
                    let Ok(Ok(Decoded::Ip(packet))) = record.link.map(|link| decode(link, record.bytes))
                    else {
                        return;
                    };
                    if !packet.payload.is_empty() {
                        all.take(packet.payload);
                    }
                })
            });
        }
        Ok(all)
    }
}

/// A way to search.
enum Way {
    Ours(Patterns),
    Other(AhoCorasick),
}

impl Way {
    fn build(name: &str, set: &Set) -> Option<Self> {
        let kind = match name {
            "NFA" => AhoCorasickKind::ContiguousNFA,
            "DFA" => AhoCorasickKind::DFA,
            _ => {
                let mut builder = Builder::new();
                for (pattern, nocase) in set {
                    builder.add(pattern, *nocase);
                }
                return Some(Self::Ours(builder.build()));
            }
        };
        // All without case: it has no mixed sets.
        let patterns = set.iter().map(|(pattern, _)| pattern);
        AhoCorasick::builder()
            .kind(Some(kind))
            .ascii_case_insensitive(true)
            .build(patterns)
            .ok()
            .map(Self::Other)
    }

    fn memory(&self) -> usize {
        match self {
            Self::Ours(patterns) => patterns.memory(),
            Self::Other(automaton) => automaton.memory_usage(),
        }
    }

    fn hits(&self, haystacks: &[Vec<u8>]) -> u64 {
        let mut hits = 0;
        for haystack in haystacks {
            match self {
                Self::Ours(patterns) => patterns.find(haystack, 0, &mut |_, _| hits += 1),
                Self::Other(automaton) => hits += automaton.find_overlapping_iter(haystack).count() as u64,
            }
        }
        hits
    }
}

fn measure(kind: &str, set: &Set, haystacks: &[Vec<u8>]) {
    let bytes: usize = haystacks.iter().map(Vec::len).sum();
    for name in ["ours", "NFA", "DFA"] {
        let (way, build) = timed(|| Way::build(name, set));
        let Some(way) = way else { continue };
        let params = format!("{kind}, {} patterns, {name}", set.len());
        let mut hits = 0;
        let nanos = (0..ROUNDS).map(|_| {
            let (found, nanos) = timed(|| way.hits(black_box(haystacks)));
            hits = found;
            nanos
        });
        let nanos = nanos.fold(f64::INFINITY, f64::min);
        figure("search", &params, nanos / bytes as f64, "ns/byte", "");
        figure("search", &params, nanos / haystacks.len() as f64, "ns/search", "");
        figure("hits", &params, hits as f64 * 1000.0 / haystacks.len() as f64, "/1000", "");
        figure("memory", &params, way.memory() as f64 / 1024.0, "KiB", "");
        figure("build", &params, build / 1e6, "ms", "");
    }
}

fn main() -> std::io::Result<()> {
    let data = env::var_os("RINGWARD_DATA").map_or_else(|| PathBuf::from("../../shared/data"), PathBuf::from);
    let rules = data.join("rules/et-open.rules.gz");
    if !rules.exists() {
        eprintln!("no rules at {}: nothing measured", rules.display());
        return Ok(());
    }
    let groups = groups(&rules)?;
    let (built, nanos) = timed(|| {
        let ours = groups.values().filter_map(|set| Way::build("ours", set));
        ours.collect::<Vec<Way>>()
    });
    let all = format!("{} groups, {} patterns", groups.len(), groups.values().map(Vec::len).sum::<usize>());
    figure("build all", &all, nanos / 1e6, "ms", "<= 2000");
    let memory: usize = built.iter().map(Way::memory).sum();
    figure("memory of all", &all, memory as f64 / f64::from(1 << 20), "MiB", "<= 200");
    let haystacks = Haystacks::read(&data.join("pcap"))?;
    let set = |names: &[&str]| -> Set {
        let all = names.iter().filter_map(|name| groups.get(*name)).flatten();
        all.filter(|(pattern, _)| pattern.len() >= SHORTEST).cloned().collect()
    };
    let kinds = [
        ("payload", set(&["tcp payload", "http.request_body", "file.data"]), &haystacks.payloads),
        ("uri", set(&["http.uri", "http.request_body", "http.header", "http.user_agent"]), &haystacks.uris),
        ("name", set(&["dns.query", "tls.sni", "http.host"]), &haystacks.names),
    ];
    for (kind, set, haystacks) in kinds {
        figure("haystacks", kind, haystacks.len() as f64, "", "");
        for size in SIZES {
            let part: Set = set.iter().take(size).cloned().collect();
            measure(kind, &part, haystacks);
        }
    }
    Ok(())
}
