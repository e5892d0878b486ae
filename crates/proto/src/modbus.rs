//! Modbus/TCP: requests joined with their responses.

use std::collections::VecDeque;

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{Finder, Found, Frame, Piece, Shape};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// The longest message: header and 254 bytes (Modbus Messaging on TCP/IP, 3.1.3).
const MAX_MESSAGE: usize = 6 + 254;
/// Requests without a response yet; the oldest is logged without one.
const MAX_PENDING: usize = 32;
const HEADER: usize = 7;
const PUBLIC_ASSIGNED: (u8, &str) = (1, "PUBLIC_ASSIGNED");
const RESERVED: (u8, &str) = (8, "RESERVED");

/// A request or a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModbusMessage {
    /// Joins request and response.
    pub transaction_id: u16,
    /// The device behind the gateway.
    pub unit: u8,
    /// What is done; the highest bit says that it was refused.
    pub function: u8,
    /// The first coil or register, and how many, or the value of a single one that is written.
    pub range: Option<(u16, u16)>,
    /// Why it was refused.
    pub exception: Option<u8>,
    /// What is carried beside: values read or written.
    pub data: Vec<u8>,
}

impl ModbusMessage {
    /// The function's name in EVE.
    #[must_use]
    pub fn function_name(&self) -> &'static str {
        match self.function & 0x7f {
            1 => "RdCoils",
            2 => "RdDiscreteInputs",
            3 => "RdHoldRegs",
            4 => "RdInputRegs",
            5 => "WrSingleCoil",
            6 => "WrSingleReg",
            7 => "RdExcStatus",
            8 => "Diagnostic",
            11 => "GetCommEventCtr",
            12 => "GetCommEventLog",
            15 => "WrMultCoils",
            16 => "WrMultRegs",
            17 => "ReportServerID",
            20 => "RdFileRec",
            21 => "WrFileRec",
            22 => "MaskWrReg",
            23 => "RdWrMultRegs",
            24 => "RdFIFOQueue",
            43 => "MEI",
            _ => "Unknown",
        }
    }

    /// What the number of its function is: as a bit of `modbus: function ...` in rules, and its name in EVE.
    #[must_use]
    pub fn category(&self) -> (u8, &'static str) {
        let word = || self.data.first_chunk().map(|word| u16::from_be_bytes(*word));
        match self.function & 0x7f {
            // Diagnostics say in their data what they do; so does the encapsulated interface.
            8 => match word() {
                Some(19 | 21..) => RESERVED,
                _ => PUBLIC_ASSIGNED,
            },
            43 => match self.data.first() {
                Some(13 | 14) | None => PUBLIC_ASSIGNED,
                Some(_) => RESERVED,
            },
            1..=7 | 11 | 12 | 15..=17 | 20..=24 => PUBLIC_ASSIGNED,
            9 | 10 | 13 | 14 | 41 | 42 | 90 | 91 | 125..=127 => RESERVED,
            65..=72 | 100..=110 => (4, "USER_DEFINED"),
            _ => (2, "PUBLIC_UNASSIGNED"),
        }
    }

    /// Whether it writes coils, registers or files.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.function & 0x7f, 5 | 6 | 15 | 16 | 21 | 22 | 23)
    }

    /// The exception's name in EVE.
    #[must_use]
    pub fn exception_name(&self) -> Option<&'static str> {
        Some(match self.exception? {
            1 => "IllegalFunction",
            2 => "IllegalDataAddr",
            3 => "IllegalDataValue",
            4 => "ServerDeviceFail",
            5 => "Ack",
            6 => "ServerDeviceBusy",
            8 => "MemParityErr",
            10 => "GatewayPathUnavailable",
            11 => "GatewayTargetFailToResp",
            _ => "Unknown",
        })
    }
}

/// A request with its response, as far as they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modbus {
    /// The request.
    pub request: Option<ModbusMessage>,
    /// The response.
    pub response: Option<ModbusMessage>,
}

/// Modbus: on its port by form, elsewhere only if a whole request fits its function.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Modbus,
    transport: IpProto::TCP,
    ports: &[502],
    probe,
    open: Some(|_| Box::<ModbusParser>::default()),
};

fn known(function: u8) -> bool {
    matches!(function & 0x7f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 90)
}

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let fits = |at: usize, ok: fn(u8) -> bool| seen.get(at).copied().is_none_or(ok);
    let possible = fits(2, |b| b == 0)
        && fits(3, |b| b == 0)
        && fits(4, |b| b == 0)
        && fits(5, |b| b >= 2)
        && fits(7, known);
    if !possible || seen.is_empty() {
        return Guess::No;
    }
    if seen.len() <= HEADER {
        return Guess::More;
    }
    if opening.on_port(PROTOCOL.ports) {
        return Guess::Yes;
    }
    // Elsewhere: the first request of a client, no longer and no shorter than its function has it.
    let (len, first) =
        (usize::from(seen[5]), opening.first == Direction::ToServer && opening.fresh == Direction::ToServer);
    match (first, seen[7]) {
        (true, 1..=5) if len == 6 && seen.len() >= 12 => {
            let quantity = u16::from_be_bytes([seen[10], seen[11]]);
            let fits = match seen[7] {
                1 | 2 => (1..=2000).contains(&quantity),
                3 | 4 => (1..=125).contains(&quantity),
                _ => quantity == 0 || quantity == 0xff00,
            };
            if fits { Guess::Yes } else { Guess::No }
        }
        (true, 1..=5) if len == 6 => Guess::More,
        _ => Guess::No,
    }
}

