//! `dhcp` in Suricata's extended form, and `dhcpv6`.

use ::proto::dhcp::{Dhcp, type_name};
use ::proto::dhcpv6::{self, Dhcpv6};

use super::dns::put;
use crate::json::{Object, Value};
use crate::text::{eve_ip, hex, pairs};

/// What requested options are called; others are left out.
const PARAMS: [(u8, &str); 9] = [
    (1, "subnet_mask"),
    (3, "router"),
    (6, "dns_server"),
    (15, "domain"),
    (35, "arp_timeout"),
    (42, "ntp_server"),
    (66, "tftp_server_name"),
    (150, "tftp_server_ip"),
    (252, "wpad"),
];

pub(super) fn body(dhcp: &Dhcp) -> Value {
    let mut out = Object::new();
    out.insert("type".into(), if dhcp.reply { "reply" } else { "request" }.into());
    out.insert("id".into(), dhcp.id.into());
    out.insert("client_mac".into(), pairs(&dhcp.client_mac).into());
    for (name, ip) in
        ["client_ip", "assigned_ip", "next_server_ip", "relay_ip"].into_iter().zip(dhcp.addresses)
    {
        out.insert(name.into(), ip.to_string().into());
    }
    out.insert("dhcp_type".into(), type_name(dhcp.message_type).into());
    let texts = [
        ("client_id", dhcp.client_id.as_deref().map(pairs)),
        ("hostname", dhcp.hostname.clone()),
        ("requested_ip", dhcp.requested_ip.map(|ip| ip.to_string())),
        ("subnet_mask", dhcp.subnet_mask.map(|ip| ip.to_string())),
        ("vendor_class_identifier", dhcp.vendor_class.clone()),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            out.insert(name.into(), value.into());
        }
    }
    for (name, seconds) in ["lease_time", "renewal_time", "rebinding_time"].into_iter().zip(dhcp.times) {
        if let Some(seconds) = seconds {
            out.insert(name.into(), seconds.into());
        }
    }
    put(&mut out, "routers", dhcp.routers.iter().map(|ip| ip.to_string().into()).collect());
    put(&mut out, "dns_servers", dhcp.dns_servers.iter().map(|ip| ip.to_string().into()).collect());
    let named = |code: &u8| PARAMS.iter().find(|(known, _)| known == code).map(|&(_, name)| name.into());
    put(&mut out, "params", dhcp.params.iter().filter_map(named).collect());
    out.into()
}

pub(super) fn v6(dhcp: &Dhcpv6) -> Value {
    let mut out = Object::new();
    out.insert("type".into(), dhcpv6::type_name(dhcp.message_type).into());
    out.insert("id".into(), dhcp.id.into());
    if dhcp.relays > 0 {
        out.insert("relays".into(), dhcp.relays.into());
    }
    for (name, duid) in [("client_duid", &dhcp.client_duid), ("server_duid", &dhcp.server_duid)] {
        if let Some(duid) = duid {
            out.insert(name.into(), hex(duid).into());
        }
    }
    if let Some(hostname) = &dhcp.hostname {
        out.insert("hostname".into(), hostname.clone().into());
    }
    if let Some(status) = dhcp.status {
        out.insert("status".into(), status.into());
    }
    put(&mut out, "addresses", dhcp.addresses.iter().map(|ip| eve_ip((*ip).into()).into()).collect());
    let prefix = |(ip, len): &(std::net::Ipv6Addr, u8)| format!("{}/{len}", eve_ip((*ip).into())).into();
    put(&mut out, "prefixes", dhcp.prefixes.iter().map(prefix).collect());
    put(&mut out, "dns_servers", dhcp.dns_servers.iter().map(|ip| eve_ip((*ip).into()).into()).collect());
    out.into()
}
