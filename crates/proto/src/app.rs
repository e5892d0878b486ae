//! What a flow speaks: identification by content, then the parser of what was found.

use flow::FlowTuple;
use wire::{Direction, IpProto};

use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{self, AppProto, Guess, Opening, Protocol};

/// Bytes of each direction that are kept while nobody knows what they are.
pub(crate) const MAX_PROBE: usize = 2048;
/// Datagrams that are looked at before a flow is given up.
const MAX_PROBED_DATAGRAMS: u8 = 8;
/// Protocols within protocols on one flow.
const MAX_LAYERS: u8 = 4;
/// Protocols whose either side is known by its first bytes alone: an answer that does not look like one is told of.
const KNOWN_BOTH_WAYS: [AppProto; 6] =
    [AppProto::Http, AppProto::Rdp, AppProto::Smb, AppProto::Smtp, AppProto::Ssh, AppProto::Tls];

/// One side's first bytes are not of the protocol that the other side's were found to be.
const ONLY_ONE_DIRECTION: &str = "APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION";
/// And they are of another protocol.
const MISMATCH: &str = "APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS";
/// The peers agreed to change over to a protocol, and speak something else.
const UNEXPECTED: &str = "APPLAYER_UNEXPECTED_PROTOCOL";
/// The protocol that they agreed on is TLS.
const NO_TLS: &str = "APPLAYER_NO_TLS_AFTER_STARTTLS";

/// A side's bit in [`AppLayer::unheard`].
fn bit(direction: Direction) -> u8 {
    1 << direction.index()
}

/// Besides the sides' bits: the peers have just agreed on the protocol, and neither has said anything of it.
const AGREED: u8 = 1 << 2;

/// First bytes of both directions while nothing is known.
#[derive(Debug)]
struct Probe {
    sides: [Vec<u8>; 2],
    /// More than could be kept, or a hole: this side cannot be identified any more.
    lost: [bool; 2],
    first: Direction,
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Silent,
    Probing(Box<Probe>),
    Parsing(Box<dyn Parser>),
    Finished,
}

/// A flow's application layer.
#[derive(Debug)]
pub struct AppLayer {
    state: State,
    protocol: Option<AppProto>,
    /// What it spoke before it changed over.
    original: Option<AppProto>,
    /// What was agreed on and not spoken then.
    broken_off: Option<AppProto>,
    /// Sides whose first bytes of the protocol at hand have not come yet, a bit each.
    unheard: u8,
    layers: u8,
    datagrams: u8,
    limits_hit: u16,
}

impl AppLayer {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(tuple: &FlowTuple) -> Self {
        let parsed = matches!(tuple.proto, IpProto::TCP | IpProto::UDP);
        AppLayer {
            state: if parsed { State::Silent } else { State::Finished },
            protocol: None,
            original: None,
            broken_off: None,
            unheard: 0,
            layers: 0,
            datagrams: 0,
            limits_hit: 0,
        }
    }

    /// The flow was announced by another one: it speaks this.
    pub fn announced(&mut self, tuple: &FlowTuple, app: AppProto, note: Option<&str>) {
        if let Some(protocol) = registry::find(app, tuple.proto) {
            self.enter(protocol, tuple);
            if let State::Parsing(parser) = &mut self.state {
                parser.announced(note);
            }
        }
    }

    /// What it speaks, once known.
    #[must_use]
    pub fn protocol(&self) -> Option<AppProto> {
        self.protocol
    }

    /// What it spoke before it changed over to another protocol.
    #[must_use]
    pub fn original(&self) -> Option<AppProto> {
        self.original
    }

    /// What it should speak, if it speaks something else: what its peers agreed to change over to, or what is usual
    /// on its port.
    #[must_use]
    pub fn expected(&self, tuple: &FlowTuple) -> Option<AppProto> {
        let spoken = self.original.or(self.protocol);
        let elsewhere = || {
            let spoken = spoken?;
            let usual = registry::usual(tuple)?;
            registry::usual_of(tuple).all(|p| p.app != spoken).then_some(usual)
        };
        self.broken_off.or_else(elsewhere)
    }

    /// Whether nothing was said yet.
    #[must_use]
    pub fn silent(&self) -> bool {
        matches!(self.state, State::Silent)
    }

    /// Whether nothing more can be learned from this flow.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// The first bytes of a side while nobody knows what they are, as far as they are kept for that.
    #[must_use]
    pub fn unclaimed(&self, direction: Direction) -> &[u8] {
        if let State::Probing(probe) = &self.state { &probe.sides[direction.index()] } else { &[] }
    }

