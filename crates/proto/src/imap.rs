//! IMAP4rev1 and rev2 (RFC 3501, RFC 9051): commands, their outcome, and the mails that are fetched and appended.

use std::collections::VecDeque;

use wire::{Direction, IpProto};

use crate::lines::{Line, Lines, begins, find, may_begin, text, word};
use crate::login::{Login, Outcome, Secret};
use crate::mime::{Carrier, Mime};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::sasl::{Sasl, credential};
use crate::transaction::Transaction;

/// Bytes of a line; what is longer is cut.
pub const MAX_LINE: usize = 8 * 1024;
/// Commands that may wait for their response; the oldest is logged without.
pub const MAX_PENDING: usize = 64;
/// Bytes kept of a command's arguments, literals included, and of a response's text.
pub const MAX_ARGUMENTS: usize = 512;
/// Letters of a tag or a command.
const MAX_WORD: usize = 32;

/// A command with how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imap {
    /// The client's name for it.
    pub tag: String,
    /// The command in capitals, with UID before it where it is so.
    pub command: String,
    /// Its arguments; of a login only the user.
    pub arguments: String,
    /// "OK", "NO" or "BAD"; none if no response was seen.
    pub status: Option<&'static str>,
    /// The response's text.
    pub text: Option<String>,
}

/// IMAP, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Imap,
    transport: IpProto::TCP,
    ports: &[143],
    probe,
    open: Some(|_| Box::<ImapParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let (client, server) = (opening.client(), opening.server());
    let greetings = [&b"* OK "[..], b"* PREAUTH ", b"* OK\r\n", b"* BYE "];
    if opening.first == Direction::ToClient && greetings.iter().any(|g| begins(server, g)) {
        return Guess::Yes;
    }
    if let Some(at) = client.iter().take(MAX_WORD).position(|&b| b == b' ').filter(|&at| at > 0) {
        let (tag, rest) = (&client[..at], &client[at + 1..]);
        let commands = [&b"CAPABILITY\r\n"[..], b"AUTHENTICATE ", b"STARTTLS\r\n", b"LOGIN "];
        if tag.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.') {
            if commands.iter().any(|c| begins(rest, c)) {
                return Guess::Yes;
            }
            if commands.iter().any(|c| may_begin(rest, c)) {
                return Guess::More;
            }
        }
    }
    let tag = !client.is_empty()
        && client.len() < MAX_WORD
        && client.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'.');
    if tag || greetings.iter().any(|g| may_begin(server, g)) { Guess::More } else { Guess::No }
}

/// A command that is being read: it may go on behind a literal.
#[derive(Debug, Default)]
struct Pending {
    imap: Imap,
    login: Option<Login>,
    sasl: Option<Sasl>,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct ImapParser {
    lines: [Lines; 2],
    /// A command whose arguments go on, and all of it so far.
    open: Option<Vec<u8>>,
    /// Bytes of the literal at hand.
    literal: [u64; 2],
    /// The literal at hand is a mail.
    mail: [Option<Mime>; 2],
    next_handle: u64,
    /// The client answers challenges.
    in_auth: bool,
    pending: VecDeque<Pending>,
    limits_hit: u32,
}

impl ImapParser {
    fn client_line(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        self.limits_hit += u32::from(line.cut);
        if self.in_auth && self.open.is_none() {
            if !line.text.contains(&b' ') {
                let waiting = self.pending.iter_mut().rev().find_map(|p| p.sasl.as_mut());
                if let Some(sasl) = waiting {
                    sasl.response(&line.text);
                }
                return;
            }
            self.in_auth = false;
        }
        let mut whole = self.open.take().unwrap_or_default();
        let room = MAX_LINE.saturating_sub(whole.len());
        let (content, literal) = literal(&line.text);
        whole.extend_from_slice(&content[..content.len().min(room)]);
        if let Some(size) = literal {
            self.literal[0] = size;
            // Where the command stands, not all of the line again for each of its literals.
            if find(&whole[..whole.len().min(2 * MAX_WORD)], b" APPEND ").is_some() {
                self.mail[0] = Some(Mime::new(Direction::ToServer, self.next_handle));
            }
            self.open = Some(whole);
            return;
        }
        self.command(&whole, sink);
    }

