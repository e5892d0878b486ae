//! Siemens S7 communication over ISO-on-TCP (RFC 1006): what is asked of a controller, and how it answered.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{Finder, Found, Frame, Piece, Shape};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of a PDU that are kept until it is read.
const MAX_PDU: usize = 2048;
/// Items of a read or write that are kept.
const MAX_ITEMS: usize = 20;

/// An area that is read or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct S7Item {
    /// 0x81 inputs, 0x82 outputs, 0x83 flags, 0x84 data blocks ...
    pub area: u8,
    /// The data block's number.
    pub block: u16,
    /// Where it begins, in bits.
    pub address: u32,
    /// How many elements.
    pub count: u16,
}

impl S7Item {
    /// "DB1.DBX10.0", "M0.0"
    #[must_use]
    pub fn text(&self) -> String {
        let (byte, bit) = (self.address / 8, self.address % 8);
        match self.area {
            0x81 => format!("I{byte}.{bit}"),
            0x82 => format!("Q{byte}.{bit}"),
            0x83 => format!("M{byte}.{bit}"),
            0x84 => format!("DB{}.DBX{byte}.{bit}", self.block),
            other => format!("{other:#04x}:{byte}.{bit}"),
        }
    }
}

/// An S7 PDU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S7 {
    /// Who sent it.
    pub direction: Direction,
    /// 1 job, 2 acknowledgement, 3 acknowledgement with data, 7 user data.
    pub kind: u8,
    /// Joins job and acknowledgement.
    pub reference: u16,
    /// What is done.
    pub function: Option<u8>,
    /// Of user data: the group of functions and the function in it.
    pub subfunction: Option<(u8, u8)>,
    /// Error class and code of an acknowledgement.
    pub error: Option<(u8, u8)>,
    /// What is read or written.
    pub items: Vec<S7Item>,
    /// The block or service that is named: "_0A00001P", "P_PROGRAM".
    pub name: Option<String>,
}

impl S7 {
    /// The PDU's kind by name.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            1 => "job",
            2 => "ack",
            3 => "ack_data",
            7 => "userdata",
            _ => "unknown",
        }
    }

    /// The function by name.
    #[must_use]
    pub fn function_name(&self) -> Option<&'static str> {
        Some(match self.function? {
            0x04 => "read_var",
            0x05 => "write_var",
            0x1a => "request_download",
            0x1b => "download_block",
            0x1c => "download_ended",
            0x1d => "start_upload",
            0x1e => "upload",
            0x1f => "end_upload",
            0x28 => "pi_service",
            0x29 => "plc_stop",
            0xf0 => "setup_communication",
            _ => "unknown",
        })
    }
}

/// S7, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::S7,
    transport: IpProto::TCP,
    ports: &[102],
    probe,
    open: Some(|_| Box::<S7Parser>::default()),
};

/// The first PDUs set up the connection below: S7 is seen only behind them.
fn probe(opening: &Opening<'_>) -> Guess {
    let mut rest = opening.fresh();
    loop {
        let len = match measure(rest) {
            Frame::Pdu(len) => len,
            Frame::More(_) => return Guess::More,
            Frame::Broken => return Guess::No,
        };
        match rest.get(4..) {
            // COTP: a connection request or confirmation that is no remote desktop's.
            Some([_, 0xe0 | 0xd0, ..]) if len >= 11 => {
                let Some(pdu) = rest.get(..len) else { return Guess::More };
                // Parameters: those of S7 name the ends of the connection (0xc1, 0xc2).
                if !pdu[11..].iter().any(|b| matches!(b, 0xc1 | 0xc2)) {
                    return Guess::No;
                }
                rest = &rest[len..];
            }
            Some([2, 0xf0, _, 0x32, 1..=3 | 7, 0, ..]) => return Guess::Yes,
            Some([2, 0xf0, _, 0x32, _, _, ..]) => return Guess::No,
            Some([2, 0xf0, _, 0x32] | [2, 0xf0, _, 0x32, _] | [2, 0xf0] | [2, 0xf0, _] | [_] | []) | None => {
                return Guess::More;
            }
            Some(_) => return Guess::No,
        }
    }
}

/// TPKT.
fn measure(bytes: &[u8]) -> Frame {
    match bytes {
        [3, 0, high, low, ..] => match usize::from(*high) << 8 | usize::from(*low) {
            len if len >= 7 => Frame::Pdu(len),
            _ => Frame::Broken,
        },
        [] | [3] | [3, 0] | [3, 0, _] => Frame::More(4),
        _ => Frame::Broken,
    }
}

const SHAPE: Shape = Shape { max: MAX_PDU, measure, width: 8, begins };

