//! One exchange of an application protocol, whichever it is.

use wire::Direction;

use crate::dns::Dns;
use crate::ftp::{Ftp, FtpData};
use crate::http1::Http;
use crate::imap::Imap;
use crate::irc::Irc;
use crate::login::Login;
use crate::memcached::Memcached;
use crate::pop3::Pop3;
use crate::redis::Redis;
use crate::rfb::Rfb;
use crate::smtp::Smtp;
use crate::socks::Socks;
use crate::telnet::Telnet;
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
    Dns => "dns", "A DNS query or response message.";
    Ftp => "ftp", "An FTP command with its replies.";
    FtpData => "ftp_data", "A transfer over an FTP data connection.";
    Http => "http", "An HTTP/1 request with its response, if one came.";
    Imap => "imap", "An IMAP command with how it ended.";
    Irc => "irc", "An IRC message.";
    Login => "login", "Somebody tried to log in, with a secret in clear text.";
    Memcached => "memcached", "A Memcached command with its reply.";
    Pop3 => "pop3", "A POP3 command with its response.";
    Redis => "redis", "A Redis command with its reply.";
    Rfb => "rfb", "The beginning of a VNC connection.";
    Smtp => "smtp", "A mail, or what was said on an SMTP connection without one.";
    Socks => "socks", "A request to a SOCKS proxy with its answer.";
    Telnet => "telnet", "A Telnet connection.";
    Tls => "tls", "A TLS handshake.";
}

impl Transaction {
    /// Who is the source of its event: the server where the transaction is a message of its own.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Transaction::Dns(dns) if dns.response => Direction::ToClient,
            Transaction::Irc(irc) if irc.from_server => Direction::ToClient,
            _ => Direction::ToServer,
        }
    }
}
