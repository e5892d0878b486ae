//! DCE/RPC over TCP, over UDP, and inside of SMB's named pipes (C706, MS-RPCE).
//!
//! Only heads are read: a request's body is counted, fragment by fragment, and never interpreted.

mod call;
mod pdu;

use std::collections::VecDeque;

use wire::{Direction, IpProto};

pub(crate) use self::call::{Bound, sender, share};
pub use self::call::{Dcerpc, Stub};
pub(crate) use self::pdu::{AUTH3, Pdu, REQUEST};
use self::pdu::{Datagram, HEADER, HEADER_CL, RESPONSE};
pub use self::pdu::{Interface, type_name, uuid_text};
use crate::bytes::{Cut, Units};
use crate::ntlm;
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::{Transaction, opened};

/// Calls that may wait for their answer; the oldest is logged without.
const MAX_PENDING: usize = 128;
/// Where it is usual: the endpoint mapper.
const PORTS: &[u16] = &[135];

/// DCE/RPC over TCP, on any port.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Dcerpc,
    transport: IpProto::TCP,
    ports: PORTS,
    probe,
    open: Some(|_| Box::<DcerpcStream>::default()),
};

/// DCE/RPC over UDP, on any port.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Dcerpc,
    transport: IpProto::UDP,
    ports: PORTS,
    probe: probe_datagram,
    open: Some(|_| Box::<DcerpcDatagrams>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    guess(opening.fresh())
}

/// A header whose every fixed part is right.
pub(crate) fn guess(seen: &[u8]) -> Guess {
    let fits = |at: usize, ok: fn(u8) -> bool| seen.get(at).copied().is_none_or(ok);
    let possible = fits(0, |b| b == 5)
        && fits(1, |b| b <= 1)
        && fits(2, |b| matches!(b, 0 | 2 | 3 | 11..=16))
        && fits(4, |b| matches!(b, 0 | 0x10))
        && fits(5, |b| b <= 3)
        && fits(6, |b| b == 0)
        && fits(7, |b| b == 0);
    if !possible {
        return Guess::No;
    }
    match Pdu::parse(seen) {
        Some(pdu) if pdu.length < 24 => Guess::No,
        Some(_) => Guess::Yes,
        None if seen.len() < HEADER => Guess::More,
        None => Guess::No,
    }
}

fn probe_datagram(opening: &Opening<'_>) -> Guess {
    match Datagram::parse(opening.fresh()) {
        Some(_) => Guess::Yes,
        None => Guess::No,
    }
}

/// Lengths of PDUs.
pub(crate) fn cut(seen: &[u8]) -> Cut {
    match Pdu::parse(seen) {
        Some(pdu) => Cut::Unit(pdu.length),
        None if seen.len() < HEADER => Cut::More,
        None => Cut::Bad,
    }
}

/// DCE/RPC on a TCP connection. See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct DcerpcStream {
    units: [Units; 2],
    bound: Bound,
    pending: VecDeque<Box<Dcerpc>>,
    /// The call whose answer is being received.
    answered: Option<Box<Dcerpc>>,
    who: ntlm::Who,
    limits_hit: u32,
}

impl DcerpcStream {
    fn pdu(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        let Some(pdu) = Pdu::parse(bytes) else { return };
        self.who.told(pdu.auth().unwrap_or_default(), sink);
        match sender(pdu.kind) {
            Some(Direction::ToServer) => self.request(&pdu, sink),
            Some(Direction::ToClient) => self.response(&pdu, sink),
            None => {}
        }
    }

