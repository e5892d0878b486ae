//! LDAP over TCP and over UDP (RFC 4511, MS-ADTS section 7.3.3): operations with their answers, and binds as logins.

mod message;
mod names;

use std::cell::Cell;
use std::collections::VecDeque;

use wire::{Direction, IpProto};

pub use self::message::{Attribute, LdapRequest, LdapResponse, LdapResult, Operation, Reply};
pub use self::names::result_name;
use crate::ber::{self, Head};
use crate::bytes::{Cut, Units};
use crate::login::{Login, Outcome, Secret};
use crate::ntlm;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::{Transaction, opened};

/// Bytes of a message; larger ones are passed over.
const MAX_MESSAGE: usize = 256 * 1024;
/// Requests that may wait for their last response; the oldest is logged as it is.
const MAX_PENDING: usize = 128;
/// Responses kept of one request; the others are counted.
const MAX_RESPONSES: usize = 64;
/// Bytes of messages whose contents wait on a flow: requests beyond them push out the oldest, responses are counted.
const MAX_KEPT: usize = 1024 * 1024;
/// The operation that begins TLS (RFC 4511 section 4.14.1).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Result codes.
const SUCCESS: u32 = 0;
const SASL_IN_PROGRESS: u32 = 14;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 2;

/// A request with its responses, or responses that nobody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ldap {
    /// What was asked.
    pub request: Option<LdapRequest>,
    /// What was answered.
    pub responses: Vec<LdapResponse>,
    /// Responses beyond those that are kept.
    pub more_responses: u32,
}

/// LDAP over TCP, on any port.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Ldap,
    transport: IpProto::TCP,
    ports: &[389, 3268],
    probe: |opening| guess(opening.fresh()),
    open: Some(|_| Box::new(LdapParser::new(true))),
};

/// LDAP over UDP.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Ldap,
    transport: IpProto::UDP,
    ports: &[389],
    probe: probe_datagram,
    open: Some(|_| Box::new(LdapParser::new(false))),
};

fn probe_datagram(opening: &Opening<'_>) -> Guess {
    match guess(opening.fresh()) {
        Guess::More => Guess::No,
        told => told,
    }
}

/// A message's beginning: its number, and the tag of an operation with a length that fits.
fn guess(seen: &[u8]) -> Guess {
    let (at, len) = match ber::head(seen) {
        Head::Is(SEQUENCE, head, body) if body <= MAX_MESSAGE => (head, body),
        Head::More if seen.first().is_none_or(|&tag| tag == SEQUENCE) => return Guess::More,
        _ => return Guess::No,
    };
    let inner = &seen[at..];
    let (id_head, id_len) = match ber::head(inner) {
        Head::Is(INTEGER, head, body @ 1..=4) => (head, body),
        Head::More => return Guess::More,
        _ => return Guess::No,
    };
    let Some(operation) = inner.get(id_head + id_len..) else { return Guess::More };
    if inner.get(id_head).is_some_and(|&first| first & 0x80 != 0) {
        return Guess::No;
    }
    match ber::head(operation) {
        Head::Is(tag, head, body) => {
            let fits = id_head + id_len + head + body <= len;
            // A bind says its version; SNMP and others that look alike do not come this far.
            let bind_ok = tag != 0x60 || operation.get(head..head + 2).is_none_or(|v| v == [2, 1]);
            let known = message::is_operation(tag);
            if fits && known && bind_ok { Guess::Yes } else { Guess::No }
        }
        Head::More if operation.first().is_none_or(|&tag| message::is_operation(tag)) => Guess::More,
        _ => Guess::No,
    }
}

