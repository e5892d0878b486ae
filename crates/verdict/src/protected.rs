//! Who is never isolated.

use std::net::IpAddr;

use ipnet::IpNet;

/// Protected hosts and networks, each with the reason that is shown when it spares somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protected(Vec<(IpNet, &'static str)>);

impl Protected {
    /// Protects a network or, as a network of one, a host.
    pub fn add(&mut self, net: IpNet, why: &'static str) {
        self.0.push((net, why));
    }

    /// Why `host` must not be isolated, if it must not. Addresses that are no single host
    /// (multicast, broadcast, unspecified) and the machine's own loopback never may.
    #[must_use]
    pub fn why(&self, host: IpAddr) -> Option<String> {
        let host = host.to_canonical();
        let nobody = host.is_multicast()
            || host.is_unspecified()
            || host.is_loopback()
            || matches!(host, IpAddr::V4(v4) if v4.is_broadcast());
        if nobody {
            return Some(format!("{host} is not a single host"));
        }
        let (net, why) = self.0.iter().find(|(net, _)| net.contains(&host))?;
        Some(if net.prefix_len() == net.max_prefix_len() {
            format!("protected: {why}")
        } else {
            format!("protected: {why} ({net})")
        })
    }
}
