//! Handshakes, ends, resets.

use super::*;

const FIN_ACK: u8 = TcpFlags::FIN | TcpFlags::ACK;
const SYN_ACK: u8 = TcpFlags::SYN | TcpFlags::ACK;

#[test]
fn states_follow_the_handshake_and_the_end() {
    let mut case = Case::new(StreamOptions::default());
    assert_eq!(case.tcp.record().state, "none");
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    assert_eq!((case.tcp.state(), case.tcp.record().state), (FlowState::New, "syn_sent"));
    case.send(DOWN, 499, 100, SYN_ACK, b"");
    assert_eq!(case.tcp.record().state, "syn_recv");
    case.send(UP, 100, 500, TcpFlags::ACK, b"");
    assert_eq!((case.tcp.state(), case.tcp.record().state), (FlowState::Established, "established"));
}

#[test]
fn a_connection_is_opened_by_both_sides() {
    let ack = |payload| TcpHeader {
        src_port: 1,
        dst_port: 2,
        seq: 100,
        ack: payload,
        flags: TcpFlags(TcpFlags::ACK),
        window: 9,
    };
    let data = |header, payload| Segment {
        header,
        window_scale: None,
        direction: UP,
        receiver: Ipv4Addr::LOCALHOST.into(),
        payload,
        missing: 0,
        time: Nanos(0),
    };
    let mut case = Case::new(StreamOptions::default());
    let syn = TcpHeader { flags: TcpFlags(TcpFlags::SYN), ..ack(0) };
    assert!(case.tcp.carries_opened(&data(syn, b"early")));
    assert!(!case.tcp.carries_opened(&data(syn, b"")));
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    assert!(!case.tcp.carries_opened(&data(ack(500), b"x")));
    case.send(DOWN, 499, 100, SYN_ACK, b"");
    assert!(case.tcp.carries_opened(&data(ack(500), b"x")) && !case.tcp.was_opened());
    assert!(!case.tcp.carries_opened(&data(ack(400), b"x")));
    case.send(UP, 100, 500, TcpFlags::ACK, b"xy");
    assert!(case.tcp.was_opened());
    assert_eq!([UP, DOWN].map(|way| case.tcp.stream_size(way)), [3, 1]);

    // Only one side is heard.
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    case.send(UP, 100, 500, TcpFlags::ACK, b"");
    assert!(!case.tcp.was_opened() && !case.tcp.carries_opened(&data(ack(500), b"x")));
}

#[test]
fn the_client_closes_first() {
    let mut case = Case::opened();
    case.send(UP, 100, 500, FIN_ACK, b"");
    assert_eq!(case.tcp.record().state, "close_wait");
    case.send(DOWN, 500, 101, FIN_ACK, b"");
    assert_eq!(case.tcp.record().state, "last_ack");
    assert_eq!(case.tcp.state(), FlowState::Closed);
    case.send(UP, 101, 501, TcpFlags::ACK, b"");
    assert_eq!(case.tcp.record().state, "closed");
}

#[test]
fn the_server_closes_first() {
    let mut case = Case::opened();
    case.send(DOWN, 500, 100, FIN_ACK, b"");
    assert_eq!(case.tcp.record().state, "fin_wait1");
    case.send(UP, 100, 501, TcpFlags::ACK, b"");
    assert_eq!(case.tcp.record().state, "fin_wait2");
    case.send(UP, 100, 501, FIN_ACK, b"");
    assert_eq!(case.tcp.record().state, "time_wait");
    case.send(DOWN, 501, 101, TcpFlags::ACK, b"");
    assert_eq!(case.tcp.record().state, "closed");
}

#[test]
fn both_close_at_once() {
    let mut case = Case::opened();
    case.send(DOWN, 500, 100, FIN_ACK, b"");
    case.send(UP, 100, 500, FIN_ACK, b"");
    assert_eq!(case.tcp.record().state, "closing");
    case.send(UP, 101, 501, TcpFlags::ACK, b"");
    assert_eq!(case.tcp.record().state, "time_wait");
}

