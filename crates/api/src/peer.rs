//! Who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::options::Scope;

/// Whom a connection is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A process of this machine, by the kernel's word (SO_PEERCRED).
    Local {
        uid: u32,
        gid: u32,
        /// Unknown if it is of another PID namespace.
        pid: Option<i32>,
    },
    /// Somebody over TLS.
    Remote {
        at: SocketAddr,
        /// Whose certificate was verified: its subject's common name.
        certificate: Option<Arc<str>>,
    },
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Local { uid, gid, pid: Some(pid) } => write!(f, "uid {uid} gid {gid} pid {pid}"),
            Peer::Local { uid, gid, pid: None } => write!(f, "uid {uid} gid {gid}"),
            Peer::Remote { at, .. } => write!(f, "{at}"),
        }
    }
}

/// As whom a request is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// "uid 0", "token soc", "certificate soc-1".
    pub(crate) who: Arc<str>,
    pub(crate) scope: Scope,
    /// "pid 4711", "192.0.2.1:50000".
    pub(crate) from: Arc<str>,
}

/// Where somebody is, as far as limits are concerned: an address, of IPv6 its /64, since who has one address of it has
/// them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin(IpAddr);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

impl From<IpAddr> for Origin {
    fn from(ip: IpAddr) -> Self {
        Origin(match ip.to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            v4 => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_an_address_or_a_64() {
        let of = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
    }
}
