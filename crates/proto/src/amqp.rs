//! AMQP 0-9-1: login and methods. AMQP 1.0: recognised, its SASL login read.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{End, Frame, Framer, Next, Piece};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// Bytes of a frame that are kept until it is read.
const MAX_FRAME: usize = 16 * 1024;
/// A longer frame is none (brokers take 128 KiB and a bit).
const MAX_LENGTH: u32 = 64 * 1024 * 1024;

/// A method that says what is done (AMQP 0-9-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amqp {
    /// Who sent it.
    pub direction: Direction,
    /// The channel it was said on.
    pub channel: u16,
    /// "queue.declare"
    pub method: &'static str,
    /// The virtual host, the exchange.
    pub exchange: Option<String>,
    /// The queue or routing key.
    pub name: Option<String>,
    /// Why a connection or channel is closed: number and text.
    pub reason: Option<(u16, String)>,
}

/// AMQP on any port: the client begins with the protocol's name.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Amqp,
    transport: IpProto::TCP,
    ports: &[5672],
    probe,
    open: Some(|_| Box::<AmqpParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.client();
    let len = seen.len().min(4);
    if !seen.is_empty() && seen[..len] == b"AMQP"[..len] {
        return if len == 4 { Guess::Yes } else { Guess::More };
    }
    // A connection that is older than the capture: a whole frame with its end mark.
    let fresh = opening.fresh();
    if !opening.on_port(PROTOCOL.ports) {
        return Guess::No;
    }
    match (frame(fresh), fresh) {
        (Frame::Pdu(len), [1..=3 | 8, ..]) if len <= fresh.len() => {
            if fresh[len - 1] == 0xce {
                Guess::Yes
            } else {
                Guess::No
            }
        }
        (Frame::Pdu(_) | Frame::More(_), [] | [1..=3 | 8, ..]) => Guess::More,
        _ => Guess::No,
    }
}

fn frame(bytes: &[u8]) -> Frame {
    if bytes.starts_with(b"AMQP") {
        return Frame::Pdu(8);
    }
    match bytes {
        [kind, _, _, a, b, c, d, ..] if *kind <= 8 => match u32::from_be_bytes([*a, *b, *c, *d]) {
            len if len < MAX_LENGTH => Frame::Pdu(8 + len as usize),
            _ => Frame::Broken,
        },
        [_, _, _, _, _, _, _, ..] => Frame::Broken,
        _ => Frame::More(7),
    }
}

/// AMQP 1.0: the length comes first.
fn frame_1_0(bytes: &[u8]) -> Frame {
    if bytes.starts_with(b"AMQP") {
        return Frame::Pdu(8);
    }
    match Cursor(bytes).u32() {
        None => Frame::More(4),
        Some(len) if (8..MAX_LENGTH).contains(&len) => Frame::Pdu(len as usize),
        Some(_) => Frame::Broken,
    }
}

fn short(at: &mut Cursor<'_>) -> Option<String> {
    at.prefixed8().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn long<'a>(at: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = at.u32()? as usize;
    at.take(len)
}

