//! Streams to transactions.
//!
//! In: in-order bytes of a TCP stream or a UDP payload, per direction. Out: transactions (a DNS
//! message, an HTTP exchange, a TLS hello), files and anomalies handed to a [`Sink`]. One file per application
//! protocol, all alike: limits, a transaction type, how it is recognised, a parser that implements [`Parser`], its
//! tests. Parsers are total over any bytes, incremental over any split, and bounded in memory.
#![forbid(unsafe_code)]

mod app;
pub mod dns;
mod files;
pub mod http;
pub mod http1;
pub mod http2;
mod login;
mod parser;
mod registry;
#[cfg(test)]
mod testing;
pub mod tls;
mod transaction;
pub mod websocket;

pub use app::AppLayer;
pub use dns::Dns;
pub use files::{FileInfo, FileState, MAX_FILE_NAME, bounded_name};
pub use http::Http;
pub use login::{Login, Outcome, Secret};
pub use parser::{Chunk, Expectation, FileEvent, Parser, Sink, Step};
pub use registry::{AppProto, usual};
pub use tls::Tls;
pub use transaction::Transaction;
pub use websocket::WebSocket;
