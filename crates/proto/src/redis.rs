//! Redis, RESP 2 and 3: commands with the first word of their replies.

use std::collections::VecDeque;

use wire::{Direction, IpProto};

use crate::lines::{Lines, text};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::sasl::credential;
use crate::transaction::Transaction;

/// Arguments kept of a command, its name included.
pub const MAX_ARGUMENTS: usize = 8;
/// Bytes kept of an argument, and of a reply.
pub const MAX_ARGUMENT: usize = 256;
/// Commands that may wait for their reply; the oldest is logged without.
pub const MAX_PENDING: usize = 128;
/// Bytes of a line.
const MAX_LINE: usize = 1024;

/// A command with its reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redis {
    /// The command in capitals.
    pub command: String,
    /// Its first arguments; secrets are left out.
    pub arguments: Vec<String>,
    /// How many arguments there were.
    pub argument_count: u64,
    /// What the reply began with: a status, an error, a number, a string.
    pub reply: Option<String>,
    /// The reply is an error.
    pub error: bool,
}

/// Redis, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Redis,
    transport: IpProto::TCP,
    ports: &[6379],
    probe,
    open: Some(|_| Box::<RedisParser>::default()),
};

/// An array of strings: `*2\r\n$3\r\n`.
fn probe(opening: &Opening<'_>) -> Guess {
    let mut rest = opening.client();
    for sign in [b'*', b'$'] {
        match rest.split_first() {
            None => {
                return if rest.is_empty() && !opening.client().is_empty() { Guess::More } else { Guess::No };
            }
            Some((first, behind)) if *first == sign => rest = behind,
            Some(_) => return Guess::No,
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 9 {
            return Guess::No;
        }
        match &rest[digits..] {
            [] => return Guess::More,
            [b'\r'] if digits > 0 => return Guess::More,
            [b'\r', b'\n', behind @ ..] if digits > 0 => rest = behind,
            _ => return Guess::No,
        }
    }
    Guess::Yes
}

/// What the next bytes of a side are.
#[derive(Debug, Default)]
struct Side {
    lines: Lines,
    /// Bytes of the string at hand, its end included.
    skip: u64,
    /// Values that are missing of the message at hand.
    missing: u64,
    /// First bytes of the string at hand.
    string: Vec<u8>,
}

/// A value, or the beginning of one that holds others.
enum Value {
    Simple { kind: u8, text: Vec<u8> },
    String(Vec<u8>),
    Holds,
}

impl Side {
    /// The next value, taken off the front of the bytes.
    fn next(&mut self, bytes: &mut &[u8]) -> Option<Value> {
        loop {
            if self.skip > 0 {
                let take = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                let keep = take.min(MAX_ARGUMENT.saturating_sub(self.string.len()));
                // The last two bytes are its end.
                let keep = keep.min(usize::try_from(self.skip.saturating_sub(2)).unwrap_or(usize::MAX));
                self.string.extend_from_slice(&bytes[..keep]);
                *bytes = &bytes[take..];
                self.skip -= take as u64;
                if self.skip > 0 {
                    return None;
                }
                self.missing = self.missing.saturating_sub(1);
                return Some(Value::String(std::mem::take(&mut self.string)));
            }
            let line = self.lines.next(bytes, MAX_LINE)?;
            let Some((&kind, rest)) = line.text.split_first() else { continue };
            let size = || std::str::from_utf8(rest).ok().and_then(|s| s.parse::<i64>().ok()).unwrap_or(-1);
            if self.missing == 0 {
                self.missing = 1;
            }
            match kind {
                b'$' | b'=' | b'!' => {
                    if let Ok(size) = u64::try_from(size()) {
                        self.skip = size.saturating_add(2);
                        continue;
                    }
                }
                b'*' | b'~' | b'>' | b'%' | b'|' => {
                    let size = u64::try_from(size()).unwrap_or(0);
                    let held = if matches!(kind, b'%' | b'|') { size.saturating_mul(2) } else { size };
                    // Attributes stand before the value that they belong to.
                    let itself = u64::from(kind != b'|');
                    self.missing = (self.missing - itself).saturating_add(held);
                    return Some(Value::Holds);
                }
                _ => {}
            }
            self.missing -= 1;
            return Some(Value::Simple { kind, text: rest[..rest.len().min(MAX_ARGUMENT)].to_vec() });
        }
    }

    fn lose(&mut self) {
        self.lines.lose();
        (self.skip, self.missing) = (0, 0);
        self.string.clear();
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct RedisParser {
    sides: [Side; 2],
    /// The command that is being read.
    words: Vec<Vec<u8>>,
    count: u64,
    pending: VecDeque<(Redis, Option<Login>)>,
    /// What the reply at hand began with.
    reply: Option<(bool, String)>,
    limits_hit: u32,
}

impl RedisParser {
    fn client(&mut self, value: Value, sink: &mut dyn Sink) {
        match value {
            Value::Simple { kind, text } if self.count == 0 && self.sides[0].missing == 0 => {
                // An inline command: words in a line.
                let line = [&[kind], text.as_slice()].concat();
                for word in line.split(|&b| b == b' ').filter(|w| !w.is_empty()) {
                    self.word(word.to_vec());
                }
            }
            Value::Simple { text, .. } | Value::String(text) => self.word(text),
            Value::Holds => {}
        }
        if self.sides[0].missing == 0 && self.count > 0 {
            self.command(sink);
        }
    }

    fn word(&mut self, word: Vec<u8>) {
        self.count += 1;
        if self.words.len() < MAX_ARGUMENTS {
            self.words.push(word);
        }
    }

    fn command(&mut self, sink: &mut dyn Sink) {
        let words = std::mem::take(&mut self.words);
        let count = std::mem::take(&mut self.count);
        let Some((name, arguments)) = words.split_first() else { return };
        let mut redis = Redis {
            command: text(name).to_ascii_uppercase(),
            arguments: arguments.iter().map(|a| text(a)).collect(),
            argument_count: count - 1,
            ..Redis::default()
        };
        // AUTH [user] secret; HELLO version AUTH user secret.
        let from = match redis.command.as_str() {
            "AUTH" => Some(0),
            "HELLO" => arguments.iter().position(|a| a.eq_ignore_ascii_case(b"AUTH")).map(|at| at + 1),
            _ => None,
        };
        let login = from.and_then(|from| {
            let given = arguments.get(from..).unwrap_or(&[]);
            let (user, secret) = match given {
                [] => return None,
                [secret] => (None, secret),
                [user, secret, ..] => (Some(credential(user)), secret),
            };
            redis.arguments.truncate(from + usize::from(user.is_some()));
            let secret = Some(Secret::new(credential(secret)));
            Some(Login { service: AppProto::Redis, method: "auth", user, secret, outcome: Outcome::Unknown })
        });
        let transaction = Transaction::from(redis);
        sink.inspect(&transaction);
        if let Transaction::Redis(redis) = transaction {
            self.pending.push_back((*redis, login));
        }
        if self.pending.len() > MAX_PENDING {
            self.limits_hit += 1;
            self.finish(None, sink);
        }
    }

    fn server(&mut self, value: Value, sink: &mut dyn Sink) {
        let begins = match value {
            Value::Simple { kind, text: said } => Some((kind == b'-', text(&said))),
            Value::String(said) => Some((false, text(&said))),
            Value::Holds => None,
        };
        self.reply = self.reply.take().or(begins);
        if self.sides[1].missing == 0 {
            let reply = self.reply.take().unwrap_or_default();
            self.finish(Some(reply), sink);
        }
    }

    fn finish(&mut self, reply: Option<(bool, String)>, sink: &mut dyn Sink) {
        let Some((mut redis, login)) = self.pending.pop_front() else { return };
        let outcome = match &reply {
            None => Outcome::Unknown,
            Some((true, _)) => Outcome::Refused,
            Some(_) => Outcome::Accepted,
        };
        if let Some((error, said)) = reply {
            redis.error = error;
            redis.reply = Some(said);
        }
        sink.log(redis.into());
        if let Some(login) = login {
            complete(Login { outcome, ..login }.into(), sink);
        }
    }
}

impl Parser for RedisParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let mut bytes = chunk.bytes;
        while let Some(value) = self.sides[chunk.direction.index()].next(&mut bytes) {
            match chunk.direction {
                Direction::ToServer => self.client(value, sink),
                Direction::ToClient => self.server(value, sink),
            }
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        let side = &mut self.sides[direction.index()];
        if side.skip > missing {
            side.skip -= missing;
            return Step::More;
        }
        side.lose();
        match direction {
            Direction::ToServer => (self.words, self.count) = (Vec::new(), 0),
            // Which reply belongs to which command is not known any more.
            Direction::ToClient => self.close(sink),
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.reply = None;
        while !self.pending.is_empty() {
            self.finish(None, sink);
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
    fn commands_meet_their_replies_in_any_pieces() {
        let turns: &[(Direction, &[u8])] = &[
            (ToServer, b"*2\r\n$4\r\nauth\r\n$4\r\npa55\r\n"),
            (ToClient, b"-WRONGPASS no\r\n"),
            (ToServer, b"*3\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n"),
            (ToClient, b"%1\r\n$6\r\nserver\r\n*2\r\n:1\r\n$-1\r\n"),
            (ToServer, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\nPING now\r\n"),
            (ToClient, b"+OK\r\n$3\r\nnow\r\n"),
        ];
        for step in [1, 2, 7, 1000] {
            let (log, app) = talk(6000, step, turns);
            assert_eq!(app.protocol(), Some(AppProto::Redis));
            let got: Vec<_> = log
                .logged
                .iter()
                .filter_map(|t| if let Transaction::Redis(r) = t { Some(r) } else { None })
                .map(|r| (r.command.as_str(), r.arguments.join(" "), r.reply.as_deref().unwrap(), r.error))
                .collect();
            let want = [
                ("AUTH", String::new(), "WRONGPASS no", true),
                ("HELLO", "3 AUTH".to_owned(), "server", false),
                ("SET", "k a\r\nbc".to_owned(), "OK", false),
                ("PING", "now".to_owned(), "now", false),
            ];
            assert_eq!(got, want, "pieces of {step}");
            assert_eq!(log.logins().next().unwrap().outcome, Outcome::Refused);
        }
    }

    #[test]
    fn sizes_that_lie_cost_nothing() {
        let turns: &[(Direction, &[u8])] = &[
            (ToServer, b"*999999999\r\n$999999999\r\nabc"),
            (ToClient, b"*9223372036854775807\r\n*9223372036854775807\r\n:1\r\n"),
        ];
        assert!(talk(6379, 1000, turns).0.logged.is_empty());
    }
}
