//! Remote Framebuffer, VNC (RFC 6143): who may see which screen. What is drawn on it is not looked at.

use wire::{Direction, IpProto};

use crate::buffer::Buffer;
use crate::lines::text;
use crate::login::{Login, Outcome};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of a desktop's name or of a reason; what announces more is not believed.
pub const MAX_TEXT: usize = 2048;
/// Bytes of a version message.
const VERSION: usize = 12;
const NONE: u8 = 1;
const VNC: u8 = 2;

/// How pixels are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PixelFormat {
    /// Bits of a pixel.
    pub bits_per_pixel: u8,
    /// Bits of it that count.
    pub depth: u8,
    /// Byte order.
    pub big_endian: bool,
    /// Not a colour map.
    pub true_color: bool,
    /// Largest values of red, green, blue.
    pub max: [u16; 3],
    /// Shifts of red, green, blue.
    pub shift: [u8; 3],
}

/// A screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Framebuffer {
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// The desktop's name.
    pub name: String,
    /// How pixels are sent.
    pub pixel_format: PixelFormat,
}

/// The beginning of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rfb {
    /// Major and minor version of the server, three digits each.
    pub server_version: Option<(String, String)>,
    /// The same of the client.
    pub client_version: Option<(String, String)>,
    /// Security type that was agreed on (RFC 6143 section 7.2).
    pub security_type: Option<u32>,
    /// Challenge of VNC authentication.
    pub challenge: Option<[u8; 16]>,
    /// The answer.
    pub response: Option<[u8; 16]>,
    /// SecurityResult: 0 is good.
    pub security_result: Option<u32>,
    /// Why the server refused.
    pub failure_reason: Option<String>,
    /// The client lets others stay.
    pub shared: Option<bool>,
    /// The screen.
    pub framebuffer: Option<Framebuffer>,
}

