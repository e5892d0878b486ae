//! What the tests of text protocols share: a sink that remembers, and a conversation in pieces.

pub(crate) use wire::Direction::{ToClient, ToServer};
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

use flow::FlowTuple;

use crate::app::AppLayer;
use crate::login::Login;
use crate::parser::{Chunk, Expectation, FileEvent, Sink};
use crate::transaction::Transaction;

/// All that a parser said.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub inspected: Vec<Transaction>,
    pub logged: Vec<Transaction>,
    pub anomalies: Vec<&'static str>,
    pub expected: Vec<Expectation>,
    /// One line an event; data that follows data of the same file is joined.
    pub files: Vec<String>,
}

impl Log {
    pub fn logins(&self) -> impl Iterator<Item = &Login> {
        self.logged
            .iter()
            .filter_map(|t| if let Transaction::Login(login) = t { Some(&**login) } else { None })
    }
}

impl Sink for Log {
    fn inspect(&mut self, transaction: &Transaction) {
        self.inspected.push(transaction.clone());
    }

    fn log(&mut self, transaction: Transaction) {
        self.logged.push(transaction);
        assert!(self.logged.len() <= self.inspected.len(), "logged before it was inspected");
    }

    fn anomaly(&mut self, event: &'static str) {
        if !self.anomalies.contains(&event) {
            self.anomalies.push(event);
        }
    }

    fn file(&mut self, event: FileEvent<'_>) {
        match event {
            FileEvent::Open { handle, name, .. } => {
                self.files.push(format!("open {handle} {}", name.unwrap_or("-")));
            }
            FileEvent::Data { handle, bytes } => {
                let text = String::from_utf8_lossy(bytes);
                let prefix = format!("data {handle} ");
                match self.files.last_mut() {
                    Some(last) if last.starts_with(&prefix) => last.push_str(&text),
                    _ => self.files.push(format!("{prefix}{text}")),
                }
            }
            FileEvent::Gap { handle, missing } => self.files.push(format!("gap {handle} {missing}")),
            FileEvent::Close { handle, truncated, .. } => {
                self.files.push(format!("close {handle}{}", if truncated { " truncated" } else { "" }));
            }
        }
    }

    fn expect(&mut self, expectation: Expectation) {
        self.expected.push(expectation);
    }
}

/// A flow from 10.0.0.1 to a port of 10.0.0.2.
pub(crate) fn tuple(proto: IpProto, server_port: u16) -> FlowTuple {
    let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    FlowTuple {
        id: 1,
        client: end("10.0.0.1", 40000),
        server: end("10.0.0.2", server_port),
        proto,
        vlans: Vlans::default(),
        start: Nanos(0),
    }
}

/// Feeds a conversation in pieces of `step` bytes; no bytes at all are a hole.
pub(crate) fn talk(port: u16, step: usize, turns: &[(Direction, &[u8])]) -> (Log, AppLayer) {
    let stream = tuple(IpProto::TCP, port);
    let mut layer = AppLayer::new(&stream);
    let mut log = Log::default();
    for (direction, bytes) in turns {
        if bytes.is_empty() {
            layer.gap(&stream, *direction, 10, &mut log);
        }
        for piece in bytes.chunks(step) {
            layer.data(&stream, Chunk { direction: *direction, bytes: piece, time: Nanos(0) }, &mut log);
        }
    }
    layer.close(&mut log);
    (log, layer)
}