    /// How often one of the parser's limits was met.
    #[must_use]
    pub fn limits_hit(&self) -> u32 {
        let open = if let State::Parsing(parser) = &self.state { parser.limits_hit() } else { 0 };
        u32::from(self.limits_hit) + open
    }

    /// The next bytes of a TCP stream.
    pub fn data(&mut self, tuple: &FlowTuple, chunk: Chunk<'_>, sink: &mut dyn Sink) {
        if self.unheard != 0 {
            self.hear(tuple, chunk, sink);
        }
        match &mut self.state {
            State::Parsing(parser) => {
                sink.spoken(self.protocol, self.original);
                let step = parser.data(chunk, sink);
                self.take(step, tuple, chunk, sink);
            }
            State::Silent | State::Probing(_) => self.identify(tuple, chunk, sink),
            State::Finished => {}
        }
    }

    /// A UDP payload.
    pub fn datagram(&mut self, tuple: &FlowTuple, chunk: Chunk<'_>, sink: &mut dyn Sink) {
        match &mut self.state {
            State::Parsing(parser) => {
                sink.spoken(self.protocol, self.original);
                let step = parser.data(chunk, sink);
                self.take(step, tuple, chunk, sink);
            }
            State::Silent => {
                let mut sides: [&[u8]; 2] = [&[], &[]];
                sides[chunk.direction.index()] = chunk.bytes;
                let (fresh, first) = (chunk.direction, chunk.direction);
                self.datagrams += 1;
                match registry::identify(&Opening { tuple, sides, fresh, first }) {
                    Ok(protocol) => {
                        self.enter(protocol, tuple);
                        self.datagram(tuple, chunk, sink);
                    }
                    Err(_) if self.datagrams >= MAX_PROBED_DATAGRAMS => self.state = State::Finished,
                    Err(_) => {}
                }
            }
            State::Probing(_) | State::Finished => {}
        }
    }

    /// Bytes that were never captured.
    pub fn gap(&mut self, tuple: &FlowTuple, direction: Direction, missing: u64, sink: &mut dyn Sink) {
        match &mut self.state {
            State::Parsing(parser) => {
                // What comes behind it is not how this side begins.
                self.unheard &= !bit(direction);
                sink.spoken(self.protocol, self.original);
                let step = parser.gap(direction, missing, sink);
                let nothing = Chunk { direction, bytes: &[], time: tuple.start };
                self.take(step, tuple, nothing, sink);
            }
            State::Silent | State::Probing(_) => {
                self.probe(direction).lost[direction.index()] = true;
            }
            State::Finished => {}
        }
    }

    /// The flow is over.
    pub fn close(&mut self, sink: &mut dyn Sink) {
        if let State::Parsing(parser) = &mut self.state {
            parser.close(sink);
        }
        self.finish();
    }

    fn finish(&mut self) {
        self.limits_hit = u16::try_from(self.limits_hit()).unwrap_or(u16::MAX);
        self.state = State::Finished;
    }

    fn probe(&mut self, first: Direction) -> &mut Probe {
        if !matches!(self.state, State::Probing(_)) {
            let probe = Probe { sides: [Vec::new(), Vec::new()], lost: [false; 2], first };
            self.state = State::Probing(Box::new(probe));
        }
        match &mut self.state {
            State::Probing(probe) => probe,
            // The state was set to it above.
            _ => unreachable!(),
        }
    }

    /// What a parser said.
    fn take(&mut self, step: Step, tuple: &FlowTuple, chunk: Chunk<'_>, sink: &mut dyn Sink) {
        match step {
            Step::More => {}
            Step::Finished => self.close(sink),
            Step::Switch { rest, to } => {
                self.close(sink);
                self.layers += 1;
                if self.layers >= MAX_LAYERS {
                    self.limits_hit = self.limits_hit.saturating_add(1);
                    return;
                }
                self.original = self.protocol;
                self.state = State::Silent;
                self.unheard = 0;
                if let Some(protocol) = to.and_then(|app| registry::find(app, tuple.proto)) {
                    self.enter(protocol, tuple);
                    if protocol.app == AppProto::Tls {
                        self.unheard |= AGREED;
                    }
                }
                let bytes = &chunk.bytes[chunk.bytes.len() - rest.min(chunk.bytes.len())..];
                if !bytes.is_empty() {
                    self.data(tuple, Chunk { bytes, ..chunk }, sink);
                }
            }
        }
    }

