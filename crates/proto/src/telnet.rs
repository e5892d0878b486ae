//! Telnet (RFC 854): options are taken out, logins are read at their prompts.

use wire::{Direction, IpProto};

use crate::lines::{begins, find, text};
use crate::login::{Login, Outcome, Secret};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::sasl::credential;
use crate::transaction::Transaction;

/// Bytes kept of the line at hand of each side.
pub const MAX_LINE: usize = 256;
/// Bytes kept of what the server greets with.
pub const MAX_BANNER: usize = 512;
/// Logins that are told of one connection.
pub const MAX_LOGINS: u32 = 64;
/// Lines behind a password in which the server may say that it was wrong.
const PATIENCE: u8 = 24;

const IAC: u8 = 255;
const SECRET_PROMPTS: [&[u8]; 3] = [b"password:", b"passwd:", b"passcode:"];
const USER_PROMPTS: [&[u8]; 5] = [b"login:", b"username:", b"user name:", b"user:", b"account:"];

/// A connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telnet {
    /// What the server greeted with.
    pub banner: String,
    /// Attempts to log in.
    pub logins: u32,
}

/// Telnet, on any port if it begins with options.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Telnet,
    transport: IpProto::TCP,
    ports: &[23, 2323],
    probe,
    open: Some(|_| Box::<TelnetParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let negotiates = |seen: &[u8]| match seen {
        [IAC] | [IAC, 251..=254] => Guess::More,
        [IAC, 251..=254, option, ..] if *option < 64 => Guess::Yes,
        [IAC, 250, ..] if seen.len() >= 6 && find(seen, &[IAC, 240]).is_some() => Guess::Yes,
        [IAC, 250, ..] => Guess::More,
        _ => Guess::No,
    };
    let fresh = negotiates(opening.fresh());
    let server = opening.server();
    if fresh == Guess::Yes || !opening.on_port(PROTOCOL.ports) || server.is_empty() {
        return fresh;
    }
    // Where it is usual, a prompt is enough, wherever it stands: more text behind it changes nothing.
    if SECRET_PROMPTS.iter().chain(&USER_PROMPTS).any(|p| find(server, p).is_some()) {
        Guess::Yes
    } else {
        Guess::More
    }
}

/// What the end of the server's text asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Prompt {
    #[default]
    None,
    User,
    Secret,
}

/// Whether it ends with this, in letters of any case.
fn ends(line: &[u8], with: &[u8]) -> bool {
    line.len() >= with.len() && begins(&line[line.len() - with.len()..], with)
}

impl Prompt {
    fn of(line: &[u8]) -> Self {
        let line = line.trim_ascii_end();
        if SECRET_PROMPTS.iter().any(|p| ends(line, p)) {
            Prompt::Secret
        } else if USER_PROMPTS.iter().any(|p| ends(line, p)) {
            Prompt::User
        } else {
            Prompt::None
        }
    }
}

/// Where in an option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    Iac,
    Verb,
    Inside,
    InsideIac,
}

#[derive(Debug, Default)]
struct Side {
    option: Place,
    line: Vec<u8>,
}

