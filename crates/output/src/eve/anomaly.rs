//! `anomaly`: something that the rules of a protocol do not allow.

use wire::Direction;

use super::{community, endpoints, ether, head, tunnel};
use crate::event::{AnomalyEvent, Stamp};
use crate::json::{Object, Value};

pub(super) fn line(stamp: &Stamp, event: &AnomalyEvent) -> Value {
    let mut line = head(stamp, "anomaly");
    if let Some((flow, direction)) = &event.flow {
        endpoints(&mut line, flow, *direction);
        community(&mut line, flow);
    }
    tunnel(&mut line, event.tunnel.as_ref());
    line.insert("pkt_src".into(), "wire/pcap".into());
    ether(&mut line, event.ether, event.flow.map_or(Direction::ToServer, |(_, direction)| direction));
    if let Some(tx_id) = event.tx_id {
        line.insert("tx_id".into(), tx_id.into());
    }
    let mut body = Object::new();
    if let Some(app) = event.app {
        body.insert("app_proto".into(), app.name().into());
    }
    body.insert("type".into(), event.kind.name().into());
    body.insert("event".into(), event.event.into());
    if let Some(layer) = event.layer {
        body.insert("layer".into(), layer.into());
    }
    line.insert("anomaly".into(), body.into());
    line.into()
}
