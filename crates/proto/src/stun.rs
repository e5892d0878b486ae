//! STUN and TURN (RFC 8489, RFC 8656, RFC 3489): who asks how he is seen from outside, and the answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::{Direction, Endpoint, IpProto};

use crate::cursor::Cursor;
use crate::dtls;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Events of a flow: keepalives that say nothing new have none.
const MAX_EVENTS: usize = 16;
/// Bytes of a text that are kept (RFC 8489 allows 763).
const MAX_TEXT: usize = 763;
const HEADER: usize = 20;
const COOKIE: u32 = 0x2112_a442;

mod attribute {
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const USERNAME: u16 = 0x0006;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const REALM: u16 = 0x0014;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const SOFTWARE: u16 = 0x8022;
}

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// It wants an answer.
    #[default]
    Request,
    /// It wants none.
    Indication,
    /// It was done.
    Success,
    /// It was refused.
    Error,
}

impl Class {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Request => "request",
            Class::Indication => "indication",
            Class::Success => "success",
            Class::Error => "error",
        }
    }
}

/// An answer, or a request that has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stun {
    /// The method's number: 1 is Binding, 3 Allocate.
    pub method: u16,
    /// What became of it.
    pub class: Class,
    /// The server sent it.
    pub response: bool,
    /// How the client is seen from outside.
    pub mapped: Option<Endpoint>,
    /// What a relay gave to the client.
    pub relayed: Option<Endpoint>,
    /// Whom the client wants to reach through a relay.
    pub peer: Option<Endpoint>,
    /// As whom it asks.
    pub username: Option<String>,
    /// Where that name is known.
    pub realm: Option<String>,
    /// What the sender runs.
    pub software: Option<String>,
    /// Why it was refused.
    pub error_code: Option<u16>,
}

impl Stun {
    /// The method as the standards call it.
    #[must_use]
    pub fn method_name(&self) -> String {
        match self.method {
            1 => "Binding",
            2 => "SharedSecret",
            3 => "Allocate",
            4 => "Refresh",
            6 => "Send",
            7 => "Data",
            8 => "CreatePermission",
            9 => "ChannelBind",
            10 => "Connect",
            11 => "ConnectionBind",
            12 => "ConnectionAttempt",
            other => return format!("{other:#05x}"),
        }
        .to_owned()
    }
}

/// STUN over UDP, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Stun,
    transport: IpProto::UDP,
    ports: &[3478],
    probe,
    open: Some(|_| Box::<StunParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let Some(head) = seen.first_chunk::<HEADER>() else { return Guess::No };
    let [kind, len] = [0, 2].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
    let sound = kind >> 14 == 0 && len.is_multiple_of(4) && usize::from(len) == seen.len() - HEADER;
    let cookie = head[4..8] == COOKIE.to_be_bytes();
    // RFC 3489 had no cookie, and knew two methods only.
    let old = opening.on_port(&[3478]) && matches!(kind, 1 | 2 | 0x101 | 0x102 | 0x111 | 0x112);
    if sound && (cookie || old) { Guess::Yes } else { Guess::No }
}

/// Reads a message; `None` if it is none.
fn message(bytes: &[u8]) -> Option<Stun> {
    let mut at = Cursor(bytes);
    let kind = at.u16().filter(|kind| kind >> 14 == 0)?;
    let len = at.u16()?;
    let id: [u8; 16] = *at.array()?;
    let mut body = Cursor(at.take(len.into())?);
    let class = match (kind >> 8 & 1, kind >> 4 & 1) {
        (0, 0) => Class::Request,
        (0, _) => Class::Indication,
        (_, 0) => Class::Success,
        _ => Class::Error,
    };
    let method = kind & 0x000f | kind >> 1 & 0x0070 | kind >> 2 & 0x0f80;
    let mut stun = Stun { method, class, ..Stun::default() };
    while let (Some(kind), Some(value)) = (body.u16(), body.prefixed16()) {
        let text = || Some(String::from_utf8_lossy(&value[..value.len().min(MAX_TEXT)]).into_owned());
        match kind {
            attribute::MAPPED_ADDRESS if stun.mapped.is_none() => stun.mapped = address(value, &[0; 16]),
            attribute::XOR_MAPPED_ADDRESS => stun.mapped = address(value, &id),
            attribute::XOR_RELAYED_ADDRESS => stun.relayed = address(value, &id),
            attribute::XOR_PEER_ADDRESS => stun.peer = address(value, &id),
            attribute::USERNAME => stun.username = text(),
            attribute::REALM => stun.realm = text(),
            attribute::SOFTWARE => stun.software = text(),
            attribute::ERROR_CODE => {
                stun.error_code = value.get(2..4).map(|v| u16::from(v[0] & 7) * 100 + u16::from(v[1]));
            }
            _ => {}
        }
        // Values are filled up to four bytes.
        body.take((4 - value.len() % 4) % 4);
    }
    Some(stun)
}

/// An address under a mask: the cookie and the transaction's number, or nothing.
fn address(value: &[u8], mask: &[u8; 16]) -> Option<Endpoint> {
    let mut at = Cursor(value);
    at.u8()?;
    let family = at.u8()?;
    let port = at.u16()? ^ u16::from_be_bytes([mask[0], mask[1]]);
    let unmask = |byte: usize, with: u8| with ^ mask[byte];
    let ip = match family {
        1 => {
            let v4: [u8; 4] = *at.array()?;
            IpAddr::V4(Ipv4Addr::from(core::array::from_fn(|i| unmask(i, v4[i]))))
        }
        2 => {
            let v6: [u8; 16] = *at.array()?;
            IpAddr::V6(Ipv6Addr::from(core::array::from_fn::<u8, 16, _>(|i| unmask(i, v6[i]))))
        }
        _ => return None,
    };
    Some(Endpoint { ip, port })
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct StunParser {
    /// Of the last request that nobody has answered.
    asked: Option<Stun>,
    /// What was told already.
    told: Vec<Stun>,
    limits_hit: u32,
}

impl StunParser {
    fn tell(&mut self, stun: Stun, sink: &mut dyn Sink) {
        if self.told.contains(&stun) {
            return;
        }
        if self.told.len() >= MAX_EVENTS {
            self.limits_hit += 1;
            return;
        }
        self.told.push(stun.clone());
        complete(stun.into(), sink);
    }
}

impl Parser for StunParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        // Others share the flow: media, DTLS, channel data (RFC 7983).
        if dtls::is_hello(chunk.bytes) {
            return Step::Switch { rest: chunk.bytes.len(), to: Some(AppProto::Dtls) };
        }
        let Some(mut stun) = message(chunk.bytes) else { return Step::More };
        stun.response = chunk.direction == Direction::ToClient;
        match stun.class {
            Class::Request => self.asked = Some(stun),
            Class::Indication => {}
            Class::Success | Class::Error => {
                if let Some(asked) = self.asked.take_if(|asked| asked.method == stun.method) {
                    stun.username = stun.username.or(asked.username);
                    stun.peer = stun.peer.or(asked.peer);
                }
                self.tell(stun, sink);
            }
        }
        if self.told.len() >= MAX_EVENTS { Step::Finished } else { Step::More }
    }

    fn gap(&mut self, _direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        if let Some(asked) = self.asked.take().filter(|_| self.told.is_empty()) {
            self.tell(asked, sink);
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
#[path = "stun_tests.rs"]
mod tests;
