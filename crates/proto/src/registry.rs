//! Every application protocol, in one list: its name, where it is usual, how its beginning looks, who parses it.
//!
//! To add a protocol, write its file with a `PROTOCOL` of its own (several if it differs by transport) and name it
//! here twice: in [`AppProto`] and in [`PROTOCOLS`].

use flow::FlowTuple;
use wire::{Direction, IpProto};

use crate::parser::Parser;
use crate::{
    amqp, bacnet, bittorrent, dcerpc, dhcp, dhcpv6, dnp3, dns, dtls, enip, ftp, http1, http2, ike, imap, irc,
    krb5, ldap, memcached, modbus, mongodb, mqtt, mysql, ntp, openvpn, others, pgsql, pop3, quic, rdp, redis,
    rfb, rpc, rtp, s7, sip, smb, smtp, snmp, socks, ssdp, ssh, stun, syslog, tds, telnet, tftp, tls,
    websocket, wireguard,
};

macro_rules! app_protos {
    ($($variant:ident => $name:literal, $doc:literal;)*) => {
        /// An identified application protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum AppProto { $(#[doc = $doc] $variant,)* }

        impl AppProto {
            /// Every protocol that has a name, in the order of their declaration.
            pub const ALL: &'static [AppProto] = &[$(AppProto::$variant,)*];

            /// The name in EVE `app_proto`: Suricata's where it has one.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(AppProto::$variant => $name,)* }
            }
        }
    };
}

app_protos! {
    Amqp => "amqp", "Advanced Message Queuing Protocol.";
    Bacnet => "bacnet", "BACnet/IP.";
    Bitcoin => "bitcoin", "Bitcoin between peers.";
    BitTorrent => "bittorrent", "BitTorrent between peers.";
    BitTorrentDht => "bittorrent-dht", "BitTorrent's distributed hash table.";
    Cassandra => "cassandra", "Cassandra's native protocol.";
    Dcerpc => "dcerpc", "DCE/RPC.";
    Dhcp => "dhcp", "Dynamic Host Configuration Protocol, IPv4.";
    Dhcpv6 => "dhcpv6", "Dynamic Host Configuration Protocol for IPv6.";
    Dnp3 => "dnp3", "Distributed Network Protocol.";
    Dns => "dns", "Domain Name System.";
    Dtls => "dtls", "TLS over datagrams.";
    Enip => "enip", "EtherNet/IP.";
    Ftp => "ftp", "File Transfer Protocol, control connection.";
    FtpData => "ftp-data", "File Transfer Protocol, data connection.";
    Git => "git", "Git's own transport.";
    Http => "http", "HTTP/1.";
    Http2 => "http2", "HTTP/2.";
    Ike => "ike", "Internet Key Exchange.";
    Imap => "imap", "Internet Message Access Protocol.";
    Irc => "irc", "Internet Relay Chat.";
    Kafka => "kafka", "Kafka's protocol.";
    Krb5 => "krb5", "Kerberos 5.";
    Ldap => "ldap", "Lightweight Directory Access Protocol.";
    Llmnr => "llmnr", "Link-Local Multicast Name Resolution.";
    Mdns => "mdns", "Multicast DNS.";
    Memcached => "memcached", "Memcached.";
    Modbus => "modbus", "Modbus/TCP.";
    MongoDb => "mongodb", "MongoDB's wire protocol.";
    Mqtt => "mqtt", "MQTT.";
    Mysql => "mysql", "MySQL's client protocol.";
    Nbns => "nbns", "NetBIOS Name Service.";
    NetFlow => "netflow", "NetFlow 5 and 9, IPFIX.";
    Nfs => "nfs", "Network File System.";
    Ntp => "ntp", "Network Time Protocol.";
    OpenVpn => "openvpn", "OpenVPN.";
    Pgsql => "pgsql", "PostgreSQL's frontend/backend protocol.";
    Pop3 => "pop3", "Post Office Protocol 3.";
    Quic => "quic", "QUIC.";
    Radius => "radius", "Remote Authentication Dial In User Service.";
    Rdp => "rdp", "Remote Desktop Protocol.";
    Redis => "redis", "Redis serialization protocol.";
    Rfb => "rfb", "Remote Framebuffer (VNC).";
    Rpc => "rpc", "ONC Remote Procedure Call.";
    Rsync => "rsync", "Rsync's daemon.";
    Rtp => "rtp", "Real-time Transport Protocol.";
    Rtsp => "rtsp", "Real Time Streaming Protocol.";
    S7 => "s7", "Siemens S7 communication.";
    Sip => "sip", "Session Initiation Protocol.";
    Smb => "smb", "Server Message Block 1 to 3.";
    Smtp => "smtp", "Simple Mail Transfer Protocol.";
    Snmp => "snmp", "Simple Network Management Protocol.";
    Socks => "socks", "SOCKS 4 and 5.";
    Ssdp => "ssdp", "Simple Service Discovery Protocol.";
    Ssh => "ssh", "Secure Shell.";
    Stun => "stun", "Session Traversal Utilities for NAT.";
    Syslog => "syslog", "Syslog.";
    Tds => "tds", "Tabular Data Stream (Microsoft SQL Server).";
    Telnet => "telnet", "Telnet.";
    Tftp => "tftp", "Trivial File Transfer Protocol.";
    Tls => "tls", "Transport Layer Security.";
    WebSocket => "websocket", "WebSocket.";
    WireGuard => "wireguard", "WireGuard.";
    Xmpp => "xmpp", "Extensible Messaging and Presence Protocol.";
    Zabbix => "zabbix", "Zabbix between server, proxy and agent.";
}

