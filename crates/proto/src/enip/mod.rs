//! EtherNet/IP over TCP and UDP: encapsulation commands and the CIP messages in them.

mod content;

use std::collections::VecDeque;

use wire::{Direction, IpProto};

use self::content::{cip, identity, service};
use crate::cursor::Cursor;
use crate::framing::{End, Frame, Framer, Next, Piece};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// Bytes of a message that are kept until it is read.
const MAX_MESSAGE: usize = 4096;
/// Requests without a response yet; the oldest is logged without one.
const MAX_PENDING: usize = 32;
/// Items of a message that are looked at.
const MAX_ITEMS: usize = 8;
const HEADER: usize = 24;

/// A CIP request or response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cip {
    /// What is done, without the bit that says response.
    pub service: u8,
    /// Segments of the path: "class_id", "instance_id", "attribute_id" with their number.
    pub path: Vec<(&'static str, u32)>,
    /// Of a response: whether it went well (0), and how not.
    pub status: Option<u8>,
    /// Of a response: what the status means in particular.
    pub extended_status: Option<u16>,
}

impl Cip {
    /// The service by name.
    #[must_use]
    pub fn service_name(&self) -> String {
        let known = match self.service {
            0x01 => "GetAttributesAll",
            0x02 => "SetAttributesAll",
            0x03 => "GetAttributeList",
            0x04 => "SetAttributeList",
            0x05 => "Reset",
            0x06 => "Start",
            0x07 => "Stop",
            0x08 => "Create",
            0x09 => "Delete",
            0x0a => "MultipleService",
            0x0d => "ApplyAttributes",
            0x0e => "GetAttributeSingle",
            0x10 => "SetAttributeSingle",
            0x4b => "KickTimer",
            0x4c => "ReadTag",
            0x4d => "WriteTag",
            0x4e => "ReadModifyWriteTag",
            0x52 => "UnconnectedSend",
            0x54 => "ForwardOpen",
            other => return other.to_string(),
        };
        known.to_owned()
    }
}

/// A device as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnipIdentity {
    /// Version of the encapsulation that it speaks.
    pub protocol_version: u16,
    /// Number of the vendor.
    pub vendor: u16,
    /// What kind of device.
    pub device_type: u16,
    /// The vendor's number of the product.
    pub product_code: u16,
    /// Major and minor.
    pub revision: (u8, u8),
    /// Status word.
    pub status: u16,
    /// Serial number.
    pub serial: u32,
    /// The product's name.
    pub name: String,
    /// State of the device.
    pub state: u8,
}

/// A service that a device has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnipService {
    /// Version of the encapsulation that it speaks.
    pub protocol_version: u16,
    /// Bit 5: over TCP, bit 8: over UDP.
    pub capabilities: u16,
    /// Its name: "Communications".
    pub name: String,
}

/// An encapsulated message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnipMessage {
    /// The encapsulation's command.
    pub command: u16,
    /// Whether it went well (0), and how not.
    pub status: u32,
    /// The session.
    pub session: u32,
    /// The sender's context: joins request and response.
    pub context: u64,
    /// Protocol version and options of RegisterSession.
    pub register: Option<(u16, u16)>,
    /// Of ListIdentity's response.
    pub identity: Option<EnipIdentity>,
    /// Of ListServices' response.
    pub service: Option<EnipService>,
    /// The CIP message within.
    pub cip: Option<Cip>,
}

impl EnipMessage {
    /// The command by name.
    #[must_use]
    pub fn command_name(&self) -> String {
        let known = match self.command {
            0x00 => "Nop",
            0x04 => "ListServices",
            0x63 => "ListIdentity",
            0x64 => "ListInterfaces",
            0x65 => "RegisterSession",
            0x66 => "UnregisterSession",
            0x6f => "SendRRData",
            0x70 => "SendUnitData",
            0x72 => "IndicateStatus",
            0x73 => "Cancel",
            other => return other.to_string(),
        };
        known.to_owned()
    }