impl Side {
    /// The byte, if it is text.
    fn text(&mut self, byte: u8) -> Option<u8> {
        let (next, text) = match (self.option, byte) {
            (Place::Text, IAC) => (Place::Iac, None),
            (Place::Text, byte) => (Place::Text, Some(byte)),
            (Place::Iac, IAC) => (Place::Text, Some(IAC)),
            (Place::Iac, 250) => (Place::Inside, None),
            (Place::Iac, 251..=254) => (Place::Verb, None),
            (Place::Iac | Place::Verb, _) => (Place::Text, None),
            (Place::Inside, IAC) => (Place::InsideIac, None),
            (Place::Inside, _) => (Place::Inside, None),
            (Place::InsideIac, 240) => (Place::Text, None),
            (Place::InsideIac, _) => (Place::Inside, None),
        };
        self.option = next;
        text
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct TelnetParser {
    sides: [Side; 2],
    telnet: Telnet,
    banner: Vec<u8>,
    prompt: Prompt,
    user: Option<String>,
    /// A login whose outcome the server has not told yet, and for how many lines it may still.
    open: Option<(Login, u8)>,
    limits_hit: u32,
}

impl TelnetParser {
    fn server(&mut self, byte: u8, sink: &mut dyn Sink) {
        if self.telnet.logins == 0 && self.user.is_none() && self.banner.len() < MAX_BANNER {
            self.banner.push(byte);
        }
        let line = &mut self.sides[1].line;
        if matches!(byte, b'\n' | b'\r') {
            let line = std::mem::take(line);
            self.judge(&line, true, sink);
            self.prompt = Prompt::None;
            return;
        }
        if byte == 0 || line.len() >= MAX_LINE {
            // Nothing new to judge: a line without end costs no more than its first bytes.
            return;
        }
        line.push(byte);
        let line = std::mem::take(line);
        self.prompt = Prompt::of(&line);
        self.judge(&line, false, sink);
        self.sides[1].line = line;
    }

    /// Whether the server's line says how the login ended.
    fn judge(&mut self, line: &[u8], whole: bool, sink: &mut dyn Sink) {
        let Some((_, patience)) = &mut self.open else { return };
        let refusals = [
            &b"incorrect"[..],
            b"invalid",
            b"failed",
            b"denied",
            b"bad password",
            b"wrong",
            b"failure",
            b"locked",
        ];
        // A line that goes on is judged with each byte: only a word that ends here is new.
        let says = |word: &[u8]| if whole { find(line, word).is_some() } else { ends(line, word) };
        let refused = self.prompt != Prompt::None || refusals.iter().any(|r| says(r));
        let shell = !whole
            && matches!(line.trim_ascii_end().last(), Some(b'$' | b'#' | b'>' | b'%'))
            && line.len() < 80;
        let welcomed = shell || says(b"last login") || says(b"welcome");
        if whole && !line.trim_ascii().is_empty() {
            *patience = patience.saturating_sub(1);
        }
        let outcome = match (refused, welcomed) {
            (true, _) => Outcome::Refused,
            (false, true) => Outcome::Accepted,
            (false, false) if *patience == 0 => Outcome::Unknown,
            (false, false) => return,
        };
        self.end_login(outcome, sink);
    }

    fn end_login(&mut self, outcome: Outcome, sink: &mut dyn Sink) {
        if let Some((login, _)) = self.open.take() {
            complete(Login { outcome, ..login }.into(), sink);
        }
    }

    fn client(&mut self, byte: u8, sink: &mut dyn Sink) {
        let line = &mut self.sides[0].line;
        match byte {
            // The line was not ended before: a line feed or a zero behind the carriage return is no other line.
            b'\r' | b'\n' => {
                let line = std::mem::take(line);
                if !line.is_empty() {
                    self.client_line(&line, sink);
                }
            }
            0 => {}
            8 | 127 => {
                line.pop();
            }
            _ if line.len() < MAX_LINE => line.push(byte),
            _ => {}
        }
    }

    fn client_line(&mut self, line: &[u8], sink: &mut dyn Sink) {
        match std::mem::take(&mut self.prompt) {
            Prompt::None => return,
            Prompt::User => self.user = Some(credential(line)),
            Prompt::Secret => {
                self.end_login(Outcome::Unknown, sink);
                if self.telnet.logins >= MAX_LOGINS {
                    self.limits_hit += 1;
                    return;
                }
                self.telnet.logins += 1;
                let login = Login {
                    service: AppProto::Telnet,
                    method: "prompt",
                    user: self.user.clone(),
                    secret: Some(Secret::new(credential(line))),
                    outcome: Outcome::Unknown,
                };
                self.open = Some((login, PATIENCE));
            }
        }
        self.sides[1].line.clear();
    }
}

impl Parser for TelnetParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        for &byte in chunk.bytes {
            let Some(byte) = self.sides[chunk.direction.index()].text(byte) else { continue };
            match chunk.direction {
                Direction::ToServer => self.client(byte, sink),
                Direction::ToClient => self.server(byte, sink),
            }
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, _: u64, _: &mut dyn Sink) -> Step {
        self.sides[direction.index()] = Side::default();
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.end_login(Outcome::Unknown, sink);
        self.telnet.banner = text(self.banner.trim_ascii());
        complete(Transaction::from(std::mem::take(&mut self.telnet)), sink);
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
    fn logins_are_read_at_their_prompts_in_any_pieces() {
        let turns: &[(Direction, &[u8])] = &[
            (ToClient, b"\xff\xfd\x18\xff\xfb\x01Router 7\r\nlogin: "),
            (ToServer, b"\xff\xfb\x18\xff\xfa\x18\x00VT\xff\xf0rooo\x7ft\r\n"),
            (ToClient, b"root\r\nPassword: "),
            (ToServer, b"secret\r\0"),
            (ToClient, b"\r\nLogin incorrect\r\nlogin: "),
            (ToServer, b"admin\r\n"),
            (ToClient, b"admin\r\nPassword: "),
            (ToServer, b"pa55\n"),
            (ToClient, b"\r\nBusyBox v1\r\n$ "),
        ];
        for step in [1, 2, 7, 1000] {
            let (log, app) = talk(4444, step, turns);
            assert_eq!(app.protocol(), Some(AppProto::Telnet));
            let logins: Vec<_> = log
                .logins()
                .map(|l| (l.user.as_deref().unwrap(), l.secret.as_ref().unwrap().reveal(), l.outcome))
                .collect();
            let want = [("root", "secret", Outcome::Refused), ("admin", "pa55", Outcome::Accepted)];
            assert_eq!(logins, want, "pieces of {step}");
            let Some(Transaction::Telnet(telnet)) = log.logged.last() else { panic!() };
            assert_eq!(telnet.logins, 2);
        }
    }
}
