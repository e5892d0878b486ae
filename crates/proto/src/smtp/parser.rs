//! The two sides of a connection: commands and contents, replies and what they mean for them.

use std::collections::VecDeque;

use wire::Direction;

use super::{MAX_LINE, MAX_PENDING, MAX_RECIPIENTS, Smtp};
use crate::lines::{Line, Lines, Pieces, begins, find, text, word};
use crate::login::Outcome;
use crate::mime::Mime;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::AppProto;
use crate::sasl::Sasl;
use crate::transaction::Transaction;

/// What a reply is awaited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Hello,
    Data,
    /// The end of a mail: its transaction waits for this.
    Mail,
    StartTls,
    Auth,
    Other,
}

/// What the client's next bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Commands,
    /// Contents up to a lone dot; whether there were any yet.
    Data { begun: bool },
    /// Contents of so many bytes.
    Chunk { left: u64, last: bool },
    /// Lines of a SASL exchange.
    Auth,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub(super) struct SmtpParser {
    mode: Mode,
    lines: [Lines; 2],
    pieces: Pieces,
    helo: Option<String>,
    /// The server did not like the last hello.
    helo_refused: bool,
    current: Option<Smtp>,
    mime: Option<Mime>,
    next_handle: u64,
    /// Mails whose end was not answered yet.
    answered_next: VecDeque<Smtp>,
    awaited: VecDeque<Awaited>,
    sasl: Option<Sasl>,
    greeted: bool,
    pipelining: bool,
    /// Something was lost within the contents at hand.
    damaged: bool,
    limits_hit: u32,
}

impl SmtpParser {
    fn current(&mut self) -> &mut Smtp {
        let helo = &self.helo;
        self.current.get_or_insert_with(|| Smtp { helo: helo.clone(), ..Smtp::default() })
    }

    fn await_reply(&mut self, what: Awaited, sink: &mut dyn Sink) {
        if !self.awaited.is_empty() && self.greeted && !self.pipelining {
            sink.anomaly("INVALID_PIPELINED_SEQUENCE");
        }
        self.awaited.push_back(what);
        if self.awaited.len() > MAX_PENDING {
            self.limits_hit += 1;
            if self.awaited.pop_front() == Some(Awaited::Mail) {
                self.log_answered(sink);
            }
        }
    }

    fn log_answered(&mut self, sink: &mut dyn Sink) {
        if let Some(smtp) = self.answered_next.pop_front() {
            sink.log(smtp.into());
        }
    }