    /// The status by name.
    #[must_use]
    pub fn status_name(&self) -> String {
        let known = match self.status {
            0x00 => "Success",
            0x01 => "InvalidCmd",
            0x02 => "NoResources",
            0x03 => "IncorrectData",
            0x64 => "InvalidSession",
            0x65 => "InvalidLength",
            0x69 => "UnsupportedProtRev",
            other => return other.to_string(),
        };
        known.to_owned()
    }
}

/// A request with its response, as far as they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enip {
    /// The request.
    pub request: Option<EnipMessage>,
    /// The response.
    pub response: Option<EnipMessage>,
}

/// EtherNet/IP over TCP.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Enip,
    transport: IpProto::TCP,
    ports: &[44_818],
    probe,
    open: Some(|_| Box::new(EnipParser::new(true))),
};

/// EtherNet/IP over UDP.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Enip,
    transport: IpProto::UDP,
    ports: &[44_818],
    probe,
    open: Some(|_| Box::new(EnipParser::new(false))),
};

fn known(command: u16) -> bool {
    matches!(command, 0 | 4 | 0x63..=0x66 | 0x6f | 0x70 | 0x72 | 0x73)
}

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let mut at = Cursor(seen);
    let (command, len) = (at.u16_le(), at.u16_le());
    let usual = opening.on_port(STREAM.ports);
    let fits = command.is_none_or(|c| known(c) && (usual || c == 0x63 || c == 0x65))
        && len.is_none_or(|len| len <= 4096);
    if seen.is_empty() || !fits {
        return Guess::No;
    }
    let stream = opening.tuple.proto == IpProto::TCP;
    if seen.len() < HEADER {
        return if stream { Guess::More } else { Guess::No };
    }
    let (len, status, options) = (len.map_or(0, usize::from), seen[8..12] == [0; 4], seen[20..24] == [0; 4]);
    let sound = options && (stream || seen.len() == HEADER + len);
    // Elsewhere only how a session or a search begins: a registration of four bytes, a search without any.
    let first = status && len == if command == Some(0x65) { 4 } else { 0 };
    if sound && (usual || first) { Guess::Yes } else { Guess::No }
}

fn measure(bytes: &[u8]) -> Frame {
    let mut at = Cursor(bytes);
    match (at.u16_le(), at.u16_le()) {
        (Some(command), Some(len)) if known(command) => Frame::Pdu(HEADER + usize::from(len)),
        (Some(_), Some(_)) => Frame::Broken,
        _ => Frame::More(4),
    }
}