    fn command(&mut self, whole: &[u8], sink: &mut dyn Sink) {
        let (tag, rest) = word(whole);
        let (verb, mut rest) = word(rest);
        if verb.is_empty() || tag.len() > MAX_WORD || verb.len() > MAX_WORD {
            return;
        }
        let mut command = text(verb).to_ascii_uppercase();
        if command == "UID" {
            let (what, behind) = word(rest);
            command = format!("UID {}", text(&what[..what.len().min(MAX_WORD)]).to_ascii_uppercase());
            rest = behind;
        }
        let mut pending = Pending::default();
        let mut arguments = text(&rest[..rest.len().min(MAX_ARGUMENTS)]);
        match command.as_str() {
            "LOGIN" => {
                let (user, behind) = string(rest);
                let (secret, _) = string(behind.trim_ascii_start());
                arguments = credential(&user);
                pending.login = Some(Login {
                    service: AppProto::Imap,
                    method: "user-pass",
                    user: Some(credential(&user)),
                    secret: Some(Secret::new(credential(&secret))),
                    outcome: Outcome::Unknown,
                });
            }
            "AUTHENTICATE" => {
                let (mechanism, initial) = word(rest);
                arguments = text(&mechanism[..mechanism.len().min(MAX_WORD)]);
                pending.sasl = Some(Sasl::new(mechanism, initial));
                self.in_auth = true;
            }
            _ => {}
        }
        let imap = Imap { tag: text(tag), command, arguments, status: None, text: None };
        let transaction = Transaction::from(imap);
        sink.inspect(&transaction);
        if let Transaction::Imap(imap) = transaction {
            pending.imap = *imap;
            self.pending.push_back(pending);
        }
        if self.pending.len() > MAX_PENDING {
            self.limits_hit += 1;
            if let Some(oldest) = self.pending.pop_front() {
                Self::finish(oldest, sink);
            }
        }
    }

    /// A line of the server; whether it agrees to TLS.
    fn server_line(&mut self, line: &Line<'_>, sink: &mut dyn Sink) -> bool {
        self.limits_hit += u32::from(line.cut);
        let (content, literal) = literal(&line.text);
        if let Some(size) = literal {
            self.literal[1] = size;
            let mail =
                [&b"BODY[] "[..], b"BODY[]<0> ", b"RFC822 "].iter().any(|m| find(content, m).is_some());
            self.mail[1] = mail.then(|| Mime::new(Direction::ToClient, self.next_handle));
            return false;
        }
        let (tag, rest) = word(content);
        let (status, rest) = word(rest);
        let status = match status.to_ascii_uppercase().as_slice() {
            b"OK" => "OK",
            b"NO" => "NO",
            b"BAD" => "BAD",
            _ => return false,
        };
        let tag = text(tag);
        let Some(at) = self.pending.iter().position(|p| p.imap.tag == tag) else { return false };
        let Some(mut done) = self.pending.remove(at) else { return false };
        done.imap.status = Some(status);
        done.imap.text = Some(text(&rest[..rest.len().min(MAX_ARGUMENTS)]));
        self.in_auth &= done.sasl.is_none();
        let tls = done.imap.command == "STARTTLS" && status == "OK";
        Self::finish(done, sink);
        tls
    }

    fn finish(pending: Pending, sink: &mut dyn Sink) {
        let Pending { imap, login, sasl } = pending;
        let outcome = match imap.status {
            Some("OK") => Outcome::Accepted,
            Some(_) => Outcome::Refused,
            None => Outcome::Unknown,
        };
        sink.log(imap.into());
        let login = login.or_else(|| sasl?.login(AppProto::Imap, outcome));
        if let Some(login) = login {
            complete(Login { outcome, ..login }.into(), sink);
        }
    }

