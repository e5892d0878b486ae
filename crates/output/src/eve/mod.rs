//! EVE JSON: one line an event, in the forms of Suricata 8 for the event types that it has.

mod alert;
mod anomaly;
mod audit;
mod bittorrent;
mod databases;
mod dcerpc;
mod dhcp;
mod dns;
mod fileinfo;
mod flow;
mod ftp;
mod http;
mod ike;
mod imap;
mod industrial;
mod irc;
mod isolation;
mod krb5;
mod ldap;
mod local;
mod login;
mod memcached;
mod mqtt;
mod netflow;
mod nfs;
mod ntlm;
mod pop3;
mod quic;
mod rdp;
mod redis;
mod rfb;
mod services;
mod sip;
mod smb;
mod smtp;
mod snmp;
mod socks;
mod ssh;
mod stats;
mod stun;
mod telnet;
mod tls;
mod websocket;

use std::net::IpAddr;
use std::sync::Arc;

use ::flow::FlowTuple;
use ::proto::{Secret, Transaction};
use wire::{Direction, IpProto, Nanos, Outer};

use crate::content::{AlertOptions, Ether};
use crate::event::{Event, Source, Stamp};
use crate::evidence::EvidenceSummary;
use crate::incident::Incident;
use crate::json::{Object, Value, json};
use crate::recorder::{DnsVersion, EventTypes};
use crate::text::{eve_ip, pairs, timestamp};

/// What stands in place of a password in the bodies of commands.
const MASK: &str = "***";
/// Integers beyond this are not exact in JSON readers that use doubles.
const MAX_FLOW_ID: u64 = (1 << 53) - 1;

/// What is chosen of the forms that events may have.
#[derive(Clone, Debug)]
pub(crate) struct Forms {
    /// Flows are told once more by direction.
    pub(crate) netflow: bool,
    /// The version of `dns`.
    pub(crate) dns: DnsVersion,
    /// Passwords in clear text.
    pub(crate) secrets: bool,
    /// Which lines there are.
    pub(crate) events: EventTypes,
    /// What alerts show.
    pub(crate) alert: AlertOptions,
    /// The sensor's name.
    pub(crate) sensor: Option<Arc<str>>,
}

/// The line or lines of an event; packets of evidence have none of their own.
pub(crate) fn lines(stamp: &Stamp, event: &Event, forms: &Forms) -> Vec<Value> {
    bodies(stamp, event, forms).into_iter().map(|line| signed(line, forms)).collect()
}

/// A line with the name of the sensor, which stands at its end as Suricata writes it.
fn signed(mut line: Value, forms: &Forms) -> Value {
    if let (Value::Object(names), Some(sensor)) = (&mut line, &forms.sensor) {
        names.insert("host".into(), sensor.into());
    }
    line
}

fn bodies(stamp: &Stamp, event: &Event, forms: &Forms) -> Vec<Value> {
    let wanted = |name| forms.events.has(name);
    match event {
        Event::Flow(e) => {
            let mut lines = Vec::new();
            if wanted("flow") {
                lines.push(flow::line(stamp, e));
            }
            if forms.netflow && wanted("netflow") {
                lines.extend(netflow::lines(stamp, e));
            }
            lines
        }
        Event::Anomaly(e) if wanted("anomaly") => vec![anomaly::line(stamp, e)],
        Event::Transaction(e) if wanted(e.transaction.name()) => {
            let mut line = head(stamp, e.transaction.name());
            endpoints(&mut line, &e.flow, direction(&e.transaction, forms));
            tunnel(&mut line, e.tunnel.as_ref());
            line.insert("pkt_src".into(), "wire/pcap".into());
            ether(&mut line, e.ether, direction(&e.transaction, forms));
            community(&mut line, &e.flow);
            if is_numbered(&e.transaction) {
                line.insert("tx_id".into(), e.tx_id.into());
            }
            if let Transaction::FileInfo(file) = &e.transaction {
                fileinfo::beside(&mut line, file, |carrier| transaction(carrier, file.tx_id, forms));
            }
            let name = e.transaction.name();
            if let (Transaction::Dns(dns), DnsVersion::V2) = (&e.transaction, forms.dns) {
                let with = |body| {
                    let mut line = line.clone();
                    line.insert(name.into(), body);
                    line.into()
                };
                return dns::bodies_v2(dns, e.tx_id).into_iter().map(with).collect();
            }
            line.insert(name.into(), transaction(&e.transaction, e.tx_id, forms));
            siblings(&mut line, &e.transaction);
            vec![line.into()]
        }
        Event::Alert(e) if wanted("alert") => vec![alert::line(stamp, e, forms)],
        Event::Isolation(e) if wanted("isolation") => vec![isolation::line(stamp, e)],
        Event::Port(e) if wanted("isolation") => vec![isolation::port(stamp, e)],
        Event::Brake(e) if wanted("isolation") => vec![isolation::brake(stamp, e)],
        Event::Audit(e) if wanted("audit") => vec![audit::line(stamp, e)],
        Event::Stats(e) => {
            let mut lines = Vec::new();
            if wanted("stats") {
                lines.push(stats::stats(stamp, e));
            }
            if wanted("counters") {
                lines.push(stats::counters(stamp, e));
            }
            lines
        }
        // Packets and pieces have no lines of their own; the others are not wanted.
        _ => Vec::new(),
    }
}

