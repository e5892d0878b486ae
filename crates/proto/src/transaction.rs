//! One exchange of an application protocol, whichever it is.

use wire::Direction;

use crate::amqp::Amqp;
use crate::bacnet::Bacnet;
use crate::bittorrent::{BitTorrent, BitTorrentDht};
use crate::dcerpc::Dcerpc;
use crate::dhcp::Dhcp;
use crate::dhcpv6::Dhcpv6;
use crate::dnp3::Dnp3;
use crate::dns::Dns;
use crate::dns::local::{Llmnr, Mdns};
use crate::dns::nbns::Nbns;
use crate::enip::Enip;
use crate::files::FileInfo;
use crate::ftp::{Ftp, FtpData};
use crate::http::Http;
use crate::ike::Ike;
use crate::imap::Imap;
use crate::irc::Irc;
use crate::krb5::Krb5;
use crate::ldap::Ldap;
use crate::login::Login;
use crate::memcached::Memcached;
use crate::modbus::Modbus;
use crate::mongodb::MongoDb;
use crate::mqtt::Mqtt;
use crate::mysql::Mysql;
use crate::ntlm::Ntlm;
use crate::ntp::Ntp;
use crate::parser::Sink;
use crate::pgsql::Pgsql;
use crate::pop3::Pop3;
use crate::quic::Quic;
use crate::rdp::Rdp;
use crate::redis::Redis;
use crate::rfb::Rfb;
use crate::rpc::{Nfs, Portmap};
use crate::rtp::Rtp;
use crate::s7::S7;
use crate::sip::Sip;
use crate::smb::Smb;
use crate::smtp::Smtp;
use crate::snmp::Snmp;
use crate::socks::Socks;
use crate::ssdp::Ssdp;
use crate::ssh::Ssh;
use crate::stun::Stun;
use crate::syslog::Syslog;
use crate::tds::Tds;
use crate::telnet::Telnet;
use crate::tftp::Tftp;
use crate::tls::{Dtls, Tls};
use crate::websocket::WebSocket;

macro_rules! transactions {
    ($($variant:ident => $name:literal, $doc:literal;)*) => {
        /// One exchange of an application protocol.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Transaction { $(#[doc = $doc] $variant(Box<$variant>),)* }

        impl Transaction {
            /// The event types of all, as [`Transaction::name`] gives them.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The event type in EVE, and the name of its body there.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Transaction::$variant(_) => $name,)* }
            }
        }

        $(impl From<$variant> for Transaction {
            fn from(of: $variant) -> Self {
                Transaction::$variant(Box::new(of))
            }
        })*
    };
}

