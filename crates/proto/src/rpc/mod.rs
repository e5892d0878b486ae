//! ONC RPC (RFC 5531) over UDP and TCP: calls joined with their replies; what NFS and the port mapper say in them.

mod files;
mod message;
mod nfs;

use std::collections::{HashMap, VecDeque};

use flow::FlowTuple;
use wire::{Direction, Endpoint, IpProto};

use crate::cursor::Cursor;
use crate::framing::{Finder, Found, Frame, Piece, Shape};
use crate::parser::{Chunk, Expectation, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;
use files::{Files, Way};
use message::Message;
pub use message::{Credentials, RpcCall};
pub use nfs::{Nfs, NfsChunk};

/// Bytes of a message that are kept until it is read; contents of files beyond them pass through.
const MAX_MESSAGE: usize = 16 * 1024;
/// A longer fragment is none (RFC 5531 allows 2 GB, servers take 1 MB and a bit).
const MAX_FRAGMENT: usize = 16 * 1024 * 1024;
/// Calls without a reply yet; the oldest is logged without one.
const MAX_PENDING: usize = 128;
/// Handles whose names are remembered.
const MAX_NAMES: usize = 512;
const PORTMAP: u32 = 100_000;
const NFS: u32 = 100_003;

/// A question to the port mapper, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portmap {
    /// The call.
    pub call: RpcCall,
    /// The program that is asked for, or set.
    pub program: u32,
    /// Its version.
    pub version: u32,
    /// Its transport, an IP protocol number.
    pub protocol: u32,
    /// Where it listens; 0: nowhere.
    pub port: Option<u32>,
}

impl Portmap {
    /// The procedure (RFC 1833).
    #[must_use]
    pub fn procedure_name(&self) -> &'static str {
        match self.call.procedure {
            1 => "SET",
            2 => "UNSET",
            3 => "GETPORT",
            4 => "DUMP",
            5 => "CALLIT",
            _ => "other",
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// Whether a call begins here, and of which program.
fn call_begins(bytes: &[u8]) -> Result<u32, Guess> {
    let checks: [fn(u32) -> bool; 4] = [
        |kind| kind == 0,
        |rpc| rpc == 2,
        |program| (100_000..500_000).contains(&program),
        |version| version <= 8,
    ];
    for (index, fits) in checks.into_iter().enumerate() {
        match word(bytes, 4 + 4 * index) {
            Some(value) if fits(value) => {}
            Some(_) => return Err(Guess::No),
            None => return Err(Guess::More),
        }
    }
    // The flavour of the credentials, and their length.
    match (word(bytes, 24), word(bytes, 28)) {
        (Some(flavour), Some(len)) if flavour <= 400_000 && len <= 400 => word(bytes, 12).ok_or(Guess::More),
        (Some(_), Some(_)) => Err(Guess::No),
        _ => Err(Guess::More),
    }
}

fn stream_program(bytes: &[u8]) -> Result<u32, Guess> {
    match word(bytes, 0) {
        None => Err(Guess::More),
        Some(mark) if (40..=MAX_FRAGMENT as u32).contains(&(mark & 0x7fff_ffff)) => call_begins(&bytes[4..]),
        Some(_) => Err(Guess::No),
    }
}

fn datagram_program(bytes: &[u8]) -> Result<u32, Guess> {
    call_begins(bytes).map_err(|_| Guess::No)
}

fn judge(found: Result<u32, Guess>, nfs: bool) -> Guess {
    match found {
        Ok(program) if (program == NFS) == nfs => Guess::Yes,
        Ok(_) => Guess::No,
        Err(guess) => guess,
    }
}

/// NFS over TCP.
pub(crate) static NFS_STREAM: Protocol = Protocol {
    app: AppProto::Nfs,
    transport: IpProto::TCP,
    ports: &[2049],
    probe: |opening| judge(stream_program(opening.fresh()), true),
    open: Some(|tuple| Box::new(RpcParser::new(tuple))),
};

/// NFS over UDP.
pub(crate) static NFS_DATAGRAM: Protocol = Protocol {
    app: AppProto::Nfs,
    transport: IpProto::UDP,
    ports: &[2049],
    probe: |opening| judge(datagram_program(opening.fresh()), true),
    open: Some(|tuple| Box::new(RpcParser::new(tuple))),
};

/// Any other program over TCP.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Rpc,
    transport: IpProto::TCP,
    ports: &[111],
    probe: |opening: &Opening<'_>| judge(stream_program(opening.fresh()), false),
    open: Some(|tuple| Box::new(RpcParser::new(tuple))),
};

/// Any other program over UDP.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Rpc,
    transport: IpProto::UDP,
    ports: &[111],
    probe: |opening| judge(datagram_program(opening.fresh()), false),
    open: Some(|tuple| Box::new(RpcParser::new(tuple))),
};

