//! One exchange of an application protocol, whichever it is.

use wire::Direction;

use crate::amqp::Amqp;
use crate::bacnet::Bacnet;
use crate::dnp3::Dnp3;
use crate::dns::Dns;
use crate::enip::Enip;
use crate::http1::Http;
use crate::login::Login;
use crate::modbus::Modbus;
use crate::mongodb::MongoDb;
use crate::mqtt::Mqtt;
use crate::mysql::Mysql;
use crate::pgsql::Pgsql;
use crate::rpc::{Nfs, Portmap};
use crate::s7::S7;
use crate::tds::Tds;
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
    Amqp => "amqp", "An AMQP method.";
    Bacnet => "bacnet", "A BACnet/IP message.";
    Dnp3 => "dnp3", "A DNP3 application message.";
    Dns => "dns", "A DNS query or response message.";
    Enip => "enip", "An EtherNet/IP request with its response, if one came.";
    Http => "http", "An HTTP/1 request with its response, if one came.";
    Login => "login", "Somebody tried to log in, with a secret in clear text.";
    Modbus => "modbus", "A Modbus request with its response, if one came.";
    MongoDb => "mongodb", "A request to MongoDB, with how it ended.";
    Mqtt => "mqtt", "MQTT control packets that belong together.";
    Mysql => "mysql", "A login or command to MySQL, with its answer.";
    Nfs => "nfs", "An NFS call with its reply, if one came.";
    Pgsql => "pgsql", "A request to PostgreSQL and what came back.";
    Portmap => "portmap", "A question to the port mapper, and its answer.";
    S7 => "s7", "An S7 PDU.";
    Tds => "tds", "A login or statement to Microsoft SQL Server, with its answer.";
    Tls => "tls", "A TLS handshake.";
}

impl Transaction {
    /// Who is the source of its event: the server where the transaction is a message of its own.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self {
            Transaction::Dns(dns) if dns.response => Direction::ToClient,
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
