//! FTP control connections (RFC 959, RFC 2228, RFC 2428) and the data connections that they announce.

mod data;
mod ports;

use std::collections::VecDeque;
use std::net::IpAddr;

use flow::FlowTuple;
use wire::{Direction, Endpoint, IpProto};

pub(crate) use self::data::DATA;
pub use self::data::FtpData;
use crate::lines::{Line, Lines, begins, find, greeting, may_begin, text, word};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Expectation, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::sasl::credential;
use crate::transaction::Transaction;

/// Bytes of a command or of a line of a reply; what is longer is read as far as this.
pub const MAX_LINE: usize = 4096;
/// Commands that may wait for their reply; the oldest is logged without.
pub const MAX_PENDING: usize = 64;
/// Lines kept of the replies to one command.
pub const MAX_REPLY_LINES: usize = 128;
/// Letters of a command.
const MAX_COMMAND: usize = 32;

/// Commands that move something over a data connection, and whether they need a name.
const TRANSFERS: [(&str, bool); 7] = [
    ("RETR", true),
    ("STOR", true),
    ("APPE", true),
    ("STOU", false),
    ("LIST", false),
    ("NLST", false),
    ("MLSD", false),
];

/// A command with its replies, or a reply that no command waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ftp {
    /// The command in capitals.
    pub command: Option<String>,
    /// What is behind it.
    pub command_data: Option<String>,
    /// The command was longer than [`MAX_LINE`].
    pub command_truncated: bool,
    /// Lines of the replies: the last of each without its code, others as sent.
    pub replies: Vec<String>,
    /// Codes of the replies.
    pub codes: Vec<String>,
    /// A reply was longer than what is kept.
    pub reply_truncated: bool,
    /// The port that was agreed on for data.
    pub dynamic_port: Option<u16>,
    /// "active" or "passive", if the command chooses.
    pub mode: Option<&'static str>,
}

/// FTP control connections, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Ftp,
    transport: IpProto::TCP,
    ports: &[21, 2121],
    probe,
    open: Some(|tuple| Box::new(FtpParser::new(tuple))),
};

