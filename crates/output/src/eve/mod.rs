//! EVE JSON: one line an event, in the forms of Suricata 8 for the event types that it has.

mod alert;
mod dns;
mod fileinfo;
mod flow;
mod http;
mod isolation;
mod login;
mod stats;
mod tls;
mod websocket;

use std::net::IpAddr;

use ::flow::FlowTuple;
use ::proto::Transaction;
use serde_json::{Map, Value, json};
use wire::{Direction, IpProto, Nanos};

use crate::event::{Event, Source, Stamp};
use crate::evidence::EvidenceSummary;
use crate::incident::Incident;
use crate::text::{eve_ip, timestamp};

/// Integers beyond this are not exact in JSON readers that use doubles.
const MAX_FLOW_ID: u64 = (1 << 53) - 1;

pub(crate) type Object = Map<String, Value>;

/// The line or lines of an event; packets of evidence have none of their own.
pub(crate) fn lines(stamp: &Stamp, event: &Event) -> Vec<Value> {
    match event {
        Event::Flow(e) => vec![flow::line(stamp, e)],
        Event::Transaction(e) => {
            let mut line = head(stamp, e.transaction.name());
            endpoints(&mut line, &e.flow, e.transaction.direction());
            line.insert("pkt_src".into(), "wire/pcap".into());
            community(&mut line, &e.flow);
            if !matches!(
                e.transaction,
                Transaction::Dns(_)
                    | Transaction::FileInfo(_)
                    | Transaction::Tls(_)
                    | Transaction::WebSocket(_)
            ) {
                line.insert("tx_id".into(), e.tx_id.into());
            }
            if let Transaction::FileInfo(file) = &e.transaction {
                fileinfo::beside(&mut line, file, |carrier| transaction(carrier, file.tx_id));
            }
            line.insert(e.transaction.name().into(), transaction(&e.transaction, e.tx_id));
            vec![line.into()]
        }
        Event::Alert(e) => vec![alert::line(stamp, e)],
        Event::Isolation(e) => vec![isolation::line(stamp, e)],
        Event::Evidence(_) | Event::Piece(_) => Vec::new(),
        Event::Stats(e) => stats::lines(stamp, e),
    }
}

/// The line that says an evidence file is complete.
pub(crate) fn evidence_line(stamp: &Stamp, summary: &EvidenceSummary) -> Value {
    let mut line = head(stamp, "evidence");
    endpoints(&mut line, &summary.flow, Direction::ToServer);
    community(&mut line, &summary.flow);
    let body = json!({"file": &*summary.file, "packets": summary.packets, "bytes": summary.bytes});
    line.insert("evidence".into(), body);
    line.into()
}

/// The line that says an incident report lies ready.
pub(crate) fn incident_line(stamp: &Stamp, incident: &Incident, state: &str) -> Value {
    let mut line = head(stamp, "incident");
    let body = json!({
        "id": incident.id,
        "state": state,
        "victim": incident.victim,
        "severity": incident.severity,
        "status": incident.status,
        "alerts": incident.alerts,
        "techniques": incident.techniques.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(),
        "report": format!("incidents/{}.html", incident.id),
    });
    line.insert("incident".into(), body);
    line.into()
}

fn transaction(transaction: &Transaction, tx_id: u64) -> Value {
    match transaction {
        Transaction::Dns(dns) => dns::body(dns, tx_id),
        Transaction::FileInfo(file) => fileinfo::body(file),
        Transaction::Http(http) => http::body(http),
        Transaction::Login(login) => login::body(login),
        Transaction::Tls(tls) => tls::body(tls),
        Transaction::WebSocket(frame) => websocket::body(frame),
    }
}

fn head(stamp: &Stamp, event_type: &str) -> Object {
    let mut line = Object::new();
    line.insert("timestamp".into(), timestamp(stamp.time).into());
    match &stamp.source {
        Source::Interface(name) => line.insert("in_iface".into(), (&**name).into()),
        Source::File(name) => line.insert("pcap_filename".into(), (&**name).into()),
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
    if !flow.vlans.ids().is_empty() {
        line.insert("vlan".into(), flow.vlans.ids().into());
    }
    let (src, dst) = match direction {
        Direction::ToServer => (flow.client, flow.server),
        Direction::ToClient => (flow.server, flow.client),
    };
    let ports = matches!(flow.proto, IpProto::TCP | IpProto::UDP | IpProto(132));
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

/// Community ID 1 (seed 0), for protocols that it is defined for with ports.
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

fn community(line: &mut Object, flow: &FlowTuple) {
    if matches!(flow.proto, IpProto::TCP | IpProto::UDP) {
        let id =
            community_id(flow.client.ip, flow.server.ip, flow.client.port, flow.server.port, flow.proto.0);
        if let Some(id) = id {
            line.insert("community_id".into(), id.into());
        }
    }
}

fn community_id(src: IpAddr, dst: IpAddr, src_port: u16, dst_port: u16, proto: u8) -> Option<String> {
    community_id::calculate_community_id(
        0,
        src,
        dst,
        Some(src_port),
        Some(dst_port),
        proto,
        Default::default(),
    )
    .ok()
}

#[cfg(test)]
mod tests;