/// The lines of an event as eve.json has them, for whoever sends them elsewhere, with the name of the sensor if it has
/// one; without line ends. Passwords are masked and payloads left out whatever the recorder does.
#[must_use]
pub fn eve_lines(stamp: &Stamp, event: &Event, sensor: Option<&Arc<str>>) -> Vec<String> {
    let forms = Forms {
        netflow: false,
        dns: DnsVersion::default(),
        secrets: false,
        events: EventTypes::All,
        alert: AlertOptions::default(),
        sensor: sensor.cloned(),
    };
    let text = |line: Value| {
        let mut out = Vec::new();
        line.write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    };
    lines(stamp, event, &forms).into_iter().map(text).collect()
}

/// A secret as it is, or no more of it than how long it is.
fn secret(secret: &Secret, clear: bool) -> Value {
    if clear { secret.reveal().to_owned().into() } else { secret.to_string().into() }
}

/// Whether Suricata writes the transaction's number into its event's line.
fn is_numbered(transaction: &Transaction) -> bool {
    !matches!(
        transaction,
        Transaction::BitTorrentDht(_)
            | Transaction::Dhcp(_)
            | Transaction::Dns(_)
            | Transaction::FileInfo(_)
            | Transaction::Ike(_)
            | Transaction::Mdns(_)
            | Transaction::Ntp(_)
            | Transaction::Quic(_)
            | Transaction::Sip(_)
            | Transaction::Snmp(_)
            | Transaction::Ssh(_)
            | Transaction::Tftp(_)
            | Transaction::Tls(_)
            | Transaction::WebSocket(_)
    )
}

/// Who is the source. In version 2 of `dns` it is always the client.
fn direction(transaction: &Transaction, forms: &Forms) -> Direction {
    match transaction {
        Transaction::Dns(_) if forms.dns == DnsVersion::V2 => Direction::ToServer,
        other => other.direction(),
    }
}

/// The line that says an evidence file is complete.
pub(crate) fn evidence_line(stamp: &Stamp, summary: &EvidenceSummary, forms: &Forms) -> Value {
    let mut line = head(stamp, "evidence");
    endpoints(&mut line, &summary.flow, Direction::ToServer);
    community(&mut line, &summary.flow);
    let body = json!({"file": &summary.file, "packets": summary.packets, "bytes": summary.bytes});
    line.insert("evidence".into(), body);
    signed(line.into(), forms)
}

/// The line that says an incident report lies ready.
pub(crate) fn incident_line(stamp: &Stamp, incident: &Incident, state: &'static str, forms: &Forms) -> Value {
    let mut line = head(stamp, "incident");
    let body = json!({
        "id": &incident.id,
        "state": state,
        "victim": &incident.victim,
        "severity": incident.severity,
        "status": &incident.status,
        "alerts": incident.alerts,
        "techniques": incident.techniques.iter().map(|t| t.id.clone()).collect::<Vec<_>>(),
        "report": format!("incidents/{}.html", incident.id),
    });
    line.insert("incident".into(), body);
    signed(line.into(), forms)
}

