//! DCE/RPC in named pipes: PDUs cut out of what is written and read, calls matched with their answers.

use std::collections::VecDeque;

use super::state::Key;
use super::transaction::{FileId, Smb, Status};
use crate::bytes::Units;
use wire::Direction;

use crate::dcerpc::{self, AUTH3, Bound, Dcerpc, Pdu, REQUEST, sender, share};
use crate::ntlm;
use crate::parser::Sink;
use crate::transaction::{Transaction, opened};

/// Pipes that are followed at once; the one opened first is let go.
const MAX_PIPES: usize = 32;
/// Calls of a pipe that wait for their answer; the oldest is logged without.
const MAX_CALLS: usize = 64;
/// Bytes of PDUs that are not complete, of all pipes; beyond them the oldest pipe's are let go.
const MAX_HELD: usize = 512 * 1024;

#[derive(Debug)]
struct Pipe {
    id: FileId,
    /// `[written, read]`.
    units: [Units; 2],
    bound: Bound,
    /// With the message that brought each.
    calls: VecDeque<(Key, Box<Smb>)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    open: VecDeque<Pipe>,
    who: ntlm::Who,
    pub limits_hit: u32,
}

impl Pipes {
    fn let_go(&mut self) {
        let mut held: usize = self.open.iter().flat_map(|pipe| &pipe.units).map(Units::held).sum();
        for units in self.open.iter_mut().flat_map(|pipe| &mut pipe.units) {
            if held <= MAX_HELD {
                break;
            }
            if units.held() > 0 {
                held -= units.held();
                units.lose();
                self.limits_hit += 1;
            }
        }
    }

    fn find(&mut self, id: FileId) -> Option<&mut Pipe> {
        self.open.iter_mut().rev().find(|pipe| pipe.id == id)
    }

    /// Whether PDUs were written to it.
    pub fn knows(&mut self, id: FileId) -> bool {
        self.find(id).is_some()
    }

    /// Written to a pipe; false if it is no PDU and none is being continued. `make` makes the transaction of a call.
    pub fn written(
        &mut self,
        id: FileId,
        key: Key,
        bytes: &[u8],
        mut make: impl FnMut() -> Smb,
        sink: &mut dyn Sink,
    ) -> bool {
        if self.find(id).is_none() {
            if !dcerpc::is_pdu(bytes) {
                return false;
            }
            if self.open.len() >= MAX_PIPES
                && let Some(oldest) = self.open.pop_front()
            {
                self.limits_hit += 1;
                log_all(oldest, sink);
            }
            let (units, bound, calls) = (Default::default(), Bound::default(), VecDeque::new());
            self.open.push_back(Pipe { id, units, bound, calls });
        }
        let Some(at) = self.open.iter().rposition(|pipe| pipe.id == id) else { return false };
        let keep = share(sink.keep().payloads, self.open.iter().map(|pipe| pipe.calls.len()).sum());
        let (pipe, who) = (&mut self.open[at], &mut self.who);
        let mut hits = 0;
        let mut units = std::mem::take(&mut pipe.units[0]);
        units.feed(bytes, dcerpc::cut, dcerpc::guess, |bytes, _| {
            if let Some(pdu) = Pdu::parse(bytes)
                .filter(|pdu| pdu.kind == AUTH3 || sender(pdu.kind) == Some(Direction::ToServer))
            {
                who.told(pdu.auth().unwrap_or_default(), sink);
                hits += pipe.request(&pdu, key, keep, &mut make, sink);
            }
            true
        });
        pipe.units[0] = units;
        self.let_go();
        self.limits_hit += hits;
        true
    }

    /// The server answered the message that wrote a call; what it says may be still to come. Whether one was found.
    pub fn answered(&mut self, key: Key, status: Status, final_: bool, sink: &mut dyn Sink) -> bool {
        for pipe in &mut self.open {
            if let Some(at) = pipe.calls.iter().position(|(of, _)| *of == key) {
                pipe.calls[at].1.status = Some(status);
                if final_ && let Some((_, smb)) = pipe.calls.remove(at) {
                    sink.log(Transaction::Smb(smb));
                }
                return true;
            }
        }
        false
    }

    /// Read from a pipe.
    pub fn read(&mut self, id: FileId, bytes: &[u8], sink: &mut dyn Sink) {
        let Some(pipe) = self.find(id) else { return };
        let mut units = std::mem::take(&mut pipe.units[1]);
        units.feed(bytes, dcerpc::cut, dcerpc::guess, |bytes, _| {
            if let Some(pdu) = Pdu::parse(bytes).filter(|pdu| sender(pdu.kind) == Some(Direction::ToClient)) {
                pipe.response(&pdu, sink);
            }
            true
        });
        pipe.units[1] = units;
        self.let_go();
    }

    /// A pipe is closed.
    pub fn close(&mut self, id: FileId, sink: &mut dyn Sink) {
        if let Some(at) = self.open.iter().rposition(|pipe| pipe.id == id)
            && let Some(pipe) = self.open.remove(at)
        {
            log_all(pipe, sink);
        }
    }

    /// The flow is over.
    pub fn close_all(&mut self, sink: &mut dyn Sink) {
        for pipe in self.open.drain(..) {
            log_all(pipe, sink);
        }
    }
}

fn log_all(pipe: Pipe, sink: &mut dyn Sink) {
    for (_, smb) in pipe.calls {
        sink.log(Transaction::Smb(smb));
    }
}

impl Pipe {
    /// How often a limit was met.
    fn request(
        &mut self,
        pdu: &Pdu<'_>,
        key: Key,
        keep: usize,
        make: &mut impl FnMut() -> Smb,
        sink: &mut dyn Sink,
    ) -> u32 {
        if pdu.kind == REQUEST && !pdu.is_first() {
            let of = self.calls.iter_mut().rev().filter_map(|(_, smb)| smb.dcerpc.as_mut());
            if let Some(call) = { of }.find(|c| c.call_id == pdu.call_id && c.request == Some(REQUEST)) {
                call.more(pdu, keep);
                return 0;
            }
        }
        let call = Dcerpc::begin(pdu, &mut self.bound, keep);
        let smb = Smb { dcerpc: Some(call), ..make() };
        let Transaction::Smb(smb) = opened(smb, sink) else { return 0 };
        // The third message of an authentication gets no answer.
        if pdu.kind == AUTH3 {
            sink.log(Transaction::Smb(smb));
            return 0;
        }
        self.calls.push_back((key, smb));
        if self.calls.len() > MAX_CALLS
            && let Some((_, oldest)) = self.calls.pop_front()
        {
            sink.log(Transaction::Smb(oldest));
            return 1;
        }
        0
    }

    fn response(&mut self, pdu: &Pdu<'_>, sink: &mut dyn Sink) {
        let awaits = |smb: &Smb| smb.dcerpc.as_ref().is_some_and(|call| call.awaits(pdu));
        let Some(at) = self.calls.iter().position(|(_, smb)| awaits(smb)) else { return };
        let keep = share(sink.keep().payloads, self.calls.len());
        if let Some(call) = &mut self.calls[at].1.dcerpc {
            call.answer(pdu, &mut self.bound, keep);
        }
        if (pdu.is_last() || call_ends(pdu))
            && let Some((_, smb)) = self.calls.remove(at)
        {
            sink.log(Transaction::Smb(smb));
        }
    }
}

/// Answers that never come in fragments.
fn call_ends(pdu: &Pdu<'_>) -> bool {
    pdu.kind != 2
}
