//! The streams of captures, byte by byte, as tshark follows them.
//!
//! A sample in the ordinary run; every capture with `RINGWARD_ALL_CAPTURES` set. Every difference that stays
//! is in docs/stream-differences.md with its reason, and no other is let pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use capture::CaptureFile;
use flow::{Ended, FlowTable, FlowTuple, HostPolicies, OverlapPolicy, Segment, StreamEvent, StreamOptions};
use flow::{Streams, Timeouts};
use wire::{Decoded, Direction, Endpoint, IpProto, decode};

use crate::oracles::captures;
use crate::support::shared_data;

/// Streams of one capture that are compared: the first so many.
const MAX_STREAMS: usize = 60;
/// Bytes of a capture; longer ones take tshark too long.
const MAX_CAPTURE: u64 = 8 * 1024 * 1024;
/// Of how many captures the ordinary run takes one.
const SAMPLE: usize = 41;

/// What one direction carried; gaps as tshark writes them.
type Content = Vec<u8>;

/// What a flow said, by who said it.
#[derive(Debug, Default)]
struct Talk {
    frames: BTreeSet<u64>,
    said: BTreeMap<String, Content>,
    odd: BTreeSet<&'static str>,
}

struct Open {
    tuple: FlowTuple,
    talk: Talk,
}

fn gap(n: u64) -> Vec<u8> {
    format!("[{n} bytes missing in capture file]\0").into_bytes()
}

fn name(end: Endpoint) -> String {
    if end.ip.is_ipv6() { format!("[{}]:{}", end.ip, end.port) } else { format!("{}:{}", end.ip, end.port) }
}

fn note(open: &mut Open, event: StreamEvent<'_>) {
    let from = |direction| {
        name(if direction == Direction::ToServer { open.tuple.client } else { open.tuple.server })
    };
    match event {
        StreamEvent::Data(direction, bytes) => {
            open.talk.said.entry(from(direction)).or_default().extend_from_slice(bytes);
        }
        StreamEvent::Gap(direction, n) => {
            open.talk.said.entry(from(direction)).or_default().extend(gap(n));
        }
        StreamEvent::Depth(_) => panic!("there is no depth here"),
        StreamEvent::Anomaly(_, anomaly) => {
            open.talk.odd.insert(anomaly.name());
        }
    }
}

/// The TCP conversations of a capture, none of them in a tunnel or of fragments.
fn ours(path: &Path) -> Vec<Talk> {
    let policies = HostPolicies::new(OverlapPolicy::First, []);
    let streams = Streams::new(StreamOptions { policies, depth: 0, memory: 1 << 30 });
    let mut timeouts = Timeouts::default();
    // tshark has none.
    timeouts.tcp.new = std::time::Duration::from_secs(1 << 30);
    timeouts.tcp.established = timeouts.tcp.new;
    timeouts.tcp.closed = timeouts.tcp.new;
    let mut table: FlowTable<Open> = FlowTable::new(1 << 20, timeouts);
    let mut talks = Vec::new();
    let finish = |ended: Ended<Open>, talks: &mut Vec<Talk>| {
        let Ended { record, mut tcp, app: mut open, .. } = ended;
        tcp.flush(&streams, &mut |event| note(&mut open, event));
        if record.tuple.proto == IpProto::TCP {
            talks.push(open.talk);
        }
    };
    let open = |tuple: &FlowTuple| Open { tuple: *tuple, talk: Talk::default() };
    let read = CaptureFile::open(path).and_then(|file| {
        file.read(|record| {
            let Ok(link) = record.link else { return };
            let Ok(Decoded::Ip(packet)) = decode(link, record.bytes) else { return };
            let tracked = table
                .track(&packet, record.time, record.wire_len, open, &mut |ended| finish(ended, &mut talks));
            let Some(flow) = table.get_mut(tracked.slot) else { return };
            if let Some(segment) = Segment::of(&packet, tracked.direction, record.time) {
                flow.app.talk.frames.insert(record.ordinal);
                let app = &mut flow.app;
                flow.tcp.segment(&streams, &segment, &mut |event| note(app, event));
            }
            table.touch(tracked.slot);
        })
    });
    drop(read);
    table.drain(&mut |ended| finish(ended, &mut talks));
    talks
}

