//! Streams to transactions.
//!
//! In: in-order bytes of a TCP stream or a UDP payload, per direction. Out: transactions (a DNS
//! message, an HTTP exchange, a TLS hello), files and anomalies handed to a [`Sink`]. One file per application
//! protocol, all alike: limits, a transaction type, how it is recognised, a parser that implements [`Parser`], its
//! tests. Parsers are total over any bytes, incremental over any split, and bounded in memory.
#![forbid(unsafe_code)]

mod app;
pub mod bittorrent;
mod datagrams;
pub mod dhcp;
pub mod dhcpv6;
pub mod dns;
pub mod http1;
mod login;
pub mod ntp;
mod parser;
mod registry;
pub mod rtp;
pub mod sip;
pub mod snmp;
pub mod ssdp;
pub mod syslog;
pub mod tftp;
pub mod tls;
mod transaction;

pub use app::AppLayer;
pub use dns::Dns;
pub use http1::Http;
pub use login::{Login, Outcome, Secret};
pub use parser::{Chunk, Expectation, FileEvent, Parser, Sink, Step};
pub use registry::{AppProto, usual};
pub use tls::Tls;
pub use transaction::Transaction;
