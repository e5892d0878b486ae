//! DNP3 (IEEE 1815) over TCP and UDP: link frames, joined to application messages.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{Finder, Found, Frame, Piece, Shape};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// The longest link frame with all its checksums.
const MAX_FRAME: usize = 292;
/// The longest application message that is joined.
const MAX_MESSAGE: usize = 2048;
/// Object headers of a message that are kept.
const MAX_OBJECTS: usize = 32;
const HEADER: usize = 10;
const BLOCK: usize = 16;

/// An object header of an application message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dnp3Object {
    /// What kind of point.
    pub group: u8,
    /// In which form.
    pub variation: u8,
    /// How the points are named.
    pub qualifier: u8,
    /// First and last index, where they are a range.
    pub range: Option<(u32, u32)>,
    /// How many points.
    pub count: u32,
}

/// An application message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dnp3 {
    /// Who sent it.
    pub direction: Direction,
    /// The link's control byte.
    pub link_control: u8,
    /// The sender's address.
    pub source: u16,
    /// The receiver's address.
    pub destination: u16,
    /// The application's control byte.
    pub control: u8,
    /// What is wanted, or 129, 130 in responses.
    pub function: u8,
    /// Internal indications of a response.
    pub indications: Option<u16>,
    /// Object headers: all of a request without data, else the first.
    pub objects: Vec<Dnp3Object>,
    /// Whether all object headers are there.
    pub whole: bool,
    /// The message without its links' and transport's heads, as far as the sink wants payloads kept.
    pub data: Vec<u8>,
}

impl Dnp3 {
    /// Whether it is an outstation's.
    #[must_use]
    pub fn is_response(&self) -> bool {
        self.function >= 129
    }

    /// Internal indications by name, as EVE writes them.
    #[must_use]
    pub fn indication_names(&self) -> Vec<&'static str> {
        const NAMES: [(u16, &str); 14] = [
            (0x8000, "device_restart"),
            (0x4000, "device_trouble"),
            (0x2000, "local_control"),
            (0x1000, "need_time"),
            (0x0800, "class_3_events"),
            (0x0400, "class_2_events"),
            (0x0200, "class_1_events"),
            (0x0100, "all_stations"),
            (0x0020, "config_corrupt"),
            (0x0010, "already_executing"),
            (0x0008, "event_buffer_overflow"),
            (0x0004, "parameter_error"),
            (0x0002, "object_unknown"),
            (0x0001, "no_func_code_support"),
        ];
        let set = self.indications.unwrap_or(0);
        NAMES.iter().filter(|(bit, _)| set & bit != 0).map(|(_, name)| *name).collect()
    }
}

/// DNP3 over TCP, on any port: the header has a checksum.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Dnp3,
    transport: IpProto::TCP,
    ports: &[20_000],
    probe,
    open: Some(|_| Box::<Dnp3Parser>::default()),
};

/// DNP3 over UDP.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Dnp3,
    transport: IpProto::UDP,
    ports: &[20_000],
    probe,
    open: Some(|_| Box::<Dnp3Parser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let begins = seen.iter().zip([0x05, 0x64]).all(|(seen, sync)| *seen == sync);
    match (begins && !seen.is_empty(), seen.first_chunk::<HEADER>()) {
        (true, Some(header)) if checked(header) && header[2] >= 5 => Guess::Yes,
        (true, None) => Guess::More,
        _ => Guess::No,
    }
}

/// Whether bytes end in their checksum (CRC-16/DNP).
fn checked(bytes: &[u8]) -> bool {
    let Some((body, sum)) = bytes.split_last_chunk::<2>() else { return false };
    let mut crc = 0u16;
    for byte in body {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ 0xa6bc } else { crc >> 1 };
        }
    }
    !crc == u16::from_le_bytes(*sum)
}

