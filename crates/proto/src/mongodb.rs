//! MongoDB's wire protocol: OP_MSG, OP_QUERY and their replies.

use std::collections::VecDeque;

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{End, Frame, Framer, Next, Piece};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// Bytes of a message that are kept until it is read.
const MAX_MESSAGE: usize = 16 * 1024;
/// A longer message is none (the server takes 48,000,000 bytes).
const MAX_LENGTH: u32 = 64 * 1024 * 1024;
/// Names are kept up to so many bytes.
const MAX_TEXT: usize = 256;
/// Elements of a document that are looked at.
const MAX_ELEMENTS: usize = 32;
/// Requests without a reply yet; the oldest is logged without one.
const MAX_PENDING: usize = 32;
const HEADER: usize = 16;
const OP_REPLY: u32 = 1;
const OP_QUERY: u32 = 2004;
const OP_COMPRESSED: u32 = 2012;
const OP_MSG: u32 = 2013;

/// A request, with how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MongoDb {
    /// Joins request and reply.
    pub request_id: u32,
    /// What kind of message: 2013 OP_MSG, 2004 OP_QUERY ...
    pub opcode: u32,
    /// The command: the name of the document's first element.
    pub command: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The collection, where the command is about one.
    pub collection: Option<String>,
    /// Who authenticates, where the command says so.
    pub user: Option<String>,
    /// How.
    pub mechanism: Option<String>,
    /// Whether the server says it went well.
    pub ok: Option<bool>,
    /// What it says if not.
    pub error: Option<String>,
}

impl MongoDb {
    /// The opcode's name.
    #[must_use]
    pub fn opcode_name(&self) -> &'static str {
        match self.opcode {
            OP_REPLY => "OP_REPLY",
            2001 => "OP_UPDATE",
            2002 => "OP_INSERT",
            OP_QUERY => "OP_QUERY",
            2005 => "OP_GET_MORE",
            2006 => "OP_DELETE",
            2007 => "OP_KILL_CURSORS",
            OP_COMPRESSED => "OP_COMPRESSED",
            OP_MSG => "OP_MSG",
            _ => "unknown",
        }
    }
}

/// MongoDB, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::MongoDb,
    transport: IpProto::TCP,
    ports: &[27017],
    probe,
    open: Some(|_| Box::<MongoDbParser>::default()),
};

fn known(opcode: u32) -> bool {
    matches!(opcode, OP_REPLY | 2001 | 2002 | OP_QUERY..=2007 | OP_COMPRESSED | OP_MSG)
}

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let at = &mut Cursor(seen);
    let (len, _, answers, opcode) = (at.u32_le(), at.u32_le(), at.u32_le(), at.u32_le());
    let possible = len.is_none_or(|len| (21..MAX_LENGTH).contains(&len))
        && opcode.is_none_or(|opcode| known(opcode) && opcode != OP_REPLY)
        && answers.is_none_or(|answers| {
            answers == 0 || answers == u32::MAX || opening.fresh == Direction::ToClient
        });
    match (possible, opcode.is_some()) {
        (true, true) => Guess::Yes,
        (true, false)
            if opening.on_port(PROTOCOL.ports)
                || seen.len() < 8
                || seen[8..].iter().all(|b| *b == 0 || *b == 0xff) =>
        {
            Guess::More
        }
        _ => Guess::No,
    }
}

fn measure(bytes: &[u8]) -> Frame {
    match Cursor(bytes).u32_le() {
        None => Frame::More(4),
        Some(len) if (HEADER as u32..MAX_LENGTH).contains(&len) => Frame::Pdu(len as usize),
        Some(_) => Frame::Broken,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned()
}

/// An element's value as far as it is of use here.
enum Value<'a> {
    Text(&'a [u8]),
    Number(f64),
    Other,
}

/// The elements of a BSON document, up to the first that cannot be read.
fn elements<'a>(document: &'a [u8], each: &mut dyn FnMut(&'a [u8], Value<'a>)) -> Option<()> {
    let mut at = Cursor(document);
    at.u32_le()?;
    for _ in 0..MAX_ELEMENTS {
        let kind = at.u8().filter(|kind| *kind != 0)?;
        let name = at.c_string()?;
        let value = match kind {
            0x01 => Value::Number(f64::from_le_bytes(*at.array()?)),
            0x02 => {
                let len = at.u32_le()? as usize;
                Value::Text(at.take(len)?.strip_suffix(b"\0")?)
            }
            0x03 | 0x04 => {
                let len = Cursor(at.0).u32_le()? as usize;
                at.take(len)?;
                Value::Other
            }
            0x05 => {
                let len = at.u32_le()? as usize;
                at.take(len + 1)?;
                Value::Other
            }
            0x06 | 0x0a | 0xff | 0x7f => Value::Other,
            0x07 => {
                at.take(12)?;
                Value::Other
            }
            0x08 => Value::Number(at.u8()?.into()),
            0x09 | 0x11 | 0x12 => {
                at.take(8)?;
                Value::Other
            }
            0x10 => Value::Number(at.u32_le()?.into()),
            0x0b => {
                at.c_string()?;
                at.c_string()?;
                Value::Other
            }
            _ => return None,
        };
        each(name, value);
    }
    Some(())
}