    fn request(&mut self, pdu: &Pdu<'_>, sink: &mut dyn Sink) {
        let keep = share(sink.keep().payloads, self.pending.len());
        let same = |c: &&mut Box<Dcerpc>| c.call_id == pdu.call_id && c.request == Some(REQUEST);
        if pdu.kind == REQUEST
            && !pdu.is_first()
            && let Some(call) = self.pending.iter_mut().rev().find(same)
        {
            return call.more(pdu, keep);
        }
        if self.pending.len() >= MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            self.limits_hit += 1;
            sink.log(Transaction::Dcerpc(oldest));
        }
        let call = Dcerpc::begin(pdu, &mut self.bound, keep);
        if let Transaction::Dcerpc(call) = opened(call, sink) {
            self.pending.push_back(call);
        }
    }

    fn response(&mut self, pdu: &Pdu<'_>, sink: &mut dyn Sink) {
        if let Some(call) = &mut self.answered
            && call.call_id == pdu.call_id
            && pdu.kind == RESPONSE
            && !pdu.is_first()
        {
            call.answer(pdu, &mut self.bound, share(sink.keep().payloads, 0));
        } else {
            self.log_answered(sink);
            let of = self.pending.iter().position(|c| c.awaits(pdu));
            let mut call = match of.and_then(|at| self.pending.remove(at)) {
                Some(call) => call,
                None => match opened(Dcerpc::lost(pdu), sink) {
                    Transaction::Dcerpc(call) => call,
                    _ => return,
                },
            };
            call.answer(pdu, &mut self.bound, share(sink.keep().payloads, 0));
            self.answered = Some(call);
        }
        if pdu.is_last() || pdu.kind != RESPONSE {
            self.log_answered(sink);
        }
    }

    fn log_answered(&mut self, sink: &mut dyn Sink) {
        if let Some(call) = self.answered.take() {
            sink.log(Transaction::Dcerpc(call));
        }
    }
}

impl Parser for DcerpcStream {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut units = std::mem::take(&mut self.units[side]);
        units.feed(chunk.bytes, cut, guess, |pdu, _| {
            self.pdu(pdu, sink);
            true
        });
        self.units[side] = units;
        Step::More
    }

    fn gap(&mut self, direction: Direction, _missing: u64, sink: &mut dyn Sink) -> Step {
        self.units[direction.index()].lose();
        if direction == Direction::ToClient {
            self.log_answered(sink);
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.log_answered(sink);
        for call in self.pending.drain(..) {
            sink.log(Transaction::Dcerpc(call));
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

/// DCE/RPC in datagrams. See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct DcerpcDatagrams {
    pending: VecDeque<Box<Dcerpc>>,
    limits_hit: u32,
}

impl Parser for DcerpcDatagrams {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let Some(pdu) = Datagram::parse(chunk.bytes) else { return Step::More };
        let activity = Some((pdu.activity, pdu.seqnum));
        let known = self.pending.iter().position(|call| call.activity == activity);
        let body = chunk.bytes.get(HEADER_CL..).unwrap_or_default();
        let keep = share(sink.keep().payloads, self.pending.len());
        let body = body.get(..pdu.body).unwrap_or(body);
        let stub = Stub { opnum: pdu.opnum, fragments: 1, length: pdu.body as u64 };
        match (pdu.kind, known) {
            (REQUEST, Some(at)) => {
                // A fragment, or the same once more.
                let call = &mut self.pending[at];
                if let Some(req) = call.req.as_mut().filter(|r| u32::from(pdu.fragment) >= r.fragments) {
                    req.fragments += 1;
                    req.length += stub.length;
                    call.keep(0, pdu.little, body, keep);
                }
            }
            (REQUEST, None) => {
                if self.pending.len() >= MAX_PENDING
                    && let Some(oldest) = self.pending.pop_front()
                {
                    self.limits_hit += 1;
                    sink.log(Transaction::Dcerpc(oldest));
                }
                let mut call = Dcerpc {
                    request: Some(REQUEST),
                    interfaces: vec![pdu.interface],
                    req: Some(stub),
                    rpc_version: (4, 0),
                    activity,
                    ..Dcerpc::default()
                };
                call.keep(0, pdu.little, body, keep);
                if let Transaction::Dcerpc(call) = opened(call, sink) {
                    self.pending.push_back(call);
                }
            }
            (RESPONSE | pdu::FAULT | pdu::REJECT, Some(at)) => {
                if let Some(mut call) = self.pending.remove(at) {
                    call.response = Some(pdu.kind);
                    call.res = (pdu.kind == RESPONSE).then_some(stub);
                    call.keep(1, pdu.little, if pdu.kind == RESPONSE { body } else { &[] }, keep);
                    sink.log(Transaction::Dcerpc(call));
                }
            }
            _ => {}
        }
        Step::More
    }

    fn gap(&mut self, _direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for call in self.pending.drain(..) {
            sink.log(Transaction::Dcerpc(call));
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

/// Whether a pipe's data begins with a PDU.
pub(crate) fn is_pdu(bytes: &[u8]) -> bool {
    Pdu::parse(bytes).is_some_and(|pdu| pdu.kind != RESPONSE || pdu.length >= 24)
}

#[cfg(test)]
pub(crate) mod tests;
