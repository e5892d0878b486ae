//! What a flow speaks: identification by content, then the parser of what was found.

use flow::FlowTuple;
use wire::{Direction, IpProto};

use crate::dns::{self, DnsStream};
use crate::http1::{self, HttpParser};
use crate::tls::{self, TlsParser};
use crate::{Chunk, Parser, Sink, Transaction};

/// Bytes of a direction that identification looks at before it gives up.
const PROBE: usize = 16;

/// An identified application protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppProto {
    /// Domain Name System.
    Dns,
    /// HTTP/1.
    Http,
    /// Transport Layer Security.
    Tls,
}

impl AppProto {
    /// The name in EVE `app_proto`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AppProto::Dns => "dns",
            AppProto::Http => "http",
            AppProto::Tls => "tls",
        }
    }
}

/// What the first bytes of a direction look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// It is this protocol.
    Yes,
    /// It may still become it.
    More,
    /// It is not.
    No,
}

/// First bytes of both directions while nothing is known.
#[derive(Clone, Copy, Debug, Default)]
struct Probe {
    bytes: [[u8; PROBE]; 2],
    len: [u8; 2],
    failed: [bool; 2],
}

#[derive(Debug)]
enum State {
    Unknown(Probe),
    DnsDatagrams,
    DnsStream(Box<DnsStream>),
    Http(Box<HttpParser>),
    Tls(Box<TlsParser>),
    Finished,
}

/// A flow's application layer.
#[derive(Debug)]
pub struct AppLayer {
    state: State,
    protocol: Option<AppProto>,
    dns_port: bool,
    limits_hit: u32,
}

impl AppLayer {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(tuple: &FlowTuple) -> Self {
        let ports = [tuple.client.port, tuple.server.port];
        // Multicast DNS and LLMNR look like DNS and are something else.
        let other_dns = ports.iter().any(|p| dns::LOOKALIKE_PORTS.contains(p));
        let parsed = matches!(tuple.proto, IpProto::TCP | IpProto::UDP) && !other_dns;
        AppLayer {
            state: if parsed { State::Unknown(Probe::default()) } else { State::Finished },
            protocol: None,
            dns_port: ports.contains(&dns::PORT),
            limits_hit: 0,
        }
    }

    /// What it speaks, once known.
    #[must_use]
    pub fn protocol(&self) -> Option<AppProto> {
        self.protocol
    }

    /// Whether nothing more can be learned from this flow.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// How often one of the parser's limits was met.
    #[must_use]
    pub fn limits_hit(&self) -> u32 {
        self.limits_hit
            + match &self.state {
                State::Http(parser) => parser.limits_hit(),
                State::Tls(parser) => parser.limits_hit(),
                _ => 0,
            }
    }

    /// The next bytes of a TCP stream.
    pub fn data<S: Sink>(&mut self, chunk: Chunk<'_>, sink: &mut S) {
        match &mut self.state {
            State::Unknown(_) => self.identify(chunk, sink),
            State::DnsStream(parser) => parser.data(chunk, sink),
            State::Http(parser) => parser.data(chunk, sink),
            State::Tls(parser) => parser.data(chunk, sink),
            State::DnsDatagrams | State::Finished => {}
        }
        self.retire();
    }

    /// A UDP payload.
    pub fn datagram<S: Sink>(&mut self, chunk: Chunk<'_>, sink: &mut S) {
        if !matches!(self.state, State::Unknown(_) | State::DnsDatagrams) {
            return;
        }
        // Off its port a message must be without a flaw to be taken for DNS.
        let known = self.dns_port || self.protocol.is_some();
        match dns::parse(chunk.bytes).filter(|m| known || m.is_plausible()) {
            Some(message) => {
                self.protocol = Some(AppProto::Dns);
                self.state = State::DnsDatagrams;
                let transaction = Transaction::Dns(message);
                sink.inspect(&transaction);
                sink.log(transaction);
            }
            None if known => {}
            None => self.state = State::Finished,
        }
    }

    /// Bytes that were never captured.
    pub fn gap<S: Sink>(&mut self, direction: Direction, missing: u64, sink: &mut S) {
        match &mut self.state {
            State::Unknown(probe) => probe.failed[direction.index()] = true,
            State::DnsStream(parser) => parser.gap(direction, missing, sink),
            State::Http(parser) => parser.gap(direction, missing, sink),
            State::Tls(parser) => parser.gap(direction, missing, sink),
            State::DnsDatagrams | State::Finished => {}
        }
        self.retire();
    }

    /// The flow is over.
    pub fn close<S: Sink>(&mut self, sink: &mut S) {
        match &mut self.state {
            State::DnsStream(parser) => parser.close(sink),
            State::Http(parser) => parser.close(sink),
            State::Tls(parser) => parser.close(sink),
            State::Unknown(_) | State::DnsDatagrams | State::Finished => {}
        }
        self.limits_hit = self.limits_hit();
        self.state = State::Finished;
    }

    fn identify<S: Sink>(&mut self, chunk: Chunk<'_>, sink: &mut S) {
        let State::Unknown(probe) = &mut self.state else { return };
        let side = chunk.direction.index();
        if probe.failed[side] {
            return;
        }
        let had = usize::from(probe.len[side]);
        let mut seen = [0; PROBE];
        let fresh = chunk.bytes.len().min(PROBE - had);
        seen[..had].copy_from_slice(&probe.bytes[side][..had]);
        seen[had..had + fresh].copy_from_slice(&chunk.bytes[..fresh]);
        let seen = &seen[..had + fresh];
        let guesses = [
            (AppProto::Dns, if self.dns_port { Guess::Yes } else { Guess::No }),
            (AppProto::Tls, tls::guess(seen)),
            (AppProto::Http, http1::guess(seen)),
        ];
        if let Some((protocol, _)) = guesses.iter().find(|(_, guess)| *guess == Guess::Yes) {
            let before = *probe;
            self.enter(*protocol);
            // The other side's first bytes came earlier; then what this side had already sent.
            let other = chunk.direction.reverse();
            for direction in [other, chunk.direction] {
                let i = direction.index();
                let bytes = &before.bytes[i][..usize::from(before.len[i])];
                if before.failed[i] {
                    // It said something that is not this protocol, and nobody kept it.
                    self.gap(direction, 0, sink);
                } else if !bytes.is_empty() {
                    self.data(Chunk { direction, bytes, ..chunk }, sink);
                }
            }
            self.data(chunk, sink);
        } else if guesses.iter().any(|(_, guess)| *guess == Guess::More) && seen.len() < PROBE {
            probe.bytes[side][..seen.len()].copy_from_slice(seen);
            probe.len[side] = seen.len() as u8;
        } else {
            probe.failed[side] = true;
            if probe.failed == [true; 2] {
                self.state = State::Finished;
            }
        }
    }

    fn enter(&mut self, protocol: AppProto) {
        self.protocol = Some(protocol);
        self.state = match protocol {
            AppProto::Dns => State::DnsStream(Box::default()),
            AppProto::Http => State::Http(Box::default()),
            AppProto::Tls => State::Tls(Box::default()),
        };
    }

    /// Lets a parser go that has nothing more to learn.
    fn retire(&mut self) {
        let done = match &self.state {
            State::DnsStream(parser) => parser.finished(),
            State::Http(parser) => parser.finished(),
            State::Tls(parser) => parser.finished(),
            _ => false,
        };
        if done {
            self.limits_hit = self.limits_hit();
            self.state = State::Finished;
        }
    }
}

#[cfg(test)]
#[path = "app_tests.rs"]
mod tests;
