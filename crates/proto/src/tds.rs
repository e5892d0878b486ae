//! Tabular Data Stream (Microsoft SQL Server, MS-TDS): prelogin, login with its password, statements.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{End, Frame, Framer, Next, Piece};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// A packet is no longer than this by its length field.
const MAX_PACKET: usize = 64 * 1024;
/// Bytes of a message in several packets that are kept.
const MAX_MESSAGE: usize = 16 * 1024;
/// Names and error texts are kept up to so many characters.
const MAX_TEXT: usize = 512;
const HEADER: usize = 8;

/// A login or a statement, with its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tds {
    /// "login", "sql_batch", "rpc".
    pub command: &'static str,
    /// The statement, or the procedure's name.
    pub query: Option<String>,
    /// The client's host name.
    pub client_host: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// The client program.
    pub application: Option<String>,
    /// The server's name as the client calls it.
    pub server: Option<String>,
    /// The database asked for.
    pub database: Option<String>,
    /// The error that the server answered with: number and text.
    pub error: Option<(u32, String)>,
    /// Whether an answer came.
    pub answered: bool,
}

/// TDS on any port if the client's PRELOGIN or login was seen.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Tds,
    transport: IpProto::TCP,
    ports: &[1433],
    probe,
    open: Some(|_| Box::<TdsParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.client();
    let fits = |at: usize, ok: fn(u8) -> bool| seen.get(at).copied().is_none_or(ok);
    let head = fits(1, |b| b <= 1)
        && fits(4, |b| b == 0)
        && fits(5, |b| b == 0)
        && fits(6, |b| b <= 1)
        && fits(7, |b| b == 0);
    let possible = head
        && match seen.first() {
            // PRELOGIN: the first option is the version, whose offset follows the list.
            Some(0x12) => {
                fits(8, |b| b == 0)
                    && fits(9, |b| b == 0)
                    && fits(10, |b| b < 0x80)
                    && fits(11, |b| b == 0)
                    && fits(12, |b| b == 6)
            }
            // LOGIN7: its length, then the version of TDS.
            Some(0x10) => {
                fits(10, |b| b == 0) && fits(11, |b| b == 0) && fits(15, |b| (0x70..=0x74).contains(&b))
            }
            // The login of TDS 4 and 5: packets of 512 bytes, texts in places of 30 with their length behind.
            Some(0x02) => {
                let short = |at: usize| fits(at, |len| len <= 30);
                fits(2, |b| b == 2) && fits(3, |b| b == 0) && short(38) && short(69) && short(100)
            }
            // Statements of a session that is older than the capture.
            Some(0x01 | 0x03) => {
                opening.on_port(PROTOCOL.ports) && fits(9, |b| b == 0) && fits(10, |b| b == 0)
            }
            Some(_) | None => false,
        };
    let enough = if seen.first() == Some(&0x02) { 100 } else { 15 };
    match (possible, seen.len() > enough) {
        (true, true) => Guess::Yes,
        (true, false) => Guess::More,
        (false, _) => Guess::No,
    }
}

fn measure(bytes: &[u8]) -> Frame {
    match bytes {
        [_, _, high, low, ..] => match usize::from(*high) << 8 | usize::from(*low) {
            len if len >= HEADER => Frame::Pdu(len),
            _ => Frame::Broken,
        },
        _ => Frame::More(4),
    }
}

/// UTF-16, little endian.
fn wide(bytes: &[u8], max: usize) -> String {
    let units = bytes.as_chunks::<2>().0.iter().take(max).map(|pair| u16::from_le_bytes(*pair));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// A password as it was before the client swapped its nibbles and flipped bits (MS-TDS 2.2.6.4).
fn unveil(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|b| (b ^ 0xa5).rotate_left(4)).collect()
}

/// Where a variable field of LOGIN7 lies, by its number.
fn field(body: &[u8], number: usize) -> Option<&[u8]> {
    let at = &mut Cursor(body.get(36 + 4 * number..)?);
    let (offset, chars) = (usize::from(at.u16_le()?), usize::from(at.u16_le()?));
    body.get(offset..offset + 2 * chars)
}

