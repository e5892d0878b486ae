//! One exchange of an application protocol, whichever it is.

use wire::Direction;

use crate::dcerpc::Dcerpc;
use crate::dns::Dns;
use crate::files::FileInfo;
use crate::http::Http;
use crate::ike::Ike;
use crate::krb5::Krb5;
use crate::ldap::Ldap;
use crate::login::Login;
use crate::ntlm::Ntlm;
use crate::parser::Sink;
use crate::quic::Quic;
use crate::rdp::Rdp;
use crate::smb::Smb;
use crate::ssh::Ssh;
use crate::stun::Stun;
use crate::tls::{Dtls, Tls};
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
    Dcerpc => "dcerpc", "A DCE/RPC call with its answer.";
    Dns => "dns", "A DNS query or response message.";
    Dtls => "dtls", "A DTLS handshake.";
    FileInfo => "fileinfo", "A file that was transferred.";
    Http => "http", "An HTTP/1 request with its response, if one came.";
    Ike => "ike", "An IKE message.";
    Krb5 => "krb5", "A Kerberos message.";
    Ldap => "ldap", "An LDAP operation with its responses.";
    Login => "login", "Somebody tried to log in, with a secret in clear text.";
    Ntlm => "ntlm", "Somebody logs in with NTLM in a protocol whose own event does not tell of it.";
    Quic => "quic", "A packet of a QUIC handshake.";
    Rdp => "rdp", "A step of a Remote Desktop connection.";
    Smb => "smb", "An SMB request with its response, or a file's transfer.";
    Ssh => "ssh", "The beginning of an SSH connection.";
    Stun => "stun", "A STUN or TURN answer, or a request without one.";
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
