//! PostgreSQL's frontend/backend protocol, version 3.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::framing::{End, Frame, Framer, Next, Piece};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

/// Bytes of a message that are kept until it is read.
const MAX_MESSAGE: usize = 16 * 1024;
/// Names, parameters and error texts are kept up to so many bytes.
const MAX_TEXT: usize = 512;
/// Parameters that are kept of each side.
const MAX_PARAMETERS: usize = 32;
/// Requests that wait for the server to be ready again.
const MAX_PENDING: usize = 16;
/// A longer message is none.
const MAX_LENGTH: u32 = 1 << 30;
const VERSION_3: u32 = 196_608;
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// What the client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PgsqlRequest {
    /// Encryption: "SSL Request" or "GSSENC Request".
    Encryption(&'static str),
    /// Another query is to be given up.
    Cancel {
        /// The server's process for it.
        process: u32,
        /// What allows it.
        key: u32,
    },
    /// A session.
    Startup {
        /// 3.0
        version: (u16, u16),
        /// "user", "database" ...
        parameters: Vec<(String, String)>,
    },
    /// A password, in clear text or as a hash.
    Password(Secret),
    /// A SASL mechanism and its first message.
    Sasl(String),
    /// A statement.
    Query(String),
    /// A statement, prepared.
    Parse(String),
    /// A call of a function.
    Call,
    /// Rows for the server.
    CopyData,
    /// The end.
    Terminate,
}

/// An error or notice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgsqlError {
    /// Fields by their type: 'S' severity, 'C' code, 'M' message ...
    pub fields: Vec<(u8, String)>,
}

/// A request and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pgsql {
    /// The request.
    pub request: PgsqlRequest,
    /// Whether the server agrees to encrypt.
    pub encryption: Option<bool>,
    /// The kind of authentication it wants; 0: none more.
    pub authentication: Option<u32>,
    /// Settings that it told.
    pub parameters: Vec<(String, String)>,
    /// Its process and key, to cancel with.
    pub key: Option<(u32, u32)>,
    /// Columns of the rows.
    pub fields: Option<u16>,
    /// Rows that came.
    pub rows: u64,
    /// Bytes in them.
    pub row_bytes: u64,
    /// "SELECT 1"
    pub completed: Option<String>,
    /// What went wrong.
    pub error: Option<PgsqlError>,
}

impl Pgsql {
    fn new(request: PgsqlRequest) -> Self {
        Pgsql {
            request,
            encryption: None,
            authentication: None,
            parameters: Vec::new(),
            key: None,
            fields: None,
            rows: 0,
            row_bytes: 0,
            completed: None,
            error: None,
        }
    }
}

