//! MySQL's client protocol: greeting, login, commands and how they ended.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{End, Frame, Framer, Next, Piece};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// Bytes of a packet that are kept until it is read.
const MAX_PACKET: usize = 16 * 1024;
/// Names, versions and messages are kept up to so many bytes.
const MAX_TEXT: usize = 512;
/// Commands that wait for their answer; further ones go unjoined.
const MAX_PENDING: usize = 16;
const CLIENT_CONNECT_WITH_DB: u32 = 0x8;
const CLIENT_PROTOCOL_41: u32 = 0x200;
const CLIENT_SSL: u32 = 0x800;
const CLIENT_SECURE_CONNECTION: u32 = 0x8000;
const CLIENT_PLUGIN_AUTH: u32 = 0x8_0000;
const CLIENT_LENENC_AUTH: u32 = 0x20_0000;
const CLIENT_QUERY_ATTRIBUTES: u32 = 0x0800_0000;
const CLEAR: &str = "mysql_clear_password";

/// How the server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MysqlStatus {
    /// No answer was seen.
    #[default]
    Unknown,
    /// Done; rows that were touched.
    Ok {
        /// Rows that a change touched.
        affected: u64,
    },
    /// Rows follow.
    Rows {
        /// Columns of each.
        columns: u64,
    },
    /// Refused.
    Error {
        /// MySQL's number.
        code: u16,
        /// What is said about it.
        message: String,
    },
}

/// A login ("connect") or a command, with its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mysql {
    /// The server's version, as its greeting says.
    pub version: Option<String>,
    /// Which command: "connect", "query", "init_db" ...
    pub command: &'static str,
    /// Its text: a statement, a database.
    pub argument: String,
    /// Who is logged in.
    pub user: Option<String>,
    /// The database at login.
    pub database: Option<String>,
    /// How the client proves who it is.
    pub plugin: Option<String>,
    /// The connection goes over to TLS.
    pub tls: bool,
    /// The answer.
    pub status: MysqlStatus,
}

/// MySQL on any port: the server speaks first.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Mysql,
    transport: IpProto::TCP,
    ports: &[3306],
    probe,
    open: Some(|_| Box::<MysqlParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let server = opening.server();
    if opening.first == Direction::ToClient && !server.is_empty() {
        let fits = |at: usize, ok: fn(u8) -> bool| server.get(at).copied().is_none_or(ok);
        let greeting =
            fits(1, |b| b <= 1) && fits(2, |b| b == 0) && fits(3, |b| b == 0) && fits(4, |b| b == 10);
        if greeting {
            let Some(version) = server.get(5..) else { return Guess::More };
            let end = memchr::memchr(0, version);
            let plain = &version[..end.unwrap_or(version.len())];
            let text = plain.len() < 100 && plain.iter().all(|b| (0x20..0x7f).contains(b));
            return match (text, end) {
                (true, Some(end)) if end >= 3 && plain[0].is_ascii_digit() => Guess::Yes,
                (true, None) => Guess::More,
                _ => Guess::No,
            };
        }
        // The host may not connect: an error in place of the greeting.
        let refusal = opening.on_port(PROTOCOL.ports)
            && fits(2, |b| b == 0)
            && fits(3, |b| b == 0)
            && fits(4, |b| b == 0xff);
        return match (refusal, server.len() > 6) {
            (true, true) => Guess::Yes,
            (true, false) => Guess::More,
            (false, _) => Guess::No,
        };
    }
    // The server's side is missing: a login with its 23 zeros.
    match opening.client() {
        [_, _, 0, 1, rest @ ..] if opening.on_port(PROTOCOL.ports) => match rest.get(8 + 1..8 + 24) {
            Some(zeros) if zeros.iter().all(|b| *b == 0) => Guess::Yes,
            Some(_) => Guess::No,
            None => Guess::More,
        },
        _ => Guess::No,
    }
}

