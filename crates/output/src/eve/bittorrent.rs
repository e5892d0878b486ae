//! `bittorrent`, a peer's handshake, and `bittorrent_dht`.

use ::proto::bittorrent::{BitTorrent, BitTorrentDht, Node};
use wire::Endpoint;

use super::dns::put;
use crate::json::{Object, Value, json};
use crate::text::{eve_ip, hex};

pub(super) fn body(bittorrent: &BitTorrent) -> Value {
    json!({"info_hash": hex(&bittorrent.info_hash), "peer_id": hex(&bittorrent.peer_id)})
}

pub(super) fn dht(dht: &BitTorrentDht) -> Value {
    let mut out = Object::new();
    out.insert("transaction_id".into(), hex(&dht.transaction_id).into());
    bytes(&mut out, "client_version", dht.client_version.as_ref());
    if let Some((num, msg)) = &dht.error {
        out.insert("error".into(), json!({"num": num, "msg": msg}));
    } else if let Some(kind) = &dht.request_type {
        out.insert("request_type".into(), kind.clone().into());
        let mut request = Object::new();
        bytes(&mut request, "id", dht.id.as_ref());
        bytes(&mut request, "target", dht.target.as_ref());
        bytes(&mut request, "info_hash", dht.info_hash.as_ref());
        bytes(&mut request, "token", dht.token.as_ref());
        if let Some(implied) = dht.implied_port {
            request.insert("implied_port".into(), implied.into());
        }
        if let Some(port) = dht.port {
            request.insert("port".into(), port.into());
        }
        out.insert("request".into(), request.into());
    } else if dht.response {
        let mut response = Object::new();
        bytes(&mut response, "id", dht.id.as_ref());
        put(&mut response, "nodes", dht.nodes[0].iter().map(node).collect());
        put(&mut response, "nodes6", dht.nodes[1].iter().map(node).collect());
        put(&mut response, "values", dht.values.iter().map(peer).collect());
        bytes(&mut response, "token", dht.token.as_ref());
        out.insert("response".into(), response.into());
    }
    out.into()
}

fn bytes(out: &mut Object, name: &'static str, value: Option<&Vec<u8>>) {
    if let Some(value) = value {
        out.insert(name.into(), hex(value).into());
    }
}

fn peer(peer: &Endpoint) -> Value {
    json!({"ip": eve_ip(peer.ip), "port": peer.port})
}

fn node(node: &Node) -> Value {
    json!({"id": hex(&node.id), "ip": eve_ip(node.at.ip), "port": node.at.port})
}