fn message(bytes: &[u8], response: bool) -> Option<EnipMessage> {
    let mut at = Cursor(bytes);
    let command = at.u16_le()?;
    at.u16_le()?;
    let (session, status, context) = (at.u32_le()?, at.u32_le()?, at.u64()?);
    at.u32_le()?;
    let mut out = EnipMessage { command, status, session, context, ..EnipMessage::default() };
    match command {
        0x65 => out.register = at.u16_le().zip(at.u16_le()),
        0x63 if response => out.identity = identity(at),
        0x04 if response => out.service = service(at),
        0x6f | 0x70 => {
            at.take(6)?;
            let items = at.u16_le()?;
            for _ in 0..usize::from(items).min(MAX_ITEMS) {
                let (Some(kind), Some(len)) = (at.u16_le(), at.u16_le()) else { break };
                let here = at.0.len().min(len.into());
                let mut item = Cursor(at.take(here)?);
                match kind {
                    0xb1 => {
                        item.u16_le();
                        out.cip = cip(item);
                    }
                    0xb2 => out.cip = cip(item),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    Some(out)
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub struct EnipParser {
    stream: bool,
    framers: [Framer; 2],
    pending: VecDeque<Enip>,
    limits_hit: u32,
}

impl EnipParser {
    fn new(stream: bool) -> Self {
        EnipParser { stream, framers: Default::default(), pending: VecDeque::new(), limits_hit: 0 }
    }

    fn message(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let response = direction == Direction::ToClient;
        let Some(message) = message(bytes, response) else { return sink.anomaly("malformed_data") };
        if response {
            let mine = |p: &Enip| {
                p.request
                    .as_ref()
                    .is_some_and(|r| r.command == message.command && r.context == message.context)
            };
            let open = self.pending.iter().position(mine).and_then(|index| self.pending.remove(index));
            let known = open.is_some();
            let transaction = Transaction::from(Enip { response: Some(message), ..open.unwrap_or_default() });
            if !known {
                sink.inspect(&transaction);
            }
            return sink.log(transaction);
        }
        // Nobody answers these.
        let alone = matches!(message.command, 0 | 0x66 | 0x72 | 0x73);
        let enip = Enip { request: Some(message), response: None };
        sink.inspect(&Transaction::from(enip.clone()));
        if alone {
            return sink.log(enip.into());
        }
        if self.pending.len() >= MAX_PENDING {
            self.limits_hit += 1;
            if let Some(oldest) = self.pending.pop_front() {
                sink.log(oldest.into());
            }
        }
        self.pending.push_back(enip);
    }
}

impl Parser for EnipParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        if !self.stream {
            self.message(chunk.direction, chunk.bytes, sink);
            return Step::More;
        }
        let side = chunk.direction.index();
        let mut framer = std::mem::take(&mut self.framers[side]);
        let end = framer.feed(chunk.bytes, MAX_MESSAGE, &measure, &mut |piece| {
            if let Piece::Pdu { bytes, len } = piece {
                self.limits_hit += u32::from(len > bytes.len());
                self.message(chunk.direction, bytes, sink);
            }
            Next::Go
        });
        self.framers[side] = framer;
        if matches!(end, End::Broken(_)) {
            sink.anomaly("malformed_data");
            return Step::Finished;
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        if self.framers[direction.index()].gap(missing) { Step::More } else { Step::Finished }
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

    fn pdu(command: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![command, 0, body.len() as u8, 0];
        out.resize(HEADER, 0);
        out.extend_from_slice(body);
        out
    }

    fn data(cip: &[u8]) -> Vec<u8> {
        let head = [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0xb2, 0, cip.len() as u8, 0];
        pdu(0x6f, &[&head, cip].concat())
    }

    #[test]
    fn requests_are_joined_with_responses() {
        let up = [pdu(0x65, &[1, 0, 0, 0]), data(&[0x0e, 3, 0x20, 1, 0x24, 1, 0x30, 7])].concat();
        let down = [pdu(0x65, &[1, 0, 0, 0]), data(&[0x8e, 0, 5, 0])].concat();
        for step in [1, 2, 7, 100] {
            let (log, layer) = talk(9999, step, &[(ToServer, &up), (ToClient, &down)]);
            assert_eq!(layer.protocol(), Some(AppProto::Enip));
            let [Transaction::Enip(register), Transaction::Enip(get)] = &log.logged[..] else { panic!() };
            assert_eq!(register.request.as_ref().unwrap().command_name(), "RegisterSession");
            let asked = get.request.as_ref().unwrap().cip.as_ref().unwrap();
            assert_eq!(asked.service_name(), "GetAttributeSingle");
            assert_eq!(asked.path, [("class_id", 1), ("instance_id", 1), ("attribute_id", 7)]);
            assert_eq!(get.response.as_ref().unwrap().cip.as_ref().unwrap().status, Some(5));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let up = [pdu(0x65, &[1, 0, 0, 0]), data(&bytes), bytes.clone()].concat();
            let down = [data(&bytes), pdu(0x63, &bytes)].concat();
            let turns: [(Direction, &[u8]); 2] = [(ToServer, &up), (ToClient, &down)];
            let whole = talk(44_818, usize::MAX, &turns).0;
            let pieces = talk(44_818, step, &turns).0;
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