fn measure(bytes: &[u8]) -> Frame {
    match bytes {
        [_, _, 0, 0, high, low, ..] => match usize::from(*high) << 8 | usize::from(*low) {
            len @ 2..=254 => Frame::Pdu(6 + len),
            _ => Frame::Broken,
        },
        [_, _, _, _, _, _, ..] => Frame::Broken,
        _ => Frame::More(6),
    }
}

const SHAPE: Shape = Shape { max: MAX_MESSAGE, measure, width: HEADER + 1, begins };

/// Whether a message with a known function begins here.
fn begins(window: &[u8]) -> bool {
    matches!(measure(window), Frame::Pdu(_)) && window.get(HEADER).copied().is_some_and(known)
}

fn message(bytes: &[u8], response: bool) -> Option<ModbusMessage> {
    let mut at = Cursor(bytes);
    let transaction_id = at.u16()?;
    at.u32()?;
    let (unit, function) = (at.u8()?, at.u8()?);
    let mut out = ModbusMessage { transaction_id, unit, function, ..ModbusMessage::default() };
    if function & 0x80 != 0 {
        out.exception = at.u8();
    } else if !response && matches!(function, 1..=6 | 15 | 16 | 22 | 23)
        || response && matches!(function, 5 | 6 | 15 | 16)
    {
        out.range = at.u16().zip(at.u16());
    }
    if matches!(function, 1..=4 | 15 | 16 | 23) && (response == (function < 5)) {
        at.u8();
    }
    out.data = at.0.to_vec();
    Some(out)
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct ModbusParser {
    finders: [Finder; 2],
    pending: VecDeque<Modbus>,
    limits_hit: u32,
}

impl ModbusParser {
    fn message(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let Some(message) = message(bytes, direction == Direction::ToClient) else { return };
        if direction == Direction::ToServer {
            if message.function & 0x80 != 0 {
                sink.anomaly("invalid_function_code");
            }
            let modbus = Modbus { request: Some(message), response: None };
            sink.inspect(&Transaction::from(modbus.clone()));
            if self.pending.len() >= MAX_PENDING {
                self.limits_hit += 1;
                sink.anomaly("flooded");
                if let Some(oldest) = self.pending.pop_front() {
                    sink.log(oldest.into());
                }
            }
            return self.pending.push_back(modbus);
        }
        let mine =
            |p: &Modbus| p.request.as_ref().is_some_and(|r| r.transaction_id == message.transaction_id);
        let open = self.pending.iter().position(mine).and_then(|index| self.pending.remove(index));
        let known = open.is_some();
        let mut modbus = open.unwrap_or_default();
        if modbus.request.as_ref().is_some_and(|r| r.function != message.function & 0x7f) {
            sink.anomaly("value_mismatch");
        }
        modbus.response = Some(message);
        let transaction = Transaction::from(modbus);
        if !known {
            sink.anomaly("unsolicited_response");
            sink.inspect(&transaction);
        }
        sink.log(transaction);
    }
}

impl Parser for ModbusParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut finder = std::mem::take(&mut self.finders[side]);
        finder.feed(chunk.bytes, &SHAPE, &mut |found| match found {
            Found::Piece(Piece::Pdu { bytes, .. }) => self.message(chunk.direction, bytes, sink),
            Found::Piece(Piece::Rest(_)) => {}
            Found::Lost => sink.anomaly("invalid_protocol_id"),
        });
        self.finders[side] = finder;
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        self.finders[direction.index()].gap(missing);
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for pending in std::mem::take(&mut self.pending) {
            sink.log(pending.into());
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text_testing::{ToClient, ToServer, talk};

    const READ: &[u8] = &[0, 1, 0, 0, 0, 6, 9, 3, 0, 100, 0, 2];
    const VALUES: &[u8] = &[0, 1, 0, 0, 0, 7, 9, 3, 4, 1, 2, 3, 4];
    const WRITE: &[u8] = &[0, 2, 0, 0, 0, 6, 9, 6, 0, 7, 0, 255];
    const REFUSED: &[u8] = &[0, 2, 0, 0, 0, 3, 9, 0x86, 2];

    #[test]
    fn requests_are_joined_with_responses() {
        for step in [1, 2, 7, 100] {
            let (log, layer) = talk(
                502,
                step,
                &[(ToServer, READ), (ToServer, WRITE), (ToClient, VALUES), (ToClient, REFUSED)],
            );
            assert_eq!(layer.protocol(), Some(AppProto::Modbus));
            let [Transaction::Modbus(read), Transaction::Modbus(write)] = &log.logged[..] else { panic!() };
            assert_eq!(read.request.as_ref().unwrap().range, Some((100, 2)));
            assert_eq!(read.response.as_ref().unwrap().data, [1, 2, 3, 4]);
            assert!(write.request.as_ref().unwrap().writes());
            assert_eq!(write.response.as_ref().unwrap().exception_name(), Some("IllegalDataAddr"));
        }
    }

    #[test]
    fn a_whole_request_is_known_on_any_port() {
        assert_eq!(talk(9999, 100, &[(ToServer, READ)]).1.protocol(), Some(AppProto::Modbus));
        assert_eq!(
            talk(9999, 100, &[(ToServer, &[0, 1, 0, 0, 0, 6, 9, 3, 0, 100, 9, 2])]).1.protocol(),
            None
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let up = [READ, &bytes, WRITE].concat();
            let turns: &[(Direction, &[u8])] = &[(ToServer, &up), (ToClient, &bytes), (ToClient, VALUES)];
            let (whole, pieces) = (talk(502, usize::MAX, turns).0, talk(502, step, turns).0);
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
