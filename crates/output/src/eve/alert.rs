//! `alert`: a finding. What Ringward adds goes into `alert.metadata`, as rule authors do.

use core::net::IpAddr;

use ::alert::Side;
use ::flow::FlowTuple;
use ::proto::Transaction;
use wire::{Direction, Endpoint, LinkType};

use super::{
    Forms, body_beside, community, endpoints, ether, fileinfo, flow, flow_counters, has_ports, head,
    transaction, tunnel,
};
use crate::content::{AlertOptions, Content};
use crate::event::{AlertEvent, Stamp};
use crate::json::{Object, Value, json};
use crate::text::{base64, eve_ip, printable};

pub(super) fn line(stamp: &Stamp, event: &AlertEvent, forms: &Forms) -> Value {
    let alert = &event.alert;
    let mut line = head(stamp, "alert");
    if let Some(flow) = &event.flow {
        endpoints(&mut line, flow, alert.direction);
    }
    flow::icmp(&mut line, "icmp", event.icmp);
    tunnel(&mut line, event.tunnel.as_ref());
    line.insert("pkt_src".into(), "wire/pcap".into());
    ether(&mut line, event.ether, alert.direction);
    if let Some(flow) = &event.flow {
        community(&mut line, flow);
    }
    if let Some((tx_id, _)) = &event.transaction {
        line.insert("tx_id".into(), (*tx_id).into());
    }
    let mut body = json!({
        "action": "allowed",
        "gid": alert.gid,
        "signature_id": alert.sid,
        "rev": alert.rev,
        "signature": alert.signature.to_string(),
        "category": alert.category.to_string(),
        "severity": alert.severity as u8,
        "metadata": metadata(event, forms.alert.metadata),
    });
    if let Some(rule) = &alert.rule {
        if !rule.references.is_empty() {
            body["references"] = rule.references.iter().map(ToString::to_string).collect::<Vec<_>>().into();
        }
        if let (Some(target), Some(flow)) = (rule.target, &event.flow) {
            sides(&mut body, flow, alert.direction, target);
        }
    }
    line.insert("alert".into(), body);
    if forms.alert.metadata {
        flow::bits(&mut line, &event.bits);
    }
    if let (Some((tx_id, tx)), true) = (&event.transaction, forms.alert.metadata) {
        beside(&mut line, tx, *tx_id, forms);
    }
    if let Some(app) = event.app {
        line.insert("app_proto".into(), app.name().into());
    }
    if let Some(tuple) = &event.flow {
        let direction = match alert.direction {
            Direction::ToServer => "to_server",
            Direction::ToClient => "to_client",
        };
        line.insert("direction".into(), direction.into());
        if forms.alert.metadata {
            line.insert("flow".into(), so_far(event, tuple));
        }
    }
    if let Some(content) = &event.content {
        raised_on(&mut line, content, &forms.alert);
    }
    line.into()
}

/// Payload, packet and bodies, in the forms asked for.
fn raised_on(line: &mut Object, content: &Content, options: &AlertOptions) {
    for (name, body) in ["http_request_body", "http_response_body"].into_iter().zip(&content.bodies) {
        // Only an exchange has some.
        let Some(Value::Object(http)) = line.get_mut("http").filter(|_| !body.is_empty()) else { continue };
        if options.http_body {
            http.insert(name.into(), base64(body).into());
        }
        if options.http_body_printable {
            http.insert(format!("{name}_printable").into(), printable(body).into());
        }
    }
    if let Some(payload) = &content.payload {
        if options.payload {
            line.insert("payload".into(), base64(&payload.bytes).into());
        }
        if options.payload_length {
            line.insert("payload_length".into(), payload.length.into());
        }
        if options.payload_printable {
            line.insert("payload_printable".into(), printable(&payload.bytes).into());
        }
        line.insert("stream".into(), u8::from(payload.stream).into());
    }
    if let (Some((link, frame)), true) = (&content.packet, options.packet) {
        line.insert("packet".into(), base64(frame).into());
        let mut info = json!({"linktype": link.to_pcap()});
        info["linktype_name"] = link_name(*link).into();
        line.insert("packet_info".into(), info);
    }
}

/// A link type as libpcap calls it.
fn link_name(link: LinkType) -> &'static str {
    match link {
        LinkType::Ethernet => "EN10MB",
        LinkType::RawIp => "RAW",
        LinkType::LinuxCooked => "LINUX_SLL",
        LinkType::LinuxCooked2 => "LINUX_SLL2",
        LinkType::Null => "NULL",
        LinkType::Slip => "SLIP",
        LinkType::Ppp => "PPP",
        LinkType::Fddi => "FDDI",
        LinkType::PppHdlc => "PPP_SERIAL",
        LinkType::CiscoHdlc => "C_HDLC",
        LinkType::Ieee80211 => "IEEE802_11",
        LinkType::FrameRelay => "FRELAY",
        LinkType::Radiotap => "IEEE802_11_RADIO",
        LinkType::Ppi => "PPI",
        LinkType::Nflog => "NFLOG",
    }
}