fn measure(bytes: &[u8]) -> Frame {
    match bytes {
        [0x05, 0x64, len @ 5..=255, ..] => {
            let data = usize::from(len - 5);
            Frame::Pdu(HEADER + data + 2 * data.div_ceil(BLOCK))
        }
        [0x05] | [0x05, 0x64] | [] => Frame::More(3),
        _ => Frame::Broken,
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct Dnp3Parser {
    finders: [Finder; 2],
    /// Segments of the message at hand; none before its first was seen.
    messages: [Option<Vec<u8>>; 2],
    limits_hit: u32,
}

impl Dnp3Parser {
    fn frame(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else { return };
        if !checked(header) {
            return sink.anomaly("bad_link_crc");
        }
        let mut data = Vec::with_capacity(body.len());
        for block in body.chunks(BLOCK + 2) {
            if !checked(block) {
                return sink.anomaly("bad_transport_crc");
            }
            data.extend_from_slice(&block[..block.len() - 2]);
        }
        let Some((&transport, segment)) = data.split_first() else { return };
        let message = &mut self.messages[direction.index()];
        if transport & 0x40 != 0 {
            *message = Some(Vec::new());
        }
        let Some(joined) = message else { return };
        if joined.len() + segment.len() > MAX_MESSAGE {
            self.limits_hit += 1;
            *message = None;
            return sink.anomaly("too_long_reassembly");
        }
        joined.extend_from_slice(segment);
        if transport & 0x80 != 0
            && let Some(whole) = message.take()
        {
            let source = u16::from_le_bytes([header[6], header[7]]);
            let destination = u16::from_le_bytes([header[4], header[5]]);
            match application(direction, &whole) {
                Some(found) => {
                    let data = whole.get(..sink.keep().payloads).unwrap_or(&whole).to_vec();
                    let found = Dnp3 { link_control: header[3], source, destination, data, ..found };
                    complete(found.into(), sink);
                }
                None => sink.anomaly("malformed"),
            }
        }
    }
}

const SHAPE: Shape = Shape { max: MAX_FRAME, measure, width: HEADER, begins };

/// Whether a frame begins here, by its checksum.
fn begins(window: &[u8]) -> bool {
    matches!(measure(window), Frame::Pdu(_)) && checked(window)
}

fn application(direction: Direction, bytes: &[u8]) -> Option<Dnp3> {
    let mut at = Cursor(bytes);
    let (control, function) = (at.u8()?, at.u8()?);
    let indications = if function >= 129 { Some(at.u16()?) } else { None };
    // Only these have headers without data behind them.
    let bare = matches!(function, 1 | 7..=10 | 20..=22);
    let mut objects = Vec::new();
    let mut whole = true;
    while !at.is_empty() {
        let Some(object) = object(&mut at) else {
            whole = false;
            break;
        };
        if objects.len() >= MAX_OBJECTS {
            whole = false;
            break;
        }
        objects.push(object);
        if !bare {
            whole = at.is_empty();
            break;
        }
    }
    let (link_control, source, destination) = (0, 0, 0);
    Some(Dnp3 {
        direction,
        link_control,
        source,
        destination,
        control,
        function,
        indications,
        objects,
        whole,
        data: Vec::new(),
    })
}

fn object(at: &mut Cursor<'_>) -> Option<Dnp3Object> {
    let (group, variation, qualifier) = (at.u8()?, at.u8()?, at.u8()?);
    let mut out = Dnp3Object { group, variation, qualifier, ..Dnp3Object::default() };
    let range = match qualifier & 0x0f {
        0 => Some((at.u8()?.into(), at.u8()?.into())),
        1 => Some((at.u16_le()?.into(), at.u16_le()?.into())),
        2 => Some((at.u32_le()?, at.u32_le()?)),
        _ => None,
    };
    out.count = match (range, qualifier & 0x0f) {
        (Some((start, stop)), _) => stop.checked_sub(start)?.saturating_add(1),
        (None, 6) => 0,
        (None, 7) => at.u8()?.into(),
        (None, 8) => at.u16_le()?.into(),
        (None, 9) => at.u32_le()?,
        (None, 0x0b) => at.u8()?.into(),
        _ => return None,
    };
    out.range = range;
    Some(out)
}

impl Parser for Dnp3Parser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut finder = std::mem::take(&mut self.finders[side]);
        finder.feed(chunk.bytes, &SHAPE, &mut |found| match found {
            Found::Piece(Piece::Pdu { bytes, .. }) => self.frame(chunk.direction, bytes, sink),
            Found::Piece(Piece::Rest(_)) => {}
            Found::Lost => sink.anomaly("malformed"),
        });
        self.finders[side] = finder;
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        let side = direction.index();
        self.finders[side].gap(missing);
        self.messages[side] = None;
        Step::More
    }

    fn close(&mut self, _: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text_testing::{ToClient, ToServer, talk};
    use crate::transaction::Transaction;

    fn sum(body: &[u8]) -> Vec<u8> {
        let found = (0..=u16::MAX).map(|sum| [body, &sum.to_le_bytes()].concat()).find(|with| checked(with));
        found.unwrap()
    }

    fn frame(transport: u8, segment: &[u8]) -> Vec<u8> {
        let data = [&[transport], segment].concat();
        let mut out = sum(&[0x05, 0x64, 5 + data.len() as u8, 0xc4, 1, 0, 2, 0]);
        data.chunks(BLOCK).for_each(|block| out.extend(sum(block)));
        out
    }

    fn messages(step: usize) -> Vec<Dnp3> {
        let read = frame(0xc0, &[0xc1, 1, 60, 2, 6, 60, 3, 6, 1, 0, 0, 0, 9]);
        let down =
            [frame(0x40, &[0xc1, 129, 0x80, 0x02, 30, 1, 0, 0, 0]), frame(0x81, &[0, 1, 2, 3, 4])].concat();
        let (log, layer) = talk(9999, step, &[(ToServer, &read), (ToClient, &down)]);
        assert_eq!(layer.protocol(), Some(AppProto::Dnp3));
        assert!(log.anomalies.is_empty(), "{:?}", log.anomalies);
        log.logged
            .iter()
            .map(|t| if let Transaction::Dnp3(d) = t { (**d).clone() } else { panic!() })
            .collect()
    }

    #[test]
    fn segments_are_joined_to_messages() {
        for step in [1, 2, 7, 100] {
            let told = messages(step);
            assert_eq!((told[0].function, told[0].objects.len(), told[0].source), (1, 3, 2));
            assert_eq!(told[0].objects[2].count, 10);
            assert_eq!(told[1].indication_names(), ["device_restart", "object_unknown"]);
        }
    }

    #[test]
    fn the_next_frame_is_found_behind_a_hole_and_behind_a_bad_checksum() {
        let read = frame(0xc0, &[0xc1, 1, 60, 2, 6]);
        let mut bad = read.clone();
        bad[12] ^= 1;
        let (log, _) =
            talk(20_000, 100, &[(ToServer, &read), (ToServer, &bad), (ToServer, b""), (ToServer, &read)]);
        assert_eq!((log.logged.len(), &log.anomalies[..]), (2, &["bad_transport_crc"][..]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let up = [frame(0xc0, &bytes[..bytes.len().min(100)]), bytes.clone()].concat();
            let turns: &[(Direction, &[u8])] = &[(ToServer, &up), (ToClient, &bytes)];
            let (whole, pieces) = (talk(20_000, usize::MAX, turns).0, talk(20_000, step, turns).0);
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
