//! Transactions and flows to alerts.
//!
//! In: a flow's first packet or a transaction, with its context. Out: alerts, each with severity,
//! victim and ATT&CK techniques. One file per detector; detectors keep no state of their own beyond
//! the small [`Memo`] that lies with the flow.
#![forbid(unsafe_code)]

pub mod c2;
mod catalogue;
mod finding;
mod home;
mod indicator;
pub mod parties;
pub mod rules;
mod traits;
mod turn;

use std::net::IpAddr;

use alert::Orientation;
use flow::FlowTuple;
use proto::Transaction;
use wire::{Direction, Nanos};

pub use catalogue::{SignatureInfo, catalogue};
pub use home::Home;
pub use indicator::{IndicatorDetector, Stage};
pub use turn::Turn;

/// What a detector may know about the packet at hand.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Its flow.
    pub tuple: &'a FlowTuple,
    /// Which way it goes.
    pub direction: Direction,
    /// Capture time.
    pub time: Nanos,
    /// Arrival on the monotonic clock (live capture).
    pub arrival: Option<Nanos>,
    /// How certain it is that the flow's client called.
    pub orientation: Orientation,
    /// Who asked for what the flow carries: its client, or who asked for the flow on another (FTP, TFTP).
    pub asker: IpAddr,
    /// Which hosts are ours.
    pub home: &'a Home,
}

/// How certain it is that a flow's client called, given what was read of it: a request of the client's is an act of the
/// client's, wherever in the connection it was met.
#[must_use]
pub fn orientation_by(transaction: &Transaction, of_flow: Orientation) -> Orientation {
    let asks = match transaction {
        Transaction::Dns(dns) => !dns.response,
        Transaction::Http(http) => !http.method.is_empty(),
        Transaction::Tls(tls) => has_hello(tls),
        Transaction::Dtls(dtls) => has_hello(&dtls.0),
        Transaction::Quic(quic) => !quic.response && quic.sni.is_some(),
        Transaction::Ssh(ssh) => ssh.client.is_some(),
        Transaction::Smtp(smtp) => smtp.mail_from.is_some(),
        Transaction::Login(_) => true,
        Transaction::FileInfo(file) => {
            return file.carrier.as_ref().map_or(of_flow, |carrier| orientation_by(carrier, of_flow));
        }
        _ => false,
    };
    if asks { of_flow.max(Orientation::Answered) } else { of_flow }
}

/// Whether the ClientHello is known.
fn has_hello(tls: &proto::Tls) -> bool {
    tls.sni.is_some() || tls.ja3.is_some() || tls.ja4.is_some()
}

/// What was alerted on this flow already, so that a lookup and its answer are one alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memo {
    seen: [Option<u64>; 4],
    next: u8,
    /// What the flow has shown of indicators of several parts.
    progress: intel::Progress,
}

impl Memo {
    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0 && self.progress.is_empty()
    }

    /// Whether this is the first time; remembers the last four.
    pub(crate) fn first(&mut self, id: u64) -> bool {
        if self.seen.contains(&Some(id)) {
            return false;
        }
        self.seen[usize::from(self.next) % self.seen.len()] = Some(id);
        self.next = self.next.wrapping_add(1);
        true
    }
}