/// A call without its reply.
#[derive(Debug)]
enum Pending {
    Nfs { nfs: Box<Nfs>, handle: Box<[u8]>, offset: u64 },
    Portmap(Box<Portmap>),
}

impl Pending {
    fn xid(&self) -> u32 {
        match self {
            Pending::Nfs { nfs, .. } => nfs.call.xid,
            Pending::Portmap(portmap) => portmap.call.xid,
        }
    }

    fn log(self, sink: &mut dyn Sink) {
        match self {
            Pending::Nfs { nfs, .. } if !nfs.is_routine() => sink.log(Transaction::Nfs(nfs)),
            Pending::Nfs { nfs, .. } => sink.pass(&Transaction::Nfs(nfs)),
            Pending::Portmap(portmap) => sink.log(Transaction::Portmap(portmap)),
        }
    }
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub struct RpcParser {
    server: Endpoint,
    stream: bool,
    /// Record marks lost are found again.
    finders: [Finder; 2],
    /// Fragments of a message in several, until its last.
    joined: [Vec<u8>; 2],
    /// Contents of a file that pass through behind their message, and how many bytes.
    passing: [Option<(u64, usize)>; 2],
    pending: VecDeque<Pending>,
    names: HashMap<Box<[u8]>, String>,
    files: Files,
    calls: u64,
    limits_hit: u32,
}

/// A fragment with its mark.
fn measure(bytes: &[u8]) -> Frame {
    match word(bytes, 0) {
        None => Frame::More(4),
        Some(mark) => match (mark & 0x7fff_ffff) as usize {
            len if len <= MAX_FRAGMENT => Frame::Pdu(4 + len),
            _ => Frame::Broken,
        },
    }
}

const SHAPE: Shape = Shape { max: MAX_MESSAGE, measure, width: 12, begins };

/// Whether the only fragment of a message begins here: mark, xid, call or reply.
fn begins(window: &[u8]) -> bool {
    let sound =
        |mark: u32| mark & 0x8000_0000 != 0 && (20..=MAX_FRAGMENT as u32).contains(&(mark & 0x7fff_ffff));
    word(window, 0).is_some_and(sound) && word(window, 8).is_some_and(|kind| kind <= 1)
}

impl RpcParser {
    fn new(tuple: &FlowTuple) -> Self {
        RpcParser {
            server: tuple.server,
            stream: tuple.proto == IpProto::TCP,
            finders: Default::default(),
            joined: Default::default(),
            passing: [None; 2],
            pending: VecDeque::new(),
            names: HashMap::new(),
            files: Files::default(),
            calls: 0,
            limits_hit: 0,
        }
    }

    fn piece(&mut self, direction: Direction, piece: Piece<'_>, sink: &mut dyn Sink) {
        let side = direction.index();
        match piece {
            Piece::Rest(bytes) => {
                if let Some((file, left)) = self.passing[side] {
                    let bytes = &bytes[..bytes.len().min(left)];
                    self.files.more(file, bytes, sink);
                    self.passing[side] = Some((file, left - bytes.len())).filter(|(_, left)| *left > 0);
                }
            }
            Piece::Pdu { bytes, .. } => {
                let last = bytes.first().is_some_and(|b| b & 0x80 != 0);
                let body = bytes.get(4..).unwrap_or_default();
                if last && self.joined[side].is_empty() {
                    return self.message(direction, body, sink);
                }
                let mut joined = std::mem::take(&mut self.joined[side]);
                let fits = body.len().min(MAX_MESSAGE - joined.len().min(MAX_MESSAGE));
                self.limits_hit += u32::from(fits < body.len());
                joined.extend_from_slice(&body[..fits]);
                if last {
                    self.message(direction, &joined, sink);
                } else {
                    self.joined[side] = joined;
                }
            }
        }
    }

    fn message(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) {
        self.passing[direction.index()] = None;
        match message::parse(bytes) {
            Some(Message::Call(call, at)) => self.call(direction, call, at, sink),
            Some(Message::Reply { xid, accepted, results }) => {
                let Some(index) = self.pending.iter().position(|p| p.xid() == xid) else { return };
                if let Some(pending) = self.pending.remove(index) {
                    self.reply(direction, pending, accepted, results, sink);
                }
            }
            None => sink.anomaly("malformed_data"),
        }
    }

    fn call(&mut self, direction: Direction, call: RpcCall, at: Cursor<'_>, sink: &mut dyn Sink) {
        let id = self.calls;
        self.calls += 1;
        // A client that got no answer says the same again.
        if self.pending.iter().any(|p| p.xid() == call.xid) {
            return;
        }
        let pending = match call.program {
            NFS => self.nfs(direction, id, call, at, sink),
            PORTMAP => {
                let mut at = at;
                let [program, version, protocol, port] = [(); 4].map(|()| at.u32().unwrap_or(0));
                let set = call.procedure == 1;
                Pending::Portmap(Box::new(Portmap {
                    call,
                    program,
                    version,
                    protocol,
                    port: set.then_some(port),
                }))
            }
            _ => return,
        };
        match &pending {
            Pending::Nfs { nfs, .. } if nfs.is_routine() => {}
            Pending::Nfs { nfs, .. } => sink.inspect(&Transaction::Nfs(nfs.clone())),
            Pending::Portmap(portmap) => sink.inspect(&Transaction::Portmap(portmap.clone())),
        }
        if self.pending.len() >= MAX_PENDING {
            self.limits_hit += 1;
            if let Some(oldest) = self.pending.pop_front() {
                oldest.log(sink);
            }
        }
        self.pending.push_back(pending);
    }