fn transaction(transaction: &Transaction, tx_id: u64, forms: &Forms) -> Value {
    match transaction {
        Transaction::Dcerpc(call) => dcerpc::body(call),
        Transaction::BitTorrent(bittorrent) => bittorrent::body(bittorrent),
        Transaction::BitTorrentDht(message) => bittorrent::dht(message),
        Transaction::Dhcp(dhcp) => dhcp::body(dhcp),
        Transaction::Dhcpv6(dhcp) => dhcp::v6(dhcp),
        Transaction::Dns(dns) => dns::body(dns, tx_id),
        Transaction::Dtls(dtls) => tls::body(&dtls.0),
        Transaction::FileInfo(file) => fileinfo::body(file),
        Transaction::Amqp(amqp) => databases::amqp(amqp),
        Transaction::Bacnet(bacnet) => industrial::bacnet(bacnet),
        Transaction::Dnp3(dnp3) => industrial::dnp3(dnp3),
        Transaction::Enip(enip) => industrial::enip(enip),
        Transaction::Http(http) => http::body(http),
        Transaction::Ike(ike) => ike::body(ike),
        Transaction::Login(login) => login::body(login, forms.secrets),
        Transaction::Quic(quic) => quic::body(quic),
        Transaction::Ssh(ssh) => ssh::body(ssh),
        Transaction::Stun(stun) => stun::body(stun),
        Transaction::Krb5(krb5) => krb5::body(krb5),
        Transaction::Ldap(ldap) => ldap::body(ldap),
        Transaction::Ntlm(ntlm) => ntlm::body(ntlm),
        Transaction::Rdp(rdp) => rdp::body(rdp),
        Transaction::Smb(smb) => smb::body(smb),
        Transaction::Llmnr(llmnr) => local::body(&llmnr.message),
        Transaction::Mdns(mdns) => local::body(&mdns.message),
        Transaction::Nbns(nbns) => local::nbns(nbns),
        Transaction::Ntp(ntp) => services::ntp(ntp),
        Transaction::Rtp(rtp) => services::rtp(rtp),
        Transaction::Sip(sip) => sip::body(sip),
        Transaction::Snmp(snmp) => snmp::body(snmp),
        Transaction::Ssdp(ssdp) => services::ssdp(ssdp),
        Transaction::Syslog(syslog) => services::syslog(syslog),
        Transaction::Tftp(tftp) => services::tftp(tftp),
        Transaction::Ftp(ftp) => ftp::body(ftp, forms.secrets),
        Transaction::FtpData(data) => ftp::data(data),
        Transaction::Imap(imap) => imap::body(imap),
        Transaction::Irc(irc) => irc::body(irc),
        Transaction::Memcached(memcached) => memcached::body(memcached),
        Transaction::Pop3(pop3) => pop3::body(pop3, forms.secrets),
        Transaction::Redis(redis) => redis::body(redis),
        Transaction::Rfb(rfb) => rfb::body(rfb),
        Transaction::Smtp(smtp) => smtp::body(smtp),
        Transaction::Socks(socks) => socks::body(socks),
        Transaction::Telnet(telnet) => telnet::body(telnet),
        Transaction::Modbus(modbus) => industrial::modbus(modbus, tx_id),
        Transaction::MongoDb(mongodb) => databases::mongodb(mongodb),
        Transaction::Mqtt(mqtt) => mqtt::body(mqtt, forms.secrets),
        Transaction::Mysql(mysql) => databases::mysql(mysql),
        Transaction::Nfs(nfs) => nfs::body(nfs),
        Transaction::Pgsql(pgsql) => databases::pgsql(pgsql, tx_id),
        Transaction::Portmap(portmap) => nfs::portmap(portmap),
        Transaction::S7(s7) => industrial::s7(s7),
        Transaction::Tds(tds) => databases::tds(tds),
        Transaction::Tls(tls) => tls::body(tls),
        Transaction::WebSocket(frame) => websocket::body(frame),
    }
}

/// Where a transaction's body stands in the line of another event: the format knows none but Suricata's there.
fn body_beside(transaction: &Transaction) -> Option<&'static str> {
    match transaction {
        Transaction::Dtls(_) => Some("tls"),
        Transaction::Amqp(_)
        | Transaction::Bacnet(_)
        | Transaction::BitTorrent(_)
        | Transaction::Dhcpv6(_)
        | Transaction::Imap(_)
        | Transaction::Irc(_)
        | Transaction::Llmnr(_)
        | Transaction::Login(_)
        | Transaction::Mdns(_)
        | Transaction::Memcached(_)
        | Transaction::MongoDb(_)
        | Transaction::Mysql(_)
        | Transaction::Nbns(_)
        | Transaction::Ntlm(_)
        | Transaction::Portmap(_)
        | Transaction::Redis(_)
        | Transaction::Rtp(_)
        | Transaction::S7(_)
        | Transaction::Socks(_)
        | Transaction::Ssdp(_)
        | Transaction::Stun(_)
        | Transaction::Syslog(_)
        | Transaction::Tds(_)
        | Transaction::Telnet(_) => None,
        other => Some(other.name()),
    }
}