fn cut(seen: &[u8]) -> Cut {
    match ber::head(seen) {
        Head::More if seen.first().is_none_or(|&tag| tag == SEQUENCE) => Cut::More,
        Head::Is(SEQUENCE, head, body) if body <= MAX_MESSAGE => Cut::Unit(head + body),
        Head::Is(SEQUENCE, head, body) => Cut::Skip(head.saturating_add(body)),
        _ => Cut::Bad,
    }
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub struct LdapParser {
    stream: bool,
    units: [Units; 2],
    /// With the bytes of each one's messages.
    pending: VecDeque<(usize, Box<Ldap>)>,
    /// Their sum.
    kept: usize,
    /// The server agreed to TLS.
    tls: bool,
    /// A bind with SASL succeeded: a security layer may follow.
    secured: bool,
    who: ntlm::Who,
    limits_hit: u32,
}

impl LdapParser {
    fn new(stream: bool) -> Self {
        LdapParser {
            stream,
            units: Default::default(),
            pending: VecDeque::new(),
            kept: 0,
            tls: false,
            secured: false,
            who: ntlm::Who::default(),
            limits_hit: 0,
        }
    }

    fn message(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        match message::parse(bytes) {
            Some(message::Message::Request(request)) => self.request(request, bytes.len(), sink),
            Some(message::Message::Response(response)) => self.response(response, bytes.len(), sink),
            None => sink.anomaly("invalid_data"),
        }
    }

    fn request(&mut self, request: LdapRequest, size: usize, sink: &mut dyn Sink) {
        if let Operation::Bind { sasl: Some((_, credentials)), .. } = &request.operation {
            self.who.told(credentials, sink);
        }
        let answered = request.operation.is_answered();
        let ldap = Ldap { request: Some(request), ..Ldap::default() };
        if !answered {
            return complete(ldap.into(), sink);
        }
        while self.pending.len() >= MAX_PENDING || self.kept + size > MAX_KEPT {
            let Some((bytes, oldest)) = self.pending.pop_front() else { break };
            self.kept -= bytes;
            self.limits_hit += 1;
            log(oldest, sink);
        }
        if let Transaction::Ldap(ldap) = opened(ldap, sink) {
            self.kept += size;
            self.pending.push_back((size, ldap));
        }
    }

    fn response(&mut self, response: LdapResponse, size: usize, sink: &mut dyn Sink) {
        let of = |l: &Ldap| l.request.as_ref().is_some_and(|r| r.message_id == response.message_id);
        let Some(at) = self.pending.iter().position(|(_, l)| of(l)) else {
            sink.anomaly("request_not_found");
            let ldap = Ldap { responses: vec![response], ..Ldap::default() };
            return complete(ldap.into(), sink);
        };
        let last = response.is_last();
        let (bytes, ldap) = &mut self.pending[at];
        if let Some(LdapRequest { operation: Operation::Extended { name, .. }, .. }) = &ldap.request
            && name == START_TLS
            && response.result().is_some_and(|r| r.code == SUCCESS)
        {
            self.tls = true;
        }
        if let Some(LdapRequest { operation: Operation::Bind { sasl: Some(_), .. }, .. }) = &ldap.request
            && response.result().is_some_and(|r| r.code == SUCCESS)
        {
            self.secured = true;
        }
        if last || (ldap.responses.len() < MAX_RESPONSES && self.kept + size <= MAX_KEPT) {
            ldap.responses.push(response);
            *bytes += size;
            self.kept += size;
        } else {
            ldap.more_responses += 1;
            self.limits_hit += 1;
        }
        if last && let Some((bytes, ldap)) = self.pending.remove(at) {
            self.kept -= bytes;
            log(ldap, sink);
        }
    }
}

/// Logs an exchange, and who logged in with it.
fn log(ldap: Box<Ldap>, sink: &mut dyn Sink) {
    if let Some(LdapRequest { operation: Operation::Bind { name, password: Some(secret), .. }, .. }) =
        &ldap.request
        && !secret.is_empty()
    {
        let outcome = match ldap.responses.iter().find_map(LdapResponse::result).map(|r| r.code) {
            Some(SUCCESS) => Outcome::Accepted,
            Some(SASL_IN_PROGRESS) | None => Outcome::Unknown,
            Some(_) => Outcome::Refused,
        };
        let (user, secret) = (Some(name.clone()), Some(Secret::new(secret.clone())));
        complete(Login { service: AppProto::Ldap, method: "simple", user, secret, outcome }.into(), sink);
    }
    sink.log(Transaction::Ldap(ldap));
}

impl Parser for LdapParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        if !self.stream {
            self.message(chunk.bytes, sink);
            return Step::More;
        }
        if self.tls {
            return Step::Switch { rest: chunk.bytes.len(), to: Some(AppProto::Tls) };
        }
        let side = chunk.direction.index();
        let mut units = std::mem::take(&mut self.units[side]);
        let mut rest = 0;
        let secured = Cell::new(self.secured);
        let search = |seen: &[u8]| if secured.get() { Guess::No } else { guess(seen) };
        let understood = units.feed(chunk.bytes, cut, search, |message, behind| {
            self.message(message, sink);
            secured.set(self.secured);
            rest = behind;
            !self.tls
        });
        self.units[side] = units;
        if self.tls && rest > 0 {
            return Step::Switch { rest, to: Some(AppProto::Tls) };
        }
        if !understood && self.secured {
            // Signed or sealed by the security layer that a bind agreed on.
            return Step::Finished;
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        self.units[direction.index()].lose();
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for (_, ldap) in self.pending.drain(..) {
            log(ldap, sink);
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests;
