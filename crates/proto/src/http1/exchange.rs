//! A request on its way to its response, and its end.

use crate::http::body::Ended;
use crate::http::{Http, MAX_HELD_OF_ONE, credentials};
use crate::login::Login;
use crate::parser::{FileEvent, Sink, complete};
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

    /// Tells of its files, then of itself, then of the login in it.
    pub(crate) fn log(self, held: &mut usize, sink: &mut dyn Sink) {
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
