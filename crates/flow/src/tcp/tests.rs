use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::HostPolicies;

mod model;
mod order;
mod overlaps;
mod states;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// A connection under test, what it said, and the worker's part.
struct Case {
    streams: Streams,
    tcp: TcpConnection,
    /// Data as it is, gaps as `[n]`, the depth as `|`.
    said: [String; 2],
    anomalies: Vec<StreamAnomaly>,
    now: Nanos,
}

fn policy(policy: OverlapPolicy) -> StreamOptions {
    StreamOptions { policies: HostPolicies::new(policy, []), ..StreamOptions::default() }
}

impl Case {
    fn new(options: StreamOptions) -> Self {
        Case {
            streams: Streams::new(options),
            tcp: TcpConnection::default(),
            said: [String::new(), String::new()],
            anomalies: Vec::new(),
            now: Nanos(0),
        }
    }

    /// The client's SYN was seen, its data begins at 100; the server's at 500.
    fn opened() -> Self {
        let mut case = Case::new(StreamOptions::default());
        case.open();
        case
    }

    fn open(&mut self) {
        self.send(UP, 99, 0, TcpFlags::SYN, b"");
        self.send(DOWN, 499, 100, TcpFlags::SYN | TcpFlags::ACK, b"");
        self.send(UP, 100, 500, TcpFlags::ACK, b"");
    }

    fn send(&mut self, direction: Direction, seq: u32, ack: u32, flags: u8, payload: &[u8]) {
        self.send_cut(direction, seq, ack, flags, payload, 0);
    }

    fn send_cut(
        &mut self,
        direction: Direction,
        seq: u32,
        ack: u32,
        flags: u8,
        payload: &[u8],
        missing: u32,
    ) {
        let header = TcpHeader { src_port: 1, dst_port: 2, seq, ack, flags: TcpFlags(flags), window: 1000 };
        let segment = Segment {
            header,
            window_scale: flags_scale(flags),
            direction,
            receiver: Ipv4Addr::LOCALHOST.into(),
            payload,
            missing,
            time: self.now,
        };
        let (said, anomalies) = (&mut self.said, &mut self.anomalies);
        self.tcp.segment(&self.streams, &segment, &mut |event| note(event, said, anomalies));
    }

    fn up(&mut self, seq: u32, payload: &[u8]) {
        self.send(UP, seq, 500, TcpFlags::ACK | TcpFlags::PSH, payload);
    }

    fn flush(&mut self) {
        let (said, anomalies) = (&mut self.said, &mut self.anomalies);
        self.tcp.flush(&self.streams, &mut |event| note(event, said, anomalies));
    }

    /// What was said to the server, with what waited to the end.
    fn end(mut self) -> String {
        self.flush();
        let [up, _] = self.said;
        up
    }
}

/// Windows are small in these tests: their scale is known to be zero.
fn flags_scale(flags: u8) -> Option<u8> {
    (flags & TcpFlags::SYN != 0).then_some(0)
}

fn note(event: StreamEvent<'_>, said: &mut [String; 2], anomalies: &mut Vec<StreamAnomaly>) {
    match event {
        StreamEvent::Data(d, bytes) => said[d.index()].push_str(&String::from_utf8_lossy(bytes)),
        StreamEvent::Gap(d, n) => said[d.index()].push_str(&format!("[{n}]")),
        StreamEvent::Depth(d) => said[d.index()].push('|'),
        // Every gap is one.
        StreamEvent::Anomaly(_, StreamAnomaly::SequenceGap) => {}
        StreamEvent::Anomaly(_, anomaly) => anomalies.push(anomaly),
    }
}

#[test]
fn a_connection_is_small() {
    assert!(size_of::<TcpConnection>() <= 72, "{}", size_of::<TcpConnection>());
}

#[test]
fn anomalies_have_names_of_their_own() {
    let names: std::collections::BTreeSet<_> = StreamAnomaly::ALL.iter().map(|a| a.name()).collect();
    assert_eq!(names.len(), StreamAnomaly::ALL.len());
    assert!(names.iter().all(|name| name.starts_with("stream.")));
    // The set of those told is as wide as the kinds are many.
    assert!(StreamAnomaly::ALL.iter().all(|&a| (a as usize) < StreamAnomaly::ALL.len()));
}
