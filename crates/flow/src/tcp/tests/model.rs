//! Against a model that is too simple to be wrong: one cell per byte.

use super::*;

/// What a receiver has of a stream: each byte with the number of the segment that brought it.
struct Model {
    cells: Vec<Option<(u8, usize)>>,
    policy: OverlapPolicy,
    delivered: Vec<u8>,
    /// Where each segment lay.
    whole: Vec<(usize, usize)>,
}

impl Model {
    fn new(policy: OverlapPolicy, len: usize) -> Self {
        Model { cells: vec![None; len], policy, delivered: Vec::new(), whole: Vec::new() }
    }

    fn take(&mut self, number: usize, at: usize, bytes: &[u8]) {
        let from = at.max(self.delivered.len());
        let end = at + bytes.len();
        self.whole.push((from, end));
        if from < end {
            let before = self.cells.clone();
            for place in from..end {
                let wins = match before[place] {
                    None => true,
                    Some((_, owner)) => {
                        let mut run = (place, place + 1);
                        while run.0 > 0 && before[run.0 - 1].is_some_and(|(_, o)| o == owner) {
                            run.0 -= 1;
                        }
                        while before.get(run.1).copied().flatten().is_some_and(|(_, o)| o == owner) {
                            run.1 += 1;
                        }
                        if self.policy.compares_whole_segments() {
                            run = self.whole[owner];
                        }
                        let range = |(a, b): (usize, usize)| (a as u32, b as u32);
                        self.policy.new_wins(range(run), range((from, end)))
                    }
                };
                if wins {
                    self.cells[place] = Some((bytes[place - at], number));
                }
            }
        }
        while let Some(Some((byte, _))) = self.cells.get(self.delivered.len()) {
            self.delivered.push(*byte);
        }
    }
}

fn any_policy() -> impl Strategy<Value = OverlapPolicy> {
    prop::sample::select(OverlapPolicy::ALL.to_vec())
}

fn bytes_of(case: &mut Case, seq: u32, payload: &[u8], out: &mut Vec<u8>) {
    let header =
        TcpHeader { src_port: 1, dst_port: 2, seq, ack: 0, flags: TcpFlags(TcpFlags::PSH), window: 1000 };
    let segment = Segment {
        header,
        window_scale: None,
        direction: UP,
        receiver: Ipv4Addr::LOCALHOST.into(),
        payload,
        missing: 0,
        time: Nanos(0),
    };
    case.tcp.segment(&case.streams, &segment, &mut |event| match event {
        StreamEvent::Data(_, bytes) => out.extend_from_slice(bytes),
        StreamEvent::Gap(..) | StreamEvent::Depth(_) => panic!("nothing was given up"),
        StreamEvent::Anomaly(..) => {}
    });
}

proptest! {
    /// Any segmentation, order, overlap and duplication of a stream yields its bytes.
    #[test]
    fn any_arrival_gives_the_stream(
        stream in prop::collection::vec(any::<u8>(), 1..600),
        cuts in prop::collection::vec((0_usize..600, 1_usize..80), 0..60),
        start in any::<u32>(),
        policy_ in any_policy(),
    ) {
        let mut segments: Vec<(usize, usize)> =
            cuts.into_iter().map(|(at, len)| (at % stream.len(), len)).collect();
        // Whatever the random segments leave out arrives last.
        segments.extend((0..stream.len()).step_by(7).map(|at| (at, 7)));
        let mut case = Case::new(policy(policy_));
        case.send(UP, start, 0, TcpFlags::SYN, b"");
        let mut out = Vec::new();
        for (at, len) in segments {
            let end = (at + len).min(stream.len());
            bytes_of(&mut case, start.wrapping_add(1).wrapping_add(at as u32), &stream[at..end], &mut out);
        }
        case.flush();
        prop_assert_eq!(out, stream);
        prop_assert!(case.anomalies.is_empty(), "{:?}", case.anomalies);
        prop_assert_eq!(case.streams.budget().used(), 0);
    }

    /// Segments that disagree come out as the host would have them.
    #[test]
    fn conflicts_are_decided_as_by_the_model(
        segments in prop::collection::vec((0_usize..60, 1_usize..16), 1..40),
        start in any::<u32>(),
        policy_ in any_policy(),
    ) {
        let mut case = Case::new(policy(policy_));
        case.send(UP, start, 0, TcpFlags::SYN, b"");
        let mut model = Model::new(policy_, 80);
        let mut out = Vec::new();
        for (number, (at, len)) in segments.iter().enumerate() {
            let payload = vec![number as u8; *len];
            model.take(number, *at, &payload);
            bytes_of(&mut case, start.wrapping_add(1).wrapping_add(*at as u32), &payload, &mut out);
            prop_assert_eq!(&out, &model.delivered);
        }
    }

    /// Handed on and given up are together the stream, whatever is lost.
    #[test]
    fn bytes_and_gaps_add_up(
        segments in prop::collection::vec((0_u32..5000, 1_usize..300), 1..60),
        start in any::<u32>(),
    ) {
        let mut case = Case::new(StreamOptions::default());
        case.send(UP, start, 0, TcpFlags::SYN, b"");
        let (mut bytes, mut gaps) = (0, 0);
        let mut end = 0;
        for (at, len) in segments {
            end = end.max(u64::from(at) + len as u64);
            let header = TcpHeader {
                src_port: 1, dst_port: 2, seq: start.wrapping_add(1 + at), ack: 0,
                flags: TcpFlags(TcpFlags::PSH), window: 1000,
            };
            let segment = Segment {
                header, window_scale: None, direction: UP, receiver: Ipv4Addr::LOCALHOST.into(),
                payload: &vec![7; len], missing: 0, time: Nanos(0),
            };
            case.tcp.segment(&case.streams, &segment, &mut |event| tally(event, &mut bytes, &mut gaps));
        }
        case.tcp.flush(&case.streams, &mut |event| tally(event, &mut bytes, &mut gaps));
        prop_assert_eq!(bytes + gaps, end);
        prop_assert_eq!(case.tcp.record().gap_bytes, [gaps, 0]);
    }

    /// Nothing that arrives makes it panic or hoard.
    #[test]
    fn any_segments_are_survived(
        segments in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u8>(), any::<bool>(), 0_usize..2000), 0..300),
    ) {
        let mut case = Case::new(StreamOptions { memory: 10_000, ..StreamOptions::default() });
        for (seq, ack, flags, up, len) in segments {
            let direction = if up { UP } else { DOWN };
            case.send_cut(direction, seq, ack, flags, &vec![7; len], (len % 5) as u32);
            prop_assert!(case.tcp.waiting_bytes() <= 10_000);
        }
        case.flush();
        prop_assert_eq!(case.tcp.waiting_bytes(), 0);
        prop_assert_eq!(case.streams.budget().used(), 0);
    }
}

fn tally(event: StreamEvent<'_>, bytes: &mut u64, gaps: &mut u64) {
    match event {
        StreamEvent::Data(_, data) => *bytes += data.len() as u64,
        StreamEvent::Gap(_, n) => *gaps += n,
        StreamEvent::Depth(_) | StreamEvent::Anomaly(..) => {}
    }
}