/// The document of a message: behind its flags in OP_MSG, behind what was asked for in OP_QUERY.
fn document(opcode: u32, body: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut at = Cursor(body);
    match opcode {
        OP_MSG => {
            at.u32_le()?;
            (at.u8()? == 0).then_some((None, at.0))
        }
        OP_QUERY => {
            at.u32_le()?;
            let name = at.c_string()?;
            at.take(8)?;
            Some((Some(name), at.0))
        }
        OP_REPLY => {
            at.take(20)?;
            Some((None, at.0))
        }
        _ => None,
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct MongoDbParser {
    framers: [Framer; 2],
    pending: VecDeque<MongoDb>,
    limits_hit: u32,
}

impl MongoDbParser {
    fn message(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        let mut at = Cursor(bytes);
        let (Some(_), Some(request_id), Some(answers), Some(opcode)) =
            (at.u32_le(), at.u32_le(), at.u32_le(), at.u32_le())
        else {
            return;
        };
        if !known(opcode) {
            return sink.anomaly("malformed_data");
        }
        match direction {
            Direction::ToServer => self.request(request_id, opcode, at.0, sink),
            Direction::ToClient => self.reply(answers, opcode, at.0, sink),
        }
    }

    fn request(&mut self, request_id: u32, opcode: u32, body: &[u8], sink: &mut dyn Sink) {
        let mut out = MongoDb { request_id, opcode, ..MongoDb::default() };
        if let Some((name, document)) = document(opcode, body) {
            if let Some((database, collection)) = name.and_then(|name| {
                let dot = memchr::memchr(b'.', name)?;
                Some((&name[..dot], &name[dot + 1..]))
            }) {
                out.database = Some(lossy(database));
                out.collection = (collection != b"$cmd").then(|| lossy(collection));
            }
            let is_command = out.collection.is_none();
            elements(document, &mut |name, value| {
                let text = if let Value::Text(text) = value { Some(text) } else { None };
                if out.command.is_none() && is_command {
                    out.command = Some(lossy(name));
                    out.collection = text.map(lossy);
                    return;
                }
                match (name, text) {
                    (b"$db", Some(text)) => out.database = Some(lossy(text)),
                    (b"mechanism", Some(text)) => out.mechanism = Some(lossy(text)),
                    (b"user", Some(text)) => out.user = Some(lossy(text)),
                    _ => {}
                }
            });
        }
        sink.inspect(&Transaction::from(out.clone()));
        // Nobody answers the old ways of writing.
        if matches!(opcode, 2001 | 2002 | 2006 | 2007) {
            return sink.log(out.into());
        }
        if self.pending.len() >= MAX_PENDING {
            self.limits_hit += 1;
            if let Some(oldest) = self.pending.pop_front() {
                sink.log(oldest.into());
            }
        }
        self.pending.push_back(out);
    }

    fn reply(&mut self, answers: u32, opcode: u32, body: &[u8], sink: &mut dyn Sink) {
        let Some(index) = self.pending.iter().position(|p| p.request_id == answers) else { return };
        let Some(mut out) = self.pending.remove(index) else { return };
        if let Some((_, document)) = document(opcode, body) {
            elements(document, &mut |name, value| match (name, value) {
                (b"ok", Value::Number(ok)) => out.ok = Some(ok != 0.0),
                (b"errmsg", Value::Text(text)) => out.error = Some(lossy(text)),
                _ => {}
            });
        }
        sink.log(out.into());
    }
}

impl Parser for MongoDbParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
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

    fn text(name: &str, value: &str) -> Vec<u8> {
        let len = (value.len() as u32 + 1).to_le_bytes();
        [&[2][..], name.as_bytes(), &[0], &len, value.as_bytes(), &[0]].concat()
    }

    fn message(id: u32, answers: u32, elements: &[u8]) -> Vec<u8> {
        let document = [&(elements.len() as u32 + 5).to_le_bytes()[..], elements, &[0]].concat();
        let mut out = (21 + document.len() as u32).to_le_bytes().to_vec();
        for word in [id, answers, OP_MSG, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.push(0);
        out.extend(document);
        out
    }

    fn turns() -> [Vec<u8>; 2] {
        let find = message(7, 0, &[text("find", "users"), text("$db", "shop")].concat());
        let no =
            message(1, 7, &[&b"\x01ok\0\0\0\0\0\0\0\0\0"[..], &text("errmsg", "not authorized")].concat());
        [find, no]
    }

    #[test]
    fn commands_are_joined_with_replies() {
        let [find, no] = turns();
        for step in [1, 2, 7, 500] {
            let (log, layer) = talk(9999, step, &[(ToServer, &find), (ToClient, &no)]);
            assert_eq!(layer.protocol(), Some(AppProto::MongoDb));
            let Transaction::MongoDb(m) = &log.logged[0] else { panic!() };
            assert_eq!((m.command.as_deref(), m.collection.as_deref()), (Some("find"), Some("users")));
            assert_eq!((m.database.as_deref(), m.ok), (Some("shop"), Some(false)));
            assert_eq!(m.error.as_deref(), Some("not authorized"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let [find, no] = turns();
            let up = [find, message(9, 0, &bytes), bytes.clone()].concat();
            let down = [no, message(2, 9, &bytes)].concat();
            let turns: [(Direction, &[u8]); 2] = [(ToServer, &up), (ToClient, &down)];
            let whole = talk(27017, usize::MAX, &turns).0;
            let pieces = talk(27017, step, &turns).0;
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
