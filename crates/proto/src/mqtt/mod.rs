//! MQTT 3.1, 3.1.1 and 5: exchanges of control packets, joined as they belong together.

mod packet;

use std::collections::VecDeque;

use wire::{Direction, IpProto};

use crate::framing::{End, Frame, Framer, Next, Piece};
use crate::login::{Login, Outcome};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;
pub use packet::{Body, Connect, Packet, Properties, PropertyValue};

/// Bytes of a packet that are kept until it is read.
const MAX_PACKET: usize = 32 * 1024;
/// Exchanges that wait for an answer; the oldest is logged without one.
const MAX_PENDING: usize = 32;

/// Control packets that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// Who began.
    pub direction: Direction,
    /// In the order in which they came.
    pub packets: Vec<Packet>,
    /// The version of the connection: 3 is 3.1, 4 is 3.1.1, 5 is 5; 0 if its beginning was missed.
    pub version: u8,
}

/// MQTT on any port if the client's CONNECT was seen; without it, on its own port only.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Mqtt,
    transport: IpProto::TCP,
    ports: &[1883],
    probe,
    open: Some(|_| Box::<MqttParser>::default()),
};

fn measure(bytes: &[u8]) -> Frame {
    match bytes {
        [] | [_] => Frame::More(2),
        [_, rest @ ..] => match packet::varint(rest) {
            Some((len, used)) => Frame::Pdu(1 + used + len),
            None if rest.len() < 4 => Frame::More(bytes.len() + 1),
            None => Frame::Broken,
        },
    }
}

