//! One direction of a connection: where in its messages it is, and how the next head is found.

use memchr::memchr;
use wire::Direction;

use super::framing::Framing;
use super::{MAX_METHOD, guess_request, guess_response, head};
use crate::registry::Guess;

/// What a direction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Requests,
    Responses,
}

impl Role {
    /// Which side of an exchange that is.
    pub(super) fn direction(self) -> Direction {
        match self {
            Role::Requests => Direction::ToServer,
            Role::Responses => Direction::ToClient,
        }
    }
}

/// Where in its stream a side is, outside of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Between two messages: anything that may be a head is one.
    #[default]
    Between,
    /// In a head.
    Head,
    /// Behind lost bytes or at the beginning of a line of nonsense: what is surely a head is one.
    LineStart,
    /// In nonsense: no head before the next line.
    MidLine,
}

/// What was found at the beginning of the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A head begins with what is kept and these bytes.
    Head(&'a [u8]),
    /// Nothing yet.
    Nothing,
    /// No head, right where one was due; what is kept and these bytes.
    Nonsense(&'a [u8]),
}

#[derive(Debug, Default)]
pub(super) struct Side {
    /// A head that did not come in one piece, or its first bytes.
    pub(super) head: Vec<u8>,
    pub(super) framing: Framing,
    /// The status says that there is no body and the fields say that there is one. Its first bytes tell who is right.
    pub(super) disputed: bool,
    pub(super) place: Place,
    /// The last body had a length.
    pub(super) measured: bool,
}

impl Side {
    /// Forgets the message at hand.
    pub(super) fn lose(&mut self, place: Place) {
        self.head = Vec::new();
        self.framing = Framing::None;
        self.disputed = false;
        self.place = place;
    }

    /// Whether these bytes begin a head.
    fn guess(&self, role: Role, seen: &[u8]) -> Guess {
        match (role, self.place) {
            (Role::Requests, Place::Between) => match guess_request(seen) {
                Guess::No => any_method(seen),
                other => other,
            },
            (Role::Requests, _) => guess_request(seen),
            (Role::Responses, Place::Between) => match head::is_response(seen) {
                Some(true) => Guess::Yes,
                Some(false) => Guess::No,
                None => Guess::More,
            },
            (Role::Responses, _) => guess_response(seen),
        }
    }

    /// Looks for the next head.
    pub(super) fn search<'a>(&mut self, role: Role, mut bytes: &'a [u8]) -> Found<'a> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.place == Place::MidLine {
                let Some(feed) = memchr(b'\n', bytes) else { return Found::Nothing };
                bytes = &bytes[feed + 1..];
                self.place = Place::LineStart;
                continue;
            }
            let lenient = role == Role::Responses && self.place == Place::Between;
            if self.head.is_empty()
                && (matches!(byte, b'\r' | b'\n') || (lenient && matches!(byte, b' ' | b'\t')))
            {
                bytes = rest;
                continue;
            }
            let verdict = if self.head.is_empty() {
                match self.guess(role, bytes) {
                    Guess::More => {
                        self.head.extend_from_slice(bytes);
                        return Found::Nothing;
                    }
                    other => other,
                }
            } else {
                self.head.push(byte);
                bytes = rest;
                self.guess(role, &self.head)
            };
            match verdict {
                Guess::Yes => {
                    self.place = Place::Head;
                    return Found::Head(bytes);
                }
                Guess::More => {}
                Guess::No if self.place == Place::Between => return Found::Nonsense(bytes),
                Guess::No => {
                    let ended = self.head.last() == Some(&b'\n');
                    self.lose(if ended { Place::LineStart } else { Place::MidLine });
                }
            }
        }
        Found::Nothing
    }
}

/// A word that could be a method nobody has heard of, and its end.
fn any_method(seen: &[u8]) -> Guess {
    let word = seen.iter().take_while(|&&b| head::in_method(b)).count();
    match seen.get(word) {
        Some(b' ' | b'\t' | b'\r' | b'\n') if (1..=MAX_METHOD).contains(&word) => Guess::Yes,
        None if word <= MAX_METHOD => Guess::More,
        _ => Guess::No,
    }
}
