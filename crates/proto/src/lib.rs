//! Streams to transactions.
//!
//! In: in-order bytes of a TCP stream or a UDP payload, per direction. Out: transactions (a DNS
//! message, an HTTP exchange, a TLS hello), files and anomalies handed to a [`Sink`]. One file per application
//! protocol, all alike: limits, a transaction type, how it is recognised, a parser that implements [`Parser`], its
//! tests. Parsers are total over any bytes, incremental over any split, and bounded in memory.
#![forbid(unsafe_code)]

mod app;
mod ber;
pub mod bittorrent;
mod bytes;
mod cursor;
mod datagrams;
pub mod dcerpc;
pub mod dhcp;
pub mod dhcpv6;
pub mod dns;
mod dtls;
mod files;
pub mod http;
pub mod http1;
pub mod http2;
pub mod ike;
pub mod krb5;
pub mod ldap;
mod login;
pub mod ntlm;
pub mod ntp;
mod openvpn;
mod parser;
pub mod quic;
pub mod rdp;
mod registry;
pub mod rtp;
pub mod sip;
pub mod smb;
pub mod snmp;
pub mod ssdp;
pub mod ssh;
pub mod stun;
pub mod syslog;
#[cfg(test)]
mod testing;
pub mod tftp;
pub mod tls;
mod transaction;
pub mod websocket;
mod wireguard;

pub use app::AppLayer;
pub use dcerpc::Dcerpc;
pub use dns::Dns;
pub use files::{FileInfo, FileState, MAX_FILE_NAME, bounded_name};
pub use http::Http;
pub use ike::Ike;
pub use krb5::Krb5;
pub use ldap::Ldap;
pub use login::{Login, Outcome, Secret};
pub use ntlm::Ntlm;
pub use parser::{Chunk, Expectation, FileEvent, Parser, Sink, Step};
pub use quic::Quic;
pub use rdp::Rdp;
pub use registry::{AppProto, usual};
pub use smb::Smb;
pub use ssh::Ssh;
pub use stun::Stun;
pub use tls::{Dtls, Tls};
pub use transaction::Transaction;
pub use websocket::WebSocket;
