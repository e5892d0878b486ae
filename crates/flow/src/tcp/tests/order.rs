//! Order, loss, limits.

use super::*;

fn feed(segments: &[(u32, &[u8])]) -> String {
    let mut case = Case::opened();
    for (seq, bytes) in segments {
        case.up(*seq, bytes);
    }
    case.end()
}

#[test]
fn order_is_restored() {
    assert_eq!(feed(&[(100, b"abc"), (103, b"def")]), "abcdef");
    assert_eq!(feed(&[(103, b"def"), (100, b"abc")]), "abcdef");
    assert_eq!(feed(&[(106, b"ghi"), (103, b"def"), (100, b"abc")]), "abcdefghi");
}

#[test]
fn what_was_handed_on_stays() {
    assert_eq!(feed(&[(100, b"abc"), (100, b"XYZdef")]), "abcdef");
    let mut case = Case::opened();
    case.up(100, b"abc");
    case.up(100, b"abcdef");
    assert!(case.anomalies.is_empty());
    case.up(103, b"dXf");
    assert_eq!(case.anomalies, [StreamAnomaly::OverlapDifferentData]);
    case.up(103, b"YYY");
    assert_eq!(case.anomalies.len(), 1, "once per connection");
}

#[test]
fn what_never_came_is_a_gap() {
    assert_eq!(feed(&[(100, b"abc"), (106, b"ghi")]), "abc[3]ghi");
}

#[test]
fn bytes_in_order_are_handed_on_where_they_lie() {
    let mut case = Case::opened();
    let payload = *b"some bytes in order";
    let segment = Segment {
        header: TcpHeader {
            src_port: 1,
            dst_port: 2,
            seq: 100,
            ack: 500,
            flags: TcpFlags(TcpFlags::ACK),
            window: 9,
        },
        window_scale: None,
        direction: UP,
        receiver: Ipv4Addr::LOCALHOST.into(),
        payload: &payload,
        missing: 0,
        time: Nanos(0),
    };
    let mut same_place = false;
    case.tcp.segment(&case.streams, &segment, &mut |event| {
        if let StreamEvent::Data(_, bytes) = event {
            same_place = std::ptr::eq(bytes, &raw const payload[..]);
        }
    });
    assert!(same_place);
    assert!(case.tcp.holes.is_none());
}

#[test]
fn what_the_snap_length_cut_is_a_gap() {
    let mut case = Case::opened();
    case.send_cut(UP, 100, 500, TcpFlags::ACK, b"abc", 7);
    case.up(110, b"def");
    assert_eq!(case.said[0], "abc[7]def");
    assert_eq!(case.tcp.record().gap_bytes, [7, 0]);
}

#[test]
fn an_acknowledged_hole_is_given_up_at_once() {
    let mut case = Case::opened();
    case.up(110, b"later");
    case.send(DOWN, 500, 115, TcpFlags::ACK, b"");
    assert_eq!(case.said[0], "[10]later");
}

#[test]
fn an_old_hole_is_given_up() {
    let mut case = Case::opened();
    case.up(110, b"later");
    case.now = case.now.after(HOLE_TIMEOUT);
    case.send(DOWN, 500, 100, TcpFlags::ACK, b"");
    assert_eq!(case.said[0], "");
    case.now = case.now.after(Duration::from_nanos(1));
    case.send(DOWN, 500, 100, TcpFlags::ACK, b"");
    assert_eq!(case.said[0], "[10]later");
}

#[test]
fn missing_bytes_at_the_end_are_a_gap() {
    let mut case = Case::opened();
    case.up(100, b"abc");
    case.send(UP, 110, 500, TcpFlags::FIN | TcpFlags::ACK, b"");
    assert_eq!(case.end(), "abc[7]");
    let mut case = Case::opened();
    case.up(100, b"abc");
    case.send(DOWN, 500, 120, TcpFlags::ACK, b"");
    assert_eq!(case.end(), "abc[17]");
}

#[test]
fn sequence_numbers_wrap() {
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, u32::MAX - 1, 0, TcpFlags::SYN, b"");
    case.send(UP, 1, 0, TcpFlags::PSH, b"cd");
    case.send(UP, u32::MAX, 0, TcpFlags::PSH, b"ab");
    assert_eq!(case.said[0], "abcd");
}

