use proptest::prelude::*;
use wire::{Direction, TcpFlags, TcpHeader};

use super::*;

const UP: Direction = Direction::ToServer;

fn header(seq: u32, ack: u32, flags: u8) -> TcpHeader {
    TcpHeader { src_port: 1, dst_port: 2, seq, ack, flags: TcpFlags(flags), window: 1000 }
}

/// Feeds segments towards the server; what came out, gaps as `[n]`.
fn feed(segments: &[(u32, &[u8])]) -> String {
    let mut tcp = TcpConnection::default();
    let mut out = String::new();
    let mut sink = |event: StreamEvent<'_>| match event {
        StreamEvent::Data(_, bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        StreamEvent::Gap(_, n) => out.push_str(&format!("[{n}]")),
    };
    tcp.segment(&header(99, 0, TcpFlags::SYN), UP, b"", 0, &mut sink);
    for (seq, bytes) in segments {
        tcp.segment(&header(*seq, 0, TcpFlags::PSH), UP, bytes, 0, &mut sink);
    }
    tcp.flush(&mut sink);
    out
}

#[test]
fn order_is_restored() {
    assert_eq!(feed(&[(100, b"abc"), (103, b"def")]), "abcdef");
    assert_eq!(feed(&[(103, b"def"), (100, b"abc")]), "abcdef");
    assert_eq!(feed(&[(106, b"ghi"), (103, b"def"), (100, b"abc")]), "abcdefghi");
}

#[test]
fn the_first_copy_of_a_byte_wins() {
    assert_eq!(feed(&[(100, b"abc"), (100, b"XYZdef")]), "abcdef");
    assert_eq!(feed(&[(103, b"def"), (101, b"XYZWVUg"), (100, b"a")]), "aXYdefUg");
}

#[test]
fn what_never_came_is_a_gap() {
    assert_eq!(feed(&[(100, b"abc"), (106, b"ghi")]), "abc[3]ghi");
}

#[test]
fn what_the_snap_length_cut_is_a_gap() {
    let mut tcp = TcpConnection::default();
    let mut out = Vec::new();
    let mut sink = |event: StreamEvent<'_>| {
        out.push(match event {
            StreamEvent::Data(_, bytes) => String::from_utf8_lossy(bytes).into_owned(),
            StreamEvent::Gap(_, n) => format!("[{n}]"),
        });
    };
    tcp.segment(&header(100, 0, TcpFlags::PSH), UP, b"abc", 7, &mut sink);
    tcp.segment(&header(110, 0, TcpFlags::PSH), UP, b"def", 0, &mut sink);
    assert_eq!(out, ["abc", "[7]", "def"]);
}

#[test]
fn an_acknowledged_hole_is_given_up_at_once() {
    let mut tcp = TcpConnection::default();
    let mut out = Vec::new();
    let mut sink = |event: StreamEvent<'_>| {
        out.push(match event {
            StreamEvent::Data(_, bytes) => String::from_utf8_lossy(bytes).into_owned(),
            StreamEvent::Gap(_, n) => format!("[{n}]"),
        });
    };
    tcp.segment(&header(99, 0, TcpFlags::SYN), UP, b"", 0, &mut sink);
    tcp.segment(&header(110, 0, TcpFlags::PSH), UP, b"later", 0, &mut sink);
    tcp.segment(&header(500, 115, TcpFlags::ACK), Direction::ToClient, b"", 0, &mut sink);
    assert_eq!(out, ["[10]", "later"]);
}

#[test]
fn sequence_numbers_wrap() {
    let mut tcp = TcpConnection::default();
    let mut out = Vec::new();
    let mut sink = |event: StreamEvent<'_>| {
        if let StreamEvent::Data(_, bytes) = event {
            out.extend_from_slice(bytes);
        }
    };
    tcp.segment(&header(u32::MAX - 1, 0, TcpFlags::SYN), UP, b"", 0, &mut sink);
    tcp.segment(&header(1, 0, TcpFlags::PSH), UP, b"cd", 0, &mut sink);
    tcp.segment(&header(u32::MAX, 0, TcpFlags::PSH), UP, b"ab", 0, &mut sink);
    assert_eq!(out, b"abcd");
}

#[test]
fn states_follow_the_handshake_and_the_end() {
    let mut tcp = TcpConnection::default();
    let mut sink = |_: StreamEvent<'_>| {};
    tcp.segment(&header(0, 0, TcpFlags::SYN), UP, b"", 0, &mut sink);
    assert_eq!((tcp.state(), tcp.record().state), (FlowState::New, "syn_sent"));
    tcp.segment(&header(0, 1, TcpFlags::SYN | TcpFlags::ACK), Direction::ToClient, b"", 0, &mut sink);
    assert_eq!(tcp.record().state, "syn_recv");
    tcp.segment(&header(1, 1, TcpFlags::ACK), UP, b"", 0, &mut sink);
    assert_eq!(tcp.state(), FlowState::Established);
    tcp.segment(&header(0x7000_0000, 0, TcpFlags::RST), UP, b"", 0, &mut sink);
    assert_eq!(tcp.state(), FlowState::Established, "a blind reset is no reset");
    tcp.segment(&header(1, 0, TcpFlags::RST), UP, b"", 0, &mut sink);
    assert_eq!(tcp.state(), FlowState::Closed);
}