#[test]
fn both_open_at_once() {
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    case.send(DOWN, 499, 0, TcpFlags::SYN, b"");
    assert_eq!(case.tcp.record().state, "syn_recv");
    case.send(UP, 99, 500, SYN_ACK, b"");
    case.send(DOWN, 499, 100, SYN_ACK, b"");
    case.send(UP, 100, 500, TcpFlags::ACK, b"hello");
    assert_eq!(case.tcp.record().state, "established");
    assert_eq!(case.said[0], "hello");
    assert!(case.anomalies.is_empty(), "{:?}", case.anomalies);
}

#[test]
fn data_may_come_with_the_syn() {
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 99, 0, TcpFlags::SYN, b"GET");
    case.send(DOWN, 499, 103, SYN_ACK, b"200");
    case.send(UP, 103, 503, TcpFlags::ACK, b" /");
    assert_eq!(case.said, ["GET /", "200"]);
    assert!(case.anomalies.is_empty(), "{:?}", case.anomalies);
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 99, 0, TcpFlags::SYN, b"GET");
    case.send(DOWN, 499, 100, SYN_ACK, b"");
    assert_eq!(case.anomalies, [StreamAnomaly::SynAckFastOpenIgnored]);
}

#[test]
fn a_second_attempt_begins_anew() {
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 7, 0, TcpFlags::SYN, b"");
    case.open();
    case.up(100, b"abc");
    assert_eq!(case.said[0], "abc");
    assert!(case.anomalies.is_empty());
}

#[test]
fn other_numbers_in_the_handshake_are_told() {
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    case.send(DOWN, 499, 77, SYN_ACK, b"");
    assert_eq!(case.anomalies, [StreamAnomaly::SynAckWrongAck]);
    case.send(DOWN, 499, 100, SYN_ACK, b"");
    case.send(UP, 7, 0, TcpFlags::SYN, b"");
    assert_eq!(case.anomalies[1..], [StreamAnomaly::SynResendDifferentSeq]);
    // The client takes the second of two SYN/ACKs.
    case.send(DOWN, 799, 100, SYN_ACK, b"");
    assert_eq!(case.anomalies[2..], [StreamAnomaly::SynAckResendDifferentSeq]);
    case.send(UP, 100, 800, TcpFlags::ACK, b"");
    case.send(DOWN, 800, 100, TcpFlags::ACK, b"hi");
    assert_eq!(case.said[1], "hi");
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    case.send(UP, 9, 0, TcpFlags::SYN, b"");
    case.send(DOWN, 9, 0, TcpFlags::SYN, b"");
    case.send(DOWN, 9, 100, SYN_ACK, b"");
    let all = [
        StreamAnomaly::EstablishedSynResend,
        StreamAnomaly::EstablishedSynResendDifferentSeq,
        StreamAnomaly::EstablishedSynToClient,
        StreamAnomaly::EstablishedSynAckResendDifferentSeq,
    ];
    assert_eq!(case.anomalies[3..], all);
    case.up(100, b"abc");
    assert_eq!(case.said[0], "abc");
}

#[test]
fn a_reset_counts_only_in_the_window() {
    let mut case = Case::opened();
    case.send(UP, 0x7000_0000, 0, TcpFlags::RST, b"");
    assert_eq!(case.tcp.state(), FlowState::Established, "a blind reset is no reset");
    assert_eq!(case.anomalies, [StreamAnomaly::ResetOutOfWindow]);
    case.up(100, b"abc");
    case.send(DOWN, 500, 103, TcpFlags::ACK, b"");
    case.send(UP, 101, 0, TcpFlags::RST, b"");
    assert_eq!(case.tcp.state(), FlowState::Established, "the receiver is further");
    case.send(UP, 103, 0, TcpFlags::RST, b"why");
    assert_eq!((case.tcp.state(), case.tcp.record().state), (FlowState::Closed, "closed"));
    assert_eq!(case.said[0], "abc");
}

#[test]
fn who_goes_on_behind_a_reset_did_not_send_it() {
    let mut case = Case::opened();
    case.send(UP, 100, 0, TcpFlags::RST, b"");
    case.up(100, b"abc");
    assert_eq!(case.anomalies, [StreamAnomaly::SuspectedResetInjection]);
    assert_eq!((case.tcp.state(), case.said[0].as_str()), (FlowState::Established, "abc"));
}

