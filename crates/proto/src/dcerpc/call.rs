//! A call and its answer, and the interfaces that were bound: shared by TCP, UDP and named pipes.

use wire::Direction;

use super::pdu::{
    ALTER_CONTEXT, ALTER_CONTEXT_RESP, BIND, BIND_ACK, BIND_NAK, FAULT, Interface, Pdu, REJECT, REQUEST,
    RESPONSE,
};

/// Interfaces kept of one connection; the oldest are forgotten.
const MAX_BOUND: usize = 128;
/// Bytes of a call's body that are kept on a connection where no other call waits.
const MAX_STUB: usize = 128 * 1024;

/// What is kept of a body if `wanted` is, and so many calls wait: the more, the less of each.
pub(crate) fn share(wanted: usize, waiting: usize) -> usize {
    wanted.min(MAX_STUB / waiting.max(1))
}

/// How much was sent of a request or a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stub {
    /// Operation number; of requests only.
    pub opnum: u16,
    /// Fragments.
    pub fragments: u32,
    /// Bytes of their bodies, authentication trailers included.
    pub length: u64,
}

impl Stub {
    fn add(&mut self, pdu: &Pdu<'_>) {
        self.fragments = self.fragments.saturating_add(1);
        self.length += pdu.stub_length() as u64;
    }
}

/// A DCE/RPC call: what the client sent and what the server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dcerpc {
    /// PDU type of the client's message; `None` if it was lost.
    pub request: Option<u8>,
    /// PDU type of the answer; `None` if there was none.
    pub response: Option<u8>,
    /// Interfaces that a bind asks for, or the one a request is for.
    pub interfaces: Vec<Interface>,
    /// The request's body.
    pub req: Option<Stub>,
    /// The response's body.
    pub res: Option<Stub>,
    /// Number of the call on its connection.
    pub call_id: u32,
    /// Version of the protocol.
    pub rpc_version: (u8, u8),
    /// Connectionless only: the activity (UUID in the order of its text) and its sequence number.
    pub activity: Option<([u8; 16], u32)>,
    /// Numbers of `[client, server]` have their low byte first.
    pub little_endian: [bool; 2],
    /// The bodies of `[request, response]`, fragments joined, as far as the sink wants payloads kept.
    pub stubs: [Vec<u8>; 2],
}

/// Which side sends messages of this type, if they are part of a call: the others (cancel, shut down, keep alive,
/// the third message of an authentication) get no answer and name nothing.
pub(crate) fn sender(kind: u8) -> Option<Direction> {
    match kind {
        REQUEST | BIND | ALTER_CONTEXT => Some(Direction::ToServer),
        RESPONSE | FAULT | REJECT | BIND_ACK | BIND_NAK | ALTER_CONTEXT_RESP => Some(Direction::ToClient),
        _ => None,
    }
}

/// Interfaces that were bound on one connection or pipe.
#[derive(Debug, Default)]
pub(crate) struct Bound(Vec<Interface>);

impl Dcerpc {
    /// What a client's message begins.
    pub(crate) fn begin(pdu: &Pdu<'_>, bound: &mut Bound, keep: usize) -> Self {
        let mut call = Dcerpc {
            request: Some(pdu.kind),
            call_id: pdu.call_id,
            rpc_version: pdu.version,
            ..Dcerpc::default()
        };
        match pdu.kind {
            BIND | ALTER_CONTEXT => {
                let asked = pdu.interfaces();
                // What does not say that it begins binds nothing.
                if pdu.is_first() {
                    bound.0.extend_from_slice(&asked);
                }
                let surplus = bound.0.len().saturating_sub(MAX_BOUND);
                bound.0.drain(..surplus);
                call.interfaces = asked;
            }
            REQUEST => {
                let mut stub = Stub { opnum: pdu.opnum().unwrap_or(0), ..Stub::default() };
                stub.add(pdu);
                call.req = Some(stub);
                call.keep(0, pdu.little(), pdu.stub(), keep);
                let context = pdu.context();
                let of = bound.0.iter().rev().find(|i| Some(i.context) == context);
                call.interfaces = of.into_iter().copied().collect();
            }
            _ => {}
        }
        call
    }

    /// A call whose beginning was not seen.
    pub(crate) fn lost(pdu: &Pdu<'_>) -> Self {
        Dcerpc { call_id: pdu.call_id, rpc_version: pdu.version, ..Dcerpc::default() }
    }

    /// A further fragment of the request.
    pub(crate) fn more(&mut self, pdu: &Pdu<'_>, keep: usize) {
        if let Some(stub) = &mut self.req {
            stub.add(pdu);
            self.keep(0, pdu.little(), pdu.stub(), keep);
        }
    }

    /// Keeps a piece of a body, up to `limit` bytes of all.
    pub(super) fn keep(&mut self, side: usize, little: bool, piece: &[u8], limit: usize) {
        self.little_endian[side] = little;
        let kept = &mut self.stubs[side];
        let room = limit.saturating_sub(kept.len());
        kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// The server's answer, or a fragment of it.
    pub(crate) fn answer(&mut self, pdu: &Pdu<'_>, bound: &mut Bound, keep: usize) {
        self.response = Some(pdu.kind);
        match pdu.kind {
            RESPONSE => {
                self.res.get_or_insert_default().add(pdu);
                self.keep(1, pdu.little(), pdu.stub(), keep);
            }
            BIND_ACK | ALTER_CONTEXT_RESP => {
                for (asked, ack) in self.interfaces.iter_mut().zip(pdu.acks()) {
                    asked.ack = Some(ack);
                    let of = bound.0.iter_mut().rev().find(|i| i.context == asked.context);
                    if let Some(known) = of.filter(|i| i.uuid == asked.uuid) {
                        known.ack = asked.ack;
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether this PDU of the server answers it.
    pub(crate) fn awaits(&self, pdu: &Pdu<'_>) -> bool {
        let fits = match pdu.kind {
            BIND_ACK | BIND_NAK => self.request == Some(BIND),
            ALTER_CONTEXT_RESP => self.request == Some(ALTER_CONTEXT),
            RESPONSE => self.request == Some(REQUEST),
            FAULT | REJECT => true,
            _ => false,
        };
        fits && self.call_id == pdu.call_id
    }
}