/// PostgreSQL, on any port if the client's first message was seen.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Pgsql,
    transport: IpProto::TCP,
    ports: &[5432],
    probe,
    open: Some(|_| Box::<PgsqlParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.client();
    let Some((&[len, code], rest)) = seen.as_chunks::<4>().0.split_first_chunk::<2>() else {
        let possible = seen.iter().zip([0, 0]).all(|(seen, zero)| *seen == zero);
        return if possible && !seen.is_empty() { Guess::More } else { Guess::No };
    };
    let (len, code) = (u32::from_be_bytes(len), u32::from_be_bytes(code));
    match code {
        SSL | GSS if len == 8 => Guess::Yes,
        CANCEL if len == 16 => Guess::Yes,
        VERSION_3 if (9..10_000).contains(&len) => match rest.first() {
            Some(b"user" | b"data" | b"appl" | b"clie" | b"repl" | b"opti" | b"Date") => Guess::Yes,
            Some(_) => Guess::No,
            None => Guess::More,
        },
        _ => Guess::No,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned()
}

fn pair(at: &mut Cursor<'_>) -> Option<(String, String)> {
    let name = at.c_string().filter(|n| !n.is_empty())?;
    Some((lossy(name), lossy(at.c_string()?)))
}

/// A message with its type in front.
fn typed(bytes: &[u8]) -> Frame {
    match Cursor(bytes.get(1..).unwrap_or_default()).u32() {
        None => Frame::More(5),
        Some(len) if (4..MAX_LENGTH).contains(&len) => Frame::Pdu(1 + len as usize),
        Some(_) => Frame::Broken,
    }
}

/// A client's first messages have no type.
fn untyped(bytes: &[u8]) -> Frame {
    match Cursor(bytes).u32() {
        None => Frame::More(4),
        Some(len) if (8..10_000).contains(&len) => Frame::Pdu(len as usize),
        Some(_) => Frame::Broken,
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct PgsqlParser {
    framers: [Framer; 2],
    started: bool,
    /// The server's next byte answers a wish for encryption.
    asked: bool,
    pending: Vec<Pgsql>,
    user: Option<String>,
    /// The kind of authentication that the server asked for.
    wanted: u32,
    login: Option<Login>,
    limits_hit: u32,
}

impl PgsqlParser {
    fn push(&mut self, request: PgsqlRequest, sink: &mut dyn Sink) {
        let transaction = Transaction::from(Pgsql::new(request));
        sink.inspect(&transaction);
        if self.pending.len() >= MAX_PENDING {
            self.limits_hit += 1;
            return sink.log(transaction);
        }
        if let Transaction::Pgsql(pgsql) = transaction {
            self.pending.push(*pgsql);
        }
    }

    fn answered(&mut self, sink: &mut dyn Sink) {
        if !self.pending.is_empty() {
            sink.log(self.pending.remove(0).into());
        }
    }

    fn first(&mut self, bytes: &[u8], sink: &mut dyn Sink) -> Option<Next> {
        let at = &mut Cursor(bytes);
        at.u32()?;
        match at.u32()? {
            code @ (SSL | GSS) => {
                self.asked = true;
                self.push(
                    PgsqlRequest::Encryption(if code == SSL { "SSL Request" } else { "GSSENC Request" }),
                    sink,
                );
            }
            CANCEL => {
                self.push(PgsqlRequest::Cancel { process: at.u32()?, key: at.u32()? }, sink);
                self.answered(sink);
            }
            version => {
                let mut parameters = Vec::new();
                while let Some(parameter) = pair(at).filter(|_| parameters.len() < MAX_PARAMETERS) {
                    parameters.push(parameter);
                }
                self.user = parameters.iter().find(|(name, _)| name == "user").map(|(_, user)| user.clone());
                self.started = true;
                let version = ((version >> 16) as u16, version as u16);
                self.push(PgsqlRequest::Startup { version, parameters }, sink);
            }
        }
        Some(Next::Go)
    }

    fn client(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        let Some((&kind, rest)) = bytes.split_first() else { return };
        let mut at = Cursor(rest.get(4..).unwrap_or_default());
        match kind {
            b'p' if self.wanted == 3 || self.wanted == 5 => {
                let text = lossy(at.c_string().unwrap_or_default());
                let method = if self.wanted == 3 { "clear" } else { "md5" };
                let secret = (self.wanted == 3).then(|| Secret::new(text.as_str()));
                self.begin_login(method, secret, sink);
                self.push(PgsqlRequest::Password(Secret::new(text)), sink);
            }
            b'p' => {
                let mechanism = if self.wanted == 10 { at.c_string().map(lossy) } else { None };
                if mechanism.is_some() {
                    self.begin_login("sasl", None, sink);
                }
                self.push(PgsqlRequest::Sasl(mechanism.unwrap_or_default()), sink);
            }
            b'Q' => {
                let text = at.0.strip_suffix(b"\0").unwrap_or(at.0);
                self.push(PgsqlRequest::Query(String::from_utf8_lossy(text).into_owned()), sink);
            }
            b'P' => {
                at.c_string();
                let text = String::from_utf8_lossy(at.c_string().unwrap_or(at.0)).into_owned();
                self.push(PgsqlRequest::Parse(text), sink);
            }
            b'F' => self.push(PgsqlRequest::Call, sink),
            b'X' => {
                self.push(PgsqlRequest::Terminate, sink);
                for pending in std::mem::take(&mut self.pending) {
                    sink.log(pending.into());
                }
            }
            // Bind, Close, Describe, Execute, Flush, Sync and what is copied belong to the request that is open.
            b'B' | b'C' | b'D' | b'E' | b'H' | b'S' | b'd' | b'c' | b'f' => {}
            _ => sink.anomaly("unknown_message"),
        }
    }

    fn begin_login(&mut self, method: &'static str, secret: Option<Secret>, sink: &mut dyn Sink) {
        self.end_login(Outcome::Unknown, sink);
        let user = self.user.clone();
        let login = Login { service: AppProto::Pgsql, method, user, secret, outcome: Outcome::Unknown };
        sink.inspect(&Transaction::from(login.clone()));
        self.login = Some(login);
    }

    fn end_login(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if let Some(mut login) = self.login.take() {
            login.outcome = outcome;
            sink.log(login.into());
        }
    }

    fn server(&mut self, bytes: &[u8], len: usize, sink: &mut dyn Sink) {
        let Some((&kind, rest)) = bytes.split_first() else { return };
        let mut at = Cursor(rest.get(4..).unwrap_or_default());
        match kind {
            b'R' => {
                let wanted = at.u32().unwrap_or(0);
                self.wanted = wanted;
                if let Some(open) = self.pending.first_mut() {
                    open.authentication = Some(wanted);
                }
                if wanted == 0 {
                    self.end_login(Outcome::Accepted, sink);
                } else {
                    self.answered(sink);
                }
                return;
            }
            b'E' if self.login.is_some() => self.end_login(Outcome::Refused, sink),
            b'Z' => return self.answered(sink),
            _ => {}
        }
        let Some(open) = self.pending.first_mut() else { return };
        match kind {
            b'S' if open.parameters.len() < MAX_PARAMETERS => open.parameters.extend(pair(&mut at)),
            b'K' => open.key = at.u32().zip(at.u32()),
            b'T' => open.fields = at.u16(),
            b'D' => {
                open.rows += 1;
                open.row_bytes += len.saturating_sub(7) as u64;
            }
            b'C' => open.completed = at.c_string().map(lossy),
            b'E' => {
                let mut error = PgsqlError::default();
                while let Some(field) = at.u8().filter(|f| *f != 0 && error.fields.len() < MAX_PARAMETERS) {
                    error.fields.push((field, lossy(at.c_string().unwrap_or_default())));
                }
                open.error = Some(error);
                // A session that is refused gets no "ready".
                if !matches!(
                    open.request,
                    PgsqlRequest::Query(_) | PgsqlRequest::Parse(_) | PgsqlRequest::Call
                ) {
                    self.answered(sink);
                }
            }
            _ => {}
        }
    }

    /// The answer to a wish for encryption: one byte.
    fn agreed(&mut self, answer: u8, sink: &mut dyn Sink) -> Option<bool> {
        if answer != b'S' && answer != b'N' && answer != b'G' {
            return None;
        }
        let yes = answer != b'N';
        if let Some(open) = self.pending.first_mut() {
            open.encryption = Some(yes);
        }
        self.asked = false;
        self.answered(sink);
        Some(yes)
    }
}

impl Parser for PgsqlParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        let mut framer = std::mem::take(&mut self.framers[side]);
        if chunk.direction == Direction::ToClient {
            if self.asked {
                match self.agreed(bytes[0], sink) {
                    Some(true) => return Step::Switch { rest: bytes.len() - 1, to: Some(AppProto::Tls) },
                    Some(false) => bytes = &bytes[1..],
                    // An old server answers with an error message.
                    None => self.asked = false,
                }
            }
            let end = framer.feed(bytes, MAX_MESSAGE, &typed, &mut |piece| {
                if let Piece::Pdu { bytes, len } = piece {
                    self.limits_hit += u32::from(len > bytes.len() && bytes[0] != b'D' && bytes[0] != b'd');
                    self.server(bytes, len, sink);
                }
                Next::Go
            });
            self.framers[side] = framer;
            return self.ended(end, sink);
        }
        while !self.started {
            let end = framer.feed(bytes, MAX_MESSAGE, &untyped, &mut |piece| {
                if let Piece::Pdu { bytes, .. } = piece {
                    self.first(bytes, sink);
                }
                Next::Stop
            });
            match end {
                End::Stopped(rest) => bytes = &bytes[bytes.len() - rest..],
                End::Taken | End::Broken(_) => {
                    self.framers[side] = framer;
                    return self.ended(end, sink);
                }
            }
        }
        let end = framer.feed(bytes, MAX_MESSAGE, &typed, &mut |piece| {
            if let Piece::Pdu { bytes, len } = piece {
                self.limits_hit += u32::from(len > bytes.len() && bytes[0] != b'd');
                self.client(bytes, sink);
            }
            Next::Go
        });
        self.framers[side] = framer;
        self.ended(end, sink)
    }

    fn gap(&mut self, direction: Direction, missing: u64, _: &mut dyn Sink) -> Step {
        if self.framers[direction.index()].gap(missing) { Step::More } else { Step::Finished }
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_login(Outcome::Unknown, sink);
        for pending in std::mem::take(&mut self.pending) {
            sink.log(pending.into());
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

impl PgsqlParser {
    fn ended(&self, end: End, sink: &mut dyn Sink) -> Step {
        if matches!(end, End::Broken(_)) {
            sink.anomaly(if self.started { "malformed_message" } else { "malformed_request" });
            return Step::Finished;
        }
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text_testing::{ToClient, ToServer, talk};

    const STARTUP: &[u8] = b"\0\0\0\x1d\0\x03\0\0user\0joe\0database\0x\0\0";

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    #[test]
    fn a_session_is_told_request_by_request() {
        let ask = message(b'R', &[0, 0, 0, 3]);
        let password = message(b'p', b"hunter2\0");
        let welcome =
            [message(b'R', &[0; 4]), message(b'S', b"server_version\x0016\0"), message(b'Z', b"I")].concat();
        let query = message(b'Q', b"select 1\0");
        let rows = [
            message(b'T', &[0, 1]),
            message(b'D', b"\0\x01\0\0\0\x011"),
            message(b'C', b"SELECT 1\0"),
            message(b'Z', b"I"),
        ]
        .concat();
        for step in [1, 2, 7, 100] {
            let (log, layer) = talk(
                9999,
                step,
                &[
                    (ToServer, b"\0\0\0\x08\x04\xd2\x16\x2f"),
                    (ToClient, b"N"),
                    (ToServer, STARTUP),
                    (ToClient, &ask),
                    (ToServer, &password),
                    (ToClient, &welcome),
                    (ToServer, &query),
                    (ToClient, &rows),
                    (ToServer, &message(b'X', b"")),
                ],
            );
            assert_eq!(layer.protocol(), Some(AppProto::Pgsql));
            let login = log.logins().next().unwrap();
            assert_eq!((login.user.as_deref(), login.outcome), (Some("joe"), Outcome::Accepted));
            assert_eq!(login.secret.as_ref().unwrap().reveal(), "hunter2");
            let told: Vec<_> = log
                .logged
                .iter()
                .filter_map(|t| if let Transaction::Pgsql(p) = t { Some(p) } else { None })
                .collect();
            assert_eq!(told.len(), 5, "{told:#?}");
            assert_eq!(told[0].encryption, Some(false));
            assert_eq!((told[3].rows, told[3].completed.as_deref()), (1, Some("SELECT 1")));
        }
    }

    #[test]
    fn a_request_for_tls_hands_over() {
        let (_, layer) = talk(5432, 1, &[(ToServer, b"\0\0\0\x08\x04\xd2\x16\x2f"), (ToClient, b"S")]);
        assert_eq!((layer.protocol(), layer.original()), (Some(AppProto::Tls), Some(AppProto::Pgsql)));
    }

    #[test]
    fn a_refused_login_is_told() {
        let down = [message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4])].concat();
        let error = message(b'E', b"SFATAL\0C28P01\0Mno\0\0");
        let turns: [(Direction, &[u8]); 4] = [
            (ToServer, STARTUP),
            (ToClient, &down),
            (ToServer, &message(b'p', b"md5abc\0")),
            (ToClient, &error),
        ];
        let (log, _) = talk(5432, 3, &turns);
        assert_eq!(log.logins().next().unwrap().outcome, Outcome::Refused);
        assert!(log.logins().next().unwrap().secret.is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 1..200), step in 1usize..50) {
            let up = [STARTUP, &bytes].concat();
            let turns: [(Direction, &[u8]); 2] = [(ToServer, &up), (ToClient, &bytes)];
            let whole = talk(5432, usize::MAX, &turns).0;
            let pieces = talk(5432, step, &turns).0;
            prop_assert_eq!(whole.inspected.len(), whole.logged.len());
            prop_assert_eq!(whole.logged, pieces.logged);
        }
    }
}
