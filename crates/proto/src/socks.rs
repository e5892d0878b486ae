//! SOCKS 4, 4a and 5 (RFC 1928, RFC 1929). What is spoken through the proxy is the flow's inner protocol.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::{Direction, IpProto};

use crate::buffer::Buffer;
use crate::lines::text;
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::sasl::credential;
use crate::transaction::Transaction;

/// Bytes of a user name or a host in SOCKS 4.
const MAX_NAME: usize = 255;
const CONNECT: u8 = 1;
/// Method "user name and password".
const PASSWORD: u8 = 2;

/// A request to a proxy with its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Socks {
    /// 4 or 5.
    pub version: u8,
    /// 1 connect, 2 bind, 3 UDP associate.
    pub command: u8,
    /// Where to: an address or a name.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// Who asks.
    pub user: Option<String>,
    /// Method of authentication that the proxy chose (SOCKS 5).
    pub method: Option<u8>,
    /// Reply code: 0 (SOCKS 5) or 90 (SOCKS 4) is good.
    pub reply: Option<u8>,
}

/// SOCKS, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Socks,
    transport: IpProto::TCP,
    ports: &[1080],
    probe,
    open: Some(|_| Box::<SocksParser>::default()),
};

/// The first messages of both sides, which must fit each other.
fn probe(opening: &Opening<'_>) -> Guess {
    let (client, server) = (opening.client(), opening.server());
    let guess =
        |holds: Option<bool>| holds.map_or(Guess::More, |holds| if holds { Guess::Yes } else { Guess::No });
    match client {
        [5, 0, ..] => Guess::No,
        [5, count, rest @ ..] if *count <= 16 => {
            let Some(methods) = rest.get(..usize::from(*count)) else { return Guess::More };
            match server {
                [] | [5] => Guess::More,
                [5, method, ..] => guess(Some(methods.contains(method) || *method == 0xff)),
                _ => Guess::No,
            }
        }
        [4, 1 | 2, _, _, rest @ ..] => match server {
            [] | [0] if rest.len() < 2000 => Guess::More,
            [0, 0x5a..=0x5d, ..] => guess(Some(rest.len() > 4 && rest[4..].contains(&0))),
            _ => Guess::No,
        },
        [4 | 5] | [4, 1 | 2, ..] => Guess::More,
        [] if server.is_empty() => Guess::More,
        _ => Guess::No,
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Hello,
    Method,
    Credentials,
    Verdict,
    Request5,
    Reply4,
    Reply5,
    /// The proxy carries on.
    Through,
    Over,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct SocksParser {
    state: State,
    sides: [Buffer; 2],
    socks: Socks,
    secret: Option<Secret>,
    asked: bool,
    limits_hit: u32,
}

impl SocksParser {
    fn advance(&mut self, sink: &mut dyn Sink) -> Option<State> {
        let [client, server] = &mut self.sides;
        let socks = &mut self.socks;
        Some(match self.state {
            State::Hello => match *client.bytes().first()? {
                4 => {
                    let bytes = client.bytes();
                    let user_end = 8 + nul(bytes.get(8..)?)?;
                    let user = &bytes[8..user_end];
                    let ip = Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]);
                    // SOCKS 4a: an address that cannot be says that a name follows.
                    let named = bytes[4..7] == [0; 3] && bytes[7] != 0;
                    let end = if named { user_end + 1 + nul(&bytes[user_end + 1..])? } else { user_end };
                    socks.version = 4;
                    socks.command = bytes[1];
                    socks.port = u16::from_be_bytes([bytes[2], bytes[3]]);
                    socks.user = (!user.is_empty()).then(|| credential(user));
                    socks.host = if named {
                        let name = &bytes[user_end + 1..end];
                        text(&name[..name.len().min(MAX_NAME)])
                    } else {
                        ip.to_string()
                    };
                    client.take(end + 1);
                    self.ask(sink);
                    State::Reply4
                }
                5 => {
                    let count = usize::from(*client.bytes().get(1)?);
                    client.take(2 + count)?;
                    socks.version = 5;
                    State::Method
                }
                _ => State::Over,
            },
            State::Method => {
                let [_, method] = server.array()?;
                socks.method = Some(method);
                match method {
                    0 => State::Request5,
                    PASSWORD => State::Credentials,
                    _ => State::Over,
                }
            }
            State::Credentials => {
                let user_len = usize::from(*client.bytes().get(1)?);
                let secret_len = usize::from(*client.bytes().get(2 + user_len)?);
                let bytes = client.take(3 + user_len + secret_len)?;
                socks.user = Some(credential(&bytes[2..2 + user_len]));
                self.secret = Some(Secret::new(credential(&bytes[3 + user_len..])));
                State::Verdict
            }
            State::Verdict => {
                let [_, status] = server.array()?;
                let accepted = status == 0;
                self.login(if accepted { Outcome::Accepted } else { Outcome::Refused }, sink);
                if accepted { State::Request5 } else { State::Over }
            }
            State::Request5 => {
                let (host, port, used) = address(client.bytes())?;
                socks.command = client.bytes()[1];
                (socks.host, socks.port) = (host, port);
                client.take(used);
                self.ask(sink);
                State::Reply5
            }
            State::Reply4 => {
                let [_, reply, ..] = server.array::<8>()?;
                socks.reply = Some(reply);
                if reply == 0x5a && socks.command == CONNECT { State::Through } else { State::Over }
            }
            State::Reply5 => {
                let reply = *server.bytes().get(1)?;
                let (_, _, used) = address(server.bytes())?;
                server.take(used);
                socks.reply = Some(reply);
                if reply == 0 && socks.command == CONNECT { State::Through } else { State::Over }
            }
            State::Through | State::Over => return None,
        })
    }

    fn ask(&mut self, sink: &mut dyn Sink) {
        self.asked = true;
        sink.inspect(&Transaction::from(self.socks.clone()));
    }

    fn login(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if let Some(secret) = self.secret.take() {
            let user = self.socks.user.clone();
            let login =
                Login { service: AppProto::Socks, method: "user-pass", user, secret: Some(secret), outcome };
            complete(login.into(), sink);
        }
    }
}

