//! `quic`: a packet of a handshake.

use ::proto::Quic;
use ::proto::quic::Extension;

use super::tls::{fingerprint, put};

use crate::json::{Object, Value};

pub(super) fn body(quic: &Quic) -> Value {
    let mut out = Object::new();
    out.insert("version".into(), quic.version_name().into());
    put(&mut out, "sni", quic.sni.clone());
    put(&mut out, "ua", quic.user_agent.clone());
    put(&mut out, "cyu", quic.cyu.as_ref().map(|cyu| vec![fingerprint(cyu)]));
    put(&mut out, "ja3", quic.ja3.as_ref().map(fingerprint));
    put(&mut out, "ja3s", quic.ja3s.as_ref().map(fingerprint));
    put(&mut out, "ja4", quic.ja4.clone());
    if !quic.extensions.is_empty() {
        out.insert("extensions".into(), quic.extensions.iter().map(extension).collect());
    }
    out.into()
}

fn extension(extension: &Extension) -> Value {
    let mut out = Object::new();
    put(&mut out, "name", name(extension.kind));
    out.insert("type".into(), extension.kind.into());
    if !extension.values.is_empty() {
        out.insert("values".into(), extension.values.clone().into());
    }
    out.into()
}

/// Names of extensions as IANA registers them.
fn name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        0 => "server_name",
        1 => "max_fragment_length",
        5 => "status_request",
        10 => "supported_groups",
        11 => "ec_point_formats",
        13 => "signature_algorithms",
        15 => "heartbeat",
        16 => "alpn",
        18 => "signed_certificate_timestamp",
        21 => "padding",
        22 => "encrypt_then_mac",
        23 => "extended_master_secret",
        27 => "compress_certificate",
        28 => "record_size_limit",
        34 => "delegated_credentials",
        35 => "session_ticket",
        41 => "pre_shared_key",
        42 => "early_data",
        43 => "supported_versions",
        44 => "cookie",
        45 => "psk_key_exchange_modes",
        49 => "post_handshake_auth",
        50 => "signature_algorithms_cert",
        51 => "key_share",
        57 => "quic_transport_parameters",
        65281 => "renegotiation_info",
        _ => return None,
    })
}