    /// Bytes of a literal.
    fn literal_bytes(&mut self, side: usize, bytes: &[u8], sink: &mut dyn Sink) {
        if let Some(mime) = &mut self.mail[side] {
            let carried = self.pending.front().map(|p| p.imap.clone()).unwrap_or_default();
            let carrier: Carrier<'_> = &|_| Transaction::from(carried.clone());
            mime.bytes(bytes, carrier, sink);
        } else if let Some(open) = self.open.as_mut().filter(|_| side == 0) {
            let room = MAX_LINE.saturating_sub(open.len());
            open.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    fn end_literal(&mut self, side: usize, whole: bool, sink: &mut dyn Sink) {
        if let Some(mime) = self.mail[side].take() {
            self.next_handle = mime.next_handle();
            self.limits_hit += mime.limits_hit();
            let carried = self.pending.front().map(|p| p.imap.clone()).unwrap_or_default();
            mime.end(whole, &|_| Transaction::from(carried.clone()), sink);
        }
    }
}

/// A line without the `{size}` at its end, and that size.
fn literal(line: &[u8]) -> (&[u8], Option<u64>) {
    let Some(inside) = line.strip_suffix(b"}") else { return (line, None) };
    let Some(open) = inside.iter().rposition(|&b| b == b'{') else { return (line, None) };
    let size = inside[open + 1..].strip_suffix(b"+").unwrap_or(&inside[open + 1..]);
    match std::str::from_utf8(size).ok().and_then(|size| size.parse().ok()) {
        Some(size) => (&line[..open], Some(size)),
        None => (line, None),
    }
}

/// A quoted string or an atom, and what is behind it.
fn string(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let Some(quoted) = bytes.strip_prefix(b"\"") else {
        let (atom, rest) = word(bytes);
        return (atom.to_vec(), rest);
    };
    let mut out = Vec::new();
    let mut escaped = false;
    for (at, &byte) in quoted.iter().enumerate() {
        match byte {
            b'"' if !escaped => return (out, &quoted[at + 1..]),
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            _ => out.push(byte),
        }
        escaped = false;
    }
    (out, &[])
}

impl Parser for ImapParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let mut bytes = chunk.bytes;
        let side = chunk.direction.index();
        while !bytes.is_empty() {
            if self.literal[side] > 0 {
                let take = usize::try_from(self.literal[side]).unwrap_or(usize::MAX).min(bytes.len());
                let (inside, rest) = bytes.split_at(take);
                bytes = rest;
                self.literal_bytes(side, inside, sink);
                self.literal[side] -= take as u64;
                if self.literal[side] == 0 {
                    self.end_literal(side, true, sink);
                }
                continue;
            }
            let Some(line) = self.lines[side].next(&mut bytes, MAX_LINE) else { break };
            if chunk.direction == Direction::ToServer {
                self.client_line(&line, sink);
            } else if self.server_line(&line, sink) {
                return Step::Switch { rest: bytes.len(), to: Some(AppProto::Tls) };
            }
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        let side = direction.index();
        let inside = self.literal[side].min(missing);
        if inside > 0 {
            if let Some(mime) = &mut self.mail[side] {
                let carried = self.pending.front().map(|p| p.imap.clone()).unwrap_or_default();
                mime.gap(inside, &|_| Transaction::from(carried.clone()), sink);
            }
            self.literal[side] -= inside;
            if self.literal[side] == 0 {
                self.end_literal(side, true, sink);
            }
        }
        if missing > inside {
            self.lines[side].lose();
            if direction == Direction::ToServer {
                self.open = None;
            }
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_literal(0, false, sink);
        self.end_literal(1, false, sink);
        while let Some(pending) = self.pending.pop_front() {
            Self::finish(pending, sink);
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
    fn commands_logins_and_mails_are_read_in_any_pieces() {
        let turns: &[(Direction, &[u8])] = &[
            (ToClient, b"* OK ready\r\n"),
            (ToServer, b"a1 login \"al ice\" {4}\r\n"),
            (ToClient, b"+ go\r\n"),
            (ToServer, b"pa55\r\n"),
            (ToClient, b"a1 NO wrong\r\n"),
            (ToServer, b"a2 AUTHENTICATE PLAIN\r\n"),
            (ToClient, b"+ \r\n"),
            (ToServer, b"AGJvYgBwYTU1\r\n"),
            (ToClient, b"a2 OK in\r\n"),
            (ToServer, b"a3 UID FETCH 1 BODY[]\r\n"),
            (ToClient, b"* 1 FETCH (BODY[] {54}\r\nContent-Disposition: attachment; filename=f\r\n\r\nabc\r\nxy)\r\na3 OK done\r\n"),
        ];
        for step in [1, 2, 7, 1000] {
            let (log, app) = talk(1430, step, turns);
            assert_eq!(app.protocol(), Some(AppProto::Imap));
            let got: Vec<_> = log
                .logged
                .iter()
                .filter_map(|t| if let Transaction::Imap(i) = t { Some(i) } else { None })
                .map(|i| (i.command.as_str(), i.arguments.as_str(), i.status))
                .collect();
            let want = [
                ("LOGIN", "al ice", Some("NO")),
                ("AUTHENTICATE", "PLAIN", Some("OK")),
                ("UID FETCH", "1 BODY[]", Some("OK")),
            ];
            assert_eq!(got, want, "pieces of {step}");
            let logins: Vec<_> = log
                .logins()
                .map(|l| (l.user.as_deref().unwrap(), l.secret.as_ref().unwrap().reveal(), l.outcome))
                .collect();
            assert_eq!(logins, [("al ice", "pa55", Outcome::Refused), ("bob", "pa55", Outcome::Accepted)]);
            assert_eq!(log.files, ["open 0 f", "data 0 abc\r\nxy", "close 0"]);
        }
    }

    #[test]
    fn a_literal_without_end_is_passed_over_and_not_kept() {
        let login = b"a1 LOGIN {18446744073709551615}\r\n".to_vec();
        let flood = vec![b'x'; 100_000];
        let turns: &[(Direction, &[u8])] = &[(ToServer, &login), (ToServer, &flood)];
        let (log, _) = talk(143, 1000, turns);
        assert!(log.logged.is_empty());
    }
}
