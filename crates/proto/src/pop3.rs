//! POP3 (RFC 1939) with CAPA, STLS (RFC 2595) and AUTH (RFC 5034).

use std::collections::VecDeque;

use wire::{Direction, IpProto};

use crate::lines::{Line, Lines, Pieces, begins, may_begin, text, word};
use crate::login::{Login, Outcome, Secret};
use crate::mime::{Carrier, Mime};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::sasl::{Sasl, credential};
use crate::transaction::Transaction;

/// Bytes of a command or of the first line of a response (RFC 2449 allows 512); what is longer is cut.
pub const MAX_LINE: usize = 4096;
/// Commands that may wait for their response; the oldest is logged without.
pub const MAX_PENDING: usize = 64;
/// Lines kept of a response's data.
pub const MAX_DATA_LINES: usize = 256;
/// Bytes kept of each.
pub const MAX_DATA_LINE: usize = 512;
/// Words that are told apart in a command.
const MAX_ARGUMENTS: usize = 8;
/// What stands for a command where the client answers a challenge.
const SASL_DATA: &str = "<SASL DATA>";

/// How many arguments a command may have (RFC 1939, RFC 2449, RFC 5034).
const ARGUMENTS: [(&str, usize, usize); 15] = [
    ("USER", 1, 1),
    ("PASS", 1, usize::MAX),
    ("APOP", 2, 2),
    ("AUTH", 1, 2),
    ("CAPA", 0, 0),
    ("STLS", 0, 0),
    ("STAT", 0, 0),
    ("LIST", 0, 1),
    ("UIDL", 0, 1),
    ("RETR", 1, 1),
    ("TOP", 2, 2),
    ("DELE", 1, 1),
    ("NOOP", 0, 0),
    ("RSET", 0, 0),
    ("QUIT", 0, 0),
];

/// What a server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pop3Response {
    /// `+OK`, or `+` alone.
    pub success: bool,
    /// The text of the first line.
    pub header: String,
    /// The lines behind it, if it has several.
    pub data: Vec<String>,
}

/// A command with its response, or the greeting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pop3 {
    /// The command in capitals.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// The response, if one came.
    pub response: Option<Pop3Response>,
}

