//! Kerberos 5 between clients and their KDC (RFC 4120): who asks for which ticket, with which encryption.
//!
//! Tickets and authenticators stay closed: what is read is what stands outside of their encryption.

mod message;
mod names;

use wire::{Direction, IpProto};

pub use self::message::Krb5;
pub(crate) use self::message::service_ticket;
pub use self::names::{encryption_name, error_name, is_weak, type_name};
use crate::ber::{self, Head};
use crate::bytes::{Cut, Units};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of a message over TCP.
const MAX_MESSAGE: usize = 64 * 1024;
const PORTS: &[u16] = &[88];

/// Kerberos over TCP, on any port.
pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Krb5,
    transport: IpProto::TCP,
    ports: PORTS,
    probe: |opening| guess_record(opening.fresh()),
    open: Some(|_| Box::new(Krb5Parser::new(true))),
};

/// Kerberos over UDP, on any port.
pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Krb5,
    transport: IpProto::UDP,
    ports: PORTS,
    probe: probe_datagram,
    open: Some(|_| Box::new(Krb5Parser::new(false))),
};

fn probe_datagram(opening: &Opening<'_>) -> Guess {
    match message::guess(opening.fresh()) {
        Guess::More => Guess::No,
        told => told,
    }
}

/// A record mark and a message of that length behind it.
fn guess_record(seen: &[u8]) -> Guess {
    let [0, 0, high, low, message @ ..] = seen else {
        return if [0, 0].starts_with(&seen[..seen.len().min(2)]) { Guess::More } else { Guess::No };
    };
    match ber::head(message) {
        Head::Is(_, head, body) if head + body != usize::from(*high) << 8 | usize::from(*low) => Guess::No,
        _ => message::guess(message),
    }
}

fn cut(seen: &[u8]) -> Cut {
    let Some(mark) = seen.first_chunk::<4>() else { return Cut::More };
    // The highest bit is reserved for extensions that nobody made.
    match u32::from_be_bytes(*mark) as usize {
        len if len > MAX_MESSAGE => Cut::Bad,
        len => Cut::Unit(4 + len),
    }
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub struct Krb5Parser {
    stream: bool,
    units: [Units; 2],
    /// Type of the client's last message.
    asked: Option<u8>,
    limits_hit: u32,
}

impl Krb5Parser {
    fn new(stream: bool) -> Self {
        Krb5Parser { stream, units: Default::default(), asked: None, limits_hit: 0 }
    }

    fn message(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        let Some(mut message) = message::parse(bytes) else { return sink.anomaly("malformed_data") };
        match message.msg_type {
            message::AS_REQ | message::TGS_REQ | message::AP_REQ => self.asked = Some(message.msg_type),
            message::ERROR => message.failed_request = self.asked,
            _ => {}
        }
        if message.encryption.is_some_and(is_weak) {
            sink.anomaly("weak_encryption");
        }
        complete(message.into(), sink);
    }
}

impl Parser for Krb5Parser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        if !self.stream {
            self.message(chunk.bytes, sink);
            return Step::More;
        }
        let side = chunk.direction.index();
        let mut units = std::mem::take(&mut self.units[side]);
        let understood = units.feed(chunk.bytes, cut, guess_record, |unit, _| {
            self.message(&unit[4..], sink);
            true
        });
        self.units[side] = units;
        if !understood {
            self.limits_hit += 1;
            sink.anomaly("malformed_data");
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        self.units[direction.index()].lose();
        Step::More
    }

    fn close(&mut self, _sink: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests;