/// RFB, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Rfb,
    transport: IpProto::TCP,
    ports: &[5900, 5901, 5902],
    probe,
    open: Some(|_| Box::<RfbParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let pattern = b"RFB ddd.ddd\n";
    let fits =
        seen.iter().zip(pattern).all(|(&byte, &p)| if p == b'd' { byte.is_ascii_digit() } else { byte == p });
    match fits {
        true if seen.len() >= VERSION => Guess::Yes,
        true => Guess::More,
        false => Guess::No,
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    ServerVersion,
    ClientVersion,
    Security,
    Choice,
    Challenge,
    Response,
    Result,
    ReasonLength,
    Reason(usize),
    ClientInit,
    ServerInit,
    NameLength,
    Name(usize),
    Over,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct RfbParser {
    state: State,
    sides: [Buffer; 2],
    rfb: Rfb,
    /// Minor version that the client chose.
    minor: u16,
    limits_hit: u32,
}

impl RfbParser {
    /// Takes the next step; `None` if bytes are missing for it.
    fn advance(&mut self, sink: &mut dyn Sink) -> Option<State> {
        let [client, server] = &mut self.sides;
        let rfb = &mut self.rfb;
        Some(match self.state {
            State::ServerVersion => {
                rfb.server_version = version(&server.array()?);
                State::ClientVersion
            }
            State::ClientVersion => {
                rfb.client_version = version(&client.array()?);
                let minor = rfb.client_version.as_ref().and_then(|(_, minor)| minor.parse().ok());
                self.minor = minor.unwrap_or(3);
                State::Security
            }
            State::Security if self.minor < 7 => {
                let kind = u32::from_be_bytes(server.array()?);
                if kind == 0 {
                    State::ReasonLength
                } else {
                    rfb.security_type = Some(kind);
                    self.chosen(u8::try_from(kind).unwrap_or(u8::MAX), sink)
                }
            }
            State::Security => {
                let count = *server.bytes().first()?;
                server.take(1 + usize::from(count))?;
                if count == 0 { State::ReasonLength } else { State::Choice }
            }
            State::Choice => {
                let [kind] = client.array()?;
                rfb.security_type = Some(kind.into());
                self.chosen(kind, sink)
            }
            State::Challenge => {
                rfb.challenge = Some(server.array()?);
                State::Response
            }
            State::Response => {
                rfb.response = Some(client.array()?);
                State::Result
            }
            State::Result => {
                let result = u32::from_be_bytes(server.array()?);
                rfb.security_result = Some(result);
                match result {
                    0 => State::ClientInit,
                    _ if self.minor >= 8 => State::ReasonLength,
                    _ => State::Over,
                }
            }
            State::ReasonLength => self.length(State::Reason)?,
            State::Reason(length) => {
                rfb.failure_reason = Some(text(&server.take(length)?));
                State::Over
            }
            State::ClientInit => {
                rfb.shared = Some(client.array::<1>()? != [0]);
                State::ServerInit
            }
            State::ServerInit => {
                let init: [u8; 20] = server.array()?;
                let number = |at: usize| u16::from_be_bytes([init[at], init[at + 1]]);
                rfb.framebuffer = Some(Framebuffer {
                    width: number(0),
                    height: number(2),
                    name: String::new(),
                    pixel_format: PixelFormat {
                        bits_per_pixel: init[4],
                        depth: init[5],
                        big_endian: init[6] != 0,
                        true_color: init[7] != 0,
                        max: [number(8), number(10), number(12)],
                        shift: [init[14], init[15], init[16]],
                    },
                });
                State::NameLength
            }
            State::NameLength => self.length(State::Name)?,
            State::Name(length) => {
                let name = text(&server.take(length)?);
                if let Some(framebuffer) = &mut rfb.framebuffer {
                    framebuffer.name = name;
                }
                State::Over
            }
            State::Over => return None,
        })
    }

    fn chosen(&self, kind: u8, sink: &mut dyn Sink) -> State {
        match kind {
            NONE if self.minor >= 8 => State::Result,
            NONE => State::ClientInit,
            VNC => State::Challenge,
            _ => {
                sink.anomaly("unimplemented_security_type");
                State::Over
            }
        }
    }

    /// The length of a text of the server.
    fn length(&mut self, then: fn(usize) -> State) -> Option<State> {
        let length = self.sides[1].array()?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_TEXT {
            self.limits_hit += 1;
            return Some(State::Over);
        }
        Some(then(length))
    }

    fn finish(&mut self, sink: &mut dyn Sink) {
        self.state = State::Over;
        if self.rfb.server_version.is_none() && self.rfb.client_version.is_none() {
            return;
        }
        let rfb = std::mem::take(&mut self.rfb);
        let login = rfb.response.map(|_| Login {
            service: AppProto::Rfb,
            method: "vnc",
            user: None,
            secret: None,
            outcome: match rfb.security_result {
                None => Outcome::Unknown,
                Some(0) => Outcome::Accepted,
                Some(_) => Outcome::Refused,
            },
        });
        complete(rfb.into(), sink);
        if let Some(login) = login {
            complete(login.into(), sink);
        }
    }
}

fn version(message: &[u8; VERSION]) -> Option<(String, String)> {
    message.starts_with(b"RFB ").then(|| (text(&message[4..7]), text(&message[8..11])))
}

impl Parser for RfbParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let mut bytes = chunk.bytes;
        loop {
            let lost = self.sides[chunk.direction.index()].push(bytes);
            bytes = &bytes[bytes.len() - lost..];
            let before = self.state;
            while let Some(next) = self.advance(sink) {
                self.state = next;
            }
            if self.state == State::Over {
                self.finish(sink);
                return Step::Finished;
            }
            if bytes.is_empty() {
                return Step::More;
            }
            if self.state == before {
                // Nobody sends so much before the other has said what he must.
                self.limits_hit += 1;
                self.finish(sink);
                return Step::Finished;
            }
        }
    }

    fn gap(&mut self, _: Direction, _: u64, sink: &mut dyn Sink) -> Step {
        self.finish(sink);
        Step::Finished
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.finish(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_testing::{ToClient, ToServer, talk};
    use crate::transaction::Transaction;

    fn session(result: u8) -> Vec<(Direction, Vec<u8>)> {
        let init = b"\x04\x00\x03\x00\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\x00\x00\x00\x00\x00\x00\x04desk";
        vec![
            (ToClient, b"RFB 003.008\n".to_vec()),
            (ToServer, b"RFB 003.008\n".to_vec()),
            (ToClient, vec![2, 1, 2]),
            (ToServer, vec![2]),
            (ToClient, vec![7; 16]),
            (ToServer, vec![9; 16]),
            (ToClient, vec![0, 0, 0, result]),
            (ToServer, vec![1]),
            (ToClient, init.to_vec()),
            (ToServer, vec![3; 10]),
        ]
    }

    #[test]
    fn a_login_and_its_screen_are_read_in_any_pieces() {
        for step in [1, 2, 7, 1000] {
            let session = session(0);
            let turns: Vec<_> = session.iter().map(|(d, b)| (*d, b.as_slice())).collect();
            let (log, app) = talk(7000, step, &turns);
            assert_eq!(app.protocol(), Some(AppProto::Rfb));
            let Transaction::Rfb(rfb) = &log.logged[0] else { panic!() };
            let screen = rfb.framebuffer.as_ref().unwrap();
            assert_eq!((screen.width, screen.height, screen.name.as_str()), (1024, 768, "desk"));
            assert_eq!((rfb.security_type, rfb.security_result), (Some(2), Some(0)));
            assert_eq!(log.logins().next().unwrap().outcome, Outcome::Accepted);
        }
    }

    #[test]
    fn a_refused_login_is_told_with_its_reason() {
        let mut session = session(1);
        session[7] = (ToClient, b"\0\0\0\x03bad".to_vec());
        let turns: Vec<_> = session[..8].iter().map(|(d, b)| (*d, b.as_slice())).collect();
        let (log, _) = talk(5900, 3, &turns);
        let Transaction::Rfb(rfb) = &log.logged[0] else { panic!() };
        assert_eq!(rfb.failure_reason.as_deref(), Some("bad"));
        assert_eq!(log.logins().next().unwrap().outcome, Outcome::Refused);
    }

    #[test]
    fn a_name_without_end_is_not_waited_for() {
        let mut session = session(0);
        session[8].1[20] = 0xff;
        let turns: Vec<_> = session.iter().map(|(d, b)| (*d, b.as_slice())).collect();
        let (log, app) = talk(5900, 5, &turns);
        assert!(app.finished() && app.limits_hit() == 1 && log.logged.len() == 2);
    }
}