fn measure(bytes: &[u8]) -> Frame {
    match bytes {
        [a, b, c, _, ..] => Frame::Pdu(4 + (usize::from(*c) << 16 | usize::from(*b) << 8 | usize::from(*a))),
        _ => Frame::More(4),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned()
}

/// A length-encoded integer.
fn lenenc(at: &mut Cursor<'_>) -> Option<u64> {
    Some(match at.u8()? {
        0xfc => at.u16_le()?.into(),
        0xfd => at.array::<3>().map(|&[a, b, c]| u64::from(u32::from_le_bytes([a, b, c, 0])))?,
        0xfe => at.array().copied().map(u64::from_le_bytes)?,
        small => small.into(),
    })
}

fn status(payload: &[u8]) -> Option<MysqlStatus> {
    let at = &mut Cursor(payload);
    Some(match at.u8()? {
        0 => MysqlStatus::Ok { affected: lenenc(at).unwrap_or(0) },
        0xff => {
            let code = at.u16_le()?;
            if at.0.first() == Some(&b'#') {
                at.take(6);
            }
            MysqlStatus::Error { code, message: lossy(at.0) }
        }
        // 0xfb: the client is asked for a file.
        0xfb => MysqlStatus::Rows { columns: 0 },
        first => MysqlStatus::Rows { columns: first.into() },
    })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The client has to log in.
    #[default]
    Greeting,
    /// It has; packets go back and forth until the server says yes or no.
    Login,
    Commands,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct MysqlParser {
    framers: [Framer; 2],
    phase: Phase,
    /// Statements have attributes in front.
    attributes: bool,
    version: Option<String>,
    current: Option<Mysql>,
    login: Option<Login>,
    pending: Vec<Mysql>,
    limits_hit: u32,
}

impl MysqlParser {
    fn client(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Next {
        let Some((header, payload)) = bytes.split_first_chunk::<4>() else { return Next::Go };
        match self.phase {
            Phase::Greeting => {
                if self.hello(payload, sink).is_none() {
                    sink.anomaly("malformed_data");
                    return Next::Go;
                }
                if self.current.as_ref().is_some_and(|c| c.tls) { Next::Stop } else { Next::Go }
            }
            Phase::Login => {
                if let Some(login) = &mut self.login
                    && login.method == CLEAR
                    && login.secret.is_none()
                {
                    login.secret = Some(Secret::new(lossy(payload.strip_suffix(b"\0").unwrap_or(payload))));
                }
                Next::Go
            }
            Phase::Commands => {
                if header[3] == 0 {
                    self.command(payload, sink);
                }
                Next::Go
            }
        }
    }

    /// The client's answer to the greeting.
    fn hello(&mut self, payload: &[u8], sink: &mut dyn Sink) -> Option<()> {
        let at = &mut Cursor(payload);
        let low = u32::from(*payload.first()?) | u32::from(*payload.get(1)?) << 8;
        let mut out = Mysql { version: self.version.clone(), command: "connect", ..Mysql::default() };
        let mut proof: &[u8] = &[];
        if low & CLIENT_PROTOCOL_41 != 0 {
            let flags = at.u32_le()?;
            at.take(28)?;
            self.attributes = flags & CLIENT_QUERY_ATTRIBUTES != 0;
            if flags & CLIENT_SSL != 0 && at.is_empty() {
                out.tls = true;
            } else {
                out.user = Some(lossy(at.c_string()?));
                proof = if flags & CLIENT_LENENC_AUTH != 0 {
                    let len = lenenc(at)?;
                    at.take(usize::try_from(len).ok()?)?
                } else if flags & CLIENT_SECURE_CONNECTION != 0 {
                    at.prefixed8()?
                } else {
                    at.c_string()?
                };
                if flags & CLIENT_CONNECT_WITH_DB != 0 {
                    out.database = at.c_string().map(lossy).filter(|d| !d.is_empty());
                }
                if flags & CLIENT_PLUGIN_AUTH != 0 {
                    out.plugin = at.c_string().map(lossy);
                }
            }
        } else {
            at.take(5)?;
            out.user = Some(lossy(at.c_string()?));
        }
        sink.inspect(&Transaction::from(out.clone()));
        if !out.tls {
            self.begin_login(out.user.clone(), out.plugin.as_deref(), proof, sink);
        }
        self.current = Some(out);
        self.phase = Phase::Login;
        Some(())
    }

    fn begin_login(&mut self, user: Option<String>, plugin: Option<&str>, proof: &[u8], sink: &mut dyn Sink) {
        let clear = plugin == Some(CLEAR) && !proof.is_empty();
        let secret = clear.then(|| Secret::new(lossy(proof.strip_suffix(b"\0").unwrap_or(proof))));
        let method = if clear { CLEAR } else { "challenge" };
        let login = Login { service: AppProto::Mysql, method, user, secret, outcome: Outcome::Unknown };
        sink.inspect(&Transaction::from(login.clone()));
        self.login = Some(login);
    }

    fn command(&mut self, payload: &[u8], sink: &mut dyn Sink) {
        let Some((&code, rest)) = payload.split_first() else { return };
        let command = match code {
            1 => "quit",
            2 => "init_db",
            3 => "query",
            4 => "field_list",
            5 => "create_db",
            6 => "drop_db",
            8 => "shutdown",
            9 => "statistics",
            10 => "process_info",
            12 => "process_kill",
            14 => "ping",
            17 => "change_user",
            18 => "binlog_dump",
            22 => "stmt_prepare",
            23 => "stmt_execute",
            24 => "stmt_send_long_data",
            25 => "stmt_close",
            26 => "stmt_reset",
            27 => "set_option",
            28 => "stmt_fetch",
            31 => "reset_connection",
            _ => "unknown",
        };
        let text = matches!(code, 2..=6 | 22);
        let mut out = Mysql { command, ..Mysql::default() };
        if text {
            // No attributes, one set of them: what clients send unless told otherwise.
            let rest = if self.attributes && code == 3 {
                rest.strip_prefix(b"\0\x01").unwrap_or(rest)
            } else {
                rest
            };
            out.argument = String::from_utf8_lossy(rest).into_owned();
        }
        if code == 17 {
            let at = &mut Cursor(rest);
            out.user = at.c_string().map(lossy);
            at.prefixed8();
            out.database = at.c_string().map(lossy).filter(|d| !d.is_empty());
        }
        sink.inspect(&Transaction::from(out.clone()));
        // Nothing is said to these.
        if matches!(code, 1 | 24 | 25) || self.pending.len() >= MAX_PENDING {
            self.limits_hit += u32::from(self.pending.len() >= MAX_PENDING);
            return sink.log(out.into());
        }
        if code == 17 {
            self.begin_login(out.user.clone(), None, &[], sink);
            self.current = Some(out);
            self.phase = Phase::Login;
            return;
        }
        self.pending.push(out);
    }

    fn server(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        let Some((header, payload)) = bytes.split_first_chunk::<4>() else { return };
        let Some(&first) = payload.first() else { return };
        match self.phase {
            Phase::Greeting if first == 10 => self.version = Cursor(&payload[1..]).c_string().map(lossy),
            Phase::Greeting if first == 0xff => {
                let out = Mysql {
                    command: "connect",
                    status: status(payload).unwrap_or_default(),
                    ..Mysql::default()
                };
                sink.inspect(&Transaction::from(out.clone()));
                sink.log(out.into());
            }
            Phase::Greeting => {}
            Phase::Login if first == 0 || first == 0xff => {
                let outcome = if first == 0 { Outcome::Accepted } else { Outcome::Refused };
                self.end_login(outcome, status(payload).unwrap_or_default(), sink);
                self.phase = Phase::Commands;
            }
            // Another way to prove it is wanted.
            Phase::Login if first == 0xfe => {
                let plugin = Cursor(&payload[1..]).c_string().unwrap_or_default();
                if let (true, Some(login)) = (plugin == CLEAR.as_bytes(), &mut self.login) {
                    login.method = CLEAR;
                }
                if let Some(current) = &mut self.current {
                    current.plugin = Some(lossy(plugin)).filter(|p| !p.is_empty());
                }
            }
            Phase::Login => {}
            // The first packet of an answer.
            Phase::Commands if header[3] == 1 && !self.pending.is_empty() => {
                let mut out = self.pending.remove(0);
                out.status = status(payload).unwrap_or_default();
                sink.log(out.into());
            }
            Phase::Commands => {}
        }
    }

    fn end_login(&mut self, outcome: Outcome, status: MysqlStatus, sink: &mut dyn Sink) {
        if let Some(mut current) = self.current.take() {
            current.status = status;
            sink.log(current.into());
        }
        if let Some(mut login) = self.login.take() {
            login.outcome = outcome;
            sink.log(login.into());
        }
    }
}

impl Parser for MysqlParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut framer = std::mem::take(&mut self.framers[side]);
        let end = framer.feed(chunk.bytes, MAX_PACKET, &measure, &mut |piece| {
            let Piece::Pdu { bytes, len } = piece else { return Next::Go };
            self.limits_hit += u32::from(len > bytes.len());
            if chunk.direction == Direction::ToServer {
                return self.client(bytes, sink);
            }
            self.server(bytes, sink);
            Next::Go
        });
        self.framers[side] = framer;
        match end {
            End::Stopped(rest) => Step::Switch { rest, to: Some(AppProto::Tls) },
            End::Taken | End::Broken(_) => Step::More,
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        // A packet's header cannot be told from its contents.
        if self.framers[direction.index()].gap(missing) { Step::More } else { Step::Finished }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_login(Outcome::Unknown, MysqlStatus::Unknown, sink);
        for pending in std::mem::take(&mut self.pending) {
            sink.log(pending.into());
        }
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

    fn packet(seq: u8, payload: &[u8]) -> Vec<u8> {
        [&[payload.len() as u8, 0, 0, seq][..], payload].concat()
    }

    fn greeting() -> Vec<u8> {
        packet(0, b"\x0a8.0.1\0\x01\0\0\0saltsalt\0\xff\xf7\x21\x02\0\xff\x81\x15")
    }

    fn hello(plugin: &str, proof: &[u8]) -> Vec<u8> {
        let flags =
            CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH | CLIENT_CONNECT_WITH_DB;
        let mut body = flags.to_le_bytes().to_vec();
        body.resize(32, 0);
        body.extend_from_slice(b"root\0");
        body.push(proof.len() as u8);
        body.extend_from_slice(proof);
        body.extend_from_slice(b"shop\0");
        body.extend_from_slice(plugin.as_bytes());
        body.push(0);
        packet(1, &body)
    }

    #[test]
    fn logins_and_queries_are_told_with_their_end() {
        let (greeting, hello) = (greeting(), hello(CLEAR, b"pw\0"));
        let (ok, query) = (packet(2, b"\0\0\0\x02\0\0\0"), packet(0, b"\x03drop table x"));
        let error = packet(1, b"\xff\x1b\x04#42S02Unknown table");
        for step in [1, 2, 7, 100] {
            let (log, layer) = talk(
                9999,
                step,
                &[
                    (ToClient, &greeting),
                    (ToServer, &hello),
                    (ToClient, &ok),
                    (ToServer, &query),
                    (ToClient, &error),
                ],
            );
            assert_eq!(layer.protocol(), Some(AppProto::Mysql));
            let login = log.logins().next().unwrap();
            assert_eq!((login.user.as_deref(), login.outcome), (Some("root"), Outcome::Accepted));
            assert_eq!(login.secret.as_ref().unwrap().reveal(), "pw");
            let Transaction::Mysql(connect) = &log.logged[0] else { panic!() };
            assert_eq!(
                (connect.version.as_deref(), connect.database.as_deref()),
                (Some("8.0.1"), Some("shop"))
            );
            let Transaction::Mysql(query) = &log.logged[2] else { panic!() };
            assert_eq!((query.command, query.argument.as_str()), ("query", "drop table x"));
            assert_eq!(query.status, MysqlStatus::Error { code: 1051, message: "Unknown table".to_owned() });
        }
    }

    #[test]
    fn a_request_for_tls_hands_over() {
        let mut request = (CLIENT_PROTOCOL_41 | CLIENT_SSL).to_le_bytes().to_vec();
        request.resize(32, 0);
        let (log, layer) = talk(3306, 9, &[(ToClient, &greeting()), (ToServer, &packet(1, &request))]);
        assert_eq!(layer.protocol(), Some(AppProto::Tls));
        assert_eq!(layer.original(), Some(AppProto::Mysql));
        assert!(matches!(&log.logged[0], Transaction::Mysql(m) if m.tls));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1usize..50) {
            let up = [hello("x", b"y"), bytes.clone()].concat();
            let turns: [(Direction, &[u8]); 4] = [(ToClient, &greeting()), (ToServer, &up), (ToClient, &bytes), (ToServer, &bytes)];
            let whole = talk(3306, usize::MAX, &turns).0;
            let pieces = talk(3306, step, &turns).0;
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
