//! Transports that rules are told apart by.

use rules::{App, HeaderProto};
use wire::IpProto;

/// Transports that have sets of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Transport {
    Tcp = 0,
    Udp = 1,
    Icmp = 2,
    Other = 3,
}

impl Transport {
    pub(crate) const ALL: [Transport; 4] =
        [Transport::Tcp, Transport::Udp, Transport::Icmp, Transport::Other];

    pub(crate) fn of(proto: IpProto) -> Self {
        match proto {
            IpProto::TCP => Transport::Tcp,
            IpProto::UDP => Transport::Udp,
            IpProto::ICMP | IpProto::ICMPV6 => Transport::Icmp,
            _ => Transport::Other,
        }
    }

    /// Whether rules of that protocol can match on it.
    pub(crate) fn carries(self, proto: HeaderProto) -> bool {
        use HeaderProto as P;
        match proto {
            P::Tcp | P::TcpPacket | P::TcpStream => self == Transport::Tcp,
            P::Udp => self == Transport::Udp,
            P::Icmp | P::IcmpV4 | P::IcmpV6 => self == Transport::Icmp,
            P::Sctp | P::Igmp | P::Gre | P::Ah | P::Esp => self == Transport::Other,
            P::Ip | P::IpV4 | P::IpV6 | P::PacketHeader => true,
            P::Arp => false,
            P::App(app) => match app {
                App::Http
                | App::Http1
                | App::Http2
                | App::Tls
                | App::Smtp
                | App::Ftp
                | App::FtpData
                | App::Ssh
                | App::Smb
                | App::Imap
                | App::Pop3
                | App::Irc
                | App::Telnet
                | App::Rdp
                | App::Rfb
                | App::Mqtt
                | App::Pgsql
                | App::Modbus
                | App::WebSocket
                | App::Doh2
                | App::Ldap => self == Transport::Tcp,
                App::Dhcp
                | App::Ntp
                | App::Quic
                | App::Tftp
                | App::Ike
                | App::BitTorrentDht
                | App::Mdns
                | App::Llmnr => self == Transport::Udp,
                _ => matches!(self, Transport::Tcp | Transport::Udp),
            },
        }
    }
}