    fn command(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        if !self.greeted {
            sink.anomaly("NO_SERVER_WELCOME_MESSAGE");
        }
        if line.cut {
            self.limits_hit += 1;
            sink.anomaly("TRUNCATED_LINE");
        }
        let (verb, rest) = word(&line.text);
        self.current();
        let mut what = Awaited::Other;
        match verb.to_ascii_uppercase().as_slice() {
            b"HELO" | b"EHLO" | b"LHLO" => {
                what = Awaited::Hello;
                if self.helo.is_some() && !self.helo_refused {
                    sink.anomaly("DUPLICATE_FIELDS");
                } else {
                    self.helo = Some(text(rest));
                    self.current().helo = self.helo.clone();
                }
            }
            b"MAIL" if begins(rest, b"FROM") => {
                let path = path(&rest[4..]);
                if self.current().mail_from.is_some() {
                    sink.anomaly("DUPLICATE_FIELDS");
                } else {
                    self.current().mail_from = Some(path);
                }
            }
            b"RCPT" if begins(rest, b"TO") => {
                if self.current().rcpt_to.len() < MAX_RECIPIENTS {
                    self.current().rcpt_to.push(path(&rest[2..]));
                } else {
                    self.limits_hit += 1;
                }
            }
            b"DATA" => {
                what = Awaited::Data;
                self.mode = Mode::Data { begun: false };
                self.begin_mail();
            }
            b"BDAT" => {
                let (size, end) = word(rest);
                let size = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok());
                let last = end.eq_ignore_ascii_case(b"LAST");
                // Whoever answers refuses what is behind the size and not LAST: no chunk follows.
                if let Some(left) = size.filter(|_| last || end.is_empty()) {
                    if self.mime.is_none() {
                        self.begin_mail();
                    }
                    // Answered once all of it has come.
                    self.mode = Mode::Chunk { left, last };
                    self.end_chunk(sink);
                    return;
                }
                sink.anomaly("BDAT_CHUNK_LEN_EXCEEDED");
            }
            b"RSET" => {
                self.drop_mail(sink);
                self.log_current(sink);
            }
            b"STARTTLS" => what = Awaited::StartTls,
            b"AUTH" => {
                what = Awaited::Auth;
                let (mechanism, initial) = word(rest);
                self.sasl = Some(Sasl::new(mechanism, initial));
                self.mode = Mode::Auth;
            }
            _ => {}
        }
        self.await_reply(what, sink);
    }

    fn begin_mail(&mut self) {
        self.damaged = false;
        self.mime = Some(Mime::new(Direction::ToServer, self.next_handle));
    }

    /// Hands contents to the reader of the mail.
    fn with_mail(
        &mut self,
        sink: &mut dyn Sink,
        go: impl FnOnce(&mut Mime, &dyn Fn(&crate::mime::Email) -> Transaction, &mut dyn Sink),
    ) {
        self.current();
        if let (Some(mime), Some(smtp)) = (&mut self.mime, &self.current) {
            let carrier = |email: &crate::mime::Email| {
                Transaction::from(Smtp { email: Some(email.clone()), ..smtp.clone() })
            };
            go(mime, &carrier, sink);
        }
    }

    /// The mail at hand is over, as far as it was sent.
    fn end_mail(&mut self, whole: bool, sink: &mut dyn Sink) {
        self.mode = Mode::Commands;
        let mut smtp = self.current.take().unwrap_or_default();
        if let Some(mime) = self.mime.take() {
            self.next_handle = mime.next_handle();
            self.limits_hit += mime.limits_hit();
            let carrier = |email: &crate::mime::Email| {
                Transaction::from(Smtp { email: Some(email.clone()), ..smtp.clone() })
            };
            let email = mime.end(whole && !self.damaged, &carrier, sink);
            smtp.email = Some(email);
        }
        if !whole {
            self.current = Some(smtp);
            return;
        }
        let transaction = Transaction::from(smtp);
        sink.inspect(&transaction);
        if let Transaction::Smtp(smtp) = transaction {
            self.answered_next.push_back(*smtp);
        }
        self.await_reply(Awaited::Mail, sink);
    }

    /// A mail that was begun and will not be ended.
    fn drop_mail(&mut self, sink: &mut dyn Sink) {
        if self.mime.is_some() {
            self.end_mail(false, sink);
        }
    }

    fn log_current(&mut self, sink: &mut dyn Sink) {
        if let Some(smtp) = self.current.take() {
            complete(smtp.into(), sink);
        }
    }

    /// Whether the chunk at hand is complete; what follows then.
    fn end_chunk(&mut self, sink: &mut dyn Sink) {
        match self.mode {
            Mode::Chunk { left: 0, last: true } => self.end_mail(true, sink),
            Mode::Chunk { left: 0, last: false } => {
                self.mode = Mode::Commands;
                self.await_reply(Awaited::Other, sink);
            }
            _ => {}
        }
    }

    fn client(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) {
        while !bytes.is_empty() {
            match self.mode {
                Mode::Commands => {
                    if let Some(line) = self.lines[0].next(&mut bytes, MAX_LINE) {
                        self.command(&line, sink);
                    }
                }
                Mode::Auth => {
                    let Some(line) = self.lines[0].next(&mut bytes, MAX_LINE) else { return };
                    // Neither stands in base64: the exchange is over, and nobody saw the server say so.
                    if line.text.iter().any(|b| matches!(b, b' ' | b':')) || begins(&line.text, b"QUIT") {
                        self.end_auth(Outcome::Unknown, sink);
                        self.command(&line, sink);
                    } else {
                        if let Some(sasl) = &mut self.sasl {
                            sasl.response(&line.text);
                        }
                        self.await_reply(Awaited::Auth, sink);
                    }
                }
                Mode::Data { .. } => {
                    self.mode = Mode::Data { begun: true };
                    let Some(piece) = self.pieces.next(&mut bytes) else { return };
                    if piece.starts && matches!(&*piece.bytes, b".\r\n" | b".\n") {
                        self.end_mail(true, sink);
                    } else {
                        let stuffed = piece.starts && piece.bytes.first() == Some(&b'.');
                        let content = &piece.bytes[usize::from(stuffed)..];
                        self.with_mail(sink, |mime, carrier, sink| {
                            mime.piece(content, piece.starts, carrier, sink)
                        });
                    }
                }
                Mode::Chunk { left, last } => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (chunk, rest) = bytes.split_at(take);
                    bytes = rest;
                    self.with_mail(sink, |mime, carrier, sink| mime.bytes(chunk, carrier, sink));
                    self.mode = Mode::Chunk { left: left - take as u64, last };
                    self.end_chunk(sink);
                }
            }
        }
    }

    fn end_auth(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if self.mode == Mode::Auth {
            self.mode = Mode::Commands;
        }
        if let Some(login) = self.sasl.take().and_then(|sasl| sasl.login(AppProto::Smtp, outcome)) {
            complete(login.into(), sink);
        }
    }

    /// A line of the server; whether it agrees to TLS.
    fn reply(&mut self, line: &Line<'_>, sink: &mut dyn Sink) -> bool {
        let line = &*line.text;
        let code = line.first_chunk::<3>().filter(|code| code.iter().all(u8::is_ascii_digit));
        let Some(code) = code.filter(|_| matches!(line.get(3), None | Some(b' ' | b'-'))) else {
            sink.anomaly("INVALID_REPLY");
            return false;
        };
        if self.awaited.front() == Some(&Awaited::Hello) && find(line, b"PIPELINING").is_some() {
            self.pipelining = true;
        }
        if line.get(3) == Some(&b'-') {
            return false;
        }
        if !std::mem::replace(&mut self.greeted, true) && (code == b"220" || self.awaited.is_empty()) {
            return false;
        }
        match self.awaited.pop_front() {
            Some(Awaited::Hello) => self.helo_refused = matches!(code[0], b'4' | b'5'),
            Some(Awaited::Data) => match self.mode {
                _ if code[0] == b'3' => {}
                Mode::Data { begun } => {
                    sink.anomaly("DATA_COMMAND_REJECTED");
                    // Who sends the contents without asking does so all the same.
                    if !begun {
                        self.mode = Mode::Commands;
                        self.mime = None;
                    }
                }
                _ => sink.anomaly("DATA_COMMAND_REJECTED"),
            },
            Some(Awaited::Mail) => self.log_answered(sink),
            Some(Awaited::StartTls) => return code[0] == b'2',
            Some(Awaited::Auth) if code == b"334" => {}
            Some(Awaited::Auth) => match code[0] {
                b'2' => self.end_auth(Outcome::Accepted, sink),
                _ => self.end_auth(Outcome::Refused, sink),
            },
            // A reply to the end of a mail that was lost.
            None if self.damaged && matches!(self.mode, Mode::Data { .. }) => {
                self.pieces = Pieces::default();
                self.end_mail(true, sink);
                self.awaited.pop_back();
                self.log_answered(sink);
            }
            Some(Awaited::Other) | None => {}
        }
        false
    }
}

