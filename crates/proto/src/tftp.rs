//! Trivial File Transfer Protocol (RFC 1350, RFC 2347, RFC 2348): the request on its port, the file on a flow of its
//! own between the client's port and one that the server picks.

use flow::FlowTuple;
use wire::{Direction, Endpoint, IpProto};

use crate::dns::text;
use crate::parser::{Chunk, Expectation, FileEvent, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

const PORTS: &[u16] = &[69];
/// Bytes of a file's name.
const MAX_FILE: usize = 512;
/// Bytes of a block unless both agree on others.
const BLOCK: usize = 512;
/// The only file of a flow.
const HANDLE: u64 = 0;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tftp {
    /// The client writes.
    pub write: bool,
    /// Which file.
    pub file: String,
    /// "octet", "netascii" or "mail", in small letters.
    pub mode: &'static str,
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Tftp,
    transport: IpProto::UDP,
    ports: PORTS,
    probe,
    open: Some(|tuple| Box::new(Transfer::new(tuple))),
};

/// A request with a mode is sign enough on any port.
fn probe(opening: &Opening<'_>) -> Guess {
    if request(opening.fresh()).is_some() { Guess::Yes } else { Guess::No }
}

fn request(bytes: &[u8]) -> Option<Tftp> {
    let (&[0, code @ (1 | 2)], rest) = bytes.split_first_chunk::<2>()? else { return None };
    let mut fields = rest.split(|&byte| byte == 0);
    let file = fields.next().filter(|f| !f.is_empty() && f.len() <= MAX_FILE)?;
    let mode = fields.next()?;
    let mode = ["octet", "netascii", "mail"].into_iter().find(|m| mode.eq_ignore_ascii_case(m.as_bytes()))?;
    // The mode is ended too.
    fields.next()?;
    Some(Tftp { write: code == 2, file: text(file), mode })
}

/// A request and the transfer behind it, on the same flow or, announced, on its own.
#[derive(Debug)]
struct Transfer {
    client: Endpoint,
    request: Option<Tftp>,
    block_size: usize,
    /// The block that comes next, if the file is open.
    next: Option<u16>,
}

impl Transfer {
    fn new(tuple: &FlowTuple) -> Self {
        Transfer { client: tuple.client, request: None, block_size: BLOCK, next: None }
    }

    fn end(&mut self, truncated: bool, sink: &mut dyn Sink) {
        if self.next.take().is_some() {
            let carrier = self.request.clone().map(Transaction::from);
            sink.file(FileEvent::Close { handle: HANDLE, truncated, carrier: carrier.as_ref() });
        }
    }

    /// A block: the next one, one from behind a hole, or one that was sent before.
    fn block(&mut self, direction: Direction, number: u16, bytes: &[u8], sink: &mut dyn Sink) -> Step {
        if self.next.is_none() {
            let name = self.request.as_ref().map(|request| request.file.as_str());
            sink.file(FileEvent::Open { handle: HANDLE, direction, name, size: None, in_body: false });
            self.next = Some(1);
        }
        let missing = number.wrapping_sub(self.next.unwrap_or(1));
        if missing > u16::MAX / 2 {
            return Step::More;
        }
        if missing > 0 {
            let missing = u64::from(missing) * self.block_size as u64;
            sink.file(FileEvent::Gap { handle: HANDLE, missing });
        }
        sink.file(FileEvent::Data { handle: HANDLE, bytes });
        self.next = Some(number.wrapping_add(1));
        if bytes.len() < self.block_size {
            self.end(false, sink);
            return Step::Finished;
        }
        Step::More
    }
}

impl Parser for Transfer {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        if let Some(request) = request(chunk.bytes) {
            // The same once more if no answer came.
            if self.request.as_ref() == Some(&request) {
                return Step::More;
            }
            self.end(true, sink);
            let note = format!("{}{}\0{}", if request.write { 'w' } else { 'r' }, request.mode, request.file);
            sink.expect(Expectation {
                endpoint: self.client,
                transport: IpProto::UDP,
                app: AppProto::Tftp,
                note: Some(note.into()),
            });
            complete(request.clone().into(), sink);
            self.request = Some(request);
            return Step::More;
        }
        match chunk.bytes {
            [0, 3, high, low, bytes @ ..] => {
                return self.block(chunk.direction, u16::from_be_bytes([*high, *low]), bytes, sink);
            }
            [0, 4, ..] => {}
            [0, 5, ..] => self.end(true, sink),
            [0, 6, options @ ..] => {
                let mut fields = options.split(|&byte| byte == 0);
                while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
                    let size = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                    if name.eq_ignore_ascii_case(b"blksize") {
                        self.block_size = size.filter(|&n| (8..=65464).contains(&n)).unwrap_or(BLOCK);
                    }
                }
            }
            _ => sink.anomaly("malformed_data"),
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end(true, sink);
    }

    fn announced(&mut self, note: Option<&str>) {
        let Some((head, file)) = note.and_then(|note| note.split_once('\0')) else { return };
        let mode = ["octet", "netascii", "mail"].into_iter().find(|&m| m == &head[1..]).unwrap_or("octet");
        self.request = Some(Tftp { write: head.starts_with('w'), file: file.to_owned(), mode });
    }
}