#[test]
fn waiting_bytes_are_bounded() {
    let mut tcp = TcpConnection::default();
    let mut gaps = 0;
    let mut sink = |event: StreamEvent<'_>| {
        if let StreamEvent::Gap(..) = event {
            gaps += 1;
        }
    };
    tcp.segment(&header(0, 0, TcpFlags::SYN), UP, b"", 0, &mut sink);
    for i in 0..2000_u32 {
        tcp.segment(&header(10 + i * 2000, 0, TcpFlags::PSH), UP, &[0; 1000], 0, &mut sink);
        assert!(tcp.waiting_bytes() <= MAX_WAITING_BYTES);
    }
    assert!(tcp.halves[0].waiting.len() <= MAX_WAITING_SEGMENTS);
    assert!(gaps > 1000);
}

proptest! {
    /// Any segmentation, order, overlap and duplication of a stream yields its bytes.
    #[test]
    fn any_arrival_gives_the_stream(
        stream in prop::collection::vec(any::<u8>(), 1..600),
        cuts in prop::collection::vec((0_usize..600, 1_usize..80), 0..60),
        start in any::<u32>(),
    ) {
        let mut segments: Vec<(usize, usize)> = cuts.into_iter()
            .map(|(at, len)| (at % stream.len(), len))
            .collect();
        // Whatever the random segments leave out arrives last.
        segments.extend((0..stream.len()).step_by(7).map(|at| (at, 7)));
        let mut tcp = TcpConnection::default();
        let mut out = Vec::new();
        let mut sink = |event: StreamEvent<'_>| match event {
            StreamEvent::Data(_, bytes) => out.extend_from_slice(bytes),
            StreamEvent::Gap(..) => out.clear(),
        };
        tcp.segment(&header(start, 0, TcpFlags::SYN), UP, b"", 0, &mut sink);
        for (at, len) in segments {
            let end = (at + len).min(stream.len());
            let seq = start.wrapping_add(1).wrapping_add(at as u32);
            tcp.segment(&header(seq, 0, TcpFlags::PSH), UP, &stream[at..end], 0, &mut sink);
        }
        tcp.flush(&mut sink);
        prop_assert_eq!(out, stream);
    }

    /// Nothing that arrives makes it panic or hoard.
    #[test]
    fn any_segments_are_survived(
        segments in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u8>(), any::<bool>(), 0_usize..2000), 0..300),
    ) {
        let mut tcp = TcpConnection::default();
        for (seq, ack, flags, up, len) in segments {
            let direction = if up { UP } else { Direction::ToClient };
            tcp.segment(&header(seq, ack, flags), direction, &vec![7; len], (len % 5) as u32, &mut |_| {});
            prop_assert!(tcp.waiting_bytes() <= 2 * MAX_WAITING_BYTES);
        }
        tcp.flush(&mut |_| {});
        prop_assert_eq!(tcp.waiting_bytes(), 0);
    }
}

/// A connection whose payload nobody wants, after `bytes` of it in full segments.
fn ignored(bytes: u32) -> TcpConnection {
    let mut tcp = TcpConnection::default();
    tcp.segment(&header(99, 0, TcpFlags::SYN), UP, b"", 0, &mut |_| {});
    tcp.ignore_payload();
    for at in (0..bytes).step_by(1000) {
        tcp.segment(&header(100 + at, 0, TcpFlags::ACK), UP, &[0; 1000], 0, &mut |_| {});
    }
    tcp
}

#[test]
fn a_reset_ends_a_connection_whose_payload_is_ignored() {
    let mut tcp = ignored(3_000_000);
    tcp.segment(&header(100, 0, TcpFlags::RST), UP, b"", 0, &mut |_| {});
    assert_eq!(tcp.state(), FlowState::New, "a blind shot");
    tcp.segment(&header(3_000_100, 0, TcpFlags::RST), UP, b"", 0, &mut |_| {});
    assert_eq!(tcp.state(), FlowState::Closed);
}

#[test]
fn any_reset_ends_a_connection_that_passes_unseen() {
    let mut tcp = ignored(1000);
    tcp.lose_track();
    tcp.segment(&header(2_000_000_000, 0, TcpFlags::RST), UP, b"", 0, &mut |_| {});
    assert_eq!(tcp.state(), FlowState::Closed);
}