/// A greeting that names FTP, or any where FTP is usual; a client that logs in to a server that greeted in numbers.
fn probe(opening: &Opening<'_>) -> Guess {
    let usual = opening.on_port(PROTOCOL.ports);
    let (client, server) = (opening.client(), opening.server());
    let greets = server.starts_with(b"220");
    if let Some(greeting) = greeting(server).filter(|_| greets) {
        if find(greeting, b"SMTP").is_some() {
            return Guess::No;
        }
        if usual || find(greeting, b"FTP").is_some() {
            return Guess::Yes;
        }
    }
    let logs_in = [&b"USER "[..], b"AUTH TLS", b"AUTH SSL", b"FEAT\r\n"];
    if (greets || (usual && server.is_empty())) && logs_in.iter().any(|l| begins(client, l)) {
        return Guess::Yes;
    }
    // A scanner that does not wait to be greeted, and names no user. Elsewhere it may be IRC.
    if usual && server.is_empty() && begins(client, b"PASS ") {
        return Guess::Yes;
    }
    if may_begin(server, b"220")
        || greets
        || logs_in.iter().any(|l| begins(client, l) || may_begin(client, l))
    {
        return Guess::More;
    }
    Guess::No
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub(crate) struct FtpParser {
    client: IpAddr,
    server: IpAddr,
    lines: [Lines; 2],
    pending: VecDeque<Ftp>,
    /// Lines of a reply that goes on, with its code.
    open_reply: Option<([u8; 3], Ftp)>,
    greeted: bool,
    user: Option<String>,
    /// Where the next data connection goes.
    data_ends: Vec<Endpoint>,
    limits_hit: u32,
}

impl FtpParser {
    fn new(tuple: &FlowTuple) -> Self {
        FtpParser {
            client: tuple.client.ip,
            server: tuple.server.ip,
            lines: Default::default(),
            pending: VecDeque::new(),
            open_reply: None,
            greeted: false,
            user: None,
            data_ends: Vec::new(),
            limits_hit: 0,
        }
    }

    fn command(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        let (verb, rest) = word(&line.text);
        // Telnet's way to interrupt (RFC 959 section 4.1.3) stands before ABOR.
        let verb = verb.iter().position(|&b| b < 0x80).map_or(&verb[..0], |at| &verb[at..]);
        if verb.is_empty() {
            return;
        }
        if line.cut {
            self.limits_hit += 1;
            sink.anomaly("request_command_too_long");
        }
        let command = text(&verb[..verb.len().min(MAX_COMMAND)]).to_ascii_uppercase();
        let mut ftp = Ftp {
            command_data: (!rest.is_empty()).then(|| text(rest)),
            command_truncated: line.cut,
            ..Ftp::default()
        };
        match command.as_str() {
            "USER" => self.user = Some(credential(rest)),
            "PORT" | "EPRT" => {
                ftp.mode = Some("active");
                let end = if command == "PORT" { ports::port(rest) } else { ports::eprt(rest) };
                ftp.dynamic_port = end.map(|end| end.port);
                self.data_ends = end.into_iter().collect();
                // Behind address translation the client knows an address of its own that nobody else does.
                self.data_ends.extend(
                    end.filter(|end| end.ip != self.client).map(|end| Endpoint { ip: self.client, ..end }),
                );
            }
            "PASV" | "EPSV" => ftp.mode = Some("passive"),
            _ => self.transfer(&command, rest, sink),
        }
        ftp.command = Some(command);
        let transaction = Transaction::from(ftp);
        sink.inspect(&transaction);
        if let Transaction::Ftp(ftp) = transaction {
            self.pending.push_back(*ftp);
        }
        if self.pending.len() > MAX_PENDING {
            self.limits_hit += 1;
            if let Some(oldest) = self.pending.pop_front() {
                self.finish(oldest, sink);
            }
        }
    }

    /// A command that moves data: its connection is known now.
    fn transfer(&mut self, command: &str, name: &[u8], sink: &mut dyn Sink) {
        let Some(&(_, named)) = TRANSFERS.iter().find(|(known, _)| *known == command) else { return };
        if named && name.is_empty() {
            sink.anomaly("file_without_name");
            return;
        }
        if self.data_ends.is_empty() {
            sink.anomaly("file_before_port");
            return;
        }
        let has_name = named || command == "STOU";
        let note = if has_name { format!("{command} {}", text(name)) } else { command.to_owned() };
        for endpoint in self.data_ends.drain(..) {
            let note = Some(note.clone().into_boxed_str());
            sink.expect(Expectation { endpoint, transport: IpProto::TCP, app: AppProto::FtpData, note });
        }
    }

    /// A line of the server; whether it agrees to TLS.
    fn reply(&mut self, line: &Line<'_>, sink: &mut dyn Sink) -> bool {
        if line.cut {
            self.limits_hit += 1;
            sink.anomaly("response_command_too_long");
        }
        let code = code(&line.text);
        let mut ftp = match self.open_reply.take() {
            Some((open, mut ftp)) => {
                let ends = code == Some(open) && line.text.get(3) != Some(&b'-');
                if !ends {
                    self.keep_line(&mut ftp, line, 0);
                    self.open_reply = Some((open, ftp));
                    return false;
                }
                ftp
            }
            None => {
                let greeting =
                    !self.greeted && matches!(code, Some([b'2' | b'1', b'2', b'0'] | [b'4', b'2', b'1']));
                self.greeted = true;
                let waiting = if greeting { None } else { self.pending.pop_front() };
                waiting.unwrap_or_else(|| {
                    sink.inspect(&Transaction::from(Ftp::default()));
                    Ftp::default()
                })
            }
        };
        let Some(code) = code else {
            self.keep_line(&mut ftp, line, 0);
            self.finish(ftp, sink);
            return false;
        };
        if line.text.get(3) == Some(&b'-') {
            self.keep_line(&mut ftp, line, 0);
            self.open_reply = Some((code, ftp));
            return false;
        }
        self.keep_line(&mut ftp, line, 4);
        if ftp.codes.len() < MAX_REPLY_LINES {
            ftp.codes.push(text(&code));
        }
        match (ftp.command.as_deref(), &code) {
            (Some("PASV"), b"227") => self.passive(&mut ftp, ports::pasv(&line.text)),
            (Some("EPSV"), b"229") => {
                let port = ports::epsv(&line.text);
                self.passive(&mut ftp, port.map(|port| Endpoint { ip: self.server, port }));
            }
            _ => {}
        }
        let tls = ftp.command.as_deref() == Some("AUTH") && &code == b"234";
        if code[0] == b'1' && ftp.command.is_some() {
            // Preliminary: another reply to the same command follows.
            self.pending.push_front(ftp);
        } else {
            self.finish(ftp, sink);
        }
        tls
    }

    fn passive(&mut self, ftp: &mut Ftp, end: Option<Endpoint>) {
        let Some(end) = end else { return };
        ftp.dynamic_port = Some(end.port);
        self.data_ends = vec![end];
        if end.ip != self.server {
            self.data_ends.push(Endpoint { ip: self.server, ..end });
        }
    }

    fn keep_line(&mut self, ftp: &mut Ftp, line: &Line<'_>, from: usize) {
        ftp.reply_truncated |= line.cut;
        if ftp.replies.len() < MAX_REPLY_LINES {
            ftp.replies.push(text(line.text.get(from..).unwrap_or(b"")));
        } else {
            ftp.reply_truncated = true;
            self.limits_hit += 1;
        }
    }

    /// Logs a command with what came of it, and the login that it was.
    fn finish(&mut self, ftp: Ftp, sink: &mut dyn Sink) {
        let last = ftp.codes.last().map(String::as_str);
        let password = ftp.command.as_deref() == Some("PASS");
        let open_door = ftp.command.as_deref() == Some("USER") && last == Some("230");
        let login = (password || open_door).then(|| Login {
            service: AppProto::Ftp,
            method: if password { "user-pass" } else { "user" },
            user: self.user.clone(),
            secret: ftp
                .command_data
                .as_ref()
                .filter(|_| password)
                .map(|data| Secret::new(credential(data.as_bytes()))),
            outcome: match last {
                Some("230" | "202") => Outcome::Accepted,
                Some(code) if code.starts_with(['4', '5']) => Outcome::Refused,
                _ => Outcome::Unknown,
            },
        });
        sink.log(ftp.into());
        if let Some(login) = login {
            complete(login.into(), sink);
        }
    }
}

/// The code of a reply: three digits with a space, a hyphen or nothing behind.
fn code(line: &[u8]) -> Option<[u8; 3]> {
    let code = *line.first_chunk::<3>()?;
    let digits = code.iter().all(u8::is_ascii_digit);
    (digits && matches!(line.get(3), None | Some(b' ' | b'-'))).then_some(code)
}

impl Parser for FtpParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let mut bytes = chunk.bytes;
        let side = chunk.direction.index();
        while let Some(line) = self.lines[side].next(&mut bytes, MAX_LINE) {
            match chunk.direction {
                Direction::ToServer => self.command(&line, sink),
                Direction::ToClient => {
                    if self.reply(&line, sink) {
                        return Step::Switch { rest: bytes.len(), to: Some(AppProto::Tls) };
                    }
                }
            }
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, _: u64, _: &mut dyn Sink) -> Step {
        self.lines[direction.index()].lose();
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        if let Some((_, open)) = self.open_reply.take() {
            self.finish(open, sink);
        }
        while let Some(ftp) = self.pending.pop_front() {
            self.finish(ftp, sink);
        }
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
#[path = "ftp_tests.rs"]
mod tests;