transactions! {
    Amqp => "amqp", "An AMQP method.";
    Bacnet => "bacnet", "A BACnet/IP message.";
    BitTorrent => "bittorrent", "A BitTorrent peer's handshake.";
    BitTorrentDht => "bittorrent_dht", "A message of BitTorrent's distributed hash table.";
    Dcerpc => "dcerpc", "A DCE/RPC call with its answer.";
    Dhcp => "dhcp", "A DHCP server's acknowledgement.";
    Dhcpv6 => "dhcpv6", "A DHCPv6 message.";
    Dnp3 => "dnp3", "A DNP3 application message.";
    Dns => "dns", "A DNS query or response message.";
    Dtls => "dtls", "A DTLS handshake.";
    Enip => "enip", "An EtherNet/IP request with its response, if one came.";
    FileInfo => "fileinfo", "A file that was transferred.";
    Ftp => "ftp", "An FTP command with its replies.";
    FtpData => "ftp_data", "A transfer over an FTP data connection.";
    Http => "http", "An HTTP/1 request with its response, if one came.";
    Ike => "ike", "An IKE message.";
    Imap => "imap", "An IMAP command with how it ended.";
    Irc => "irc", "An IRC message.";
    Krb5 => "krb5", "A Kerberos message.";
    Ldap => "ldap", "An LDAP operation with its responses.";
    Llmnr => "llmnr", "A Link-Local Multicast Name Resolution message.";
    Login => "login", "Somebody tried to log in, with a secret in clear text.";
    Mdns => "mdns", "A Multicast DNS message.";
    Memcached => "memcached", "A Memcached command with its reply.";
    Modbus => "modbus", "A Modbus request with its response, if one came.";
    MongoDb => "mongodb", "A request to MongoDB, with how it ended.";
    Mqtt => "mqtt", "MQTT control packets that belong together.";
    Mysql => "mysql", "A login or command to MySQL, with its answer.";
    Nbns => "nbns", "A NetBIOS Name Service message.";
    Nfs => "nfs", "An NFS call with its reply, if one came.";
    Ntlm => "ntlm", "Somebody logs in with NTLM in a protocol whose own event does not tell of it.";
    Ntp => "ntp", "A Network Time Protocol message.";
    Pgsql => "pgsql", "A request to PostgreSQL and what came back.";
    Pop3 => "pop3", "A POP3 command with its response.";
    Portmap => "portmap", "A question to the port mapper, and its answer.";
    Quic => "quic", "A packet of a QUIC handshake.";
    Rdp => "rdp", "A step of a Remote Desktop connection.";
    Redis => "redis", "A Redis command with its reply.";
    Rfb => "rfb", "The beginning of a VNC connection.";
    Rtp => "rtp", "What was sent of a media stream.";
    S7 => "s7", "An S7 PDU.";
    Sip => "sip", "A SIP request or response.";
    Smb => "smb", "An SMB request with its response, or a file's transfer.";
    Smtp => "smtp", "A mail, or what was said on an SMTP connection without one.";
    Snmp => "snmp", "An SNMP message.";
    Socks => "socks", "A request to a SOCKS proxy with its answer.";
    Ssdp => "ssdp", "A Simple Service Discovery Protocol message.";
    Ssh => "ssh", "The beginning of an SSH connection.";
    Stun => "stun", "A STUN or TURN answer, or a request without one.";
    Syslog => "syslog", "A syslog message.";
    Tds => "tds", "A login or statement to Microsoft SQL Server, with its answer.";
    Telnet => "telnet", "A Telnet connection.";
    Tftp => "tftp", "A TFTP request.";
    Tls => "tls", "A TLS handshake.";
    WebSocket => "websocket", "A WebSocket frame.";
}

impl Transaction {
    /// Who is the source of its event: the server where the transaction is a message of its own.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Transaction::Dns(dns) if dns.response => Direction::ToClient,
            Transaction::Ike(ike) if ike.response => Direction::ToClient,
            Transaction::Quic(quic) if quic.response => Direction::ToClient,
            Transaction::Stun(stun) if stun.response => Direction::ToClient,
            Transaction::Krb5(krb5) if krb5.is_answer() => Direction::ToClient,
            Transaction::Rdp(rdp) => rdp.direction(),
            Transaction::FileInfo(file) => file.direction,
            Transaction::WebSocket(frame) => frame.direction,
            Transaction::BitTorrent(of) => of.direction,
            Transaction::BitTorrentDht(of) => of.direction,
            Transaction::Dhcp(of) => of.direction,
            Transaction::Dhcpv6(of) => of.direction,
            Transaction::Llmnr(of) => of.direction,
            Transaction::Mdns(of) => of.direction,
            Transaction::Nbns(of) => of.direction,
            Transaction::Ntp(of) => of.direction,
            Transaction::Sip(of) => of.direction,
            Transaction::Snmp(of) => of.direction,
            Transaction::Ssdp(of) => of.direction,
            Transaction::Syslog(of) => of.direction,
            Transaction::Irc(irc) if irc.from_server => Direction::ToClient,
            Transaction::Amqp(amqp) => amqp.direction,
            Transaction::Bacnet(bacnet) => bacnet.direction,
            Transaction::Dnp3(dnp3) => dnp3.direction,
            Transaction::Mqtt(mqtt) => mqtt.direction,
            Transaction::S7(s7) => s7.direction,
            // Told by the reply, as Suricata does.
            Transaction::Nfs(nfs) if nfs.call.accepted.is_some() => Direction::ToClient,
            _ => Direction::ToServer,
        }
    }
}

/// Inspects a transaction whose answer is still to come, and gives it back.
pub(crate) fn opened(of: impl Into<Transaction>, sink: &mut dyn Sink) -> Transaction {
    let transaction = of.into();
    sink.inspect(&transaction);
    transaction
}