#[test]
fn a_refused_connection_is_closed() {
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    case.send(DOWN, 0, 100, TcpFlags::RST | TcpFlags::ACK, b"");
    assert_eq!(case.tcp.state(), FlowState::Closed);
}

#[test]
fn a_fin_has_its_place() {
    let mut case = Case::opened();
    case.send(UP, 106, 500, FIN_ACK, b"");
    case.send(DOWN, 500, 100, FIN_ACK, b"");
    assert_eq!(case.tcp.state(), FlowState::Established, "bytes before it have not come");
    case.up(103, b"defGHI");
    assert_eq!(case.anomalies, [StreamAnomaly::DataBeyondFin]);
    case.up(100, b"abc");
    assert_eq!((case.said[0].as_str(), case.tcp.state()), ("abcdef", FlowState::Closed));
}

#[test]
fn a_fin_that_the_receiver_did_not_believe_is_taken_back() {
    let mut case = Case::opened();
    case.send(UP, 100, 500, FIN_ACK, b"");
    case.send(DOWN, 500, 110, TcpFlags::ACK, b"");
    assert_eq!(case.tcp.record().state, "established");
    case.up(110, b"more");
    assert_eq!(case.anomalies, [StreamAnomaly::FinOutOfWindow]);
    assert_eq!(case.end(), "[10]more");
    let mut case = Case::opened();
    case.up(100, b"abc");
    case.send(UP, 101, 500, FIN_ACK, b"");
    assert_eq!(case.anomalies, [StreamAnomaly::FinOutOfWindow], "in front of bytes that came");
    assert_eq!(case.tcp.record().state, "established");
}

#[test]
fn ports_are_used_again_when_the_connection_is_over() {
    let syn =
        TcpHeader { src_port: 1, dst_port: 2, seq: 0, ack: 0, flags: TcpFlags(TcpFlags::SYN), window: 9 };
    let mut case = Case::opened();
    assert!(!case.tcp.is_reuse(&syn));
    case.send(UP, 100, 500, FIN_ACK, b"");
    case.send(DOWN, 500, 101, FIN_ACK, b"");
    assert!(case.tcp.is_reuse(&syn));
}

/// A connection whose payload nobody wants, after `bytes` of it in full segments.
fn ignored(bytes: u32) -> Case {
    let mut case = Case::new(StreamOptions::default());
    case.send(UP, 99, 0, TcpFlags::SYN, b"");
    case.tcp.ignore_payload();
    for at in (0..bytes).step_by(1000) {
        case.up(100 + at, &[b'.'; 1000]);
    }
    assert_eq!(case.said[0], "");
    case
}

#[test]
fn a_reset_ends_a_connection_whose_payload_is_ignored() {
    let mut case = ignored(3_000_000);
    case.send(UP, 100, 0, TcpFlags::RST, b"");
    assert_eq!(case.tcp.state(), FlowState::New, "a blind shot");
    case.send(UP, 3_000_100, 0, TcpFlags::RST, b"");
    assert_eq!(case.tcp.state(), FlowState::Closed);
}

#[test]
fn fins_end_a_connection_that_passes_unseen_wherever_they_are() {
    let mut case = ignored(1000);
    case.tcp.lose_track();
    // What came while the kernel was being told places the stream; the FIN lies far behind it.
    case.send(UP, 1100, 0, TcpFlags::ACK, b"seen");
    case.send(UP, 90_000_000, 1, TcpFlags::FIN | TcpFlags::ACK, b"last");
    assert_ne!(case.tcp.state(), FlowState::Closed);
    case.send(DOWN, 70_000_000, 90_000_005, TcpFlags::FIN | TcpFlags::ACK, b"");
    assert_eq!(case.tcp.state(), FlowState::Closed);
    case.send(UP, 90_000_005, 70_000_001, TcpFlags::ACK, b"");
    assert_eq!(case.tcp.record().state, "closed");
}

#[test]
fn any_reset_ends_a_connection_that_passes_unseen() {
    let mut case = ignored(1000);
    case.tcp.lose_track();
    case.send(UP, 2_000_000_000, 0, TcpFlags::RST, b"");
    assert_eq!(case.tcp.state(), FlowState::Closed);
}