fn nul(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&b| b == 0)
}

/// Host and port of a SOCKS 5 request or reply, and how long it is.
fn address(bytes: &[u8]) -> Option<(String, u16, usize)> {
    let rest = bytes.get(4..)?;
    let (host, len) = match bytes[3] {
        1 => (Ipv4Addr::from(*rest.first_chunk::<4>()?).to_string(), 4),
        4 => (Ipv6Addr::from(*rest.first_chunk::<16>()?).to_string(), 16),
        _ => {
            let len = usize::from(*rest.first()?);
            (text(rest.get(1..1 + len)?), 1 + len)
        }
    };
    let port = rest.get(len..len + 2)?;
    Some((host, u16::from_be_bytes([port[0], port[1]]), 4 + len + 2))
}

impl Parser for SocksParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let lost = self.sides[side].push(chunk.bytes);
        while let Some(next) = self.advance(sink) {
            self.state = next;
        }
        match self.state {
            State::Through => {
                // What the other side sent before its time is not the inner protocol's beginning any more.
                let rest = (self.sides[side].bytes().len() + lost).min(chunk.bytes.len());
                Step::Switch { rest, to: None }
            }
            State::Over => Step::Finished,
            _ if lost > 0 => {
                self.limits_hit += 1;
                Step::Finished
            }
            _ => Step::More,
        }
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::Finished
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.login(Outcome::Unknown, sink);
        if std::mem::take(&mut self.asked) {
            sink.log(std::mem::take(&mut self.socks).into());
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_testing::{ToClient, ToServer, talk};

    #[test]
    fn through_the_proxy_the_inner_protocol_is_read() {
        let turns: &[(Direction, &[u8])] = &[
            (ToServer, b"\x05\x02\x00\x02"),
            (ToClient, b"\x05\x02"),
            (ToServer, b"\x01\x05alice\x04pa55"),
            (ToClient, b"\x01\x00"),
            (ToServer, b"\x05\x01\x00\x03\x0cevil.example\x00\x50"),
            (ToClient, b"\x05\x00\x00\x01\x0a\x00\x00\x01\x12\x34"),
            (ToServer, b"GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        ];
        for step in [1, 2, 7, 1000] {
            let (log, app) = talk(9000, step, turns);
            assert_eq!((app.original(), app.protocol()), (Some(AppProto::Socks), Some(AppProto::Http)));
            let login = log.logins().next().unwrap();
            assert_eq!((login.user.as_deref(), login.outcome), (Some("alice"), Outcome::Accepted));
            let socks =
                log.logged.iter().find_map(|t| if let Transaction::Socks(s) = t { Some(s) } else { None });
            let socks = socks.unwrap();
            assert_eq!((socks.host.as_str(), socks.port, socks.reply), ("evil.example", 80, Some(0)));
        }
    }

    #[test]
    fn version_4a_names_hosts_too() {
        let turns: &[(Direction, &[u8])] = &[
            (ToServer, b"\x04\x01\x00\x50\x00\x00\x00\x01me\0host.example\0"),
            (ToClient, b"\x00\x5a\0\0\0\0\0\0"),
        ];
        for step in [1, 3, 100] {
            let (log, app) = talk(1080, step, turns);
            let Transaction::Socks(socks) = &log.logged[0] else { panic!() };
            assert_eq!((socks.version, socks.host.as_str()), (4, "host.example"));
            assert_eq!(app.original(), Some(AppProto::Socks));
        }
    }
}