    fn identify(&mut self, tuple: &FlowTuple, chunk: Chunk<'_>, sink: &mut dyn Sink) {
        let (fresh, side) = (chunk.direction, chunk.direction.index());
        if matches!(self.state, State::Silent) {
            // The common case: the first bytes tell, and nothing is kept.
            let mut sides: [&[u8]; 2] = [&[], &[]];
            sides[side] = &chunk.bytes[..chunk.bytes.len().min(MAX_PROBE)];
            if let Ok(protocol) = registry::identify(&Opening { tuple, sides, fresh, first: fresh }) {
                self.enter(protocol, tuple);
                return self.data(tuple, chunk, sink);
            }
        }
        let again = matches!(self.state, State::Probing(_));
        let probe = self.probe(fresh);
        if probe.lost[side] {
            return;
        }
        let fits = chunk.bytes.len().min(MAX_PROBE - probe.sides[side].len());
        probe.sides[side].extend_from_slice(&chunk.bytes[..fits]);
        let sides = [probe.sides[0].as_slice(), probe.sides[1].as_slice()];
        let opening = Opening { tuple, sides, fresh, first: probe.first };
        let found = if again { registry::identify(&opening) } else { Err(Guess::More) };
        match found {
            Ok(protocol) => {
                let State::Probing(probe) = std::mem::replace(&mut self.state, State::Silent) else { return };
                self.enter(protocol, tuple);
                for direction in [probe.first, probe.first.reverse()] {
                    // What came just now comes last, however it was cut: the other side may have spoken before it.
                    let bytes = probe.sides[direction.index()].as_slice();
                    let bytes = &bytes[..bytes.len() - if direction == fresh { fits } else { 0 }];
                    if probe.lost[direction.index()] {
                        self.gap(tuple, direction, 0, sink);
                    } else if !bytes.is_empty() {
                        self.data(tuple, Chunk { direction, bytes, ..chunk }, sink);
                    }
                }
                self.data(tuple, chunk, sink);
            }
            Err(guess) => {
                // A side that has said more than was kept will not be understood later either.
                probe.lost[side] |= fits < chunk.bytes.len() || probe.sides[side].len() == MAX_PROBE;
                let both_spoke = again && !probe.sides[0].is_empty() && !probe.sides[1].is_empty();
                if probe.lost == [true; 2] || (both_spoke && guess == Guess::No) {
                    self.finish();
                }
            }
        }
    }

    /// Judges a side's first bytes. A first piece that is too short to tell is let pass: nothing is kept for this.
    #[cold]
    fn hear(&mut self, tuple: &FlowTuple, chunk: Chunk<'_>, sink: &mut dyn Sink) {
        let agreed = self.unheard & AGREED != 0;
        let fresh = chunk.direction;
        if self.unheard & bit(fresh) == 0 {
            return;
        }
        self.unheard &= !(bit(fresh) | AGREED);
        let Some(protocol) = self.protocol.and_then(|app| registry::find(app, tuple.proto)) else { return };
        let mut sides: [&[u8]; 2] = [&[], &[]];
        sides[fresh.index()] = &chunk.bytes[..chunk.bytes.len().min(MAX_PROBE)];
        let opening = Opening { tuple, sides, fresh, first: fresh };
        if (protocol.probe)(&opening) != Guess::No {
            return;
        }
        if agreed {
            sink.anomaly(UNEXPECTED);
            sink.anomaly(NO_TLS);
            self.broken_off = self.protocol.take();
            self.unheard = 0;
            self.state = State::Silent;
            return;
        }
        let other = registry::identify(&opening).is_ok_and(|found| found.app != protocol.app);
        sink.anomaly(if other { MISMATCH } else { ONLY_ONE_DIRECTION });
    }

    fn enter(&mut self, protocol: &'static Protocol, tuple: &FlowTuple) {
        self.protocol = Some(protocol.app);
        if tuple.proto == IpProto::TCP && KNOWN_BOTH_WAYS.contains(&protocol.app) {
            self.unheard = bit(Direction::ToServer) | bit(Direction::ToClient);
        }
        self.state = match protocol.open {
            Some(open) => State::Parsing(open(tuple)),
            None => State::Finished,
        };
        if let (State::Parsing(parser), Some(original)) = (&mut self.state, self.original) {
            parser.follows(original);
        }
    }
}

#[cfg(test)]
#[path = "app_tests.rs"]
mod tests;