    fn nfs(
        &mut self,
        direction: Direction,
        id: u64,
        call: RpcCall,
        at: Cursor<'_>,
        sink: &mut dyn Sink,
    ) -> Pending {
        let args = nfs::arguments(&call, at);
        let handle: Box<[u8]> = args.handle.unwrap_or_default().into();
        let mut nfs = Nfs { id, operation: args.operation, new_name: args.new_name, ..Nfs::default() };
        nfs.call = call;
        nfs.handle_hash = args.handle.map(crc32fast::hash);
        nfs.name = args.name.or_else(|| self.names.get(&handle).cloned()).unwrap_or_default();
        if let Some(write) = args.write {
            let name = (!nfs.name.is_empty()).then_some(nfs.name.as_str());
            let way = Way { direction, write: true };
            let (chunk, passing) = self.files.take(way, &handle, name, write, sink);
            nfs.write = Some(chunk);
            self.passing[direction.index()] = passing;
        }
        if args.closes {
            self.files.finish(&handle, sink);
        }
        Pending::Nfs { nfs: Box::new(nfs), handle, offset: args.offset }
    }

    fn reply(
        &mut self,
        direction: Direction,
        mut pending: Pending,
        accepted: bool,
        results: Option<Cursor<'_>>,
        sink: &mut dyn Sink,
    ) {
        match &mut pending {
            Pending::Portmap(portmap) => {
                portmap.call.accepted = Some(accepted);
                let port = results.and_then(|mut at| at.u32());
                if portmap.call.procedure == 3 && portmap.call.version == 2 {
                    portmap.port = port;
                    self.expect(portmap, sink);
                }
            }
            Pending::Nfs { nfs, handle, offset } => {
                nfs.call.accepted = Some(accepted);
                let results = results.map(|at| nfs::results(&nfs.call, *offset, at)).unwrap_or_default();
                nfs.status = results.status;
                if let Some(made) = results.handle {
                    nfs.handle_hash = Some(crc32fast::hash(made));
                    if !nfs.name.is_empty() && nfs.name != "." && nfs.name != ".." {
                        if self.names.len() >= MAX_NAMES {
                            self.names.clear();
                            self.limits_hit += 1;
                        }
                        self.names.insert(made.into(), nfs.name.clone());
                    }
                }
                if let Some(read) = results.read {
                    let name = (!nfs.name.is_empty()).then_some(nfs.name.as_str());
                    let way = Way { direction, write: false };
                    let (chunk, passing) = self.files.take(way, handle, name, read, sink);
                    nfs.read = Some(chunk);
                    self.passing[direction.index()] = passing;
                }
            }
        }
        pending.log(sink);
    }

    /// The port mapper has told where a program listens.
    fn expect(&self, portmap: &Portmap, sink: &mut dyn Sink) {
        let transport = match portmap.protocol {
            6 => IpProto::TCP,
            17 => IpProto::UDP,
            _ => return,
        };
        let Some(port) = portmap.port.and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0) else { return };
        sink.expect(Expectation {
            endpoint: Endpoint { ip: self.server.ip, port },
            transport,
            app: if portmap.program == NFS { AppProto::Nfs } else { AppProto::Rpc },
            note: None,
        });
    }
}

impl Parser for RpcParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        if !self.stream {
            self.message(chunk.direction, chunk.bytes, sink);
            self.passing = [None; 2];
            return Step::More;
        }
        let side = chunk.direction.index();
        let mut finder = std::mem::take(&mut self.finders[side]);
        finder.feed(chunk.bytes, &SHAPE, &mut |found| match found {
            Found::Piece(piece) => self.piece(chunk.direction, piece, sink),
            Found::Lost => sink.anomaly("malformed_data"),
        });
        self.finders[side] = finder;
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        let side = direction.index();
        if let Some((file, left)) = self.passing[side] {
            let within = usize::try_from(missing).map_or(left, |missing| missing.min(left));
            self.files.gap(file, within as u64, sink);
            self.passing[side] = Some((file, left - within)).filter(|(_, left)| *left > 0);
        }
        if !self.finders[side].gap(missing) {
            self.joined[side] = Vec::new();
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for pending in std::mem::take(&mut self.pending) {
            pending.log(sink);
        }
        self.files.close(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit + self.files.limits_hit
    }
}

#[cfg(test)]
mod tests;
