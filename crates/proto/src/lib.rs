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
mod buffer;
mod bytes;
mod cursor;
mod datagrams;
pub mod dcerpc;
pub mod dhcp;
pub mod dhcpv6;
pub mod dns;
mod dtls;
mod files;
pub mod ftp;
pub mod http;
pub mod http1;
pub mod http2;
pub mod ike;
pub mod imap;
pub mod irc;
pub mod krb5;
pub mod ldap;
mod lines;
mod login;
pub mod memcached;
pub mod mime;
pub mod ntlm;
pub mod ntp;
mod openvpn;
mod parser;
pub mod pop3;
pub mod quic;
pub mod rdp;
pub mod redis;
mod registry;
pub mod rfb;
pub mod rtp;
mod sasl;
pub mod sip;
pub mod smb;
pub mod smtp;
pub mod snmp;
pub mod socks;
pub mod ssdp;
pub mod ssh;
pub mod stun;
pub mod syslog;
pub mod telnet;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod text_testing;
pub mod tftp;
pub mod tls;
mod transaction;
pub mod websocket;
mod wireguard;

pub use app::AppLayer;
pub use dcerpc::Dcerpc;
pub use dns::Dns;
pub use files::{FileInfo, FileState, MAX_FILE_NAME, bounded_name};
pub use ftp::{Ftp, FtpData};
pub use http::Http;
pub use ike::Ike;
pub use imap::Imap;
pub use irc::Irc;
pub use krb5::Krb5;
pub use ldap::Ldap;
pub use login::{Login, Outcome, Secret};
pub use memcached::Memcached;
pub use mime::Email;
pub use ntlm::Ntlm;
pub use parser::{Chunk, Expectation, FileEvent, Parser, Sink, Step};
pub use pop3::Pop3;
pub use quic::Quic;
pub use rdp::Rdp;
pub use redis::Redis;
pub use registry::{AppProto, usual};
pub use rfb::Rfb;
pub use smb::Smb;
pub use smtp::Smtp;
pub use socks::Socks;
pub use ssh::Ssh;
pub use stun::Stun;
pub use telnet::Telnet;
pub use tls::{Dtls, Tls};
pub use transaction::Transaction;
pub use websocket::WebSocket;