/// What is known of a flow that nobody has identified yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'a> {
    /// The flow.
    pub tuple: &'a FlowTuple,
    /// What each side has sent from its first byte on, `[to server, to client]`: of a stream all of it up to
    /// [`crate::app::MAX_PROBE`] bytes, of datagrams only the one at hand.
    pub sides: [&'a [u8]; 2],
    /// Whose bytes came just now.
    pub fresh: Direction,
    /// Who spoke first.
    pub first: Direction,
}

impl<'a> Opening<'a> {
    /// Bytes of the client.
    pub fn client(&self) -> &'a [u8] {
        self.sides[0]
    }

    /// Bytes of the server.
    pub fn server(&self) -> &'a [u8] {
        self.sides[1]
    }

    /// The bytes of whoever spoke just now.
    pub fn fresh(&self) -> &'a [u8] {
        self.sides[self.fresh.index()]
    }

    /// Whether the server's port, or the client's, is one of these.
    pub fn on_port(&self, ports: &[u16]) -> bool {
        ports.contains(&self.tuple.server.port) || ports.contains(&self.tuple.client.port)
    }
}

/// What a flow's beginning looks like to a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// It is this protocol.
    Yes,
    /// It may still become it.
    More,
    /// It is not, whatever the same bytes are followed by; what the other side says may still change it.
    No,
}

/// Makes the parser of a new flow.
pub(crate) type Open = fn(&FlowTuple) -> Box<dyn Parser>;

