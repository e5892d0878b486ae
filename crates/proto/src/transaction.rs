//! One exchange of an application protocol, whichever it is.

use wire::Direction;

use crate::dns::Dns;
use crate::files::FileInfo;
use crate::http::Http;
use crate::login::Login;
use crate::tls::Tls;
use crate::websocket::WebSocket;

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
    FileInfo => "fileinfo", "A file that was transferred.";
    Http => "http", "An HTTP request with its response, if one came.";
    Login => "login", "Somebody tried to log in, with a secret in clear text.";
    Tls => "tls", "A TLS handshake.";
    WebSocket => "websocket", "A WebSocket frame.";
}

impl Transaction {
    /// Who is the source of its event: the server where the transaction is a message of its own.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Transaction::Dns(dns) if dns.response => Direction::ToClient,
            Transaction::FileInfo(file) => file.direction,
            Transaction::WebSocket(frame) => frame.direction,
            _ => Direction::ToServer,
        }
    }
}