/// How far the flow had come.
fn so_far(event: &AlertEvent, tuple: &FlowTuple) -> Value {
    let mut flow = flow_counters(event.packets, event.bytes, tuple.start);
    flow["src_ip"] = eve_ip(tuple.client.ip).into();
    flow["dest_ip"] = eve_ip(tuple.server.ip).into();
    if has_ports(tuple.proto) {
        flow["src_port"] = tuple.client.port.into();
        flow["dest_port"] = tuple.server.port.into();
    }
    flow
}

/// The body of the transaction that matched; of a file its own, and that of what carried it.
fn beside(line: &mut Object, tx: &Transaction, tx_id: u64, forms: &Forms) {
    let carrier = match tx {
        Transaction::FileInfo(file) => {
            line.insert("files".into(), vec![fileinfo::body(file)].into());
            file.carrier.as_ref()
        }
        other => Some(other),
    };
    if let Some(carrier) = carrier
        && let Some(name) = body_beside(carrier)
    {
        line.insert(name.into(), transaction(carrier, tx_id, forms));
    }
}

/// Who did it and whom it was done to, as the rule says.
fn sides(body: &mut Value, flow: &FlowTuple, direction: Direction, target: Side) {
    let (source, destination) = flow.ends(direction);
    let side = |end: Endpoint| {
        let mut side = json!({ "ip": eve_ip(end.ip) });
        if has_ports(flow.proto) {
            side["port"] = end.port.into();
        }
        side
    };
    let (attacker, victim) =
        if target == Side::Source { (destination, source) } else { (source, destination) };
    body["source"] = side(attacker);
    body["target"] = side(victim);
}

/// `of_author`: with what the rule's author says.
fn metadata(event: &AlertEvent, of_author: bool) -> Value {
    let alert = &event.alert;
    let mut out = Object::new();
    if let Some(rule) = &alert.rule {
        for (name, values) in rule.metadata.iter().filter(|_| of_author) {
            let values: Vec<Value> = values.iter().cloned().map(Value::Shared).collect();
            out.insert(name.to_string().into(), values.into());
        }
        out.insert("rule_source".into(), vec![rule.source.to_string()].into());
    }
    let mut put = |name: &'static str, values: Vec<String>| {
        if !values.is_empty() {
            out.insert(name.into(), values.into());
        }
    };
    let mut tactics: Vec<_> = alert.techniques.iter().map(|t| t.tactic()).collect();
    tactics.sort_unstable();
    tactics.dedup();
    put("mitre_tactic_id", tactics.iter().map(|t| t.id().to_owned()).collect());
    put("mitre_tactic_name", tactics.iter().map(|t| t.name().replace(' ', "_")).collect());
    let mut ids: Vec<String> = alert.techniques.iter().map(|t| t.id().to_owned()).collect();
    for id in alert.hit.iter().flat_map(|hit| &hit.techniques) {
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }
    put("mitre_technique_id", ids);
    put("mitre_technique_name", alert.techniques.iter().map(|t| t.name().replace(' ', "_")).collect());
    let mut stages: Vec<_> = alert.tactics().map(|tactic| tactic.stage()).collect();
    stages.sort_unstable();
    stages.dedup();
    put("kill_chain_stage", stages.iter().map(|s| s.name().to_owned()).collect());
    if let Some(hit) = &alert.hit {
        put("ioc_type", vec![hit.kind.to_owned()]);
        put("ioc_value", vec![hit.indicator.to_string()]);
        put("ioc_observed", vec![hit.observed.clone()]);
        put("ioc_description", hit.description.iter().map(ToString::to_string).collect());
        put("ioc_source", vec![hit.source.clone()]);
        put("ioc_confidence", hit.confidence.iter().map(ToString::to_string).collect());
        put("ioc_tags", hit.tags.clone());
    }
    if let Some(technique) = alert.by_class() {
        put("mitre_tactic_id", vec![technique.tactic.id().to_owned()]);
        put("mitre_tactic_name", vec![technique.tactic.name().replace(' ', "_")]);
        put("mitre_technique_id", vec![technique.id.to_owned()]);
        put("mitre_technique_name", vec![technique.name.replace(' ', "_")]);
        put("mitre_technique_source", vec!["class".to_owned()]);
    }
    let ip = |ip: &Option<IpAddr>| ip.iter().map(ToString::to_string).collect::<Vec<_>>();
    put("victim", ip(&alert.victim));
    if let (Some(basis), Some(percent)) = (alert.basis, alert.victim_confidence()) {
        put("victim_basis", vec![basis.name().to_owned()]);
        put("victim_confidence", vec![percent.to_string()]);
    }
    put("actor", ip(&alert.parties.actor));
    put("target", ip(&alert.parties.target));
    put("outside", ip(&alert.parties.outside));
    put("account", alert.parties.accounts.clone());
    put("forwarded_by", event.forwarded.iter().map(|forwarded| forwarded.by.to_string()).collect());
    if let Some(checkin) = &alert.checkin {
        let told = |d: &Option<::alert::Disclosure>| d.iter().map(|d| d.value.clone()).collect();
        put("c2_host_name", told(&checkin.host_name));
        put("c2_user_name", told(&checkin.user_name));
        put("c2_operating_system", told(&checkin.operating_system));
    }
    put("evidence", event.evidence.iter().map(ToString::to_string).collect());
    out.into()
}