/// What stands beside the body of a transaction.
fn siblings(line: &mut Object, transaction: &Transaction) {
    match transaction {
        Transaction::Nfs(nfs) => {
            line.insert("rpc".into(), nfs::rpc(&nfs.call));
        }
        Transaction::Smtp(smtp) => {
            if let Some(email) = &smtp.email {
                line.insert("email".into(), smtp::email(email));
            }
        }
        _ => {}
    }
}

fn head(stamp: &Stamp, event_type: &'static str) -> Object {
    let mut line = Object::of_line();
    line.insert("timestamp".into(), timestamp(stamp.time).into());
    match &stamp.source {
        // A sensor without a capture port has none to name.
        Source::Interface(name) if name.is_empty() => None,
        Source::Interface(name) => line.insert("in_iface".into(), name.into()),
        Source::File(name) => line.insert("pcap_filename".into(), name.into()),
    };
    line.insert("event_type".into(), event_type.into());
    if let Some(packet) = stamp.packet {
        line.insert("pcap_cnt".into(), packet.into());
    }
    line
}

/// Flow number, VLANs, addresses and ports; `direction` says who is the source.
fn endpoints(line: &mut Object, flow: &FlowTuple, direction: Direction) {
    line.insert("flow_id".into(), (flow.id & MAX_FLOW_ID).into());
    if flow.vlans.count() > 0 {
        line.insert("vlan".into(), flow.vlans.ids().collect::<Vec<u16>>().into());
    }
    let (src, dst) = flow.ends(direction);
    let ports = has_ports(flow.proto);
    line.insert("src_ip".into(), eve_ip(src.ip).into());
    if ports {
        line.insert("src_port".into(), src.port.into());
    }
    line.insert("dest_ip".into(), eve_ip(dst.ip).into());
    if ports {
        line.insert("dest_port".into(), dst.port.into());
    }
    line.insert("proto".into(), flow.proto.to_string().into());
    line.insert("ip_v".into(), if flow.client.ip.is_ipv4() { 4 } else { 6 }.into());
}

fn has_ports(proto: IpProto) -> bool {
    matches!(proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP)
}

/// The hardware addresses of the packet; `direction` says who is the source.
fn ether(line: &mut Object, ether: Option<Ether>, direction: Direction) {
    let Some(Ether { ends: [client, server] }) = ether else { return };
    let (source, destination) =
        if direction == Direction::ToServer { (client, server) } else { (server, client) };
    line.insert("ether".into(), json!({"src_mac": pairs(&source), "dest_mac": pairs(&destination)}));
}

/// The outermost packet of the tunnel that a flow came through.
fn tunnel(line: &mut Object, tunnel: Option<&Outer>) {
    let Some(outer) = tunnel else { return };
    let body = json!({
        "src_ip": eve_ip(outer.source.ip),
        "src_port": outer.source.port,
        "dest_ip": eve_ip(outer.destination.ip),
        "dest_port": outer.destination.port,
        "proto": outer.proto.to_string(),
        "depth": outer.depth,
    });
    line.insert("tunnel".into(), body);
}

/// The counters of a flow so far, `[to server, to client]`.
fn flow_counters(packets: [u64; 2], bytes: [u64; 2], start: Nanos) -> Value {
    json!({
        "pkts_toserver": packets[0],
        "pkts_toclient": packets[1],
        "bytes_toserver": bytes[0],
        "bytes_toclient": bytes[1],
        "start": timestamp(start),
    })
}

/// Community ID 1 with seed 0: over ports where the protocol has some, over type and code for ICMP (a flow's endpoints
/// have these in place of ports), over addresses and protocol otherwise.
fn community(line: &mut Object, flow: &FlowTuple) {
    let id = community_id(flow.client.ip, flow.server.ip, flow.client.port, flow.server.port, flow.proto);
    if let Some(id) = id {
        line.insert("community_id".into(), id.into());
    }
}

fn community_id(src: IpAddr, dst: IpAddr, src_port: u16, dst_port: u16, proto: IpProto) -> Option<String> {
    let with_ports = has_ports(proto) || matches!(proto, IpProto::ICMP | IpProto::ICMPV6);
    let port = |port| with_ports.then_some(port);
    community_id::calculate_community_id(0, src, dst, port(src_port), port(dst_port), proto.0, false).ok()
}

#[cfg(test)]
mod options_tests;
#[cfg(test)]
mod secrets_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod windows_tests;