/// How a protocol is found and parsed over one transport.
#[derive(Debug)]
pub(crate) struct Protocol {
    /// Its name.
    pub app: AppProto,
    /// [`IpProto::TCP`] or [`IpProto::UDP`].
    pub transport: IpProto,
    /// Server ports where it is usual: it is asked first there, and what speaks something else there is told of.
    pub ports: &'static [u16],
    /// Judges a beginning. Cheap: all protocols are asked about the first bytes of every flow. `Yes` and `No` must
    /// not change when more bytes follow.
    pub probe: fn(&Opening<'_>) -> Guess,
    /// The parser of a new flow; `None` if the protocol is only told from others.
    pub open: Option<Open>,
}

/// All protocols. Where two would say yes to the same bytes on no usual port, the earlier one gets them.
#[rustfmt::skip]
pub(crate) static PROTOCOLS: &[&Protocol] = &[
    &tls::PROTOCOL,
    &others::RTSP,
    &http1::PROTOCOL,
    &http2::PROTOCOL,
    &websocket::PROTOCOL,
    &sip::STREAM,
    &ssh::PROTOCOL,
    &smb::PROTOCOL,
    &dcerpc::STREAM,
    &ftp::PROTOCOL,
    &ftp::DATA,
    &smtp::PROTOCOL,
    &pop3::PROTOCOL,
    &imap::PROTOCOL,
    &rfb::PROTOCOL,
    &telnet::PROTOCOL,
    &krb5::STREAM,
    &ldap::STREAM,
    &rdp::PROTOCOL,
    &bittorrent::STREAM,
    &rpc::NFS_STREAM,
    &rpc::STREAM,
    &mqtt::PROTOCOL,
    &amqp::PROTOCOL,
    &mysql::PROTOCOL,
    &pgsql::PROTOCOL,
    &tds::PROTOCOL,
    &mongodb::PROTOCOL,
    &redis::PROTOCOL,
    &socks::PROTOCOL,
    &irc::PROTOCOL,
    &memcached::TEXT,
    &memcached::BINARY,
    &dnp3::STREAM,
    &s7::PROTOCOL,
    &enip::STREAM,
    &modbus::PROTOCOL,
    &dns::STREAM,
    &syslog::STREAM,
    &openvpn::STREAM,
    &others::XMPP,
    &others::GIT,
    &others::RSYNC,
    &others::BITCOIN,
    &others::ZABBIX,
    &others::CASSANDRA,
    &others::KAFKA,
    &dns::local::MDNS,
    &dns::local::LLMNR,
    &dns::nbns::PROTOCOL,
    &dns::DATAGRAM,
    &quic::PROTOCOL,
    &dtls::PROTOCOL,
    &stun::PROTOCOL,
    &ike::PROTOCOL,
    &dhcp::PROTOCOL,
    &dhcpv6::PROTOCOL,
    &krb5::DATAGRAM,
    &snmp::PROTOCOL,
    &sip::DATAGRAM,
    &ssdp::PROTOCOL,
    &bittorrent::DHT,
    &dcerpc::DATAGRAM,
    &ldap::DATAGRAM,
    &rpc::NFS_DATAGRAM,
    &rpc::DATAGRAM,
    &syslog::DATAGRAM,
    &tftp::PROTOCOL,
    &ntp::PROTOCOL,
    &wireguard::PROTOCOL,
    &openvpn::DATAGRAM,
    &dnp3::DATAGRAM,
    &enip::DATAGRAM,
    &bacnet::PROTOCOL,
    &memcached::DATAGRAM,
    &others::RADIUS,
    &others::NETFLOW,
    &rtp::PROTOCOL,
];

/// The protocol that is usual on this flow's server port.
#[must_use]
pub fn usual(tuple: &FlowTuple) -> Option<AppProto> {
    usual_of(tuple).next().map(|p| p.app)
}

/// Protocols that are usual on the flow's server port.
pub(crate) fn usual_of(tuple: &FlowTuple) -> impl Iterator<Item = &'static Protocol> + use<> {
    let (transport, port) = (tuple.proto, tuple.server.port);
    PROTOCOLS.iter().copied().filter(move |p| p.transport == transport && p.ports.contains(&port))
}

/// What these bytes are: the protocol, or whether it is worth to wait for more.
pub(crate) fn identify(opening: &Opening<'_>) -> Result<&'static Protocol, Guess> {
    let mut verdict = Guess::No;
    for protocol in usual_of(opening.tuple) {
        match (protocol.probe)(opening) {
            Guess::Yes => return Ok(protocol),
            Guess::More => verdict = Guess::More,
            Guess::No => {}
        }
    }
    let transport = opening.tuple.proto;
    for protocol in PROTOCOLS.iter().filter(|p| p.transport == transport) {
        match (protocol.probe)(opening) {
            Guess::Yes => return Ok(protocol),
            Guess::More => verdict = Guess::More,
            Guess::No => {}
        }
    }
    Err(verdict)
}

/// The protocol of that name over this transport.
pub(crate) fn find(app: AppProto, transport: IpProto) -> Option<&'static Protocol> {
    PROTOCOLS.iter().copied().find(|p| p.app == app && p.transport == transport)
}