/// A field of the older login: as long as its place, its length behind it.
fn fixed(body: &[u8], at: usize) -> Option<String> {
    let place = body.get(at..at + 31)?;
    let len = usize::from(place[30]).min(30);
    Some(String::from_utf8_lossy(&place[..len]).into_owned())
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct TdsParser {
    framers: [Framer; 2],
    /// The message at hand, without its packets' headers.
    messages: [Vec<u8>; 2],
    /// Of what type its first packet is: a login of TDS 5 ends in one of another type.
    kinds: [u8; 2],
    current: Option<Tds>,
    login: Option<Login>,
    limits_hit: u32,
}

impl TdsParser {
    fn packet(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) -> Next {
        let side = direction.index();
        let Some((header, payload)) = bytes.split_first_chunk::<HEADER>() else { return Next::Go };
        // TLS within PRELOGIN packets: nothing more can be read.
        if header[0] == 0x12 && matches!(payload, [0x14..=0x17, 3, ..]) {
            return Next::Stop;
        }
        let message = &mut self.messages[side];
        if message.is_empty() {
            self.kinds[side] = header[0];
        }
        let fits = payload.len().min(MAX_MESSAGE.saturating_sub(message.len()));
        self.limits_hit += u32::from(fits < payload.len());
        message.extend_from_slice(&payload[..fits]);
        if header[1] & 1 != 0 {
            let message = std::mem::take(message);
            match direction {
                Direction::ToServer => self.client(self.kinds[side], &message, sink),
                Direction::ToClient => self.server(&message, sink),
            }
        }
        Next::Go
    }

    fn client(&mut self, kind: u8, body: &[u8], sink: &mut dyn Sink) {
        let found = match kind {
            0x10 => Self::login7(body),
            0x02 => Self::login5(body),
            0x01 => {
                // Headers in front, of TDS 7.2 and later.
                let headers = Cursor(body).u32_le().map_or(0, |len| len as usize);
                let text = if (4..=body.len().min(256)).contains(&headers) { &body[headers..] } else { body };
                let query = Some(wide(text, MAX_MESSAGE));
                Some((Tds { command: "sql_batch", query, ..Tds::default() }, None))
            }
            // TDS 5: a statement behind its token, length and status.
            0x0f => match body {
                [0x21, _, _, _, _, _, text @ ..] => {
                    let query = Some(String::from_utf8_lossy(text).into_owned());
                    Some((Tds { command: "sql_batch", query, ..Tds::default() }, None))
                }
                _ => return,
            },
            0x03 => {
                let mut at = Cursor(body);
                let headers = at.u32_le().map_or(0, |len| len as usize);
                let mut at = Cursor(if (4..=body.len().min(256)).contains(&headers) {
                    &body[headers..]
                } else {
                    body
                });
                let query = match at.u16_le() {
                    Some(0xffff) => at.u16_le().map(procedure),
                    Some(chars) => at.take(2 * usize::from(chars)).map(|name| wide(name, MAX_TEXT)),
                    None => None,
                };
                Some((Tds { command: "rpc", query, ..Tds::default() }, None))
            }
            _ => return,
        };
        let Some((tds, secret)) = found else { return sink.anomaly("malformed_data") };
        self.end(sink);
        sink.inspect(&Transaction::from(tds.clone()));
        if tds.command == "login" {
            let user = tds.user.clone().filter(|u| !u.is_empty());
            if user.is_some() {
                let outcome = Outcome::Unknown;
                let login = Login { service: AppProto::Tds, method: "login7", user, secret, outcome };
                sink.inspect(&Transaction::from(login.clone()));
                self.login = Some(login);
            }
        }
        self.current = Some(tds);
    }

    fn login7(body: &[u8]) -> Option<(Tds, Option<Secret>)> {
        let text = |number| field(body, number).map(|bytes| wide(bytes, MAX_TEXT));
        let password = wide(&unveil(field(body, 2)?), MAX_TEXT);
        let tds = Tds {
            command: "login",
            client_host: text(0),
            user: text(1),
            application: text(3),
            server: text(4),
            database: text(8).filter(|d| !d.is_empty()),
            ..Tds::default()
        };
        Some((tds, Some(Secret::new(password))))
    }

    fn login5(body: &[u8]) -> Option<(Tds, Option<Secret>)> {
        let password = fixed(body, 62)?;
        let tds = Tds {
            command: "login",
            client_host: fixed(body, 0),
            user: fixed(body, 31),
            application: fixed(body, 140),
            server: fixed(body, 171),
            ..Tds::default()
        };
        Some((tds, Some(Secret::new(password)).filter(|s| !s.reveal().is_empty())))
    }

    /// Of an answer's tokens those that say how it ended, as far as the first that has no length.
    fn server(&mut self, body: &[u8], sink: &mut dyn Sink) {
        let Some(current) = &mut self.current else { return };
        let mut at = Cursor(body);
        let mut accepted = false;
        while let Some(token) = at.u8() {
            let Some(len) = (match token {
                0xaa | 0xab | 0xad | 0xe3 | 0xe5 | 0xed => at.u16_le(),
                _ => None,
            }) else {
                break;
            };
            let Some(mut inner) = at.take(len.into()).map(Cursor) else { break };
            match token {
                0xad => accepted = true,
                0xaa => {
                    let number = inner.u32_le().unwrap_or(0);
                    inner.take(2);
                    let chars = inner.u16_le().unwrap_or(0);
                    let text = inner.take(2 * usize::from(chars)).map(|t| wide(t, MAX_TEXT));
                    current.error.get_or_insert((number, text.unwrap_or_default()));
                }
                _ => {}
            }
        }
        current.answered = true;
        if let Some(login) = &mut self.login {
            login.outcome = match (accepted, &current.error) {
                (true, _) => Outcome::Accepted,
                (false, Some(_)) => Outcome::Refused,
                (false, None) => Outcome::Unknown,
            };
        }
        self.end(sink);
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        if let Some(current) = self.current.take() {
            sink.log(current.into());
        }
        if let Some(login) = self.login.take() {
            sink.log(login.into());
        }
    }
}

/// Procedures that have a number in place of a name (MS-TDS 2.2.6.6).
fn procedure(number: u16) -> String {
    match number {
        1 => "sp_cursor".to_owned(),
        2 => "sp_cursoropen".to_owned(),
        10 => "sp_executesql".to_owned(),
        11 => "sp_prepare".to_owned(),
        12 => "sp_execute".to_owned(),
        13 => "sp_prepexec".to_owned(),
        15 => "sp_unprepare".to_owned(),
        other => other.to_string(),
    }
}

impl Parser for TdsParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut framer = std::mem::take(&mut self.framers[side]);
        let end = framer.feed(chunk.bytes, MAX_PACKET, &measure, &mut |piece| match piece {
            Piece::Pdu { bytes, .. } => self.packet(chunk.direction, bytes, sink),
            Piece::Rest(_) => Next::Go,
        });
        self.framers[side] = framer;
        match end {
            End::Taken => Step::More,
            End::Stopped(_) => Step::Finished,
            End::Broken(_) => {
                sink.anomaly("malformed_data");
                Step::Finished
            }
        }
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        self.messages[direction.index()].clear();
        if self.framers[direction.index()].gap(missing) { Step::More } else { Step::Finished }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end(sink);
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

    fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = (HEADER + body.len()) as u16;
        [&[kind, 1][..], &len.to_be_bytes(), &[0, 0, 1, 0], body].concat()
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn login() -> Vec<u8> {
        let veiled: Vec<u8> = utf16("s3cret").iter().map(|b| b.rotate_left(4) ^ 0xa5).collect();
        let fields = [
            utf16("pc"),
            utf16("sa"),
            veiled,
            utf16("app"),
            utf16("db1"),
            vec![],
            vec![],
            vec![],
            utf16("shop"),
        ];
        let mut body = vec![0; 36];
        body[7] = 0x74;
        let mut offset = 36 + 4 * 9;
        for f in &fields {
            body.extend_from_slice(&(offset as u16).to_le_bytes());
            body.extend_from_slice(&(f.len() as u16 / 2).to_le_bytes());
            offset += f.len();
        }
        fields.iter().for_each(|f| body.extend_from_slice(f));
        packet(0x10, &body)
    }

    #[test]
    fn logins_show_their_password_and_their_end() {
        let error = {
            let text = utf16("Login failed");
            let mut inner = 18456u32.to_le_bytes().to_vec();
            inner.extend_from_slice(&[1, 14, 12, 0]);
            inner.extend_from_slice(&text);
            packet(4, &[&[0xaa][..], &(inner.len() as u16).to_le_bytes(), &inner].concat())
        };
        let welcome = packet(4, &[0xad, 1, 0, 1]);
        for (answer, outcome) in [(&welcome, Outcome::Accepted), (&error, Outcome::Refused)] {
            for step in [1, 2, 7, 500] {
                let batch = packet(1, &utf16("select 1"));
                let (log, layer) =
                    talk(9999, step, &[(ToServer, &login()), (ToClient, answer), (ToServer, &batch)]);
                assert_eq!(layer.protocol(), Some(AppProto::Tds));
                let login = log.logins().next().unwrap();
                assert_eq!((login.user.as_deref(), login.outcome), (Some("sa"), outcome));
                assert_eq!(login.secret.as_ref().unwrap().reveal(), "s3cret");
                let Transaction::Tds(first) = &log.logged[0] else { panic!() };
                assert_eq!(
                    (first.client_host.as_deref(), first.database.as_deref()),
                    (Some("pc"), Some("shop"))
                );
                let Transaction::Tds(last) = &log.logged[2] else { panic!() };
                assert_eq!(last.query.as_deref(), Some("select 1"));
            }
        }
    }

    #[test]
    fn encryption_ends_what_can_be_read() {
        let prelogin = packet(0x12, &[0, 0, 6, 0, 6, 0xff, 9, 0, 0, 0, 0, 0]);
        let tls = packet(0x12, &[0x16, 3, 1, 0, 5]);
        let (_, layer) = talk(1433, 100, &[(ToServer, &prelogin), (ToServer, &tls)]);
        assert!(layer.finished());
        assert_eq!(layer.protocol(), Some(AppProto::Tds));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let up = [login(), packet(3, &bytes), bytes.clone()].concat();
            let down = packet(4, &bytes);
            let turns: [(Direction, &[u8]); 2] = [(ToServer, &up), (ToClient, &down)];
            let whole = talk(1433, usize::MAX, &turns).0;
            let pieces = talk(1433, step, &turns).0;
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