/// What is behind the colon, up to the parameters.
fn path(rest: &[u8]) -> String {
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    // A quoted local part may have blanks and brackets in it (RFC 5321 4.1.2).
    let mut quoted = false;
    let end = rest.iter().position(|&byte| {
        quoted ^= byte == b'"';
        byte == b'>' && !quoted
    });
    match end.filter(|_| rest.starts_with(b"<")).and_then(|end| rest.get(..=end)) {
        Some(path) => text(path),
        None => text(word(rest).0),
    }
}

impl Parser for SmtpParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let mut bytes = chunk.bytes;
        if chunk.direction == Direction::ToServer {
            self.client(bytes, sink);
            return Step::More;
        }
        while let Some(line) = self.lines[1].next(&mut bytes, MAX_LINE) {
            if self.reply(&line, sink) {
                return Step::Switch { rest: bytes.len(), to: Some(AppProto::Tls) };
            }
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        if direction == Direction::ToClient {
            self.lines[1].lose();
            return Step::More;
        }
        match self.mode {
            Mode::Commands | Mode::Auth => self.lines[0].lose(),
            Mode::Data { .. } => {
                self.damaged = true;
                if let Some(rest) = self.pieces.lose() {
                    self.with_mail(sink, |mime, carrier, sink| {
                        mime.piece(&rest.bytes, rest.starts, carrier, sink)
                    });
                }
                self.with_mail(sink, |mime, carrier, sink| mime.gap(missing, carrier, sink));
            }
            Mode::Chunk { left, last } => {
                self.damaged = true;
                let inside = left.min(missing);
                self.with_mail(sink, |mime, carrier, sink| mime.gap(inside, carrier, sink));
                self.mode = Mode::Chunk { left: left - inside, last };
                self.end_chunk(sink);
                if missing > inside {
                    self.lines[0].lose();
                }
            }
        }
        Step::More
    }

    fn follows(&mut self, app: AppProto) {
        // Behind STARTTLS, but without TLS: the server has greeted before.
        self.greeted = app == AppProto::Smtp;
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_auth(Outcome::Unknown, sink);
        while !self.answered_next.is_empty() {
            self.log_answered(sink);
        }
        self.drop_mail(sink);
        self.log_current(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}
