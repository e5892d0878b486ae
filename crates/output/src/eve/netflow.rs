//! `netflow`: a flow's record once more, one line for each direction that had packets.

use wire::Direction;

use super::flow::{icmp, macs, tcp_flags};
use super::{community, endpoints, head, tunnel};
use crate::event::{FlowEvent, Stamp};
use crate::json::{Value, json};
use crate::text::timestamp;

pub(super) fn lines(stamp: &Stamp, event: &FlowEvent) -> Vec<Value> {
    [Direction::ToServer, Direction::ToClient]
        .into_iter()
        .filter(|direction| *direction == Direction::ToServer || event.record.packets[1] > 0)
        .map(|direction| line(stamp, event, direction))
        .collect()
}

fn line(stamp: &Stamp, event: &FlowEvent, direction: Direction) -> Value {
    let r = &event.record;
    let mut line = head(stamp, "netflow");
    endpoints(&mut line, &r.tuple, direction);
    tunnel(&mut line, event.tunnel.as_ref());
    macs(&mut line, event.macs.as_deref(), direction);
    let message = if direction == Direction::ToServer { r.icmp } else { event.icmp_reply };
    icmp(&mut line, "icmp", message);
    if let Some(app) = event.app {
        line.insert("app_proto".into(), app.name().into());
    }
    let mut netflow = json!({
        "pkts": r.packets[direction.index()],
        "bytes": r.bytes[direction.index()],
        "start": timestamp(r.tuple.start),
        "end": timestamp(r.end),
        "age": r.end.seconds().saturating_sub(r.tuple.start.seconds()),
    });
    if event.transactions > 0 {
        netflow["tx_cnt"] = event.transactions.into();
    }
    line.insert("netflow".into(), netflow);
    community(&mut line, &r.tuple);
    if let Some(tcp) = &r.tcp {
        let flags = tcp.flags[direction.index()];
        let mut out = json!({"tcp_flags": format!("{:02x}", flags.0)});
        tcp_flags(flags, |name| out[name] = true.into());
        line.insert("tcp".into(), out);
    }
    line.into()
}