/// POP3, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Pop3,
    transport: IpProto::TCP,
    ports: &[110],
    probe,
    open: Some(|_| Box::<Pop3Parser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let usual = opening.on_port(PROTOCOL.ports);
    let (client, server) = (opening.client(), opening.server());
    // Redis says "+OK" and nothing else, and not first.
    let greets = server.starts_with(b"+OK ") || (usual && server.starts_with(b"+OK"));
    if greets && opening.first == Direction::ToClient {
        return Guess::Yes;
    }
    let commands = [&b"USER "[..], b"APOP ", b"CAPA\r\n", b"STLS\r\n", b"AUTH "];
    let commands = if usual || server.starts_with(b"+OK") { &commands[..] } else { &[] };
    if (usual || !server.is_empty()) && commands.iter().any(|c| begins(client, c)) {
        return Guess::Yes;
    }
    let possible = [&b"USER "[..], b"APOP ", b"CAPA\r\n", b"STLS\r\n"];
    if possible.iter().any(|c| begins(client, c) || may_begin(client, c))
        || may_begin(server, b"+OK ")
        || server.starts_with(b"+OK")
    {
        return Guess::More;
    }
    Guess::No
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct Pop3Parser {
    lines: [Lines; 2],
    pieces: Pieces,
    pending: VecDeque<Pop3>,
    /// A command whose response has several lines.
    open: Option<Pop3>,
    mime: Option<Mime>,
    next_handle: u64,
    user: Option<String>,
    sasl: Option<Sasl>,
    limits_hit: u32,
}

impl Pop3Parser {
    fn command(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        self.limits_hit += u32::from(line.cut);
        let mut pop3 = Pop3::default();
        if let Some(sasl) = &mut self.sasl {
            sasl.response(&line.text);
            pop3.command = Some(SASL_DATA.to_owned());
        } else {
            let (verb, rest) = word(&line.text);
            let command = text(verb).to_ascii_uppercase();
            let words = rest.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
            let count = words.clone().count();
            let known = ARGUMENTS.iter().find(|(name, ..)| *name == command);
            if known.is_some_and(|(_, least, most)| !(*least..=*most).contains(&count)) {
                sink.anomaly("incorrect_argument_count");
            }
            pop3.args = match command.as_str() {
                // A password may have spaces.
                "PASS" => vec![text(rest)],
                _ => words.take(MAX_ARGUMENTS).map(text).collect(),
            };
            match command.as_str() {
                "USER" => self.user = Some(credential(rest)),
                "APOP" => self.user = Some(credential(word(rest).0)),
                "AUTH" if !rest.is_empty() => {
                    let (mechanism, initial) = word(rest);
                    self.sasl = Some(Sasl::new(mechanism, initial));
                }
                _ => {}
            }
            pop3.command = Some(command);
        }
        let transaction = Transaction::from(pop3);
        sink.inspect(&transaction);
        if let Transaction::Pop3(pop3) = transaction {
            self.pending.push_back(*pop3);
        }
        if self.pending.len() > MAX_PENDING {
            self.limits_hit += 1;
            if let Some(oldest) = self.pending.pop_front() {
                self.finish(oldest, sink);
            }
        }
    }

    /// The first line of a response; whether it agrees to TLS.
    fn response(&mut self, line: &Line<'_>, sink: &mut dyn Sink) -> bool {
        let (status, rest) = word(&line.text);
        let (success, header) = match status {
            b"+OK" => (true, text(rest)),
            b"-ERR" => (false, text(rest)),
            b"+" => (true, String::new()),
            _ => return false,
        };
        // The greeting answers nothing.
        let mut pop3 = self.pending.pop_front().unwrap_or_else(|| {
            sink.inspect(&Transaction::from(Pop3::default()));
            Pop3::default()
        });
        pop3.response = Some(Pop3Response { success, header, data: Vec::new() });
        let command = pop3.command.as_deref().unwrap_or("");
        let several = match command {
            "CAPA" | "RETR" | "TOP" => true,
            "LIST" | "UIDL" => pop3.args.is_empty(),
            _ => false,
        };
        if matches!(command, "AUTH" | SASL_DATA) && status != b"+" {
            self.end_auth(if success { Outcome::Accepted } else { Outcome::Refused }, sink);
        }
        let tls = command == "STLS" && success;
        if success && several {
            if matches!(command, "RETR") {
                self.mime = Some(Mime::new(Direction::ToClient, self.next_handle));
            }
            self.open = Some(pop3);
        } else {
            self.finish(pop3, sink);
        }
        tls
    }

    fn end_auth(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if let Some(login) = self.sasl.take().and_then(|sasl| sasl.login(AppProto::Pop3, outcome)) {
            complete(login.into(), sink);
        }
    }

    /// A piece of a line of a response that has several; whether it is over.
    fn data_piece(&mut self, bytes: &[u8], starts: bool, sink: &mut dyn Sink) -> bool {
        if starts && matches!(bytes, b".\r\n" | b".\n") {
            return true;
        }
        let content = &bytes[usize::from(starts && bytes.starts_with(b"."))..];
        let Some(pop3) = &mut self.open else { return true };
        if let Some(mime) = &mut self.mime {
            let carrier: Carrier<'_> = &|_| Transaction::from(pop3.clone());
            mime.piece(content, starts, carrier, sink);
        }
        if let Some(response) = &mut pop3.response {
            if response.data.len() >= MAX_DATA_LINES {
                self.limits_hit += 1;
            } else if starts {
                let line = content.strip_suffix(b"\n").unwrap_or(content);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                response.data.push(text(&line[..line.len().min(MAX_DATA_LINE)]));
            }
        }
        false
    }

    fn end_data(&mut self, whole: bool, sink: &mut dyn Sink) {
        let Some(pop3) = self.open.take() else { return };
        if let Some(mime) = self.mime.take() {
            self.next_handle = mime.next_handle();
            self.limits_hit += mime.limits_hit();
            mime.end(whole, &|_| Transaction::from(pop3.clone()), sink);
        }
        self.finish(pop3, sink);
    }

    fn finish(&mut self, pop3: Pop3, sink: &mut dyn Sink) {
        let command = pop3.command.as_deref();
        let login = matches!(command, Some("PASS" | "APOP")).then(|| Login {
            service: AppProto::Pop3,
            method: if command == Some("PASS") { "user-pass" } else { "apop" },
            user: self.user.clone(),
            secret: pop3
                .args
                .first()
                .filter(|_| command == Some("PASS"))
                .map(|secret| Secret::new(credential(secret.as_bytes()))),
            outcome: match &pop3.response {
                Some(response) if response.success => Outcome::Accepted,
                Some(_) => Outcome::Refused,
                None => Outcome::Unknown,
            },
        });
        sink.log(pop3.into());
        if let Some(login) = login {
            complete(login.into(), sink);
        }
    }
}

impl Parser for Pop3Parser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let mut bytes = chunk.bytes;
        if chunk.direction == Direction::ToServer {
            while let Some(line) = self.lines[0].next(&mut bytes, MAX_LINE) {
                self.command(&line, sink);
            }
            return Step::More;
        }
        while !bytes.is_empty() {
            if self.open.is_some() {
                let Some(piece) = self.pieces.next(&mut bytes) else { break };
                if self.data_piece(&piece.bytes, piece.starts, sink) {
                    self.end_data(true, sink);
                }
            } else if let Some(line) = self.lines[1].next(&mut bytes, MAX_LINE)
                && self.response(&line, sink)
            {
                return Step::Switch { rest: bytes.len(), to: Some(AppProto::Tls) };
            }
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        if direction == Direction::ToServer || self.open.is_none() {
            self.lines[direction.index()].lose();
            return Step::More;
        }
        if let Some(rest) = self.pieces.lose() {
            self.data_piece(&rest.bytes, rest.starts, sink);
        }
        if let (Some(mime), Some(pop3)) = (&mut self.mime, &self.open) {
            mime.gap(missing, &|_| Transaction::from(pop3.clone()), sink);
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_auth(Outcome::Unknown, sink);
        self.end_data(false, sink);
        while let Some(pop3) = self.pending.pop_front() {
            self.finish(pop3, sink);
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
#[path = "pop3_tests.rs"]
mod tests;
