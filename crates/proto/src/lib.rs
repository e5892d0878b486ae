//! Streams to transactions.
//!
//! In: in-order bytes of a TCP stream or a UDP payload, per direction. Out: transactions (a DNS
//! message, an HTTP exchange, a TLS hello), files and anomalies handed to a [`Sink`]. One file per application
//! protocol, all alike: limits, a transaction type, how it is recognised, a parser that implements [`Parser`], its
//! tests. Parsers are total over any bytes, incremental over any split, and bounded in memory.
#![forbid(unsafe_code)]

mod app;
mod buffer;
pub mod dns;
pub mod ftp;
pub mod http1;
pub mod imap;
pub mod irc;
mod lines;
mod login;
pub mod memcached;
pub mod mime;
mod parser;
pub mod pop3;
pub mod redis;
mod registry;
pub mod rfb;
mod sasl;
pub mod smtp;
pub mod socks;
pub mod telnet;
#[cfg(test)]
mod testing;
pub mod tls;
mod transaction;

pub use app::AppLayer;
pub use dns::Dns;
pub use ftp::{Ftp, FtpData};
pub use http1::Http;
pub use imap::Imap;
pub use irc::Irc;
pub use login::{Login, Outcome, Secret};
pub use memcached::Memcached;
pub use mime::Email;
pub use parser::{Chunk, Expectation, FileEvent, Parser, Sink, Step};
pub use pop3::Pop3;
pub use redis::Redis;
pub use registry::{AppProto, usual};
pub use rfb::Rfb;
pub use smtp::Smtp;
pub use socks::Socks;
pub use telnet::Telnet;
pub use tls::Tls;
pub use transaction::Transaction;