/// Whether data with an S7 PDU begins here.
fn begins(window: &[u8]) -> bool {
    matches!(measure(window), Frame::Pdu(17..)) && matches!(window, [_, _, _, _, 2, 0xf0, _, 0x32])
}

fn parse(direction: Direction, bytes: &[u8]) -> Option<S7> {
    let mut at = Cursor(bytes);
    at.take(7)?;
    at.u8().filter(|id| *id == 0x32)?;
    let kind = at.u8()?;
    at.u16()?;
    let (reference, parameters, _) = (at.u16()?, at.u16()?, at.u16()?);
    let error = if matches!(kind, 2 | 3) { Some((at.u8()?, at.u8()?)) } else { None };
    let mut at = Cursor(at.take(parameters.into())?);
    let mut out = S7 {
        direction,
        kind,
        reference,
        function: None,
        subfunction: None,
        error,
        items: Vec::new(),
        name: None,
    };
    if kind == 7 {
        // Head of three, a length, how it is sent, group, function.
        at.take(5)?;
        out.subfunction = at.u8().map(|group| group & 0x0f).zip(at.u8());
        return Some(out);
    }
    out.function = at.u8();
    match (kind, out.function) {
        (1, Some(4 | 5)) => {
            let count = at.u8()?;
            for _ in 0..usize::from(count).min(MAX_ITEMS) {
                let Some(item) = item(&mut at) else { break };
                out.items.push(item);
            }
        }
        (1, Some(0x1a..=0x1f)) => {
            at.take(7)?;
            out.name = at.prefixed8().map(text);
        }
        (1, Some(0x28)) => {
            at.take(7)?;
            at.prefixed16()?;
            out.name = at.prefixed8().map(text);
        }
        (1, Some(0x29)) => {
            at.take(5)?;
            out.name = at.prefixed8().map(text);
        }
        _ => {}
    }
    Some(out)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn item(at: &mut Cursor<'_>) -> Option<S7Item> {
    at.u8()?;
    let mut at = Cursor(at.prefixed8()?);
    // Addressed as "any".
    at.u8().filter(|syntax| *syntax == 0x10)?;
    at.u8()?;
    let (count, block, area) = (at.u16()?, at.u16()?, at.u8()?);
    Some(S7Item { area, block, count, address: u32::try_from(at.u24()?).ok()? })
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct S7Parser {
    finders: [Finder; 2],
    limits_hit: u32,
}

impl Parser for S7Parser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut finder = std::mem::take(&mut self.finders[side]);
        finder.feed(chunk.bytes, &SHAPE, &mut |found| match found {
            Found::Piece(Piece::Pdu { bytes, len }) => {
                self.limits_hit += u32::from(len > bytes.len());
                if bytes.get(5) == Some(&0xf0)
                    && let Some(s7) = parse(chunk.direction, bytes)
                {
                    complete(s7.into(), sink);
                }
            }
            Found::Piece(Piece::Rest(_)) => {}
            Found::Lost => sink.anomaly("malformed_data"),
        });
        self.finders[side] = finder;
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        self.finders[direction.index()].gap(missing);
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

    fn pdu(body: &[u8]) -> Vec<u8> {
        [&[3, 0, 0, 7 + body.len() as u8, 2, 0xf0, 0x80][..], body].concat()
    }

    const CONNECT: &[u8] = &[3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, 0xc0, 1, 10, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2];

    fn read() -> Vec<u8> {
        pdu(&[0x32, 1, 0, 0, 0, 5, 0, 14, 0, 0, 4, 1, 0x12, 10, 0x10, 2, 0, 8, 0, 1, 0x84, 0, 0, 80])
    }

    #[test]
    fn what_is_read_and_how_it_ended_is_told() {
        let refused = pdu(&[0x32, 3, 0, 0, 0, 5, 0, 2, 0, 0, 0x81, 4, 4, 1]);
        for step in [1, 2, 7, 100] {
            let (log, layer) =
                talk(9999, step, &[(ToServer, CONNECT), (ToServer, &read()), (ToClient, &refused)]);
            assert_eq!(layer.protocol(), Some(AppProto::S7));
            let [Transaction::S7(job), Transaction::S7(ack)] = &log.logged[..] else { panic!() };
            assert_eq!(
                (job.function_name(), job.items[0].text()),
                (Some("read_var"), "DB1.DBX10.0".to_owned())
            );
            assert_eq!((ack.kind_name(), ack.error), ("ack_data", Some((0x81, 4))));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let up = [CONNECT, &read(), &pdu(&bytes), &bytes].concat();
            let turns: &[(Direction, &[u8])] = &[(ToServer, &up), (ToClient, &bytes)];
            let (whole, pieces) = (talk(102, usize::MAX, turns).0, talk(102, step, turns).0);
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
