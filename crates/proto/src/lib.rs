//! Streams to transactions.
//!
//! In: in-order bytes of a TCP stream or a UDP payload, per direction. Out: transactions (a DNS
//! message, an HTTP exchange, a TLS hello), files and anomalies handed to a [`Sink`]. One file per application
//! protocol, all alike: limits, a transaction type, how it is recognised, a parser that implements [`Parser`], its
//! tests. Parsers are total over any bytes, incremental over any split, and bounded in memory.
#![forbid(unsafe_code)]

pub mod amqp;
mod app;
pub mod bacnet;
mod cursor;
pub mod dnp3;
pub mod dns;
pub mod enip;
mod framing;
pub mod http1;
mod login;
pub mod modbus;
pub mod mongodb;
pub mod mqtt;
pub mod mysql;
mod others;
mod parser;
pub mod pgsql;
mod registry;
pub mod rpc;
pub mod s7;
pub mod tds;
#[cfg(test)]
mod testing;
pub mod tls;
mod transaction;

pub use amqp::Amqp;
pub use app::AppLayer;
pub use bacnet::Bacnet;
pub use dnp3::{Dnp3, Dnp3Object};
pub use dns::Dns;
pub use enip::{Cip, Enip, EnipIdentity, EnipMessage};
pub use http1::Http;
pub use login::{Login, Outcome, Secret};
pub use modbus::{Modbus, ModbusMessage};
pub use mongodb::MongoDb;
pub use mqtt::Mqtt;
pub use mysql::{Mysql, MysqlStatus};
pub use parser::{Chunk, Expectation, FileEvent, Parser, Sink, Step};
pub use pgsql::{Pgsql, PgsqlError, PgsqlRequest};
pub use registry::{AppProto, usual};
pub use rpc::{Nfs, NfsChunk, Portmap, RpcCall};
pub use s7::{S7, S7Item};
pub use tds::Tds;
pub use tls::Tls;
pub use transaction::Transaction;