/// The first streams as tshark follows them.
fn theirs(path: &Path) -> Vec<Talk> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", path.to_str().unwrap(), "-Y", "tcp", "-T", "fields"]);
    command.args(["-E", "occurrence=f", "-e", "frame.number", "-e", "tcp.stream"]);
    for stream in 0..MAX_STREAMS {
        command.arg("-z").arg(format!("follow,tcp,raw,{stream}"));
    }
    let output = command.output().expect("tshark is installed (scripts/install-deps)");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut talks: Vec<Talk> = Vec::new();
    let mut at = usize::MAX;
    let mut nodes = [String::new(), String::new()];
    for line in text.lines() {
        if let Some(n) = line.strip_prefix("Filter: tcp.stream eq ") {
            at = n.parse().unwrap();
        } else if let Some((node, end)) = line.strip_prefix("Node ").and_then(|rest| rest.split_once(": ")) {
            nodes[usize::from(node == "1")] = end.to_owned();
        } else if at == usize::MAX {
            let Some((frame, stream)) = line.split_once('\t') else { continue };
            let (Ok(frame), Ok(stream)) = (frame.parse(), stream.parse::<usize>()) else { continue };
            if talks.len() <= stream {
                talks.resize_with(stream + 1, Talk::default);
            }
            talks[stream].frames.insert(frame);
        } else if let Some(talk) = talks.get_mut(at) {
            let from = &nodes[usize::from(line.starts_with('\t'))];
            let bytes = hex(line.trim());
            if !bytes.is_empty() {
                talk.said.entry(from.clone()).or_default().extend(bytes);
            }
        }
    }
    talks.truncate(MAX_STREAMS);
    talks
}

fn hex(line: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let pairs = line.as_bytes().chunks_exact(2).map(|p| Some((digit(p[0])? * 16 + digit(p[1])?) as u8));
    pairs.collect::<Option<Vec<u8>>>().unwrap_or_default()
}

/// tshark stops at a hole that nobody acknowledged, and does not tell of one at the end of a capture.
fn ends_in_a_hole(ours: &[u8], theirs: &[u8]) -> bool {
    ours.strip_prefix(theirs).is_some_and(|rest| {
        let digits = rest.strip_prefix(b"[").unwrap_or_default();
        let digits = digits.iter().take_while(|b| b.is_ascii_digit()).count();
        rest[1 + digits..].starts_with(b" bytes missing in capture file]\0")
    })
}

/// Where two directions part, in words.
fn parting(ours: &[u8], theirs: &[u8]) -> String {
    let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    let show = |bytes: &[u8]| {
        String::from_utf8_lossy(&bytes[same.min(bytes.len())..bytes.len().min(same + 40)])
            .escape_debug()
            .to_string()
    };
    format!("{} and {} bytes, part at {same}: {} | {}", ours.len(), theirs.len(), show(ours), show(theirs))
}

#[test]
fn tshark_follows_the_same_streams() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let all = std::env::var_os("RINGWARD_ALL_CAPTURES");
    let step = match &all {
        Some(step) => step.to_str().and_then(|s| s.parse().ok()).unwrap_or(1),
        None => SAMPLE,
    };
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/stream-differences.md");
    let table = std::fs::read_to_string(table).unwrap();
    let (mut streams, mut directions, mut bytes, mut known, mut open_ends) = (0, 0, 0, 0, 0);
    let mut unknown = String::new();
    for path in captures(&data.join("pcap")).into_iter().step_by(step) {
        let short = path.strip_prefix(data.join("pcap")).unwrap().to_string_lossy().into_owned();
        if path.metadata().unwrap().len() > MAX_CAPTURE {
            continue;
        }
        let ours = ours(&path);
        if ours.is_empty() {
            continue;
        }
        let by_frame: BTreeMap<u64, &Talk> =
            ours.iter().flat_map(|talk| talk.frames.iter().map(move |&frame| (frame, talk))).collect();
        for (number, theirs) in theirs(&path).iter().enumerate() {
            let Some(first) = theirs.frames.first() else { continue };
            let mut say = |what: &str| {
                if table.contains(&format!("`{short}`")) {
                    known += 1;
                } else {
                    let _ = writeln!(unknown, "{short} {number} {what}");
                }
            };
            let Some(talk) = by_frame.get(first) else {
                say(&format!("frame {first} is in no flow"));
                continue;
            };
            streams += 1;
            if talk.frames != theirs.frames {
                say(&format!("other frames: {} and {}", talk.frames.len(), theirs.frames.len()));
                continue;
            }
            for from in talk.said.keys().chain(theirs.said.keys()).collect::<BTreeSet<_>>() {
                let empty = Vec::new();
                let (mine, other) =
                    (talk.said.get(from).unwrap_or(&empty), theirs.said.get(from).unwrap_or(&empty));
                directions += 1;
                bytes += mine.len();
                if mine != other && ends_in_a_hole(mine, other) {
                    open_ends += 1;
                } else if mine != other {
                    say(&format!("{from} {:?}: {}", talk.odd, parting(mine, other)));
                }
            }
        }
    }
    eprintln!(
        "{streams} streams, {directions} directions, {bytes} bytes; {open_ends} end in a hole, {known} other known differences"
    );
    assert!(unknown.is_empty(), "differences that docs/stream-differences.md does not know:\n{unknown}");
    assert!(bytes > 50_000, "{bytes}");
}
