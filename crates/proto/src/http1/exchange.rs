//! A request on its way to its response, and its end.

use wire::Direction;

use crate::http::body::{Ended, Kept};
use crate::http::{Http, HttpView, MAX_HELD_OF_ONE, MessageView, credentials};
use crate::login::Login;
use crate::parser::{FileEvent, Progress, Sink, complete};
use crate::transaction::Transaction;

/// A request with what is known of its response.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// Its place among the exchanges of its connection.
    pub(crate) number: u64,
    pub(crate) http: Box<Http>,
    pub(crate) login: Option<Box<Login>>,
    /// Files that are over; they are told of with the exchange.
    pub(crate) ended: Vec<Ended>,
    /// Raw heads of request and response, if they are wanted.
    pub(crate) heads: Option<Box<[Vec<u8>; 2]>>,
    /// How far the sink was told that request and response are.
    pub(crate) told: [Option<Progress>; 2],
}

impl Exchange {
    /// Keeps files that are over, or tells of them at once if there are too many; `held` counts those that are kept
    /// on the whole connection.
    pub(crate) fn hold(&mut self, ended: impl Iterator<Item = Ended>, held: &mut usize, sink: &mut dyn Sink) {
        for (handle, truncated) in ended {
            if self.ended.len() < MAX_HELD_OF_ONE && *held < crate::http::MAX_HELD_FILES {
                *held += 1;
                self.ended.push((handle, truncated));
            } else {
                let carrier = Transaction::Http(self.http.clone());
                sink.file(FileEvent::Close { handle, truncated, carrier: Some(&carrier) });
            }
        }
    }

    /// A side's head is known: it is kept as it was sent if that is wanted, and told of.
    pub(crate) fn head(&mut self, side: Direction, raw: &[u8], sink: &mut dyn Sink) {
        if sink.keep().heads && !raw.is_empty() {
            self.heads.get_or_insert_default()[side.index()] = raw.to_vec();
        }
        self.tell(side, Progress::Head, None, sink);
    }

    /// A side is complete, as far as it will be.
    pub(crate) fn done(&mut self, side: Direction, body: Option<&Kept>, sink: &mut dyn Sink) {
        if self.told[side.index()].is_some() {
            self.tell(side, Progress::Done, body, sink);
        }
    }

    fn tell(&mut self, side: Direction, progress: Progress, body: Option<&Kept>, sink: &mut dyn Sink) {
        let told = &mut self.told[side.index()];
        if told.is_some_and(|told| told >= progress) {
            return;
        }
        *told = Some(progress);
        let message = |of: Direction| {
            let head = self.heads.as_ref().map_or(&[][..], |heads| &heads[of.index()]);
            let body = body.filter(|_| of == side);
            let (body, cut) = body.map_or((&[][..], false), |kept| (kept.bytes.as_slice(), kept.cut));
            MessageView { head, body, cut }
        };
        let view = HttpView {
            number: self.number,
            http: &self.http,
            request: message(Direction::ToServer),
            response: message(Direction::ToClient),
        };
        sink.progress(view, side, progress);
    }

    /// Tells of its files, then of itself, then of the login in it.
    pub(crate) fn log(mut self, held: &mut usize, sink: &mut dyn Sink) {
        for side in [Direction::ToServer, Direction::ToClient] {
            self.done(side, None, sink);
        }
        let Exchange { http, login, ended, .. } = self;
        *held -= ended.len();
        let status = http.status;
        let transaction = Transaction::Http(http);
        for (handle, truncated) in ended {
            sink.file(FileEvent::Close { handle, truncated, carrier: Some(&transaction) });
        }
        sink.log(transaction);
        if let Some(mut login) = login {
            if let Some(status) = status {
                login.outcome = credentials::outcome(login.method, status);
            }
            complete(Transaction::Login(login), sink);
        }
    }
}
