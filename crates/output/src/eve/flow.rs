//! `flow`: a record of a flow that ended.

use std::sync::Arc;

use ::flow::{EndReason, FlowRecord};
use wire::{Direction, TcpFlags};

use super::{community, endpoints, flow_counters, head, tunnel};
use crate::content::Macs;
use crate::event::{FlowEvent, Stamp};
use crate::json::{Object, Value, json};
use crate::text::{pairs, timestamp};

pub(super) fn line(stamp: &Stamp, event: &FlowEvent) -> Value {
    let r = &event.record;
    let mut line = head(stamp, "flow");
    endpoints(&mut line, &r.tuple, Direction::ToServer);
    tunnel(&mut line, event.tunnel.as_ref());
    macs(&mut line, event.macs.as_deref(), Direction::ToServer);
    icmp(&mut line, "icmp", r.icmp);
    icmp(&mut line, "response_icmp", event.icmp_reply);
    let apps = [event.app, event.original, event.expected];
    for (app, name) in apps.into_iter().zip(["app_proto", "app_proto_orig", "app_proto_expected"]) {
        if let Some(app) = app {
            line.insert(name.into(), app.name().into());
        }
    }
    let mut flow = flow_counters(r.packets, r.bytes, r.tuple.start);
    flow["end"] = timestamp(r.end).into();
    flow["age"] = r.end.seconds().saturating_sub(r.tuple.start.seconds()).into();
    flow["state"] = r.state.name().into();
    flow["reason"] = r.reason.name().into();
    if r.reason == EndReason::Pressure {
        flow["emergency"] = true.into();
    }
    flow["alerted"] = event.alerted.into();
    if event.transactions > 0 {
        flow["tx_cnt"] = event.transactions.into();
    }
    line.insert("flow".into(), flow);
    bits(&mut line, &event.bits);
    community(&mut line, &r.tuple);
    if let Some(tcp) = tcp(r) {
        line.insert("tcp".into(), tcp);
    }
    line.into()
}

/// The bits that rules have set on a flow: those that say what traffic it is stand apart, as in Suricata.
pub(super) fn bits(line: &mut Object, bits: &[Arc<str>]) {
    const ID: &str = "traffic/id/";
    const LABEL: &str = "traffic/label/";
    let list = |of: &dyn Fn(&str) -> Option<&str>| -> Vec<String> {
        bits.iter().filter_map(|bit| of(bit)).map(str::to_owned).collect()
    };
    let others = list(&|bit| (!bit.starts_with(ID) && !bit.starts_with(LABEL)).then_some(bit));
    if !others.is_empty() {
        line.insert("metadata".into(), json!({"flowbits": others}));
    }
    let mut traffic = Object::new();
    for (name, prefix) in [("id", ID), ("label", LABEL)] {
        let of = list(&|bit| bit.strip_prefix(prefix));
        if !of.is_empty() {
            traffic.insert(name.into(), of.into());
        }
    }
    if !traffic.is_empty() {
        line.insert("traffic".into(), traffic.into());
    }
}

/// The hardware addresses of both ends; `direction` says who is the source.
pub(super) fn macs(line: &mut Object, macs: Option<&Macs>, direction: Direction) {
    let Some(Macs { ends: [client, server] }) = macs else { return };
    let (sources, destinations) =
        if direction == Direction::ToServer { (client, server) } else { (server, client) };
    let list = |macs: &[[u8; 6]]| macs.iter().map(|mac| pairs(mac)).collect::<Vec<_>>();
    let mut out = json!({});
    // The schema wants no empty lists.
    for (name, macs) in [("dest_macs", destinations), ("src_macs", sources)] {
        if !macs.is_empty() {
            out[name] = list(macs).into();
        }
    }
    line.insert("ether".into(), out);
}

/// Type and code of a message, under names that begin with `prefix`.
pub(super) fn icmp(line: &mut Object, prefix: &str, message: Option<(u8, u8)>) {
    if let Some((kind, code)) = message {
        line.insert(format!("{prefix}_type").into(), kind.into());
        line.insert(format!("{prefix}_code").into(), code.into());
    }
}

fn tcp(record: &FlowRecord) -> Option<Value> {
    let tcp = record.tcp?;
    let all = TcpFlags(tcp.flags[0].0 | tcp.flags[1].0);
    let hex = |flags: TcpFlags| format!("{:02x}", flags.0);
    let mut out = Object::new();
    out.insert("tcp_flags".into(), hex(all).into());
    out.insert("tcp_flags_ts".into(), hex(tcp.flags[0]).into());
    out.insert("tcp_flags_tc".into(), hex(tcp.flags[1]).into());
    tcp_flags(all, |name| {
        out.insert(name.into(), true.into());
    });
    out.insert("state".into(), tcp.state.into());
    for (bytes, name) in tcp.gap_bytes.into_iter().zip(["ts_gap", "tc_gap"]) {
        if bytes > 0 {
            out.insert(name.into(), true.into());
        }
    }
    Some(out.into())
}

/// The names of the flags that are set.
pub(super) fn tcp_flags(flags: TcpFlags, mut set: impl FnMut(&'static str)) {
    for (bit, name) in [
        (TcpFlags::SYN, "syn"),
        (TcpFlags::FIN, "fin"),
        (TcpFlags::RST, "rst"),
        (TcpFlags::PSH, "psh"),
        (TcpFlags::ACK, "ack"),
        (TcpFlags::URG, "urg"),
        (TcpFlags::ECE, "ecn"),
        (TcpFlags::CWR, "cwr"),
    ] {
        if flags.any(bit) {
            set(name);
        }
    }
}