/// User and password of SASL PLAIN (RFC 4616).
fn plain(bytes: &[u8]) -> Option<(String, Secret)> {
    let mut parts = bytes.splitn(3, |b| *b == 0);
    let (_, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Some((text(user), Secret::new(text(password))))
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct AmqpParser {
    framers: [Framer; 2],
    version_1_0: bool,
    login: Option<Login>,
    limits_hit: u32,
}

impl AmqpParser {
    fn frame(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) -> Next {
        if let Some(header) = bytes.strip_prefix(b"AMQP") {
            self.version_1_0 = header.get(1) == Some(&1);
            // Protocol 2 of 1.0 is TLS.
            return if self.version_1_0 && header[0] == 2 { Next::Stop } else { Next::Go };
        }
        if self.version_1_0 {
            self.sasl(direction, bytes, sink);
            return Next::Go;
        }
        let mut at = Cursor(bytes);
        if at.u8() == Some(1)
            && let (Some(channel), Some(_)) = (at.u16(), at.u32())
        {
            self.method(direction, channel, at, sink);
        }
        Next::Go
    }

    fn method(
        &mut self,
        direction: Direction,
        channel: u16,
        mut at: Cursor<'_>,
        sink: &mut dyn Sink,
    ) -> Option<()> {
        let number = (at.u16()?, at.u16()?);
        let mut out = Amqp { direction, channel, method: "", exchange: None, name: None, reason: None };
        out.method = match number {
            (10, 11) => {
                long(&mut at)?;
                let mechanism = short(&mut at)?;
                let response = long(&mut at)?;
                let found = if mechanism == "PLAIN" { plain(response) } else { None };
                if let Some((user, secret)) = found {
                    self.begin_login(user, secret, sink);
                }
                return Some(());
            }
            (10, 30) => {
                self.end_login(Outcome::Accepted, sink);
                return Some(());
            }
            (10, 40) => "connection.open",
            (10, 50) => {
                self.end_login(Outcome::Refused, sink);
                "connection.close"
            }
            (20, 10) => "channel.open",
            (20, 40) => "channel.close",
            (40, 10) => "exchange.declare",
            (40, 20) => "exchange.delete",
            (50, 10) => "queue.declare",
            (50, 20) => "queue.bind",
            (50, 30) => "queue.purge",
            (50, 40) => "queue.delete",
            (60, 20) => "basic.consume",
            (60, 40) => "basic.publish",
            (60, 50) => "basic.return",
            (60, 60) => "basic.deliver",
            (60, 70) => "basic.get",
            _ => return None,
        };
        match number {
            (10, 40) => out.exchange = short(&mut at),
            (10, 50) | (20, 40) | (60, 50) => out.reason = at.u16().zip(short(&mut at)),
            (40, _) | (60, 40) => {
                at.u16()?;
                out.exchange = short(&mut at);
                out.name = if number.0 == 60 { short(&mut at) } else { None };
            }
            (50, _) | (60, 20 | 70) => {
                at.u16()?;
                out.name = short(&mut at);
                out.exchange = if number == (50, 20) { short(&mut at) } else { None };
            }
            (60, 60) => {
                short(&mut at)?;
                at.take(9)?;
                out.exchange = short(&mut at);
                out.name = short(&mut at);
            }
            _ => {}
        }
        // The server says a connection is good by letting it be tuned: 10.30 above, or by an answer to open.
        if direction == Direction::ToClient && number.0 >= 20 {
            self.end_login(Outcome::Accepted, sink);
        }
        complete(out.into(), sink);
        Some(())
    }

    /// SASL frames of AMQP 1.0: sasl-init with PLAIN, sasl-outcome.
    fn sasl(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) -> Option<()> {
        let [_, _, _, _, _, kind, _, _, 0, 0x53, descriptor, body @ ..] = bytes else { return None };
        if *kind != 1 {
            return None;
        }
        match (direction, descriptor) {
            (Direction::ToServer, 0x41) => {
                let at = memchr::memmem::find(body, b"PLAIN")?;
                let rest = &mut Cursor(&body[at + 5..]);
                let response = match rest.u8()? {
                    0xa0 => rest.prefixed8()?,
                    0xb0 => long(rest)?,
                    _ => return None,
                };
                let (user, secret) = plain(response)?;
                self.begin_login(user, secret, sink);
            }
            (Direction::ToClient, 0x44) => {
                // A list of one: its size and count, then a byte.
                let code = match body {
                    [0xc0, _, _, 0x50, code, ..] => *code,
                    _ => return None,
                };
                self.end_login(if code == 0 { Outcome::Accepted } else { Outcome::Refused }, sink);
            }
            _ => {}
        }
        Some(())
    }

    fn begin_login(&mut self, user: String, secret: Secret, sink: &mut dyn Sink) {
        self.end_login(Outcome::Unknown, sink);
        let login = Login {
            service: AppProto::Amqp,
            method: "plain",
            user: Some(user),
            secret: Some(secret),
            outcome: Outcome::Unknown,
        };
        sink.inspect(&Transaction::from(login.clone()));
        self.login = Some(login);
    }

    fn end_login(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if let Some(mut login) = self.login.take() {
            login.outcome = outcome;
            sink.log(login.into());
        }
    }
}

impl Parser for AmqpParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut framer = std::mem::take(&mut self.framers[side]);
        let mut bytes = chunk.bytes;
        // The header decides how frames are measured from there on: one at a time.
        let end = loop {
            let measure = if self.version_1_0 { frame_1_0 } else { frame };
            let before = self.version_1_0;
            let mut tls = false;
            let end = framer.feed(bytes, MAX_FRAME, &measure, &mut |piece| {
                let Piece::Pdu { bytes, len } = piece else { return Next::Go };
                self.limits_hit += u32::from(len > bytes.len());
                tls = self.frame(chunk.direction, bytes, sink) == Next::Stop;
                if tls || self.version_1_0 != before { Next::Stop } else { Next::Go }
            });
            match end {
                End::Stopped(rest) if !tls => bytes = &bytes[bytes.len() - rest..],
                other => break other,
            }
        };
        self.framers[side] = framer;
        match end {
            End::Taken => Step::More,
            // The server answers with the same header before TLS begins.
            End::Stopped(_) if chunk.direction == Direction::ToServer => Step::More,
            End::Stopped(rest) => Step::Switch { rest, to: Some(AppProto::Tls) },
            End::Broken(_) => {
                sink.anomaly("malformed_data");
                Step::Finished
            }
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        if self.framers[direction.index()].gap(missing) { Step::More } else { Step::Finished }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_login(Outcome::Unknown, sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text_testing::{ToClient, ToServer, talk};

    const HEADER: &[u8] = b"AMQP\0\0\x09\x01";

    fn method(numbers: [u8; 4], arguments: &[u8]) -> Vec<u8> {
        let len = (4 + arguments.len() as u32).to_be_bytes();
        [&[1, 0, 0][..], &len, &numbers, arguments, &[0xce]].concat()
    }

    fn start_ok() -> Vec<u8> {
        method([0, 10, 0, 11], b"\0\0\0\0\x05PLAIN\0\0\0\x0d\0guest\0secret\x05en_US")
    }

    #[test]
    fn logins_and_methods_are_told() {
        let publish = method([0, 60, 0, 40], b"\0\0\x04logs\x03key\0");
        let up = [start_ok(), publish].concat();
        let tune = method([0, 10, 0, 30], b"\0\0\0\0\0\0\0\0");
        for step in [1, 2, 7, 100] {
            let (log, layer) =
                talk(9999, step, &[(ToServer, HEADER), (ToServer, &up[..]), (ToClient, &tune)]);
            assert_eq!(layer.protocol(), Some(AppProto::Amqp));
            let login = log.logins().next().unwrap();
            assert_eq!((login.user.as_deref(), login.outcome), (Some("guest"), Outcome::Accepted));
            assert_eq!(login.secret.as_ref().unwrap().reveal(), "secret");
            let Transaction::Amqp(publish) = &log.logged[0] else { panic!() };
            assert_eq!((publish.method, publish.name.as_deref()), ("basic.publish", Some("key")));
        }
    }

    #[test]
    fn version_1_0_tells_its_login() {
        let init = b"\0\0\0\x1f\x02\x01\0\0\0\x53\x41\xc0\x12\x02\xa3\x05PLAIN\xa0\x08\0me\0word";
        let mut init = init.to_vec();
        init[3] = init.len() as u8;
        let outcome = b"\0\0\0\x10\x02\x01\0\0\0\x53\x44\xc0\x03\x01\x50\x01";
        let turns: [(Direction, &[u8]); 4] = [
            (ToServer, b"AMQP\x03\x01\0\0"),
            (ToClient, b"AMQP\x03\x01\0\0"),
            (ToServer, &init),
            (ToClient, outcome),
        ];
        for step in [1, 3, 100] {
            let (log, _) = talk(5672, step, &turns);
            let login = log.logins().next().unwrap();
            assert_eq!((login.user.as_deref(), login.outcome), (Some("me"), Outcome::Refused));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let up = [HEADER, &start_ok(), &method([0, 50, 0, 10], &bytes), &bytes].concat();
            let turns: [(Direction, &[u8]); 2] = [(ToServer, &up), (ToClient, &bytes)];
            let whole = talk(5672, usize::MAX, &turns).0;
            let pieces = talk(5672, step, &turns).0;
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
