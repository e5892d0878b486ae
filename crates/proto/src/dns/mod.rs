//! DNS over UDP and TCP (RFC 1035, RFC 3596, RFC 2782, RFC 6891), and the protocols of the local network that have
//! its format: mDNS, LLMNR ([`local`]) and the NetBIOS Name Service ([`nbns`]).

pub mod local;
mod message;
mod names;
pub mod nbns;
mod rdata;

use flow::FlowTuple;
use wire::{Direction, IpProto};

pub use message::{Dns, Question, RData, Record, parse};
pub(crate) use message::{read, text};
pub use names::{rcode_name, rtype_name};
pub use rdata::Told;

use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// The port of DNS.
const PORTS: &[u16] = &[53];
/// Ports of protocols that have DNS's format and are not DNS: mDNS, LLMNR, NBNS.
const LOOKALIKE_PORTS: &[u16] = &[5353, 5355, 137];
/// The highest assigned OPCODE (RFC 8490).
const MAX_OPCODE: u8 = 6;
const HEADER: usize = 12;
/// A header, and the smallest question behind it.
const MIN_MESSAGE: usize = HEADER + 5;
/// Questions of a message in a stream that is taken for DNS.
const MAX_STREAM_QUESTIONS: u16 = 32;

/// DNS over TCP, on any port.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Dns,
    transport: IpProto::TCP,
    ports: PORTS,
    probe: probe_stream,
    open: Some(|_| Box::<DnsStream>::default()),
};

/// DNS over UDP, on any port but those of its relatives.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Dns,
    transport: IpProto::UDP,
    ports: PORTS,
    probe: probe_datagram,
    open: Some(open_datagrams),
};

/// On its port a header is asked for that makes sense; off it, the first message must be whole and without a flaw.
fn probe_stream(opening: &Opening<'_>) -> Guess {
    let bytes = opening.sides[opening.first.index()];
    if opening.on_port(PORTS) {
        return match bytes.first_chunk() {
            Some(head) if is_header(head) => Guess::Yes,
            Some(_) => Guess::No,
            None => Guess::More,
        };
    }
    let Some((&[high, low], rest)) = bytes.split_first_chunk::<2>() else { return Guess::More };
    let len = usize::from(u16::from_be_bytes([high, low]));
    // What cannot be kept cannot be judged.
    if !(MIN_MESSAGE..crate::app::MAX_PROBE - 2).contains(&len) {
        return Guess::No;
    }
    // OPCODE 0, Z clear, one question: cheap to see, and rarely so in anything else.
    let plain = |at: usize, mask: u8, is: u8| rest.get(at).is_none_or(|&byte| byte & mask == is);
    if !(plain(2, 0x78, 0) && plain(3, 0x40, 0) && plain(4, 0xff, 0) && plain(5, 0xff, 1)) {
        return Guess::No;
    }
    match rest.get(..len) {
        None => Guess::More,
        Some(message) if parse(message).is_some_and(|message| message.is_plausible()) => Guess::Yes,
        Some(_) => Guess::No,
    }
}

/// A length and a header behind it: room for what it announces, and no more of that than anybody sends.
fn is_header(head: &[u8; 2 + HEADER]) -> bool {
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let counts = [word(6), word(8), word(10), word(12)];
    // A question has 5 bytes at least, a record 11.
    let room = counts[1..].iter().fold(5 * usize::from(counts[0]), |room, &n| room + 11 * usize::from(n));
    counts[0] <= MAX_STREAM_QUESTIONS && usize::from(word(0)) >= HEADER + room && counts != [0; 4]
}

/// Off its port a message must be without a flaw to be taken for DNS.
fn probe_datagram(opening: &Opening<'_>) -> Guess {
    let known = opening.on_port(PORTS);
    match parse(opening.fresh()) {
        Some(message) if known || (message.is_plausible() && !opening.on_port(LOOKALIKE_PORTS)) => Guess::Yes,
        _ => Guess::No,
    }
}

fn open_datagrams(_: &FlowTuple) -> Box<dyn Parser> {
    Box::<DnsDatagrams>::default()
}

/// Tells what is wrong with a message, and hands it on.
fn take(message: Dns, sink: &mut dyn Sink) {
    if message.flags & 0x0040 != 0 {
        sink.anomaly("z_flag_set");
    }
    if message.opcode > MAX_OPCODE {
        sink.anomaly("invalid_opcode");
    }
    if let Some(flaw) = message.flaw {
        sink.anomaly(flaw);
    }
    complete(message.into(), sink);
}

/// DNS over UDP: every datagram is a message. What is none is passed over.
#[derive(Debug, Default)]
struct DnsDatagrams {
    unread: u32,
}

impl Parser for DnsDatagrams {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        match parse(chunk.bytes) {
            Some(message) => {
                self.unread = self.unread.saturating_add(message.unread.into());
                take(message, sink);
            }
            None => sink.anomaly("malformed_data"),
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.unread
    }
}

/// DNS over TCP: messages with their length before them (RFC 1035 section 4.2.2).
#[derive(Debug, Default)]
pub struct DnsStream {
    buffers: [Vec<u8>; 2],
    /// A hole lies before what comes next.
    gap: [bool; 2],
    lost: [bool; 2],
    unread: u32,
}

impl DnsStream {
    fn step(&self) -> Step {
        if self.lost == [true; 2] { Step::Finished } else { Step::More }
    }
}

impl Parser for DnsStream {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        if self.lost[side] {
            return Step::More;
        }
        if std::mem::take(&mut self.gap[side]) && !chunk.bytes.first_chunk().is_some_and(is_header) {
            // What follows the hole is no beginning of a message: the side is out of step.
            self.lost[side] = true;
            return self.step();
        }
        let buffer = &mut self.buffers[side];
        buffer.extend_from_slice(chunk.bytes);
        let mut at = 0;
        while let Some(len) = buffer.get(at..at + 2).map(|l| usize::from(u16::from_be_bytes([l[0], l[1]]))) {
            let Some(message) = buffer.get(at + 2..at + 2 + len) else { break };
            match parse(message) {
                Some(message) => {
                    self.unread = self.unread.saturating_add(message.unread.into());
                    take(message, sink);
                }
                // Not DNS after all, or out of step: nothing later can be trusted.
                None => {
                    sink.anomaly("malformed_data");
                    self.lost[side] = true;
                    break;
                }
            }
            at += 2 + len;
        }
        // What stays is less than one message, 64 KiB at most.
        buffer.drain(..at);
        self.step()
    }

    fn gap(&mut self, direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        self.gap[direction.index()] = true;
        self.buffers[direction.index()] = Vec::new();
        Step::More
    }

    fn close(&mut self, _sink: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.unread
    }
}
