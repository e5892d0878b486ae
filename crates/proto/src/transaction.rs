//! One exchange of an application protocol, whichever it is.

use wire::Direction;

use crate::bittorrent::{BitTorrent, BitTorrentDht};
use crate::dhcp::Dhcp;
use crate::dhcpv6::Dhcpv6;
use crate::dns::Dns;
use crate::dns::local::{Llmnr, Mdns};
use crate::dns::nbns::Nbns;
use crate::http1::Http;
use crate::login::Login;
use crate::ntp::Ntp;
use crate::rtp::Rtp;
use crate::sip::Sip;
use crate::snmp::Snmp;
use crate::ssdp::Ssdp;
use crate::syslog::Syslog;
use crate::tftp::Tftp;
use crate::tls::Tls;

macro_rules! transactions {
    ($($variant:ident => $name:literal, $doc:literal;)*) => {
        /// One exchange of an application protocol.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Transaction { $(#[doc = $doc] $variant(Box<$variant>),)* }

        impl Transaction {
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
    BitTorrent => "bittorrent", "A BitTorrent peer's handshake.";
    BitTorrentDht => "bittorrent_dht", "A message of BitTorrent's distributed hash table.";
    Dhcp => "dhcp", "A DHCP server's acknowledgement.";
    Dhcpv6 => "dhcpv6", "A DHCPv6 message.";
    Dns => "dns", "A DNS query or response message.";
    Http => "http", "An HTTP/1 request with its response, if one came.";
    Llmnr => "llmnr", "A Link-Local Multicast Name Resolution message.";
    Login => "login", "Somebody tried to log in, with a secret in clear text.";
    Mdns => "mdns", "A Multicast DNS message.";
    Nbns => "nbns", "A NetBIOS Name Service message.";
    Ntp => "ntp", "A Network Time Protocol message.";
    Rtp => "rtp", "What was sent of a media stream.";
    Sip => "sip", "A SIP request or response.";
    Snmp => "snmp", "An SNMP message.";
    Ssdp => "ssdp", "A Simple Service Discovery Protocol message.";
    Syslog => "syslog", "A syslog message.";
    Tftp => "tftp", "A TFTP request.";
    Tls => "tls", "A TLS handshake.";
}

impl Transaction {
    /// Who is the source of its event: the server where the transaction is a message of its own.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Transaction::Dns(dns) if dns.response => Direction::ToClient,
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
            _ => Direction::ToServer,
        }
    }
}