/// Whether the low half of a first byte is allowed (MQTT 5, 2.1.3).
fn flags_fit(first: u8) -> bool {
    match first >> 4 {
        3 => first & 6 != 6,
        6 | 8 | 10 => first & 15 == 2,
        0 => false,
        _ => first & 15 == 0,
    }
}

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    if seen.first() == Some(&0x10) {
        let Some((_, used)) = seen.get(1..).and_then(packet::varint) else {
            return if seen.len() < 5 { Guess::More } else { Guess::No };
        };
        let name = &seen[1 + used..];
        let known = |expected: &[u8]| {
            let len = name.len().min(expected.len());
            (name[..len] == expected[..len]).then_some(len == expected.len())
        };
        return match known(b"\0\x04MQTT").or_else(|| known(b"\0\x06MQIsdp")) {
            Some(true) => Guess::Yes,
            Some(false) => Guess::More,
            None => Guess::No,
        };
    }
    if !opening.on_port(&[1883]) {
        return Guess::No;
    }
    // A connection that is older than the capture: a whole packet, by its form.
    if !seen.first().copied().is_some_and(flags_fit) {
        return Guess::No;
    }
    match measure(seen) {
        Frame::Pdu(len) if len > seen.len() => Guess::More,
        Frame::Pdu(len) if packet::parse(&seen[..len], len, 4).is_some() => Guess::Yes,
        Frame::More(_) => Guess::More,
        Frame::Pdu(_) | Frame::Broken => Guess::No,
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct MqttParser {
    framers: [Framer; 2],
    version: u8,
    connect_seen: bool,
    connected: bool,
    pending: VecDeque<Mqtt>,
    login: Option<Box<Login>>,
    limits_hit: u32,
}

/// The type that answers a packet, in the exchange that it belongs to.
fn answers(packet: &Packet, kind: u8, id: Option<u16>) -> bool {
    let mine = match &packet.body {
        Body::Publish { id, .. } => *id,
        Body::Ack { id, .. } | Body::Subscribe { id, .. } | Body::Unsubscribe { id, .. } => Some(*id),
        _ => None,
    };
    let follows = match (packet.kind, kind) {
        (3, 4) => packet.qos == 1,
        (3, 5) => packet.qos == 2,
        (1, 2) | (5, 6) | (6, 7) | (8, 9) | (10, 11) => true,
        _ => false,
    };
    follows && mine == id
}

impl MqttParser {
    fn packet(&mut self, direction: Direction, packet: Packet, sink: &mut dyn Sink) {
        let introduces = matches!(packet.kind, 1 | 2);
        if !self.connected && !introduces {
            sink.anomaly("unintroduced_message");
        }
        if packet.qos == 3 {
            sink.anomaly("invalid_qos_level");
        }
        match &packet.body {
            Body::Connect(connect) => {
                if self.connect_seen {
                    sink.anomaly("double_connect");
                }
                self.connect_seen = true;
                self.version = connect.version;
                if connect.user.is_some() || connect.password.is_some() {
                    self.end_login(Outcome::Unknown, sink);
                    let login = Box::new(Login {
                        service: AppProto::Mqtt,
                        method: "connect",
                        user: connect.user.clone(),
                        secret: connect.password.clone(),
                        outcome: Outcome::Unknown,
                    });
                    sink.inspect(&Transaction::Login(login.clone()));
                    self.login = Some(login);
                }
            }
            Body::ConnAck { code, .. } => {
                self.connected = *code == 0;
                self.end_login(if *code == 0 { Outcome::Accepted } else { Outcome::Refused }, sink);
            }
            _ => {}
        }
        let id = match &packet.body {
            Body::Ack { id, .. } | Body::Codes { id, .. } => Some(*id),
            _ => None,
        };
        let open = |t: &Mqtt| t.packets.last().is_some_and(|last| answers(last, packet.kind, id));
        if let Some(index) = self.pending.iter().position(open) {
            let whole = packet.kind != 5 && packet.kind != 6;
            self.pending[index].packets.push(packet);
            if whole && let Some(mqtt) = self.pending.remove(index) {
                sink.log(mqtt.into());
            }
            return;
        }
        match packet.kind {
            2 => sink.anomaly("missing_connect"),
            4..=7 => sink.anomaly("missing_publish"),
            9 => sink.anomaly("missing_subscribe"),
            11 => sink.anomaly("missing_unsubscribe"),
            _ => {}
        }
        let waits = match packet.kind {
            1 | 8 | 10 => true,
            3 => packet.qos == 1 || packet.qos == 2,
            _ => false,
        };
        let mqtt = Transaction::from(Mqtt { direction, packets: vec![packet], version: self.version });
        if !waits {
            return complete(mqtt, sink);
        }
        sink.inspect(&mqtt);
        if self.pending.len() >= MAX_PENDING {
            self.limits_hit += 1;
            sink.anomaly("too_many_transactions");
            if let Some(oldest) = self.pending.pop_front() {
                sink.log(oldest.into());
            }
        }
        if let Transaction::Mqtt(mqtt) = mqtt {
            self.pending.push_back(*mqtt);
        }
    }

    fn end_login(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if let Some(mut login) = self.login.take() {
            login.outcome = outcome;
            sink.log(Transaction::Login(login));
        }
    }
}

impl Parser for MqttParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut framer = std::mem::take(&mut self.framers[side]);
        let mut broken = false;
        let end = framer.feed(chunk.bytes, MAX_PACKET, &measure, &mut |piece| {
            if let Piece::Pdu { bytes, len } = piece {
                self.limits_hit += u32::from(len > bytes.len());
                match packet::parse(bytes, len, self.version) {
                    Some(packet) => self.packet(chunk.direction, packet, sink),
                    None => {
                        broken |= !self.connect_seen;
                        sink.anomaly("malformed_traffic");
                    }
                }
            }
            Next::Go
        });
        self.framers[side] = framer;
        if matches!(end, End::Broken(_)) || broken {
            sink.anomaly("malformed_traffic");
            return Step::Finished;
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        // Packets do not say where they begin: behind a hole only the rest of a long one helps.
        if self.framers[direction.index()].gap(missing) { Step::More } else { Step::Finished }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_login(Outcome::Unknown, sink);
        for mqtt in std::mem::take(&mut self.pending) {
            sink.log(mqtt.into());
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests;