#[test]
fn a_connection_met_midstream_is_followed_both_ways() {
    for first in [UP, DOWN] {
        let mut case = Case::new(StreamOptions::default());
        case.send(first, 7000, 90, TcpFlags::ACK, b"ab");
        case.send(first.reverse(), 90, 7002, TcpFlags::ACK, b"xy");
        case.send(first, 7002, 92, TcpFlags::ACK, b"cd");
        assert_eq!(case.said[first.index()], "abcd");
        assert_eq!(case.said[first.reverse().index()], "xy");
        assert_eq!(case.tcp.state(), FlowState::Established);
    }
}

#[test]
fn one_side_alone_is_followed() {
    let mut case = Case::new(StreamOptions::default());
    case.send(DOWN, 499, 100, TcpFlags::SYN | TcpFlags::ACK, b"");
    case.send(DOWN, 503, 110, TcpFlags::ACK, b"cd");
    case.send(DOWN, 500, 110, TcpFlags::ACK, b"abX");
    assert_eq!(case.said[1], "abXcd");
    assert_eq!(case.tcp.record().state, "established");
    assert_eq!(case.tcp.state(), FlowState::New, "the other side was never heard");
}

#[test]
fn keep_alives_and_window_probes_are_no_conflict() {
    let mut case = Case::opened();
    case.up(100, b"abc");
    case.up(102, b"\0");
    case.up(102, b"");
    // A probe of a closed window: the next byte, taken later.
    case.send(DOWN, 500, 103, TcpFlags::ACK, b"");
    case.up(103, b"d");
    case.up(103, b"def");
    assert_eq!(case.said[0], "abcdef");
    assert!(case.anomalies.is_empty(), "{:?}", case.anomalies);
}

#[test]
fn bytes_outside_the_window_stay_outside() {
    let mut case = Case::opened();
    let far = 100 + 1000 + WINDOW_SLACK as u32;
    case.up(far, b"x");
    assert_eq!(case.anomalies, [StreamAnomaly::PacketOutOfWindow]);
    case.up(far - 1, b"y");
    assert_eq!(case.tcp.waiting_bytes(), 1, "as far as the window and our place on the wire allow");
    case.send(DOWN, 500, far + 1000, TcpFlags::ACK, b"");
    assert_eq!(case.anomalies[1..], [StreamAnomaly::InvalidAck]);
    assert_eq!(case.said[0], "");
}

#[test]
fn the_depth_ends_a_direction_once() {
    let mut case = Case::new(StreamOptions { depth: 5, ..StreamOptions::default() });
    case.open();
    case.up(100, b"abc");
    case.up(103, b"defgh");
    case.up(110, b"later");
    case.up(108, b"ij");
    case.send(DOWN, 500, 115, TcpFlags::ACK, b"01234");
    assert_eq!(case.said, ["abcde|", "01234"]);
    assert_eq!(case.tcp.waiting_bytes(), 0);
    // Its end is still seen.
    case.send(UP, 115, 505, TcpFlags::FIN | TcpFlags::ACK, b"");
    case.send(DOWN, 505, 116, TcpFlags::FIN | TcpFlags::ACK, b"");
    assert_eq!(case.tcp.state(), FlowState::Closed);
}

#[test]
fn waiting_bytes_are_bounded() {
    let mut case = Case::new(StreamOptions { depth: 0, ..StreamOptions::default() });
    case.send(UP, 0, 0, TcpFlags::SYN, b"");
    for i in 0..4000_u32 {
        case.up(10 + i * 2000, &[b'.'; 1000]);
        assert!(case.tcp.waiting_bytes() <= MAX_WAITING_BYTES);
    }
    assert!(case.tcp.holes.as_ref().unwrap().queues[0].len() <= MAX_WAITING_SEGMENTS);
    assert!(case.said[0].matches("[1000]").count() > 2000);
}

#[test]
fn streams_share_a_budget() {
    let mut case = Case::new(StreamOptions { memory: 2050, ..StreamOptions::default() });
    case.open();
    case.up(200, &[b'.'; 900]);
    case.up(1200, &[b'.'; 900]);
    assert_eq!(case.tcp.waiting_bytes(), 1800);
    let greedy = std::mem::take(&mut case.tcp);
    case.open();
    case.up(110, &[b'x'; 90]);
    assert_eq!(case.tcp.waiting_bytes(), 90, "there is room");
    case.up(210, &[b'y'; 200]);
    assert_eq!(case.said[0].len(), "[10]".len() + 90 + "[10]".len() + 200, "nothing is lost that came");
    assert_eq!(case.streams.budget().refused(), 1);
    drop(greedy);
    assert_eq!(case.streams.budget().used(), 0, "what a stream took comes back with it");
}
